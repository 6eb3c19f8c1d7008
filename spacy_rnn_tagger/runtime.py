"""Threads and memory of a process. Nothing here acts by being imported."""

import ctypes
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache

_IMPORTED_BY = os.getpid()
_asked = False


def was_forked() -> bool:
    """Tell whether the process was forked since this package was imported."""
    return os.getpid() != _IMPORTED_BY


def works_beside_others() -> bool:
    """Tell whether the process was forked or spawned to work in parallel with others."""
    return was_forked() or _was_spawned()


@lru_cache(maxsize=1)
def _was_spawned() -> bool:
    # A spawned process learns of its parent only after it has read the pipeline; until then its
    # command tells.
    return multiprocessing.parent_process() is not None or any(
        argument.startswith("from multiprocessing.") for argument in sys.orig_argv
    )


class ForkLock:
    """A lock among threads, which a forked process finds free whoever held it.

    The thread that held it is not in the child, and would never release it there. A thread may take
    the lock again that it has.
    """

    def __init__(self) -> None:
        """Create a lock. Forks know of it from then on, so locks belong to modules."""
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        """Wait for the lock and take it."""
        self._lock.acquire()

    def __exit__(self, *failure: object) -> None:
        """Release it."""
        self._lock.release()


def takes_one_core() -> bool:
    """Tell whether to compute with one thread: among other processes, or because it was asked."""
    return _asked or works_beside_others()


@contextmanager
def one_core() -> Iterator[None]:
    """Compute with one thread, regardless of the number of threads of the process.

    The last digits of a sum depend on how it is divided among threads; inside this context, they
    don't.
    """
    global _asked
    torch = sys.modules.get("torch")  # Thinc has imported it if it is installed
    asked, threads = _asked, torch.get_num_threads() if torch else 0
    _asked = True
    try:
        if torch:
            torch.set_num_threads(1)
        yield
    finally:
        _asked = asked
        if torch:
            torch.set_num_threads(threads)


# oneDNN keeps what it has prepared for each shape of an LSTM's input: 0.17 MB each, and up to 1,024
# of them by default. Blocks of docs have few shapes (see `layers.layout`), but networks of several
# pipelines have them each. A quarter will do.
_CAPACITY = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
# The GNU allocator gives freed memory back to the system, and the next batch pays for its pages
# anew. The parameters of mallopt(3), and the bytes to keep; 32 MiB is the most for the second.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT = {_M_TRIM_THRESHOLD: 256 << 20, _M_MMAP_THRESHOLD: 32 << 20}


def tune_process() -> None:
    """Prepare this process for tagging and training with recurrent networks on a CPU.

    It does two things, each unless an environment variable of the process decides it already:

    - On Linux with glibc, it lets the allocator keep up to 256 MB of freed memory for the next
      batch (`MALLOC_TRIM_THRESHOLD_`, `MALLOC_MMAP_THRESHOLD_`).
    - It lets oneDNN keep kernels for 256 batch shapes instead of 1,024, 43 MB instead of 170
      (`ONEDNN_PRIMITIVE_CACHE_CAPACITY`). This has an effect only before oneDNN's first
      computation.

    The commands `spacy rnn ...` call it. A library must not, because both settings apply to the
    whole process: call it once, where your own program starts.
    """
    if not _is_set(_CAPACITY, "DNNL_PRIMITIVE_CACHE_CAPACITY"):
        os.environ[_CAPACITY] = "256"
    if not _is_set("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"):
        with suppress(AttributeError, OSError, TypeError):  # no mallopt, or no way to look for it
            mallopt = ctypes.CDLL(None).mallopt
            for parameter, n_bytes in _KEPT.items():
                mallopt(parameter, n_bytes)


def _is_set(*names: str) -> bool:
    return any(name in os.environ for name in names)
