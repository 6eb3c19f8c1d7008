"""The best path through a tag lattice.

`viterbi` searches (Viterbi 1967). A step takes the scores of the best paths into each tag of a
word, and finds those of the paths that go on to each tag of the next. Which tag each came from is
not kept: once the end is known, one column of the transitions tells it.

`best_paths` reads the best path off the sums over all paths, where these are known: no path through
a tag can be more probable than the tag is. It searches only where that leaves a choice.

Scores add up in double precision: in single precision, the sum over a doc of 100,000 tokens has no
digits left for what distinguishes one path from another.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray
from .forward_backward import LogSums, usable
from .lattice import Lattice
from .packed_order import PackedOrder

# At most this many numbers in a table of candidates, to stay in the processor's cache.
_TABLE = 1 << 16
# How far from a bound, in logarithms, a path is still compared: more than rounding adds up to.
_MARGIN = 1e-4
# With more candidates for a word, all tags of its doc are compared instead.
_NARROW = 8

# From the scores of the best paths of some docs (docs, K) to those of the paths that go on to each
# tag of the next word, its emission left out.
_Step: TypeAlias = Callable[[FloatArray], FloatArray]


def is_small(lattice: Lattice) -> bool:
    """Tell whether tags are so few that all transitions of a word fit the processor's cache."""
    return lattice.transitions.size <= _TABLE


def best_paths(lattice: Lattice, order: PackedOrder, sums: LogSums) -> IntArray:
    """Find the path of highest score of each doc, given the sums over all its paths.

    The tags of highest posterior, word by word, are a path as well. If more than half of all
    probability is on it, there is no better one. If not, a better one goes only through tags that
    are at least as probable as that path: often one for most words, and the choice is between few
    tags in short stretches.

    Args:
        lattice: The scores.
        order: The order of its tokens.
        sums: Its sums over paths.

    Returns:
        The tag of each token. (N,)
    """
    log_p = sums.log_marginals(order)
    tags: IntArray = log_p.argmax(axis=1)
    log_greedy = lattice.path_scores(tags, order)
    log_greedy -= usable(sums.log_partition)
    is_open = ~(log_greedy > np.log(0.5) + _MARGIN)
    rows = np.flatnonzero(is_open[order.doc_of])
    if not len(rows):
        return tags
    doc_of = order.doc_of[rows]
    candidates = log_p[rows] >= log_greedy[doc_of, None] - _MARGIN
    n_candidates = candidates.sum(axis=1)
    is_wide = np.zeros(order.n_docs, dtype=bool)
    is_wide[doc_of[n_candidates > _NARROW]] = True
    if is_wide.any():
        own, wide = order.select(is_wide)
        tags[wide] = viterbi(lattice.select(wide), own)
    left = (n_candidates > 1) & ~is_wide[doc_of]
    if left.any():
        _choose(tags, rows[left], candidates[left], lattice, order)
    return tags


def _choose(
    tags: IntArray, rows: IntArray, candidates: BoolArray, lattice: Lattice, order: PackedOrder
) -> None:
    """Put the best tags in their places, where there are several candidates.

    Args:
        tags: The tag of each token; those of the other tokens are certain. (N,)
        rows: The tokens with several candidates. (M,)
        candidates: Their candidates. (M, K)
        lattice: The scores.
        order: The order of its tokens.
    """
    doc_of, (_, transitions, start, end) = order.doc_of, lattice
    own, best = lattice.select(rows).narrowed(candidates)
    # A stretch of such tokens is scored like a doc of its own, between the tags on both sides.
    opens = np.diff(rows, prepend=-2) > 1
    opens[1:] |= np.diff(doc_of[rows]) > 0
    closes = np.append(opens[1:], True)
    first, last = rows[opens], rows[closes]
    at_start = np.diff(doc_of, prepend=-1)[first] > 0
    at_end = np.diff(doc_of, append=order.n_docs)[last] > 0
    before, after = tags[first - 1], tags[(last + 1) % len(tags)]
    into = np.where(at_start[:, None], start[own[opens]], transitions[before[:, None], own[opens]])
    best[opens] += into
    out_of = np.where(at_end[:, None], end[own[closes]], transitions[own[closes], after[:, None]])
    bounds = np.append(np.flatnonzero(opens), len(rows))
    steps = PackedOrder(np.diff(bounds))
    best, own, out_of = best[steps.forward], own[steps.forward], out_of[steps.doc_of[steps.forward]]
    for left, (begin, stop) in zip(steps.bounds, pairwise(steps.bounds[1:]), strict=False):
        on = slice(left, left + stop - begin)
        onward = best[on, :, None] + transitions[own[on, :, None], own[begin:stop, None, :]]
        best[begin:stop] += onward.max(axis=1)
    found = np.empty(len(rows), dtype=np.int64)
    tag = found[:0]
    for begin, stop in reversed(list(pairwise(steps.bounds))):
        scores, mine, going = best[begin:stop].copy(), own[begin:stop], len(tag)
        scores[:going] += transitions[mine[:going], tag[:, None]]
        scores[going:] += out_of[begin + going : stop]
        tag = mine[np.arange(len(mine)), scores.argmax(axis=1)]
        found[begin:stop] = tag
    tags[rows[steps.forward]] = found


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
    small = is_small(lattice)
    # All docs are compared at once, or all tags of a doc: what is read together lies together.
    layout: Literal["F", "C"] = "F" if small else "C"
    # Of all paths into a tag, its emission included; until a step gets there, its emission alone.
    best: FloatArray = np.asarray(emissions[order.forward], np.float64, layout)
    if order.n_tokens:
        best[: order.bounds[1]] += start
    advance = (_of_many_docs if small else _of_many_tags)(_Legal.of(transitions))
    for before, (begin, stop) in zip(order.bounds, pairwise(order.bounds[1:]), strict=False):
        best[begin:stop] += advance(best[before : before + stop - begin])
    return _trace(best, transitions, end, order)


