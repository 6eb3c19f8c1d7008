"""What reading annotated files finds out beside the docs: counts, and lines of a report."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from spacy.tokens import Doc


class Annotated(NamedTuple):
    """A doc as one annotator left it.

    Attributes:
        doc: The doc, with entities.
        where: Its file and place, for messages.
        source: Its file.
        annotator: Who annotated it; None if the file does not say.
        item: The annotation tool's name of the text; see `record.Annotation`.
    """

    doc: Doc
    where: str
    source: str
    annotator: str | None = None
    item: str | None = None


@dataclass
class Findings:
    """Counts and notices, which grow while files are read.

    Attributes:
        left_out: Number of records that are not used, by the annotator's answer.
        ignored: Number of things that are no annotation of entities, by their description.
        notices: What was dropped, moved or left missing, a line each, with file and place.
        read_as: The names of the formats that files were read as, each with its files.
    """

    left_out: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    notices: list[str] = field(default_factory=list)
    read_as: dict[str, list[str]] = field(default_factory=dict)
