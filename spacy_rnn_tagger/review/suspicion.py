"""How improbable annotation is: gold entities, missed ones, and conflicts, in log-odds.

Each item is a region of a doc: a gold entity with all that overlaps it and that the model finds
likely, or a likely span where gold has none. Its score is

    log (1 - q) / q,   q = P(the region is as annotated | the rest of the doc is as annotated),

which is exact for the model. Above zero, the model finds something else more likely. Conditioning
on the rest keeps one error from casting doubt on its neighbours, and uses what annotators knew of
the doc.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import minibatch

from ..arrays import BoolArray, FloatArray
from ..crf.tag_scheme import Spans, TagScheme
from ..evaluation.outcomes import Mention, describe
from ..pipeline.gold import allowed_tags
from ..pipeline.inference import Inference
from ..pipeline.rnn_ner import RNNEntityRecognizer
from ..types import EntitySpan

Kind = Literal["invented", "boundary", "label", "forgotten"]
KINDS: tuple[Kind, ...] = ("boundary", "label", "invented", "forgotten")
_FLOOR = 0.1  # spans that are less likely than this are no suggestions
_MOST = 30.0  # log-odds beyond which all is equally certain


@dataclass(frozen=True)
class Suspect:
    """A place in a doc, and how improbable its annotation is.

    Attributes:
        doc: The number of the doc.
        kind: What would be wrong with it: "boundary" (the suggestion has other borders), "label"
            (another label, and perhaps other borders), "invented" (nothing is suggested) or
            "forgotten" (gold has nothing).
        gold: The gold entity; None if there is none.
        suggestion: What the model finds most likely instead; None for nothing.
        score: The log-odds of anything else than what is annotated.
    """

    doc: int
    kind: Kind
    gold: Mention | None
    suggestion: Mention | None
    score: float

    @property
    def mentions(self) -> list[Mention]:
        """The gold entity and the suggestion, if they exist."""
        return [each for each in (self.gold, self.suggestion) if each is not None]


class Judged(NamedTuple):
    """A doc as a model sees it.

    Attributes:
        suspects: Its gold entities, and what seems to be forgotten.
        cost: -log P(all of its annotation | doc), in nats.
    """

    suspects: list[Suspect]
    cost: float


def judge(
    nlp: Language,
    component: str,
    docs: Sequence[Doc],
    labels: Collection[str],
    numbers: Iterable[int] | None = None,
) -> Iterator[Judged]:
    """Judge annotated docs by a model.

    Nothing is said of labels that the model does not have, of tokens that are not annotated, and of
    what the model finds of labels that the data does not have.

    Args:
        nlp: The pipeline.
        component: The name of its component `rnn_ner`.
        docs: The annotated docs, with the pipeline's vocabulary.
        labels: The labels of the whole data.
        numbers: The numbers of the docs, from 0 on if None.

    Yields:
        For each doc what is found in it.
    """
    pipe = nlp.get_pipe(component)
    assert isinstance(pipe, RNNEntityRecognizer)
    disable = nlp.pipe_names[nlp.pipe_names.index(component) :]
    own_numbers = iter(range(len(docs)) if numbers is None else numbers)
    for batch in minibatch(docs, nlp.batch_size):
        fresh = list(nlp.pipe(map(_tokens, batch), disable=disable))
        known = [_without(doc, pipe.tags) for doc in batch]
        examples = [Example(*pair) for pair in zip(fresh, known, strict=True)]
        yield from _Batch(pipe.infer(fresh), examples, labels).judged(own_numbers)


def _tokens(doc: Doc) -> Doc:
    """Copy the tokens of a doc, and nothing that is annotated."""
    words, spaces = [token.text for token in doc], [bool(token.whitespace_) for token in doc]
    return Doc(doc.vocab, words=words, spaces=spaces)


def _without(doc: Doc, tags: TagScheme) -> Doc:
    """Return a doc whose entities all have labels of the tags; others are missing annotation."""
    unknown = [ent for ent in doc.ents if ent.label_ not in tags.labels]
    if not unknown:
        return doc
    copy = doc.copy()
    copy.set_ents(
        [],
        missing=[copy[ent.start : ent.end] for ent in unknown],
        default="unmodified",
    )
    return copy


class _Word(NamedTuple):
    """A span in words of the batch, and as tokens of its doc.

    Attributes:
        start: The first word.
        end: The word after its last one.
        span: In tokens of its doc.
        p: Its posterior.
    """

    start: int
    end: int
    span: EntitySpan
    p: float

    def overlaps(self, other: "_Word") -> bool:
        return self.start < other.end and other.start < self.end


class _Item(NamedTuple):
    """A region, and what it is about."""

    start: int
    end: int
    kind: Kind
    gold: _Word | None
    suggestion: _Word | None

    @property
    def doubt(self) -> float:
        """The probability that annotation is wrong, by the posterior of a single span."""
        if self.gold is not None:
            return 1.0 - self.gold.p
        return self.suggestion.p if self.suggestion is not None else 0.0


class _Batch:
    """A batch of docs, the model's scores, and gold annotation."""

    def __init__(
        self, inference: Inference, examples: Sequence[Example], labels: Collection[str]
    ) -> None:
        self._inference, self._examples = inference, examples
        tags, words = inference.tags, inference.constraints.words
        allowed = allowed_tags(examples, words, tags)
        self._annotated: BoolArray = allowed.sum(axis=1) == 1
        # Nobody annotated the labels that the data lacks: they may be wherever gold has nothing.
        foreign = [label for label in tags.labels if label not in labels]
        outside = np.flatnonzero(self._annotated & allowed[:, 0])
        allowed[np.ix_(outside, tags.of_labels(foreign))] = True
        self._allowed = allowed
        self._foreign = set(foreign)

    def judged(self, numbers: Iterator[int]) -> Iterator[Judged]:
        gold, likely = self._gold(), self._likely()
        items = [_items(*pair) for pair in zip(gold, likely, strict=True)]
        every = [item for own in items for item in own]
        starts, ends = (np.array([item[i] for item in every], dtype=np.int64) for i in (0, 1))
        fits = self._inference.log_fit_within(self._allowed, starts, ends)
        # Annotation that can't be, such as an entity across sentences, is judged span by span.
        doubts = np.array([min(item.doubt, 1 - 1e-15) for item in every])
        scores = iter(_log_odds(np.where(np.isnan(fits), np.log1p(-doubts), fits)))
        costs = -self._inference.log_fit(self._allowed)
        for example, own, cost in zip(self._examples, items, costs.tolist(), strict=True):
            doc = next(numbers)
            found = [self._suspect(doc, example.reference, i, float(next(scores))) for i in own]
            if not np.isfinite(cost):
                cost = _MOST + sum(max(each.score, 0.0) for each in found)
            yield Judged(found, cost)

    def _gold(self) -> list[list[_Word]]:
        """List the gold entities of each doc, but those without a word."""
        spans = [
            [(ent.start, ent.end, ent.label_) for ent in example.reference.ents]
            for example in self._examples
        ]
        posteriors = self._inference.posteriors_of(spans)
        places = self._inference.constraints.in_words(spans, self._inference.tags)
        return _by_doc(places, spans, [p for own in posteriors for p in own.tolist()])

    def _likely(self) -> list[list[_Word]]:
        """List the likely spans of each doc where annotation says something of all words."""
        spans, p, _ = self._inference.candidates(_FLOOR)
        known = np.concatenate(([0], np.cumsum(self._annotated)))
        annotated = known[spans.ends] - known[spans.starts] == spans.ends - spans.starts
        keep = annotated & (p >= _FLOOR)
        spans, p = spans.select(keep), p[keep]
        found = _by_doc(spans, self._inference.locate(spans), p.tolist())
        return [[each for each in own if each.span[2] not in self._foreign] for own in found]

    def _suspect(self, number: int, doc: Doc, item: _Item, score: float) -> Suspect:
        gold, suggestion = (
            None if word is None else describe(doc[slice(*word.span[:2])], word.span[2], word.p)
            for word in (item.gold, item.suggestion)
        )
        return Suspect(number, item.kind, gold, suggestion, score)


