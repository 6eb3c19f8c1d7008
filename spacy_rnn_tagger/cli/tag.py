"""`spacy rnn tag`: the entities of a few texts, on the screen."""

import sys
from pathlib import Path

import spacy
import typer
from rich.console import Console
from rich.text import Text
from wasabi import msg

from . import app


@app.command("tag")
def tag_cli(
    model: str = typer.Argument(..., help="A pipeline: its folder or its package's name"),
    texts: list[str] = typer.Argument(None, help="Texts; standard input, a line each, if none"),
    file: Path = typer.Option(None, "--file", "-f", help="A file with one text a line"),
) -> None:
    """Print texts with their entities marked, in the inline form."""
    try:
        nlp = spacy.load(model)
        lines = file.read_text(encoding="utf-8").splitlines() if file else texts or sys.stdin
    except (OSError, ValueError) as error:
        msg.fail("Can't tag", str(error), exits=1)
    console = Console(soft_wrap=True, highlight=False)
    for doc in nlp.pipe(line.strip() for line in lines if line.strip()):
        console.print(_marked(doc))


def _marked(doc: spacy.tokens.Doc) -> Text:
    marked, at = Text(), 0
    for ent in doc.ents:
        marked.append(doc.text[at : ent.start_char])
        marked.append(f"[{ent.text}]", style="bold")
        marked.append(f"({ent.label_})", style="cyan")
        at = ent.end_char
    marked.append(doc.text[at:])
    return marked
