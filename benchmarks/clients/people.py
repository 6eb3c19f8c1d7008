"""What people do with suggestions, and what training should get of it.

Each text gets one of these answers in turn, so that every kind occurs.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import NamedTuple

import spacy
from spacy.tokens import Doc

Span = tuple[int, int, str]  # first character, the one behind the last, label
FIRST, SECOND = 0, 1  # annotators

ACCEPTED, RELABELLED, MOVED, DELETED, ADDED = "accepted", "relabelled", "moved", "deleted", "added"
REJECTED, UNTOUCHED = "rejected", "untouched"
AGREED, DISPUTED = "agreed on by two", "disputed by two"
# For texts with suggestions, and for those without.
WITH = (ACCEPTED, RELABELLED, MOVED, DELETED, DISPUTED, REJECTED, AGREED, UNTOUCHED)
WITHOUT = (ADDED, ACCEPTED, REJECTED)


class Work(NamedTuple):
    """The annotation of a text.

    Attributes:
        text: The text.
        suggested: What the pipeline suggests.
        kind: What people do with it.
        answers: The spans that each annotator submits. None for an annotator who rejects the text.
        expected: The entities that training should get; None if it should not get the text.
        missing: Characters of tokens whose annotation should be missing.
    """

    text: str
    suggested: list[Span]
    kind: str
    answers: dict[int, list[Span] | None]
    expected: list[Span] | None
    missing: set[int] = set()


def work_on(suggestions: Sequence[tuple[str, list[Span]]], labels: Sequence[str]) -> list[Work]:
    """Decide what people do with each text.

    Args:
        suggestions: Texts and the spans that are suggested in them.
        labels: All labels of the project, two at least.
    """
    kinds = {True: cycle(WITH), False: cycle(WITHOUT)}
    nlp = spacy.blank("en")
    return [
        _work(nlp.make_doc(text), spans, next(kinds[bool(spans)]), labels)
        for text, spans in suggestions
    ]


def _work(doc: Doc, spans: list[Span], kind: str, labels: Sequence[str]) -> Work:
    changed = list(spans)
    if kind == RELABELLED:
        changed[0] = (*spans[0][:2], _other(spans[0][2], labels))
    elif kind == MOVED:
        changed[0] = _moved(doc, spans)
    elif kind in (DELETED, DISPUTED):
        del changed[0]
    elif kind == ADDED:
        changed = sorted([*spans, next(_free(doc, spans, labels[0]))])
    if kind == UNTOUCHED:
        return Work(doc.text, spans, kind, {}, None)
    if kind == REJECTED:
        return Work(doc.text, spans, kind, {FIRST: None}, None)
    if kind == AGREED:
        return Work(doc.text, spans, kind, {FIRST: spans, SECOND: spans}, spans)
    if kind == DISPUTED:
        missing = {
            i
            for token in doc
            if spans[0][0] <= token.idx < spans[0][1]
            for i in range(token.idx, token.idx + len(token))
        }
        return Work(doc.text, spans, kind, {FIRST: spans, SECOND: changed}, changed, missing)
    return Work(doc.text, spans, kind, {FIRST: changed}, changed)


def _other(label: str, labels: Sequence[str]) -> str:
    return next(each for each in labels if each != label)


def _moved(doc: Doc, spans: Sequence[Span]) -> Span:
    """Take in the word before or behind the first span, or leave out a word of it."""
    start, end, label = spans[0]
    span = doc.char_span(start, end)
    taken = {i for first, last, _ in spans[1:] for i in range(first, last)}
    for place, found in ((span.start - 1, "before"), (span.end, "behind")):
        if 0 <= place < len(doc) and doc[place].is_alpha and doc[place].idx not in taken:
            token = doc[place]
            if found == "before":
                return token.idx, end, label
            return start, token.idx + len(token), label
    last = doc[max(span.end - 2, span.start)]  # a single word between others stays as it is
    return start, last.idx + len(last), label


def _free(doc: Doc, spans: Sequence[Span], label: str) -> Iterator[Span]:
    """Find words that are in no span, the longest first."""
    taken = {i for first, last, _ in spans for i in range(first, last)}
    for token in sorted(doc, key=lambda token: (-len(token), token.i)):
        if token.is_alpha and token.idx not in taken:
            yield token.idx, token.idx + len(token), label
