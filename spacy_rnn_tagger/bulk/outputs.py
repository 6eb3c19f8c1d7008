"""How a shard is written: JSONL, Parquet, or spaCy's DocBin."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from spacy.tokens import DocBin

from . import storage
from .tagging import Tagged, entities_of

RECORD = "annotate"  # where a doc's user data says which record it is


def to_jsonl(tagged: Sequence[Tagged], keys: Sequence[str]) -> bytes:
    """Write an object a line: source, record, text, entities, and what else the record had."""
    return _lines([_row(each, keys) for each in tagged])


def to_parquet(tagged: Sequence[Tagged], keys: Sequence[str]) -> bytes:
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
    rows = [_row(each, keys) for each in tagged]
    for row in rows:
        row["meta"] = _json(row["meta"])
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(columns.items())))
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def to_docbin(tagged: Sequence[Tagged], keys: Sequence[str]) -> bytes:
    """Write the docs, with their span groups; `doc.user_data["annotate"]` says which record it is.

    User data that is the pipeline's own stays.
    """
    docs = DocBin(store_user_data=True)
    for each in tagged:
        if each.doc is not None:
            record = each.record
            meta = json.loads(_json(record.meta))
            where = {"source": record.source, "record": record.number, "meta": meta}
            each.doc.user_data[RECORD] = where
            docs.add(each.doc)
    return docs.to_bytes()


FORMS: dict[str, tuple[str, Callable[[Sequence[Tagged], Sequence[str]], bytes]]] = {
    "jsonl": (".jsonl", to_jsonl),
    "parquet": (".parquet", to_parquet),
    "docbin": (".spacy", to_docbin),
}


def write_shard(
    folder: str, name: str, form: str, tagged: Sequence[Tagged], keys: Sequence[str]
) -> None:
    """Write a shard and, before it, the records that failed: once it is there, all is there."""
    failed = [each for each in tagged if each.error is not None]
    if failed:
        rows = [
            {
                "source": each.record.source,
                "record": each.record.number,
                "error": each.error,
                "text": each.record.text,
                "meta": each.record.meta,
            }
            for each in failed
        ]
        storage.write(errors_path(folder, name), _lines(rows))
    done = [each for each in tagged if each.error is None]
    storage.write(shard_path(folder, name, form), FORMS[form][1](done, keys))


def shard_path(folder: str, name: str, form: str) -> str:
    """Name the file of a shard."""
    return storage.join(folder, f"part-{name}{FORMS[form][0]}")


def errors_path(folder: str, name: str) -> str:
    """Name the file of a shard's failed records."""
    return storage.join(folder, f"errors/part-{name}.jsonl")


def _row(tagged: Tagged, keys: Sequence[str]) -> dict[str, Any]:
    assert tagged.doc is not None
    return {
        "source": tagged.record.source,
        "record": tagged.record.number,
        "text": tagged.record.text,
        "entities": entities_of(tagged.doc, keys),
        "meta": tagged.record.meta,
    }


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(_json(row).encode() + b"\n" for row in rows)


def _json(value: Any) -> str:
    """Write JSON, with what it has no form for (dates, decimals, bytes) as a string."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON has as an escape only
        return json.dumps(value, default=str)
    return text
