"""The lattice's recursions against enumeration of all paths."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_rnn_tagger.crf.forward_backward import forward_backward
from spacy_rnn_tagger.crf.lattice import Lattice
from spacy_rnn_tagger.crf.packed_order import PackedOrder
from spacy_rnn_tagger.crf.tag_scheme import TagScheme
from spacy_rnn_tagger.crf.viterbi import viterbi


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
    found = forward_backward(lattice, PackedOrder(lengths))
    for ours, theirs in zip(found, enumerate_expectations(lattice, lengths), strict=True):
        assert np.allclose(ours, theirs, atol=1e-9)


# Large enough for all; one doc at a time; so small that predecessors are pruned.
TABLES = [1 << 16, 16, 1]


def viterbi_by(table, lattice, lengths):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spacy_rnn_tagger.crf.viterbi._TABLE", table)
        return viterbi(lattice, PackedOrder(lengths))


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
    found = forward_backward(lattice, PackedOrder([2999, 1]))
    assert all(np.isfinite(values).all() for values in found)
    assert np.allclose(found.tags.sum(1), 1.0, atol=1e-6)


def plain_viterbi(lattice):
    """Decode one doc in double precision, step by step, with a note of where each tag came from."""
    E, T, S, F = (np.asarray(scores, dtype=np.float64) for scores in lattice)
    best, came_from = S + E[0], []
    for emissions in E[1:]:
        table = best[:, None] + T
        came_from.append(table.argmax(axis=0))
        best = table.max(axis=0) + emissions
    path = [int((best + F).argmax())]
    for row in reversed(came_from):
        path.append(int(row[path[-1]]))
    return np.array(path[::-1])


def parallel_viterbi(lattice, size):
    """The same for a long doc: all parts of `size` tokens at once, for each tag before a part."""
    E, T, S, F = (np.asarray(scores, dtype=np.float64) for scores in lattice)
    K = len(S)
    parts = E.reshape(-1, size, K)
    # From each tag before the part to each tag in it. The first part has no tag before it.
    best = parts[:, None, 0] + T
    best[0] = S + parts[0, 0]
    came_from = np.empty((size, len(parts), K, K), dtype=np.int8)
    for step in range(1, size):
        table = best[..., None] + T  # part, tag before the part, tag, tag after it
        came_from[step] = table.argmax(axis=2)
        best = table.max(axis=2) + parts[:, step, None]
    # Then the parts are the steps.
    scores, before = best[0, 0], []
    for own in best[1:]:
        table = scores[:, None] + own
        before.append(table.argmax(axis=0))
        scores = table.max(axis=0)
    last = [int((scores + F).argmax())]
    for row in reversed(before):
        last.append(int(row[last[-1]]))
    tag = np.array(last[::-1])  # the last of each part
    entered = np.concatenate(([0], tag[:-1]))
    path = np.empty((len(parts), size), dtype=np.int64)
    for step in reversed(range(size)):
        path[:, step] = tag
        if step:
            tag = came_from[step, np.arange(len(parts)), entered, tag]
    return path.ravel()


def legal_lattice(rng, scheme, N, scale):
    tags = TagScheme(scheme, [f"L{i}" for i in range(scale["labels"])])
    K = len(tags.tags)
    masks = (tags.legal_transitions, tags.legal_start, tags.legal_end)
    learned = (
        np.where(mask, rng.uniform(0, scale["learned"], mask.shape), -np.inf).astype("f")
        for mask in masks
    )
    return Lattice((rng.normal(size=(N, K)) * scale["emissions"]).astype("f"), *learned)


def test_both_ways_to_decode_in_the_tests_agree():
    rng = np.random.default_rng(8)
    lattice = legal_lattice(rng, "BIO", 600, {"labels": 2, "emissions": 2.0, "learned": 3.0})
    assert np.array_equal(plain_viterbi(lattice), parallel_viterbi(lattice, 50))


@pytest.mark.slow
def test_a_doc_of_a_million_tokens_is_decoded_exactly():
    rng = np.random.default_rng(9)
    lattice = legal_lattice(rng, "BIO", 1_000_000, {"labels": 2, "emissions": 2.0, "learned": 3.0})
    path = viterbi(lattice, PackedOrder([1_000_000]))
    assert np.array_equal(path, parallel_viterbi(lattice, 500))


@pytest.mark.parametrize("scheme,labels", [("BIO", 130), ("BILUO", 70), ("IO", 260)])
@pytest.mark.parametrize("learned", [0.1, 0.4, 3.0])
def test_many_tags_are_pruned_by_no_more_than_what_cannot_win(scheme, labels, learned):
    """Scores lie so close that the winner is often just within the bound."""
    rng = np.random.default_rng(10)
    scale = {"labels": labels, "emissions": 0.3, "learned": learned}
    lattice = legal_lattice(rng, scheme, 60, scale)
    assert lattice.transitions.size > 1 << 16
    lengths = [25, 1, 30, 4]
    path = viterbi(lattice, PackedOrder(lengths))
    for rows in (slice(0, 25), slice(25, 26), slice(26, 56), slice(56, 60)):
        own = lattice._replace(emissions=lattice.emissions[rows])
        assert np.array_equal(path[rows], plain_viterbi(own))


@pytest.mark.parametrize("margin", [1e-9, 1e-3, 0.4, -1e-9, -0.4])
def test_a_winner_just_within_the_bound_is_found(margin):
    """The highest step from one tag beats the lowest from the other by the margin.

    Where it does not count, a third way is better, by half of the margin.
    """
    K = 300
    emissions, transitions = np.zeros((2, K)), np.zeros((K, K))
    emissions[0, [5, 9]] = 10.0, 8.5
    transitions[5, 7] = -1.0
    transitions[9, 7] = 0.5 + margin
    emissions[1, [7, 3]] = 100.0, 99.0 + margin / 2
    path = viterbi(Lattice(emissions, transitions, np.zeros(K), np.zeros(K)), PackedOrder([2]))
    assert path.tolist() == [9 if margin > 0 else 5, 7]
