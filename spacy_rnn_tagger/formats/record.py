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
        annotator: Who annotated it; None if the file does not say.
        item: What the annotation tool calls the text that annotators had before them. Records with
            the same item are annotations of one text. None if the file has no such name.
        ignored: A description of each thing in the record that is no annotation of entities, such
            as a relation. They are counted.
        notices: What a user should know about the record, a line each.
    """

    entities: list[EntitySpan]
    rejected: list[EntitySpan]
    complete: bool = True
    answer: str = ACCEPT
    annotator: str | None = None
    item: str | None = None
    ignored: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


class Tokens(NamedTuple):
    """The tokens of a text, where a file has them.

    Attributes:
        words: The tokens.
        spaces: Whether a space follows each of them; None if the file does not say.
    """

    words: list[str]
    spaces: list[bool] | None = None


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
        where: What messages call it; empty for the format's unit and the number.
        tokens: Its tokens; None if the text is to be tokenised.
    """

    source: str
    number: int
    text: str
    meta: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    raw: bytes | None = None
    n_bytes: int = 0
    annotation: Annotation | None = None
    where: str = ""
    tokens: Tokens | None = None
