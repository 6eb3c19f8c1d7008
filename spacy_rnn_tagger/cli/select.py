"""`spacy rnn select`: select what to annotate next."""

from pathlib import Path

import typer
from wasabi import msg

from ..errors.wording import counted
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
        help=f"Folder or package name of a trained pipeline, or {NO_MODEL} to start from raw text",
    ),
    texts: str = typer.Argument(
        ...,
        help="Texts: a file, a folder or a glob, as a path or a URL. File names end in "
        f"{known_suffixes(Role.TEXTS)}; a .txt file has one record per line",
    ),
    output: str = typer.Argument(..., help="File to write, as a path or a URL"),
    n: int = typer.Option(200, "--n", help="Number of texts, or of questions, to select"),
    by: str = typer.Option(
        None,
        "--by",
        help=f"{', '.join(MEASURES[:-1])} or {MEASURES[-1]}: 1 - P(best analysis), the default; "
        "the margin between the two best; the entropy of all; or the expected number of errors",
    ),
    per: str = typer.Option(
        TOKEN, "--per", help=f"{' or '.join(UNITS)}: whether to divide by the length of the text"
    ),
    spans: bool = typer.Option(
        False, "--spans", help="Ask about single doubtful spans, to accept or reject"
    ),
    diversity: float = typer.Option(
        0.5,
        "--diversity",
        help="How much less a name counts once it was selected: from 0 to less than 1",
    ),
    near_duplicates: bool = NEAR_DUPLICATES,
    exclude: list[str] = typer.Option(
        [],
        "--exclude",
        help="Annotated data whose texts to leave out: a file or folder that convert reads. May be "
        "repeated. Texts that differ in case, whitespace or punctuation alone count as the same",
    ),
    format: str = typer.Option(
        "jsonl", "--format", "-f", help=f"Output format: {_FORMATS}; with --spans, jsonl or prodigy"
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

    Each record says why it was selected. Of nearly identical texts, only one is selected, and a
    name that the pipeline is unsure of counts for less each time it was selected.
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
            exclude=exclude,
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
        warn(f"{counted(found.failed, 'record')} failed; see {found.error_file}")
    if found.selected < n:
        warn(f"Only {found.selected:,} of the requested {n:,} could be selected")
    selected = counted(found.selected, "question" if spans else "text")
    tokens, read = counted(found.tokens, "token"), counted(found.read, "record")
    annotated = f", {found.excluded:,} of them annotated already" if exclude else ""
    msg.good(f"{selected} ({tokens}) from {read}{annotated}: {output}")
