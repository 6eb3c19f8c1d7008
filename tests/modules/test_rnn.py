"""The cells against plain NumPy, token by token, forward and backward."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import set_dropout_rate
from thinc.types import Ragged

from spacy_rnn_tagger.layers.blocks import Costs, find_blocks
from spacy_rnn_tagger.layers.layout import Layout
from spacy_rnn_tagger.layers.rnn import RNN
from spacy_rnn_tagger.modules.padding import Padding
from spacy_rnn_tagger.modules.rnn import GATES, _dropped, run_stack
from spacy_rnn_tagger.modules.weights import Weights


def padding_of(lengths):
    layout = Layout.of(lengths)
    return Padding(layout.shape, layout.sources, layout.places)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_cell(cell, xs, W, U, b):
    """Textbook equations for one sequence; gates are split by name, not as stacked."""
    H = U.shape[1]
    gate = {
        name: (W[i * H : (i + 1) * H], U[i * H : (i + 1) * H], b[i * H : (i + 1) * H])
        for i, name in enumerate(GATES[cell])
    }

    def pre(name, x, h):
        Wg, Ug, bg = gate[name]
        return Wg @ x + Ug @ h + bg

    h, c, out = np.zeros(H), np.zeros(H), []
    for x in xs:
        if cell == "elman":
            h = np.tanh(pre("hidden", x, h))
        elif cell == "lstm":
            i, f, o = (sigmoid(pre(g, x, h)) for g in ("input", "forget", "output"))
            c = f * c + i * np.tanh(pre("candidate", x, h))
            h = o * np.tanh(c)
        else:
            r, z = sigmoid(pre("reset", x, h)), sigmoid(pre("update", x, h))
            Wn, Un, bn = gate["new"]
            n = np.tanh(Wn @ x + bn + r * (Un @ h))
            h = (1 - z) * n + z * h
        out.append(h)
    return np.array(out).reshape(len(xs), H)


def numpy_stack(cell, X, lengths, layers):
    docs = np.split(X, np.cumsum(lengths)[:-1])
    results = []
    for doc in docs:
        for directions in layers:
            parts = [numpy_cell(cell, doc, *directions[0])]
            if len(directions) == 2:
                parts.append(numpy_cell(cell, doc[::-1], *directions[1])[::-1])
            doc = np.concatenate(parts, axis=1)
        results.append(doc)
    return np.concatenate(results)


def random_layers(rng, cell, width, H, depth, directions):
    layers = []
    G = len(GATES[cell])
    for _ in range(depth):
        layers.append(
            [
                (
                    rng.normal(size=(G * H, width)),
                    rng.normal(size=(G * H, H)),
                    rng.normal(size=G * H),
                )
                for _ in range(directions)
            ]
        )
        width = H * directions
    return layers


def tensors(layers):
    return [[Weights(*map(torch.tensor, triple)) for triple in layer] for layer in layers]


@pytest.mark.parametrize("cell", list(GATES))
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("depth", [1, 2])
def test_forward_and_gradient_equal_numpy(cell, directions, depth):
    rng = np.random.default_rng(1)
    lengths, width, H = [3, 0, 1, 7, 2], 4, 3
    X = rng.normal(size=(sum(lengths), width))
    layers = random_layers(rng, cell, width, H, depth, directions)
    R = rng.normal(size=(len(X), H * directions))

    def loss(X, layers):
        return float((numpy_stack(cell, X, lengths, layers) * R).sum())

    weights = tensors(layers)
    x, padding = torch.tensor(X), padding_of(lengths)
    Y, backprop = run_stack(cell, x, padding, weights, is_train=True)
    assert np.allclose(Y.numpy(), numpy_stack(cell, X, lengths, layers), atol=1e-12)
    assert torch.equal(run_stack(cell, x, padding, weights)[0], Y)

    dX, gradients = backprop(torch.tensor(R))
    arrays = [X] + [array for direction in layers for triple in direction for array in triple]
    grads = [dX] + [array for layer in gradients for triple in layer for array in triple]
    eps = 1e-6
    for array, grad in zip(arrays, grads, strict=True):
        for flat in rng.choice(array.size, size=min(6, array.size), replace=False):
            at = np.unravel_index(flat, array.shape)
            old = array[at]
            array[at] = old + eps
            up = loss(X, layers)
            array[at] = old - eps
            down = loss(X, layers)
            array[at] = old
            assert grad[at].item() == pytest.approx((up - down) / (2 * eps), rel=1e-5, abs=1e-7)


@given(st.lists(st.integers(0, 30), max_size=12), st.booleans())
def test_padding_is_undone(lengths, backward):
    padding = padding_of(lengths)
    X = torch.arange(sum(lengths) * 2.0).reshape(-1, 2)
    assert torch.equal(padding.unpad(padding.pad(X, backward=backward), backward=backward), X)


def test_backward_reads_each_doc_from_its_end():
    rows = torch.arange(5.0).unsqueeze(1)
    block = padding_of([2, 0, 3]).pad(rows, backward=True)
    assert block[:, 1, 0].tolist() == [4, 3, 2]
    assert block[:2, 0, 0].tolist() == [1, 0]


@given(
    st.lists(st.integers(0, 60), max_size=40),
    st.integers(20, 200),
    st.integers(0, 50),
    st.integers(0, 4),
)
def test_blocks_part_the_docs(lengths, size, start, width):
    blocks = list(find_blocks(lengths, size, Costs(start, width, size, size)))
    assert sorted(i for block in blocks for i in block) == list(range(len(lengths)))
    for block in blocks:
        own = [lengths[i] for i in block if lengths[i]] or [0]
        assert len(own) == 1 or max(own) * len(own) <= size
        # Without its last doc, a block's padding is worth it.
        assert sum(max(own) - length for length in own) <= start + width * min(own)


@pytest.mark.parametrize("cell", list(GATES))
def test_a_narrower_type_computes_nearly_the_same(cell):
    """As `mixed_precision` has it on a GPU: bfloat16 within, float32 outside and in gradients."""
    rng = np.random.default_rng(2)
    x = torch.tensor(rng.normal(size=(15, 6)), dtype=torch.float32)
    layers = [[tuple(a / 4 for a in triple)] for [triple] in random_layers(rng, cell, 6, 7, 2, 1)]
    weights = [
        [Weights(*(array.float() for array in own)) for own in one] for one in tensors(layers)
    ]
    results = []
    for dtype in (None, torch.bfloat16):
        Y, backprop = run_stack(cell, x, padding_of([5, 9, 1]), weights, dtype=dtype, is_train=True)
        dX, gradients = backprop(2 * Y)
        results.append([Y, dX, *(array for [triple] in gradients for array in triple)])
    for exact, narrow in zip(*results, strict=True):
        assert narrow.dtype == torch.float32
        assert not torch.equal(exact, narrow)
        assert (exact - narrow).norm() < 0.03 * exact.norm()


def make_layer(cell, depth=1, bidirectional=True, dropout=0.0):
    model = RNN(
        cell=cell,
        hidden_width=5,
        depth=depth,
        bidirectional=bidirectional,
        dropout=dropout,
        mixed_precision=False,
    )
    X = Ragged(np.zeros((400, 3), dtype="f"), np.array([150, 0, 250], dtype="i"))
    model.initialize(X=X)
    return model, X


@pytest.mark.parametrize("cell", list(GATES))
@pytest.mark.parametrize("bidirectional", [True, False])
def test_every_bias_begins_at_zero_but_that_of_the_forget_gates_at_one(cell, bidirectional):
    model, _ = make_layer(cell, depth=2, bidirectional=bidirectional)
    biases = [name for name in model.param_names if name.startswith("b_")]
    assert len(biases) == (4 if bidirectional else 2)
    for name in biases:
        for gate, values in zip(
            GATES[cell], np.split(model.get_param(name), len(GATES[cell])), strict=True
        ):
            assert values.tolist() == [float(gate == "forget")] * 5


@pytest.mark.parametrize(("own", "of_update"), [(0.25, 0.0), (0.0, 0.6), (0.5, 0.1)])
def test_dropout_scales_up_what_it_keeps(own, of_update):
    """Of an input of zeros none is dropped, so a result is zero, or that of prediction, scaled."""
    model, X = make_layer("lstm", dropout=own)
    rng = np.random.default_rng(0)
    for name in model.param_names:
        model.set_param(name, rng.normal(size=model.get_param(name).shape).astype("f"))
    predicted = model.predict(X).dataXd
    set_dropout_rate(model, of_update)
    rate = max(own, of_update)
    found = model(X, is_train=True)[0].dataXd
    kept = found != 0
    assert kept.mean() == pytest.approx(1 - rate, abs=0.05)
    np.testing.assert_allclose(found[kept], predicted[kept] / (1 - rate), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_passes_its_gradient(rate):
    x = torch.ones(300, 200, dtype=torch.float64)
    y, undo = _dropped(x, rate)
    values = sorted(set(y.ravel().tolist()))
    assert values == pytest.approx([0.0, 1 / (1 - rate)], rel=1e-6)
    assert float(y.mean()) == pytest.approx(1.0, abs=0.05)
    assert torch.equal(undo(x), y)


def test_a_dropout_rate_of_one_keeps_nothing():
    x = torch.ones(30, 20)
    y, undo = _dropped(x, 1.0)
    assert not y.any()
    assert not undo(x).any()
