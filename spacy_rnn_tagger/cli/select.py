"""`spacy rnn select`: what to annotate next."""

from pathlib import Path

import typer
from wasabi import msg

from ..formats.base import Role
from ..formats.registry import formats_for, known_suffixes
from ..review.selecting import NO_MODEL, select
from ..review.uncertainty import MEASURES, TOKEN, UNITS
from . import app
from .evaluating import CODE, COMPONENT, GPU, warn
from .failures import failures
from .reading import (
    BATCH_SIZE,
    FROM_NAME,
    MAX_LENGTH,
    NEAR_DUPLICATES,
    TEXT_COLUMN,
    TO_NAME,
    WHOLE_FILES,
)

_FORMATS = " or ".join(", ".join(each.name for each in formats_for(Role.OUTPUT)).rsplit(", ", 1))


@app.command("select")
def select_cli(
    model: str = typer.Argument(
        ...,
        help="A trained pipeline: its folder or its package's name. "
        f"{NO_MODEL} to start from raw text",
    ),
    texts: str = typer.Argument(
        ...,
        help=f"Texts in files that end in {known_suffixes(Role.TEXTS)}; .txt has a record a line. "
        "A file, a folder or a glob, as a path or a URL",
    ),
    output: str = typer.Argument(..., help="The file to write, a path or a URL"),
    n: int = typer.Option(200, "--n", help="How many texts, or questions, to select"),
    by: str = typer.Option(
        None,
        "--by",
        help=f"{', '.join(MEASURES[:-1])} or {MEASURES[-1]}: 1 - P(best analysis), by default; "
        "the margin of the two best; the entropy of all; or the expected errors",
    ),
    per: str = typer.Option(
        TOKEN, "--per", help=f"{' or '.join(UNITS)}: by the length of a text, or not"
    ),
    spans: bool = typer.Option(
        False, "--spans", help="Ask about single doubtful spans, to be accepted or rejected"
    ),
    diversity: float = typer.Option(
        0.5, "--diversity", help="How much less a name counts that was taken before: 0 to below 1"
    ),
    near_duplicates: bool = NEAR_DUPLICATES,
    format: str = typer.Option(
        "jsonl", "--format", "-f", help=f"{_FORMATS}; with --spans, jsonl or prodigy"
    ),
    lang: str = typer.Option("en", "--lang", "-l", help="Language of raw text"),
    text_column: str = TEXT_COLUMN,
    whole_files: bool = WHOLE_FILES,
    from_name: str = FROM_NAME,
    to_name: str = TO_NAME,
    batch_size: int = BATCH_SIZE,
    shard_size: int = typer.Option(500, "--shard-size", help="Texts in memory at a time"),
    max_length: int = MAX_LENGTH,
    component: str = COMPONENT,
    code: Path = CODE,
    gpu_id: int = GPU,
) -> None:
    """Select the texts that a pipeline can learn most from, for people to annotate.

    Each record says why it was selected. Of texts that are nearly the same only one is selected,
    and a name that the pipeline is unsure of counts for less each time it was taken.
    """
    with failures("Nothing was selected"):
        found = select(
            model,
            texts,
            output,
            n=n,
            by=by,
            per=per,
            spans=spans,
            diversity=diversity,
            near_duplicates=near_duplicates,
            format=format,
            component=component,
            lang=lang,
            text_column=text_column,
            whole_files=whole_files,
            from_name=from_name,
            to_name=to_name,
            batch_size=batch_size,
            shard_size=shard_size,
            max_length=max_length,
            code=code,
            gpu_id=gpu_id,
            progress=True,
            notify=warn,
        )
    if found.failed:
        warn(f"{found.failed:,} records failed; they are in {found.error_file}")
    if found.selected < n:
        warn(f"There were no more: {found.selected:,} of the {n:,} that were asked for")
    what = "questions" if spans else "texts"
    msg.good(
        f"{found.selected:,} {what} ({found.tokens:,} tokens) from {found.read:,} records: {output}"
    )
