"""A record: a text, where it comes from, and what a file says about its entities."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import listed
from ..types import EntitySpan

ACCEPT = "accept"  # Prodigy's word for an answer that says yes


class AnnotationError(ValueError):
    """Annotation that can't be used: what is wrong with it, an argument for each problem."""

    def __str__(self) -> str:
        return listed(self.args, indent="")


class Annotation(NamedTuple):
    """What a file says about the entities of a text.

    Attributes:
        entities: (start character, end character, label) of each entity; "?" as a label says that
            nothing is known about the span.
        rejected: The same of spans that are not what their label says.
        complete: Whether all other tokens are outside of entities, except in rejected spans. If
            not, nothing is known about them.
        answer: What the annotator said about the record. It counts only if it is `ACCEPT`.
    """

    entities: list[EntitySpan]
    rejected: list[EntitySpan]
    complete: bool = True
    answer: str = ACCEPT


@dataclass(frozen=True)
class Record:
    """A text and where it comes from.

    Attributes:
        source: Its file, a path or a URL.
        number: Its line, row or position in the file, from 1.
        text: Empty if it can't be read.
        meta: What else the record has, in values that JSON can hold.
        error: Why it can't be read.
        raw: What can't be read, without its line end.
        n_bytes: How much of the file it takes.
        annotation: Its entities; None if it was read as text alone, or has an error.
    """

    source: str
    number: int
    text: str
    meta: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    raw: bytes | None = None
    n_bytes: int = 0
    annotation: Annotation | None = None
