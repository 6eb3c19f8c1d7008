"""Calls that compute at the same time, in threads of this process.

Torch's kernels let go of Python's lock. Each of the threads shares torch's threads with the others,
and a kernel that has one thread doesn't wait for any.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor

from .isolation import host_threads, n_threads

_Result = TypeVar("_Result")


def pays_side_by_side(X: Tensor, *, is_train: bool) -> bool:
    """Tell whether the parts of a layer should be computed side by side.

    A GPU's kernels run side by side anyway. Predictions come from several threads of a server at
    once, which would wait for one another.

    Args:
        X: The input of the layer.
        is_train: Whether there is a way back.
    """
    return is_train and X.device.type == "cpu"


def run_side_by_side(calls: Sequence[Callable[[], _Result]]) -> list[_Result]:
    """Make calls at the same time, if torch has a thread for each; else one after the other.

    The first call is made in the calling thread, whose caches have its input. The others must not
    depend on what is set for a thread, such as whether gradients are wanted.

    Args:
        calls: The calls.

    Returns:
        What each returns.

    Raises:
        BaseException: What the first of the calls that fail raises.
    """
    n_host = host_threads()
    if len(calls) < 2 or n_host < len(calls):
        return run_one_by_one(calls)
    share = n_host // len(calls)
    pool = _get_pool(len(calls) - 1, share)
    others = [pool.submit(call) for call in calls[1:]]
    try:
        with n_threads(share):
            first = calls[0]()
    finally:
        wait(others)
    return [first, *(other.result() for other in others)]


def run_one_by_one(calls: Sequence[Callable[[], _Result]]) -> list[_Result]:
    """Make calls one after the other, in the calling thread.

    Args:
        calls: The calls.

    Returns:
        What each returns.
    """
    return [call() for call in calls]


@cache
def _get_pool(n_workers: int, share: int) -> ThreadPoolExecutor:
    """Start threads that have `share` of torch's threads each. Between calls, they cost nothing.

    A process that was forked has one thread, and never comes here: see `modules.isolation`.
    """
    ready = threading.Barrier(n_workers + 1)

    def take_share() -> None:
        torch.get_num_threads()  # a thread's first use of torch would undo the next line later
        torch.set_num_threads(share)
        ready.wait()

    # The number is one for each thread, but a thread that is new takes the one that was set last.
    with n_threads(torch.get_num_threads()):
        pool = ThreadPoolExecutor(n_workers, "spacy_rnn_tagger", initializer=take_share)
        for _ in range(n_workers):
            pool.submit(int)
        ready.wait()
    return pool
