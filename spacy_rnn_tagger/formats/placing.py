"""Spans of characters placed on tokens, and what is done with those that don't fit."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from spacy.tokens import Doc, Span

from ..errors import check_choice, excerpt
from ..pipeline.label_sets import UNKNOWN
from ..types import EntitySpan
from .record import AnnotationError

ERROR, MISSING, EXPAND, LONGEST, FIRST = "error", "missing", "expand", "longest", "first"
MISALIGNED = (ERROR, MISSING, EXPAND)
OVERLAPPING = (ERROR, MISSING, LONGEST, FIRST)
_TOKENS = 6  # how many a message shows


@dataclass(frozen=True)
class Placement:
    """What is done with spans that don't fit.

    Attributes:
        misaligned: With those that don't begin and end at the boundary of a token: "error",
            "missing" (nothing is known about their tokens) or "expand" (to whole tokens).
        overlapping: With those that overlap: "error", "missing", or keep the "longest" or the
            "first" one.
        incorrect_spans_key: The span group that gets the spans that annotators rejected; None for
            none.

    Raises:
        ValueError: A value is not among the allowed ones.
    """

    misaligned: str = ERROR
    overlapping: str = ERROR
    incorrect_spans_key: str | None = None

    def __post_init__(self) -> None:
        check_choice("misaligned", self.misaligned, MISALIGNED)
        check_choice("overlapping", self.overlapping, OVERLAPPING)
        if self.incorrect_spans_key == "":
            raise ValueError("incorrect-spans-key must not be empty.")


class _Found(NamedTuple):
    """A span of the file.

    Attributes:
        order: Its position in the file.
        characters: The span in characters.
        span: The span in tokens.
    """

    order: int
    characters: EntitySpan
    span: Span


@dataclass
class Placed:
    """Spans on tokens.

    Attributes:
        entities: Those that are entities; none overlaps another.
        unknown: Spans about which nothing is known. They may overlap entities.
        notices: What was changed or dropped, a line each.
    """

    entities: list[Span] = field(default_factory=list)
    unknown: list[Span] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def place(doc: Doc, offsets: Iterable[EntitySpan], how: Placement) -> Placed:
    """Place spans on the tokens of a doc.

    Args:
        doc: The doc.
        offsets: (start character, end character, label) of each span, in the file's order. Exact
            duplicates are dropped.
        how: What is done with spans that don't fit. Those beyond the text are always errors.

    Returns:
        The spans.

    Raises:
        AnnotationError: Spans don't fit.
    """
    placed = Placed()
    problems: list[str] = []
    found: list[_Found] = []
    first: dict[EntitySpan, int] = {}
    for order, characters in enumerate(offsets):
        if characters in first:
            placed.notices.append(_line(doc, characters, "is there twice; kept once"))
        first.setdefault(characters, order)
    before: EntitySpan | None = None
    for characters in sorted(first):
        start, end, label = characters
        overlaps = before is not None and before[1] > start
        inside = 0 <= start < end <= len(doc.text)
        span = doc.char_span(start, end, label=label) if inside else None
        if span is None:
            wrong = f"does not align with {_tokens(doc, start, end)}"
            wide = expanded(doc, characters) if inside else None
            if not inside or how.misaligned == ERROR:
                problems.append(_line(doc, characters, wrong))
            elif wide is None:
                placed.notices.append(_line(doc, characters, "has whitespace only; dropped"))
            elif how.misaligned == MISSING:
                placed.unknown.append(wide)
                placed.notices.append(_line(doc, characters, f"{wrong}; left missing"))
            else:
                found.append(_Found(first[characters], characters, wide))
                changed = (
                    f"{wrong}; expanded to {_quoted(doc.text, wide.start_char, wide.end_char)}"
                )
                placed.notices.append(_line(doc, characters, changed))
        elif overlaps and how.overlapping == ERROR:
            assert before is not None
            problems.append(_line(doc, characters, f"overlaps {_named(doc, before)}"))
        else:
            found.append(_Found(first[characters], characters, span))
        if before is None or end > before[1]:
            before = characters
    _separate(doc, found, how.overlapping, placed, problems)
    if problems:
        raise AnnotationError(*problems)
    return placed


def _separate(
    doc: Doc, found: list[_Found], overlapping: str, placed: Placed, problems: list[str]
) -> None:
    """Keep spans that don't overlap."""
    if overlapping == LONGEST:
        found.sort(key=lambda each: (each.span.start_char - each.span.end_char, each.order))
    elif overlapping == FIRST:
        found.sort(key=lambda each: each.order)
    else:
        found.sort(key=lambda each: (each.span.start, each.order))
    kept: list[_Found] = []
    dropped: set[int] = set()
    owner: dict[int, _Found] = {}  # by token
    for each in found:
        tokens = range(each.span.start, each.span.end)
        if each.characters[2] == UNKNOWN and overlapping != ERROR:
            placed.unknown.append(each.span)
            continue
        other = next((owner[i] for i in tokens if i in owner), None)
        if other is None:
            kept.append(each)
            owner.update(dict.fromkeys(tokens, each))
            continue
        overlaps = f"overlaps {_named(doc, other.characters)}"
        if overlapping == ERROR:  # only once both are expanded to the same tokens
            problems.append(_line(doc, each.characters, f"{overlaps} when expanded to tokens"))
        elif overlapping == MISSING:
            dropped |= {each.order, other.order}
            owner.update({i: each for i in tokens if i not in owner})
            kept.append(each)
            placed.notices.append(_line(doc, each.characters, f"{overlaps}; both left missing"))
        else:
            same = each.characters[:2] == other.characters[:2]
            why = f"the {overlapping} one is kept" if not same else "the first one is kept"
            placed.notices.append(_line(doc, each.characters, f"{overlaps}; {why}"))
    for each in kept:
        known = each.characters[2] != UNKNOWN and each.order not in dropped
        (placed.entities if known else placed.unknown).append(each.span)
    placed.entities.sort(key=lambda span: span.start)


def expanded(doc: Doc, characters: EntitySpan) -> Span | None:
    """Expand a span to whole tokens, without whitespace at its ends; None if nothing is left."""
    start, end, label = characters
    text = doc.text[start:end]
    end = start + len(text.rstrip())
    start += len(text) - len(text.lstrip())
    if start >= end:
        return None
    return doc.char_span(start, end, label=label, alignment_mode="expand")


def _line(doc: Doc, characters: EntitySpan, what: str) -> str:
    """Write what is to be said about a span, in a line."""
    start, end, label = characters
    return (
        f"{_quoted(doc.text, start, end)} ({label}, characters {start} to {end}) {what} "
        f"in {excerpt(doc.text, start, end)!r}"
    )


def _named(doc: Doc, characters: EntitySpan) -> str:
    return f"{_quoted(doc.text, *characters[:2])} ({characters[2]})"


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
