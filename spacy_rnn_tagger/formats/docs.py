"""From annotation to spaCy's docs, and from docs to what files say about them."""

from collections.abc import Iterable
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span

from ..errors import excerpt
from ..pipeline.span_groups import confidences
from ..types import EntitySpan
from .placing import Placement, place
from .record import Record, Tokens

# Digits of a confidence. Further ones depend on the number of threads.
DIGITS = 6


def make_doc(
    nlp: Language,
    text: str,
    offsets: Iterable[EntitySpan],
    *,
    rejected: Iterable[EntitySpan] = (),
    complete: bool = True,
    tokens: Tokens | None = None,
    how: Placement | None = None,
    notices: list[str] | None = None,
) -> Doc:
    """Tokenise a text and set its entities.

    Args:
        nlp: The pipeline whose tokenizer is used.
        text: The text.
        offsets: (start character, end character, label) of each entity. The label "?" means that
            nothing is known about a span, so the annotation of its tokens is missing.
        rejected: The same for spans that are no such entities. The annotation of their tokens is
            missing, since they may be part of others.
        complete: Whether all other tokens are outside entities; if not, their annotation is missing
            too.
        tokens: The tokens, if they are known.
        how: The treatment of spans that don't fit; by default they are errors.
        notices: Receives a line for each span that was changed or dropped.

    Returns:
        The doc.

    Raises:
        AnnotationError: Spans are not in the text; or they overlap, or don't begin and end at
            token boundaries, and that is an error.
    """
    how = how or Placement()
    doc = nlp.make_doc(text) if tokens is None else Doc(nlp.vocab, tokens.words, tokens.spaces)
    placed = place(doc, offsets, how)
    rejected = list(rejected)
    taken = {i for span in placed.entities for i in range(span.start, span.end)}
    known = taken | {i for span in placed.unknown for i in range(span.start, span.end)}
    missing = [token for token in _tokens_of(doc, rejected) if token.start not in known]
    missing += [doc[i : i + 1] for i in sorted(known - taken)]
    default = "outside" if complete else "missing"
    doc.set_ents(placed.entities, missing=missing if complete else None, default=default)
    if how.incorrect_spans_key is not None:
        set_incorrect(doc, rejected, how.incorrect_spans_key, placed.notices)
    if notices is not None:
        notices += placed.notices
    return doc


def set_incorrect(
    doc: Doc, rejected: Iterable[EntitySpan], key: str, notices: list[str] | None = None
) -> None:
    """Write spans that annotators rejected to a span group.

    Args:
        doc: A doc with entities. It is changed.
        rejected: (start character, end character, label) of each span.
        key: The group's name. Without spans, no group is written.
        notices: Receives a line for each span that can't be written.
    """
    entities = {(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents}
    spans = []
    for start, end, label in sorted(set(rejected)):
        inside = 0 <= start < end <= len(doc.text)
        span = doc.char_span(start, end, label=label) if inside else None
        if span is not None and (start, end, label) not in entities:
            spans.append(span)
        elif notices is not None:
            why = "does not align with tokens" if span is None else "is accepted as well"
            quoted = repr(excerpt(doc.text[max(start, 0) : end], 0, 0))
            notices.append(
                f"rejected {quoted} ({label}, characters {start} to {end}) {why}; not written"
            )
    if spans:
        doc.spans[key] = spans


def _tokens_of(doc: Doc, spans: Iterable[EntitySpan]) -> list[Span]:
    """Find the tokens that share a character with one of the spans, as spans of their own."""
    wanted = set()
    for start, end, _ in spans:
        around = doc.char_span(max(start, 0), min(end, len(doc.text)), alignment_mode="expand")
        wanted |= set(range(around.start, around.end)) if around is not None else set()
    return [doc[i : i + 1] for i in sorted(wanted)]


def entities_of(doc: Doc) -> list[dict[str, Any]]:
    """List a doc's entities, their offsets in characters, and their confidences to six digits.

    Args:
        doc: The doc.

    Returns:
        An object for each entity. The confidence is None if no `rnn_ner` found the entity.
    """
    scores = confidences(doc)
    return [
        {
            "start": ent.start_char,
            "end": ent.end_char,
            "label": ent.label_,
            "text": ent.text,
            "confidence": None
            if (score := scores.get((ent.start_char, ent.end_char, ent.label_))) is None
            else round(score, DIGITS),
        }
        for ent in doc.ents
    ]


def row_of(record: Record, doc: Doc) -> dict[str, Any]:
    """Build a row about an annotated record, in plain values.

    Args:
        record: The record that was read.
        doc: The record's doc.

    Returns:
        Source, record, text, entities, and the record's other values.
    """
    return {
        "source": record.source,
        "record": record.number,
        "text": doc.text,  # the offsets refer to it; some tokenizers change the text
        "entities": entities_of(doc),
        "meta": record.meta,
    }
