"""Records of text from files: lines, JSON objects, rows of Parquet."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import PurePosixPath
from typing import IO, Any, TypeAlias, cast

from ..errors import described
from ..io import is_compressed, raw_lines, suffix_of
from . import storage

MANIFEST = "annotate.json"  # is in every output folder


@dataclass(frozen=True)
class Record:
    """A text and where it comes from.

    Attributes:
        source: Its file, a path or a URL.
        number: Of its line or row, from 1.
        text: Empty if it can't be read.
        meta: What else the record has, as JSON can hold it.
        error: Why it can't be read.
        raw: What can't be read, without its line end.
        n_bytes: How much of the file it takes.
    """

    source: str
    number: int
    text: str
    meta: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    raw: bytes | None = None
    n_bytes: int = 0


_Read: TypeAlias = Callable[[str, str], Iterator[Record]]
_Parse: TypeAlias = Callable[[str], tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Inputs:
    """The files of an input.

    Attributes:
        files: Those to be read, sorted.
        skipped: Those in a folder that are of no known form, or in output folders of `annotate`.
    """

    files: list[str]
    skipped: list[str]

    def describe_skipped(self, shown: int = 3) -> str:
        """Name the first files that are skipped, and count all of them by suffix."""
        suffixes = Counter(PurePosixPath(_shown(n)).suffix or "no suffix" for n in self.skipped)
        counts = ", ".join(f"{n:,} {suffix}" for suffix, n in suffixes.most_common())
        names = ", ".join(map(_shown, self.skipped[:shown]))
        n, more = len(self.skipped), ", ..." if len(self.skipped) > shown else ""
        return f"Skipped {n:,} file{'' if n == 1 else 's'} ({counts}): {names}{more}"


def find_inputs(pattern: str, column: str = "text", output: str | None = None) -> Inputs:
    """List the files of an input: a file, all that can be read below a folder, or a glob.

    Args:
        pattern: A path or a URL.
        column: The column of the text, which Parquet must have.
        output: A folder whose files are no input, even if it is below the input.

    Raises:
        FileNotFoundError: There is none.
        ValueError: A file that is named, or found by the glob, is of no known form, or Parquet
            that can't be read or lacks the column.
    """
    found = storage.find(pattern)
    if output is not None:
        # Where nothing else is left, the output is not below the input; `Job.begin` refuses it.
        found = [name for name in found if not storage.is_below(name, output)] or found
    skipped: list[str] = []
    if storage.is_folder(pattern):
        outputs = _outputs_below(pattern, found)
        skipped = [n for n in found if _form(n) is None or n.startswith(outputs)]
        skip = set(skipped)
        found = [name for name in found if name not in skip]
    elif unknown := [name for name in found if _form(name) is None]:
        raise ValueError(f"Of no known form ({_KNOWN}): {', '.join(unknown)}.")
    if not found:
        raise FileNotFoundError(f"No file, folder or glob '{pattern}' with files {_KNOWN}.")
    for name in found:
        if suffix_of(name) == ".parquet":
            _check_column(name, column)
    return Inputs(found, skipped)


def _outputs_below(folder: str, names: Iterable[str]) -> tuple[str, ...]:
    """List how the names of files begin that other runs have written somewhere below a folder."""
    ends = f"/{MANIFEST}", f"\\{MANIFEST}"
    own = storage.address(storage.join(folder, MANIFEST))
    manifests = (name for name in names if name.endswith(ends) and storage.address(name) != own)
    return tuple(name[: -len(MANIFEST)] for name in manifests)


def _form(name: str) -> "_Read | None":
    suffix = suffix_of(name)
    return None if suffix == ".parquet" and is_compressed(name) else _FORMS.get(suffix)


def read_records(name: str, column: str, *, whole: bool = False) -> Iterator[Record]:
    """Read the records of a file; one that can't be read has an error and no text.

    Args:
        name: The file.
        column: The key or column of the text, in JSONL and Parquet.
        whole: Whether a text file is one record, and not each of its lines.

    Yields:
        The records in their order. Their sizes add up to the file's.

    Raises:
        OSError, ValueError: The file as such can't be read.
    """
    form = _read_whole if whole and suffix_of(name) == ".txt" else _form(name)
    assert form is not None  # `find_inputs` finds no others
    with storage.errors_named(name):
        yield from form(name, column)


class _Metered:
    """An open file that counts the bytes that are read of it, compressed if it is."""

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

    def lines(self, name: str) -> Iterator[bytes]:
        return raw_lines(cast(IO[bytes], self), name)

    def share_out(self, records: Iterable[Record]) -> Iterator[Record]:
        """Give each record the bytes since the one before it, and the last one the rest."""
        held, before = None, 0
        for record in records:
            if held is not None:
                yield held
            held, before = replace(record, n_bytes=self.position - before), self.position
        if held is not None:
            yield replace(held, n_bytes=held.n_bytes + self.position - before)


def _read_whole(name: str, column: str) -> Iterator[Record]:
    with storage.open_binary(name) as opened:
        file = _Metered(opened)
        raw = b"".join(file.lines(name))
        yield replace(_decoded(name, 1, raw, lambda text: (text, {})), n_bytes=file.position)


def _read_lines(name: str, parse: _Parse, *, split: bytes | None = None) -> Iterator[Record]:
    """Read a record from each line that is not blank.

    Args:
        name: The file.
        parse: What makes a text of a line, and what else there is.
        split: What else ends a line.
    """

    def records() -> Iterator[Record]:
        number = 0
        for raw in file.lines(name):
            whole = raw.removesuffix(b"\n").removesuffix(b"\r")
            for line in whole.split(split) if split else [whole]:
                number += 1
                if line.strip():
                    yield _decoded(name, number, line, parse)

    with storage.open_binary(name) as opened:
        file = _Metered(opened)
        yield from file.share_out(records())


def _decoded(name: str, number: int, raw: bytes, parse: _Parse) -> Record:
    try:
        text, meta = parse(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        return Record(_shown(name), number, "", error=described(error), raw=raw)
    return Record(_shown(name), number, text, meta)


def _shown(name: str) -> str:
    """Return a file's name as it can be written; names on a disk need not be UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _read_text(name: str, column: str) -> Iterator[Record]:
    return _read_lines(name, lambda line: (line, {}), split=b"\r")


