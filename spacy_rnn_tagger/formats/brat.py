"""BRAT's standoff format: a text in `a.txt`, its annotation in `a.ann`.

A line of annotation that begins with T is a span: `T1<TAB>Label 0 8<TAB>Red Fort`. A discontinuous
span has several pairs of offsets, separated by semicolons.
"""

import re
from collections.abc import Iterator
from typing import Any

from ..errors import Errors, excerpt
from ..io import NotUTF8Error, not_utf8, printable
from ..pipeline.label_sets import UNKNOWN
from ..types import EntitySpan
from . import storage
from .base import Format, Reading, Role
from .json_records import read_text
from .offsets import encodable, shown
from .record import Annotation, AnnotationError, Record
from .sample import Sample

_LINE = re.compile(r"(T\d+\S*\t\S+ \d+ \d+|[EARMN#][^\t]*\d+[^\t]*\t|\*\t|#[^\t]*\t)")
_SPAN = re.compile(r"T\S*\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t(.*))?", re.DOTALL)
_KINDS = {
    "E": "event",
    "R": "relation",
    "*": "relation",
    "A": "attribute",
    "M": "attribute",
    "N": "normalization",
    "#": "note",
}


class Brat(Format):
    """Pairs of files in a folder, one pair per doc."""

    name = "brat"
    suffixes = (".ann",)
    roles = frozenset({Role.ANNOTATED})
    compressed = False
    unit = "line"

    def recognises(self, sample: Sample) -> bool | None:
        """Recognise lines of annotation, or either file of a pair."""
        if sample.suffix == ".txt":
            return sample.has_file(_stem(sample.name) + ".ann")
        lines = [line for line in sample.lines if line.strip()]
        if not lines:
            there = sample.suffix in self.suffixes
            return there and sample.has_file(_stem(sample.name) + ".txt")
        return all(_LINE.match(line) for line in lines[:50])

    def companions(self, source: str) -> tuple[str, ...]:
        """Name the file with the text."""
        return (_stem(source) + ".txt",)

    def records(self, source: str, reading: Reading) -> Iterator[Record]:
        """Read a pair of files, given either of them."""
        name, stem = printable(source), _stem(source)
        size = storage.size(source)
        problems: list[tuple[str, str]] = []
        texts: dict[str, str] = {}
        for suffix in (".txt", ".ann"):
            file = stem + suffix
            try:
                if not storage.is_file(file):
                    raise AnnotationError(Errors.RNN141.format(path=printable(file)))
                texts[suffix] = read_text(file)
            except NotUTF8Error as error:
                line = error.object.count(b"\n", 0, error.start) + 1
                beside = "" if file == source else f"{printable(file)}, "
                problems.append((f"{beside}line {line}", not_utf8(error)))
            except AnnotationError as error:
                problems.append(("line 1", str(error)))
        if not problems:
            text, lines = texts[".txt"], texts[".ann"].replace("\r\n", "\n").split("\n")
            annotation = _read(text, lines, problems)
            if (
                annotation is None
            ):  # some editors change line ends, which the offsets don't account for
                again: list[tuple[str, str]] = []
                changed = text.replace("\r\n", "\n")
                annotation = _read(changed, lines, again) if changed != text else None
                text = changed
            if annotation is not None:
                yield Record(name, 1, text, annotation=annotation, where="the text", n_bytes=size)
                return
        for where, problem in problems:
            yield Record(name, 1, "", error=problem, where=where, n_bytes=size)
            size = 0


def _stem(name: str) -> str:
    return name[: -len(".ann")] if name.lower().endswith((".ann", ".txt")) else name


def _read(text: str, lines: list[str], problems: list[tuple[str, str]]) -> Annotation | None:
    """Read lines of annotation; None if there are problems, which are appended to the list."""
    entities: list[EntitySpan] = []
    ignored: list[str] = []
    notices: list[str] = []
    before = len(problems)
    try:
        encodable(text, "The text")
    except AnnotationError as error:  # UTF-8 has none, but the message would come too late
        problems.append(("line 1", str(error)))
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            if line[0] in _KINDS:
                ignored.append(f"BRAT {_KINDS[line[0]]}")
            else:
                entities += _spans(text, line, notices)
        except AnnotationError as error:
            problems.append((f"line {number}", str(error)))
    if len(problems) > before:
        return None
    return Annotation(entities, [], ignored=tuple(ignored), notices=tuple(notices))


def _spans(text: str, line: str, notices: list[str]) -> Iterator[EntitySpan]:
    """Read a line with a span. The parts of a discontinuous one are read as unknown."""
    found: Any = _SPAN.fullmatch(line)
    if found is None:
        kinds = " ".join(_KINDS)
        raise AnnotationError(Errors.RNN142.format(kinds=kinds, received=shown(line)))
    label, offsets, quoted = found.groups()
    parts = [tuple(map(int, part.split(" "))) for part in offsets.split(";")]
    for start, end in parts:
        if not start < end <= len(text):
            raise AnnotationError(
                Errors.RNN143.format(label=label, start=start, end=end, length=len(text))
            )
    there = " ".join(text[start:end] for start, end in parts)
    if quoted is not None and quoted.split() != there.split():
        meant = shown(excerpt(there, 0, 0))
        raise AnnotationError(
            Errors.RNN144.format(label=label, received=shown(quoted), found=meant)
        )
    # Selecting more than one line in BRAT makes parts that only line breaks separate.
    (first, _), (_, last) = parts[0], parts[-1]
    if all(not text[a:b].strip() for (_, a), (b, _) in zip(parts, parts[1:], strict=False)):
        yield first, last, label
        return
    notices.append(f"{shown(there)} ({label}) is discontinuous; left missing")
    yield from ((start, end, UNKNOWN) for start, end in parts)
