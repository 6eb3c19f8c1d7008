"""The fused optimizer against Thinc's Adam, step by step."""

import numpy as np
import pytest
import spacy
import torch
from spacy.util import registry
from thinc.api import Adam, Config, warmup_linear

from spacy_rnn_tagger.training.optimizers import FusedAdam, create_adam_v1

SHAPES = [(50, 8), (7,), (3, 4, 5), (1,), (4097, 17)]
SETTINGS = [
    {},
    {"L2": 0.01, "grad_clip": 5.0},
    {"L2": 0.1, "L2_is_weight_decay": False, "grad_clip": 0.5},
    {"use_averages": False, "grad_clip": 0.0},
    {"beta1": 0.5, "beta2": 0.9, "eps": 0.1},
]


def stepped(optimizer, n_steps, *, scale=1.0):
    """Take steps with random gradients, some sparse, some large, some zero."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape).astype("f") for shape in SHAPES]
    for step in range(n_steps):
        for number, array in enumerate(weights):
            gradient = rng.normal(size=array.shape).astype("f") * 10.0 ** int(rng.integers(-6, 2))
            gradient *= rng.random(array.shape) < (0.1 if step % 3 else 1.0)
            found, cleared = optimizer((number, "W"), array, gradient, lr_scale=scale)
            assert np.shares_memory(found, array)
            assert not cleared.any()
        optimizer.step_schedules()
    return weights


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_steps_are_those_of_thinc(settings, scale):
    results = []
    for create in (Adam, create_adam_v1):
        optimizer = create(warmup_linear(0.01, 10, 60), **settings)
        results.append((optimizer, stepped(optimizer, 50, scale=scale)))
    (thinc, expected), (fused, found) = results
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-6)
    assert fused.nr_update == thinc.nr_update
    assert fused.learn_rate == thinc.learn_rate
    assert (fused.averages is None) == (thinc.averages is None)
    for name in ("mom1", "mom2", "averages"):
        for key, array in (getattr(thinc, name) or {}).items():
            own = getattr(fused, name)[key]
            np.testing.assert_allclose(own, array, rtol=1e-4, atol=1e-6 * np.abs(array).max())


def test_the_same_steps_give_the_same_bits():
    first, second = (stepped(create_adam_v1(0.01, L2=0.01), 20) for _ in range(2))
    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))


def test_the_default_device_of_the_host_does_not_matter():
    expected = stepped(create_adam_v1(0.01), 3)
    torch.set_default_device("meta")  # for a host with a GPU, "cuda"
    try:
        found = stepped(create_adam_v1(0.01), 3)
    finally:
        torch.set_default_device(None)
    assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))


def test_what_torch_cannot_change_in_place_is_left_to_thinc():
    weights = np.ones((400, 300), dtype="f").T
    gradient = np.random.default_rng(0).normal(size=weights.shape).astype("f")
    expected = Adam(0.01)((0, "W"), weights.copy(), gradient.copy())[0]
    found, _ = FusedAdam(0.01)((0, "W"), weights, gradient)
    assert np.array_equal(found, expected)
    empty = np.zeros((0, 3), dtype="f")
    assert FusedAdam(0.01)((1, "W"), empty, empty)[0] is empty


def test_a_config_names_it():
    config = Config().from_str(
        """
        [optimizer]
        @optimizers = "spacy_rnn_tagger.Adam.v1"
        grad_clip = 5.0

        [optimizer.learn_rate]
        @schedules = "warmup_linear.v1"
        warmup_steps = 10
        total_steps = 100
        initial_rate = 0.01
        """
    )
    optimizer = registry.resolve(config)["optimizer"]
    assert isinstance(optimizer, FusedAdam)
    assert (optimizer.grad_clip, optimizer.learn_rate) == (5.0, 0.0)


def test_nlp_update_takes_it():
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("rnn_ner")
    pipe.add_label("GPE")
    nlp.initialize()
    docs = [nlp.make_doc(text) for text in ("Red Fort is in Delhi.", "Delhi is large.")]
    spans = [[(15, 20, "GPE")], [(0, 5, "GPE")]]
    examples = [
        spacy.training.Example.from_dict(doc, {"entities": own})
        for doc, own in zip(docs, spans, strict=True)
    ]
    optimizer = create_adam_v1(0.01)
    losses = [nlp.update(examples, sgd=optimizer)["rnn_ner"] for _ in range(60)]
    assert losses[-1] < 0.1 * losses[0]
    with nlp.use_params(optimizer.averages):
        assert [ent.text for ent in nlp("Delhi is large.").ents] == ["Delhi"]
