"""Where arrays are: on the CPU, or on a GPU."""

from types import SimpleNamespace

import numpy as np
import pytest
import spacy
import torch
from spacy.attrs import ORTH

from spacy_rnn_tagger.layers import static_vectors, tensors
from spacy_rnn_tagger.layers.distinct_words import Words
from spacy_rnn_tagger.layers.static_vectors import look_up
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
    as_tensor(SimpleNamespace(device=SimpleNamespace(id=1)))  # stands in for CuPy's
    assert devices == [torch.device("cuda", 1)]


class OnGPU:
    """Numbers on a GPU, which NumPy may not take by itself, as it may not take CuPy's."""

    def __init__(self, values):
        self.values = values

    def __getitem__(self, rows):
        return OnGPU(self.values[rows.values])

    def __lt__(self, other):
        return OnGPU(self.values < other)

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed")


def test_word_vectors_are_found_in_a_table_on_a_gpu(monkeypatch):
    nlp = spacy.blank("en")
    nlp.vocab.set_vector("delhi", np.array([1, 2], dtype="f"))
    table = nlp.vocab.vectors
    keys = np.array([[nlp.vocab.strings[word]] for word in ("delhi", "oslo")], dtype=np.uint64)
    words = Words(nlp.vocab, [ORTH], keys)
    assert look_up(words).tolist() == [[1, 2], [0, 0]]
    moved = SimpleNamespace(
        shape=table.shape,
        mode=table.mode,
        attr=table.attr,
        data=OnGPU(table.data),
        find=lambda keys: OnGPU(table.find(keys=keys)),
    )
    monkeypatch.setattr(static_vectors, "to_numpy", lambda array: array.values)
    there = Words(SimpleNamespace(vectors=moved), [ORTH], keys)
    assert look_up(there).tolist() == [[1, 2], [0, 0]]
