"""Soft annotation: what a teacher believes about a doc, instead of the entities that it settles on.

A doc with the span group of this module is taught by that group, and its entities are not read for
that. It says for all spans that are likely enough how likely they are:

- its spans are those to which the teacher gives a posterior above some floor, several labels and
  overlapping spans among them;
- its attribute "scores" is P(span is an entity of its label | doc) of each, in the same order.

What the spans of a token leave is the probability that the token is outside of all entities: in a
group without spans, the teacher is certain that there is no entity. The mean of several teachers'
scores, 0 where a teacher lacks a span, is the posterior of their mixture. A component `rnn_ner`
with `candidates` writes such a list to its own group.

A token teaches nothing if its annotation is missing in `doc.ents`, or if a span of the group
without a label contains it. This includes a doc without any annotation of entities, so set its
entities as well, if only to none. Those are also what other components learn, and whoever reads the
doc after the group or its attributes were lost, as in spaCy's `Doc.from_docs` or `Span.as_doc`.

What follows from posteriors of spans for tags is in `crf.soft_likelihood`.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span, SpanGroup

from ..arrays import FloatArray, IntArray
from ..errors import Errors, excerpt
from .label_sets import UNKNOWN, LabelSet

POSTERIORS_KEY = "spacy_rnn_tagger.posteriors"

_SCORES = "scores"
# Means of probabilities exceed 1 by rounding, in single precision by so much.
_ROUNDING = 1e-6
# A token may be in spans of labels that are not to be learned with this probability, and still
# teach that it is outside: it is little beside a teacher's own errors.
_NEGLIGIBLE = 0.05


class SoftAnnotation(NamedTuple):
    """What a teacher believes about a doc, as arrays: a group may have thousands of spans.

    Attributes:
        doc: The doc.
        starts: The first token of each span. (S,)
        ends: The token after its last one. (S,)
        labels: The hash of its label; 0 if it has none. (S,)
        scores: P(span is an entity of its label | doc); it means nothing without a label. (S,)
    """

    doc: Doc
    starts: IntArray
    ends: IntArray
    labels: NDArray[np.uint64]
    scores: FloatArray

    @property
    def spans(self) -> list[Span]:
        """The spans. [S]"""
        columns = self.starts.tolist(), self.ends.tolist(), self.labels.tolist()
        return [Span(self.doc, *place) for place in zip(*columns, strict=True)]


def set_posteriors(doc: Doc, spans: Iterable[Span], scores: Iterable[float]) -> None:
    """Write a teacher's posteriors to a doc, replacing any that were written before.

    Args:
        doc: The doc, with entities; tokens whose annotation is missing teach nothing.
        spans: Spans of the doc. Tokens in a span without a label teach nothing. [S]
        scores: P(span is an entity of its label | doc) of each span, from 0 to 1. [S]

    Raises:
        ValueError: There are more or fewer scores than spans, or a score is not from 0 to 1.
    """
    attrs = {_SCORES: np.array([*scores], dtype=np.float64)}
    group = SpanGroup(doc, name=POSTERIORS_KEY, attrs=attrs, spans=list(spans))
    _read(group)
    doc.spans[POSTERIORS_KEY] = group


def get_posteriors(doc: Doc) -> SoftAnnotation | None:
    """Read a teacher's posteriors from a doc.

    Args:
        doc: The doc.

    Returns:
        The spans and their scores; None if the doc has no such group, or if the group lost its
        attributes.

    Raises:
        ValueError: There are more or fewer scores than spans, or a score is not from 0 to 1.
    """
    group = _group(doc)
    return None if group is None else _read(group)


def _group(doc: Doc) -> SpanGroup | None:
    """Return the group; None also if it lost its attributes."""
    group = doc.spans.get(POSTERIORS_KEY)
    return group if group is not None and _SCORES in group.attrs else None


def _read(group: SpanGroup) -> SoftAnnotation:
    doc, scores = group.doc, np.asarray(group.attrs[_SCORES], dtype=np.float64)
    rows = [(span.start, span.end, span.label) for span in group]
    if scores.shape != (len(rows),):
        raise ValueError(
            Errors.RNN021.format(
                key=POSTERIORS_KEY,
                n_spans=len(rows),
                n_scores=scores.size,
                text=excerpt(doc.text, 0, 0),
            )
        )
    improbable = np.flatnonzero(~((scores >= 0) & (scores <= 1 + _ROUNDING)))
    if len(improbable):
        at = int(improbable[0])
        span = group[at]
        raise ValueError(
            Errors.RNN022.format(
                key=POSTERIORS_KEY,
                score=float(scores[at]),
                span=excerpt(span.text, 0, len(span.text)),
                label=span.label_,
                text=excerpt(doc.text, 0, 0),
            )
        )
    starts, ends, labels = np.array(rows, dtype=np.uint64).reshape(-1, 3).T
    places = starts.astype(np.int64), ends.astype(np.int64)
    return SoftAnnotation(doc, *places, labels, np.minimum(scores, 1.0))


def posterior_labels(doc: Doc) -> set[str]:
    """Collect the labels of a doc's soft annotation, unchecked; none without one."""
    labels = {span.label for span in _group(doc) or ()} - {0}
    return {doc.vocab.strings[label] for label in labels}


def move_posteriors(doc: Doc, other: Doc, places: Mapping[int, int]) -> None:
    """Carry a doc's soft annotation over to a doc with other tokens.

    Args:
        doc: The doc.
        other: The other doc. It gets the group if `doc` has it.
        places: From tokens of the doc to tokens of the other one, the end of the doc included.
            Spans that begin or end elsewhere are left out: the teacher did not see these tokens.
    """
    soft = get_posteriors(doc)
    if soft is None:
        return
    keep = [
        (Span(other, places[span.start], places[span.end], label=span.label_), score)
        for span, score in zip(soft.spans, soft.scores.tolist(), strict=True)
        if span.start in places and span.end in places
    ]
    set_posteriors(other, [span for span, _ in keep], [score for _, score in keep])


def adapt_posteriors(doc: Doc, rename: Mapping[str, str], label_set: LabelSet | None) -> None:
    """Reduce a doc's soft annotation to the labels that should be learned from it.

    Spans of all other labels are left out, and tokens that are likely enough to be in one of these
    teach nothing, because their annotation is not known.

    Args:
        doc: The doc, whose group is replaced if it has one.
        rename: New names for labels; "?" for a label that should not be learned.
        label_set: The labels to learn, after renaming; None for all. Coarse labels are not learned,
            because it is not known how their probability is divided.
    """
    soft = get_posteriors(doc)
    if soft is None:
        return
    spans, scores = [], []
    unknown = np.zeros(len(doc))
    for span, score in zip(soft.spans, soft.scores.tolist(), strict=True):
        label = rename.get(span.label_, span.label_)
        is_fine = label_set is None or (label_set.marks(label) and label not in label_set.coarse)
        if span.label and (label == UNKNOWN or not is_fine):
            unknown[span.start : span.end] += score
        else:
            spans.append(Span(doc, span.start, span.end, label=label))
            scores.append(score)
    tokens = [Span(doc, i, i + 1) for i in np.flatnonzero(unknown > _NEGLIGIBLE).tolist()]
    set_posteriors(doc, [*spans, *tokens], [*scores, *[1.0] * len(tokens)])
