"""Fills the pages of the reference when MkDocs builds the site.

A comment such as `<!-- reference: RNNTagger.v1 -->` marks the place of a generated part on a page;
the text around it is written by hand. Anything without a description stops the build, and so does a
part that no page shows.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from codes import write_errors, write_warnings
from command_line import write_commands
from mkdocs.exceptions import PluginError
from registered import (
    UndocumentedError,
    functions,
    write_default_model,
    write_formats,
    write_function,
)

MARK = re.compile(r"<!-- reference: ([\w. -]+?) -->")
_shown: set[str] = set()


def parts() -> dict[str, Callable[[], str]]:
    """Name the generated parts, with the functions that write them."""
    return {
        **{name: partial(write_function, function) for name, function in functions().items()},
        "default model": write_default_model,
        "formats": write_formats,
        "commands": write_commands,
        "errors": write_errors,
        "warnings": write_warnings,
    }


def fill(markdown: str) -> str:
    """Replace the comments of a page by the parts that they name.

    Args:
        markdown: The page.

    Returns:
        The page with its generated parts.

    Raises:
        PluginError: A comment names no part, or something is not documented.
    """

    def write(mark: re.Match[str]) -> str:
        try:
            known = parts()
            if mark[1] not in known:
                names = ", ".join(known)
                raise PluginError(
                    f"reference: no part {mark[1]!r}; there are {names}. What was registered since "
                    "the package was installed needs another pip install."
                )
            part = known[mark[1]]()
        except UndocumentedError as error:
            raise PluginError(f"reference: {error}") from error
        _shown.add(mark[1])
        return part

    return MARK.sub(write, markdown)


def on_pre_build(**_: Any) -> None:
    """Begin a build, which `mkdocs serve` does many times."""
    _shown.clear()


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill a page."""
    return fill(markdown)


def on_post_build(**_: Any) -> None:
    """Refuse a site that leaves out a generated part."""
    if missing := sorted(parts().keys() - _shown):
        raise PluginError(f"reference: no page shows {', '.join(missing)}")
