"""Markdown for the generated pages: tables, and text that must not be read as markup."""

import re
from collections.abc import Iterable, Sequence

_FLAG = re.compile(r"(?<![\w-])(--[a-z][a-z-]*)")
_CODE = re.compile(r"(`+.*?`+)", re.DOTALL)


def text(words: str) -> str:
    """Escape text for one cell of a table, or a paragraph; what stands in backticks is code.

    Args:
        words: Text from a docstring or a help text, which may be wrapped.

    Returns:
        The text in one line, in which only backticks are markup.
    """
    parts = _CODE.split(" ".join(words.split()))
    for i, part in enumerate(parts):
        if not i % 2:
            part = part.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            part = re.sub(r"([\\*_\[\]|])", r"\\\1", part)
            parts[i] = _FLAG.sub(r"`\1`", part)
    return "".join(parts)


def code(words: str) -> str:
    """Write words as inline code that fits a cell of a table."""
    return f"`{words}`"


def table(heading: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str) -> str:
    """Write a table whose cells are Markdown already.

    Args:
        heading: The names of the columns.
        rows: The cells of each row.
        kind: Its class, for the style sheet.

    Returns:
        The table.
    """
    lines = [heading, ["---"] * len(heading), *rows]
    body = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    return f'<div class="reference {kind}" markdown>\n\n{body}\n</div>\n'
