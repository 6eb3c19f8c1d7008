"""The lattice's recursions against enumeration of all paths."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_rnn_tagger.modules.crf import Lattice, forward_backward
from spacy_rnn_tagger.modules.steps import Steps
from spacy_rnn_tagger.modules.viterbi import viterbi
from spacy_rnn_tagger.tags import TagScheme


def random_lattice(rng, N, K, forbid=0.0, scale=2.0):
    def scores(*shape):
        values = rng.normal(size=shape) * scale
        values[rng.random(shape) < forbid] = -np.inf
        return values

    return Lattice(scores(N, K), scores(K, K), scores(K), scores(K))


def paths_of(lattice, start, length):
    """All paths of one doc with their scores."""
    E, T, S, F = lattice
    K = E.shape[1]
    for path in itertools.product(range(K), repeat=length):
        score = S[path[0]] + F[path[-1]] + sum(E[start + t, y] for t, y in enumerate(path))
        score += sum(T[a, b] for a, b in itertools.pairwise(path))
        yield path, score


def enumerate_expectations(lattice, lengths):
    N, K = lattice.emissions.shape
    logz, tags, trans = np.zeros(len(lengths)), np.zeros((N, K)), np.zeros((K, K))
    first, last = np.zeros(K), np.zeros(K)
    start = 0
    for d, length in enumerate(lengths):
        if length:
            found = list(paths_of(lattice, start, length))
            scores = np.array([score for _, score in found])
            top = scores.max()
            logz[d] = top + np.log(np.exp(scores - top).sum()) if np.isfinite(top) else -np.inf
            if np.isfinite(top):
                for path, score in found:
                    p = np.exp(score - logz[d])
                    first[path[0]] += p
                    last[path[-1]] += p
                    for t, y in enumerate(path):
                        tags[start + t, y] += p
                    for a, b in itertools.pairwise(path):
                        trans[a, b] += p
        start += length
    return logz, tags, trans, first, last


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.lists(st.integers(0, 5), min_size=1, max_size=5),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.3]),
)
def test_expectations_equal_enumeration(seed, lengths, K, forbid):
    lattice = random_lattice(np.random.default_rng(seed), sum(lengths), K, forbid)
    found = forward_backward(lattice, Steps(lengths))
    for ours, theirs in zip(found, enumerate_expectations(lattice, lengths), strict=True):
        assert np.allclose(ours, theirs, atol=1e-9)


# Large enough for all; one doc at a time; so small that predecessors are pruned.
TABLES = [1 << 16, 16, 1]


def viterbi_by(table, lattice, lengths):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spacy_rnn_tagger.modules.viterbi._TABLE", table)
        return viterbi(lattice, Steps(lengths))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10**6),
    st.lists(st.integers(0, 5), min_size=1, max_size=5),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.2, 0.5]),
    st.sampled_from(TABLES),
)
def test_viterbi_equals_enumeration(seed, lengths, K, forbid, table):
    lattice = random_lattice(np.random.default_rng(seed), sum(lengths), K, forbid)
    best = viterbi_by(table, lattice, lengths).tolist()
    start = 0
    for length in lengths:
        if length:
            scores = dict(paths_of(lattice, start, length))
            top = max(scores.values())
            if np.isfinite(top):
                assert scores[tuple(best[start : start + length])] == pytest.approx(top)
        start += length


@pytest.mark.parametrize("scheme", ["BIO", "BILUO", "IO"])
@pytest.mark.parametrize("scale", [0.0, 0.3, 5.0])
def test_viterbi_is_the_same_by_any_table(scheme, scale):
    """With many labels: transitions all zero, as with softmax, and up to where none is pruned."""
    rng = np.random.default_rng(3)
    tags = TagScheme(scheme, [f"L{i}" for i in range(20)])
    lengths = [4, 6, 0, 5, 14, 6, 3]
    lattice = random_lattice(rng, sum(lengths), len(tags.tags))
    # Ties and forbidden tags, too.
    emissions = np.where(rng.random(lattice.emissions.shape) < 0.1, -np.inf, lattice.emissions)
    legal = (tags.legal_transitions, tags.legal_start, tags.legal_end)
    learned = (
        np.where(mask, scale * values, -np.inf)
        for mask, values in zip(legal, lattice[1:], strict=True)
    )
    lattice = Lattice(emissions.round(1), *learned)
    first, *others = (viterbi_by(table, lattice, lengths) for table in (1 << 16, 10_000, 200, 1))
    for other in others:
        assert np.array_equal(first, other)


def test_extreme_scores_and_long_docs_stay_finite():
    lattice = random_lattice(np.random.default_rng(0), 3000, 5)
    lattice = lattice._replace(emissions=lattice.emissions * 500)
    found = forward_backward(lattice, Steps([2999, 1]))
    assert all(np.isfinite(values).all() for values in found)
    assert np.allclose(found.tags.sum(1), 1.0, atol=1e-6)
