"""Tags of tokens: IO, IOB1, IOB2, BIOES and BILOU, read alike, and repaired where necessary."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import Errors
from ..pipeline.label_sets import UNKNOWN
from ..types import EntitySpan
from .offsets import shown
from .record import AnnotationError

_TAG = re.compile(r"([BILUESM])-(.+)", re.DOTALL)
OUTSIDE = "O"
_MISSING = ("-", "_", "?", "")
_BEGINS, _ENDS = "BUS", "LEUS"
REPAIRED = "tag that does not fit its neighbours, repaired"


def is_tag(text: str) -> bool:
    """Tell whether a text is a tag, or stands for a missing one."""
    return text == OUTSIDE or text in _MISSING or _TAG.fullmatch(text) is not None


def is_entity_tag(text: str) -> bool:
    """Tell whether a text is the tag of a token in an entity."""
    return _TAG.fullmatch(text) is not None


class Decoded(NamedTuple):
    """The meaning of tags.

    Attributes:
        spans: (start, end, label) of entities, in tokens, and of tokens without a tag, as "?".
        repaired: The number of tags that don't fit their neighbours.
    """

    spans: list[EntitySpan]
    repaired: int


def split_tag(tag: str | None) -> tuple[str, str]:
    """Split a tag into its prefix and its label.

    Args:
        tag: The tag; None if it is missing.

    Returns:
        The prefix ("O" outside, "?" without a tag) and the label.

    Raises:
        AnnotationError: It is not a tag.
    """
    if tag is None or tag in _MISSING:
        return UNKNOWN, ""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    if found := _TAG.fullmatch(tag):
        return ("I" if found[1] == "M" else found[1]), found[2]
    raise AnnotationError(Errors.RNN136.format(received=shown(tag)))


def is_iob1(sequences: Sequence[Sequence[tuple[str, str]]]) -> bool:
    """Tell IOB1, where B only separates entities that touch, from IOB2.

    Args:
        sequences: The prefix and label of each tag, per sentence.

    Returns:
        True if entities begin with I, and none begins with B unnecessarily.
    """
    begins = 0
    for sequence in sequences:
        before = (OUTSIDE, "")
        for prefix, label in sequence:
            continues = before[0] not in (OUTSIDE, UNKNOWN) and before[1] == label
            if prefix in "LEUS" or (prefix == "B" and not continues):
                return False
            begins += prefix == "I" and not continues
            before = prefix, label
    return begins > 0


def decode(tags: Sequence[tuple[str, str]], *, iob1: bool = False) -> Decoded:
    """Turn the tags of a sentence into spans.

    A tag that doesn't fit its neighbours still determines its own token: an entity begins wherever
    the label changes, and ends before any tag that can't continue it.

    Args:
        tags: The prefix and label of each tag.
        iob1: Whether entities begin with I.

    Returns:
        The spans.
    """
    spans: list[EntitySpan] = []
    closed_scheme = any(prefix in "LEUS" for prefix, _ in tags)
    start: int | None = None
    repaired = 0
    before = (OUTSIDE, "")
    for i, (prefix, label) in enumerate((*tags, (OUTSIDE, ""))):
        continues = start is not None and before[1] == label and prefix in "ILE"
        if start is not None and not continues:
            spans.append((start, i, before[1]))
            repaired += closed_scheme and before[0] not in _ENDS
            start = None
        if prefix == UNKNOWN:
            spans.append((i, i + 1, UNKNOWN))
        elif prefix != OUTSIDE and not continues:
            repaired += prefix not in _BEGINS and not iob1
            start = i
        before = prefix, label
        if start is not None and prefix in _ENDS:
            spans.append((start, i + 1, label))
            start = None
    return Decoded(spans, repaired)


def in_characters(
    spans: Sequence[EntitySpan], words: Sequence[str], spaces: Sequence[bool] | None
) -> list[EntitySpan]:
    """Turn spans of tokens into spans of characters."""
    starts, at = [], 0
    for i, word in enumerate(words):
        starts.append(at)
        at += len(word) + (spaces is None or spaces[i])
    return [(starts[a], starts[b - 1] + len(words[b - 1]), label) for a, b, label in spans]
