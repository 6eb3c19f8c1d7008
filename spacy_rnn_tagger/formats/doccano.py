"""doccano's JSON Lines: exports of all its versions for sequence labelling, and its imports.

Newer exports have `label` (or, with relations, `entities`), older ones `labels` or `annotations`.
Where several people annotate, doccano exports a file for each of them, named after the user.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from spacy.tokens import Doc

from ..errors import Errors
from ..io import stem_of
from ..types import EntitySpan
from .base import Reading, Role
from .docs import row_of
from .json_records import JSONFormat, Parsed, objects
from .jsonl import has_spans, has_text, is_answer, to_json
from .label_studio import is_exported
from .offsets import (
    AUTO,
    CHARACTERS,
    UTF16,
    cuts_words,
    encodable,
    entity_span,
    has_pairs,
    shown,
    span_from_utf16,
    to_utf16,
)
from .record import Annotation, AnnotationError, Record
from .sample import Sample

_TUPLES = ("label", "labels")
_OBJECTS = ("entities", "annotations")
_ALL = ("all", "unknown")  # doccano's names for files that are not a user's


class Doccano(JSONFormat):
    """`{"id": 1, "text": "Red Fort is in Delhi.", "label": [[15, 20, "GPE"]]}`."""

    name = "doccano"
    suffixes = (".jsonl", ".json")
    roles = frozenset({Role.ANNOTATED, Role.OUTPUT})

    def recognises(self, sample: Sample) -> bool | None:
        """Recognise a list of labels with offsets, and doccano's names for offsets.

        If all texts at the beginning are without entities, doccano's keys decide, unless there is
        anything of another format.
        """
        if any(_is_example(each) for each in sample.items):
            return True
        if any(has_spans(each) or is_answer(each) or is_exported(each) for each in sample.items):
            return False
        return any(_may_be_example(each) for each in sample.items)

    def parse(self, value: Any, reading: Reading, item: str, shared: Any) -> Iterator[Parsed]:
        """Read an example: an annotation for each user that it names."""
        if not isinstance(value, dict) or not isinstance(value.get(reading.column), str):
            raise AnnotationError(Errors.RNN115.format(key=reading.column, received=shown(value)))
        text = encodable(value[reading.column], f"'{reading.column}'")
        number = value.get("id")
        own = f"example {number}" if isinstance(number, int) else None
        ignored = [
            what
            for key, what in (("relations", "relation"), ("Comments", "comment"))
            for _ in _listed(value, key)
        ]
        file = stem_of(str(shared))
        for user, spans in _by_user(value).items():
            found, notices = _counted(text, spans, value.get("offsets"), reading)
            annotator = user or (None if file in _ALL else file)
            annotation = Annotation(
                found,
                [],
                annotator=annotator,
                item=own,
                ignored=tuple(ignored),
                notices=tuple(notices),
            )
            yield Parsed(text, annotation)
            ignored = []

    def row(self, record: Record, doc: Doc) -> bytes:
        """Write an example. doccano has no place for confidences, which are kept in its metadata.

        Its offsets count units of UTF-16, as JavaScript does.
        """
        row = row_of(record, doc)
        text = row["text"]
        example = {
            "text": text,
            "label": [
                [to_utf16(text, each["start"]), to_utf16(text, each["end"]), each["label"]]
                for each in row["entities"]
            ],
            "confidences": [each["confidence"] for each in row["entities"]],
            "source": row["source"],
            "record": row["record"],
            "meta": row["meta"],
            # In every line, although few need it: doccano 1.8 turns a key that some lines lack
            # into NaN, and then refuses the whole file.
            "offsets": UTF16,
        }
        return to_json(example).encode() + b"\n"

    def pack(self, rows: Sequence[bytes]) -> bytes:
        """Join the lines."""
        return b"".join(rows)


def _is_example(value: Any) -> bool:
    """Tell whether a JSON value has labels with offsets as doccano writes them."""
    if not isinstance(value, dict):
        return False
    if any(
        found and all(isinstance(each, list) for each in found)
        for found in (_listed(value, key) for key in _TUPLES)
    ):
        return True
    return any(
        isinstance(each, dict) and "start_offset" in each
        for key in _OBJECTS
        for each in _listed(value, key)
    )


def _may_be_example(value: Any) -> bool:
    """Tell whether a JSON value has the keys of an example without entities."""
    if not has_text(value):
        return False
    if any(value.get(key) == [] for key in (*_TUPLES, "annotations")):
        return True
    # Only beside what an export with relations has; 'entities' alone is in JSON of all kinds.
    return value.get("entities") == [] and any(key in value for key in ("relations", "Comments"))


def _listed(value: dict[str, Any], key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []


def _by_user(value: dict[str, Any]) -> dict[str | None, list[EntitySpan]]:
    """Read the spans of an example, separately for each user if it names them."""
    there = [key for key in (*_TUPLES, *_OBJECTS) if isinstance(value.get(key), list)]
    if len(there) != 1:
        keys = ", ".join(f"'{key}'" for key in (*_TUPLES, *_OBJECTS))
        found_in = ", ".join(f"'{key}'" for key in there) or "none"
        raise AnnotationError(Errors.RNN117.format(keys=keys, found=found_in))
    found: dict[str | None, list[EntitySpan]] = {}
    problems: list[str] = []
    for each in value[there[0]] if there[0] in _TUPLES else objects(value[there[0]], there[0]):
        user = None
        try:
            if isinstance(each, dict):
                user = None if each.get("user") is None else str(each["user"])
                values = [each.get(key) for key in ("start_offset", "end_offset", "label")]
            elif isinstance(each, list):
                values = each
            else:
                raise AnnotationError(Errors.RNN150.format(received=shown(each)))
            if len(values) == 3 and isinstance(values[2], int):
                raise AnnotationError(Errors.RNN151.format(label=values[2]))
            found.setdefault(user, []).append(entity_span(values, each))
        except AnnotationError as error:
            problems += error.args
    if problems:
        raise AnnotationError(*problems)
    return found or {None: []}


def _counted(
    text: str, spans: list[EntitySpan], own: Any, reading: Reading
) -> tuple[list[EntitySpan], list[str]]:
    """Turn offsets into characters, and report guesses."""
    way = own if reading.offsets == AUTO and own in (CHARACTERS, UTF16) else reading.offsets
    if way == CHARACTERS or not has_pairs(text):
        return spans, []
    other = [span_from_utf16(text, span) for span in spans]
    if way == UTF16:
        return other, []
    wrong, others = (sum(cuts_words(text, each) for each in found) for found in (spans, other))
    if spans == other:
        return spans, []
    if others < wrong:
        return other, ["offsets were read as UTF-16, because as characters they cut words"]
    return spans, ["offsets were read as characters; if they count UTF-16, pass --offsets utf-16"]
