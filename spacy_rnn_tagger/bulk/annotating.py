"""A job from its beginning to its end."""

from tqdm import tqdm

from ..errors import check_at_least, check_choice
from .engines import run_local, run_ray
from .job import Counts, Job

ENGINES = ("local", "ray")


def annotate(
    job: Job, engine: str = "local", n_process: int = 1, *, progress: bool = False
) -> Counts:
    """Do what is left of a job.

    Args:
        job: The job.
        engine: "local", or "ray" for a cluster.
        n_process: How many processes, or actors of Ray.
        progress: Whether to show it on a terminal.

    Returns:
        What was done now, and what was done before.

    Raises:
        OSError, ValueError: An input or the pipeline can't be read, the output can't be written, or
            it is another job's.
        RuntimeError: A process died.
    """
    check_choice("engine", engine, ENGINES)
    check_at_least("n-process", n_process, 1)
    nlp = job.load()
    job.begin(nlp)
    total = Counts()
    bar = tqdm(
        total=job.n_bytes,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        disable=None if progress else True,
    )
    with bar:
        run = run_ray(job, n_process) if engine == "ray" else run_local(job, nlp, n_process)
        for counts in run:
            total += counts
            if counts.before and not bar.disable:
                bar.initial += counts.n_bytes  # the time that is left follows from the others
            bar.update(counts.n_bytes)
            seconds = bar.format_dict["elapsed"]
            bar.set_postfix_str(f"{total.tokens / max(seconds, 1e-9):,.0f} tokens/s")
        bar.update(job.n_bytes - total.n_bytes)  # files without a record
    return total
