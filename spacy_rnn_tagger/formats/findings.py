"""What reading annotated files yields besides docs: counts, and lines of a report."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from spacy.tokens import Doc


class Annotated(NamedTuple):
    """A doc as one annotator left it.

    Attributes:
        doc: The doc, with entities.
        where: The file and the place in it, for messages.
        source: Its file.
        annotator: The annotator; None if the file names none.
        item: The annotation tool's name for the text; see `record.Annotation`.
        complete: Whether the annotator annotated the whole text. If not, the annotation answers
            questions about single spans.
    """

    doc: Doc
    where: str
    source: str
    annotator: str | None = None
    item: str | None = None
    complete: bool = True


@dataclass
class Findings:
    """Counts and notices, collected while files are read.

    Attributes:
        left_out: The number of records that are not used, by the annotator's answer.
        ignored: The number of items other than entities, such as relations, by description.
        notices: What was dropped, moved or left missing, one line each, with file and place.
        read_as: The files that were read, by the name of their format.
    """

    left_out: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    notices: list[str] = field(default_factory=list)
    read_as: dict[str, list[str]] = field(default_factory=dict)
