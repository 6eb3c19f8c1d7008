"""Formats with a record a line, and how much of a file each record takes."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import IO, Any, ClassVar, cast

from ..errors import described
from ..io import not_utf8, printable, raw_content, raw_lines
from . import storage
from .base import Format, Reading
from .record import Annotation, AnnotationError, Record

Parsed = tuple[str, dict[str, Any], Annotation | None]  # text, meta, annotation


class LineFormat(Format):
    """A format with a record in each line that is not blank, in UTF-8."""

    unit: ClassVar[str] = "line"

    def parse(self, line: str, reading: Reading) -> Parsed:
        """Read a line.

        Args:
            line: The line, without its line end.
            reading: How it is read.

        Returns:
            The text, what else the record has, and its annotation, if it is asked for.

        Raises:
            AnnotationError: It can't be read.
            ValueError: Likewise; the kind of the error is then part of its description.
        """
        raise NotImplementedError(f"{self.name} is not read")

    def split_cr(self, reading: Reading) -> bool:
        """Tell whether a carriage return alone ends a line too, as in text from old editors."""
        return True

    def records(self, source: str, reading: Reading) -> Iterator[Record]:
        """Read a record from each line that is not blank."""
        with storage.open_binary(source) as opened:
            file = _Metered(opened)
            yield from file.share_out(self._records(source, file, reading))

    def _records(self, source: str, file: "_Metered", reading: Reading) -> Iterator[Record]:
        lines = raw_lines(cast(IO[bytes], file), source, split_cr=self.split_cr(reading))
        for number, line in enumerate(lines, start=1):
            if line.strip() and not (reading.annotated and _is_blank(line)):
                yield self._record(source, number, line, reading)

    def whole_record(self, source: str, reading: Reading) -> Iterator[Record]:
        """Read a file as if it were one line."""
        with storage.open_binary(source) as opened:
            file = _Metered(opened)
            raw = raw_content(cast(IO[bytes], file), source)
            yield replace(self._record(source, 1, raw, reading), n_bytes=file.position)

    def _record(self, source: str, number: int, raw: bytes, reading: Reading) -> Record:
        name = printable(source)
        try:
            text, meta, annotation = self.parse(raw.decode("utf-8"), reading)
        except (ValueError, RecursionError) as error:
            return Record(name, number, "", error=_described(error, reading), raw=raw)
        return Record(name, number, text, meta, annotation=annotation)


def _is_blank(line: bytes) -> bool:
    """Tell whether a line has nothing but whitespace of any alphabet, none of which is a name."""
    return not line.decode("utf-8", "replace").strip()


def _described(error: ValueError | RecursionError, reading: Reading) -> str:
    if isinstance(error, AnnotationError):
        return str(error)
    if reading.annotated and isinstance(error, UnicodeDecodeError):
        return not_utf8(error)
    return described(error)


class _Metered:
    """An open file that counts the bytes read from it, compressed if it is."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.position = file, 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.position += len(data)
        return data

    def __iter__(self) -> Iterator[bytes]:
        for line in self._file:
            self.position += len(line)
            yield line

    def share_out(self, records: Iterable[Record]) -> Iterator[Record]:
        """Give each record the bytes since the one before it, and the last one the rest."""
        held, before = None, 0
        for record in records:
            if held is not None:
                yield held
            held, before = replace(record, n_bytes=self.position - before), self.position
        if held is not None:
            yield replace(held, n_bytes=held.n_bytes + self.position - before)
