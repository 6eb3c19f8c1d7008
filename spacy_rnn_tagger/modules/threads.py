"""How many threads torch's kernels use, where it is not as many as the host has.

A recurrent kernel takes one small step after another, and the threads of torch's pool meet after
each. That gains little on idle cores, and loses everything on busy ones: a thread that waits for
its core keeps all others waiting, actively, for the whole of its time slice, at every step. After a
kernel, the threads keep their cores busy for some milliseconds more, waiting for another.

So predictions use one thread, and what is large enough runs side by side (see
`modules.side_by_side`). In training, all other kernels of a step leave a core to that.
"""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import ThreadpoolController

from ..runtime import was_forked, works_beside_others

_nothing: AbstractContextManager[Any] = nullcontext()


class _Thread(threading.local):
    n_host: int | None = None  # the host's number, while there is another


_thread = _Thread()


def one_thread() -> AbstractContextManager[Any]:
    """Compute with one thread, except for what runs side by side."""
    return _nothing if torch.get_num_threads() == 1 else _beside_others(1)


def room_beside() -> AbstractContextManager[Any]:
    """Compute with one thread less than the host has, except for what runs side by side.

    The thread that calls waits while others compute, so as many threads as before are active.
    """
    if _thread.n_host is not None or torch.get_num_threads() == 1 or wants_one_thread():
        return _nothing
    return _beside_others(torch.get_num_threads() - 1)


@contextmanager
def _beside_others(number: int) -> Iterator[None]:
    before = _thread.n_host
    _thread.n_host = host_threads()
    try:
        with n_threads(number):
            yield
    finally:
        _thread.n_host = before


def host_threads() -> int:
    """Get the number of torch's threads outside `room_beside` and `one_thread`."""
    return torch.get_num_threads() if _thread.n_host is None else _thread.n_host


@contextmanager
def n_threads(number: int) -> Iterator[None]:
    """Compute with this many threads, in the thread that calls."""
    if number == torch.get_num_threads():
        yield
        return
    undo = set_threads(number)
    try:
        yield
    finally:
        undo()


def set_threads(number: int) -> Callable[[], None]:
    """Set how many threads kernels use in the thread that calls.

    `torch.set_num_threads` is not for one thread alone: a thread that the host starts later takes
    the number that was set last, and keeps it. So the number is set in the libraries below torch.

    Args:
        number: The number.

    Returns:
        What sets the number as it was.
    """
    before = torch.get_num_threads()  # a thread's first use of torch would undo the next lines
    if not _openmp():
        torch.set_num_threads(number)
        return lambda: torch.set_num_threads(before)
    of_each = [(library, library.omp_get_max_threads()) for library in _openmp()]
    for library, _ in of_each:
        library.omp_set_num_threads(number)
    of_mkl = _set_in_mkl(number)

    def undo() -> None:
        for library, own in of_each:
            library.omp_set_num_threads(own)
        _set_in_mkl(of_mkl)

    return undo


@cache
def _openmp() -> list[Any]:
    """Find the OpenMP libraries of the process, of which one is torch's.

    Their functions take no time, so they keep Python's lock: to get it back takes milliseconds
    beside a thread that is busy.
    """
    found = ThreadpoolController().lib_controllers
    return [ctypes.PyDLL(library.filepath) for library in found if library.user_api == "openmp"]


def _set_in_mkl(number: int) -> int:
    """Set the number for the products of matrices.

    MKL follows OpenMP, unless the host has called `torch.set_num_threads`.

    Args:
        number: The number; zero to follow OpenMP.

    Returns:
        The number before.
    """
    setter = _mkl_setter()
    return setter(number) if setter is not None else 0


@cache
def _mkl_setter() -> Callable[[int], int] | None:
    """Find MKL's function in torch's library, of which it is a part on Linux; None elsewhere."""
    try:
        library = ctypes.PyDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        setter: Callable[[int], int] = library.MKL_Set_Num_Threads_Local
    except (OSError, AttributeError):
        return None
    return setter


def wants_one_thread() -> bool:
    """Tell whether more threads would hang, or would take the cores from other workers."""
    is_set = "OMP_NUM_THREADS" in os.environ or "MKL_NUM_THREADS" in os.environ
    return was_forked() or (works_beside_others() and not is_set)
