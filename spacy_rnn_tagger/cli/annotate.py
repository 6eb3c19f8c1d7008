"""`spacy rnn annotate`: tag a whole corpus, and resume an interrupted run."""

from pathlib import Path

import typer
from wasabi import msg

from ..bulk.annotating import annotate
from ..errors.wording import counted
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
        help="Texts: a file, a folder or a glob, as a path or a URL. File names end in "
        f"{known_suffixes(Role.TEXTS)}; a .txt file has one record per line",
    ),
    output: str = typer.Argument(..., help="Folder for the shards"),
    format: str = typer.Option("jsonl", "--format", "-f", help=f"Output format: {_FORMATS}"),
    text_column: str = TEXT_COLUMN,
    whole_files: bool = WHOLE_FILES,
    from_name: str = FROM_NAME,
    to_name: str = TO_NAME,
    engine: str = ENGINE,
    n_process: int = N_PROCESS,
    batch_size: int = BATCH_SIZE,
    shard_size: int = typer.Option(2000, "--shard-size", help="Records per output file, at most"),
    max_length: int = MAX_LENGTH,
    strict: bool = typer.Option(
        False, "--strict", help="Exit with status 1 if any record failed, in this or an earlier run"
    ),
    code: Path = CODE,
    gpu_id: int = GPU,
) -> None:
    """Tag a corpus and write it in shards, with entities, offsets and confidences.

    An interrupted run is resumed by running the same command again, with the same result. Records
    that fail are written to the folder `errors` together with the reason, and the run continues;
    its exit status is then 0, or 1 with --strict.
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
        records = counted(found.before, "record was", "records were")
        msg.info(f"{records} done before; {found.failed_before:,} of them failed")
    tokens, entities = counted(found.tokens, "token"), counted(found.entities, "entity", "entities")
    msg.good(f"{counted(found.docs, 'doc')}, {tokens}, {entities}")
    if found.failed:
        files = found.error_files
        where = ", ".join(files[:3]) + (", ..." if len(files) > 3 else "")
        warn(f"{counted(found.failed, 'record')} failed; see {where}")
    if strict and found.failed + found.failed_before:
        raise typer.Exit(1)
