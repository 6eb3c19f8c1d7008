"""`spacy rnn convert`: from annotated text to spaCy's binary format."""

import sys
from pathlib import Path

import spacy
import typer
from spacy.tokens import DocBin
from tqdm import tqdm
from wasabi import msg

from ..corpus import AnnotationError, corpus_files, read_docs
from ..files import write_whole
from . import app


@app.command("convert")
def convert_cli(
    input_path: Path = typer.Argument(..., help="A .txt or .jsonl file, or a folder of them"),
    output_path: Path = typer.Argument(..., help="The .spacy file to write"),
    lang: str = typer.Option("en", "--lang", "-l", help="Language whose tokenizer is used"),
) -> None:
    """Convert annotated text to .spacy.

    A line of a .txt file is `[Red Fort](FAC) is in [Delhi](GPE).`; one of a .jsonl file is an
    object with "text" and "entities" (or "spans"), which have start, end and label.
    """
    try:
        count = convert(input_path, output_path, lang=lang)
    except (AnnotationError, FileNotFoundError) as error:
        msg.fail("Nothing was written", str(error), exits=1)
    msg.good(f"{count} docs in {output_path}")


def convert(input_path: Path, output_path: Path, *, lang: str) -> int:
    """Convert a file or folder; the output appears whole or not at all.

    RETURNS: the number of docs.

    RAISES AnnotationError: annotation is malformed, overlaps or is misaligned.
    RAISES FileNotFoundError: there is no input.
    """
    files = corpus_files(input_path)
    docs = DocBin(attrs=["ORTH", "SPACY", "ENT_IOB", "ENT_TYPE"])
    stream = read_docs(spacy.blank(lang), files)
    for doc in tqdm(stream, desc=str(input_path), unit=" docs", disable=None, file=sys.stderr):
        docs.add(doc)
    if not len(docs):
        raise AnnotationError(f"{input_path}: no annotated text")
    write_whole(output_path, docs.to_bytes())
    return len(docs)
