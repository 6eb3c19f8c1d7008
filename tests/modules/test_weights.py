"""Packed weights: the same states, bit by bit, whatever happens to the weights."""

import copy
import pickle

import numpy as np
import pytest
import torch
from thinc.types import Ragged

from spacy_rnn_tagger.layers.rnn import RNN
from spacy_rnn_tagger.modules import weights as module
from spacy_rnn_tagger.modules.rnn import GATES, run_direction
from spacy_rnn_tagger.modules.weights import PackedWeights, Weights, can_pack

needs_packing = pytest.mark.skipif(
    not can_pack(torch.zeros(1)), reason="torch has no oneDNN here, or doesn't let us pack weights"
)


def some_weights(cell, seed=0, width=7, H=5):
    torch.manual_seed(seed)
    G = len(GATES[cell])
    return Weights(torch.randn(G * H, width), torch.randn(G * H, H), torch.randn(G * H))


def a_layer(cell="lstm", **options):
    defaults = {"hidden_width": 6, "depth": 2, "bidirectional": True, "dropout": 0.0}
    layer = RNN(cell=cell, **defaults, **{"mixed_precision": False, **options})
    rng = np.random.default_rng(1)
    X = Ragged(rng.normal(size=(30, 4)).astype("f"), np.array([17, 0, 13], dtype="i"))
    layer.initialize(X=X)
    return layer, X


def in_training(layer, X):
    """The states that a pass with a way back computes, which packs nothing."""
    return layer.begin_update(X)[0].dataXd


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
@pytest.mark.parametrize("cell", sorted(GATES))
def test_states_are_those_of_one_call_whatever_the_steps_of_each(cell, dtype):
    X = torch.randn(21, 3, 7)
    weights = some_weights(cell)
    with torch.no_grad():
        whole = run_direction(cell, X, weights, dtype)
        parts = run_direction(cell, X, weights, dtype, [8, 8, 5])
    assert torch.equal(whole, parts)
    assert whole.abs().max() > 0.1 and whole.dtype == torch.float32


@needs_packing
@pytest.mark.parametrize("steps", [[], [8, 8, 5]])
def test_packed_weights_give_the_same_states(steps):
    X = torch.randn(21, 3, 7)
    weights = some_weights("lstm")
    ((packed,),) = PackedWeights().pack([[weights]])
    with torch.no_grad():
        expected = run_direction("lstm", X, weights)
        assert torch.equal(run_direction("lstm", X, packed, steps=steps), expected)


@needs_packing
def test_weights_are_packed_once_until_they_change():
    kept = PackedWeights()
    layers = [[some_weights("lstm", 0), some_weights("lstm", 1)], [some_weights("lstm", 2)]]
    first = kept.pack(layers)
    again = kept.pack(layers)
    assert all(a is b for a, b in zip(sum(first, []), sum(again, []), strict=True))
    for array in layers[0][1]:
        array[3] += 0.001  # in place, as an optimizer does
        changed = kept.pack(layers)
        assert changed[0][1] is not again[0][1]
        assert changed[0][0] is first[0][0] and changed[1][0] is first[1][0]
        again = changed


@pytest.mark.parametrize("change", ["in place", "loaded", "averages"])
def test_predictions_follow_the_weights(change):
    layer, X = a_layer()
    before = layer.predict(X).dataXd.copy()
    np.testing.assert_allclose(before, in_training(layer, X), atol=1e-6)
    name = "b_backward_1"
    other = layer.get_param(name) + 1
    if change == "averages":
        with layer.use_params({(layer.id, name): other}):
            within = layer.predict(X).dataXd.copy()
            np.testing.assert_allclose(within, in_training(layer, X), atol=1e-6)
        assert (layer.predict(X).dataXd == before).all()
    elif change == "in place":
        layer.get_param(name)[:] += 1
        within = layer.predict(X).dataXd
    else:
        changed = layer.copy()
        changed.set_param(name, other)
        layer.from_bytes(changed.to_bytes())
        within = layer.predict(X).dataXd
    assert abs(within - before).max() > 0.01


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda kept: pickle.loads(pickle.dumps(kept))])
def test_what_is_packed_is_neither_copied_nor_pickled(copied):
    kept = PackedWeights()
    if can_pack(torch.zeros(1)):
        kept.pack([[some_weights("lstm")]])
    assert copied(kept)._kept == {}


@pytest.mark.parametrize(
    ("name", "value"), [("_PACK", "_not_there"), ("machine", lambda: "aarch64")]
)
def test_where_weights_cannot_be_packed_states_are_the_same(monkeypatch, name, value):
    layer, X = a_layer()
    expected = layer.predict(X).dataXd
    monkeypatch.setattr(module, name, value)
    assert not can_pack(torch.zeros(1))
    assert (layer.predict(X).dataXd == expected).all()


def test_a_host_that_turns_onednn_off_is_heard():
    layer, X = a_layer()
    expected = layer.predict(X).dataXd
    with torch.backends.mkldnn.flags(enabled=False):
        assert not can_pack(torch.zeros(1))
        np.testing.assert_allclose(layer.predict(X).dataXd, expected, atol=1e-6)


def test_a_prediction_has_no_way_back():
    layer, X = a_layer("gru")
    Y, backprop = layer(X, is_train=False)
    with pytest.raises(NotImplementedError):
        backprop(Y)


def test_mixed_precision_packs_nothing(monkeypatch):
    """Where oneDNN is limited to older instructions, it can't pack for bfloat16."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    monkeypatch.setattr(PackedWeights, "pack", lambda *_: pytest.fail("packed"))
    layer, X = a_layer(mixed_precision=True)
    states = layer.predict(X).dataXd
    np.testing.assert_allclose(states, in_training(layer, X), atol=0.02)
    assert abs(states - in_training(layer, X)).max() > 0
