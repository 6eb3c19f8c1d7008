r"""The inline form of annotated text: `[Red Fort](FAC) is in [Delhi](GPE).`, one sentence a line.

A backslash before a bracket or a backslash makes it an ordinary character: `\[sic\]`.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

_LABEL = re.compile(r"\(([^\s()\[\]]+)\)")


class InlineError(ValueError):
    """A line that is not in the inline form, or whose spans don't align with tokens."""


def parse_line(line: str) -> tuple[str, list[tuple[int, int, str]]]:
    """Split a line into its text and its spans.

    RETURNS: the text, and (start character, end character, label) of each span.

    RAISES InlineError: the markup is malformed.
    """
    text: list[str] = []
    spans: list[tuple[int, int, str]] = []
    opened: int | None = None
    at = 0
    while at < len(line):
        char = line[at]
        if char == "\\" and at + 1 < len(line) and line[at + 1] in "[]\\":
            text.append(line[at + 1])
            at += 2
            continue
        if char == "[":
            if opened is not None:
                raise InlineError(f"column {at + 1}: '[' inside of a span; spans can't be nested")
            opened = len(text)
        elif char == "]":
            label = _LABEL.match(line, at + 1)
            if opened is None:
                raise InlineError(f"column {at + 1}: ']' without '[' (the character is '\\]')")
            if label is None:
                raise InlineError(f"column {at + 1}: ']' must be followed by '(LABEL)'")
            if "".join(text[opened:]).strip() != "".join(text[opened:]) or opened == len(text):
                raise InlineError(
                    f"column {at + 1}: a span must not be empty, nor begin or end with a space, "
                    f"but got {''.join(text[opened:])!r}"
                )
            spans.append((opened, len(text), label.group(1)))
            opened = None
            at = label.end() - 1
        else:
            text.append(char)
        at += 1
    if opened is not None:
        raise InlineError(f"column {len(line)}: '[' is not closed")
    return "".join(text), spans


def line_to_doc(nlp: Language, line: str) -> Doc:
    """Tokenise a line and set its entities; all other tokens are outside.

    RAISES InlineError: the markup is malformed or a span does not begin and end with a token.
    """
    text, offsets = parse_line(line)
    doc = nlp.make_doc(text)
    ents = []
    for start, end, label in offsets:
        span = doc.char_span(start, end, label=label)
        if span is None:
            tokens = " ".join(repr(token.text) for token in doc)
            raise InlineError(f"{text[start:end]!r} does not align with the tokens {tokens}")
        ents.append(span)
    doc.set_ents(ents)
    return doc


def inline_files(path: Path) -> list[Path]:
    """List the files of an input: itself, or all `*.txt` of a folder, sorted by name.

    RAISES FileNotFoundError: there is no such path, or no such file in the folder.
    """
    if path.is_dir():
        files = sorted(path.glob("*.txt"))
        if files:
            return files
        raise FileNotFoundError(f"No file '*.txt' in {path}.")
    if not path.is_file():
        raise FileNotFoundError(f"No file or folder {path}.")
    return [path]


def read_docs(nlp: Language, paths: Iterable[Path]) -> Iterator[Doc]:
    """Read docs from inline files, skipping blank lines.

    RAISES InlineError: a line is malformed; the message begins with file and line number.
    """
    for path in paths:
        with path.open(encoding="utf-8") as lines:
            try:
                for number, line in enumerate(lines, start=1):
                    if line.strip():
                        try:
                            yield line_to_doc(nlp, line.rstrip("\r\n"))
                        except InlineError as error:
                            raise InlineError(f"{path}, line {number}: {error}") from None
            except UnicodeDecodeError as error:
                raise InlineError(f"{path}: not UTF-8 ({error})") from None
