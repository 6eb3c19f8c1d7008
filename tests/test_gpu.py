"""On a GPU: training, mixed precision, and the way to a machine without one."""

import subprocess
import sys

import pytest
import spacy
import torch
from thinc.api import get_current_ops, set_current_ops

from tests.conftest import TRAIN, trained
from tests.pipeline.test_rnn_ner import found

cupy = pytest.importorskip("cupy", reason="needs CuPy")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

ON_CPU = """
import spacy, sys
nlp = spacy.load(sys.argv[1])
for doc in nlp.pipe(sys.argv[2:]):
    print([(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents])
"""


@pytest.fixture(autouse=True)
def gpu():
    ops = get_current_ops()
    spacy.require_gpu()
    yield
    set_current_ops(ops)


@pytest.mark.parametrize("mixed_precision", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
def test_trained_on_a_gpu_and_loaded_on_a_cpu(tmp_path, cell, mixed_precision):
    model = {"cell": cell, "mixed_precision": mixed_precision}
    nlp = trained(spacy.blank("en"), model=model, steps=80)
    assert [found(nlp(text)) for text, _ in TRAIN] == [ents for _, ents in TRAIN]
    nlp.to_disk(tmp_path)
    texts = [text for text, _ in TRAIN]
    command = [sys.executable, "-c", ON_CPU, tmp_path, *texts]
    done = subprocess.run(command, capture_output=True, text=True, env={"CUDA_VISIBLE_DEVICES": ""})
    assert done.stdout.splitlines() == [str(ents) for _, ents in TRAIN], done.stderr
