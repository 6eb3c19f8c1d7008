"""Inference on a tag lattice: a linear-chain CRF (Lafferty et al. 2001), in NumPy.

A path y of a doc of L tokens scores

    score(y) = start[y_1] + sum_t emissions[t, y_t] + sum_t transitions[y_(t-1), y_t] + end[y_L]

Whatever is forbidden scores minus infinity, so one and the same code serves free and constrained
inference. Recursions run in log space and in double precision, for a posterior of a long doc is a
difference of large sums. A step takes a few operations on small arrays, where NumPy has the least
overhead; from a GPU, the scores are fetched once a batch, and no step waits for it.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..types import IntArray
from .steps import Steps

FloatArray = NDArray[np.floating]
# Below this, exp() is zero; a finite floor keeps (-inf) - (-inf) from becoming NaN.
_FLOOR = -1e30


class Lattice(NamedTuple):
    """Scores of everything a path can use; minus infinity where it may not go.

    emissions: *Shape:* (N, K).
    transitions: from row to column. *Shape:* (K, K).
    start: *Shape:* (K,).
    end: *Shape:* (K,).
    """

    emissions: FloatArray
    transitions: FloatArray
    start: FloatArray
    end: FloatArray


class LogSums(NamedTuple):
    """Logarithms of sums over paths.

    alpha: over the paths from a doc's start to a tag, its emission included. *Shape:* (N, K).
    beta: over the paths from a tag to the doc's end, its emission left out. *Shape:* (N, K).
    log_partition: over all paths; minus infinity where there is none; zero for an empty doc.
        *Shape:* (B,).
    """

    alpha: FloatArray
    beta: FloatArray
    log_partition: FloatArray


class Expectations(NamedTuple):
    """Log-partition of each doc and the expected number of uses of each score.

    These are the gradient of the log-partitions' weighted sum with respect to the scores.

    log_partition: as in `LogSums`. *Shape:* (B,), or (G,) of groups.
    tags: P(tag of the token | doc), the marginals, times the doc's weight. *Shape:* (N, K).
    transitions: summed over the batch. *Shape:* (K, K).
    start: summed over the batch. *Shape:* (K,).
    end: summed over the batch. *Shape:* (K,).
    """

    log_partition: FloatArray
    tags: FloatArray
    transitions: FloatArray
    start: FloatArray
    end: FloatArray


def forward_backward(
    lattice: Lattice,
    steps: Steps,
    groups: IntArray | None = None,
    weights: FloatArray | None = None,
) -> Expectations:
    """Sum over all paths (Rabiner 1989, with logarithms in the place of scaling).

    groups: of docs that are copies of one doc under different restrictions, which no two share a
        path of: the number of their group, 0 to G - 1. All expectations and the log-partition are
        then over the paths of a group. *Shape:* (B,).
    weights: how often each doc counts in the expectations; once if None. *Shape:* (B,).
    """
    alpha, beta, log_partition = log_sums(lattice, steps)
    if groups is None:
        groups = np.arange(steps.n_docs)
    else:
        log_partition = _grouped_log_sum(log_partition, groups)
    # A doc without a path has expectations too, of nothing: zero, and not NaN.
    usable = np.where(np.isfinite(log_partition), log_partition, 0.0)
    usable = usable[groups][steps.doc_of][:, None]
    tags = np.exp(alpha + beta - usable)
    if weights is not None:
        tags *= weights[steps.doc_of][:, None]
    transitions = lattice.transitions.astype(np.float64)
    shift = _floored_max(transitions.ravel())
    goes_on = np.ones(steps.n_tokens, dtype=bool)
    goes_on[steps.first] = False
    targets = np.flatnonzero(goes_on)
    before = alpha[targets - 1]
    top = _floored_max(before)
    target = (lattice.emissions + beta - usable)[targets] + top + shift
    # Above 600 only where no legal transition leads there: the product is then zero.
    uses = np.exp(np.minimum(target, 600.0))
    if weights is not None:
        uses *= weights[steps.doc_of[targets]][:, None]
    joint = np.exp(before - top).T @ uses
    return Expectations(
        log_partition,
        tags,
        np.exp(transitions - shift) * joint,
        tags[steps.first].sum(0),
        tags[steps.last].sum(0),
    )


def log_sums(lattice: Lattice, steps: Steps) -> LogSums:
    """Sum over the paths into and out of each tag, by the forward and the backward recursion.

    They are one loop: the backward recursion is the forward one over the docs read from their ends,
    with the transitions transposed.
    """
    emissions, transitions, start, end = (scores.astype(np.float64) for scores in lattice)
    shift = _floored_max(transitions.ravel())
    weights = np.exp(transitions - shift)
    weights = np.stack([weights, weights.T])
    # Where a step has few docs, it takes as long as its calls do; so what can be is done before.
    inputs = np.stack([emissions[steps.forward], emissions[steps.backward]]) + shift
    sums = np.empty_like(inputs)  # its token's own emission left out
    if steps.n_tokens:
        sums[:, : steps.bounds[1]] = np.stack([start, end])[:, None]
    with np.errstate(divide="ignore"):  # the logarithm of zero is minus infinity, as it should be
        for before, (begin, stop) in zip(steps.bounds, pairwise(steps.bounds[1:]), strict=False):
            rows = slice(before, before + stop - begin)
            state = sums[:, rows] + inputs[:, rows]
            top = _floored_max(state)
            state -= top
            np.add(np.log(np.exp(state, out=state) @ weights), top, out=sums[:, begin:stop])
    alpha, beta = np.empty_like(emissions), np.empty_like(emissions)
    alpha[steps.forward] = sums[0]
    alpha += emissions
    beta[steps.backward] = sums[1]
    log_partition = np.zeros(steps.n_docs)
    log_partition[steps.doc_of[steps.last]] = log_sum_exp(alpha[steps.last] + end)
    return LogSums(alpha, beta, log_partition)


def log_sum_exp(scores: FloatArray) -> FloatArray:
    """Sum exponents along the last axis, in logarithms; minus infinity where all are."""
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
