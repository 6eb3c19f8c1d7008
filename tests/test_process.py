"""What importing the package does to the process: freed memory is kept for the next batch."""

import platform
import subprocess
import sys

import pytest

CHILD = """
import resource, sys
import numpy as np

if sys.argv[1] == "with":
    import spacy_rnn_tagger.modules.process

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(20 << 20, dtype=np.uint8) for _ in range(5)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults())
"""


def _faults(mode: str, **environment: str) -> int:
    command = [sys.executable, "-c", CHILD, mode]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the setting")
def test_the_next_batch_finds_its_memory_in_place():
    without = _faults("without")
    assert without > 100
    assert _faults("with") < without / 10
    # Where the user has set it, that holds.
    assert _faults("with", MALLOC_TRIM_THRESHOLD_="65536") > without / 2
