"""Whether this process is a worker of another one, and had better take one core only."""

import multiprocessing
import os
import sys

_IMPORTED_BY = os.getpid()


def is_worker() -> bool:
    """Tell whether the process was forked or spawned to work beside others.

    A spawned one learns of its parent only after it has read the pipeline; until then its command
    tells.
    """
    return (
        os.getpid() != _IMPORTED_BY
        or multiprocessing.parent_process() is not None
        or any(argument.startswith("from multiprocessing.") for argument in sys.orig_argv)
    )
