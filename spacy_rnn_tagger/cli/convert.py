"""`spacy rnn convert`: convert annotated text to spaCy's binary format."""

import typer
from wasabi import msg

from ..errors import listed
from ..errors.wording import counted
from ..formats.base import UNITS, Role
from ..formats.offsets import OFFSETS
from ..formats.placing import MISALIGNED, OVERLAPPING
from ..formats.registry import formats_for, known_suffixes
from ..formats.resolving import RESOLVE
from ..training.converting import convert
from . import app
from .evaluating import warn
from .failures import failures

_FORMATS = ", ".join(each.name for each in formats_for(Role.ANNOTATED, Role.CORPUS))


def _one_of(choices: tuple[str, ...]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


@app.command("convert")
def convert_cli(
    input: str = typer.Argument(
        ...,
        help="Annotated text: a file whose name ends in "
        f"{known_suffixes(Role.ANNOTATED, Role.CORPUS)}, or a folder of such files",
    ),
    output: str = typer.Argument(..., help=".spacy file to write"),
    format: str = typer.Option(
        None, "--format", "-f", help=f"{_FORMATS}; recognised from the content if not given"
    ),
    lang: str = typer.Option("en", "--lang", "-l", help="Language whose tokenizer to use"),
    labels: str = typer.Option(
        None, "--labels", help="Labels to keep, separated by commas; all if not given"
    ),
    allow_empty: bool = typer.Option(
        False, "--allow-empty", help="Write the docs even if none has an entity"
    ),
    resolve: str = typer.Option(
        None,
        "--resolve",
        help="What to do with annotation on which the annotators of a text disagree: "
        f"{_one_of(RESOLVE)}. Repeated texts count as annotated again. If not given: missing, for "
        "texts whose tool names several annotators",
    ),
    misaligned: str = typer.Option(
        "error",
        "--misaligned",
        help=f"What to do with spans that split tokens: {_one_of(MISALIGNED)}",
    ),
    overlapping: str = typer.Option(
        "error", "--overlapping", help=f"What to do with overlapping spans: {_one_of(OVERLAPPING)}"
    ),
    incorrect_spans_key: str = typer.Option(
        None,
        "--incorrect-spans-key",
        help="Span group for spans that annotators rejected; only counted if not given",
    ),
    text_column: str = typer.Option("text", "--text-column", "-t", help="Key of the text in JSON"),
    token_column: int = typer.Option(
        1, "--token-column", help="Column of the token in column files (CoNLL); -1 for the last one"
    ),
    tag_column: int = typer.Option(
        -1, "--tag-column", help="Column of the tag; -1 for the last one"
    ),
    unit: str = typer.Option(
        "sentence", "--unit", help=f"What becomes a doc in column files: {_one_of(UNITS)}"
    ),
    offsets: str = typer.Option(
        "auto", "--offsets", help=f"How offsets count emoji: {_one_of(OFFSETS)}"
    ),
    report: str = typer.Option(
        None,
        "--report",
        help="File for a list of what was dropped, changed or left missing because of a problem",
    ),
) -> None:
    """Convert annotated text to a .spacy file.

    A line in a .txt file looks like `[Red Fort](FAC) is in [Delhi](GPE).`; a line in a .jsonl file
    is an object with "text" and "entities" (or "spans"), each with start, end and label. Exports of
    Label Studio, doccano, Prodigy and BRAT are read as they are, as are column files (CoNLL).
    """
    with failures("Nothing was written"):
        found = convert(
            input,
            output,
            format=format,
            lang=lang,
            labels=None if labels is None else [label.strip() for label in labels.split(",")],
            allow_empty=allow_empty,
            resolve=resolve,
            misaligned=misaligned,
            overlapping=overlapping,
            incorrect_spans_key=incorrect_spans_key,
            text_column=text_column,
            token_column=token_column,
            tag_column=tag_column,
            unit=unit,
            offsets=offsets,
            report=report,
            progress=True,
            notify=warn,
        )
    for form, files in found.read_as.items():
        n = f"{len(files):,} files" if len(files) > 1 else files[0]
        typer.echo(f"ℹ Read as {form}: {n}", err=True)
    if found.ignored:
        counts = ", ".join(f"{what} ({count:,})" for what, count in found.ignored.items())
        warn(f"Ignored: {counts}")
    if found.agreement is not None:
        for line in found.agreement.lines():
            typer.echo(f"ℹ {line}", err=True)
    if found.notices:
        hint = "" if report else "; --report FILE writes all of them"
        warn(counted(len(found.notices), "notice") + hint)
        typer.echo(listed(found.notices), err=True)
    msg.good(f"{output}: {found}")
