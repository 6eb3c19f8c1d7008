"""Who does a job: this process, or several on this machine."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from spacy.language import Language

from .job import Annotator, Counts, Job
from .sources import Shard

_annotator: Annotator | None = None  # of a worker process


def run_here(job: Job, nlp: Language, shards: Iterable[Shard]) -> Iterator[Counts]:
    """Tag shards one after the other."""
    yield from map(Annotator(job, nlp), shards)


def run_processes(job: Job, shards: Iterable[Shard], n_process: int) -> Iterator[Counts]:
    """Tag shards in processes, which load the pipeline once and take whole shards.

    RAISES RuntimeError: a process died; the error says what it may have been at.
    """
    running: deque[tuple[Shard, Future[Counts]]] = deque()
    context = get_context("spawn")  # a fork would inherit threads that it does not have
    with ProcessPoolExecutor(n_process, context, _load, (job,)) as pool:
        try:
            for shard in shards:
                running.append((shard, pool.submit(_tag, shard)))
                if len(running) > 2 * n_process:  # enough for each to have the next one at hand
                    yield _result(running)
            while running:
                yield _result(running)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _load(job: Job) -> None:
    global _annotator
    _annotator = Annotator(job)


def _tag(shard: Shard) -> Counts:
    assert _annotator is not None
    return _annotator(shard)


def _result(running: deque[tuple[Shard, "Future[Counts]"]]) -> Counts:
    try:
        return running[0][1].result()
    except BrokenProcessPool as error:
        lost = "\n".join(f"  {shard}" for shard, future in running if _was_lost(future))
        raise RuntimeError(
            "A process died, as it does when memory is short. It was at one of these shards, none "
            f"of which is written; the same command goes on with them:\n{lost}"
        ) from error
    finally:
        running.popleft()


def _was_lost(future: "Future[Counts]") -> bool:
    return not future.done() or future.cancelled() or future.exception() is not None
