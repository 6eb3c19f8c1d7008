"""`spacy rnn convert`: from annotated text to spaCy's binary format."""

import typer
from wasabi import msg

from ..formats.base import Role
from ..formats.registry import known_suffixes
from ..training.converting import convert
from . import app
from .evaluating import warn
from .failures import failures


@app.command("convert")
def convert_cli(
    input: str = typer.Argument(
        ..., help=f"A file that ends in {known_suffixes(Role.ANNOTATED)}, or a folder of them"
    ),
    output: str = typer.Argument(..., help="The .spacy file to write"),
    lang: str = typer.Option("en", "--lang", "-l", help="Language whose tokenizer is used"),
    labels: str = typer.Option(
        None, "--labels", help="Labels to keep, with commas between them; all if not given"
    ),
    allow_empty: bool = typer.Option(
        False, "--allow-empty", help="Write the docs even if there is no entity in any"
    ),
) -> None:
    """Convert annotated text to .spacy.

    A line of a .txt file is `[Red Fort](FAC) is in [Delhi](GPE).`; one of a .jsonl file is an
    object with "text" and "entities" (or "spans"), which have start, end and label.
    """
    with failures("Nothing was written"):
        found = convert(
            input,
            output,
            lang=lang,
            labels=None if labels is None else [label.strip() for label in labels.split(",")],
            allow_empty=allow_empty,
            progress=True,
            notify=warn,
        )
    msg.good(f"{output}: {found}")
