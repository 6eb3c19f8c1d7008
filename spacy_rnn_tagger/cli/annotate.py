"""`spacy rnn annotate`: tag a whole corpus, and go on where it was stopped."""

from pathlib import Path

import typer
from tqdm import tqdm
from wasabi import msg

from ..bulk.engines import run_local, run_ray
from ..bulk.job import Counts, Job
from ..errors import check_at_least, check_choice
from . import app
from .evaluating import CODE, GPU, MODEL, warn
from .failures import failures

ENGINES = ("local", "ray")


@app.command("annotate")
def annotate_cli(
    model: str = MODEL,
    inputs: str = typer.Argument(
        ..., help="Text (a record a line), JSONL or Parquet: a file, a folder or a glob"
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
    code: Path = CODE,
    gpu: int = GPU,
) -> None:
    """Tag a corpus and write it in shards, with entities, offsets and confidences.

    A second run goes on where the first one was stopped, and the result is the same. Records that
    fail are written to `errors`, with what went wrong, and the run goes on.
    """
    with failures("Not annotated"):
        limits = (shard_size, batch_size, max_length)
        job = Job(model, inputs, output, form, column, whole, *limits, code, gpu)
        counts = annotate(job, engine, n_process)
    msg.good(f"{counts.docs:,} docs, {counts.tokens:,} tokens, {counts.entities:,} entities")
    if counts.failed:
        where = ", ".join(map(str, job.failures()[:3]))
        warn(f"{counts.failed:,} records failed; they are in {where}, ...")


def annotate(job: Job, engine: str = "local", n_process: int = 1) -> Counts:
    """Do what is left of a job, showing how it gets on.

    RETURNS: what was done now.

    RAISES OSError, ValueError: an input or the pipeline can't be read, or the output is another's.
    RAISES RuntimeError: a process died.
    """
    check_choice("engine", engine, ENGINES)
    check_at_least("n-process", n_process, 1)
    nlp = job.load()
    job.begin(nlp)
    total = Counts()
    with tqdm(total=job.n_bytes, unit="B", unit_scale=True, unit_divisor=1024, disable=None) as bar:
        run = run_ray(job, n_process) if engine == "ray" else run_local(job, nlp, n_process)
        for counts in run:
            total += counts
            was_there = not (counts.docs or counts.failed)
            if was_there and not bar.disable:
                bar.initial += counts.n_bytes  # the time that is left follows from the others
            bar.update(counts.n_bytes)
            seconds = bar.format_dict["elapsed"]
            bar.set_postfix_str(f"{total.tokens / max(seconds, 1e-9):,.0f} tokens/s")
    return total
