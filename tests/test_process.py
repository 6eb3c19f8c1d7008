"""What importing the package does to the process: what memory is kept for the next batch."""

import os
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


LENGTHS = 300
SHAPES = f"""
import spacy
nlp = spacy.blank("en")
pipe = nlp.add_pipe("rnn_ner")
pipe.add_label("GPE")
nlp.initialize()
for _ in range(2):
    for length in range(1, {LENGTHS + 1}):
        pipe.predict([spacy.tokens.Doc(nlp.vocab, ["Delhi"] * length)])
"""


def _prepared(**environment: str) -> int:
    """Count the LSTMs that oneDNN prepares in a process that inherits no setting of ours."""
    inherited = {name: value for name, value in os.environ.items() if "_CACHE_CAPACITY" not in name}
    environment = {**inherited, "ONEDNN_VERBOSE": "profile_create", **environment}
    command = [sys.executable, "-c", SHAPES]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return sum("cache_miss" in line and ",rnn," in line for line in done.stdout.splitlines())


def test_not_all_shapes_of_docs_are_kept():
    each_once = _prepared(ONEDNN_PRIMITIVE_CACHE_CAPACITY="1024")
    if each_once < LENGTHS:
        pytest.skip("on this processor, torch computes LSTMs without oneDNN")
    assert _prepared() == 2 * each_once
