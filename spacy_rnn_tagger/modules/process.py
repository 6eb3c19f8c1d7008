"""What the process needs to know of torch: its threads after a fork, its memory between batches.

Importing the module is enough.
"""

import ctypes
import os
from contextlib import suppress

import torch

from ..workers import takes_one_core


def _is_set(*names: str) -> bool:
    """Tell whether the user's environment decides a matter, in which case it is left alone."""
    return any(name in os.environ for name in names)


# The threads of torch's pool don't survive a fork: a child that hands work to them waits for ever.
# With one thread it never does, and the workers of `nlp.pipe(n_process=...)` share the cores.
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))

# A worker that was spawned imports all anew, and would take as many threads as there are cores.
if takes_one_core() and not _is_set("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    torch.set_num_threads(1)

# oneDNN keeps what it has prepared for each shape of an LSTM's input, 1024 of them by itself, and
# docs come in many shapes: 130 MB that fill up over two million tokens. A quarter of them will do:
# most of what comes again is a single doc, of one length or another.
_CAPACITY = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
if not _is_set(_CAPACITY, "DNNL_PRIMITIVE_CACHE_CAPACITY"):
    os.environ[_CAPACITY] = "256"  # it is read when oneDNN is first used

# The GNU allocator gives freed memory back to the system, and the next batch pays for its pages
# anew, up to a quarter of the time. So it is told to keep more (mallopt(3)), unless the user's
# environment tells it something else. Other allocators have no such call, or make no use of it.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT = {_M_TRIM_THRESHOLD: 256 << 20, _M_MMAP_THRESHOLD: 32 << 20}  # bytes; 32 MiB is the most

if not _is_set("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"):
    with suppress(AttributeError, OSError, TypeError):  # no mallopt, no way to look
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, n_bytes in _KEPT.items():
            mallopt(parameter, n_bytes)
