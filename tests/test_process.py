"""What the package does to its process: nothing by being imported, and what it is asked to."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
import torch
from thinc.api import Adam

from spacy_rnn_tagger import confidence
from tests.conftest import make_examples, trained

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]

EFFECTS = """
import os, torch
environment, threads = dict(os.environ), torch.get_num_threads()
torch.set_num_threads(3)

import ctypes
real = ctypes.CDLL
def watched(name=None, **options):
    assert name is not None, "looks for mallopt"
    return real(name, **options)
ctypes.CDLL = watched

import spacy, spacy_rnn_tagger.pipeline.rnn_ner, spacy_rnn_tagger.models.architectures
import spacy_rnn_tagger.onnx.architectures, spacy_rnn_tagger.bulk.engines
nlp = spacy.blank("en")
pipe = nlp.add_pipe("rnn_ner")
pipe.add_label("GPE")
nlp.initialize()
nlp("Delhi")
ctypes.CDLL = real

assert dict(os.environ) == environment, set(os.environ.items()) ^ set(environment.items())
assert torch.get_num_threads() == 3
if hasattr(os, "fork"):
    child = os.fork()
    if not child:  # before, every fork of the host had one thread from then on
        os._exit(0 if torch.get_num_threads() == 3 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("nothing")
"""


def test_importing_and_tagging_change_nothing():
    own = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", EFFECTS]
    done = subprocess.run(command, capture_output=True, text=True, env=own)
    assert done.stdout == "nothing\n", done.stderr


FORKED = """
import os, signal, threading, spacy
from spacy_rnn_tagger.onnx import layers
from spacy_rnn_tagger.pipeline import rnn_ner, span_groups
nlp = spacy.blank("en")
nlp.add_pipe("rnn_ner").add_label("GPE")
nlp.initialize()
doc = nlp("Delhi")
held, done = threading.Event(), threading.Event()

def hold():
    with rnn_ner._lock, span_groups._lock, layers._lock:
        held.set()
        done.wait()

thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if not child:
    signal.alarm(30)  # or it would wait for ever
    doc.to_bytes()
    with rnn_ner._lock, layers._lock:
        os._exit(0)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
done.set()
thread.join()
print(status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_waits_for_no_thread_of_its_parent():
    command = [sys.executable, "-c", FORKED]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "0\n", done.stderr


CHILD = """
import resource, sys
import numpy as np
from spacy_rnn_tagger import tune_process

if sys.argv[1] == "with":
    tune_process()

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(20 << 20, dtype=np.uint8) for _ in range(5)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults())
"""


def _faults(mode: str, **environment: str) -> int:
    command = [sys.executable, "-c", CHILD, mode]
    environment = {"PYTHONPATH": str(ROOT), **environment}
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
import sys, spacy
from spacy_rnn_tagger import tune_process
if sys.argv[1] == "with":
    tune_process()
nlp = spacy.blank("en")
pipe = nlp.add_pipe("rnn_ner")
pipe.add_label("GPE")
nlp.initialize()
for _ in range(2):
    for length in range(1, {LENGTHS + 1}):
        pipe.predict([spacy.tokens.Doc(nlp.vocab, ["Delhi"] * length)])
"""


def _prepared(mode: str, **environment: str) -> int:
    """Count the LSTMs that oneDNN prepares in a process that inherits no setting of ours."""
    inherited = {name: value for name, value in os.environ.items() if "_CACHE_CAPACITY" not in name}
    environment = {**inherited, "ONEDNN_VERBOSE": "profile_create", **environment}
    command = [sys.executable, "-c", SHAPES, mode]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return sum("cache_miss" in line and ",rnn," in line for line in done.stdout.splitlines())


def test_not_all_shapes_of_docs_are_kept():
    each_once = _prepared("without", ONEDNN_PRIMITIVE_CACHE_CAPACITY="1024")
    if each_once < LENGTHS:
        pytest.skip("on this processor, torch computes LSTMs without oneDNN")
    assert _prepared("with") == 2 * each_once
    assert _prepared("with", ONEDNN_PRIMITIVE_CACHE_CAPACITY="1024") == each_once


def test_commands_tune_their_process():
    """Each does, for they share a callback."""
    code = (
        "import os, sys; from spacy.cli import setup_cli; sys.argv = ['spacy', 'rnn', 'summary', "
        "'nowhere']\ntry: setup_cli()\nexcept SystemExit: pass\n"
        "print(os.environ['ONEDNN_PRIMITIVE_CACHE_CAPACITY'])"
    )
    inherited = {name: value for name, value in os.environ.items() if "_CACHE_CAPACITY" not in name}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=inherited)
    assert done.stdout == "256\n", done.stderr


HOSTS = {
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
}
EMBEDS = {
    "default": {},
    "characters": {"tok2vec": {"char_width": 4}},
    "GRU": {"cell": "gru", "depth": 2},
    "in 16 bits": {"mixed_precision": True},
}


@pytest.mark.parametrize("host", HOSTS.values(), ids=list(HOSTS))
@pytest.mark.parametrize("model", EMBEDS.values(), ids=list(EMBEDS))
def test_what_the_host_has_set_in_torch_is_kept_out(nlp, host, model):
    """As with spaCy's `ner`: autocast made 16 bits of our numbers, which NumPy does not have."""
    trained(nlp, model=model)
    pipe = nlp.get_pipe("rnn_ner")
    text = "Red Fort is in Delhi."

    def described():
        return [(ent.text, ent.label_, confidence(ent)) for ent in nlp(text).ents]

    def gradients():
        spacy.util.fix_random_seed(3)
        pipe.update(make_examples(nlp), drop=0.2)
        nodes = [node for node in pipe.model.walk() if node.grad_names]
        found = [node.get_grad(name).copy() for node in nodes for name in node.grad_names]
        pipe.finish_update(Adam(0.0))
        return found

    wanted, slopes = described(), gradients()
    assert wanted and any(abs(slope).max() > 0 for slope in slopes)
    with host():
        assert described() == wanted
        for ours, theirs in zip(gradients(), slopes, strict=True):
            assert (ours == theirs).all()


@pytest.mark.parametrize("host", HOSTS.values(), ids=list(HOSTS))
def test_training_within_what_the_host_has_set(nlp, host):
    with host():
        assert trained(nlp)("Red Fort is in Delhi.").ents
