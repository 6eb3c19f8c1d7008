"""Columns: one token per line, with its tag in one of the columns; sentences end at blank lines.

CoNLL-2002 and 2003 have this form, and so do most corpora of named entities.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
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
_COMMENT = "#"
_BLANKS = re.compile(r"[ \t]+")
_SAMPLED = 200  # lines
_MOST = 0.75  # the share of lines that must be well-formed
_OWN = (".conll", ".iob", ".bio")  # suffixes of no other format


class _Row(NamedTuple):
    number: int
    word: str
    tag: tuple[str, str]


class _Table(NamedTuple):
    """The lines of a file with tokens.

    Attributes:
        rows: The columns of each line, by its number.
        width: The number of columns that most lines have.
    """

    rows: dict[int, list[str]]
    width: int


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
        lines = [line for line in sample.lines if line.strip()][:_SAMPLED]
        if sample.items or len(lines) == 0:
            return False
        table = _table_of(dict(enumerate(lines)), Reading().tag_column)
        rows = [row for row in table.rows.values() if len(row) == table.width]
        # A few lines may be damaged.
        if table.width < 2 or len(rows) < _MOST * len(table.rows):
            return False
        columns = [[row[-i] for row in rows] for i in range(1, table.width)]
        if any(
            sum(map(is_tag, column)) >= _MOST * len(table.rows) and any(map(is_entity_tag, column))
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


def _table_of(lines: Mapping[int, str], tag_column: int) -> _Table:
    """Split lines into columns, and drop comments and `-DOCSTART-` lines."""
    lines = {number: line for number, line in lines.items() if not _begins_document(line)}
    certain = [n for n, line in lines.items() if not line.startswith(_COMMENT)] or list(lines)
    tabs = all(_has_tabs(lines[number]) for number in certain)
    rows = {number: _columns(line, tabs) for number, line in lines.items()}
    widths = Counter(len(rows[number]) for number in certain).most_common(1)
    width = widths[0][0] if widths else 0
    # Some tools end a line with tabs that separate nothing.
    rows = {n: row if any(row[width:]) else row[:width] for n, row in rows.items()}
    tokens = {n: row for n, row in rows.items() if not _is_comment(row, width, tag_column)}
    return _Table(tokens, width)


def _begins_document(line: str) -> bool:
    return line.split(maxsplit=1)[0] == _DOCSTART


def _is_comment(row: list[str], width: int, tag_column: int) -> bool:
    """Tell a comment from a token such as `#` or `#Delhi`.

    A comment with a space after "#" may have as many columns as tokens have, as in `# id = 1`, but
    not a tag too. Any other line is a token that is read, or reported, if it has either.
    """
    if not row[0].startswith(_COMMENT):
        return False
    tag = _at(row, tag_column)
    is_whole, has_tag = len(row) == width, tag is not None and is_tag(tag)
    spaced = row[0][1:2] in ("", " ")
    return not (is_whole and has_tag if spaced else is_whole or has_tag)


def _has_tabs(line: str) -> bool:
    """Tell whether tabs alone, and not tabs and spaces, separate the columns of a line."""
    return "\t" in line and all(cell == cell.strip(" ") for cell in line.split("\t"))


def _columns(line: str, tabs: bool) -> list[str]:
    return line.rstrip("\r").split("\t") if tabs else _BLANKS.split(line.strip(" \t\r"))


def _parts(text: str, reading: Reading) -> tuple[list[_Part], list[tuple[int, str]]]:
    """Divide a file into docs, and list its problems by line."""
    lines = list(enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1))
    filled = {number: line for number, line in lines if line.strip()}
    table = _table_of(filled, reading.tag_column)
    whole = reading.unit == DOCUMENT
    parts: list[_Part] = []
    problems: list[tuple[int, str]] = []
    new_part = new_sentence = True
    for number, line in lines:
        if not line.strip():
            new_sentence = True
            new_part |= not whole
        elif _begins_document(line):
            new_part = new_sentence = True
        elif number in table.rows:
            try:
                row = _row(number, table, reading)
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


def _row(number: int, table: _Table, reading: Reading) -> _Row:
    row = table.rows[number]
    if len(row) < 2:
        raise AnnotationError(Errors.RNN139.format(received=shown(row[0])))
    # A space in a token, or a missing value, shifts the columns: another one would be read.
    if len(row) != table.width:
        raise AnnotationError(Errors.RNN156.format(found=len(row), width=table.width))
    word = encodable(_cell(row, reading.token_column, "token"), "A token")
    tag = _cell(row, reading.tag_column, "tag")
    if not word:
        raise AnnotationError(Errors.RNN138.format(column=reading.token_column))
    if not is_tag(tag):
        raise AnnotationError(Errors.RNN137.format(column=reading.tag_column, received=shown(tag)))
    return _Row(number, word, split_tag(tag))


def _cell(row: list[str], column: int, what: str) -> str:
    if (value := _at(row, column)) is None:
        raise AnnotationError(Errors.RNN140.format(column=column, what=what, found=len(row)))
    return value


def _at(row: list[str], column: int) -> str | None:
    """Return the value in a column, from 1 or from -1; None if there is no such column."""
    index = column - 1 if column > 0 else column
    return row[index] if -len(row) <= index < len(row) else None
