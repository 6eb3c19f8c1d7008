"""`spacy rnn annotate`: tag a whole corpus, and continue where it was stopped."""

from pathlib import Path

import typer
from wasabi import msg

from ..bulk.annotating import annotate
from ..formats import storage
from ..formats.base import Role
from ..formats.label_studio import LabelStudio
from ..formats.registry import formats_for, known_suffixes
from . import app
from .evaluating import CODE, GPU, MODEL, warn
from .failures import failures
from .reading import (
    BATCH_SIZE,
    ENGINE,
    FROM_NAME,
    MAX_LENGTH,
    N_PROCESS,
    TEXT_COLUMN,
    TO_NAME,
    WHOLE_FILES,
)

_FORMATS = " or ".join(", ".join(each.name for each in formats_for(Role.OUTPUT)).rsplit(", ", 1))


@app.command("annotate")
def annotate_cli(
    model: str = MODEL,
    input: str = typer.Argument(
        ...,
        help=f"Texts in files that end in {known_suffixes(Role.TEXTS)}; .txt has a record a line. "
        "A file, a folder or a glob, as a path or a URL",
    ),
    output: str = typer.Argument(..., help="Folder for the shards"),
    format: str = typer.Option("jsonl", "--format", "-f", help=_FORMATS),
    text_column: str = TEXT_COLUMN,
    whole_files: bool = WHOLE_FILES,
    from_name: str = FROM_NAME,
    to_name: str = TO_NAME,
    engine: str = ENGINE,
    n_process: int = N_PROCESS,
    batch_size: int = BATCH_SIZE,
    shard_size: int = typer.Option(2000, "--shard-size", help="Records in an output file"),
    max_length: int = MAX_LENGTH,
    strict: bool = typer.Option(
        False, "--strict", help="Exit with 1 if any record failed, in this run or an earlier one"
    ),
    code: Path = CODE,
    gpu_id: int = GPU,
) -> None:
    """Tag a corpus and write it in shards, with entities, offsets and confidences.

    A second run continues where the first one was stopped, and the result is the same. Records that
    fail are written to `errors`, with what went wrong, and the run continues; it exits with 0 then,
    and with 1 if --strict is set.
    """
    with failures("Not annotated"):
        found = annotate(
            model,
            input,
            output,
            format=format,
            text_column=text_column,
            whole_files=whole_files,
            from_name=from_name,
            to_name=to_name,
            engine=engine,
            n_process=n_process,
            batch_size=batch_size,
            shard_size=shard_size,
            max_length=max_length,
            code=code,
            gpu_id=gpu_id,
            progress=True,
            notify=warn,
        )
    if format == LabelStudio.name:
        path = storage.join(output, LabelStudio.config_name)
        msg.info(f"Set {path} as the labelling interface of the project, and import part-*.json")
    if found.before:
        failed = f"{found.failed_before:,} of them failed"
        msg.info(f"{found.before:,} records were done before; {failed}")
    msg.good(f"{found.docs:,} docs, {found.tokens:,} tokens, {found.entities:,} entities")
    if found.failed:
        files = found.error_files
        where = ", ".join(files[:3]) + (", ..." if len(files) > 3 else "")
        warn(f"{found.failed:,} records failed; they are in {where}")
    if strict and found.failed + found.failed_before:
        raise typer.Exit(1)
