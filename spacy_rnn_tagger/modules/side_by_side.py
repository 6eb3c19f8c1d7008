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

from .threads import host_threads, n_threads, set_threads

_Result = TypeVar("_Result")
# In prediction, fewer rows than that are not worth waking a thread. (Measured with the LSTM of the
# default config.)
_WORTH = 200
_company = threading.Lock()  # held while there are calls in the threads of the pool


def pays_side_by_side(X: Tensor, *, is_train: bool) -> bool:
    """Tell whether the parts of a layer should be computed side by side.

    A GPU's kernels run side by side anyway, and to wake a thread takes as long as a short text.

    Args:
        X: The input of the layer, a row for each token or word.
        is_train: Whether there is a way back.
    """
    return X.device.type == "cpu" and (is_train or len(X) >= _WORTH)


def run_side_by_side(calls: Sequence[Callable[[], _Result]]) -> list[_Result]:
    """Make calls at the same time, if torch has a thread for each; else one after the other.

    Of several threads of a server that come here at once, one has company, and no other waits for
    it. The first call is made in the calling thread, whose caches have its input. The others must
    not depend on what is set for a thread, such as whether gradients are wanted.

    Args:
        calls: The calls.

    Returns:
        What each returns.

    Raises:
        BaseException: What the first of the calls that fail raises.
    """
    n_host = host_threads()
    if len(calls) < 2 or n_host < len(calls) or not _company.acquire(blocking=False):
        return run_one_by_one(calls)
    try:
        share = min(torch.get_num_threads(), n_host // len(calls))
        try:
            pool = _get_pool(len(calls) - 1, share)
            others = [pool.submit(call) for call in calls[1:]]
        except RuntimeError:  # no thread can be started, as when the interpreter exits
            return run_one_by_one(calls)
        try:
            with n_threads(share):
                first = calls[0]()
        finally:
            wait(others)
    finally:
        _company.release()
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
    """Start threads whose kernels use `share` threads each. Between calls, they cost nothing.

    A process that was forked has one thread, and never comes here: see `modules.threads`.
    """
    ready = threading.Barrier(n_workers + 1)

    def take_share() -> None:
        set_threads(share)
        ready.wait()

    pool = ThreadPoolExecutor(n_workers, "spacy_rnn_tagger", initializer=take_share)
    for _ in range(n_workers):
        pool.submit(int)
    ready.wait()
    return pool
