"""Offsets as annotation tools write them: in characters, or in the 16-bit units of JavaScript."""

from collections.abc import Sequence
from typing import Any

from ..errors import check_choice, excerpt
from ..types import EntitySpan
from .record import AnnotationError

# How a tool may count. A character beyond U+FFFF, such as an emoji, is two units of UTF-16.
AUTO, CHARACTERS, UTF16 = "auto", "characters", "utf-16"
OFFSETS = (AUTO, CHARACTERS, UTF16)


def check_offsets(received: str) -> None:
    """Raise ValueError unless `received` is a way to count offsets."""
    check_choice("offsets", received, OFFSETS)


def encodable(text: str, what: str) -> str:
    """Return a text that can be written in UTF-8.

    Args:
        text: The text.
        what: What messages call it.

    Returns:
        The text.

    Raises:
        AnnotationError: It has half of a surrogate pair.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = rf"\u{ord(text[error.start]):04x}"
        raise AnnotationError(
            f"{what} has half of a character, {code}, as its character {error.start}"
        ) from None
    return text


def entity_span(values: Sequence[Any], received: Any) -> EntitySpan:
    """Check start, end and label.

    Args:
        values: The three.
        received: What the file has, for the message.

    Returns:
        The same, with the right types.

    Raises:
        AnnotationError: They are not two whole numbers and a string.
    """
    match values:
        case [bool(), _, _] | [_, bool(), _]:
            pass
        case [int(start), int(end), str(label)] if label:
            return start, end, encodable(label, "a label")
    shown = repr(received)
    raise AnnotationError(
        "an entity must have start, end and label, but got "
        + excerpt(shown, 0, len(shown), around=80)
    )


def has_pairs(text: str) -> bool:
    """Tell whether a text has characters that UTF-16 writes as two units."""
    return not text.isascii() and max(text) > "\uffff"


def to_utf16(text: str, place: int) -> int:
    """Turn a place in characters into one in units of UTF-16."""
    return place + sum(char > "\uffff" for char in text[:place])


def from_utf16(text: str, place: int) -> int:
    """Turn a place in units of UTF-16 into one in characters.

    A place within a pair becomes the one behind it, and a place behind the text stays behind it.
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
    """Tell whether a span can't be meant: it is not in the text, or begins or ends in a word."""
    start, end, _ = span
    if not 0 <= start < end <= len(text) or text[start].isspace() or text[end - 1].isspace():
        return True
    inside = (i for i in (start, end) if 0 < i < len(text))
    return any(text[i - 1].isalnum() and text[i].isalnum() for i in inside)
