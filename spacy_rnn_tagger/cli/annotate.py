"""`spacy rnn annotate`: tag a whole corpus, and continue where it was stopped."""

from pathlib import Path

import typer
from wasabi import msg

from ..bulk.annotating import annotate
from ..bulk.job import Job
from . import app
from .evaluating import CODE, GPU, MODEL, warn
from .failures import failures


@app.command("annotate")
def annotate_cli(
    model: str = MODEL,
    inputs: str = typer.Argument(
        ...,
        help="Text (a record a line) or JSONL, both also with .gz, or Parquet: a file, a folder or "
        "a glob, as a path or a URL",
    ),
    output: str = typer.Argument(..., help="Folder for the shards"),
    form: str = typer.Option("jsonl", "--format", "-f", help="jsonl, parquet or docbin"),
    column: str = typer.Option("text", "--text-column", "-t", help="The key or column of the text"),
    whole: bool = typer.Option(False, "--whole-files", help="A text file is one record"),
    engine: str = typer.Option("local", "--engine", help="local, or ray for a cluster"),
    n_process: int = typer.Option(1, "--n-process", "-n", help="Processes, or actors of Ray"),
    batch_size: int = typer.Option(
        None, "--batch-size", "-b", help="Docs of a batch; the pipeline's own setting if not given"
    ),
    shard_size: int = typer.Option(2000, "--shard-size", help="Records of an output file"),
    max_length: int = typer.Option(
        None, "--max-length", help="Characters of a text; the pipeline's own setting if not given"
    ),
    strict: bool = typer.Option(
        False, "--strict", help="Exit with 1 if any record failed, in this run or an earlier one"
    ),
    code: Path = CODE,
    gpu: int = GPU,
) -> None:
    """Tag a corpus and write it in shards, with entities, offsets and confidences.

    A second run continues where the first one was stopped, and the result is the same. Records that
    fail are written to `errors`, with what went wrong, and the run continues; it exits with 0 then,
    and with 1 if --strict is set.
    """
    with failures("Not annotated"):
        job = Job(
            model,
            inputs,
            output,
            form=form,
            column=column,
            whole=whole,
            shard_size=shard_size,
            batch_size=batch_size,
            max_length=max_length,
            code=code,
            gpu=gpu,
        )
        if job.skipped:
            warn(job.skipped)
        counts = annotate(job, engine, n_process, progress=True)
        files = job.written().failures()
    if counts.before:
        failed = f"{counts.failed_before:,} of them failed"
        msg.info(f"{counts.before:,} records were done before; {failed}")
    msg.good(f"{counts.docs:,} docs, {counts.tokens:,} tokens, {counts.entities:,} entities")
    if counts.failed:
        where = ", ".join(files[:3]) + (", ..." if len(files) > 3 else "")
        warn(f"{counts.failed:,} records failed; they are in {where}")
    if strict and counts.failed + counts.failed_before:
        raise typer.Exit(1)
