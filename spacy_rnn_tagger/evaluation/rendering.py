"""From templates to self-contained pages of one style, which need no network and no server."""

from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable  # elsewhere before Python 3.11

_SHARED = files(__package__) / "templates"


def render(name: str, *, folder: "Traversable" = _SHARED, **content: Any) -> str:
    """Render a page.

    Args:
        name: The name of the template. It may extend `base.html.jinja`.
        folder: The folder of the template.
        **content: What it shows.

    Returns:
        The page's HTML.
    """

    def load(wanted: str) -> str | None:
        for place in (folder / wanted, _SHARED / wanted):
            if place.is_file():
                return place.read_text(encoding="utf-8")
        return None

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, loader=FunctionLoader(load)
    )
    environment.filters |= {
        "share": format_share,
        "interval": format_interval,
        "percent": format_percent,
    }
    return environment.get_template(name).render(
        **content,
        style=Markup(load("report.css")),
        script=Markup(load("report.js")),
    )


def format_share(value: float | None) -> str:
    """Write a number between 0 and 1 with two digits; a dash for None."""
    return "–" if value is None else f"{value:.2f}"


def format_percent(value: float | None) -> str:
    """Write a share in per cent, with a digit after the point; a dash for None."""
    return "–" if value is None else f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def format_interval(value: Sequence[float] | None) -> str:
    """Write an interval; nothing for None."""
    return "" if value is None else f"{value[0]:.2f} to {value[1]:.2f}"
