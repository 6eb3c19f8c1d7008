"""Calls that compute at the same time, in threads of this process.

Torch's kernels let go of Python's lock. Each of the threads shares torch's threads with the others,
and a kernel that has one thread doesn't wait for any.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import torch

_Result = TypeVar("_Result")


def run_side_by_side(calls: Sequence[Callable[[], _Result]]) -> list[_Result]:
    """Make calls at the same time, if torch has a thread for each; else one after the other.

    They must not depend on what is set for a thread, such as whether gradients are wanted.

    Args:
        calls: The calls.

    Returns:
        What each returns.

    Raises:
        BaseException: What the first of the calls that fail raises.
    """
    n_threads = torch.get_num_threads()
    if len(calls) < 2 or n_threads < len(calls):
        return run_one_by_one(calls)
    pool = _get_pool(len(calls), n_threads)
    return [future.result() for future in [pool.submit(call) for call in calls]]


def run_one_by_one(calls: Sequence[Callable[[], _Result]]) -> list[_Result]:
    """Make calls one after the other, in the calling thread.

    Args:
        calls: The calls.

    Returns:
        What each returns.
    """
    return [call() for call in calls]


@cache
def _get_pool(n_calls: int, n_threads: int) -> ThreadPoolExecutor:
    """Start threads that share torch's threads. They wait without a cost between calls.

    A process that was forked has one thread, and never comes here: see `modules.isolation`.
    """
    ready = threading.Barrier(n_calls + 1)

    def take_share() -> None:
        torch.get_num_threads()  # a thread's first use of torch would undo the next line later
        torch.set_num_threads(n_threads // n_calls)
        ready.wait()

    pool = ThreadPoolExecutor(n_calls, "spacy_rnn_tagger", initializer=take_share)
    for _ in range(n_calls):
        pool.submit(int)
    ready.wait()
    # The number is one for each thread, but a thread that is new takes the one that was set last.
    torch.set_num_threads(n_threads)
    return pool
