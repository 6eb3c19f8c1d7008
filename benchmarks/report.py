"""The results as tables on the screen, as JSON and as a picture."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402 - the backend comes first
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from .measure import Rates, median, ratio  # noqa: E402

console = Console(width=120)


def show_rates(title: str, results: dict[str, Rates], bases: dict[str, str]) -> None:
    """Print tokens a second, and for each base the ratio to it.

    Args:
        title: What was measured.
        results: For each name of a table, the rates of its systems.
        bases: For the heading of a column, the system that the others are divided by.
    """
    for name, rates in results.items():
        table = Table("system", "tokens a second", *bases, title=f"{title}: {name}")
        for system, measured in rates.items():
            shown = [
                f"{ratio(rates, system, base):.2f}" if base in rates else ""
                for base in bases.values()
            ]
            table.add_row(system, f"{median(measured):,.0f}", *shown)
        console.print(table)


def show_rows(title: str, rows: Iterable[dict[str, Any]]) -> None:
    """Print dictionaries as a table, each key a column."""
    rows = list(rows)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(*keys, title=title)
    for row in rows:
        values = (row.get(key, "") for key in keys)
        table.add_row(*(f"{v:,.3f}" if isinstance(v, float) else str(v) for v in values))
    console.print(table)


def draw_breakdown(results: dict[str, dict[str, float]], path: Path) -> None:
    """Draw the stages of each text as a bar."""
    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.7 * len(results)), layout="constrained")
    left = dict.fromkeys(results, 0.0)
    colours = plt.get_cmap("tab20").colors  # type: ignore[attr-defined]
    for number, stage in enumerate(dict.fromkeys(s for each in results.values() for s in each)):
        widths = [each.get(stage, 0.0) for each in results.values()]
        axes.barh(
            list(results), widths, left=list(left.values()), label=stage, color=colours[number]
        )
        left = {name: left[name] + width for name, width in zip(left, widths, strict=True)}
    axes.set_xlabel("microseconds a token")
    axes.invert_yaxis()
    figure.legend(loc="outside upper center", ncols=5, frameon=False)
    figure.savefig(path)
    plt.close(figure)


def save(results: dict[str, Any], path: Path) -> None:
    """Write the results, and keep what earlier runs of other sections have left there."""
    known = json.loads(path.read_text(encoding="utf8")) if path.is_file() else {}
    path.write_text(json.dumps({**known, **results}, indent=1) + "\n", encoding="utf8")
