"""Records of text from files: lines, JSON objects, rows of Parquet."""

import glob
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Record:
    """A text and where it comes from.

    source: its file, as it was found.
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


_Read: TypeAlias = Callable[[Path, str], Iterator[Record]]


def find_files(pattern: str, column: str = "text") -> list[Path]:
    """List the files of an input: a file, all that can be read below a folder, or a glob; sorted.

    column: of the text, that files with columns must have.

    RAISES FileNotFoundError: there is none.
    RAISES ValueError: a file that is named, or found by the glob, is of no form that is known, or
        Parquet that can't be read or lacks the column.
    """
    files = sorted(_named_files(pattern))
    for file in files:
        if file.suffix == ".parquet":
            _check_column(file, column)
    return files


def _named_files(pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.suffix in _FORMS and file.is_file()]
        if not files:
            raise FileNotFoundError(f"No file {_KNOWN} in {path} or below it.")
        return files
    if path.is_file():
        files = [path]
    else:
        names = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path's can't begin with "/"
        files = [Path(name) for name in names if Path(name).is_file()]
    if not files:
        raise FileNotFoundError(f"No file, folder or glob '{pattern}'.")
    unknown = sorted(str(file) for file in files if file.suffix not in _FORMS)
    if unknown:
        raise ValueError(f"Of no known form ({_KNOWN}): {', '.join(unknown)}.")
    return files


def read_records(path: Path, column: str, *, whole: bool = False) -> Iterator[Record]:
    """Read the records of a file; one that can't be read has an error in the place of its text.

    column: the key or column of the text, in JSONL and Parquet.
    whole: a text file is one record, and not each of its lines.

    RAISES OSError, ValueError: the file as such can't be read.
    """
    if whole and path.suffix == ".txt":
        return iter([_decoded(str(path), 1, path.read_bytes(), lambda text: (text, {}))])
    return _FORMS[path.suffix](path, column)


def _read_lines(path: Path, parse: Callable[[str], tuple[str, dict[str, Any]]]) -> Iterator[Record]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _decoded(str(path), number, line, parse)


def _decoded(
    source: str, number: int, raw: bytes, parse: Callable[[str], tuple[str, dict[str, Any]]]
) -> Record:
    try:
        text, meta = parse(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return Record(source, number, "", error=_told(error), n_bytes=len(raw))
    return Record(source, number, text, meta, n_bytes=len(raw))


def _read_text(path: Path, column: str) -> Iterator[Record]:
    return _read_lines(path, lambda line: (line.rstrip("\r\n"), {}))


def _read_jsonl(path: Path, column: str) -> Iterator[Record]:
    def parse(line: str) -> tuple[str, dict[str, Any]]:
        record = json.loads(line)
        if not isinstance(record, dict):
            raise ValueError("it is no JSON object")
        return _text_of(record, column)

    return _read_lines(path, parse)


def _text_of(record: dict[str, Any], column: str) -> tuple[str, dict[str, Any]]:
    text = record.pop(column, None)
    if not isinstance(text, str):
        raise ValueError(f"'{column}' is no string, or is not there")
    return text, record


def _check_column(path: Path, column: str) -> None:
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if column not in names:
        raise ValueError(f"{path} has no column '{column}', but {', '.join(names)}.")


def _read_parquet(path: Path, column: str) -> Iterator[Record]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        n_bytes = path.stat().st_size // max(file.metadata.num_rows, 1)
        number = 0
        for batch in file.iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                number += 1
                try:
                    text, meta = _text_of(row, column)
                except ValueError as error:
                    yield Record(str(path), number, "", error=_told(error), n_bytes=n_bytes)
                else:
                    yield Record(str(path), number, text, meta, n_bytes=n_bytes)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


_FORMS: dict[str, Callable[[Path, str], Iterator[Record]]] = {
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
    files: Iterable[Path], size: int, column: str, *, whole: bool = False
) -> Iterator[Shard]:
    """Part the records of files into shards, always the same ones.

    size: records of a shard at most; fewer where texts are long.
    """
    for number, path in enumerate(files):
        shard = count = characters = 0

        def place(record: Record) -> int:
            nonlocal shard, count, characters
            if count == size or (count and characters + len(record.text) > _LONG):
                shard, count, characters = shard + 1, 0, 0
            count, characters = count + 1, characters + len(record.text)
            return shard

        for part, records in groupby(read_records(path, column, whole=whole), place):
            yield Shard(f"{number:05d}-{part:05d}", list(records))
