"""What runs a job: this process, several processes, or the actors of a Ray cluster."""

import pickle
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import numpy as np
from spacy.language import Language

from ..errors import Errors, described
from ..runtime import tune_process
from .job import Annotator, Counts, Job, Written
from .sources import Shard

_annotator: Annotator | None = None  # of a worker process
_ATTEMPTS = 3  # actors that are given a shard, if they die of it


def run_local(job: Job, nlp: Language, n_process: int) -> Iterator[Counts]:
    """Tag what is left of a job on this machine.

    Args:
        job: The job, which has begun.
        nlp: Its pipeline.
        n_process: Number of processes; 1 for this one alone.

    Yields:
        The counts of a shard that was tagged now or in an earlier run.

    Raises:
        RuntimeError: A process died. The error names the shards that it may have been tagging.
        OSError: An input can't be read, or the output can't be written.
    """
    shards = (shard for number in range(len(job.files)) for shard in job.shards(number))
    if n_process > 1:
        yield from _run_processes(job, shards, n_process)
        return
    annotate, written = Annotator(job, nlp), job.written()
    for shard in shards:
        yield written.counts(shard) if shard in written else annotate(shard)


def _run_processes(job: Job, shards: Iterator[Shard], n_process: int) -> Iterator[Counts]:
    """Tag shards in processes, which load the pipeline once and take whole shards."""
    written = job.written()
    running: deque[tuple[Shard, Future[Counts]]] = deque()
    context = get_context("spawn")  # a fork would inherit threads that it does not have
    with ProcessPoolExecutor(n_process, context, _load, (job,)) as pool:
        try:
            for shard in shards:
                if shard in written:
                    yield written.counts(shard)
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
    tune_process()
    _annotator = Annotator(job)


def _tag(shard: Shard) -> Counts:
    assert _annotator is not None
    return _annotator(shard)


def _result(running: deque[tuple[Shard, "Future[Counts]"]]) -> Counts:
    try:
        return running[0][1].result()
    except BrokenProcessPool as error:
        lost = "\n".join(f"  {shard}" for shard, future in running if _was_lost(future))
        raise RuntimeError(Errors.RNN218.format(shards=lost)) from error
    finally:
        running.popleft()


def _was_lost(future: "Future[Counts]") -> bool:
    return not future.done() or future.cancelled() or future.exception() is not None


def run_ray(job: Job, n_actors: int) -> Iterator[Counts]:
    """Tag what is left of a job on a Ray cluster, or on one that is started here for it.

    Ray Data streams: some tasks read files, and shards are sent one by one to whichever actor is
    free. Each actor loads the pipeline once. An actor that dies is restarted and gets its shard
    again, and a shard is written completely or not at all, so none is lost or written twice.

    Args:
        job: The job, which has begun.
        n_actors: Number of actors; each has a core, or a GPU if the job uses one.

    Yields:
        The counts of a shard that was tagged now or in an earlier run, in any order.

    Raises:
        RuntimeError: Actors died one after the other at the same shard, which the error names.
        OSError: An input can't be read, or the output can't be written.
    """
    import ray

    was_running = ray.is_initialized()
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    try:
        yield from _run_actors(job, n_actors)
    except ray.exceptions.RayError as error:
        raise RuntimeError(Errors.RNN220.format(reason=described(error))) from error
    finally:
        if not was_running:
            ray.shutdown()


def _run_actors(job: Job, n_actors: int) -> Iterator[Counts]:
    import ray.data

    files = ray.data.from_items(range(len(job.files)), override_num_blocks=len(job.files))
    context = files.context  # its own
    context.enable_progress_bars = False  # there is one already
    context.target_max_block_size = 1  # bytes: a block has one shard, for an actor is given blocks
    shards = files.map_batches(
        _read,
        batch_size=1,
        zero_copy_batch=False,
        fn_kwargs={"job": job, "written": job.written()},
        compute=ray.data.TaskPoolStrategy(size=min(n_actors, len(job.files))),
        num_cpus=0,  # the actors may have all cores; reading takes little beside tagging
    )
    # An actor sees one GPU, its own, whatever the number of it here.
    own = replace(job, gpu=min(job.gpu, 0))
    results = shards.map_batches(
        _Actor,
        batch_size=1,
        fn_constructor_args=(own, ray.remote(num_cpus=0)(_Attempts).remote()),
        compute=ray.data.ActorPoolStrategy(size=n_actors),
        num_cpus=1,
        num_gpus=int(job.gpu >= 0) or None,
    )
    for row in results.iter_rows():
        result = pickle.loads(row["item"])
        if isinstance(result, Exception):
            raise result
        yield result


def _packed(item: Shard | Counts | Exception) -> dict[str, Any]:
    return {"item": np.array([pickle.dumps(item)], dtype=object)}


def _read(batch: dict[str, Any], job: Job, written: Written) -> Iterator[dict[str, Any]]:
    """Read the shards of a file, one per batch; for a shard that is written, its counts."""
    for number in batch["item"].tolist():
        try:
            for shard in job.shards(number):
                yield _packed(written.counts(shard) if shard in written else shard)
        except (OSError, ValueError) as error:
            yield _packed(error)


class _Attempts:
    """How often each shard was begun: one that kills actor after actor must end the run."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()

    def begin(self, name: str) -> int:
        self._begun[name] += 1
        return self._begun[name]


class _Actor:
    def __init__(self, job: Job, attempts: Any) -> None:
        tune_process()
        self._annotate, self._attempts = Annotator(job), attempts

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        [content] = batch["item"]
        item = pickle.loads(content)
        return _packed(self._done(item) if isinstance(item, Shard) else item)

    def _done(self, shard: Shard) -> Counts | Exception:
        """Tag a shard, and return an error that ends the run: Ray would wrap a raised one."""
        import ray

        if ray.get(self._attempts.begin.remote(shard.name)) > _ATTEMPTS:
            return RuntimeError(Errors.RNN219.format(attempts=_ATTEMPTS, shard=shard))
        try:
            return self._annotate(shard)
        except (OSError, ValueError) as error:
            return error
