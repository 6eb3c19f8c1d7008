"""Sums over all paths of a tag lattice: a linear-chain CRF (Lafferty et al. 2001), in NumPy.

All in double precision, because a posterior of a long doc comes of large sums. The recursions are
in `scaled_sums`: products of exponentials, none of which may be less than the smallest double. A
doc in which one may be is computed again in log space, with a maximum for each sum. From a GPU, the
scores are fetched once per batch, and no step waits for it.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np

from ..arrays import BoolArray, FloatArray
from .lattice import Lattice
from .packed_order import PackedOrder
from .scaled_sums import ScaledSums, scaled_sums
from .transition_weights import TransitionWeights, transition_weights

# Below any sum of scores; a finite floor keeps (-inf) - (-inf) from becoming NaN.
_FLOOR = -1e300
# Sums of exponentials up to this are finite, however many tokens there are.
_HIGHEST = 600.0
# Where all paths of a doc weigh less than this at some token, relative to the scales of the sums on
# both sides, expectations are computed from logarithms. Above it, terms below exp(-708) are lost
# without harm: each is a part of less than exp(-200) of the whole.
_LIGHT = np.exp(-500.0)
# At most this many terms at a time where each sum has a maximum of its own, to bound memory.
_TABLE = 1 << 20


class LogSums(NamedTuple):
    """Logarithms of sums over paths.

    Attributes:
        alpha: Over the paths from a doc's start to a tag, its emission included. (N, K)
        beta: Over the paths from a tag to the doc's end, its emission left out. (N, K)
        log_partition: Over all paths; minus infinity where there is none; zero for an empty doc.
            (B,)
    """

    alpha: FloatArray
    beta: FloatArray
    log_partition: FloatArray

    def log_marginals(self, order: PackedOrder) -> FloatArray:
        """Compute log P(tag of the token | doc); minus infinity in a doc without a path. (N, K)."""
        marginals: FloatArray = self.alpha + self.beta
        marginals -= usable(self.log_partition)[order.doc_of][:, None]
        return marginals


class Expectations(NamedTuple):
    """Log-partition of each doc and the expected number of uses of each score.

    These are the gradient of the log-partitions' sum with respect to the scores.

    Attributes:
        log_partition: As in `LogSums`. (B,)
        tags: P(tag of the token | doc), the marginals. (N, K)
        transitions: Summed over the batch. (K, K)
        start: Summed over the batch. (K,)
        end: Summed over the batch. (K,)
    """

    log_partition: FloatArray
    tags: FloatArray
    transitions: FloatArray
    start: FloatArray
    end: FloatArray


# From the log-sums into each tag of some docs, forward and backward, (docs, 2, K), to those after a
# step, written to the second array.
_Step: TypeAlias = Callable[[FloatArray, FloatArray], None]


def forward_backward(lattice: Lattice, order: PackedOrder) -> Expectations:
    """Sum over all paths (Rabiner 1989).

    Args:
        lattice: The scores.
        order: The order of its tokens.

    Returns:
        The log-partitions and the expectations.
    """
    transitions = transition_weights(lattice.transitions)
    joint = _Joint(scaled_sums(lattice, order, transitions), order)
    log_partition = joint.log_partition
    by_logs, rows = order.select(joint.doubtful)
    if len(rows):
        own = lattice.select(rows)
        sums = _exact_sums(own, by_logs)
        log_partition[joint.doubtful] = sums.log_partition
    tags, expected = joint.expected(transitions)
    if len(rows):
        divisor = usable(sums.log_partition)[by_logs.doc_of][:, None]
        tags[rows] = np.exp(sums.alpha + sums.beta - divisor)
        outgoing = own.emissions + sums.beta - divisor
        expected += expected_transitions(sums.alpha, outgoing, lattice.transitions, by_logs)
    ends = (tags[rows].sum(axis=0) for rows in (order.first, order.last))
    return Expectations(log_partition, tags, expected, *ends)


class _Joint:
    """What forward and backward sums say together about each token, up to a factor for each.

    Args:
        scaled: The sums.
        order: The order of the tokens.

    Attributes:
        doubtful: Which docs have to be computed from logarithms; nothing else here holds for them.
            (B,)
        log_partition: As in `LogSums`. (B,)
    """

    def __init__(self, scaled: ScaledSums, order: PackedOrder) -> None:
        self._order, self._states = order, scaled.states[0]
        forward, backward = order.places
        self._out_of = scaled.states[1].take(backward, axis=0)
        self._both = scaled.sums[0].take(forward, axis=0)
        self._both *= self._out_of
        # All paths of a doc, whichever of its tokens they are summed at.
        self._weight = self._both.sum(axis=1)
        self.doubtful: BoolArray = np.zeros(order.n_docs, dtype=bool)
        self.doubtful[scaled.doubtful] = True
        # In a doc without a path, no tag has paths on both sides, and nothing has been lost.
        light = np.flatnonzero(self._weight < _LIGHT)
        into = scaled.sums[0][forward[light]]
        light_docs = order.doc_of[light]
        self.doubtful[light_docs[((into > 0) & (self._out_of[light] > 0)).any(axis=1)]] = True
        self.log_partition: FloatArray = scaled.totals(order)
        with np.errstate(divide="ignore"):
            self.log_partition[order.doc_of[order.last]] += np.log(self._weight[order.last])
        self._weight[light] = np.inf
        self._weight[self.doubtful[order.doc_of]] = np.inf

    def expected(self, weights: TransitionWeights) -> tuple[FloatArray, FloatArray]:
        """Compute the expectations. It can be called once.

        Args:
            weights: The transitions.

        Returns:
            Those of tags, (N, K), and those of transitions, summed. (K, K)
        """
        scale = 1.0 / self._weight
        tags = np.multiply(self._both, scale[:, None], out=self._both)
        scale[self._order.first] = 0.0  # no transition leads there
        after = np.multiply(self._out_of, scale[:, None], out=self._out_of)[1:]
        before = self._states.take(self._order.places[0, :-1], axis=0)
        return tags, weights.expected(before, after)


def expected_transitions(
    alpha: FloatArray,
    outgoing: FloatArray,
    transitions: FloatArray,
    order: PackedOrder,
) -> FloatArray:
    """Sum exp(alpha + transition + outgoing) over the tokens that have one before them.

    Args:
        alpha: As in `LogSums`. (N, K)
        outgoing: The log-sums out of a tag, its emission included, less the log-partition. (N, K)
        transitions: The scores. (K, K)
        order: The order of the tokens.

    Returns:
        The sums. (K, K)
    """
    table = transition_weights(transitions)
    goes_on = np.ones(order.n_tokens, dtype=bool)
    goes_on[order.first] = False
    targets = np.flatnonzero(goes_on)
    before = alpha[targets - 1]
    top = _floored_max(before)
    relative = outgoing[targets] + top + table.shift
    beyond = np.empty(0, dtype=np.int64)
    if relative.max(initial=-np.inf) > _HIGHEST:
        # Only a tag to which no legal transition leads from the best one before is out of range.
        beyond = np.flatnonzero((relative > _HIGHEST).any(axis=1))
        relative[beyond] = -np.inf
    uses = np.exp(relative, out=relative)
    total = table.expected(np.exp(before - top), uses)
    width = max(1, _TABLE // max(1, transitions.size))
    for begin in range(0, len(beyond), width):
        rows = beyond[begin : begin + width]
        own = np.exp(before[rows, :, None] + transitions + outgoing[targets[rows], None, :])
        total += own.sum(axis=0)
    return total


def log_sums(lattice: Lattice, order: PackedOrder) -> LogSums:
    """Sum over the paths into and out of each tag, by the forward and the backward recursion.

    Args:
        lattice: The scores.
        order: The order of its tokens.

    Returns:
        The logarithms of the sums.
    """
    scaled = scaled_sums(lattice, order, transition_weights(lattice.transitions))
    with np.errstate(divide="ignore"):  # the logarithm of zero is minus infinity, as it should be
        logs = np.log(scaled.sums, out=scaled.sums)
    logs += scaled.levels(order)[:, :, None]
    alpha, beta = (own.take(rows, axis=0) for own, rows in zip(logs, order.places, strict=True))
    alpha += lattice.emissions
    if len(scaled.doubtful):
        is_doubtful = np.zeros(order.n_docs, dtype=bool)
        is_doubtful[scaled.doubtful] = True
        own, rows = order.select(is_doubtful)
        alpha[rows], beta[rows], _ = _exact_sums(lattice.select(rows), own)
    return _with_partition(alpha, beta, lattice, order)


def _with_partition(
    alpha: FloatArray, beta: FloatArray, lattice: Lattice, order: PackedOrder
) -> LogSums:
    log_partition = np.zeros(order.n_docs)
    log_partition[order.doc_of[order.last]] = log_sum_exp(
        alpha[order.last] + lattice.end.astype(np.float64)
    )
    return LogSums(alpha, beta, log_partition)


def _exact_sums(lattice: Lattice, order: PackedOrder) -> LogSums:
    """Sum over paths like `log_sums`, wherever the scores are."""
    lattice = Lattice(*(scores.astype(np.float64) for scores in lattice))
    return _with_partition(*_exact(lattice, order), lattice, order)


def _exact(lattice: Lattice, order: PackedOrder) -> tuple[FloatArray, FloatArray]:
    """Compute the sums with a maximum for each, which takes several times as long.

    Args:
        lattice: The scores, in double precision.
        order: The order of its tokens.

    Returns:
        alpha and beta.
    """
    into = np.stack([lattice.transitions.T, lattice.transitions])  # a row for each target
    width = max(1, _TABLE // into[0].size)

    def advance(states: FloatArray, result: FloatArray) -> None:
        for begin in range(0, len(states), width):
            rows = slice(begin, begin + width)
            result[rows] = log_sum_exp(states[rows, :, None, :] + into)

    inputs = _both_ways(lattice.emissions, order)
    return _unpacked(_recursion(lattice, order, inputs, advance), lattice, order)


def _recursion(
    lattice: Lattice, order: PackedOrder, inputs: FloatArray, advance: _Step
) -> FloatArray:
    """Run both recursions in one loop.

    The backward recursion is the forward one over the docs read from their ends, with the
    transitions transposed.

    Args:
        lattice: The scores, in double precision.
        order: The order of its tokens.
        inputs: What to add to the sums before a step, which then works in its place. (N, 2, K)
        advance: A step.

    Returns:
        The sums into each tag, its own emission left out, packed. (N, 2, K)
    """
    sums = np.empty_like(inputs)
    if order.n_tokens:
        sums[: order.bounds[1]] = np.stack([lattice.start, lattice.end])
    with np.errstate(divide="ignore"):  # the logarithm of zero is minus infinity, as it should be
        for before, (begin, stop) in zip(order.bounds, pairwise(order.bounds[1:]), strict=False):
            rows = slice(before, before + stop - begin)
            states = inputs[rows]
            states += sums[rows]
            advance(states, sums[begin:stop])
    return sums


def _both_ways(emissions: FloatArray, order: PackedOrder) -> FloatArray:
    """Pack emissions, forward and backward. (N, 2, K)"""
    return np.stack([emissions[order.forward], emissions[order.backward]], axis=1)


def _unpacked(
    sums: FloatArray, lattice: Lattice, order: PackedOrder
) -> tuple[FloatArray, FloatArray]:
    """Turn packed sums into alpha and beta of the tokens."""
    alpha, beta = np.empty_like(lattice.emissions), np.empty_like(lattice.emissions)
    alpha[order.forward], beta[order.backward] = sums.transpose(1, 0, 2)
    alpha += lattice.emissions
    return alpha, beta


def usable(log_partition: FloatArray) -> FloatArray:
    """Make what is divided by a partition zero, and not NaN, where there is no path at all."""
    return np.where(np.isfinite(log_partition), log_partition, 0.0)


def log_sum_exp(scores: FloatArray) -> FloatArray:
    """Sum exponentials along the last axis, in logarithms; minus infinity where all are.

    Args:
        scores: The logarithms. (..., K)

    Returns:
        The logarithm of each sum. (...,)
    """
    top = _floored_max(scores)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(scores - top).sum(-1)) + top[..., 0]


def _floored_max(scores: FloatArray) -> FloatArray:
    return np.maximum.reduce(scores, axis=-1, keepdims=True, initial=_FLOOR)
