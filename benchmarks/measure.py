"""Systems that take turns, medians of rounds, ratios; what the machine was; a process's memory."""

import ctypes
import gc
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import torch

Rates = dict[str, list[float]]


def alternate(systems: Mapping[str, Callable[[], Callable[[], int]]], rounds: int) -> Rates:
    """Time each system once a round, in turn; a first round, not counted, warms up.

    Args:
        systems: For each name, a function that prepares a round and returns the work to time, which
            in turn returns its number of tokens.
        rounds: How many rounds to time.

    Returns:
        For each name, the tokens per second of each round.
    """
    rates: Rates = {name: [] for name in systems}
    # The texts and pipelines at hand are the benchmark's own burden: without this, the collector
    # would go through all of them again and again while the systems work.
    gc.collect()
    gc.freeze()
    for number in range(rounds + 1):
        for name, prepare in systems.items():
            work = prepare()
            gc.collect()
            begin = time.perf_counter()
            n_tokens = work()
            seconds = time.perf_counter() - begin
            if number:
                rates[name].append(n_tokens / seconds)
    gc.unfreeze()
    return rates


def median(rates: list[float]) -> float:
    """Return the median."""
    return statistics.median(rates)


def ratio(rates: Rates, name: str, base: str) -> float:
    """Return the median of the rounds' ratios: what disturbs a round disturbs both."""
    pairs = zip(rates[name], rates[base], strict=True)
    return statistics.median(mine / theirs for mine, theirs in pairs)


def machine() -> dict[str, str]:
    """Describe what the figures were measured on."""
    return {
        "processor": _processor(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        **{name: version(name) for name in ("spacy", "thinc", "torch", "numpy")},
        "torch threads": str(torch.get_num_threads()),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf8").splitlines()
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        return f"{len(names)} x {names[0]}"
    except (OSError, IndexError):
        return platform.processor() or platform.machine()


def peak_memory() -> float:
    """Return the most memory that this process and its children ever held, in MB (Unix only)."""
    import resource

    unit = 1e6 if platform.system() == "Darwin" else 1e3  # bytes there, kilobytes on Linux
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(each).ru_maxrss for each in who) / unit


def memory() -> float:
    """Return the memory that this process holds now, in MB (Linux only)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def memory_in_use() -> float:
    """Return what is allocated now, in MB: without free memory that the allocator keeps.

    Returns:
        The memory in MB; NaN where the allocator does not report it (glibc does since 2.33).
    """
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        return math.nan
    mallinfo.restype = _Mallinfo
    info = mallinfo()
    return float(info.uordblks + info.hblkhd) / 1e6


class _Mallinfo(ctypes.Structure):
    """What mallinfo2(3) returns: here the bytes of mapped blocks, and of others that are in use."""

    _names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in _names.split()]
