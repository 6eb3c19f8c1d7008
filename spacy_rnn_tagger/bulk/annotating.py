"""Annotating a whole corpus, and resuming an interrupted run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import as_warning, check_at_least, check_choice
from .engines import run_local, run_ray
from .job import Counts, Job
from .sources import bytes_bar

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Annotated:
    """What was annotated.

    Attributes:
        docs: Records that were tagged and written in this run.
        tokens: Their tokens.
        entities: Their entities.
        failed: Records that failed in this run.
        before: Records that earlier runs have processed, including those that failed.
        failed_before: Records that failed in earlier runs.
        error_files: Files with the records that failed in any run, and the reasons.
    """

    docs: int
    tokens: int
    entities: int
    failed: int
    before: int
    failed_before: int
    error_files: list[str]


def annotate(
    model: str | Path,
    input: str | Path,
    output: str | Path,
    *,
    format: str = "jsonl",
    text_column: str = "text",
    whole_files: bool = False,
    from_name: str = "label",
    to_name: str = "text",
    engine: str = "local",
    n_process: int = 1,
    batch_size: int | None = None,
    shard_size: int = 2000,
    max_length: int | None = None,
    code: str | Path | None = None,
    gpu_id: int = -1,
    progress: bool = False,
    notify: Callable[[str], None] = as_warning,
) -> Annotated:
    """Tag a corpus and write it in shards, with entities, offsets and confidences.

    An interrupted run is resumed by calling it again with the same arguments, with the same result.
    Records that fail are written to the folder `errors` in the output, together with the reason.

    Args:
        model: The folder or package name of a pipeline, which each process loads.
        input: Text (one record per line) or JSONL, optionally compressed (`.gz`), or Parquet: a
            file, a folder or a glob, as a path or a URL.
        output: The folder for the shards, a path or a URL.
        format: "jsonl", "parquet" or "docbin"; or "label-studio", "doccano" or "prodigy", with
            confidences if the annotation tool can show them. For Label Studio, the labelling
            configuration is written to `label-studio.xml` in the output.
        text_column: The key or column of the text.
        whole_files: Whether each text file is one record.
        from_name: The name of the control tag, `<Labels>`, in Label Studio's configuration.
        to_name: The name of the object tag, `<Text>`, in Label Studio's configuration.
        engine: "local", or "ray" for a cluster.
        n_process: The number of processes, or of Ray actors. Processes are spawned, so with more
            than one, a script must call this under `if __name__ == "__main__":`.
        batch_size: Docs per batch; the pipeline's own setting if None.
        shard_size: Records per output file, at most.
        max_length: Characters per text, at most; the pipeline's own setting if None.
        code: A Python file with functions that the pipeline needs.
        gpu_id: The GPU's ID, or -1 for the CPU.
        progress: Whether to show progress on a terminal.
        notify: Called with a note about files that are skipped. By default, the note is a
            `UserWarning`.

    Returns:
        What was annotated, in this run and before.

    Raises:
        ImportError: A package that the pipeline, the format or the engine needs is not installed.
        OSError: An input or the pipeline can't be read, or the output can't be written.
        RuntimeError: A process died. The shards that are written stay.
        ValueError: A setting is not allowed, an input has no known format, the pipeline can't be
            loaded, or the output folder contains other files or was begun with other settings.
    """
    job = Job(
        str(model),
        str(input),
        str(output),
        form=format,
        column=text_column,
        whole=whole_files,
        from_name=from_name,
        to_name=to_name,
        shard_size=shard_size,
        batch_size=batch_size,
        max_length=max_length,
        code=None if code is None else Path(code),
        gpu=gpu_id,
    )
    if job.skipped:
        notify(job.skipped)
    total = run(job, engine, n_process, progress=progress)
    return Annotated(
        docs=total.docs,
        tokens=total.tokens,
        entities=total.entities,
        failed=total.failed,
        before=total.before,
        failed_before=total.failed_before,
        error_files=job.written().failures(),
    )


def run(job: Job, engine: str = "local", n_process: int = 1, *, progress: bool = False) -> Counts:
    """Run what is left of a job.

    Args:
        job: The job.
        engine: "local", or "ray" for a cluster.
        n_process: The number of processes, or of Ray actors.
        progress: Whether to show progress on a terminal.

    Returns:
        The counts of this run and of earlier ones.

    Raises:
        ImportError: Ray, or a package that the pipeline needs, is not installed.
        OSError: An input or the pipeline can't be read, or the output can't be written.
        RuntimeError: A process died.
        ValueError: A setting is not allowed, the pipeline can't be loaded, or the output is another
            job's.
    """
    check_choice("engine", engine, ENGINES)
    check_at_least("n-process", n_process, 1)
    nlp = job.load()
    job.begin(nlp)
    total = Counts()
    with bytes_bar(job.n_bytes, progress=progress) as bar:
        shards = run_ray(job, n_process) if engine == "ray" else run_local(job, nlp, n_process)
        for counts in shards:
            total += counts
            if counts.before and not bar.disable:
                bar.initial += counts.n_bytes  # the time that is left follows from the others
            bar.update(counts.n_bytes)
            seconds = bar.format_dict["elapsed"]
            bar.set_postfix_str(f"{total.tokens / max(seconds, 1e-9):,.0f} tokens/s")
        bar.update(job.n_bytes - total.n_bytes)  # files without a record
    return total
