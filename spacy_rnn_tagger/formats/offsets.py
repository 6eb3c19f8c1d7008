"""Offsets as annotation tools write them: in characters, or in JavaScript's 16-bit units."""

from collections.abc import Sequence
from typing import Any

from ..errors import Errors, check_choice, excerpt
from ..types import EntitySpan
from .record import AnnotationError

# What offsets may count. A character above U+FFFF, such as an emoji, is two units of UTF-16.
AUTO, CHARACTERS, UTF16 = "auto", "characters", "utf-16"
OFFSETS = (AUTO, CHARACTERS, UTF16)


def check_offsets(received: str) -> None:
    """Raise ValueError unless `received` is one of `OFFSETS`."""
    check_choice("offsets", received, OFFSETS)


def shown(value: Any) -> str:
    """Write a value for a message, or its beginning if it is long."""
    written = repr(value)
    return written if len(written) <= 80 else f"{written[:80]}..."


def encodable(text: str, what: str) -> str:
    """Check that a text can be written in UTF-8.

    Args:
        text: The text.
        what: The text's name in messages.

    Returns:
        The text.

    Raises:
        AnnotationError: The text has half of a surrogate pair.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = rf"\u{ord(text[error.start]):04x}"
        raise AnnotationError(
            Errors.RNN121.format(what=what, code=code, place=error.start)
        ) from None
    return text


def entity_span(values: Sequence[Any], received: Any) -> EntitySpan:
    """Check start, end and label.

    Args:
        values: The three values.
        received: What the file has, for the message.

    Returns:
        The same values, with the right types.

    Raises:
        AnnotationError: They are not two whole numbers and a string.
    """
    match values:
        case [bool(), _, _] | [_, bool(), _]:
            pass
        case [int(start), int(end), str(label)] if label:
            return start, end, encodable(label, "A label")
    shown = repr(received)
    raise AnnotationError(Errors.RNN120.format(received=excerpt(shown, 0, len(shown), around=80)))


def has_pairs(text: str) -> bool:
    """Tell whether a text has characters that UTF-16 writes as two units."""
    return not text.isascii() and max(text) > "\uffff"


def to_utf16(text: str, place: int) -> int:
    """Turn a place in characters into one in units of UTF-16."""
    return place + sum(char > "\uffff" for char in text[:place])


def from_utf16(text: str, place: int) -> int:
    """Turn a place in units of UTF-16 into one in characters.

    A place within a pair becomes the one after it, and a place after the text stays after it.
    """
    units = 0
    for i, char in enumerate(text):
        if units >= place:
            return i
        units += 1 + (char > "\uffff")
    return len(text) + max(place - units, 0) if place > 0 else place


def span_from_utf16(text: str, span: EntitySpan) -> EntitySpan:
    """Turn a span in units of UTF-16 into one in characters."""
    start, end, label = span
    return (
        start if start < 0 else from_utf16(text, start),
        end if end < 0 else from_utf16(text, end),
        label,
    )


def cuts_words(text: str, span: EntitySpan) -> bool:
    """Tell whether a span is implausible: it is not in the text, or begins or ends in a word."""
    start, end, _ = span
    if not 0 <= start < end <= len(text) or text[start].isspace() or text[end - 1].isspace():
        return True
    inside = (i for i in (start, end) if 0 < i < len(text))
    return any(text[i - 1].isalnum() and text[i].isalnum() for i in inside)
