"""From annotation to spaCy's docs, and from docs to what is written about them."""

from collections.abc import Iterable
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span

from ..errors import excerpt
from ..pipeline.label_sets import UNKNOWN
from ..pipeline.span_groups import confidences
from ..types import EntitySpan
from .record import AnnotationError, Record

_TOKENS = 6  # how many a message shows
# Digits of a confidence. Those after them depend on the number of threads.
_DIGITS = 6


def make_doc(
    nlp: Language,
    text: str,
    offsets: Iterable[EntitySpan],
    *,
    rejected: Iterable[EntitySpan] = (),
    complete: bool = True,
) -> Doc:
    """Tokenise a text and set its entities.

    Args:
        nlp: Its tokenizer is used.
        text: The text.
        offsets: (start character, end character, label) of each entity. The label "?" says that
            nothing is known about a span; annotation of its tokens is missing.
        rejected: The same of spans that are no such entities. Annotation of their tokens is
            missing, since they may be part of others.
        complete: Whether all other tokens are outside of entities; if not, their annotation is
            missing too.

    Returns:
        The doc.

    Raises:
        AnnotationError: Spans overlap, or don't begin and end at the boundary of a token.
    """
    doc = nlp.make_doc(text)
    entities: list[Span] = []
    unknown: list[Span] = []
    problems = []
    before: EntitySpan | None = None
    for start, end, label in sorted(offsets):
        span = doc.char_span(start, end, label=label) if 0 <= start < end <= len(text) else None
        if span is None:
            problems.append((start, end, label, f"does not align with {_tokens(doc, start, end)}"))
        elif before and before[1] > start:
            other = f"{_quoted(text, *before[:2])} ({before[2]})"
            problems.append((start, end, label, f"overlaps {other}"))
        else:
            (unknown if label == UNKNOWN else entities).append(span)
        if before is None or end > before[1]:
            before = (start, end, label)
    if problems:
        raise AnnotationError(
            *(
                f"{_quoted(text, start, end)} ({label}, characters {start} to {end}) {problem} "
                f"in {excerpt(text, start, end)!r}"
                for start, end, label, problem in problems
            )
        )
    taken = {i for span in (*entities, *unknown) for i in range(span.start, span.end)}
    missing = [token for token in _tokens_of(doc, rejected) if token.start not in taken]
    missing += unknown
    default = "outside" if complete else "missing"
    doc.set_ents(entities, missing=missing if complete else None, default=default)
    return doc


def _tokens_of(doc: Doc, spans: Iterable[EntitySpan]) -> list[Span]:
    """Find the tokens that have a character in one of the spans, as spans of their own."""
    wanted = set()
    for start, end, _ in spans:
        around = doc.char_span(max(start, 0), min(end, len(doc.text)), alignment_mode="expand")
        wanted |= set(range(around.start, around.end)) if around is not None else set()
    return [doc[i : i + 1] for i in sorted(wanted)]


def _quoted(text: str, start: int, end: int) -> str:
    start = max(start, 0)
    return repr(excerpt(text[start:end], 0, max(end - start, 0)))


def _tokens(doc: Doc, start: int, end: int) -> str:
    """Write the tokens at a place in a message, the first and the last ones if they are many."""
    length = len(doc.text)
    start = min(max(start, 0), length - 1)
    end = min(max(end, start + 1), length)
    found = doc.char_span(start, end, alignment_mode="expand") if length else None
    tokens = [repr(excerpt(token.text, 0, len(token))) for token in (found or doc[:_TOKENS])]
    if len(tokens) > _TOKENS:
        tokens[_TOKENS // 2 : -_TOKENS // 2] = ["..."]
    return f"the tokens {' '.join(tokens)}" if tokens else "an empty text"


def entities_of(doc: Doc) -> list[dict[str, Any]]:
    """List a doc's entities, their offsets in characters, and their confidences, to six digits.

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
            else round(score, _DIGITS),
        }
        for ent in doc.ents
    ]


def row_of(record: Record, doc: Doc) -> dict[str, Any]:
    """Build what is written about an annotated record, in plain values.

    Args:
        record: The record that was read.
        doc: Its doc.

    Returns:
        Source, record, text, entities, and what else the record had.
    """
    return {
        "source": record.source,
        "record": record.number,
        "text": doc.text,  # to which the offsets belong; some tokenizers change the text
        "entities": entities_of(doc),
        "meta": record.meta,
    }
