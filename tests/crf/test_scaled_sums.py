"""Recursions in scaled numbers against those in log space, and what tells where they may differ."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_rnn_tagger.crf import forward_backward as crf
from spacy_rnn_tagger.crf import scaled_sums as module
from spacy_rnn_tagger.crf import transition_weights
from spacy_rnn_tagger.crf.forward_backward import forward_backward, log_sums
from spacy_rnn_tagger.crf.lattice import Lattice
from spacy_rnn_tagger.crf.packed_order import PackedOrder
from spacy_rnn_tagger.crf.scaled_sums import scaled_sums
from spacy_rnn_tagger.crf.tag_scheme import SCHEMES, TagScheme

NO = -np.inf


def doubtful(lattice, lengths):
    weights = transition_weights.transition_weights(lattice.transitions)
    return scaled_sums(lattice, PackedOrder(lengths), weights).doubtful.tolist()


def random_lattice(rng, N, K, sizes, forbid):
    """Scores of one size, or of sizes far apart."""

    def scores(*shape):
        values = rng.normal(size=shape) * rng.choice(sizes, shape)
        values[rng.random(shape) < forbid] = NO
        return values

    return Lattice(scores(N, K), scores(K, K), scores(K), scores(K))


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    lengths=st.lists(st.sampled_from([0, 1, 2, 9, 40]), min_size=1, max_size=6),
    K=st.integers(1, 6),
    emissions=st.sampled_from([[1.0], [30.0], [150.0], [1.0, 150.0], [1.0, 1.0, 600.0], [3000.0]]),
    learned=st.sampled_from([[1.0], [20.0], [1.0, 100.0], [400.0]]),
    forbid=st.sampled_from([0.0, 0.2, 0.5]),
    steps=st.sampled_from([1, 8]),
    many=st.booleans(),
)
def test_docs_that_are_not_listed_have_lost_nothing(
    seed, lengths, K, emissions, learned, forbid, steps, many
):
    rng = np.random.default_rng(seed)
    lattice = random_lattice(rng, sum(lengths), K, learned, forbid)
    own = random_lattice(rng, sum(lengths), K, emissions, forbid).emissions
    lattice = lattice._replace(emissions=own)
    order = PackedOrder(lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_STEPS", steps)
        if many:
            patch.setattr(transition_weights, "_MANY", 0)
        listed = doubtful(lattice, lengths)
        patch.setattr(crf, "_exact_sums", lambda lattice, order: empty_sums(lattice, order))
        sums = log_sums(lattice, order)
    exact = crf._exact(lattice, order)
    kept = ~np.isin(order.doc_of, listed)
    for ours, theirs in zip(sums[:2], exact, strict=True):
        assert np.array_equal(np.isfinite(ours[kept]), np.isfinite(theirs[kept]))
        np.testing.assert_allclose(ours[kept], theirs[kept], rtol=1e-12, atol=1e-9)


def empty_sums(lattice, order):
    zeros = np.zeros_like(lattice.emissions)
    return crf.LogSums(zeros, zeros, np.zeros(order.n_docs))


@pytest.mark.parametrize("name", SCHEMES)
def test_ordinary_scores_leave_no_doubt(name):
    """Of a sure network as well, whose states fall by a dozen orders of magnitude a step."""
    rng = np.random.default_rng(0)
    scheme = TagScheme(name, "ABCD")
    N, K = 200, len(scheme.tags)
    for scale in (1.0, 10.0, 25.0):
        learned = [rng.normal(size=s) * min(scale, 8.0) for s in ((K, K), K, K)]
        lattice = Lattice.of(scheme, rng.normal(size=(N, K)) * scale, *learned)
        assert doubtful(lattice, [120, 0, 1, 79]) == []


def free(N, K):
    return Lattice(np.zeros((N, K)), np.zeros((K, K)), np.zeros(K), np.zeros(K))


@pytest.mark.parametrize("gap", [690.0, 720.0, 800.0])
@pytest.mark.parametrize("name", ["emissions", "transitions", "start", "end"])
def test_a_score_far_below_the_highest_is_noticed(name, gap):
    """Whether its exponential is zero or has only lost some digits."""
    lattice = free(4, 3)
    getattr(lattice, name)[(0,) * getattr(lattice, name).ndim] = -gap
    docs = [0] if name == "emissions" else [0, 2]  # the emission is that of the first doc
    assert doubtful(lattice, [2, 0, 2]) == (docs if gap > 700 else [])


def test_states_that_fall_over_several_steps_are_noticed():
    """No score is low, but the sum of many is: the first tag and the second never meet."""
    for gap, docs in ((60.0, []), (120.0, [0])):
        lattice = free(7, 2)
        lattice.transitions[:] = [[0.0, NO], [NO, 0.0]]
        lattice.emissions[:, 1] = -gap
        assert doubtful(lattice, [7]) == docs
        alpha = log_sums(lattice, PackedOrder([7])).alpha
        np.testing.assert_allclose(alpha[:, 1], -gap * np.arange(1, 8), rtol=1e-13)


@pytest.mark.parametrize("gap", [300.0, 400.0])
def test_a_state_and_a_transition_that_are_low_together_are_noticed(gap):
    """Each is far from the smallest double, but not their product."""
    lattice = free(2, 2)
    lattice.start[1] = -gap
    lattice.transitions[:] = [[0.0, NO], [NO, -gap]]
    assert doubtful(lattice, [2]) == ([0] if 2 * gap > 700 else [])
    sums = log_sums(lattice, PackedOrder([2]))
    np.testing.assert_allclose(sums.alpha, [[0, -gap], [0, -2 * gap]], rtol=1e-14)
    np.testing.assert_allclose(sums.beta, [[0, -gap], [0, 0]], rtol=1e-14)


def test_digits_lost_before_a_maximum_is_divided_out_are_noticed():
    """All states are below the smallest double with all its digits, and afterwards near 1."""
    lattice = free(3, 4)
    lattice.transitions[:] = NO
    lattice.transitions[:2, :2] = [[-350.0, -351.0], [-350.5, -351.5]]
    lattice.transitions[3, 3] = 0.0
    lattice.emissions[:, 3] = NO  # what is highest can't be used
    lattice.emissions[1, :2] = -385.0
    assert doubtful(lattice, [3]) == [0]
    lattice.emissions[1, :2] = -340.0
    assert doubtful(lattice, [3]) == []


def test_all_states_fall_together_without_a_loss():
    """What is highest is forbidden at the next word each time: maxima are divided out in time."""
    lattice = free(400, 2)
    lattice.transitions[:] = [[NO, -90.0], [0.0, -90.0]]
    lattice.emissions[::2, 1] = lattice.emissions[1::2, 0] = -150.0
    assert doubtful(lattice, [400]) == []
    exact = crf._exact(lattice, PackedOrder([400]))
    for ours, theirs in zip(log_sums(lattice, PackedOrder([400])), exact, strict=False):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)


def test_paths_that_are_light_on_both_sides_of_a_word_count():
    """All paths go through a tag that is far from the best one both forward and backward.

    Neither sum is too small, because maxima are divided out before and after. Their product is.
    """
    lattice = free(22, 7)
    s0, s1, a, b, c, e0, e1 = range(7)
    lattice.emissions[:21] = NO
    lattice.emissions[:10, [s0, s1]] = lattice.emissions[11:21, [e0, e1]] = 0.0
    lattice.emissions[10, [a, b, c]] = 0.0
    lattice.emissions[0, s1] = lattice.emissions[20, e1] = -400.0
    lattice.transitions[:] = NO
    lattice.transitions[[s0, s0, s1, s1, b, c, e0, e1], [s0, a, s1, c, e0, e1, e0, e1]] = 0.0
    lengths = [21, 1]
    assert doubtful(lattice, lengths) == []
    found = forward_backward(lattice, PackedOrder(lengths))
    np.testing.assert_allclose(found.log_partition, [-800.0, np.log(7)], rtol=1e-14)
    wanted = np.zeros((21, 7))
    wanted[range(21), [s1] * 10 + [c] + [e1] * 10] = 1.0
    np.testing.assert_allclose(found.tags[:21], wanted, atol=1e-12)
    assert found.transitions[s1, c] == pytest.approx(1.0)
    assert found.transitions.sum() == pytest.approx(20.0)


def test_a_doc_without_a_path_is_no_reason_to_doubt():
    lattice = free(5, 2)
    lattice.transitions[:] = [[NO, 0.0], [NO, NO]]  # no doc has three words
    assert doubtful(lattice, [3, 2]) == []
    found = forward_backward(lattice, PackedOrder([3, 2]))
    assert found.log_partition.tolist() == [NO, 0.0]
    assert found.tags.tolist() == [[0, 0]] * 3 + [[1, 0], [0, 1]]
    assert found.transitions.tolist() == [[0, 1], [0, 0]]


@pytest.mark.parametrize("lengths", [[50, 3], [3, 2, 0, 3, 1, 3], [1], [0], []])
def test_levels_are_summed_doc_by_doc_or_step_by_step(lengths):
    rng = np.random.default_rng(2)
    lattice = random_lattice(rng, sum(lengths), 3, [5.0], 0.0)
    found, exact = (sums(lattice, PackedOrder(lengths)) for sums in (log_sums, crf._exact_sums))
    for ours, theirs in zip(found, exact, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_marginals_of_a_long_doc_sum_to_one():
    """Rounding adds up on the way through a doc, but not in what is said about a word."""
    rng = np.random.default_rng(3)
    lattice = random_lattice(rng, 100_000, 3, [3.0], 0.0)
    found = forward_backward(lattice, PackedOrder([100_000]))
    np.testing.assert_allclose(found.tags.sum(axis=1), 1.0, rtol=0, atol=1e-14)
    assert found.transitions.sum() == pytest.approx(99_999, rel=1e-12)
