r"""The inline form of annotated text: `[Red Fort](FAC) is in [Delhi](GPE).`, one sentence a line.

A backslash before a bracket or a backslash makes it an ordinary character: `\[sic\]`.
"""

import re

from .types import EntitySpan

_LABEL = re.compile(r"\(([^\s()\[\]]+)\)")


def parse_line(line: str) -> tuple[str, list[EntitySpan]]:
    """Split a line into its text and its spans.

    RETURNS: the text, and (start character, end character, label) of each span.

    RAISES ValueError: the markup is malformed.
    """
    text: list[str] = []
    spans: list[EntitySpan] = []
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
                raise ValueError(f"column {at + 1}: '[' inside of a span; spans can't be nested")
            opened = len(text)
        elif char == "]":
            label = _LABEL.match(line, at + 1)
            if opened is None:
                raise ValueError(f"column {at + 1}: ']' without '[' (the character is '\\]')")
            if label is None:
                raise ValueError(f"column {at + 1}: ']' must be followed by '(LABEL)'")
            if "".join(text[opened:]).strip() != "".join(text[opened:]) or opened == len(text):
                raise ValueError(
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
        raise ValueError(f"column {len(line)}: '[' is not closed")
    return "".join(text), spans
