"""`spacy rnn convert`: from the inline form to spaCy's binary format."""

import sys
from pathlib import Path

import spacy
import typer
from spacy.tokens import DocBin
from tqdm import tqdm
from wasabi import msg

from ..inline import InlineError, inline_files, read_docs
from . import app


@app.command("convert")
def convert_cli(
    input_path: Path = typer.Argument(..., help="A file of the inline form, or a folder of *.txt"),
    output_path: Path = typer.Argument(..., help="The .spacy file to write"),
    lang: str = typer.Option("en", "--lang", "-l", help="Language whose tokenizer is used"),
) -> None:
    """Convert annotated text, `[Red Fort](FAC) is in [Delhi](GPE).` a line, to .spacy."""
    try:
        count = convert(input_path, output_path, lang=lang)
    except (InlineError, FileNotFoundError) as error:
        msg.fail("Nothing was written", str(error), exits=1)
    msg.good(f"{count} docs in {output_path}")


def convert(input_path: Path, output_path: Path, *, lang: str) -> int:
    """Convert a file or folder; the output appears whole or not at all.

    RETURNS: the number of docs.

    RAISES InlineError: a line is malformed.
    RAISES FileNotFoundError: there is no input.
    """
    files = inline_files(input_path)
    docs = DocBin(attrs=["ORTH", "SPACY", "ENT_IOB", "ENT_TYPE"])
    stream = read_docs(spacy.blank(lang), files)
    for doc in tqdm(stream, desc=str(input_path), unit=" docs", disable=None, file=sys.stderr):
        docs.add(doc)
    if not len(docs):
        raise InlineError(f"{input_path}: no line with text")
    output_path.parent.mkdir(parents=True, exist_ok=True)
    partial = output_path.with_name(output_path.name + ".partial")
    partial.write_bytes(docs.to_bytes())
    partial.replace(output_path)
    return len(docs)
