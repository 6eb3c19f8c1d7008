"""The interface of file formats: how files are read and written, and what they are used for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import Errors, check_choice
from ..io import printable
from . import storage
from .docs import make_doc
from .findings import Annotated, Findings
from .offsets import AUTO, check_offsets
from .placing import Placement
from .record import ACCEPT, AnnotationError, Record
from .sample import Sample

SENTENCE, DOCUMENT = "sentence", "document"
UNITS = (SENTENCE, DOCUMENT)


class Role(Enum):
    """What files of a format can be used for."""

    TEXTS = "texts to annotate"
    ANNOTATED = "annotated texts, to be tokenised"
    CORPUS = "annotated docs, as `spacy train` reads them"
    OUTPUT = "annotated texts, written"


@dataclass(frozen=True)
class Reading:
    """The settings for reading records.

    Attributes:
        annotated: Whether to read annotation. If not, a record is a text, and its other values are
            `meta`.
        column: The key or column of the text, in formats that have one.
        whole: Whether a text file is one record.
        placement: How annotated spans are handled that don't fit the tokens or each other.
        token_column: The column of the token in files of columns, from 1, or from -1 for the last.
        tag_column: The column of the tag, counted likewise.
        unit: What makes a doc in files of columns: a "sentence", or a "document" between
            `-DOCSTART-` lines.
        offsets: What the tool's offsets count: "characters", units of "utf-16", or "auto" to find
            out.

    Raises:
        ValueError: A value is not allowed.
    """

    annotated: bool = False
    column: str = "text"
    whole: bool = False
    placement: Placement = field(default_factory=Placement)
    token_column: int = 1
    tag_column: int = -1
    unit: str = SENTENCE
    offsets: str = AUTO

    def __post_init__(self) -> None:
        check_choice("unit", self.unit, UNITS)
        check_offsets(self.offsets)
        for name in ("token_column", "tag_column"):
            if getattr(self, name) == 0:
                raise ValueError(Errors.RNN111.format(setting=name.replace("_", "-")))


@dataclass(frozen=True)
class Writing:
    """The settings for writing records, in formats that have some.

    Attributes:
        model: The name of the model, as annotation tools show it.
        from_name: The name of Label Studio's control tag, `<Labels>`.
        to_name: The name of Label Studio's object tag, `<Text>`.
        predicts: Whether there is a model. Without one, no entities means that nobody looked.
    """

    model: str = ""
    from_name: str = "label"
    to_name: str = "text"
    predicts: bool = True


class Format:
    """A file format.

    A subclass overrides what its roles need: `records` for reading (or `docs`, if it annotates
    tokens), `row` and `pack` for writing.

    Attributes:
        name: The name by which users choose it.
        suffixes: The suffixes of its files, in lower case; output gets the first one.
        roles: What its files can be used for.
        compressed: Whether its files may also be compressed and end in ".gz".
        unit: The word for a record in messages, before its number.
        rates_docs: Whether it has a place for the probability that all of a doc's entities are
            right and none is missing.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    roles: ClassVar[frozenset[Role]]
    compressed: ClassVar[bool] = True
    unit: ClassVar[str] = "record"
    rates_docs: ClassVar[bool] = False

    def prepare(self) -> None:
        """Import the packages that writing needs, before long work.

        Raises:
            ImportError: A package is not installed.
        """

    def check(self, source: str, reading: Reading) -> None:
        """Check before long work whether a file can be read.

        Args:
            source: The file.
            reading: The settings for reading it.

        Raises:
            ValueError: The file can't be read.
        """

    def read(self, source: str, reading: Reading) -> Iterator[Record]:
        """Read the records of a file. A record that can't be read has an error and no text.

        Args:
            source: The file, a path or a URL.
            reading: The settings.

        Yields:
            The records in order. Their `n_bytes` add up to the file's size.

        Raises:
            OSError: The file itself can't be read.
            ValueError: The file itself has the wrong content.
        """
        with storage.errors_named(source):
            yield from self.records(source, reading)

    def records(self, source: str, reading: Reading) -> Iterator[Record]:
        """Read the records of a file, as `read` does, and let errors of the file system through.

        If a record consists of several files, such as a text and its annotation, one of them has
        the format's suffix. It is named as the source, and the others are opened beside it.
        """
        raise NotImplementedError(f"{self.name} is not read")

    def recognises(self, sample: Sample) -> bool | None:
        """Tell from the beginning of a file whether it has this format.

        Args:
            sample: The beginning.

        Returns:
            True if the file certainly has this format, and False if it has not. None if the
            content leaves it open, so that the suffix decides.
        """
        return None

    def companions(self, source: str) -> tuple[str, ...]:
        """Name the files that belong to a file of this format and are no input on their own."""
        return ()

    def docs(
        self, source: str, nlp: Language, reading: Reading, findings: Findings
    ) -> Iterator[Annotated]:
        """Read annotated docs.

        Args:
            source: The file, a path or a URL.
            nlp: The pipeline whose tokenizer is used, unless the file has tokens.
            reading: The settings.
            findings: Receives what else to report.

        Yields:
            The docs in order.

        Raises:
            AnnotationError: At the end, if anything was wrong, with an argument for each problem.
            OSError: The file can't be read.
        """
        problems: list[str] = []
        for record in self.read(source, reading):
            where = record.where or f"{self.unit} {record.number}"
            found = record.annotation
            if found is None:
                problems.append(f"{where}: {record.error}")
                continue
            findings.ignored.update(found.ignored)
            notices = list(found.notices)
            keeps_rejected = reading.placement.incorrect_spans_key is not None
            if found.answer != ACCEPT and not (found.rejected and keeps_rejected):
                findings.left_out[found.answer] += 1
            else:
                try:
                    doc = make_doc(
                        nlp,
                        record.text,
                        found.entities,
                        rejected=found.rejected,
                        complete=found.complete,
                        tokens=record.tokens,
                        how=reading.placement,
                        notices=notices,
                    )
                except AnnotationError as error:
                    problems += [f"{where}: {problem}" for problem in error.args]
                else:
                    place = f"{printable(source)}, {where}"
                    yield Annotated(doc, place, source, found.annotator, found.item, found.complete)
            findings.notices += [f"{printable(source)}, {where}: {notice}" for notice in notices]
        if problems:
            raise AnnotationError(*problems)

    def configured(self, writing: Writing) -> "Format":
        """Return the format with these settings; the format itself if it has none."""
        return self

    def extras(self, labels: Sequence[str]) -> dict[str, bytes]:
        """Write the files that an output needs once, beside its shards.

        Args:
            labels: The labels that entities may have.

        Returns:
            The content of each file, by its name.
        """
        return {}

    def row(self, record: Record, doc: Doc) -> Any:
        """Turn an annotated record into a row of a file.

        Args:
            record: The record that was read.
            doc: The record's doc, with entities.

        Returns:
            An object that `pack` accepts.
        """
        raise NotImplementedError(f"{self.name} is not written")

    def pack(self, rows: Sequence[Any]) -> bytes:
        """Turn rows into the content of a file.

        Args:
            rows: What `row` returned for each record.

        Returns:
            The content, which is always the same for the same rows.
        """
        raise NotImplementedError(f"{self.name} is not written")

    def file_name(self, name: str) -> str:
        """Name an output file."""
        return name + self.suffixes[0]

    def files(self, name: str, rows: Sequence[Any]) -> dict[str, bytes]:
        """Write rows as the content of files.

        Args:
            name: The name of the output, without suffix.
            rows: What `row` returned for each record.

        Returns:
            The content of each file, by its name. Most formats write one file. If there are
            several, the last one is `file_name(name)`, and its presence shows that the output is
            complete.
        """
        return {self.file_name(name): self.pack(rows)}
