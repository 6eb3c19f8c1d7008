"""Run the Python snippets of a Markdown page, and compare what they print with what it shows.

A ```python fence is a snippet. All snippets of a page share one namespace, as in a session at the
prompt. A ```text fence directly below a snippet, with nothing between them but blank lines, shows
what it prints.
"""

import contextlib
import io
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

# Fences are matched from the opening line to the same fence alone in a line; those within lists are
# indented.
_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>[^\n`]*)\n(?P<body>.*?)^(?P=indent)(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
_NUMBER = re.compile(r"-?\d+\.\d+(?:e[+-]?\d+)?|-?\d+e[+-]?\d+")


class Fence(NamedTuple):
    """A block of code.

    Attributes:
        language: What follows the opening backticks.
        text: The lines between the fences, without their common indent.
        line: The number of the first of these lines in its page.
        start: Where the opening fence starts.
        end: Where the closing fence ends.
    """

    language: str
    text: str
    line: int
    start: int
    end: int


class Snippet(NamedTuple):
    """A Python snippet, and the output that the page shows for it, if it shows one."""

    code: str
    line: int
    shown: str | None


def find_fences(page: str) -> list[Fence]:
    """Find all blocks of code of a page."""
    found = []
    for match in _FENCE.finditer(page):
        indent = len(match["indent"])
        lines = match["body"].splitlines(keepends=True)
        text = "".join(line[indent:] if line.strip() else "\n" for line in lines)
        line = page.count("\n", 0, match.start("body")) + 1
        found.append(Fence(match["language"].strip(), text, line, match.start(), match.end()))
    return found


def find_snippets(page: str) -> list[Snippet]:
    """Find the Python snippets of a page. A fence of "{.python .notest}" is not one."""
    fences = find_fences(page)
    found = []
    for fence, following in zip_longest(fences, fences[1:]):
        if fence.language == "python":
            is_output = (
                following is not None
                and following.language == "text"
                and not page[fence.end : following.start].strip()
            )
            shown = following.text if is_output else None
            found.append(Snippet(fence.text, fence.line, shown))
    return found


def run_page(path: Path) -> Iterator[tuple[Snippet, str]]:
    """Run the snippets of a page in their order, in the working directory.

    Yields:
        Each snippet, and what it printed.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for snippet in find_snippets(path.read_text(encoding="utf-8")):
        printed = io.StringIO()
        # Blank lines in front, so that a traceback names the line of the page.
        code = compile("\n" * (snippet.line - 1) + snippet.code, str(path), "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)  # the project's own pages
        yield snippet, printed.getvalue()


def check_page(path: Path, *, silent: bool = True) -> None:
    """Run the snippets of a page, and compare what they print with what the page shows.

    Args:
        path: The page.
        silent: Whether a snippet without an output below it must print nothing.
    """
    for snippet, printed in run_page(path):
        if silent or snippet.shown is not None:
            shown = snippet.shown or ""
            where = f"{path.name}:{snippet.line}"
            assert is_same(shown, printed), f"{where} shows\n{shown}\nand prints\n{printed}"


def is_same(shown: str, printed: str) -> bool:
    """Compare outputs: words and whole numbers exactly, other numbers up to the last digit.

    Machines round differently, so a number with decimals may be off by two units in the last place
    that is shown.
    """
    ours, theirs = (
        [line.rstrip() for line in text.strip().splitlines()] for text in (shown, printed)
    )
    if [_NUMBER.sub("#", line) for line in ours] != [_NUMBER.sub("#", line) for line in theirs]:
        return False
    numbers = (_NUMBER.findall("\n".join(lines)) for lines in (ours, theirs))
    return all(
        abs(float(a) - float(b)) <= 2.001 * _last_place(a) for a, b in zip(*numbers, strict=True)
    )


def _last_place(number: str) -> float:
    """The size of one unit in the last digit of a number as it is written."""
    mantissa, _, exponent = number.partition("e")
    decimals = len(mantissa.partition(".")[2])
    return float(10.0 ** (int(exponent or 0) - decimals))
