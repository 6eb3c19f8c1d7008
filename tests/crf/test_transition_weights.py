"""Products with listed transitions against those with the whole table."""

import numpy as np
import pytest

from spacy_rnn_tagger.crf import transition_weights as module
from spacy_rnn_tagger.crf.tag_scheme import TagScheme
from spacy_rnn_tagger.crf.transition_weights import transition_weights


def scheme_pattern(name, n_labels):
    return TagScheme(name, [f"L{i}" for i in range(n_labels)]).legal_transitions


def random_pattern(density):
    return np.random.default_rng(1).random((60, 60)) < density


PATTERNS = {
    "BILUO": scheme_pattern("BILUO", 15),
    "BIO": scheme_pattern("BIO", 200),
    "sparse": random_pattern(0.03),
    "mixed": random_pattern(0.05) | (np.arange(60) < 12)[:, None] & (np.arange(60) < 30),
    "dense": random_pattern(0.9),
    "nothing": np.zeros((8, 8), dtype=bool),
    "one": np.eye(1, dtype=bool),
    "permutation": np.eye(20, dtype=bool)[::-1].copy(),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_listed_transitions_equal_the_table(name):
    rng = np.random.default_rng(0)
    legal = PATTERNS[name]
    transitions = np.where(legal, rng.normal(size=legal.shape) * 3, -np.inf).astype("f")
    K = len(legal)
    listed = module._Listed(transitions, module._Pattern.of(legal))
    dense = module._Dense(transitions)
    assert (listed.shift, listed.lowest) == pytest.approx((dense.shift, dense.lowest), abs=1e-12)
    states = rng.random((2, 3, K))
    ours, theirs = np.empty_like(states), np.empty_like(states)
    listed.advance(states, ours)
    dense.advance(states, theirs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-13)
    before, after = rng.random((2, 7, K))
    plain = np.exp(transitions.astype("d") - dense.shift) * (before.T @ after)
    for weights in (listed, dense):
        np.testing.assert_allclose(weights.expected(before, after), plain, rtol=1e-13)


def test_every_legal_transition_is_in_the_block_or_in_the_list():
    for legal in PATTERNS.values():
        found = module._Pattern.of(legal)
        seen = np.zeros(legal.shape, dtype=int)
        seen[np.ix_(found.sources, found.many)] += 1
        np.add.at(seen, (found.before, found.after), 1)
        assert seen.max(initial=0) <= 1
        assert (seen[legal] == 1).all()


@pytest.mark.parametrize(
    "name,n_labels,share", [("BILUO", 100, 0.26), ("BIO", 200, 0.51), ("IO", 400, None)]
)
def test_what_is_listed_follows_from_the_scheme(name, n_labels, share):
    """A quarter of the table in BILUO, half in BIO; in IO there is nothing to leave out."""
    legal = scheme_pattern(name, n_labels)
    weights = transition_weights(np.where(legal, np.float32(0), np.float32("-inf")))
    assert isinstance(weights, module._Dense if share is None else module._Listed)
    if share is not None:
        found = module._Pattern.of(legal)
        assert found.sources.size * found.many.size < share * legal.size
        assert len(found.before) <= 2 * len(legal)


def test_few_tags_have_a_table():
    legal = scheme_pattern("BILUO", 18)
    assert isinstance(transition_weights(np.where(legal, 0.0, -np.inf)), module._Dense)
