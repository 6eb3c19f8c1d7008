"""`spacy rnn convert`: from annotated text to spaCy's binary format."""

import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import spacy
import typer
from spacy.tokens import DocBin
from tqdm import tqdm
from wasabi import msg

from ..corpus import AnnotationError, corpus_files, read_docs, unread_note
from ..io import check_file, write_whole
from . import app
from .evaluating import warn
from .failures import failures

_SUFFIX = ".spacy"  # spaCy reads files with this one only


class Converted(NamedTuple):
    """What was written.

    docs, tokens: how many.
    entities: how many of each label.
    left_out: how many records the annotator did not accept, by answer.
    """

    docs: int
    tokens: int
    entities: dict[str, int]
    left_out: dict[str, int]


@app.command("convert")
def convert_cli(
    input_path: Path = typer.Argument(
        ..., help="A .txt or .jsonl file, compressed (.gz) or not, or a folder of them"
    ),
    output_path: Path = typer.Argument(..., help="The .spacy file to write"),
    lang: str = typer.Option("en", "--lang", "-l", help="Language whose tokenizer is used"),
    allow_empty: bool = typer.Option(
        False, "--allow-empty", help="Write the docs even if there is no entity in any"
    ),
) -> None:
    """Convert annotated text to .spacy.

    A line of a .txt file is `[Red Fort](FAC) is in [Delhi](GPE).`; one of a .jsonl file is an
    object with "text" and "entities" (or "spans"), which have start, end and label.
    """
    with failures("Nothing was written"):
        found = convert(input_path, output_path, lang=lang, allow_empty=allow_empty)
    msg.good(f"{output_path}: {_described(found)}")


def convert(
    input_path: Path, output_path: Path, *, lang: str = "en", allow_empty: bool = False
) -> Converted:
    """Convert a file or folder; the output appears whole or not at all.

    Args:
        input_path: A file or a folder in a form that `corpus` reads.
        output_path: The .spacy file to write.
        lang: The language whose tokenizer is used.
        allow_empty: Whether docs without any entity are right.

    Returns:
        What was written.

    Raises:
        AnnotationError: Annotation is malformed, overlaps or is misaligned, or there is none; or
            the form of the file is not known.
        ImportError: spaCy does not have the language, or a package that its tokenizer needs.
        OSError: There is no input, or the output can't be written.
        ValueError: The output's name does not end in ".spacy".
    """
    files = corpus_files(input_path)
    check_file(output_path)
    if output_path.suffix != _SUFFIX:
        raise ValueError(f"The name of the output must end in {_SUFFIX}, but got {output_path}.")
    note = unread_note(input_path, but=output_path)
    if note:
        warn(note)
    docs = DocBin(attrs=["ORTH", "SPACY", "ENT_IOB", "ENT_TYPE"])
    left_out: Counter[str] = Counter()
    entities: Counter[str] = Counter()
    tokens = 0
    stream = read_docs(spacy.blank(lang), files, left_out=left_out)
    for doc in tqdm(stream, desc=str(input_path), unit=" docs", disable=None, file=sys.stderr):
        docs.add(doc)
        tokens += len(doc)
        entities.update(ent.label_ for ent in doc.ents)
    found = Converted(len(docs), tokens, dict(sorted(entities.items())), dict(left_out))
    if not found.docs:
        raise AnnotationError(f"{input_path}: no annotated text{_left_out(found)}")
    if not found.entities and not allow_empty:
        raise AnnotationError(
            f"{input_path}: {_described(found)}. Entities are written [Red Fort](FAC) in .txt, and "
            "with their offsets in .jsonl; if no entity is what you expect, pass --allow-empty."
        )
    write_whole(output_path, docs.to_bytes())
    return found


def _described(found: Converted) -> str:
    counts = ", ".join(f"{label} {count:,}" for label, count in found.entities.items())
    return (
        f"{found.docs:,} docs, {found.tokens:,} tokens, "
        f"{f'entities: {counts}' if counts else 'no entity'}{_left_out(found)}"
    )


def _left_out(found: Converted) -> str:
    if not found.left_out:
        return ""
    answers = ", ".join(f"{answer} {count:,}" for answer, count in found.left_out.items())
    return f" (records left out by their answer: {answers})"
