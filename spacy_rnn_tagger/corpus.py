"""Annotated text from files, as docs: the inline form in `*.txt`, offsets in `*.jsonl`.

Whatever is wrong in the files is collected and told in one error.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from .inline import parse_line
from .types import EntitySpan


class AnnotationError(ValueError):
    """Annotation that can't be read: all that is wrong with it, a line each."""


def make_doc(nlp: Language, text: str, offsets: Iterable[EntitySpan]) -> Doc:
    """Tokenise a text and set its entities; all other tokens are outside.

    offsets: (start character, end character, label) of each entity.

    RAISES AnnotationError: spans overlap, or don't begin and end with a token.
    """
    doc = nlp.make_doc(text)
    entities, problems = [], []
    before: EntitySpan | None = None
    for start, end, label in sorted(offsets):
        named = f"{text[start:end]!r} ({label}, characters {start} to {end})"
        span = doc.char_span(start, end, label=label) if 0 <= start < end <= len(text) else None
        if span is None:
            nearby = doc.char_span(start, max(end, start + 1), alignment_mode="expand")
            tokens = " ".join(repr(token.text) for token in nearby or doc)
            problems.append(f"{named} does not align with the tokens {tokens}")
        elif before and before[1] > start:
            other = f"{text[before[0] : before[1]]!r} ({before[2]})"
            problems.append(f"{named} overlaps {other}")
        else:
            entities.append(span)
        if before is None or end > before[1]:
            before = (start, end, label)
    if problems:
        raise AnnotationError("\n".join(f"{problem} in {text!r}" for problem in problems))
    doc.set_ents(entities)
    return doc


def line_to_doc(nlp: Language, line: str) -> Doc:
    """Read the inline form, `[Red Fort](FAC) is in [Delhi](GPE).`

    RAISES AnnotationError: the markup is malformed, or a span does not begin and end with a token.
    """
    try:
        text, offsets = parse_line(line)
    except ValueError as error:
        raise AnnotationError(str(error)) from None
    return make_doc(nlp, text, offsets)


def record_to_doc(nlp: Language, line: str) -> Doc | None:
    """Read a JSON object with "text" and either "entities" or "spans".

    An entity is [start, end, label], as in spaCy's training data, or an object with these keys, as
    Prodigy writes it.

    RETURNS: None for a record whose "answer" is there and is not "accept".

    RAISES AnnotationError: the record lacks a part, or its spans overlap or don't align.
    """
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise AnnotationError(f"not JSON ({error})") from None
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise AnnotationError("a record must be an object with 'text'")
    if record.get("answer", "accept") != "accept":
        return None
    found = [record[key] for key in ("entities", "spans") if isinstance(record.get(key), list)]
    if len(found) != 1:
        raise AnnotationError("a record must have a list of either 'entities' or 'spans'")
    return make_doc(nlp, record["text"], [_offsets(entity) for entity in found[0]])


def _offsets(entity: Any) -> EntitySpan:
    if isinstance(entity, dict):
        entity = [entity.get(key) for key in ("start", "end", "label")]
    match entity:
        case [int(start), int(end), str(label)] if label:
            return start, end, label
    raise AnnotationError(f"an entity must have start, end and label, but got {entity!r}")


# How the lines of a file are read, by its suffix; the first for every other suffix.
_FORMS: dict[str, Callable[[Language, str], Doc | None]] = {
    ".txt": line_to_doc,
    ".jsonl": record_to_doc,
}


def corpus_files(path: Path) -> list[Path]:
    """List the files of an input: itself, or all `*.txt` and `*.jsonl` of a folder, by name.

    RAISES FileNotFoundError: there is no such path, or no such file in the folder.
    """
    if path.is_dir():
        files = sorted(file for suffix in _FORMS for file in path.glob(f"*{suffix}"))
        if files:
            return files
        raise FileNotFoundError(f"No file {' or '.join(f'*{s}' for s in _FORMS)} in {path}.")
    if not path.is_file():
        raise FileNotFoundError(f"No file or folder {path}.")
    return [path]


def read_docs(nlp: Language, paths: Iterable[Path]) -> Iterator[Doc]:
    """Read docs from files, skipping blank lines.

    RAISES AnnotationError: at the end, if anything was wrong; each message begins with file and
        line number.
    """
    problems: list[str] = []
    for path in paths:
        read = _FORMS.get(path.suffix, line_to_doc)
        with path.open(encoding="utf-8") as lines:
            try:
                for number, line in enumerate(lines, start=1):
                    try:
                        doc = read(nlp, line.rstrip("\r\n")) if line.strip() else None
                    except AnnotationError as error:
                        own = str(error).splitlines()
                        problems += [f"{path}, line {number}: {problem}" for problem in own]
                        continue
                    if doc is not None:
                        yield doc
            except UnicodeDecodeError as error:
                problems.append(f"{path}: not UTF-8 ({error})")
    if problems:
        raise AnnotationError("\n".join(problems))
