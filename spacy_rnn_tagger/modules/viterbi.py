"""The best path through a tag lattice (Viterbi 1967).

A step takes the scores of the best paths into each tag of a word, and finds those of the paths that
go on to each tag of the next. Which tag each came from is not kept: once the end is known, one
column of the transitions tells it.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from ..types import IntArray
from .crf import FloatArray, Lattice
from .steps import Steps

# At most this many numbers in a table of candidates, to stay in the processor's cache.
_TABLE = 1 << 16

# From the scores of some docs (docs, K) to the scores after a step, written to the second array.
_Step: TypeAlias = Callable[[FloatArray, FloatArray], None]


def viterbi(lattice: Lattice, steps: Steps) -> IntArray:
    """Find the path of highest score of each doc; of equals, the lower tags.

    RETURNS: the tag of each token. *Shape:* (N,).
    """
    emissions = lattice.emissions[steps.forward]
    best = np.empty_like(emissions)  # of all paths into a tag, its own emission included
    if steps.n_tokens:
        best[: steps.bounds[1]] = lattice.start + emissions[: steps.bounds[1]]
    small = lattice.transitions.size <= _TABLE
    advance = (_whole if small else _pruned)(lattice.transitions)
    for before, (begin, stop) in zip(steps.bounds, pairwise(steps.bounds[1:]), strict=False):
        advance(best[before : before + stop - begin], best[begin:stop])
        best[begin:stop] += emissions[begin:stop]
    return _trace(best, lattice, steps)


def _whole(transitions: FloatArray) -> _Step:
    """Compare all predecessors of all tags, of many docs at once."""
    K = len(transitions)
    width = _TABLE // transitions.size
    candidates = np.empty((K, K, width), transitions.dtype)

    def advance(scores: FloatArray, result: FloatArray) -> None:
        for begin in range(0, len(scores), width):
            rows = slice(begin, begin + width)
            table = candidates[:, :, : len(scores[rows])]
            np.add(scores[rows].T[:, None], transitions[:, :, None], out=table)
            np.max(table, axis=0, out=result[rows].T)

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

    def advance(scores: FloatArray, result: FloatArray) -> None:
        for own, out in zip(scores, result, strict=True):
            out[few] = (own[listed] + into_few).max(axis=0)
            worst = own + lowest
            top = worst.argmax()
            best = own[top] + into_many[top]
            candidates = np.flatnonzero(own + highest > worst[top])
            for begin in range(0, len(candidates), width):
                rows = candidates[begin : begin + width]
                np.maximum(best, (own[rows, None] + into_many[rows]).max(axis=0), out=best)
            out[many] = best

    return advance


def _trace(best: FloatArray, lattice: Lattice, steps: Steps) -> IntArray:
    """Follow the best paths from their ends to their starts."""
    paths = np.empty(steps.n_tokens, dtype=np.int64)
    into = lattice.transitions.T
    tag = np.empty(0, dtype=np.int64)
    for begin, stop in reversed(list(pairwise(steps.bounds))):
        # To the docs that go on from here come those that end here.
        scores = best[begin:stop].copy()
        scores[: len(tag)] += into[tag]
        scores[len(tag) :] += lattice.end
        tag = scores.argmax(axis=1)
        paths[steps.forward[begin:stop]] = tag
    return paths
