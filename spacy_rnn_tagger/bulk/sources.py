"""Records of text from files: lines, JSON objects, rows of Parquet."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from ..errors import described
from . import storage


@dataclass(frozen=True)
class Record:
    """A text and where it comes from.

    source: its file, a path or a URL.
    number: of its line or row, from 1.
    text: empty where it could not be read.
    meta: what else the record has.
    error: why it could not be read.
    n_bytes: how much of the file it takes.
    """

    source: str
    number: int
    text: str
    meta: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    n_bytes: int = 0


_Read: TypeAlias = Callable[[str, str], Iterator[Record]]


def find_files(pattern: str, column: str = "text") -> list[str]:
    """List the files of an input: a file, all that can be read below a folder, or a glob; sorted.

    pattern: a path or a URL.
    column: of the text, that files with columns must have.

    RAISES FileNotFoundError: there is none.
    RAISES ValueError: a file that is named, or found by the glob, is of no form that is known, or
        Parquet that can't be read or lacks the column.
    """
    files = storage.find(pattern)
    unknown = [file for file in files if _form(file) is None]
    if storage.is_folder(pattern):
        files = [file for file in files if _form(file) is not None]
    elif unknown:
        raise ValueError(f"Of no known form ({_KNOWN}): {', '.join(unknown)}.")
    if not files:
        raise FileNotFoundError(f"No file, folder or glob '{pattern}' with files {_KNOWN}.")
    for file in files:
        if file.endswith(".parquet"):
            _check_column(file, column)
    return files


def _form(name: str) -> "_Read | None":
    return _FORMS.get(PurePosixPath(name).suffix)


def read_records(name: str, column: str, *, whole: bool = False) -> Iterator[Record]:
    """Read the records of a file; one that can't be read has an error in the place of its text.

    column: the key or column of the text, in JSONL and Parquet.
    whole: a text file is one record, and not each of its lines.

    RAISES OSError, ValueError: the file as such can't be read.
    """
    if whole and name.endswith(".txt"):
        return iter([_decoded(name, 1, storage.read(name), lambda text: (text, {}))])
    form = _form(name)
    assert form is not None  # `find_files` finds no others
    return form(name, column)


def _read_lines(name: str, parse: Callable[[str], tuple[str, dict[str, Any]]]) -> Iterator[Record]:
    with storage.open_binary(name) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _decoded(name, number, line, parse)


def _decoded(
    source: str, number: int, raw: bytes, parse: Callable[[str], tuple[str, dict[str, Any]]]
) -> Record:
    try:
        text, meta = parse(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return Record(source, number, "", error=described(error), n_bytes=len(raw))
    return Record(source, number, text, meta, n_bytes=len(raw))


def _read_text(name: str, column: str) -> Iterator[Record]:
    return _read_lines(name, lambda line: (line.rstrip("\r\n"), {}))


def _read_jsonl(name: str, column: str) -> Iterator[Record]:
    def parse(line: str) -> tuple[str, dict[str, Any]]:
        record = json.loads(line)
        if not isinstance(record, dict):
            raise ValueError("it is no JSON object")
        return _text_of(record, column)

    return _read_lines(name, parse)


def _text_of(record: dict[str, Any], column: str) -> tuple[str, dict[str, Any]]:
    text = record.pop(column, None)
    if not isinstance(text, str):
        raise ValueError(f"'{column}' is no string, or is not there")
    return text, record


def _check_column(name: str, column: str) -> None:
    import pyarrow.parquet as pq

    try:
        with storage.open_binary(name) as file:
            names = pq.read_schema(file).names
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if column not in names:
        raise ValueError(f"{name} has no column '{column}', but {', '.join(names)}.")


def _read_parquet(name: str, column: str) -> Iterator[Record]:
    import pyarrow.parquet as pq

    with storage.open_binary(name) as opened, pq.ParquetFile(opened) as file:
        n_bytes = storage.size(name) // max(file.metadata.num_rows, 1)
        number = 0
        for batch in file.iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                number += 1
                try:
                    text, meta = _text_of(row, column)
                except ValueError as error:
                    yield Record(name, number, "", error=described(error), n_bytes=n_bytes)
                else:
                    yield Record(name, number, text, meta, n_bytes=n_bytes)


_FORMS: dict[str, _Read] = {
    ".txt": _read_text,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}
_KNOWN = ", ".join(f"*{suffix}" for suffix in _FORMS)
# Characters of a shard's texts, after which it is closed.
_LONG = 1 << 23


@dataclass(frozen=True)
class Shard:
    """Records that are tagged and written together, all of one file.

    name: by the numbers of the file and of the shard in it.
    records: in their order.
    """

    name: str
    records: list[Record]

    def __str__(self) -> str:
        first, last = self.records[0], self.records[-1]
        return f"{first.source}, records {first.number} to {last.number}"

    @property
    def n_bytes(self) -> int:
        """How much of the input the shard takes."""
        return sum(record.n_bytes for record in self.records)


def in_shards(
    number: int, name: str, size: int, column: str, *, whole: bool = False
) -> Iterator[Shard]:
    """Part the records of a file into shards, always the same ones.

    number: of the file among all.
    size: records of a shard at most; fewer where texts are long.
    """
    shard = count = characters = 0

    def place(record: Record) -> int:
        nonlocal shard, count, characters
        if count == size or (count and characters + len(record.text) > _LONG):
            shard, count, characters = shard + 1, 0, 0
        count, characters = count + 1, characters + len(record.text)
        return shard

    for part, records in groupby(read_records(name, column, whole=whole), place):
        yield Shard(f"{number:05d}-{part:05d}", list(records))
