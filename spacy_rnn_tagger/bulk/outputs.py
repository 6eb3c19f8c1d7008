"""How a shard is written: JSONL, Parquet, or spaCy's DocBin."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spacy.tokens import DocBin

from . import storage
from .tagging import Tagged, entities_of

RECORD = "annotate"  # where a doc's user data says which record it is


@dataclass(frozen=True)
class Form:
    """A form of output.

    Attributes:
        suffix: Of its files.
        row: Turns what came of a record into what stands for it in a file.
        pack: Turns these into a file's content.
    """

    suffix: str
    row: Callable[[Tagged], Any]
    pack: Callable[[list[Any]], bytes]


def _row(tagged: Tagged) -> dict[str, Any]:
    """Build an object: source, record, text, entities, and what else the record had."""
    assert tagged.doc is not None
    return {
        "source": tagged.record.source,
        "record": tagged.record.number,
        "text": tagged.doc.text,  # to which the offsets belong; some tokenizers change the text
        "entities": entities_of(tagged.doc),
        "meta": tagged.record.meta,
    }


def _line(tagged: Tagged) -> bytes:
    return _json(_row(tagged)).encode() + b"\n"


def _parquet_row(tagged: Tagged) -> dict[str, Any]:
    row = _row(tagged)
    return {**row, "meta": _json(row["meta"])}


def _to_parquet(rows: list[dict[str, Any]]) -> bytes:
    """Write the same as columns; what else the record had is JSON in the column "meta"."""
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
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(columns.items())))
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def _to_docbin(tagged: list[Tagged]) -> bytes:
    """Write the docs, with their span groups; `doc.user_data["annotate"]` says which record it is.

    User data that is the pipeline's own stays.
    """
    docs = DocBin(store_user_data=True)
    for each in tagged:
        assert each.doc is not None
        record = each.record
        where = {"source": record.source, "record": record.number, "meta": record.meta}
        each.doc.user_data[RECORD] = where
        docs.add(each.doc)
    return docs.to_bytes()


FORMS = {
    "jsonl": Form(".jsonl", _line, b"".join),
    "parquet": Form(".parquet", _parquet_row, _to_parquet),
    "docbin": Form(".spacy", lambda tagged: tagged, _to_docbin),
}


def write_shard(folder: str, name: str, form: str, tagged: Sequence[Tagged]) -> None:
    """Write a shard and, before it, the records that failed: once it is there, all is there.

    Args:
        folder: For the shards.
        name: The shard's.
        form: A key of `FORMS`.
        tagged: What came of its records. Those that can't be written are marked as failed.

    Raises:
        OSError: A file can't be written.
    """
    content = _packed(FORMS[form], tagged)
    errors = storage.join(folder, errors_name(name))
    if failed := [each for each in tagged if each.error is not None]:
        storage.write(errors, b"".join(map(_error_line, failed)))
    else:
        storage.remove(errors)  # of a run that was killed before it wrote the shard
    storage.write(storage.join(folder, shard_name(name, form)), content)


def shard_name(name: str, form: str) -> str:
    """Name the file of a shard."""
    return f"part-{name}{FORMS[form].suffix}"


def errors_name(name: str) -> str:
    """Name the file of a shard's failed records."""
    return f"errors/part-{name}.jsonl"


def _packed(form: Form, tagged: Sequence[Tagged]) -> bytes:
    """Turn what came of records into a file's content, without those for which that fails."""
    rows: list[tuple[Tagged, Any]] = []
    for each in tagged:
        if each.error is None:
            try:
                rows.append((each, form.row(each)))
            except Exception as error:
                each.fail(error)
    try:
        return form.pack([row for _, row in rows])
    except Exception:
        for each, row in rows:
            try:
                form.pack([row])
            except Exception as error:
                each.fail(error)
    return form.pack([row for each, row in rows if each.error is None])


def _error_line(tagged: Tagged) -> bytes:
    record = tagged.record
    row = {
        "source": record.source,
        "record": record.number,
        "error": tagged.error,
        "text": record.text,
        "meta": record.meta,
    }
    if record.raw is not None:
        try:
            row["raw"] = record.raw.decode("utf-8")
        except UnicodeDecodeError:
            row["raw_base64"] = base64.b64encode(record.raw).decode()
    return _json(row).encode() + b"\n"


def _json(value: Any) -> str:
    """Write JSON that other programs read: numbers that it doesn't have are refused.

    Raises:
        ValueError: A number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON has as an escape only
        return json.dumps(value, allow_nan=False)
    return text
