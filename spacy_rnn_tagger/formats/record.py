"""A record: a text, its source, and what a file says about its entities."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import listed
from ..types import EntitySpan

ACCEPT = "accept"  # Prodigy's word for a positive answer


class AnnotationError(ValueError):
    """Annotation that can't be used. Each argument describes one problem."""

    def __str__(self) -> str:
        return listed(self.args, indent="")


class Annotation(NamedTuple):
    """What a file says about the entities of a text.

    Attributes:
        entities: (start character, end character, label) of each entity. The label "?" means that
            nothing is known about the span.
        rejected: The same for spans that annotators rejected: they are not what their label says.
        complete: Whether all other tokens are outside entities, except in rejected spans. If not,
            nothing is known about them.
        answer: The annotator's answer about the record. Only `ACCEPT` counts.
        annotator: The annotator; None if the file names none.
        item: The annotation tool's name for the text that annotators saw. Records with the same
            item are annotations of one text. None if the file has no such name.
        ignored: A description of each item in the record other than entities, such as a relation.
            They are counted.
        notices: What users should know about the record, one line each.
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
    """The tokens of a text, if a file has them.

    Attributes:
        words: The tokens.
        spaces: Whether a space follows each token; None if the file doesn't say.
    """

    words: list[str]
    spaces: list[bool] | None = None


@dataclass(frozen=True)
class Record:
    """A text and its source.

    Attributes:
        source: The file, a path or a URL.
        number: The line, row or position in the file, from 1.
        text: The text; empty if the record can't be read.
        meta: The record's other values, as JSON can hold them.
        error: Why the record can't be read; None if it can.
        raw: The content that can't be read, without its line end.
        n_bytes: The record's share of the file's size, in bytes.
        annotation: The entities; None if the record was read as text alone, or can't be read.
        where: The record's name in messages; empty for the format's unit and the number.
        tokens: The tokens; None if the text is still to be tokenised.
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
