"""The beginning of a file, by which formats recognise their own files."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import Errors
from ..io import decompressed, raw_content, suffix_of
from . import storage

_HEAD = 1 << 20  # bytes
_ITEMS = 50
_BOM = b"\xef\xbb\xbf"
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True)
class Sample:
    """The beginning of a file.

    Attributes:
        name: The file's name.
        raw: The first bytes, decompressed, without a byte-order mark.
        whole: Whether that is the whole file.
    """

    name: str
    raw: bytes
    whole: bool

    @classmethod
    def of(cls, name: str) -> "Sample":
        """Read the beginning of a file.

        Raises:
            OSError: The file can't be read, or is damaged.
        """
        with storage.errors_named(name), storage.open_binary(name) as file:
            try:
                raw = decompressed(file, name).read(_HEAD + 1)
            except (EOFError, OSError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                raise OSError(Errors.RNN201.format(name=name, reason=error)) from error
        return cls(name, raw[:_HEAD].removeprefix(_BOM), len(raw) <= _HEAD)

    @property
    def suffix(self) -> str:
        """The suffix of the file's name, without that of a compressed file."""
        return suffix_of(self.name)

    @property
    def has_json_lines(self) -> bool:
        """Whether the file has JSON objects, and its suffix doesn't say that it is one value."""
        return self.suffix != ".json" and self.text.lstrip().startswith("{")

    @cached_property
    def text(self) -> str:
        """The beginning as text; bytes that are not UTF-8 are replaced."""
        return self.raw.decode("utf-8", "replace")

    @cached_property
    def lines(self) -> list[str]:
        """The complete lines of the beginning."""
        lines = self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return lines if self.whole else lines[:-1]

    @cached_property
    def items(self) -> list[Any]:
        """The first values in a JSON array or in JSON Lines; none if the file has no JSON."""
        found = list(_items(self.text))
        if found or self.whole or not self.text.lstrip().startswith(("{", "[{", "[[")):
            return found
        with storage.errors_named(self.name), storage.open_binary(self.name) as file:
            return list(_items(raw_content(file, self.name).decode("utf-8", "replace")))

    def has_file(self, name: str) -> bool:
        """Tell whether a file of another name exists."""
        return storage.is_file(name)


def is_pair(value: Any) -> bool:
    """Tell spaCy's `[text, {"entities": ...}]`, which is one record, from a list of records."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], dict)
    )


def _items(text: str) -> Iterator[Any]:
    """Read JSON values up to the first one that is malformed or cut off."""
    decoder = json.JSONDecoder()
    at, found = _skip(text, 0), 0
    while at < len(text) and text[at] in "{[" and found < _ITEMS:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            if text[at] == "[" and not found:
                yield from _elements(text, at + 1, decoder)
            return
        for each in value if isinstance(value, list) and not is_pair(value) else [value]:
            if found < _ITEMS:
                yield each
            found += 1
        at = _skip(text, end)


def _elements(text: str, at: int, decoder: json.JSONDecoder) -> Iterator[Any]:
    """Read the first elements of an array that is cut off."""
    for _ in range(_ITEMS):
        try:
            value, end = decoder.raw_decode(text, _skip(text, at))
        except (ValueError, RecursionError):
            return
        yield value
        at = _skip(text, end)
        if not text.startswith(",", at):
            return
        at += 1


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
