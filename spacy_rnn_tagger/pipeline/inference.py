"""What follows from the network's scores for a batch, given what is known about the docs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray
from ..crf.entropy import path_entropies
from ..crf.forward_backward import LogSums, log_sums
from ..crf.lattice import Lattice
from ..crf.n_best import n_best_paths
from ..crf.packed_order import PackedOrder
from ..crf.posteriors import Posteriors, SpanPosteriors, span_posteriors
from ..crf.regions import log_conditionals
from ..crf.tag_scheme import Spans, TagScheme
from ..crf.viterbi import best_paths, is_small, viterbi
from ..types import EntitySpan, TagScores
from .constraints import Constraints


@dataclass
class Inference:
    """Entities of a batch and their posteriors, from one pass of the network.

    The lattice and the order of its words are built only once.

    Args:
        scores: Of the words of the batch.
        tags: Their scheme.
        constraints: What is known of the docs; posteriors are conditioned on it.
        temperature: What scores are divided by before they become posteriors.
        output: Which labels are written; the others compete and stay silent. All if None. (labels,)
    """

    scores: TagScores
    tags: TagScheme
    constraints: Constraints
    temperature: float = 1.0
    output: BoolArray | None = None

    @cached_property
    def lattice(self) -> Lattice:
        """The legal and allowed paths, with the network's scores."""
        return self.scores.lattice(self.tags).restricted(self.constraints.allowed)

    @cached_property
    def order(self) -> PackedOrder:
        """The order of the words of the lattice."""
        return PackedOrder(self.scores.lengths)

    @cached_property
    def sums(self) -> LogSums:
        """The sums over all paths, at the temperature."""
        return log_sums(self._tempered, self.order)

    @property
    def _known_sums(self) -> LogSums | None:
        """The sums, if they have been computed."""
        return vars(self).get("sums")

    def sum_first(self) -> None:
        """Prepare for posteriors of all docs, and find entities by them.

        With few tags that takes less time than the search. With many, sums take more, and are
        wanted only of the docs in which there are entities.
        """
        if is_small(self.lattice):
            self.sums  # noqa: B018 - it is kept

    def entities(self) -> Spans:
        """Find the new entities of the best path of each doc, of the labels that are written."""
        if (sums := self._known_sums) is not None:
            best = best_paths(self._tempered, self.order, sums)
        else:
            best = viterbi(self.lattice, self.order)
        return self._written(self.constraints.find(best, self.tags))

    def _written(self, spans: Spans) -> Spans:
        return spans if self.output is None else spans.select(self.output[spans.labels])

    def posteriors(self, spans: Spans) -> Posteriors:
        """Compute P(span is an entity of its label | doc).

        Args:
            spans: S spans of words.

        Returns:
            The posteriors. (S,)
        """
        breaks, sums = self.constraints.breaks, self._known_sums
        return span_posteriors(self._tempered, self.order, self.tags, breaks, spans, sums)

    def posteriors_of(self, spans: Sequence[Sequence[EntitySpan]]) -> list[Posteriors]:
        """Compute the posteriors of spans of tokens; zero for whitespace alone.

        Args:
            spans: Some spans for each doc. [B]

        Returns:
            The posteriors of each doc's spans. [B]

        Raises:
            ValueError: The model does not know a label.
        """
        found = self.constraints.in_words(spans, self.tags)
        p = np.zeros(len(found.starts))
        has_words = found.starts < found.ends
        p[has_words] = self.posteriors(found.select(has_words))
        return np.split(p, np.cumsum([len(own) for own in spans])[:-1])

    def candidates(self, floor: float) -> tuple[Spans, Posteriors, BoolArray]:
        """Find the entities, and all other spans with a posterior of `floor` or more.

        Args:
            floor: The lowest posterior, above 0.

        Returns:
            The spans in the order of their places, their posteriors, and which of them are the
            entities. (S,)
        """
        known = self.constraints
        sums = SpanPosteriors(self._tempered, self.order, self.tags, known.breaks, self.sums)
        likely = self._written(sums.likely(floor))
        likely = likely.select(known.has_text(likely) & ~known.preset[likely.starts])
        best = self.entities()
        columns, place = np.unique(
            np.concatenate([best, likely], axis=1), axis=1, return_inverse=True
        )
        is_best = np.zeros(columns.shape[1], dtype=bool)
        is_best[place.ravel()[: len(best.starts)]] = True
        spans = Spans(*columns)
        return spans, sums.of(spans), is_best

    def expected_errors(self) -> FloatArray:
        """Compute how many words of each doc a prediction word by word is expected to get wrong.

        Returns:
            The sum over a doc's words of 1 - P(likeliest tag | doc). (B,)
        """
        highest = np.exp(self.sums.log_marginals(self.order)).max(axis=1, initial=0.0)
        doubts = np.clip(1.0 - highest, 0.0, 1.0)
        sums: FloatArray = np.zeros(self.order.n_docs)
        np.add.at(sums, self.order.doc_of, doubts)
        return sums

    def entropies(self) -> FloatArray:
        """Compute the entropy of each doc's distribution over analyses, in nats. (B,)"""
        return path_entropies(self._tempered, self.order, self.sums)

    def log_best(self) -> FloatArray:
        """Compute log P(best analysis | doc); 0 for an empty doc. (B,)"""
        best = viterbi(self.lattice, self.order)
        scores = self._tempered.path_scores(best, self.order)
        return np.minimum(scores - self.sums.log_partition, 0.0)

    def log_fit(self, allowed: BoolArray) -> FloatArray:
        """Compute log P(the doc is as annotated).

        Args:
            allowed: The tags that annotation leaves open. (N, K)

        Returns:
            The logarithms; minus infinity for annotation that can't be. (B,)
        """
        fitting = log_sums(self._tempered.restricted(allowed), self.order).log_partition
        return np.minimum(fitting - self.sums.log_partition, 0.0)

    def log_fit_of(self, spans: Spans) -> FloatArray:
        """Compute log P(these entities and no others that would be written | doc).

        Labels that stay silent may be anywhere else, and any entity among punctuation, which
        `Constraints.find` drops.

        Args:
            spans: The entities, which don't overlap. (S,)

        Returns:
            The logarithms. (B,)
        """
        allowed = np.zeros((len(self.constraints.preset), len(self.tags.tags)), dtype=bool)
        allowed[:, 0] = True
        if self.output is not None:  # what stays silent may be anything
            silent = [self.tags.labels[i] for i in np.flatnonzero(~self.output)]
            allowed[:, self.tags.of_labels(silent)] = True
        allowed[self.constraints.preset] = True  # the lattice says what these are
        # Nothing leads from here into the words beside, which are outside or in their own entities.
        allowed[self.constraints.punctuation] = True
        self._close(allowed, spans)
        lengths = spans.ends - spans.starts
        entities = np.repeat(np.arange(len(lengths)), lengths)
        words = np.arange(lengths.sum()) + np.repeat(
            spans.starts - np.cumsum(lengths) + lengths, lengths
        )
        allowed[words] = False
        allowed[words, self.tags.entity_tags(entities, spans.labels[entities])] = True
        return self.log_fit(allowed)

    def _close(self, allowed: BoolArray, spans: Spans) -> None:
        """Keep entities from growing into words beside them that are open.

        Args:
            allowed: The tags that each word may have, which are changed. (N, K)
            spans: The entities. (S,)
        """
        breaks = np.append(self.constraints.breaks, True)  # also at the first word of each doc
        _, first, inside, _ = self.tags.roles[spans.labels].T
        grows = ~breaks[spans.ends]
        allowed[spans.ends[grows], inside[grows]] = False
        # Only in IO may a tag before an entity be one of the same entity.
        grows = ~breaks[spans.starts] & (first == inside)
        allowed[spans.starts[grows] - 1, inside[grows]] = False

    def log_fit_within(self, allowed: BoolArray, starts: IntArray, ends: IntArray) -> FloatArray:
        """Compute log P(a region is as annotated | the rest of its doc is as annotated).

        Args:
            allowed: The tags that annotation leaves open. (N, K)
            starts: The first word of each region. (R,)
            ends: The word after its last. (R,)

        Returns:
            The logarithms, as `crf.regions.log_conditionals` computes them. (R,)
        """
        return log_conditionals(self._tempered, self.order, allowed, starts, ends)

    def locate(self, spans: Spans) -> list[list[EntitySpan]]:
        """Turn spans of the batch's words into those of each doc's tokens."""
        return self.constraints.locate(spans, self.tags)

    def n_best(self, n: int) -> Iterator[list[tuple[list[EntitySpan], float]]]:
        """Find the n likeliest analyses of each doc, with the probability of each.

        They have entities of all labels, whether these are written or not.

        Args:
            n: How many, 1 or more.

        Yields:
            For each doc its analyses, the likeliest first: the entities, in tokens, that were not
            set before.
        """
        known = self.constraints
        log_partition = self.sums.log_partition
        log_marginals = self.sums.log_marginals(self.order)
        stop = 0
        for doc, length in enumerate(self.scores.lengths):
            own = slice(stop, stop := stop + length)
            if not length:
                yield [([], 1.0)]
                continue
            lattice = self._tempered._replace(emissions=self._tempered.emissions[own])
            paths = n_best_paths(lattice, n, log_marginals[own], float(log_partition[doc]))
            p = np.exp(np.minimum(paths.scores - log_partition[doc], 0.0))
            free = [np.where(known.preset[own], 0, path) for path in paths.tags]
            found = [self.tags.spans(path, known.breaks[own]) for path in free]
            starts, ends, labels = np.concatenate(found, axis=1)
            spans = Spans(starts + own.start, ends + own.start, labels)
            entities = known.locate_in(doc, spans, self.tags)  # of all analyses at once
            yield [
                (list(islice(entities, len(own_spans.starts))), probability)
                for own_spans, probability in zip(found, p.tolist(), strict=True)
            ]

    def at(self, temperature: float) -> "Inference":
        """Return the same inference at another temperature."""
        other = replace(self, temperature=temperature)
        vars(other).update(lattice=self.lattice, order=self.order)
        return other

    @cached_property
    def _tempered(self) -> Lattice:
        return self.lattice.tempered(self.temperature)
