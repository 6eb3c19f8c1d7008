"""Who does a job: this process, several on this machine, or the actors of a Ray cluster."""

import pickle
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, replace
from multiprocessing import get_context
from typing import Any

import numpy as np
from spacy.language import Language

from .job import Annotator, Counts, Job
from .sources import Shard

_annotator: Annotator | None = None  # of a worker process
_ATTEMPTS = 3  # actors that are given a shard, if they die of it


def run_local(job: Job, nlp: Language, n_process: int) -> Iterator[Counts]:
    """Tag what is left of a job on this machine.

    nlp: its pipeline.
    n_process: 1 for this process alone.

    YIELDS: what came of a shard; of one that is written already, its size.

    RAISES RuntimeError: a process died; the error says what it may have been at.
    """
    shards = (shard for number in range(len(job.files)) for shard in job.shards(number))
    if n_process > 1:
        yield from _run_processes(job, shards, n_process)
        return
    annotate, done = Annotator(job, nlp), job.done()
    for shard in shards:
        yield Counts(n_bytes=shard.n_bytes) if shard.name in done else annotate(shard)


def _run_processes(job: Job, shards: Iterator[Shard], n_process: int) -> Iterator[Counts]:
    """Tag shards in processes, which load the pipeline once and take whole shards."""
    done = job.done()
    running: deque[tuple[Shard, Future[Counts]]] = deque()
    context = get_context("spawn")  # a fork would inherit threads that it does not have
    with ProcessPoolExecutor(n_process, context, _load, (job,)) as pool:
        try:
            for shard in shards:
                if shard.name in done:
                    yield Counts(n_bytes=shard.n_bytes)
                    continue
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


def run_ray(job: Job, n_actors: int) -> Iterator[Counts]:
    """Tag what is left of a job on a Ray cluster, or on one that is started here for it.

    Ray Data streams: some tasks read files, and shards go one by one to whichever actor is free;
    each actor loads the pipeline once. One that dies is started again and given its shard again,
    and a shard is written as a whole or not at all; so nothing is lost, and nothing is there twice.

    n_actors: each has a core, or a GPU if the job has one.

    YIELDS: what came of a shard, in no certain order; of one that is written already, its size.

    RAISES RuntimeError: actors died one after the other at the same shard, which the error names.
    """
    import ray.data

    ray.init(ignore_reinit_error=True, log_to_driver=False)
    files = ray.data.from_items(range(len(job.files)), override_num_blocks=len(job.files))
    context = files.context  # its own
    context.enable_progress_bars = False  # there is one already
    context.target_max_block_size = 1  # bytes: a block has one shard, for an actor is given blocks
    shards = files.map_batches(
        _read,
        batch_size=1,
        zero_copy_batch=False,
        fn_kwargs={"job": job, "done": job.done()},
        compute=ray.data.TaskPoolStrategy(size=min(n_actors, len(job.files))),
        num_cpus=0,  # the actors may have all cores; reading takes little beside tagging
    )
    # An actor sees one GPU, its own, whatever the number of it here.
    own = replace(job, gpu=min(job.gpu, 0))
    counts = shards.map_batches(
        _Actor,
        batch_size=1,
        fn_constructor_args=(own, ray.remote(num_cpus=0)(_Attempts).remote()),
        compute=ray.data.ActorPoolStrategy(size=n_actors),
        num_cpus=1,
        num_gpus=int(job.gpu >= 0) or None,
    )
    for row in counts.iter_rows():
        if shard := row.pop("lost"):
            raise RuntimeError(
                f"{_ATTEMPTS} actors died one after the other, as they do when memory is short, at "
                f"{shard}. What is written stays; the same command goes on with the rest."
            )
        yield Counts(**{name: int(value) for name, value in row.items()})


def _read(batch: dict[str, Any], job: Job, done: set[str]) -> Iterator[dict[str, Any]]:
    """Read the shards of a file, one a batch; nothing of one that is written but its size."""
    for number in batch["item"].tolist():
        for shard in job.shards(number):
            content = b"" if shard.name in done else pickle.dumps(shard)
            yield {
                "shard": np.array([content], dtype=object),
                "n_bytes": np.array([shard.n_bytes]),
            }


class _Attempts:
    """How often each shard was begun, for one that kills actor after actor must not go on so."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()

    def begin(self, name: str) -> int:
        self._begun[name] += 1
        return self._begun[name]


class _Actor:
    def __init__(self, job: Job, attempts: Any) -> None:
        self._annotate, self._attempts = Annotator(job), attempts

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        import ray

        [content], [n_bytes] = batch["shard"], batch["n_bytes"]
        counts, lost = Counts(n_bytes=n_bytes), ""
        if content:
            shard = pickle.loads(content)
            if ray.get(self._attempts.begin.remote(shard.name)) > _ATTEMPTS:
                lost = str(shard)
            else:
                counts = self._annotate(shard)
        return {name: np.array([value]) for name, value in {**asdict(counts), "lost": lost}.items()}
