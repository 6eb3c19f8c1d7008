"""The span group that holds entities with their probabilities, as spaCy's `spancat` has it.

What makes a group keep its scores is in spaCy: they are in its attribute "scores", which goes where
the group goes, to bytes and back, through processes, into copies of the doc.
"""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

SPANS_KEY = "rnn_ner"


def write_group(
    doc: Doc, key: str, spans: list[Span], scores: list[float], preset: Sequence[Span] = ()
) -> None:
    """Set `doc.spans[key]` and its scores, in the order of the spans' places.

    spans: in that order already.
    scores: their probabilities.
    preset: entities that were set before: they are taken for true, and count as certain unless the
        group that is there says otherwise.
    """
    if preset:
        known = {(*_place(span), span.label): score for span, score in scored_spans(doc, key)}
        rows = [*zip(spans, scores, strict=True)]
        rows += [(ent, known.get((*_place(ent), ent.label), 1.0)) for ent in preset]
        rows.sort(key=lambda row: _place(row[0]))
        spans, scores = [span for span, _ in rows], [score for _, score in rows]
    attrs = {"scores": np.array(scores, dtype=np.float64)}
    doc.spans[key] = SpanGroup(doc, name=key, spans=spans, attrs=attrs)


def scored_spans(doc: Doc, spans_key: str = SPANS_KEY) -> list[tuple[Span, float]]:
    """List the spans of a group with their probabilities; none if there is no such group."""
    group = doc.spans.get(spans_key)
    if group is None or "scores" not in group.attrs:
        return []
    return list(zip(group, group.attrs["scores"].tolist(), strict=True))


def confidence(span: Span, spans_key: str = SPANS_KEY) -> float:
    """Return the exact probability of an entity, given its doc: P(span has its label | doc).

    span: an entity of `doc.ents` or any other span of the group.
    spans_key: where the component that found it puts the group; its setting of that name.

    RAISES KeyError: the doc has no such group, the group no scores, or the span is not in it.
    """
    group = span.doc.spans.get(spans_key)
    if group is None or "scores" not in group.attrs:
        raise KeyError(
            f"doc.spans[{spans_key!r}] has no scores. The component 'rnn_ner' writes them with "
            f"its setting spans_key = {spans_key!r}; spaCy's Doc.from_docs and Span.as_doc leave "
            "them out."
        )
    at = bisect_left(range(len(group)), _place(span), key=lambda i: _place(group[i]))
    while at < len(group) and _place(group[at]) == _place(span):
        if group[at].label == span.label:
            return float(group.attrs["scores"][at])
        at += 1
    raise KeyError(f"{span.text!r} ({span.label_}) is not in doc.spans[{spans_key!r}].")


def _place(span: Span) -> tuple[int, int]:
    return span.start, span.end
