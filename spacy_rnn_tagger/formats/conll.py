"""Columns: one token per line, with its tag in one of the columns; sentences end at blank lines.

CoNLL-2002 and 2003 have this form, and so do most corpora of named entities.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import Errors
from ..io import NotUTF8Error, not_utf8, printable
from . import storage
from .base import DOCUMENT, Format, Reading, Role
from .json_records import read_text
from .offsets import encodable, shown
from .record import Annotation, AnnotationError, Record, Tokens
from .sample import Sample
from .tags import REPAIRED, decode, in_characters, is_entity_tag, is_iob1, is_tag, split_tag

_DOCSTART = "-DOCSTART-"
_BLANKS = re.compile(r"[ \t]+")
_SAMPLED = 200  # lines
_MOST = 0.75  # the share of lines that must be well-formed
_OWN = (".conll", ".iob", ".bio")  # suffixes of no other format


class _Row(NamedTuple):
    number: int
    word: str
    tag: tuple[str, str]


@dataclass
class _Part:
    """A doc: a sentence, or all sentences in a document.

    Attributes:
        number: The number of its first line.
        sentences: The tokens of its sentences.
    """

    number: int
    sentences: list[list[_Row]] = field(default_factory=list)


class Columns(Format):
    """`Delhi NNP B-NP B-GPE`."""

    name = "conll"
    suffixes = (".conll", ".iob", ".bio", ".tsv", ".txt")
    roles = frozenset({Role.ANNOTATED})
    unit = "line"

    def recognises(self, sample: Sample) -> bool | None:
        """Recognise a column that holds tags and nothing else."""
        lines = [(i, line) for i, line in enumerate(sample.lines) if line.strip()][:_SAMPLED]
        if sample.items or len(lines) == 0:
            return False
        rows = [row for _, row in _rows_of(lines)]
        if not rows:
            return False
        [(width, n)] = Counter(map(len, rows)).most_common(1)
        if width < 2 or n < _MOST * len(rows):  # a few lines may be damaged
            return False
        columns = [[row[-i] for row in rows if len(row) == width] for i in range(1, width)]
        if any(
            sum(map(is_tag, column)) >= _MOST * len(rows) and any(map(is_entity_tag, column))
            for column in columns
        ):
            return True
        return None if sample.suffix in _OWN else False

    def records(self, source: str, reading: Reading) -> Iterator[Record]:
        """Read a record from each sentence or document."""
        name, size = printable(source), storage.size(source)
        try:
            parts, problems = _parts(read_text(source), reading)
        except NotUTF8Error as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            parts, problems = [], [(line, not_utf8(error))]
        for number, problem in problems:
            yield Record(name, number, "", error=problem, n_bytes=size)
            size = 0
        tags = [[row.tag for row in rows] for part in parts for rows in part.sentences]
        iob1 = is_iob1(tags)
        for part in parts:
            words = [row.word for rows in part.sentences for row in rows]
            spans, repaired, before = [], 0, 0
            for rows in part.sentences:
                found = decode([row.tag for row in rows], iob1=iob1)
                spans += [(a + before, b + before, label) for a, b, label in found.spans]
                repaired += found.repaired
                before += len(rows)
            annotation = Annotation(
                in_characters(spans, words, None),
                [],
                ignored=(REPAIRED,) * repaired,
                notices=(f"tags that don't fit their neighbours: {repaired}; repaired",)
                if repaired
                else (),
            )
            text = "".join(f"{word} " for word in words)
            yield Record(
                name,
                part.number,
                text,
                annotation=annotation,
                n_bytes=size,
                tokens=Tokens(words),
            )
            size = 0


def _rows_of(lines: Sequence[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    """Split lines into columns, and drop comments and `-DOCSTART-` lines.

    A line that begins with "#" is a token if it has as many columns as the others.
    """
    tabs = all(_has_tabs(line) for _, line in lines if not line.startswith(("#", _DOCSTART)))
    rows = [(number, _columns(line, tabs)) for number, line in lines]
    rows = [(number, row) for number, row in rows if row[0] != _DOCSTART]
    widths = Counter(len(row) for _, row in rows if not row[0].startswith("#"))
    width = widths.most_common(1)[0][0] if widths else 0
    return [
        (number, row)
        for number, row in rows
        if not row[0].startswith("#") or (len(row) == width and is_tag(row[-1]))
    ]


def _has_tabs(line: str) -> bool:
    """Tell whether tabs alone, and not tabs and spaces, separate the columns of a line."""
    return "\t" in line and all(cell == cell.strip(" ") for cell in line.split("\t"))


def _columns(line: str, tabs: bool) -> list[str]:
    return line.rstrip("\r").split("\t") if tabs else _BLANKS.split(line.strip(" \t\r"))


def _parts(text: str, reading: Reading) -> tuple[list[_Part], list[tuple[int, str]]]:
    """Divide a file into docs, and list its problems by line."""
    lines = list(enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1))
    filled = [(number, line) for number, line in lines if line.strip()]
    rows = dict(_rows_of(filled))
    whole = reading.unit == DOCUMENT
    parts: list[_Part] = []
    problems: list[tuple[int, str]] = []
    new_part = new_sentence = True
    for number, line in lines:
        if not line.strip():
            new_sentence = True
            new_part |= not whole
        elif line.startswith(_DOCSTART):
            new_part = new_sentence = True
        elif number in rows:
            try:
                row = _row(number, rows[number], reading)
            except AnnotationError as error:
                problems.append((number, str(error)))
                continue
            if new_part:
                parts.append(_Part(number))
            if new_part or new_sentence:
                parts[-1].sentences.append([])
            parts[-1].sentences[-1].append(row)
            new_part = new_sentence = False
    return parts, problems


def _row(number: int, row: list[str], reading: Reading) -> _Row:
    word = encodable(_cell(row, reading.token_column, "token"), "A token")
    tag = _cell(row, reading.tag_column, "tag")
    if not word:
        raise AnnotationError(Errors.RNN138.format(column=reading.token_column))
    if not is_tag(tag):
        raise AnnotationError(Errors.RNN137.format(column=reading.tag_column, received=shown(tag)))
    return _Row(number, word, split_tag(tag))


def _cell(row: list[str], column: int, what: str) -> str:
    index = column - 1 if column > 0 else column
    if len(row) < 2:
        raise AnnotationError(Errors.RNN139.format(received=shown(row[0])))
    if not -len(row) <= index < len(row):
        raise AnnotationError(Errors.RNN140.format(column=column, what=what, found=len(row)))
    return row[index]