def _by_doc(
    words: Spans, spans: Sequence[Sequence[EntitySpan]], posteriors: Sequence[float]
) -> list[list[_Word]]:
    columns = zip(words.starts.tolist(), words.ends.tolist(), posteriors, strict=True)
    found = []
    for own in spans:
        rows = [(start, end, span, p) for span, (start, end, p) in zip(own, columns, strict=False)]
        found.append([_Word(*row) for row in rows if row[0] < row[1]])
    return found


def _items(gold: Sequence[_Word], likely: Sequence[_Word]) -> list[_Item]:
    """Find the regions of a doc: of each gold entity, and of what seems to be forgotten."""
    places = {each.span for each in gold}
    others = [each for each in likely if each.span not in places]
    found = []
    for entity in gold:
        rivals = [each for each in others if each.overlaps(entity)]
        start = min(each.start for each in (entity, *rivals))
        end = max(each.end for each in (entity, *rivals))
        # No other gold entity is cut by the region.
        hull = entity._replace(start=start, end=end)
        touched = [hull, *(each for each in gold if each.overlaps(hull))]
        best = max(rivals, key=lambda each: each.p, default=None)
        nothing = 1.0 - entity.p - sum(each.p for each in rivals)
        kind: Kind = "invented"
        if best is not None and best.p < nothing:
            best = None
        if best is not None:
            kind = "boundary" if best.span[2] == entity.span[2] else "label"
        start, end = min(each.start for each in touched), max(each.end for each in touched)
        found.append(_Item(start, end, kind, entity, best))
    free = [each for each in others if not any(each.overlaps(entity) for entity in gold)]
    for cluster in _clusters(free):
        start, end = min(each.start for each in cluster), max(each.end for each in cluster)
        best = max(cluster, key=lambda each: each.p)
        if sum(each.p for each in cluster) > 0.5:  # or else the model agrees that there is nothing
            found.append(_Item(start, end, "forgotten", None, best))
    return found


def _clusters(words: Sequence[_Word]) -> Iterator[list[_Word]]:
    """Group spans that overlap, directly or by others."""
    own: list[_Word] = []
    end = -1
    for each in sorted(words, key=lambda each: (each.start, each.end)):
        if own and each.start >= end:
            yield own
            own = []
        own.append(each)
        end = max(end, each.end) if len(own) > 1 else each.end
    if own:
        yield own


def _log_odds(log_q: FloatArray) -> FloatArray:
    """Turn log q into log (1 - q) / q, within bounds."""
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.log(-np.expm1(np.minimum(log_q, 0.0))) - log_q
    return np.clip(np.nan_to_num(odds, nan=0.0, posinf=_MOST, neginf=-_MOST), -_MOST, _MOST)


def ranked(judged: Sequence[Judged]) -> list[Suspect]:
    """List all places of all docs, the most improbable annotation first."""
    every = [each for own in judged for each in own.suspects]
    return sorted(every, key=lambda each: (-each.score, each.doc, each.mentions[0].start))
