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
        return (_annotated if reading.annotated else _text)(line, reading.column)

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


_SPANS = ("entities", "spans")
# Keys that only Prodigy writes, and its answers.
_KEYS = ("_input_hash", "_task_hash", "_session_id", "_annotator_id", "_view_id")
_ANSWERS = (ACCEPT, "reject", "ignore")
# Prodigy's interfaces for spans: the former for yes or no to what is shown, the latter to mark.
_BINARY, _MANUAL = ("ner", "spans"), ("ner_manual", "spans_manual")
_WHOLE_TEXT = {"label", "options"}  # keys for questions about a text as a whole


def is_answer(record: Any) -> bool:
    """Tell whether a JSON value is an annotator's answer in Prodigy."""
    return isinstance(record, dict) and (
        any(key in record for key in _KEYS) or record.get("answer") in _ANSWERS
    )


def has_spans(record: Any) -> bool:
    """Tell whether a JSON value has a span with start, end and label."""
    return isinstance(record, dict) and any(
        _is_span(each) for key in _SPANS if _is_list(record, key) for each in record[key]
    )


def may_have_spans(record: Any) -> bool:
    """Tell whether a JSON value has a text and a list for spans, which may be empty."""
    return has_text(record) and any(
        _is_list(record, key) and all(isinstance(each, list | dict) for each in record[key])
        for key in _SPANS
    )


def has_text(record: Any) -> bool:
    """Tell whether a JSON value has a string, under any key: users can name that of the text."""
    return isinstance(record, dict) and any(isinstance(each, str) for each in record.values())


def _is_span(value: Any) -> bool:
    match value:
        case [_, _, str()] | {"start": _, "end": _, "label": _}:
            return True
    return False


def annotation_of(record: Any, column: str) -> tuple[str, Annotation]:
    """Read an object with a text and either "entities" or "spans".

    An entity is [start, end, label], as in spaCy's training data, or an object with these keys, as
    in Prodigy. There, the annotator's answer may be about the record or about a single span. If the
    annotator could only accept or reject the spans that were shown ("_is_binary" or, in its
    absence, the interface), accepting them says nothing about the rest of the text, and rejecting a
    single span means that it is not an entity with that label. An answer about spans may lack
    "spans" if there are none.

    Args:
        record: A JSON value.
        column: The key of the text.

    Returns:
        The text and its annotation.

    Raises:
        AnnotationError: The value is not such an object.
    """
    if not isinstance(record, dict) or not isinstance(record.get(column), str):
        raise AnnotationError(Errors.RNN115.format(key=column, received=shown(record)))
    text, what = record[column], f"'{column}'"
    answer = record.get("answer", ACCEPT)
    if answer != ACCEPT:
        answer = answer if isinstance(answer, str) else repr(answer)
        return _refused(record, text, what, answer)
    found = [record[key] for key in _SPANS if _is_list(record, key)]
    if not found and _may_lack_spans(record):
        found = [[]]
    if len(found) != 1:
        keys = ", ".join(f"'{key}'" for key in _SPANS)
        raise AnnotationError(Errors.RNN117.format(keys=keys, found="both" if found else "none"))
    text = encodable(text, what)
    entities: list[EntitySpan] = []
    rejected: list[EntitySpan] = []
    for entity in found[0]:
        own = entity.get("answer", ACCEPT) if isinstance(entity, dict) else ACCEPT
        (entities if own == ACCEPT else rejected).append(_offsets(entity))
    ignored = ("relation",) * len(record["relations"] if _is_list(record, "relations") else ())
    annotation = Annotation(
        entities,
        rejected,
        complete=not _is_binary(record),
        annotator=_annotator(record),
        item=_item(record),
        ignored=ignored,
    )
    return text, annotation


def _refused(record: dict[str, Any], text: str, what: str, answer: str) -> tuple[str, Annotation]:
    """Read an answer other than acceptance, which says something about a single span at most."""
    spans = record["spans"] if _is_list(record, "spans") else []
    rejected = []
    if answer == "reject" and _is_binary(record) and len(spans) == 1:
        text, rejected = encodable(text, what), [_offsets(spans[0])]
    annotation = Annotation([], rejected, False, answer, _annotator(record), _item(record))
    return text if rejected else "", annotation


def _is_binary(record: dict[str, Any]) -> bool:
    """Tell whether an annotator could only say yes or no; without the key, by the interface."""
    own = record.get("_is_binary")
    return own if isinstance(own, bool) else record.get("_view_id") in _BINARY


def _may_lack_spans(record: dict[str, Any]) -> bool:
    """Tell an answer without spans from one to another question, which says nothing about them."""
    if not is_answer(record) or any(record.get(key) is not None for key in _SPANS):
        return False
    return record.get("_view_id") in (*_BINARY, *_MANUAL) or not record.keys() & _WHOLE_TEXT


def _annotated(line: str, column: str) -> Parsed:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise AnnotationError(Errors.RNN113.format(reason=error)) from None
    text, annotation = annotation_of(record, column)
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
