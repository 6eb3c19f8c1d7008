"""Formats whose records are JSON objects: in an array, one per line, or one per file."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

from ..errors import Errors
from ..io import NotUTF8Error, not_utf8, printable, raw_content
from . import storage
from .base import Format, Reading
from .offsets import shown
from .record import Annotation, AnnotationError, Record
from .sample import is_pair


class Item(NamedTuple):
    """A JSON value in a file.

    Attributes:
        where: Its place, for messages.
        value: The value, or the error if it can't be read.
    """

    where: str
    value: Any


class Parsed(NamedTuple):
    """A record that was read from a JSON value.

    Attributes:
        text: The text.
        annotation: The annotation.
    """

    text: str
    annotation: Annotation


class JSONFormat(Format):
    """A format of annotated JSON records, each of which may have several annotations."""

    suffixes: ClassVar[tuple[str, ...]] = (".json", ".jsonl")

    def parse(self, value: Any, reading: Reading, item: str, shared: Any) -> Iterator[Parsed]:
        """Read a JSON value.

        Args:
            value: The value.
            reading: The settings.
            item: A name for the text, if the value has none of its own.
            shared: What `survey` returned for the file.

        Yields:
            The text with each of its annotations.

        Raises:
            AnnotationError: The value can't be read.
        """
        raise NotImplementedError

    def survey(self, source: str, values: Sequence[Any]) -> Any:
        """Collect from all values of a file what a single one may not show."""
        return source

    def records(self, source: str, reading: Reading) -> Iterator[Record]:
        """Read the records of a file, which is held in memory."""
        name, n_bytes = printable(source), storage.size(source)
        items = list(items_of(source))
        shared = self.survey(
            source, [each.value for each in items if not isinstance(each.value, AnnotationError)]
        )
        for number, (where, value) in enumerate(items, start=1):
            try:
                if isinstance(value, AnnotationError):
                    raise value
                for text, annotation in self.parse(value, reading, f"{name}, {where}", shared):
                    yield Record(
                        name, number, text, annotation=annotation, where=where, n_bytes=n_bytes
                    )
                    n_bytes = 0
            except AnnotationError as error:
                for problem in error.args:
                    yield Record(name, number, "", error=str(problem), where=where, n_bytes=n_bytes)
                    n_bytes = 0


def items_of(source: str) -> Iterator[Item]:
    """Read the JSON values of a file.

    Args:
        source: The file, a path or a URL.

    Yields:
        The elements of an array, the values of lines, or the file's only value.

    Raises:
        OSError: The file can't be read, or is damaged.
    """
    try:
        text = read_text(source)
    except NotUTF8Error as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        yield Item(f"line {line}", AnnotationError(not_utf8(error)))
        return
    if not text.strip():
        return
    lines = [(i, line) for i, line in enumerate(text.split("\n"), start=1) if line.strip()]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if _is_lines([line for _, line in lines]):
            yield from (Item(f"line {number}", _loaded(line)) for number, line in lines)
        else:
            line = getattr(error, "lineno", 1)
            yield Item(f"line {line}", AnnotationError(Errors.RNN113.format(reason=error)))
        return
    if isinstance(value, list) and not is_pair(value):
        yield from (Item(f"record {i}", each) for i, each in enumerate(value, start=1))
    else:
        yield Item(f"line {lines[0][0]}" if len(lines) == 1 else "record 1", value)


def _is_lines(lines: Sequence[str]) -> bool:
    """Tell JSON Lines with a malformed line from a malformed value that spans several lines."""
    starts = sum(line.lstrip()[0] in "{[" for line in lines[:3])
    return starts == len(lines[:3]) > 1 and any(_is_json(line) for line in lines[:3])


def _is_json(line: str) -> bool:
    return not isinstance(_loaded(line), AnnotationError)


def _loaded(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return AnnotationError(Errors.RNN113.format(reason=error))


def read_text(source: str) -> str:
    """Read a file in UTF-8, compressed or not, without its byte-order mark.

    Raises:
        NotUTF8Error: The file is not UTF-8.
        OSError: The file can't be read, or is damaged.
    """
    with storage.errors_named(source), storage.open_binary(source) as file:
        raw = raw_content(file, source)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotUTF8Error(printable(source), error) from None


def objects(value: Any, what: str) -> list[dict[str, Any]]:
    """Check a list of objects; null counts as an empty one.

    Args:
        value: The value.
        what: Its name in messages.

    Returns:
        The list.

    Raises:
        AnnotationError: The value is not such a list.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise AnnotationError(Errors.RNN119.format(what=what, received=shown(value)))
    return value
