"""`spacy rnn tag`: print the entities in a few texts."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer
from spacy.tokens import Doc

from ..errors import Errors
from ..formats.inline import LABEL, NAME, format_parts
from ..io import lines_of, read_lines
from . import app
from .evaluating import load
from .failures import failures

_STYLES: dict[str, dict[str, Any]] = {NAME: {"bold": True}, LABEL: {"fg": "cyan"}}


@app.command("tag")
def tag_cli(
    model: str = typer.Argument(..., help="Folder or package name of a pipeline"),
    texts: list[str] = typer.Argument(
        None, help="Texts; if none are given, the lines of standard input"
    ),
    file: Path = typer.Option(None, "--file", "-f", help="File with one text per line"),
) -> None:
    """Print texts with their entities marked, in the inline format that `convert` reads.

    Each text is printed on one line; blank texts are left out, and line breaks are escaped.
    """
    with failures("Can't tag"):
        if texts and file is not None:
            raise ValueError(Errors.RNN029)
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
