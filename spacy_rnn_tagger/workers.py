"""How many cores are to be taken: one where other processes work beside this one."""

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_IMPORTED_BY = os.getpid()
_asked = False


def takes_one_core() -> bool:
    """Tell whether the process was forked or spawned to work beside others, or was asked to.

    A spawned one learns of its parent only after it has read the pipeline; until then its command
    tells.
    """
    return (
        _asked
        or os.getpid() != _IMPORTED_BY
        or multiprocessing.parent_process() is not None
        or any(argument.startswith("from multiprocessing.") for argument in sys.orig_argv)
    )


@contextmanager
def one_core() -> Iterator[None]:
    """Compute with one thread, whatever the process has by itself.

    The last digits of a sum depend on how it is shared out among threads; what is computed in here
    does not.
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
