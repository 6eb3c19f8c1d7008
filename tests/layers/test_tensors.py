"""On which device the tensor of an array is."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spacy_rnn_tagger.layers import tensors
from spacy_rnn_tagger.layers.tensors import as_tensor


def test_an_array_of_numpy_shares_its_memory():
    array = np.zeros((2, 3), dtype="f")
    as_tensor(array)[1, 2] = 5
    assert array[1, 2] == 5


@pytest.mark.filterwarnings("error")
def test_a_read_only_array_is_no_reason_to_warn():
    array = np.zeros(3, dtype="f")
    array.flags.writeable = False
    assert as_tensor(array).tolist() == [0, 0, 0]


def test_an_array_on_a_gpu_stays_there_in_any_thread(monkeypatch):
    """Thinc's current operations are those of the CPU here, as in a thread that the host starts."""
    devices = []
    monkeypatch.setattr(tensors, "xp2torch", lambda array, device=None: devices.append(device))
    as_tensor(SimpleNamespace(device=SimpleNamespace(id=1)))  # in the place of CuPy's
    assert devices == [torch.device("cuda", 1)]