class _Legal(NamedTuple):
    """The transitions that are legal, and no others.

    Within an entity a tag has at most two predecessors; they are listed. Any tag that can end an
    entity, or is outside of one, may lead to any that begins an entity, or is outside: a block.

    Attributes:
        few: The tags of at most two predecessors. (F,)
        listed: Their predecessors, twice the same if there is one. (2, F)
        into_few: The scores of these transitions. (2, F)
        many: The other tags. (M,)
        sources: The tags that lead to those. (S,)
        block: The scores of these transitions. (S, M)
    """

    few: IntArray
    listed: IntArray
    into_few: FloatArray
    many: IntArray
    sources: IntArray
    block: FloatArray

    @classmethod
    def of(cls, transitions: FloatArray) -> "_Legal":
        """Find them in a table of all transitions, where others are minus infinity. (K, K)."""
        legal = np.isfinite(transitions)
        is_few = legal.sum(axis=0) <= 2
        is_few[0] = False  # at least one is of the other kind
        few, many = np.flatnonzero(is_few), np.flatnonzero(~is_few)
        before = np.compress(is_few, legal, axis=1).T.copy()  # a row for each of the few
        first, last = before.argmax(axis=1), len(legal) - 1 - before[:, ::-1].argmax(axis=1)
        listed = np.stack([first, last])
        is_source: BoolArray = np.asarray(legal[:, many].any(axis=1))
        is_source[0] = True  # one at least, even if nothing is legal
        sources = np.flatnonzero(is_source)
        block = np.ascontiguousarray(transitions[np.ix_(sources, many)])
        return cls(few, listed, transitions[listed, few], many, sources, block)


def _of_many_docs(legal: _Legal) -> _Step:
    """Compare all predecessors of all tags, for many docs at once."""
    size = legal.block.size
    width = max(1, _TABLE // size)
    table = np.empty(width * size)

    def advance(scores: FloatArray) -> FloatArray:
        columns = scores.T
        result = np.empty(columns.shape)
        into_few = columns[legal.listed] + legal.into_few[:, :, None]
        result[legal.few] = into_few.max(axis=0)
        own = columns[legal.sources]
        into_many = np.empty((len(legal.many), len(scores)))
        for begin in range(0, len(scores), width):
            part = own[:, begin : begin + width]
            candidates = table[: part.shape[1] * size].reshape(*legal.block.shape, -1)
            np.add(part[:, None], legal.block[:, :, None], out=candidates)
            np.maximum.reduce(candidates, axis=0, out=into_many[:, begin : begin + width])
        result[legal.many] = into_many
        return result.T

    return advance


def _of_many_tags(legal: _Legal) -> _Step:
    """Leave out the predecessors that cannot win, which with many tags are nearly all.

    A tag whose best transition into the block gets no further than another's worst one wins
    nowhere. (The search is exact; Esposito and Radicioni 2009, "CarpeDiem", prune by similar
    bounds.)
    """
    highest, lowest = legal.block.max(axis=1), legal.block.min(axis=1)
    width = max(1, _TABLE // len(legal.block))

    def advance(scores: FloatArray) -> FloatArray:
        result = np.empty_like(scores)
        for own, out in zip(scores, result, strict=True):
            out[legal.few] = (own[legal.listed] + legal.into_few).max(axis=0)
            own = own[legal.sources]
            worst = own + lowest
            top = worst.argmax()
            best = own[top] + legal.block[top]
            candidates = np.flatnonzero(own + highest > worst[top])
            for begin in range(0, len(candidates), width):
                rows = candidates[begin : begin + width]
                onward = legal.block.take(rows, axis=0)
                onward += own[rows, None]
                np.maximum(best, onward.max(axis=0), out=best)
            out[legal.many] = best
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