def _read_jsonl(name: str, column: str) -> Iterator[Record]:
    def parse(line: str) -> tuple[str, dict[str, Any]]:
        record = json.loads(line, object_pairs_hook=_without_repeats)
        if not isinstance(record, dict):
            raise ValueError("it is no JSON object")
        return _text_of(record, column), _plain(record)

    return _read_lines(name, parse)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):  # all but the last value would be lost
        names = Counter(name for name, _ in pairs)
        raise ValueError(f"the key '{names.most_common(1)[0][0]}' is there more than once")
    return record


def _text_of(record: dict[str, Any], column: str) -> str:
    """Take the text out of a record.

    Raises:
        ValueError: There is none.
    """
    if not isinstance(text := record.get(column), str):
        raise ValueError(f"'{column}' is no string, or is not there")
    del record[column]
    return text


def _plain(value: Any) -> Any:
    """Return what JSON can hold: what it has no form for (NaN, dates, decimals) as a string."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else json.dumps(value)
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value)


def _check_column(name: str, column: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with storage.open_binary(name) as file:
            names = pq.read_schema(file).names
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{name}: {error}") from None
    if names.count(column) != 1:
        many = "no column" if column not in names else "more than one column"
        raise ValueError(f"{name} has {many} '{column}', but {', '.join(names)}.")


def _read_parquet(name: str, column: str) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with storage.open_binary(name) as opened, pq.ParquetFile(opened) as file:
            n_bytes, rest = divmod(storage.size(name), max(file.metadata.num_rows, 1))
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for row in _rows(batch):
                    number += 1
                    # What doesn't divide is the first row's.
                    share = n_bytes + rest if number == 1 else n_bytes
                    yield replace(_record(name, number, row, column), n_bytes=share)
    except (OSError, pa.ArrowException) as error:
        raise OSError(f"{name} is damaged: {error}") from error


def _record(name: str, number: int, row: dict[str, Any] | Exception, column: str) -> Record:
    """Make a record of a row of Parquet, or of why it can't be read."""
    name, raw, meta = _shown(name), None, {}
    try:
        if isinstance(row, Exception):
            raise row
        if isinstance(text := row.get(column), bytes):
            raw = text
            row[column] = text.decode("utf-8")
        text = _text_of(row, column)
        meta = _plain(row)
    except Exception as error:
        return Record(name, number, "", _rest(row, column), described(error), raw)
    return Record(name, number, text, meta)


def _rest(row: dict[str, Any] | Exception, column: str) -> dict[str, Any]:
    """Return what a row of Parquet has beside a text that can't be read."""
    if isinstance(row, Exception):
        return {}
    try:
        return _plain({name: value for name, value in row.items() if name != column})
    except Exception:
        return {}


def _rows(batch: Any) -> Iterator[dict[str, Any] | Exception]:
    """Turn a batch of Parquet into rows; where a value can't be turned, row by row."""
    try:
        rows = batch.to_pylist()
    except Exception:
        rows = (_row(batch, i) for i in range(batch.num_rows))
    yield from rows


def _row(batch: Any, i: int) -> dict[str, Any] | Exception:
    try:
        return {name: _value(batch.column(name)[i]) for name in batch.schema.names}
    except Exception as error:
        return error


def _value(cell: Any) -> Any:
    """Turn a cell of Parquet into a value: a string that is not UTF-8 into bytes."""
    import pyarrow as pa

    try:
        return cell.as_py()
    except Exception:
        if isinstance(cell, pa.StringScalar | pa.LargeStringScalar):
            return cell.as_buffer().to_pybytes()
        return cell.cast(pa.string()).as_py()  # nanoseconds, which Python's dates don't have


_FORMS: dict[str, _Read] = {
    ".txt": _read_text,
    ".jsonl": _read_jsonl,
    ".parquet": _read_parquet,
}
_KNOWN = "*.txt, *.jsonl, both also with .gz, *.parquet"
# Characters of a shard's texts, after which it is closed.
_LONG = 1 << 23


@dataclass(frozen=True)
class Shard:
    """Records that are tagged and written together, all of one file.

    Attributes:
        name: By the numbers of the file and of the shard in it.
        records: In their order.
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

    Args:
        number: Of the file among all.
        name: The file.
        size: Records of a shard at most; fewer where texts are long.
        column: The key or column of the text.
        whole: Whether a text file is one record.

    Yields:
        The shards in their order.

    Raises:
        OSError, ValueError: The file as such can't be read.
    """
    shard = count = characters = 0

    def place(record: Record) -> int:
        nonlocal shard, count, characters
        length = len(record.text) + len(record.raw or b"")
        if count == size or (count and characters + length > _LONG):
            shard, count, characters = shard + 1, 0, 0
        count, characters = count + 1, characters + length
        return shard

    for part, records in groupby(read_records(name, column, whole=whole), place):
        yield Shard(f"{number:05d}-{part:05d}", list(records))
