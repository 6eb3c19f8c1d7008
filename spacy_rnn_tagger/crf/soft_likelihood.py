"""Losses of soft annotation on the lattice: the distance from what a teacher believes of spans.

A teacher gives P(span is an entity of its label | doc) for all spans that are likely enough; see
`pipeline.soft_annotation`. From these follow the expectations to which a linear-chain CRF is
fitted:

- P(tag of a word), exactly and in every scheme, because a span determines the tags of its words,
  and a word in no span is outside.
- The expected transitions within entities, exactly, for the same reason.
- The expected transitions between what ends before a word and what begins with it, by a coupling,
  because posteriors of spans say nothing about two spans at once. Given that no entity crosses the
  border between two words, what ends there ("O" or an entity) and what begins there ("O" or an
  entity) count as independent: P(tag before, tag after) is the product of the two probabilities,
  divided by P(no entity crosses). Two entities without a word between them are rare, so there is
  little to get wrong. On trained networks, this comes closer to the true expectations than to take
  an end and a beginning at the same border for alternatives that exclude each other.

The coupling is exact at each border where the teacher knows only an end or only a beginning of
entities. In BIO and BILUO, it is exact everywhere for a teacher without learned transitions, such
as softmax. IO has one tag for a label, so two entities of a label in a row are a single entity
there, and the transition between them counts as one within an entity.

Among the distributions over paths with these expectations, the one with the largest entropy is a
Markov chain. The loss is the Kullback-Leibler divergence of the network's distribution from that
chain. It is never negative, and where a teacher is certain, it is the loss of hard annotation.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray
from .forward_backward import expected_transitions, log_sum_exp, log_sums
from .lattice import Lattice
from .likelihood import Gradient
from .packed_order import PackedOrder
from .tag_scheme import Spans, TagScheme

# What a probability of zero is divided by.
_TINY = 1e-300


class SoftSpans(NamedTuple):
    """What a teacher believes about the words of a batch.

    Attributes:
        spans: S spans of words.
        posteriors: P(span is an entity of its label | doc). (S,)
        known: Whether the teacher says anything about a word. Nothing is learned from the others.
            (N,)
    """

    spans: Spans
    posteriors: FloatArray
    known: BoolArray


class SoftTags:
    """What follows from soft annotation for the tags of a batch.

    Posteriors of spans that share a word come to more than 1 by rounding, or in the mean of several
    teachers' lists. Then all spans with this word are scaled down. Scaling whole spans, and not the
    tags of a word, keeps transitions consistent with tags.

    Args:
        soft: The annotation.
        scheme: The K tags.
        order: The order of the words.

    Attributes:
        known: Which words are known. (N,)
        joined: Words with a border before them: they are known, and so is the word before in their
            doc. (N,)
        tags: P(tag of the word | doc). Rows of words that are not known mean nothing. (N, K)
    """

    def __init__(self, soft: SoftSpans, scheme: TagScheme, order: PackedOrder) -> None:
        self._scheme = scheme
        self.known = soft.known
        self.joined = soft.known.copy()
        self.joined[1:] &= soft.known[:-1]
        self.joined[order.first] = False
        lengths = soft.spans.ends - soft.spans.starts
        # Where each span begins among the words of all spans, one after the other.
        self._first = np.cumsum(lengths) - lengths
        self._last = self._first + lengths - 1
        span = np.repeat(np.arange(len(lengths)), lengths)
        self._place = np.arange(len(span)) - self._first[span]
        self._words = soft.spans.starts[span] + self._place
        posteriors = soft.posteriors
        mass = _sums(self._words, posteriors[span], len(soft.known))
        if mass.max(initial=0.0) > 1.0:
            highest = np.maximum.reduceat(np.maximum(mass, 1.0)[self._words], self._first)
            posteriors = posteriors / highest
        self._p = posteriors[span]
        self._tags = scheme.entity_tags(span, soft.spans.labels[span])
        self.tags = self._by_tag(np.arange(len(span)))
        self.tags[:, 0] = np.maximum(1.0 - self.tags.sum(axis=1), 0.0)

    def _by_tag(self, rows: IntArray) -> FloatArray:
        """Sum posteriors by word and tag.

        Args:
            rows: Some of the words of all spans.

        Returns:
            The sums. (N, K)
        """
        N, K = len(self.known), len(self._scheme.tags)
        keys = self._words[rows] * K + self._tags[rows]
        return _sums(keys, self._p[rows], N * K).reshape(N, K)

    @cached_property
    def _within(self) -> tuple[IntArray, FloatArray]:
        """The transitions within entities, each once a border.

        Returns:
            A number for each border, tag before and tag after: (border * K + before) * K + after.
            (P,) And their probabilities. (P,)
        """
        K = len(self._scheme.tags)
        rows = np.flatnonzero((self._place > 0) & self.joined[self._words])
        keys = (self._words[rows] * K + self._tags[rows - 1]) * K + self._tags[rows]
        keys, number = np.unique(keys, return_inverse=True)
        return keys, _sums(number.ravel(), self._p[rows], len(keys))

    @cached_property
    def _between(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The factors of the transitions between entities or "O".

        Returns:
            For each of the J borders: P(tag before, nothing crosses), P(tag after, nothing
            crosses), (J, K) each, and P(nothing crosses). (J,)
        """
        borders = np.flatnonzero(self.joined)
        before, after = self._by_tag(self._last)[borders - 1], self._by_tag(self._first)[borders]
        before[:, 0], after[:, 0] = self.tags[borders - 1, 0], self.tags[borders, 0]
        return before, after, before.sum(axis=1)

    @cached_property
    def transitions(self) -> FloatArray:
        """The expected transitions at the borders, summed over the batch. (K, K)."""
        K = len(self._scheme.tags)
        keys, p = self._within
        before, after, free = self._between
        total = _sums(keys % (K * K), p, K * K).reshape(K, K)
        return total + before.T @ (after / np.maximum(free, _TINY)[:, None])

    @cached_property
    def entropy(self) -> float:
        """The entropy of the Markov chain with these expectations, over all known words."""
        # A border has the entropy of both of its words. So that of a word between two borders is in
        # both, and that of a word beside none is in none.
        borders = self.joined.astype(np.int64)
        borders[:-1] += self.joined[1:]
        entropy = ((borders - 1) * self.known) @ _x_log_x(self.tags).sum(axis=1)
        before, after, free = self._between
        # Both factors sum to P(nothing crosses), by which their product is divided.
        entropy -= _x_log_x(before).sum() + _x_log_x(after).sum() - _x_log_x(free).sum()
        entropy -= _x_log_x(self._within[1]).sum() + self._merged()
        return float(entropy)

    def _merged(self) -> float:
        """Correct the entropy for transitions that are both within and between entities, as in IO.

        Returns:
            The sum of (w + b) log(w + b) - w log w - b log b.
        """
        if self._scheme.scheme != "IO":
            return 0.0
        K = len(self._scheme.tags)
        keys, p = self._within
        within = _sums(keys // K, p, len(self.known) * K).reshape(-1, K)[self.joined]
        before, after, free = self._between
        between = before * after / np.maximum(free, _TINY)[:, None]
        between[:, 0] = 0.0
        sums = _x_log_x(within + between) - _x_log_x(within) - _x_log_x(between)
        return float(sums.sum())


def soft_path_loss(
    lattice: Lattice, lengths: Sequence[int], scheme: TagScheme, soft: SoftSpans
) -> tuple[float, Gradient]:
    """Compute the divergence of a CRF from a teacher's beliefs, summed over the docs.

    It is log Z(legal) less the score and the entropy that the teacher expects. Words that are not
    known cut a doc into runs of words, and the divergence is that of the network's distribution
    over the tags of each run. The sums over the paths around a run count as given, so that the
    gradient is zero in the words that are not known and at the transitions that touch them.

    Args:
        lattice: All legal paths.
        lengths: Words of each doc. [B]
        scheme: The K tags.
        soft: The annotation.

    Returns:
        The divergence and its gradient.
    """
    order = PackedOrder(lengths)
    goal = SoftTags(soft, scheme, order)
    expected, known = goal.tags, goal.known
    alpha, beta, log_partition = log_sums(lattice, order)
    log_z = log_partition[order.doc_of]

    begins, stops = known & ~goal.joined, known & ~np.append(goal.joined[1:], False)
    score = (
        _dot(expected[known], lattice.emissions[known])
        + _dot(expected[begins], alpha[begins] - lattice.emissions[begins])
        + _dot(expected[stops], beta[stops])
        + _dot(goal.transitions, lattice.transitions)
    )
    loss = float(log_z[begins].sum()) - score - goal.entropy

    d_tags = np.where(known[:, None], np.exp(alpha + beta - log_z[:, None]) - expected, 0.0)
    outgoing = lattice.emissions + beta - log_z[:, None]
    outgoing[~goal.joined] = -np.inf
    current = expected_transitions(alpha, outgoing, lattice.transitions, order)
    ends = (d_tags[rows].sum(axis=0) for rows in (order.first, order.last))
    return loss, Gradient(d_tags, current - goal.transitions, *ends)


def soft_token_loss(
    emissions: FloatArray, lengths: Sequence[int], scheme: TagScheme, soft: SoftSpans
) -> tuple[float, Gradient]:
    """Compute the divergence of softmax from a teacher's beliefs, summed over the known words.

    Softmax learns each word by itself, so it learns the tags' probabilities, and not which of them
    go together. In prediction, the lattice drops what is not legal: posteriors of entities of
    several words come out nearer to 0 or 1 than the teacher's.

    Args:
        emissions: The scores. (N, K)
        lengths: Words of each doc. [B]
        scheme: The K tags.
        soft: The annotation.

    Returns:
        The divergence and its gradient.
    """
    goal = SoftTags(soft, scheme, PackedOrder(lengths))
    expected, scores = goal.tags[goal.known], emissions[goal.known].astype(np.float64)
    log_p = scores - log_sum_exp(scores)[:, None]
    gradient = np.zeros(emissions.shape)
    gradient[goal.known] = np.exp(log_p) - expected
    return float(_x_log_x(expected).sum()) - _dot(expected, log_p), Gradient(gradient)


def _sums(keys: IntArray, values: FloatArray, size: int) -> FloatArray:
    """Sum values by key. Of no values at all, NumPy makes integers."""
    sums: FloatArray = np.bincount(keys, values, size).astype(np.float64, copy=False)
    return sums


def _dot(probabilities: FloatArray, scores: FloatArray) -> float:
    """Sum scores as often as they are used; what is forbidden is never used."""
    used = probabilities > 0
    return float(probabilities[used] @ scores[used].astype(np.float64))


def _x_log_x(probabilities: FloatArray) -> FloatArray:
    return probabilities * np.log(np.where(probabilities > 0, probabilities, 1.0))
