"""Spans of characters placed on tokens, and the treatment of those that don't fit."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from spacy.tokens import Doc, Span

from ..errors import Errors, check_choice, excerpt
from ..pipeline.label_sets import UNKNOWN
from ..types import EntitySpan
from .record import AnnotationError

ERROR, MISSING, EXPAND, LONGEST, FIRST = "error", "missing", "expand", "longest", "first"
MISALIGNED = (ERROR, MISSING, EXPAND)
OVERLAPPING = (ERROR, MISSING, LONGEST, FIRST)
_TOKENS = 6  # shown in a message


@dataclass(frozen=True)
class Placement:
    """How spans that don't fit are handled.

    Attributes:
        misaligned: The treatment of spans that don't begin and end at token boundaries: "error",
            "missing" (nothing is known about their tokens) or "expand" (to whole tokens).
        overlapping: The treatment of spans that overlap: "error", "missing", or keep the "longest"
            or the "first" one.
        incorrect_spans_key: The span group for spans that annotators rejected; None for none.

    Raises:
        ValueError: A value is not allowed.
    """

    misaligned: str = ERROR
    overlapping: str = ERROR
    incorrect_spans_key: str | None = None

    def __post_init__(self) -> None:
        check_choice("misaligned", self.misaligned, MISALIGNED)
        check_choice("overlapping", self.overlapping, OVERLAPPING)
        if self.incorrect_spans_key == "":
            raise ValueError(Errors.RNN112)


class _Found(NamedTuple):
    """A span in the file.

    Attributes:
        order: Its position among the spans of the file.
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
        entities: The entities; none overlaps another.
        unknown: Spans about which nothing is known. They may overlap entities.
        notices: What was changed or dropped, one line each.
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
        how: The treatment of spans that don't fit. Spans outside the text are always errors.

    Returns:
        The spans.

    Raises:
        AnnotationError: Spans don't fit, and that is an error.
    """
    placed = Placed()
    problems: list[str] = []
    found: list[_Found] = []
    first: dict[EntitySpan, int] = {}
    for order, characters in enumerate(offsets):
        if characters in first:
            placed.notices.append(_line(doc, characters, "appears twice; kept once"))
        first.setdefault(characters, order)
    before: EntitySpan | None = None
    for characters in sorted(first):
        start, end, label = characters
        overlaps = before is not None and before[1] > start
        inside = 0 <= start < end <= len(doc.text)
        span = doc.char_span(start, end, label=label) if inside else None
        if not inside:
            problems.append(
                Errors.RNN133.format(
                    span=_located(doc, characters),
                    length=len(doc.text),
                    context=_context(doc, characters),
                )
            )
        elif span is None:
            tokens = _tokens(doc, start, end)
            wrong = f"does not align with {tokens}"
            wide = expanded(doc, characters)
            if how.misaligned == ERROR:
                problems.append(
                    Errors.RNN132.format(
                        span=_located(doc, characters),
                        tokens=tokens,
                        context=_context(doc, characters),
                    )
                )
            elif wide is None:
                placed.notices.append(_line(doc, characters, "is only whitespace; dropped"))
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
            problems.append(
                Errors.RNN134.format(
                    span=_located(doc, characters),
                    other=_named(doc, before),
                    context=_context(doc, characters),
                )
            )
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
            problems.append(
                Errors.RNN135.format(
                    span=_located(doc, each.characters),
                    other=_named(doc, other.characters),
                    context=_context(doc, each.characters),
                )
            )
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
    """Write a line about a span."""
    return f"{_located(doc, characters)} {what} in {_context(doc, characters)}"


def _located(doc: Doc, characters: EntitySpan) -> str:
    start, end, label = characters
    return f"{_quoted(doc.text, start, end)} ({label}, characters {start} to {end})"


def _context(doc: Doc, characters: EntitySpan) -> str:
    return repr(excerpt(doc.text, *characters[:2]))


def _named(doc: Doc, characters: EntitySpan) -> str:
    return f"{_quoted(doc.text, *characters[:2])} ({characters[2]})"


def _quoted(text: str, start: int, end: int) -> str:
    start = max(start, 0)
    return repr(excerpt(text[start:end], 0, max(end - start, 0)))


def _tokens(doc: Doc, start: int, end: int) -> str:
    """Write the tokens at a place in the text; if they are many, the first and the last ones."""
    found = doc.char_span(start, end, alignment_mode="expand")
    tokens = [repr(excerpt(token.text, 0, len(token))) for token in (found or doc[:_TOKENS])]
    if len(tokens) > _TOKENS:
        tokens[_TOKENS // 2 : -_TOKENS // 2] = ["..."]
    return f"the tokens {' '.join(tokens)}"
