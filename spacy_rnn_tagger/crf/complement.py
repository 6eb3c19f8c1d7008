"""How improbable a span is: sums over the paths that do not have it.

They are divided by the word at which they leave the tags that the span gives to its words:

1. at its first word, by another tag, or by the same tag if that continues an entity from before, as
   it may in IO;
2. at a later word, by another tag;
3. at the word after it, by a tag that continues its entity.

Up to there, a path has no choice within the span, and from there on, it is free. So the paths that
leave at a word are a forward sum, the scores within the span, and a backward sum. A span takes no
more time and memory in a long doc than in a short one; only the sums themselves take more.
"""

from typing import NamedTuple

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray
from .forward_backward import LogSums, log_sum_exp
from .lattice import Lattice
from .packed_order import PackedOrder
from .sum_gradients import sum_gradients
from .tag_scheme import Spans, TagScheme

OUTSIDE = -1  # instead of a label's number: all words of the span are outside of any entity


def complement_loss(
    lattice: Lattice, order: PackedOrder, sums: LogSums, scheme: TagScheme, spans: Spans
) -> tuple[float, Lattice]:
    """Compute -log(1 - P(span has its label | doc)), summed over spans.

    Args:
        lattice: All legal paths, in double precision.
        order: The order of its words.
        sums: The sums over its paths.
        scheme: The K tags.
        spans: S spans of words; their labels may be OUTSIDE.

    Returns:
        The loss and its gradient with respect to each score, laid out like the scores.
    """
    leaving = _Leaving(lattice, order, sums, scheme, spans)
    everything = sums.alpha[spans.starts] + sums.beta[spans.starts]
    log_partition = log_sum_exp(everything)
    loss = float((log_partition - leaving.log_totals).sum())
    # A span's own gradient is small where the span is improbable. So the gradients of both sums are
    # subtracted where they arise, and not after they have spread over the doc.
    d_alpha, d_beta, direct = leaving.gradient()
    p = np.exp(everything - log_partition[:, None])
    for total in (d_alpha, d_beta):
        np.add.at(total, spans.starts, p)
    spread = sum_gradients(lattice, order, sums, d_alpha, d_beta)
    return loss, spread._replace(
        emissions=spread.emissions + direct.emissions,
        transitions=spread.transitions + direct.transitions,
    )


class _Direct(NamedTuple):
    """The part of a gradient that does not come through forward and backward sums."""

    emissions: FloatArray
    transitions: FloatArray


