"""JSON Lines: one object per line, with offsets as in spaCy's training data or as in Prodigy."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from spacy.tokens import Doc

from ..errors import Errors
from ..types import EntitySpan
from .base import Reading, Role
from .docs import row_of
from .lines import LineFormat, Parsed
from .offsets import encodable, entity_span, shown
from .record import ACCEPT, Annotation, AnnotationError, Record
from .sample import Sample


class JSONL(LineFormat):
    """`{"text": "Red Fort is in Delhi.", "entities": [[0, 8, "FAC"], [15, 20, "GPE"]]}`."""

    name = "jsonl"
    suffixes = (".jsonl",)
    roles = frozenset({Role.TEXTS, Role.ANNOTATED, Role.OUTPUT})

    def split_cr(self, reading: Reading) -> bool:
        """Split annotation at carriage returns, but not texts: JSON takes them for whitespace."""
        return reading.annotated

    def recognises(self, sample: Sample) -> bool | None:
        """Recognise the keys. What no other format recognises is read as this one, and refused."""
        if sample.text.lstrip().startswith("["):
            return False
        own = any(has_spans(each) and not is_answer(each) for each in sample.items)
        if any(is_answer(each) for each in sample.items):
            return None
        return True if own and sample.suffix != ".json" else None

    def parse(self, line: str, reading: Reading) -> Parsed:
        """Read an object with its annotation, or with all its values besides the text."""
        return _annotated(line) if reading.annotated else _text(line, reading.column)

    def row(self, record: Record, doc: Doc) -> bytes:
        """Write an object: source, record, text, entities, and the record's other values."""
        return to_json(row_of(record, doc)).encode() + b"\n"

    def pack(self, rows: Sequence[bytes]) -> bytes:
        """Join the lines."""
        return b"".join(rows)


def _text(line: str, column: str) -> Parsed:
    record = json.loads(line, object_pairs_hook=_without_repeats)
    if not isinstance(record, dict):
        raise ValueError(Errors.RNN114.format(received=shown(record)))
    return take_text(record, column), plain(record), None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):  # all but the last value would be lost
        [(key, count)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(Errors.RNN116.format(key=key, count=count))
    return record


def take_text(record: dict[str, Any], column: str) -> str:
    """Take the text out of a record.

    Args:
        record: Names and values; the text is removed.
        column: The name of the text.

    Returns:
        The text.

    Raises:
        ValueError: The record has no text.
    """
    if not isinstance(text := record.get(column), str):
        raise ValueError(Errors.RNN115.format(key=column, received=shown(record)))
    del record[column]
    return text


def plain(value: Any) -> Any:
    """Turn values that JSON lacks (NaN, dates, decimals) into strings."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else json.dumps(value)
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return str(value)


def to_json(value: Any) -> str:
    """Write JSON that other programs can read.

    Args:
        value: A value that JSON can hold.

    Returns:
        A line.

    Raises:
        ValueError: A number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can only write as an escape
        return json.dumps(value, allow_nan=False)
    return text


# Keys for answers that only Prodigy writes.
_ANSWER = ("answer", "_input_hash", "_task_hash", "_session_id", "_annotator_id", "_view_id")
_BINARY_VIEW = "ner"  # Prodigy's interface for yes or no; the other one is "ner_manual"


def is_answer(record: Any) -> bool:
    """Tell whether a JSON value is an annotator's answer in Prodigy."""
    return (
        isinstance(record, dict)
        and isinstance(record.get("text"), str)
        and any(key in record for key in _ANSWER)
    )


def has_spans(record: Any) -> bool:
    """Tell whether a JSON value has a text and a list of spans with start, end and label."""
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        return False
    found = [record[key] for key in ("entities", "spans") if isinstance(record.get(key), list)]
    return any(
        not any(isinstance(each, dict) and "start_offset" in each for each in spans)
        for spans in found
    )


def annotation_of(record: Any) -> tuple[str, Annotation]:
    """Read an object with "text" and either "entities" or "spans".

    An entity is [start, end, label], as in spaCy's training data, or an object with these keys, as
    in Prodigy. There, the annotator's answer may be about the record or about a single span. If the
    annotator could only accept or reject the spans that were shown ("_is_binary"), accepting them
    says nothing about the rest of the text, and rejecting a single span means that it is not an
    entity with that label.

    Args:
        record: A JSON value.

    Returns:
        The text and its annotation.

    Raises:
        AnnotationError: The value is not such an object.
    """
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise AnnotationError(Errors.RNN115.format(key="text", received=shown(record)))
    text = record["text"]
    answer = record.get("answer", ACCEPT)
    if answer != ACCEPT:
        answer = answer if isinstance(answer, str) else repr(answer)
        return _refused(record, text, answer)
    found = [record[key] for key in ("entities", "spans") if isinstance(record.get(key), list)]
    if len(found) != 1:
        keys = "'entities', 'spans'"
        raise AnnotationError(Errors.RNN117.format(keys=keys, found="both" if found else "none"))
    text = encodable(text, "'text'")
    entities: list[EntitySpan] = []
    rejected: list[EntitySpan] = []
    for entity in found[0]:
        own = entity.get("answer", ACCEPT) if isinstance(entity, dict) else ACCEPT
        (entities if own == ACCEPT else rejected).append(_offsets(entity))
    complete = record.get("_is_binary") is not True
    ignored = ("relation",) * len(record["relations"] if _is_list(record, "relations") else ())
    annotation = Annotation(
        entities,
        rejected,
        complete,
        annotator=_annotator(record),
        item=_item(record),
        ignored=ignored,
    )
    return text, annotation


def _refused(record: dict[str, Any], text: str, answer: str) -> tuple[str, Annotation]:
    """Read an answer other than acceptance, which says something about a single span at most."""
    spans = record["spans"] if _is_list(record, "spans") else []
    binary = record.get("_is_binary") is True or record.get("_view_id") == _BINARY_VIEW
    rejected = []
    if answer == "reject" and binary and len(spans) == 1:
        text, rejected = encodable(text, "'text'"), [_offsets(spans[0])]
    annotation = Annotation([], rejected, False, answer, _annotator(record), _item(record))
    return text if rejected else "", annotation


def _annotated(line: str) -> Parsed:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise AnnotationError(Errors.RNN113.format(reason=error)) from None
    text, annotation = annotation_of(record)
    return text, {}, annotation


def _is_list(record: dict[str, Any], key: str) -> bool:
    return isinstance(record.get(key), list)


def _annotator(record: dict[str, Any]) -> str | None:
    names = (record.get(key) for key in ("_annotator_id", "_session_id"))
    return next((name for name in names if isinstance(name, str) and name), None)


def _item(record: dict[str, Any]) -> str | None:
    number = record.get("_input_hash")
    return f"input {number}" if isinstance(number, int) else None


def _offsets(entity: Any) -> EntitySpan:
    values = entity
    if isinstance(entity, dict):
        values = [entity.get(key) for key in ("start", "end", "label")]
    return entity_span(values, entity)
