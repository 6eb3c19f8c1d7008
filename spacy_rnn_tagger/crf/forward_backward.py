"""Sums over all paths of a tag lattice: a linear-chain CRF (Lafferty et al. 2001), in NumPy.

Recursions run in log space and in double precision, because a posterior of a long doc is a
difference of large sums. A step takes a few operations on small arrays, where NumPy has the least
overhead; from a GPU, the scores are fetched once per batch, and no step waits for it.

A sum over predecessors is a matrix product of exponentials, none of which may be less than the
smallest double. So each is relative to its token's maximum; a doc in which one falls too far below
that maximum is computed again, with a maximum for each sum.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np

from ..arrays import FloatArray, IntArray
from .lattice import Lattice
from .packed_order import PackedOrder

# Below any sum of scores; a finite floor keeps (-inf) - (-inf) from becoming NaN.
_FLOOR = -1e300
# Below exp(-708), a double loses digits, or is zero. No product that counts may fall below this.
_LOWEST = -700.0
# Sums of exponentials up to this are finite, however many tokens there are.
_HIGHEST = 600.0
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

    These are the gradient of the log-partitions' weighted sum with respect to the scores.

    Attributes:
        log_partition: As in `LogSums`. (B,), or (G,) of groups
        tags: P(tag of the token | doc), the marginals, times the doc's weight. (N, K)
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
# step, written to the second array. The first may be overwritten.
_Step: TypeAlias = Callable[[FloatArray, FloatArray], None]


def forward_backward(
    lattice: Lattice,
    order: PackedOrder,
    groups: IntArray | None = None,
    weights: FloatArray | None = None,
) -> Expectations:
    """Sum over all paths (Rabiner 1989, with logarithms instead of scaling).

    Args:
        lattice: The scores.
        order: The order of its tokens.
        groups: The number of each doc's group, 0 to G - 1, where docs are copies of one doc under
            different restrictions, of which no two share a path. All expectations and the
            log-partition are then over the paths of a group. (B,)
        weights: How often each doc counts in the expectations; once if None. (B,)

    Returns:
        The log-partitions and the expectations.
    """
    alpha, beta, log_partition = log_sums(lattice, order)
    if groups is None:
        groups = np.arange(order.n_docs)
    else:
        log_partition = _grouped_log_sum(log_partition, groups)
    divisor = usable(log_partition)[groups][order.doc_of][:, None]
    tags = np.exp(alpha + beta - divisor)
    if weights is not None:
        tags *= weights[order.doc_of][:, None]
    outgoing = lattice.emissions + beta - divisor
    transitions = expected_transitions(alpha, outgoing, lattice.transitions, order, weights)
    return Expectations(
        log_partition, tags, transitions, tags[order.first].sum(0), tags[order.last].sum(0)
    )


def expected_transitions(
    alpha: FloatArray,
    outgoing: FloatArray,
    transitions: FloatArray,
    order: PackedOrder,
    weights: FloatArray | None,
) -> FloatArray:
    """Sum exp(alpha + transition + outgoing) over the tokens that have one before them.

    Args:
        alpha: As in `LogSums`. (N, K)
        outgoing: The log-sums out of a tag, its emission included, less the log-partition. (N, K)
        transitions: The scores. (K, K)
        order: The order of the tokens.
        weights: How often each doc counts. (B,)

    Returns:
        The sums. (K, K)
    """
    transitions = transitions.astype(np.float64)
    shift = _floored_max(transitions.ravel())
    goes_on = np.ones(order.n_tokens, dtype=bool)
    goes_on[order.first] = False
    targets = np.flatnonzero(goes_on)
    before = alpha[targets - 1]
    top = _floored_max(before)
    relative = outgoing[targets] + top + shift
    beyond = np.empty(0, dtype=np.int64)
    if relative.max(initial=-np.inf) > _HIGHEST:
        # Only a tag to which no legal transition leads from the best one before is out of range.
        beyond = np.flatnonzero((relative > _HIGHEST).any(axis=1))
        relative[beyond] = -np.inf
    uses = np.exp(relative, out=relative)
    if weights is not None:
        weights = weights[order.doc_of[targets]][:, None]
        uses *= weights
    total: FloatArray = np.exp(transitions - shift) * (np.exp(before - top).T @ uses)
    width = max(1, _TABLE // max(1, transitions.size))
    for begin in range(0, len(beyond), width):
        rows = beyond[begin : begin + width]
        own = np.exp(before[rows, :, None] + transitions + outgoing[targets[rows], None, :])
        if weights is not None:
            own *= weights[rows, :, None]
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
    lattice = Lattice(*(scores.astype(np.float64) for scores in lattice))
    alpha, beta, doubtful = _products(lattice, order)
    if len(doubtful):
        is_doubtful = np.zeros(order.n_docs, dtype=bool)
        is_doubtful[doubtful] = True
        rows = np.flatnonzero(is_doubtful[order.doc_of])
        lengths = np.bincount(order.doc_of[rows])[doubtful]
        own = lattice._replace(emissions=lattice.emissions[rows])
        alpha[rows], beta[rows] = _exact(own, PackedOrder(lengths.tolist()))
    log_partition = np.zeros(order.n_docs)
    log_partition[order.doc_of[order.last]] = log_sum_exp(alpha[order.last] + lattice.end)
    return LogSums(alpha, beta, log_partition)


def _products(lattice: Lattice, order: PackedOrder) -> tuple[FloatArray, FloatArray, IntArray]:
    """Compute the sums as matrix products, with a maximum for each token.

    Args:
        lattice: The scores, in double precision.
        order: The order of its tokens.

    Returns:
        alpha, beta, and the docs in which they may be wrong: those with a state so far below the
        token's best that its product with some transition's exponential may lose digits.
    """
    shift = _floored_max(lattice.transitions.ravel())
    relative = lattice.transitions - shift
    weights = np.exp(np.stack([relative, relative.T]))

    def advance(states: FloatArray, result: FloatArray) -> None:
        top = _floored_max(states)
        states -= top
        np.exp(states, out=states)
        np.matmul(states.transpose(1, 0, 2), weights, out=result.transpose(1, 0, 2))
        np.log(result, out=result)
        result += top

    # Where a step has few docs, it takes as long as its calls do; so what can be is done before.
    inputs = _both_ways(lattice.emissions, order) + shift
    lost = inputs > -np.inf
    sums = _recursion(lattice, order, inputs, advance)
    # Where a doc went on, `inputs` now holds its states relative to the highest, as exponentials.
    inputs[order.ending] = np.inf
    lost &= sums > -np.inf
    lowest = np.where(relative > -np.inf, relative, 0.0).min(initial=0.0)
    # Above 1, the highest there is, if a transition is by itself too low.
    lost &= inputs < np.exp(min(_LOWEST - lowest, 1.0))
    doubtful = np.empty(0, dtype=np.int64)
    if lost.any():
        doubtful = np.unique(order.doc_of[order.forward[lost.any(axis=(1, 2))]])
    return *_unpacked(sums, lattice, order), doubtful


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


def _grouped_log_sum(values: FloatArray, groups: IntArray) -> FloatArray:
    top = np.full(int(groups.max()) + 1, _FLOOR)
    np.maximum.at(top, groups, values)
    with np.errstate(divide="ignore"):
        return np.log(np.bincount(groups, np.exp(values - top[groups]))) + top


def _floored_max(scores: FloatArray) -> FloatArray:
    return np.maximum.reduce(scores, axis=-1, keepdims=True, initial=_FLOOR)