class _Leaving:
    """The paths that leave the tags of spans.

    There is a row for each word of each span, and one for the word after a span where its entity
    may grow into that, R rows in all.

    Args:
        lattice: As in `complement_loss`.
        order: As in `complement_loss`.
        sums: As in `complement_loss`.
        scheme: As in `complement_loss`.
        spans: As in `complement_loss`.

    Attributes:
        log_totals: The sums over the paths without the span. (S,)
    """

    def __init__(
        self, lattice: Lattice, order: PackedOrder, sums: LogSums, scheme: TagScheme, spans: Spans
    ) -> None:
        self._lattice, self._starts = lattice, spans.starts
        emissions, transitions = lattice.emissions, lattice.transitions
        self._lay_out(order, scheme, spans)
        of, place, words, tags = self._of, self._place, self._words, self._tags
        first, later, before = self._first, self._later, self._before
        # The paths from the doc's start into the span, whose entity must begin there.
        into = sums.alpha[spans.starts, tags[first]]
        joined = self._joined
        at, tag = spans.starts[joined], tags[first[joined]]
        entering = sums.alpha[at - 1] + transitions.T[tag]
        continuing = entering[np.arange(len(at)), tag]
        entering[np.arange(len(at)), tag] = -np.inf
        entered = log_sum_exp(entering)
        into[joined] = entered + emissions[at, tag]
        # Those that have the span's tags up to a row.
        steps = np.zeros((len(spans.starts), int(place.max()) + 1))
        steps[of[later], place[later]] = (
            transitions[before, tags[later]] + emissions[words[later], tags[later]]
        )
        along = into[of] + np.cumsum(steps, axis=1)[of, place]
        # Those that have them up to the row before, and then another.
        leaving = np.empty((len(of), emissions.shape[1]))
        leaving[first] = sums.alpha[spans.starts]
        leaving[later] = along[later - 1, None] + transitions[before] + emissions[words[later]]
        is_own = np.arange(emissions.shape[1]) == tags[:, None]
        leaving[is_own != self._is_after[:, None]] = -np.inf
        leaving[first[joined], tag] = continuing + emissions[at, tag]
        leaving += sums.beta[words]
        # Summed over the tags, then over the rows of each span.
        by_row = np.full(steps.shape, -np.inf)
        by_row[of, place] = log_sum_exp(leaving)
        self.log_totals: FloatArray = log_sum_exp(by_row)
        # The shares of the tags in which the paths of a span leave, and of those that they enter by
        # where an entity before may not continue.
        self._leave = np.exp(leaving - self.log_totals[of][:, None])
        self._enter = np.exp(entering - entered[:, None])

    def _lay_out(self, order: PackedOrder, scheme: TagScheme, spans: Spans) -> None:
        """Lay out the rows.

        A tag that continues an entity stands for the word after a span, because that is how paths
        leave there.
        """
        starts, ends, labels = spans
        is_edge = np.zeros((2, order.n_tokens), dtype=bool)
        is_edge[0, order.first] = is_edge[1, order.last] = True
        is_entity = labels != OUTSIDE
        lengths = ends - starts
        n_rows = lengths + (is_entity & ~is_edge[1, ends - 1])
        self._of: IntArray = np.repeat(np.arange(len(starts)), n_rows)
        of = self._of
        self._place: IntArray = np.arange(len(of)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
        self._words: IntArray = starts[of] + self._place
        self._is_after: BoolArray = self._place == lengths[of]
        self._tags: IntArray = scheme.roles[labels[of], 2]
        within = ~self._is_after
        self._tags[within] = scheme.entity_tags(of[within], labels[of[within]])
        self._tags[~is_entity[of]] = 0
        self._first: IntArray = np.flatnonzero(self._place == 0)
        self._later: IntArray = np.flatnonzero(self._place > 0)
        self._before: IntArray = self._tags[self._later - 1]
        # Spans whose first tag may also continue an entity of the word before.
        may_join = is_entity & ~is_edge[0, starts]
        may_join &= self._tags[self._first] == scheme.roles[labels, 2]
        self._joined: IntArray = np.flatnonzero(may_join)

    def gradient(self) -> tuple[FloatArray, FloatArray, _Direct]:
        """Compute the gradient of minus the sum of `log_totals`.

        Returns:
            The gradient with respect to the lattice's forward and backward sums, (N, K) each, and
            what is directly due to its scores.
        """
        emissions, transitions = self._lattice.emissions, self._lattice.transitions
        d_alpha, d_beta, d_emissions = (np.zeros(emissions.shape) for _ in range(3))
        d_transitions = np.zeros(transitions.shape)
        of, place, words = self._of, self._place, self._words
        np.subtract.at(d_beta, words, self._leave)
        # What has a tag in a row: the paths that leave in it, and those that leave in later ones.
        at_row = np.zeros((len(self._starts), int(place.max()) + 2))
        at_row[of, place] = self._leave.sum(axis=1)
        stay = np.cumsum(at_row[:, ::-1], axis=1)[:, ::-1][of, place + 1]
        uses = self._leave.copy()
        uses[np.arange(len(of)), self._tags] += stay
        np.subtract.at(d_emissions, words[self._later], uses[self._later])
        np.subtract.at(d_transitions, self._before, uses[self._later])
        joined = self._joined
        rows = self._first[joined]
        at, tag = self._starts[joined], self._tags[rows]
        entering = self._enter * stay[rows, None]
        entering[np.arange(len(at)), tag] += self._leave[rows, tag]
        np.subtract.at(d_alpha, at - 1, entering)
        np.subtract.at(d_transitions.T, tag, entering)
        np.subtract.at(d_emissions, (at, tag), entering.sum(axis=1))
        uses[rows, tag] = 0.0
        np.subtract.at(d_alpha, self._starts, uses[self._first])
        return d_alpha, d_beta, _Direct(d_emissions, d_transitions)
