"""What a format of files is: how it is read and written, and what for."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from spacy.language import Language
from spacy.tokens import Doc

from . import storage
from .docs import make_doc
from .record import ACCEPT, AnnotationError, Record


class Role(Enum):
    """What files of a format can be used for."""

    TEXTS = "texts to annotate"
    ANNOTATED = "annotated texts, to be tokenised"
    CORPUS = "annotated docs, as `spacy train` reads them"
    OUTPUT = "annotated texts, written"


@dataclass(frozen=True)
class Reading:
    """How records are read.

    Attributes:
        annotated: Whether to read annotation; else a record is a text, and anything else it has is
            `meta`.
        column: The key or column of the text, in formats that have such.
        whole: Whether a text file is one record.
    """

    annotated: bool = False
    column: str = "text"
    whole: bool = False


class Format:
    """A format of files.

    A subclass overrides what its roles need: `records` to be read (or `docs`, if its annotation is
    of tokens), `row` and `pack` to be written.

    Attributes:
        name: What users call it.
        suffixes: What names of its files end in, in lower case; output gets the first one.
        roles: What its files can be used for.
        compressed: Whether its files may also be compressed and end in ".gz".
        unit: What a record is in messages, before its number.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    roles: ClassVar[frozenset[Role]]
    compressed: ClassVar[bool] = True
    unit: ClassVar[str] = "record"

    def prepare(self) -> None:
        """Import what writing needs, before long work.

        Raises:
            ImportError: A package is not installed.
        """

    def check(self, source: str, reading: Reading) -> None:
        """Check before long work whether a file can be read.

        Args:
            source: The file.
            reading: How it is going to be read.

        Raises:
            ValueError: It can't.
        """

    def read(self, source: str, reading: Reading) -> Iterator[Record]:
        """Read the records of a file; one that can't be read has an error and no text.

        Args:
            source: The file, a path or a URL.
            reading: How it is read.

        Yields:
            The records in their order. Their `n_bytes` add up to the file's size.

        Raises:
            OSError: The file as such can't be read.
            ValueError: Likewise.
        """
        with storage.errors_named(source):
            yield from self.records(source, reading)

    def records(self, source: str, reading: Reading) -> Iterator[Record]:
        """Read the records of a file, as `read` does, with the errors of whatever reads it.

        A format whose records consist of several files, such as a text and its annotation, is read
        from one of them, which has its suffix, and opens the others beside it.
        """
        raise NotImplementedError(f"{self.name} is not read")

    def docs(self, source: str, nlp: Language, left_out: Counter[str]) -> Iterator[Doc]:
        """Read annotated docs.

        Args:
            source: The file, a path or a URL.
            nlp: Its tokenizer is used, unless the file has tokens.
            left_out: Gets the number of records that the annotator did not accept, by answer.

        Yields:
            The docs in their order.

        Raises:
            AnnotationError: At the end, if anything was wrong, with an argument for each problem.
            OSError: The file can't be read.
        """
        problems: list[str] = []
        for record in self.read(source, Reading(annotated=True)):
            where = f"{self.unit} {record.number}"
            found = record.annotation
            if found is None:
                problems.append(f"{where}: {record.error}")
            elif found.answer != ACCEPT:
                left_out[found.answer] += 1
            else:
                try:
                    yield make_doc(
                        nlp,
                        record.text,
                        found.entities,
                        rejected=found.rejected,
                        complete=found.complete,
                    )
                except AnnotationError as error:
                    problems += [f"{where}: {problem}" for problem in error.args]
        if problems:
            raise AnnotationError(*problems)

    def row(self, record: Record, doc: Doc) -> Any:
        """Turn an annotated record into what represents it in a file.

        Args:
            record: The record that was read.
            doc: Its doc, with entities.

        Returns:
            An object that `pack` takes.
        """
        raise NotImplementedError(f"{self.name} is not written")

    def pack(self, rows: Sequence[Any]) -> bytes:
        """Turn rows into the content of a file.

        Args:
            rows: What `row` returned for each record.

        Returns:
            The content, the same for the same rows.
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
            The content of each file, by its name. Most formats need one. Of several, the last one
            is `file_name(name)`: when it is there, the output is complete.
        """
        return {self.file_name(name): self.pack(rows)}
