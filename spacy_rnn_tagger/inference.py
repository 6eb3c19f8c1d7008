"""What follows from the network's scores of a batch, given what is known of the docs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from .constraints import Constraints
from .layers.lattice import decode, lattice_of
from .layers.posterior import Posteriors, SpanPosteriors, span_posteriors
from .modules.crf import log_sums
from .modules.n_best import n_best_paths
from .modules.steps import Steps
from .tags import TagScheme
from .types import BoolArray, EntitySpan, Spans, TagScores


@dataclass
class Inference:
    """Entities of a batch and their probabilities, from one pass of the network.

    scores: of the words of the batch.
    tags: their scheme.
    constraints: what is known of the docs; probabilities are conditioned on it.
    temperature: what scores are divided by before they become probabilities.
    """

    scores: TagScores
    tags: TagScheme
    constraints: Constraints
    temperature: float = 1.0

    def entities(self) -> Spans:
        """Find the new entities of the best path of each doc."""
        best = decode(self.scores, self.tags, self.constraints.allowed)
        return self.constraints.find(best, self.tags)

    def posteriors(self, spans: Spans) -> Posteriors:
        """Compute P(span is an entity of its label | doc). *Shape:* (S,)."""
        known = self.constraints
        return span_posteriors(self._tempered(), self.tags, spans, known.breaks, known.allowed)

    def posteriors_of(self, spans: Sequence[Sequence[EntitySpan]]) -> list[Posteriors]:
        """Compute the same for spans of tokens, some in each doc; zero for whitespace alone.

        RAISES ValueError: the model does not know a label.
        """
        found = self.constraints.in_words(spans, self.tags)
        p = np.zeros(len(found.starts))
        has_words = found.starts < found.ends
        p[has_words] = self.posteriors(found.select(has_words))
        return np.split(p, np.cumsum([len(own) for own in spans])[:-1])

    def candidates(self, floor: float) -> tuple[Spans, Posteriors, BoolArray]:
        """Find the entities, and beside them all that may be one with a posterior of `floor`.

        RETURNS: the spans in the order of their places, their posteriors, and which of them are
            the entities.
        """
        known = self.constraints
        sums = SpanPosteriors(self._tempered(), self.tags, known.breaks, known.allowed)
        likely = sums.likely(floor)
        likely = likely.select(known.has_text(likely) & ~known.preset[likely.starts])
        best = self.entities()
        columns, place = np.unique(
            np.concatenate([best, likely], axis=1), axis=1, return_inverse=True
        )
        is_best = np.zeros(columns.shape[1], dtype=bool)
        is_best[place.ravel()[: len(best.starts)]] = True
        spans = Spans(*columns)
        return spans, sums.of(spans), is_best

    def locate(self, spans: Spans) -> list[list[EntitySpan]]:
        """Turn spans of the batch's words into those of each doc's tokens."""
        return self.constraints.locate(spans, self.tags)

    def n_best(self, n: int) -> Iterator[list[tuple[list[EntitySpan], float]]]:
        """Find the n likeliest analyses of each doc, each with its probability.

        YIELDS: for each doc its analyses, the likeliest first; their entities are of tokens, and
            only those that were not set before.
        """
        known = self.constraints
        lattice = lattice_of(self._tempered(), self.tags, known.allowed)
        log_partition = log_sums(lattice, Steps(self.scores.lengths)).log_partition
        stop = 0
        for doc, length in enumerate(self.scores.lengths):
            own = slice(stop, stop := stop + length)
            if not length:
                yield [([], 1.0)]
                continue
            paths = n_best_paths(lattice._replace(emissions=lattice.emissions[own]), n)
            p = np.exp(np.minimum(paths.scores - log_partition[doc], 0.0))
            free = [np.where(known.preset[own], 0, path) for path in paths.tags]
            found = [self.tags.spans(path, known.breaks[own]) for path in free]
            starts, ends, labels = np.concatenate(found, axis=1)
            # All at once, for that takes a list for each doc of the batch.
            entities = iter(self.locate(Spans(starts + own.start, ends + own.start, labels))[doc])
            yield [
                (list(islice(entities, len(spans.starts))), probability)
                for spans, probability in zip(found, p.tolist(), strict=True)
            ]

    def _tempered(self) -> TagScores:
        return self.scores.tempered(self.temperature)
