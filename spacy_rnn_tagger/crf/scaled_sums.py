"""The forward and the backward recursion in numbers that are scaled, not in logarithms.

A step in log space takes a maximum, an exponential and a logarithm of every state. Here all
exponentials of emissions are computed before the first step, relative to the highest of each token,
and states are divided by their maximum every few steps (Rabiner 1989, section V.A). What is left of
a step is a product with the transitions and one with the emissions.

Nothing that counts may underflow, so the docs are listed in which that can't be ruled out. In the
others, every number is either zero because no legal path leads there, or the relative error is that
of a few roundings a step. The argument is an induction over the steps. Call a number normal if it
is at least exp(-700): doubles keep all their digits down to exp(-708).

1. Exponentials of emissions, transitions, starts and ends are normal, or zero for minus infinity.
   If not: for emissions, their doc is listed; for the others, all docs are.
2. If the states before a step are zero or at least exp(-700) / (the smallest weight), each product
   in a sum is zero or normal, and so is the sum. No sum is zero unless all of its terms are.
3. A sum times an exponential may be too small. If both are positive, the state must have been
   normal before it was divided by a maximum, and afterwards it must be at least the bound of 2 if
   another step follows, or normal. If not, the doc is listed.

All of that is checked for all states at once, after the last step. Numbers don't overflow: no
exponential is above 1, so a step multiplies the maximum by no more than the number of tags.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..arrays import FloatArray, IntArray
from .lattice import Lattice
from .packed_order import PackedOrder
from .transition_weights import TransitionWeights

# Below exp(-708), a double loses digits, or is zero.
_LOWEST = -700.0
# States are not left alone for so many steps that they could fall by more than this, nor for more
# steps than that: a maximum takes as long as a product.
_FALL = 300.0
_STEPS = 8
# Below any maximum that counts; it keeps 0 / 0 from becoming NaN where there is no path.
_TINY = 1e-300


class ScaledSums(NamedTuple):
    """Sums over paths, forward (0) and backward (1), packed; each row has a scale of its own.

    Attributes:
        sums: Into each tag, its own emission left out. (2, N, K)
        states: Into each tag, its own emission included, and scaled once more. (2, N, K)
        log_scale: The logarithm of what the emissions and states of each row were divided by.
            (2, N)
        log_first: That of starts and ends. (2,)
        shift: That of transitions.
        doubtful: The docs in which something that counts may have been lost.
    """

    sums: FloatArray
    states: FloatArray
    log_scale: FloatArray
    log_first: FloatArray
    shift: float
    doubtful: IntArray

    def levels(self, order: PackedOrder) -> FloatArray:
        """Sum up the scales: the logarithm of what `sums` of each row must be multiplied by.

        Args:
            order: The order of the tokens.

        Returns:
            The logarithms. (2, N)
        """
        levels = np.empty_like(self.log_scale)
        bounds, onward = np.array(order.bounds), self.log_scale + self.shift
        n_steps = len(bounds) - 1
        if n_steps and n_steps <= bounds[1]:
            levels[:, : bounds[1]] = self.log_first[:, None]
            for before, (begin, stop) in zip(
                order.bounds, pairwise(order.bounds[1:]), strict=False
            ):
                own = slice(before, before + stop - begin)
                np.add(levels[:, own], onward[:, own], out=levels[:, begin:stop])
        elif n_steps:  # fewer docs than steps: doc by doc, each at the same place in every step
            sizes = np.diff(bounds)
            for place in range(bounds[1]):
                rows = bounds[: np.count_nonzero(sizes > place)] + place
                terms = np.concatenate([self.log_first[:, None], onward[:, rows[:-1]]], axis=1)
                levels[:, rows] = np.cumsum(terms, axis=1)
        return levels

    def totals(self, order: PackedOrder) -> FloatArray:
        """Sum up the scales of whole docs, from both sides of their last word. (B,)"""
        last = order.bounds[1] if order.n_tokens else 0  # backward, docs begin with it
        scales = self.log_scale[0] + self.shift
        scales[order.ending] = self.log_first[0]
        totals: FloatArray = np.zeros(order.n_docs)
        totals += np.bincount(order.doc_of[order.forward], scales, order.n_docs)
        totals[order.doc_of[order.backward[:last]]] += self.log_scale[1, :last] + self.log_first[1]
        return totals


def scaled_sums(lattice: Lattice, order: PackedOrder, weights: TransitionWeights) -> ScaledSums:
    """Sum over the paths into and out of each tag.

    Args:
        lattice: The scores.
        order: The order of its tokens.
        weights: Its transitions.

    Returns:
        The sums.
    """
    emissions, highest, lowest = _relative(lattice.emissions)
    ends, log_first, lowest_end = _relative(np.stack([lattice.start, lattice.end]))
    doubtful = np.zeros(order.n_docs, dtype=bool)
    if lowest < _LOWEST:
        is_low = np.logical_and(emissions < _LOWEST, emissions > -np.inf)
        doubtful[order.doc_of[is_low.any(axis=1)]] = True
    every = int(np.clip(_FALL / max(1.0, -lowest - weights.lowest), 1, _STEPS))
    emissions = np.exp(emissions, out=emissions)
    states = np.empty((2, *emissions.shape))
    for rows, own in zip((order.forward, order.backward), states, strict=True):
        emissions.take(rows, axis=0, out=own, mode="clip")  # any other mode takes a copy
    sums, scales = np.empty_like(states), np.ones(states.shape[:2])
    if order.n_tokens:
        sums[:, : order.bounds[1]] = np.exp(ends)[:, None]
        states[:, : order.bounds[1]] *= sums[:, : order.bounds[1]]
    steps = zip(order.bounds, pairwise(order.bounds[1:]), strict=False)
    for step, (before, (begin, stop)) in enumerate(steps, start=1):
        into, after = sums[:, begin:stop], states[:, begin:stop]
        weights.advance(states[:, before : before + stop - begin], into)
        np.multiply(after, into, out=after)
        if step % every == 0:
            top = np.maximum.reduce(after, axis=-1, initial=_TINY, out=scales[:, begin:stop])
            np.divide(after, top[:, :, None], out=after)
    if min(weights.lowest, lowest_end) < _LOWEST:
        doubtful[order.lengths > 0] = True
    else:
        # Point 3 above. A scale above 1 made the state smaller: it was normal before if it is now.
        bound = np.exp(_LOWEST) / np.minimum(scales, 1.0)
        before_step = np.full(order.n_tokens, np.exp(_LOWEST - weights.lowest))
        before_step[order.ending] = 0.0
        np.maximum(bound, before_step, out=bound)
        is_lost = states < bound[:, :, None]
        is_lost &= sums > 0.0
        for rows, lost in zip((order.forward, order.backward), is_lost, strict=True):
            if lost.any():
                lost &= emissions[rows] > 0.0
                doubtful[order.doc_of[rows[lost.any(axis=1)]]] = True
    log_scale = np.log(scales)
    log_scale += highest[[order.forward, order.backward]]
    return ScaledSums(sums, states, log_scale, log_first, weights.shift, np.flatnonzero(doubtful))


def _relative(scores: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Subtract the highest score of each row, or zero where all are minus infinity.

    Args:
        scores: The scores. (M, K)

    Returns:
        The differences, (M, K), what was subtracted, (M,), and the lowest finite difference.
    """
    highest = scores.max(axis=-1, initial=-np.inf).astype(np.float64)
    highest[highest == -np.inf] = 0.0
    relative: FloatArray = np.subtract(scores, highest[:, None], dtype=np.float64)
    lowest = float(relative.min(initial=0.0))
    if lowest == -np.inf:
        lowest = float(np.where(relative > -np.inf, relative, 0.0).min())
    return relative, highest, lowest
