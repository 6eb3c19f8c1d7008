"""Parquet: one row per record."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from spacy.tokens import Doc

from ..errors import Errors, described
from ..io import printable
from . import storage
from .base import Format, Reading, Role
from .docs import row_of
from .jsonl import plain, take_text, to_json
from .record import Record

_BATCH = 1024  # rows


class Parquet(Format):
    """Columns. Entities are written nested, and a record's other values as JSON in "meta"."""

    name = "parquet"
    suffixes = (".parquet",)
    roles = frozenset({Role.TEXTS, Role.OUTPUT})
    compressed = False  # its columns are compressed

    def prepare(self) -> None:
        """Import pyarrow; without it, each record would fail."""
        import pyarrow.parquet  # noqa: F401

    def check(self, source: str, reading: Reading) -> None:
        """Check that the file is Parquet and has one column for the text."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with storage.open_binary(source) as file:
                names = pq.read_schema(file).names
        except (OSError, pa.ArrowException) as error:
            raise ValueError(Errors.RNN108.format(path=source, reason=error)) from None
        column, count = reading.column, names.count(reading.column)
        if count == 0:
            known = ", ".join(names)
            raise ValueError(Errors.RNN109.format(path=source, column=column, names=known))
        if count > 1:
            known = ", ".join(names)
            raise ValueError(Errors.RNN110.format(path=source, column=column, names=known))

    def records(self, source: str, reading: Reading) -> Iterator[Record]:
        """Read a record from each row."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with storage.open_binary(source) as opened, pq.ParquetFile(opened) as file:
                n_bytes, rest = divmod(storage.size(source), max(file.metadata.num_rows, 1))
                number = 0
                for batch in file.iter_batches(batch_size=_BATCH):
                    for row in _rows(batch):
                        number += 1
                        # The first row gets the remainder.
                        share = n_bytes + rest if number == 1 else n_bytes
                        yield replace(_record(source, number, row, reading.column), n_bytes=share)
        except (OSError, pa.ArrowException) as error:
            raise OSError(Errors.RNN108.format(path=source, reason=error)) from error

    def row(self, record: Record, doc: Doc) -> dict[str, Any]:
        """Build a row of the columns."""
        row = row_of(record, doc)
        return {**row, "meta": to_json(row["meta"])}

    def pack(self, rows: Sequence[dict[str, Any]]) -> bytes:
        """Write the rows as columns."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        entity = {
            "start": pa.int64(),
            "end": pa.int64(),
            "label": pa.string(),
            "text": pa.string(),
            "confidence": pa.float64(),
        }
        columns = {
            "source": pa.string(),
            "record": pa.int64(),
            "text": pa.string(),
            "entities": pa.list_(pa.struct(list(entity.items()))),
            "meta": pa.string(),
        }
        sink = pa.BufferOutputStream()
        table = pa.Table.from_pylist(list(rows), schema=pa.schema(list(columns.items())))
        pq.write_table(table, sink, compression="zstd")
        return bytes(sink.getvalue())


def _record(source: str, number: int, row: dict[str, Any] | Exception, column: str) -> Record:
    """Build a record from a row, or from the error if it can't be read."""
    name, raw = printable(source), None
    try:
        if isinstance(row, Exception):
            raise row
        if isinstance(text := row.get(column), bytes):
            raw = text
            row[column] = text.decode("utf-8")
        text = take_text(row, column)
        meta = plain(row)
    except Exception as error:
        return Record(name, number, "", _rest(row, column), described(error), raw)
    return Record(name, number, text, meta)


def _rest(row: dict[str, Any] | Exception, column: str) -> dict[str, Any]:
    """Return the other values of a row whose text can't be read."""
    if isinstance(row, Exception):
        return {}
    try:
        return plain({name: value for name, value in row.items() if name != column})
    except Exception:
        return {}


def _rows(batch: Any) -> Iterator[dict[str, Any] | Exception]:
    """Turn a batch into rows; if a value can't be converted, row by row."""
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
    """Turn a cell into a value; a string that is not UTF-8 becomes bytes."""
    import pyarrow as pa

    try:
        return cell.as_py()
    except Exception:
        if isinstance(cell, pa.StringScalar | pa.LargeStringScalar):
            return cell.as_buffer().to_pybytes()
        return cell.cast(pa.string()).as_py()  # nanoseconds, which Python's dates don't have
