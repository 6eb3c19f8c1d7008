"""JSON Lines: an object a line. Offsets as in spaCy's training data, or as Prodigy writes them."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from spacy.tokens import Doc

from ..errors import excerpt
from ..types import EntitySpan
from .base import Reading, Role
from .docs import row_of
from .lines import LineFormat, Parsed
from .record import ACCEPT, Annotation, AnnotationError, Record


class JSONL(LineFormat):
    """`{"text": "Red Fort is in Delhi.", "entities": [[0, 8, "FAC"], [15, 20, "GPE"]]}`."""

    name = "jsonl"
    suffixes = (".jsonl",)
    roles = frozenset({Role.TEXTS, Role.ANNOTATED, Role.OUTPUT})

    def split_cr(self, reading: Reading) -> bool:
        """Split annotation at carriage returns; texts not, since JSON takes them for whitespace."""
        return reading.annotated

    def parse(self, line: str, reading: Reading) -> Parsed:
        """Read an object, with its annotation or with all that it has beside the text."""
        return _annotated(line) if reading.annotated else _text(line, reading.column)

    def row(self, record: Record, doc: Doc) -> bytes:
        """Write an object: source, record, text, entities, and what else the record had."""
        return to_json(row_of(record, doc)).encode() + b"\n"

    def pack(self, rows: Sequence[bytes]) -> bytes:
        """Join the lines."""
        return b"".join(rows)


def _text(line: str, column: str) -> Parsed:
    record = json.loads(line, object_pairs_hook=_without_repeats)
    if not isinstance(record, dict):
        raise ValueError("it is no JSON object")
    return take_text(record, column), plain(record), None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):  # all but the last value would be lost
        names = Counter(name for name, _ in pairs)
        raise ValueError(f"the key '{names.most_common(1)[0][0]}' is there more than once")
    return record


def take_text(record: dict[str, Any], column: str) -> str:
    """Take the text out of a record.

    Args:
        record: Names and values; loses the text.
        column: The name of the text.

    Returns:
        The text.

    Raises:
        ValueError: There is none.
    """
    if not isinstance(text := record.get(column), str):
        raise ValueError(f"'{column}' is no string, or is not there")
    del record[column]
    return text


def plain(value: Any) -> Any:
    """Return what JSON can hold: a value that it lacks (NaN, dates, decimals) as a string."""
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
        value: What JSON can hold.

    Returns:
        A line.

    Raises:
        ValueError: A number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON has as an escape only
        return json.dumps(value, allow_nan=False)
    return text


def _annotated(line: str) -> Parsed:
    """Read an object with "text" and either "entities" or "spans".

    An entity is [start, end, label], as in spaCy's training data, or an object with these keys, as
    Prodigy writes it. There, the annotator's answer may be for the record or for a single span. If
    the annotator could only say yes or no to the spans that were shown ("_is_binary"), yes says
    nothing about the rest of the text.
    """
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise AnnotationError(f"not JSON ({error})") from None
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise AnnotationError("a record must be an object with 'text'")
    answer = record.get("answer", ACCEPT)
    if answer != ACCEPT:
        answer = answer if isinstance(answer, str) else repr(answer)
        return "", {}, Annotation([], [], answer=answer)
    found = [record[key] for key in ("entities", "spans") if isinstance(record.get(key), list)]
    if len(found) != 1:
        raise AnnotationError("a record must have a list of either 'entities' or 'spans'")
    text = _encodable(record["text"], "'text'")
    entities: list[EntitySpan] = []
    rejected: list[EntitySpan] = []
    for entity in found[0]:
        own = entity.get("answer", ACCEPT) if isinstance(entity, dict) else ACCEPT
        (entities if own == ACCEPT else rejected).append(_offsets(entity))
    complete = record.get("_is_binary") is not True
    return text, {}, Annotation(entities, rejected, complete)


def _encodable(text: str, what: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = rf"\u{ord(text[error.start]):04x}"
        raise AnnotationError(
            f"{what} has half of a character, {code}, as its character {error.start}"
        ) from None
    return text


def _offsets(entity: Any) -> EntitySpan:
    values = entity
    if isinstance(entity, dict):
        values = [entity.get(key) for key in ("start", "end", "label")]
    match values:
        case [int(start), int(end), str(label)] if label:
            return start, end, _encodable(label, "a label")
    received = repr(entity)
    raise AnnotationError(
        "an entity must have start, end and label, but got "
        + excerpt(received, 0, len(received), around=80)
    )
