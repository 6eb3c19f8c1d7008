"""Label Studio: its exports JSON and JSON-MIN, also with one task per line, and pre-annotations.

A task has its texts under any keys in `data`. A region in an annotation names the tag in the
labelling configuration that shows its text (`to_name`), which usually has the name of the key.
JSON-MIN has one object for each annotation, with the keys of `data` and one for each control tag.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple
from xml.sax.saxutils import quoteattr

from spacy.tokens import Doc

from ..errors import Errors
from ..pipeline.label_sets import UNKNOWN
from ..pipeline.span_groups import doc_probability
from ..types import EntitySpan
from .base import Reading, Role, Writing
from .docs import DIGITS, row_of
from .json_records import JSONFormat, Parsed, objects
from .jsonl import to_json
from .offsets import AUTO, UTF16, encodable, entity_span, has_pairs, shown, span_from_utf16
from .record import Annotation, AnnotationError, Record
from .sample import Sample

CANCELLED, NOT_ANNOTATED = "cancelled", "not annotated"
# Keys in JSON-MIN that are neither data nor results.
_OWN_KEYS = frozenset(
    {
        *("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"),
        *("agreement", "meta", "source"),
    }
)
_PLACEHOLDER = "LABEL"
_REFUSED = ("hypertextlabels", "paragraphlabels")


class _Region(NamedTuple):
    """A labelled span.

    Attributes:
        to_name: The name of the tag that shows its text; None if the export names none.
        key: The key of its text; None if the export names none.
        value: Its offsets, text and labels.
    """

    to_name: str | None
    key: str | None
    value: dict[str, Any]


class LabelStudio(JSONFormat):
    """`{"data": {"text": "Delhi"}, "annotations": [{"result": [{"value": ...}]}]}`."""

    name = "label-studio"
    suffixes = (".json", ".jsonl")
    roles = frozenset({Role.ANNOTATED, Role.OUTPUT})

    rates_docs = True

    config_name: ClassVar[str] = "label-studio.xml"

    def __init__(self, writing: Writing | None = None) -> None:
        self._writing = writing or Writing()

    def recognises(self, sample: Sample) -> bool | None:
        """Recognise tasks, and the annotations of JSON-MIN."""
        return any(is_exported(each) for each in sample.items)

    def survey(self, source: str, values: Sequence[Any]) -> Any:
        """Find the keys of all texts that annotators saw, in order.

        A text without regions is annotated too, but its task alone doesn't tell it from metadata.
        """
        keys: dict[str, None] = {}
        for value in values:
            try:
                found = [
                    name
                    for annotation in (_annotations(value) if _is_task(value) else ())
                    for each in objects(annotation.get("result"), "'result'")
                    for name in (_source_of(each), each.get("to_name"))
                    if isinstance(name, str) and isinstance(value["data"].get(name), str)
                ]
            except AnnotationError:  # which `parse` will report
                continue
            keys.update(dict.fromkeys(found))
        return tuple(keys)

    def parse(self, value: Any, reading: Reading, item: str, shared: Any) -> Iterator[Parsed]:
        """Read a task, or an annotation of JSON-MIN."""
        if _is_task(value):
            yield from _read_task(value, reading, item, shared)
        elif isinstance(value, dict):
            yield _read_minimal(value, reading, item)
        else:
            raise AnnotationError(Errors.RNN152.format(received=shown(value)))

    def configured(self, writing: Writing) -> "LabelStudio":
        """Return a format that writes with these names."""
        return LabelStudio(writing)

    def row(self, record: Record, doc: Doc) -> dict[str, Any]:
        """Build a task with a prediction.

        Its score is the exact probability that the entities are right and none is missing, so that
        texts without entities are sorted too. Where nobody computed it, as for gold annotation, it
        is the lowest confidence of an entity.
        """
        row, names = row_of(record, doc), self._writing
        text = encodable(row["text"], "The text")
        regions = []
        for entity in row["entities"]:
            place = f"{row['source']}\0{row['record']}\0{entity['start']}\0{entity['end']}"
            region = {
                "id": hashlib.sha256(f"{place}\0{entity['label']}".encode()).hexdigest()[:10],
                "from_name": names.from_name,
                "to_name": names.to_name,
                "type": "labels",
                "value": {key: entity[key] for key in ("start", "end", "text")}
                | {"labels": [entity["label"]]},
            }
            if entity["confidence"] is not None:
                region["score"] = entity["confidence"]
            regions.append(region)
        prediction: dict[str, Any] = {"model_version": names.model, "result": regions}
        score = doc_probability(doc)
        if score is None:
            known = [each["confidence"] for each in row["entities"]]
            score = min((each for each in known if each is not None), default=None)
        if score is not None:
            prediction["score"] = round(score, DIGITS)
        data = {"text": text, "source": row["source"], "record": row["record"]}
        # The key makes the object a task, even if there is no prediction.
        predictions = [prediction] if self._writing.predicts else []
        task = {"data": data | {"meta": row["meta"]}, "predictions": predictions}
        to_json(task)  # fails here, for this record alone, if it can't be written
        return task

    def pack(self, rows: Sequence[dict[str, Any]]) -> bytes:
        """Write an array of tasks."""
        return b"[" + b",\n ".join(to_json(row).encode() for row in rows) + b"]\n"

    def extras(self, labels: Sequence[str]) -> dict[str, bytes]:
        """Write the labelling configuration with which a project can show the tasks."""
        names = self._writing
        shown_as = quoteattr(names.to_name)
        # Label Studio refuses a configuration without a label, which raw text would have.
        lines = [
            "<View>",
            *(() if labels else ("  <!-- Write a line for each of your labels. -->",)),
            f"  <Labels name={quoteattr(names.from_name)} toName={shown_as}>",
            *(f"    <Label value={quoteattr(label)}/>" for label in labels or [_PLACEHOLDER]),
            "  </Labels>",
            f'  <Text name={shown_as} value="$text"/>',
            "</View>",
        ]
        return {self.config_name: ("\n".join(lines) + "\n").encode()}


def is_exported(value: Any) -> bool:
    """Tell whether a JSON value is a task, or an annotation of JSON-MIN."""
    return _is_task(value) or _is_minimal(value)


def _is_task(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("data"), dict)
        and any(key in value for key in ("annotations", "completions", "predictions"))
    )


def _is_minimal(value: Any) -> bool:
    return isinstance(value, dict) and (
        "annotation_id" in value or {"annotator", "lead_time"} <= value.keys()
    )


def _annotations(task: dict[str, Any]) -> list[dict[str, Any]]:
    key = "annotations" if "annotations" in task else "completions"
    return objects(task.get(key), f"'{key}'")


def _read_task(
    task: dict[str, Any], reading: Reading, place: str, usual: Sequence[str]
) -> Iterator[Parsed]:
    data, item = task["data"], _item(task, place)
    annotations = _annotations(task)
    if not annotations:
        yield _none(NOT_ANNOTATED)
    problems: list[str] = []
    for annotation in annotations:
        if annotation.get("was_cancelled") or annotation.get("skipped"):
            yield _none(CANCELLED)
            continue
        name = _annotator(annotation.get("completed_by")) or "unknown"
        try:
            regions, ignored = _regions(objects(annotation.get("result"), "'result'"))
            by_key: dict[str, list[_Region]] = {
                key: [] for key in usual if isinstance(data.get(key), str)
            }
            for region in regions:
                key = _key_of(data, [region], reading.column)
                by_key.setdefault(key, []).append(region)
            if not by_key:
                by_key[_key_of(data, [], reading.column)] = []
            for key, own in by_key.items():
                yield _parsed(data[key], own, reading, name, f"{item}, {key}", ignored)
                ignored = ()
        except AnnotationError as error:
            problems += error.args
    if problems:
        raise AnnotationError(*problems)


def _read_minimal(record: dict[str, Any], reading: Reading, place: str) -> Parsed:
    regions, ignored = [], []
    for key, value in record.items():
        if not isinstance(value, list) or not value or key in _OWN_KEYS:
            continue
        if all(isinstance(each, dict) and ("labels" in each or "start" in each) for each in value):
            regions += [_Region(None, None, each) for each in value]
        elif any(isinstance(each, dict) and _refused(each) for each in value):
            raise AnnotationError(Errors.RNN153.format(tag="HyperText"))
        else:
            ignored.append(f"Label Studio results '{key}'")
    data = {key: value for key, value in record.items() if key not in _OWN_KEYS}
    key = _key_of(data, regions, reading.column)
    name = _annotator(record.get("annotator")) or str(record.get("annotation_id"))
    item = f"{_item(record, place)}, {key}"
    return _parsed(data[key], regions, reading, name, item, tuple(ignored))


def _none(answer: str) -> Parsed:
    return Parsed("", Annotation([], [], answer=answer))


def _item(record: dict[str, Any], place: str) -> str:
    number = record.get("id")
    return f"task {number}" if isinstance(number, int | str) else place


def _annotator(value: Any) -> str | None:
    """Name the annotator by address or number."""
    if isinstance(value, dict):
        value = value.get("email") or value.get("id")
    return None if value is None else str(value)


def _regions(results: list[dict[str, Any]]) -> tuple[list[_Region], tuple[str, ...]]:
    """Separate labelled regions from results other than spans."""
    regions, ignored = [], []
    for result in results:
        kind = result.get("type")
        if kind in _REFUSED:
            tag = "HyperText" if kind == _REFUSED[0] else "Paragraphs"
            raise AnnotationError(Errors.RNN153.format(tag=tag))
        if kind != "labels":
            ignored.append(f"Label Studio results of type {kind!r}")
            continue
        if not isinstance(value := result.get("value"), dict):
            raise AnnotationError(Errors.RNN154.format(received=shown(result)))
        to_name = result.get("to_name")
        to_name = to_name if isinstance(to_name, str) else None
        regions.append(_Region(to_name, _source_of(result), value))
    return regions, tuple(ignored)


def _source_of(result: dict[str, Any]) -> str | None:
    """Return the key of the text that a result refers to, which older exports name."""
    source = result.get("source")
    return source[1:] if isinstance(source, str) and source.startswith("$") else None


def _refused(value: dict[str, Any]) -> bool:
    return any(key in value for key in ("startOffset", "hypertextlabels", "paragraphlabels"))


def _key_of(data: dict[str, Any], regions: Sequence[_Region], column: str) -> str:
    """Find the key of the text that regions refer to."""
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    named = [name for region in regions for name in (region.key, region.to_name)]
    for name in (*named, column):
        if name is not None and name in texts:
            return name
    candidates = [key for key in texts if key not in _OWN_KEYS]
    if len(candidates) > 1 and regions:
        candidates = [
            key
            for key in candidates
            if all(_quotes(texts[key], region.value) for region in regions)
        ]
    if len(candidates) == 1:
        return candidates[0]
    keys = ", ".join(f"'{key}'" for key in texts) or "none"
    raise AnnotationError(Errors.RNN155.format(keys=keys))


def _quotes(text: str, value: dict[str, Any]) -> bool:
    match value:
        case {"start": int(start), "end": int(end), "text": str(quoted)}:
            return text[start:end] == quoted
    return False


def _parsed(
    text: str,
    regions: Sequence[_Region],
    reading: Reading,
    annotator: str,
    item: str,
    ignored: tuple[str, ...],
) -> Parsed:
    entities: list[EntitySpan] = []
    notices: list[str] = []
    problems: list[str] = []
    encodable(text, "The text")
    for region in regions:
        try:
            entities += _entities(text, region.value, reading, notices)
        except AnnotationError as error:
            problems += error.args
    if problems:
        raise AnnotationError(*problems)
    annotation = Annotation(
        entities,
        [],
        annotator=annotator,
        item=item,
        ignored=ignored,
        notices=tuple(notices),
    )
    return Parsed(text, annotation)


def _entities(
    text: str, value: dict[str, Any], reading: Reading, notices: list[str]
) -> Iterator[EntitySpan]:
    """Read a region: an entity for each of its labels."""
    start, end = value.get("start"), value.get("end")
    if _refused(value) or (isinstance(start, str) and start.startswith("/")):
        raise AnnotationError(Errors.RNN153.format(tag="HyperText"))
    labels = value.get("labels", [])
    if not isinstance(labels, list):
        raise AnnotationError(Errors.RNN118.format(what="'labels'", received=shown(labels)))
    quoted = value.get("text")
    if not labels:
        notices.append(f"a region without a label, {shown(quoted)}; left missing")
    for label in labels or [UNKNOWN]:
        span = entity_span([start, end, label], value)
        other = span_from_utf16(text, span) if has_pairs(text) else span
        if reading.offsets == UTF16:
            span = other
        elif isinstance(quoted, str) and not _same(text, span, quoted):
            # Versions before 1.5 counted in UTF-16, as JavaScript does.
            if reading.offsets == AUTO and _same(text, other, quoted):
                span = other
                notices.append(f"{shown(quoted)} has offsets in UTF-16; they were converted")
            elif 0 <= span[0] < span[1] <= len(text):
                there = shown(text[span[0] : span[1]])
                notices.append(f"the export says {shown(quoted)}, but its offsets mean {there}")
        yield span


def _same(text: str, span: EntitySpan, quoted: str) -> bool:
    """Compare a span with its text in the export, where line breaks are written out."""
    return span[0] >= 0 and text[span[0] : span[1]].split() == quoted.replace("\\n", "\n").split()
