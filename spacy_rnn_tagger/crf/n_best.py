"""The n best paths through a tag lattice (parallel list Viterbi; Seshadri and Sundberg 1994).

The recursion keeps the n best paths into each tag of a word, instead of the best one.
"""

from typing import NamedTuple

import numpy as np

from ..arrays import FloatArray, IntArray
from .lattice import Lattice

# At most this many candidates are compared at a time, to bound memory where tags are many.
_TABLE = 1 << 22


class Paths(NamedTuple):
    """The best paths of one doc, the best first; fewer than n where there are no more.

    Attributes:
        tags: Of each path. (paths, L)
        scores: The sum of all that a path uses. (paths,)
    """

    tags: IntArray
    scores: FloatArray


def n_best_paths(lattice: Lattice, n: int) -> Paths:
    """Find the n paths of highest score of one doc, exactly.

    Args:
        lattice: The scores of one doc with one word or more.
        n: How many, 1 or more.

    Returns:
        The paths, and their scores in double precision.
    """
    emissions, transitions, start, end = (scores.astype(np.float64) for scores in lattice)
    L, K = emissions.shape
    # Rank by rank, the scores of the best paths into each tag. (n, K)
    best = np.full((n, K), -np.inf)
    best[0] = start + emissions[0]
    came_from = np.empty(
        (L, n, K), dtype=np.int64
    )  # the flat place, rank and tag, at the word before
    width = max(1, _TABLE // (n * K))
    for word in range(1, L):
        following = np.empty_like(best)
        for left in range(0, K, width):
            own = slice(left, left + width)
            candidates = (best[:, :, None] + transitions[None, :, own]).reshape(n * K, -1)
            following[:, own], came_from[word, :, own] = _highest(candidates, n)
        best = following + emissions[word]
    scores, places = (column[:, 0] for column in _highest((best + end).reshape(n * K, 1), n))
    scores, places = scores[np.isfinite(scores)], places[np.isfinite(scores)]
    tags = np.empty((len(places), L), dtype=np.int64)
    for word in reversed(range(L)):
        rank, tags[:, word] = np.divmod(places, K)
        if word:
            places = came_from[word, rank, tags[:, word]]
    return Paths(tags, scores)


def _highest(candidates: FloatArray, n: int) -> tuple[FloatArray, IntArray]:
    """Find the n highest of each column, in their order, and their rows."""
    n_rows = len(candidates)
    if n_rows > n:
        rows = np.argpartition(-candidates, n - 1, axis=0)[:n]
        rows.sort(axis=0)
    else:
        rows = np.broadcast_to(np.arange(n_rows)[:, None], candidates.shape)
    chosen = np.take_along_axis(candidates, rows, axis=0)
    order = np.argsort(-chosen, axis=0, kind="stable")
    return np.take_along_axis(chosen, order, axis=0), np.take_along_axis(rows, order, axis=0)
