"""Formats with one record per line, and the share of the file that each record takes."""

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
    """A format in UTF-8 with one record in each line that is not blank."""

    unit: ClassVar[str] = "line"

    def parse(self, line: str, reading: Reading) -> Parsed:
        """Read a line.

        Args:
            line: The line, without its line end.
            reading: The settings.

        Returns:
            The text, the record's other values, and, if requested, its annotation.

        Raises:
            AnnotationError: The line can't be read.
            ValueError: The line can't be read; the description then includes the error's type.
        """
        raise NotImplementedError(f"{self.name} is not read")

    def split_cr(self, reading: Reading) -> bool:
        """Tell whether a carriage return alone also ends a line, as in text from old editors."""
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
    """Tell whether a line has nothing but whitespace of any alphabet."""
    return not line.decode("utf-8", "replace").strip()


def _described(error: ValueError | RecursionError, reading: Reading) -> str:
    if isinstance(error, AnnotationError):
        return str(error)
    if reading.annotated and isinstance(error, UnicodeDecodeError):
        return not_utf8(error)
    return described(error)


class _Metered:
    """An open file that counts the bytes read from it, before decompression."""

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
        """Assign each record the bytes since the one before it, and the rest to the last one."""
        held, before = None, 0
        for record in records:
            if held is not None:
                yield held
            held, before = replace(record, n_bytes=self.position - before), self.position
        if held is not None:
            yield replace(held, n_bytes=held.n_bytes + self.position - before)
