"""The n best paths through a tag lattice (parallel list Viterbi; Seshadri and Sundberg 1994).

The recursion keeps the n best paths into each tag of a word, instead of the best one. Where the
sums over all paths are known, it keeps only the tags that such a path can have: a path is not more
probable than any of its tags.
"""

from typing import NamedTuple

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray
from .lattice import Lattice

# At most this many candidates are compared at a time, to bound memory where tags are many.
_TABLE = 1 << 22
# The first bound on the log-probability of the n best paths, below that of n equal ones.
_FIRST = 7.0
# How far from a bound, in logarithms, tags are still kept: more than rounding adds up to.
_MARGIN = 1e-4


class Paths(NamedTuple):
    """The best paths of one doc, the best first; fewer than n if there are no more.

    Attributes:
        tags: Of each path. (paths, L)
        scores: The sum of all that a path uses. (paths,)
    """

    tags: IntArray
    scores: FloatArray


def n_best_paths(
    lattice: Lattice,
    n: int,
    log_marginals: FloatArray | None = None,
    log_partition: float = 0.0,
) -> Paths:
    """Find the n paths of highest score of one doc, exactly.

    Args:
        lattice: The scores of one doc with one word or more.
        n: How many, 1 or more.
        log_marginals: The log-probability of each tag of each word, if it is known. (L, K)
        log_partition: The log-partition of the doc, if so.

    Returns:
        The paths, and their scores in double precision.
    """
    every_tag = np.ones(lattice.emissions.shape, dtype=bool)
    if log_marginals is None:
        return _search(lattice, n, every_tag)
    bound = -np.log(n) - _FIRST
    while True:
        candidates = log_marginals >= bound - _MARGIN
        if (candidates | ~np.isfinite(log_marginals)).all():
            return _search(lattice, n, every_tag)
        if candidates.any(axis=1).all():
            found = _search(lattice, n, candidates)
            if len(found.scores) == n:
                lowest = float(found.scores[-1] - log_partition)
                if lowest >= bound:
                    return found
                bound = lowest  # the n best paths are at least as probable as these
                continue
        bound *= 2


def _search(lattice: Lattice, n: int, candidates: BoolArray) -> Paths:
    """Find the n best paths among some of the tags of each word."""
    transitions, start, end = (scores.astype(np.float64) for scores in lattice[1:])
    tags, inner = lattice.narrowed(candidates)
    L, width = tags.shape
    # Rank by rank, the scores of the best paths into each candidate. (n, C)
    best = np.full((n, width), -np.inf)
    best[0] = start[tags[0]] + inner[0]
    # The flat place, rank and candidate, at the word before.
    came_from = np.empty((L, n, width), dtype=np.int64)
    step = max(1, _TABLE // (n * width))
    for word in range(1, L):
        onward = transitions[tags[word - 1][:, None], tags[word]]
        following = np.empty_like(best)
        for left in range(0, width, step):
            own = slice(left, left + step)
            reached = (best[:, :, None] + onward[None, :, own]).reshape(n * width, -1)
            following[:, own], came_from[word, :, own] = _highest(reached, n)
        best = following + inner[word]
    last = (best + end[tags[-1]]).reshape(n * width, 1)
    scores, places = (column[:, 0] for column in _highest(last, n))
    scores, places = scores[np.isfinite(scores)], places[np.isfinite(scores)]
    paths = np.empty((len(places), L), dtype=np.int64)
    for word in reversed(range(L)):
        rank, candidate = np.divmod(places, width)
        paths[:, word] = tags[word, candidate]
        if word:
            places = came_from[word, rank, candidate]
    return Paths(paths, scores)


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
