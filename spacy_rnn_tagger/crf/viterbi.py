"""The best path through a tag lattice (Viterbi 1967).

A step takes the scores of the best paths into each tag of a word, and finds those of the paths that
go on to each tag of the next. Which tag each came from is not kept: once the end is known, one
column of the transitions tells it.

Scores add up in double precision: in single precision, the sum over a doc of 100,000 tokens has no
digits left for what tells one path from another.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

from ..arrays import FloatArray, IntArray
from .lattice import Lattice
from .packed_order import PackedOrder

# At most this many numbers in a table of candidates, to stay in the processor's cache.
_TABLE = 1 << 16

# From the scores of the best paths of some docs (docs, K) to those of the paths that go on to each
# tag of the next word, its emission left out.
_Step: TypeAlias = Callable[[FloatArray], FloatArray]


def viterbi(lattice: Lattice, order: PackedOrder) -> IntArray:
    """Find the path of highest score of each doc; of equals, the lower tags.

    Args:
        lattice: The scores.
        order: The order of its tokens.

    Returns:
        The tag of each token. (N,)
    """
    emissions, transitions, start, end = lattice
    transitions, start, end = (scores.astype(np.float64) for scores in (transitions, start, end))
    small = transitions.size <= _TABLE
    # All docs are compared at once, or all tags of a doc: what is read together lies together.
    layout: Literal["F", "C"] = "F" if small else "C"
    # Of all paths into a tag, its emission included; until a step gets there, its emission alone.
    best: FloatArray = np.asarray(emissions[order.forward], np.float64, layout)
    if order.n_tokens:
        best[: order.bounds[1]] += start
    advance = (_whole if small else _pruned)(transitions)
    for before, (begin, stop) in zip(order.bounds, pairwise(order.bounds[1:]), strict=False):
        best[begin:stop] += advance(best[before : before + stop - begin])
    return _trace(best, transitions, end, order)


def _whole(transitions: FloatArray) -> _Step:
    """Compare all predecessors of all tags, of many docs at once."""
    size = transitions.size
    width = _TABLE // size
    table = np.empty(width * size)

    def advance(scores: FloatArray) -> FloatArray:
        result = np.empty(scores.T.shape)
        for begin in range(0, len(scores), width):
            own = scores[begin : begin + width].T
            candidates = table[: own.shape[1] * size].reshape(*transitions.shape, -1)
            np.add(own[:, None], transitions[:, :, None], out=candidates)
            np.maximum.reduce(candidates, axis=0, out=result[:, begin : begin + width])
        return result.T

    return advance


def _pruned(transitions: FloatArray) -> _Step:
    """Leave out the predecessors that cannot win, which with many tags are nearly all.

    A tag of at most two predecessors, like "I", has them listed. To the others may lead any tag;
    but one whose best transition gets no further than another's worst one wins nowhere. (The search
    is exact; Esposito and Radicioni 2009, "CarpeDiem", prune by similar bounds.)
    """
    legal = np.isfinite(transitions)
    is_few = legal.sum(axis=0) <= 2
    is_few[0] = False  # one at least is of the other kind
    few, many = np.flatnonzero(is_few), np.flatnonzero(~is_few)
    before = np.compress(is_few, legal, axis=1).T.copy()  # a row for each of the few
    first, last = before.argmax(axis=1), len(legal) - 1 - before[:, ::-1].argmax(axis=1)
    listed = np.stack([first, last])
    into_few = transitions[listed, few]
    into_many = np.compress(~is_few, transitions, axis=1)
    highest = into_many.max(axis=1)
    lowest = into_many.min(axis=1)
    width = max(1, _TABLE // len(transitions))

    def advance(scores: FloatArray) -> FloatArray:
        result = np.empty_like(scores)
        for own, out in zip(scores, result, strict=True):
            out[few] = (own[listed] + into_few).max(axis=0)
            worst = own + lowest
            top = worst.argmax()
            best = own[top] + into_many[top]
            candidates = np.flatnonzero(own + highest > worst[top])
            for begin in range(0, len(candidates), width):
                rows = candidates[begin : begin + width]
                onward = into_many.take(rows, axis=0)
                onward += own[rows, None]
                np.maximum(best, onward.max(axis=0), out=best)
            out[many] = best
        return result

    return advance


def _trace(
    best: FloatArray, transitions: FloatArray, end: FloatArray, order: PackedOrder
) -> IntArray:
    """Follow the best paths from their ends to their starts."""
    tags = np.empty(order.n_tokens, dtype=np.int64)  # packed
    into = transitions.T.copy()  # a row for each tag that is reached
    tag = tags[:0]
    for begin, stop in reversed(list(pairwise(order.bounds))):
        # To the docs that go on from here come those that end here.
        scores = best[begin:stop].copy()
        going = len(tag)
        if going:
            scores[:going] += into.take(tag, axis=0)
        if going < len(scores):
            scores[going:] += end
        tag = scores.argmax(axis=1, out=tags[begin:stop])
    paths = np.empty_like(tags)
    paths[order.forward] = tags
    return paths
