"""JSON for training spaCy v2: its own format, and the simple one in its examples.

The former has paragraphs, sentences and tokens with BILUO tags. The latter is a list of
`["text", {"entities": [[0, 8, "FAC"]]}]`, in which many corpora were written by hand. An array of
objects with "text" and "entities" or "spans" is read too; one per line, such objects are `jsonl`
or, with answers, `prodigy`, unless the name of the file ends in ".json".
"""

from collections.abc import Iterator
from typing import Any

from spacy.util import get_words_and_spaces

from ..errors import Errors
from ..io import printable
from . import storage
from .base import Format, Reading, Role
from .json_records import Item, Parsed, items_of, objects
from .jsonl import annotation_of, has_spans, is_answer, may_have_spans
from .offsets import encodable, entity_span, shown
from .record import Annotation, AnnotationError, Record, Tokens
from .sample import Sample, is_pair
from .tags import REPAIRED, decode, in_characters, split_tag

_NOT_ANNOTATED = "not annotated"


class SpacyJSON(Format):
    """`[{"id": 0, "paragraphs": [...]}]` or `[["Delhi", {"entities": [[0, 5, "GPE"]]}]]`."""

    name = "spacy-json"
    suffixes = (".json", ".jsonl")
    roles = frozenset({Role.ANNOTATED})

    def recognises(self, sample: Sample) -> bool | None:
        """Recognise paragraphs, pairs, and objects in an array."""
        if any(_is_document(each) or _is_training_pair(each) for each in sample.items):
            return True
        if sample.has_json_lines:
            return False
        if any(has_spans(each) or is_answer(each) for each in sample.items):
            return True
        return None if any(may_have_spans(each) for each in sample.items) else False

    def records(self, source: str, reading: Reading) -> Iterator[Record]:
        """Read a record from each paragraph or pair in a file, which is held in memory."""
        name, n_bytes = printable(source), storage.size(source)
        for number, item in enumerate(items_of(source), start=1):
            for where, found in _records(item, reading.column):
                problems = found.args if isinstance(found, AnnotationError) else ()
                for problem in problems:
                    yield Record(name, number, "", error=str(problem), where=where, n_bytes=n_bytes)
                    n_bytes = 0
                if not isinstance(found, AnnotationError):
                    parsed, tokens = found
                    yield Record(
                        name,
                        number,
                        parsed.text,
                        annotation=parsed.annotation,
                        where=where,
                        n_bytes=n_bytes,
                        tokens=tokens,
                    )
                    n_bytes = 0


_Found = tuple[Parsed, Tokens | None] | AnnotationError


def _records(item: Item, column: str) -> Iterator[tuple[str, _Found]]:
    where, value = item
    if isinstance(value, AnnotationError):
        yield where, value
    elif isinstance(value, dict) and "paragraphs" in value:
        try:
            paragraphs = objects(value["paragraphs"], "'paragraphs'")
        except AnnotationError as error:
            yield where, error
            return
        for number, paragraph in enumerate(paragraphs, start=1):
            yield f"{where}, paragraph {number}", _caught(_paragraph, paragraph)
    else:
        yield where, _caught(_simple, value, column)


def _caught(read: Any, *values: Any) -> _Found:
    try:
        found: tuple[Parsed, Tokens | None] = read(*values)
    except AnnotationError as error:
        return error
    return found


def _is_document(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("paragraphs"), list)


def _is_training_pair(value: Any) -> bool:
    return is_pair(value) and "entities" in value[1]


def _simple(value: Any, column: str) -> tuple[Parsed, None]:
    if isinstance(value, dict):
        text, annotation = annotation_of(value, column)
        return Parsed(text, annotation), None
    if not is_pair(value):
        raise AnnotationError(Errors.RNN145.format(received=shown(value)))
    text, annotated = encodable(value[0], "The text"), value[1]
    entities = annotated.get("entities")
    if not isinstance(entities, list):
        raise AnnotationError(Errors.RNN118.format(what="'entities'", received=shown(entities)))
    problems: list[str] = []
    spans = []
    for entity in entities:
        values = entity[:3] if isinstance(entity, list) else ()  # an ID for linking may follow
        try:
            spans.append(entity_span(values, entity))
        except AnnotationError as error:
            problems += error.args
    if problems:
        raise AnnotationError(*problems)
    ignored = tuple(f"'{key}' of a text" for key in annotated if key != "entities")
    return Parsed(text, Annotation(spans, [], ignored=ignored)), None


def _paragraph(paragraph: dict[str, Any]) -> tuple[Parsed, Tokens | None]:
    words: list[str] = []
    gaps: list[bool | None] = []
    tags: list[str | None] = []
    for sentence in objects(paragraph.get("sentences"), "'sentences'"):
        for token in objects(sentence.get("tokens"), "'tokens'"):
            word, tag, space = token.get("orth"), token.get("ner"), token.get("space")
            if not isinstance(word, str) or not word:
                raise AnnotationError(Errors.RNN146.format(received=shown(token)))
            if tag is not None and not isinstance(tag, str):
                raise AnnotationError(Errors.RNN147.format(received=shown(token)))
            words.append(encodable(word, "A token"))
            tags.append(tag)
            gaps.append(None if space is None else bool(space))
    if not words:
        raise AnnotationError(Errors.RNN148)
    spaces = None if None in gaps else [bool(gap) for gap in gaps]
    raw = paragraph.get("raw")
    ignored = tuple(f"'{key}' of a text" for key in ("cats", "links") if paragraph.get(key))
    decoded = decode([split_tag(tag) for tag in tags])
    ignored += (REPAIRED,) * decoded.repaired
    if all(tag is None for tag in tags):
        return Parsed("", Annotation([], [], answer=_NOT_ANNOTATED)), None
    if isinstance(raw, str):
        words, spaces, decoded_spans = _aligned(words, encodable(raw, "'raw'"), decoded.spans)
    else:
        decoded_spans = decoded.spans
    follows = spaces or [True] * len(words)
    text = "".join(word + " " * gap for word, gap in zip(words, follows, strict=True))
    entities = in_characters(decoded_spans, words, spaces)
    return Parsed(text, Annotation(entities, [], ignored=ignored)), Tokens(words, spaces)


def _aligned(
    words: list[str], raw: str, spans: list[tuple[int, int, str]]
) -> tuple[list[str], list[bool], list[tuple[int, int, str]]]:
    """Find the spaces between words in their text; runs of whitespace become tokens."""
    try:
        found, spaces = get_words_and_spaces(words, raw)
    except ValueError:
        raise AnnotationError(Errors.RNN149.format(raw=shown(raw))) from None
    places = [i for i, word in enumerate(found) if not word.isspace()]
    kept = [i for i, word in enumerate(words) if not word.isspace()]
    where = dict(zip(kept, places, strict=True))
    moved = []
    for start, end, label in spans:
        inside = [where[i] for i in range(start, end) if i in where]
        if inside:
            moved.append((inside[0], inside[-1] + 1, label))
    return found, spaces, moved
