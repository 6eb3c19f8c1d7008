"""`spacy rnn tag`: the entities of a few texts, on the screen."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer
from spacy.tokens import Doc

from ..formats.inline import LABEL, NAME, format_parts
from ..io import lines_of, read_lines
from . import app
from .evaluating import load
from .failures import failures

_STYLES: dict[str, dict[str, Any]] = {NAME: {"bold": True}, LABEL: {"fg": "cyan"}}


@app.command("tag")
def tag_cli(
    model: str = typer.Argument(..., help="A pipeline: its folder or its package's name"),
    texts: list[str] = typer.Argument(None, help="Texts; standard input, a line each, if none"),
    file: Path = typer.Option(None, "--file", "-f", help="A file with one text a line"),
) -> None:
    """Print texts with their entities marked, in the inline format that `convert` reads.

    Each text is a line, blank ones are left out. What would break a line is written as an escape.
    """
    with failures("Can't tag"):
        if texts and file is not None:
            raise ValueError("Give either texts or --file, but not both.")
        nlp = load(model)
        color = False if os.environ.get("NO_COLOR") else None  # None: on a terminal only
        for doc in nlp.pipe(text for text in _texts(texts, file) if text.strip()):
            typer.echo(_marked(doc), color=color)


def _texts(texts: list[str] | None, file: Path | None) -> Iterable[str]:
    if file is not None:
        return read_lines(file)
    return texts or lines_of(sys.stdin.buffer, "standard input")


def _marked(doc: Doc) -> str:
    """Write a doc in the inline format, in the colours of a terminal."""
    spans = [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]
    return "".join(
        typer.style(part, **_STYLES[kind]) if kind in _STYLES else part
        for kind, part in format_parts(doc.text, spans)
    )
