"""How sure the network is of a span: its exact posterior on the tag lattice."""

import numpy as np
from numpy.typing import NDArray

from ..arrays import BoolArray, FloatArray, IntArray
from .forward_backward import LogSums, log_sum_exp, log_sums, usable
from .lattice import Lattice
from .packed_order import PackedOrder
from .tag_scheme import Spans, TagScheme

Posteriors = NDArray[np.float64]


class SpanPosteriors:
    """P(span is an entity of its label | doc), for both decoders and every scheme.

    The paths that have a span enter it by its first tag and leave it by its last, so their sum is a
    forward sum, the scores within the span, and a backward sum: one pass over the lattice serves
    all spans (after Culotta and McCallum 2004, "Confidence estimation for information extraction").

    Args:
        lattice: The legal and allowed paths.
        order: The order of its words.
        scheme: The tags.
        breaks: Words that continue no entity of the word before, each doc's first among them. (N,)
        sums: The sums over the lattice's paths, if they are known already.
    """

    def __init__(
        self,
        lattice: Lattice,
        order: PackedOrder,
        scheme: TagScheme,
        breaks: BoolArray,
        sums: LogSums | None = None,
    ) -> None:
        self._roles = scheme.roles
        self._breaks = np.append(breaks, True)  # nothing continues after the last word
        self._emissions, self._transitions = (
            array.astype(np.float64) for array in (lattice.emissions, lattice.transitions)
        )
        self._alpha, self._beta, log_partition = sums or log_sums(lattice, order)
        self._log_partition = usable(log_partition)[order.doc_of]

    def of(self, spans: Spans) -> Posteriors:
        """Compute the posterior of each span; zero where an entity can't be.

        Args:
            spans: S spans of words.

        Returns:
            The posteriors. (S,)
        """
        alone, first, inside, last = self._roles[spans.labels].T
        lengths = spans.ends - spans.starts
        opening, closing = (np.where(lengths == 1, alone, role) for role in (first, last))
        within = np.zeros(len(lengths))
        before = opening
        for i in range(1, lengths.max(initial=1)):
            tag = np.where(lengths == i + 1, closing, inside)
            own = lengths > i
            within[own] += self._step(spans.starts[own] + i, before[own], tag[own])
            before = tag
        broken = np.cumsum(self._breaks)
        within[broken[spans.ends - 1] > broken[spans.starts]] = -np.inf
        log_p = self._into(spans.starts, opening, inside) + within
        log_p += self._out_of(spans.ends - 1, closing, inside)
        # All paths go through the first word: what rounding has added up on the way there from the
        # ends of the doc is in both. Over a million tokens it comes to more than 1e-6.
        total = log_sum_exp(self._alpha[spans.starts] + self._beta[spans.starts])
        return _probability(log_p - usable(total))

    def likely(self, floor: float) -> Spans:
        """Find all spans of a posterior of `floor` or more.

        From each word that may begin an entity the search continues while the paths that have begun
        one there, and have not ended it, weigh enough: the spans still to come share them. So it
        follows no more than 1 / `floor` labels from a word.

        Args:
            floor: The lowest posterior, above 0.

        Returns:
            The spans.
        """
        starts, labels = np.indices((len(self._emissions), len(self._roles))).reshape(2, -1)

        def weighs(sums: FloatArray, words: IntArray, tags: IntArray) -> BoolArray:
            """Tell where the paths into a tag weigh enough, whichever way they go on."""
            log_p = sums + self._beta[words, tags] - self._log_partition[words]
            return log_p >= np.log(floor)

        begins = [
            weighs(self._alpha[starts, tags], starts, tags) for tags in self._roles[labels].T[:2]
        ]
        starts, labels = (x[begins[0] | begins[1]] for x in (starts, labels))
        alone, first, inside, last = self._roles[labels].T
        ends, closed = starts, self._into(starts, alone, inside)
        sums, before, closing = self._into(starts, first, inside), first, alone
        found = []
        while True:
            own = np.flatnonzero(weighs(closed, ends, closing))
            log_p = closed[own] + self._out_of(ends[own], closing[own], inside[own])
            own = own[log_p - self._log_partition[ends[own]] >= np.log(floor)]
            found.append(np.stack([starts[own], ends[own] + 1, labels[own]]))
            on = weighs(sums, ends, before) & ~self._breaks[ends + 1]
            if not on.any():
                return Spans(*np.concatenate(found, axis=1))
            starts, labels, sums, before = (x[on] for x in (starts, labels, sums, before))
            ends, inside, last = ends[on] + 1, inside[on], last[on]
            closed, closing = sums + self._step(ends, before, last), last
            sums, before = sums + self._step(ends, before, inside), inside

    def _step(self, words: IntArray, before: IntArray, tags: IntArray) -> FloatArray:
        """Score going on to a tag at a word, from one at the word before."""
        scores: FloatArray = self._transitions[before, tags] + self._emissions[words, tags]
        return scores

    def _into(self, words: IntArray, opening: IntArray, inside: IntArray) -> FloatArray:
        """Sum the paths from the doc's start that begin an entity at a word, its tag included."""
        sums: FloatArray = self._alpha[words, opening]
        # Where an entity may begin with the tag that continues one, it must not do so.
        widened = np.flatnonzero((opening == inside) & ~self._breaks[words])
        if len(widened):
            at, tags = words[widened], opening[widened]
            entering = self._alpha[at - 1] + self._transitions.T[tags]
            entered = _sum_without(entering, inside[widened])
            sums[widened] = entered + self._emissions[at, tags]
        return sums

    def _out_of(self, words: IntArray, closing: IntArray, inside: IntArray) -> FloatArray:
        """Sum the paths to the doc's end that end an entity at a word, its tag left out."""
        sums: FloatArray = self._beta[words, closing]
        widened = np.flatnonzero(~self._breaks[words + 1])
        if len(widened):
            at = words[widened] + 1
            leaving = self._transitions[closing[widened]] + self._emissions[at] + self._beta[at]
            sums[widened] = _sum_without(leaving, inside[widened])
        return sums


def span_posteriors(
    lattice: Lattice,
    order: PackedOrder,
    scheme: TagScheme,
    breaks: BoolArray,
    spans: Spans,
    sums: LogSums | None = None,
) -> Posteriors:
    """Compute the posteriors of spans as `SpanPosteriors` does, with sums of no more docs.

    If the sums are not known, they are computed in only those docs that have spans.

    Args:
        lattice: As in `SpanPosteriors`.
        order: As in `SpanPosteriors`.
        scheme: As in `SpanPosteriors`.
        breaks: As in `SpanPosteriors`. (N,)
        spans: S spans of words.
        sums: As in `SpanPosteriors`.

    Returns:
        The posteriors. (S,)
    """
    if not len(spans.starts):
        return np.zeros(0)
    has_span = np.zeros(order.n_docs, dtype=bool)
    has_span[order.doc_of[spans.starts]] = True
    if sums is None and not has_span.all():
        place = np.cumsum(has_span[order.doc_of]) - 1
        spans = Spans(place[spans.starts], place[spans.ends - 1] + 1, spans.labels)
        order, rows = order.select(has_span)
        lattice, breaks = lattice.select(rows), breaks[rows]
    return SpanPosteriors(lattice, order, scheme, breaks, sums).of(spans)


def _sum_without(scores: FloatArray, tags: IntArray) -> FloatArray:
    """Sum each row's exponents but that of one tag, in logarithms."""
    scores[np.arange(len(tags)), tags] = -np.inf
    return log_sum_exp(scores)


def _probability(log_p: FloatArray) -> Posteriors:
    return np.exp(np.minimum(log_p, 0.0))
