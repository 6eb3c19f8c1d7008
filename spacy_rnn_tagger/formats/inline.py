r"""The inline format of annotated text: `[Red Fort](FAC) is in [Delhi](GPE).`, one text per line.

```
line   = { entity | char }
entity = "[" char { char } "]" "(" char { char } ")"
char   = escape | any character that needs none
escape = "\\" | "\[" | "\]" | "\(" | "\)" | "\u" and four hexadecimal digits
```

- In text, brackets need an escape. In a label, so do parentheses, and any whitespace other than
  spaces between words: `[Red Fort](tourist site)`. In text, parentheses need none, and `\(` is two
  characters.
- The label "?" means that nothing is known about a span: `[Lagos](?)`. It is not an entity; the
  annotation of its tokens is missing.
- Neither a span nor a label begins or ends with whitespace, unless it is escaped (`\u0020`).
- `\u0009` is a tab, `\u000a` a line feed. Characters that break lines, or that editors and readers
  drop, can be written this way. Half of a surrogate pair can't.
- A backslash before anything else is a backslash.

`format_line` writes any text with any labels, and `parse_line` reads it back.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from ..errors import Errors, excerpt
from ..types import EntitySpan
from .base import Reading, Role
from .lines import LineFormat, Parsed
from .record import Annotation, AnnotationError
from .sample import Sample

_ESCAPE = re.compile(r"\\(?:([\\\[\]])|u([0-9a-fA-F]{4}))")
_MARKUP = re.compile(r"(?<!\\)\[[^\[\]\n]+\]\([^()\n]+\)")
_LABEL_ESCAPE = re.compile(r"\\(?:([\\\[\]()])|u([0-9a-fA-F]{4}))")
_BREAKING = ("Cc", "Zl", "Zp")  # control characters and separators of lines
_BOM = "\ufeff"
# The kinds of parts of a written line.
TEXT, NAME, LABEL = "text", "name", "label"


class Inline(LineFormat):
    """`[Red Fort](FAC) is in [Delhi](GPE).`"""

    name = "inline"
    suffixes = (".txt",)
    roles = frozenset({Role.ANNOTATED})

    def recognises(self, sample: Sample) -> bool | None:
        """Recognise the markup. Text without markup may be annotated too, and have no entities."""
        if sample.suffix not in self.suffixes and sample.suffix:
            return False
        return True if not sample.items and _MARKUP.search(sample.text) else None

    def parse(self, line: str, reading: Reading) -> Parsed:
        """Read the markup."""
        try:
            text, entities = parse_line(line)
        except ValueError as error:
            raise AnnotationError(str(error)) from None
        return text, {}, Annotation(entities, [])


def parse_line(line: str) -> tuple[str, list[EntitySpan]]:
    """Split a line into its text and its spans.

    Args:
        line: A line in the inline format, without its line end.

    Returns:
        The text, and (start character, end character, label) of each span, those of "?" included.

    Raises:
        ValueError: The markup is malformed. The message names the column, and how to write it.
    """
    text: list[str] = []
    escaped: set[int] = set()  # places in the text
    spans: list[EntitySpan] = []
    opened: int | None = None
    opened_at = 0
    at = 0
    while at < len(line):
        char = line[at]
        escape = _ESCAPE.match(line, at) if char == "\\" else None
        if escape:
            escaped.add(len(text))
            text.append(_unescaped(escape))
            at = escape.end()
            continue
        if char == "[":
            if opened is not None:
                raise ValueError(Errors.RNN122.format(column=at + 1))
            opened, opened_at = len(text), at
        elif char == "]":
            if opened is None:
                raise ValueError(Errors.RNN123.format(column=at + 1))
            label, end = _parse_label(line, at + 1)
            edges = {opened, len(text) - 1} - escaped
            if opened == len(text) or any(text[i].isspace() for i in edges):
                received = repr(excerpt("".join(text[opened:]), 0, 0))
                raise ValueError(Errors.RNN124.format(column=at + 1, received=received))
            spans.append((opened, len(text), label))
            opened = None
            at = end - 1
        else:
            text.append(char)
        at += 1
    if opened is not None:
        raise ValueError(Errors.RNN125.format(column=len(line), opened=opened_at + 1))
    return "".join(text), spans


def _parse_label(line: str, at: int) -> tuple[str, int]:
    """Read "(LABEL)"; return the label and where the line continues."""
    if not line.startswith("(", at):
        raise ValueError(Errors.RNN126.format(column=at))
    label: list[str] = []
    escaped: set[int] = set()
    i = at + 1
    while i < len(line):
        escape = _LABEL_ESCAPE.match(line, i)
        if escape:
            escaped.add(len(label))
            label.append(_unescaped(escape))
            i = escape.end()
            continue
        char = line[i]
        if char == ")":
            break
        if char in "([]":
            raise ValueError(
                Errors.RNN129.format(column=i + 1, received=f"'{char}'", escape=f"\\{char}")
            )
        if char.isspace() and char != " ":
            raise ValueError(
                Errors.RNN129.format(column=i + 1, received=repr(char), escape=_as_code(char))
            )
        label.append(char)
        i += 1
    else:
        raise ValueError(Errors.RNN127.format(column=at))
    edges = {0, len(label) - 1} - escaped
    if not label or any(label[edge] == " " for edge in edges):
        raise ValueError(Errors.RNN128.format(column=at))
    return "".join(label), i + 1


def _unescaped(escape: re.Match[str]) -> str:
    char = escape[1] or chr(int(escape[2], 16))
    if "\ud800" <= char <= "\udfff":
        raise ValueError(Errors.RNN130.format(column=escape.start() + 1, escape=escape[0]))
    return char


def format_line(text: str, spans: Iterable[EntitySpan]) -> str:
    """Write a text and its spans as a line that `parse_line` reads back.

    Args:
        text: Any text without halves of surrogate pairs.
        spans: (start character, end character, label) of each, in any order.

    Returns:
        The line, without a line end.

    Raises:
        ValueError: A span is empty, overlaps another one or is not in the text, or has no label.
    """
    return "".join(part for _, part in format_parts(text, spans))


def format_parts(text: str, spans: Iterable[EntitySpan]) -> Iterator[tuple[str, str]]:
    """Write a text and its spans as the parts of a line, for output in colour.

    Args:
        text: Any text without halves of surrogate pairs.
        spans: (start character, end character, label) of each, in any order.

    Yields:
        The kind of a part (`TEXT`, `NAME` or `LABEL`), and the part, brackets included.

    Raises:
        ValueError: A span is empty, overlaps another one or is not in the text, or has no label.
    """
    written = [_escaped(char, r"\[]") for char in text]
    spans = sorted(spans)
    edges = {0, len(text) - 1}
    for start, end, _ in spans:
        edges |= {start, end - 1}
    for i in edges:
        if 0 <= i < len(text) and text[i].isspace():
            written[i] = _as_code(text[i])
    at = 0
    for start, end, label in spans:
        if not at <= start < end <= len(text) or not label:
            raise ValueError(
                Errors.RNN131.format(start=start, end=end, label=label, after=at, length=len(text))
            )
        yield TEXT, "".join(written[at:start])
        yield NAME, f"[{''.join(written[start:end])}]"
        yield LABEL, f"({_written_label(label)})"
        at = end
    yield TEXT, "".join(written[at:])


def _written_label(label: str) -> str:
    written = [_escaped(char, r"\[]()") for char in label]
    for i, char in enumerate(label):
        if char.isspace() and (char != " " or i in (0, len(label) - 1)):
            written[i] = _as_code(char)
    return "".join(written)


def _escaped(char: str, special: str) -> str:
    if char in special:
        return f"\\{char}"
    if char == _BOM or unicodedata.category(char) in _BREAKING:
        return _as_code(char)
    return char


def _as_code(char: str) -> str:
    return f"\\u{ord(char):04x}"
