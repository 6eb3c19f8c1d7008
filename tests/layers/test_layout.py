"""Blocks: their layout, and how few shapes they have."""

import random
import warnings
from math import exp

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from thinc.api import NumpyOps

from spacy_rnn_tagger.layers.blocks import CPU, find_blocks
from spacy_rnn_tagger.layers.layout import Layout
from spacy_rnn_tagger.layers.tensors import as_array, as_tensor


@given(st.lists(st.integers(0, 90), max_size=40), st.booleans())
@example([0, *[40] * 17], False)  # with a column of padding
@example([9] * 5, True)
def test_each_doc_is_read_from_its_own_first_step(lengths, in_calls):
    layout = Layout.of(lengths, in_calls=in_calls)
    filled = [length for length in lengths if length]
    T, B = layout.shape
    docs = np.split(np.arange(sum(filled)), np.cumsum(filled))[: len(filled)]
    for sources, places, reads in zip(
        layout.sources, layout.places, (docs, [doc[::-1] for doc in docs]), strict=True
    ):
        block = sources.reshape(T, B)
        for column, doc in enumerate(reads):
            assert block[: len(doc), column].tolist() == doc.tolist()
            assert set(block[len(doc) :, column]) <= {doc[-1]}  # its last row, again and again
        # Columns of padding read a row that is there.
        assert not filled or block.max() < sum(filled)
        assert sources[places].tolist() == list(range(sum(filled)))
    assert layout.sizes.tolist() == filled + [1] * (B - len(filled))


@pytest.mark.parametrize("length", [1, 16, 17, 33, 64, 65, 1000, 4095, 4096, 4097])
def test_a_block_is_padded_by_an_eighth_at_most(length):
    """Torch keeps what it compiles for each shape; that must not grow with what comes in."""
    T, B = Layout.of([length]).shape
    assert length <= T <= length * 9 / 8 and B == 1
    T, B = Layout.of([1] * length).shape
    assert T == 1 and length <= B <= length * 9 / 8


def test_blocks_have_few_shapes():
    single = {Layout.of([length]).shape for length in range(1, 4097)}
    assert len(single) == 80
    draw = random.Random(0)
    shapes, exact = set(), set()
    for _ in range(200):
        lengths = [min(120, round(draw.lognormvariate(3, 0.6))) for _ in range(256)]
        for block in find_blocks(lengths, CPU.predict, CPU):
            own = [lengths[i] for i in block]
            shapes.add(Layout.of(own).shape)
            exact.add((max(own), len(own)))
    assert len(shapes) < len(exact) / 2
    assert len(shapes) < 130


def test_predictions_have_still_fewer_shapes():
    draw = random.Random(0)
    seen, in_calls = set(), set()
    for _ in range(300):
        lengths = [round(exp(draw.uniform(1, 7.5))) for _ in range(draw.choice([5, 64]))]
        for block in find_blocks(lengths, CPU.predict, CPU):
            own = [lengths[i] for i in block]
            seen.add(Layout.of(own).shape)
            layout = Layout.of(own, in_calls=True)
            T, B = layout.shape
            in_calls.update((steps, B) for steps in layout.steps)
            assert sum(layout.steps) == T and max(layout.steps) <= 256
            if T * B <= 1024:
                assert B in {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64}
    assert len(in_calls) < 0.7 * len(seen)


def test_training_reads_a_block_in_one_call():
    assert Layout.of([1000, 300]).steps == [1024]
    assert Layout.of([1000, 300], in_calls=True).steps == [256] * 4
    assert Layout.of([]).steps == Layout.of([0], in_calls=True).steps == []


def test_all_blocks_but_the_last_have_a_round_number_of_docs():
    round_ones = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256}
    draw = random.Random(1)
    sizes = set()
    for _ in range(100):
        lengths = [draw.randrange(200) for _ in range(draw.randrange(400))]
        blocks = list(find_blocks(lengths, CPU.predict, CPU))
        sizes.update(len(block) for block in blocks[:-1])
        longest = [lengths[i] for block in blocks for i in block]
        assert longest == sorted(lengths, reverse=True)
    assert sizes <= round_ones and len(sizes) > 5


def test_arrays_and_tensors_share_their_memory():
    array = np.zeros((2, 3), dtype="f")
    tensor = as_tensor(array)
    tensor[1, 2] = 7
    assert array[1, 2] == 7
    assert np.shares_memory(as_array(tensor), array)
    tensor.requires_grad_()
    assert np.shares_memory(as_array(tensor), array)


def test_a_read_only_array_becomes_a_tensor_without_a_warning():
    array = np.arange(6, dtype="f").reshape(2, 3)
    array.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert as_tensor(array).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_tensor_is_on_the_device_of_the_operations(monkeypatch):
    class OtherOps(NumpyOps):
        name = "mps"  # arrays are NumPy's there, and tensors are not on the CPU

    asked = []
    monkeypatch.setattr(
        "spacy_rnn_tagger.layers.tensors.xp2torch",
        lambda array: asked.append(array) or torch.from_numpy(array),
    )
    array = np.zeros(2, dtype="f")
    as_tensor(array)
    assert not asked
    monkeypatch.setattr("spacy_rnn_tagger.layers.tensors.get_current_ops", OtherOps)
    as_tensor(array)
    assert asked
