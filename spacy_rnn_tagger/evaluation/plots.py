"""The plots of a report, as SVG in the colours of the page, light or dark.

Matplotlib does not write CSS variables, so each colour is drawn as a placeholder, which is then
replaced in the SVG by a variable of the page's style sheet.
"""

import re
from collections.abc import Sequence
from io import StringIO
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .figures import ALL, Row

_INK, _MUTED, _LINE = "#010101", "#020202", "#030303"
_SERIES = [f"#0400{number:02x}" for number in range(8)]
_VARIABLES = {
    _INK: "var(--ink)",
    _MUTED: "var(--muted)",
    _LINE: "var(--line)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(_SERIES)},
}
_STYLES = ["-", "--", "-.", ":"]
_LONGEST = 18  # characters of a label
_WIDTH = 4.2  # inches: a phone's width, so that text is not scaled down there


def plot_style(*, ink: str, muted: str, line: str) -> Any:
    """Create the settings of Matplotlib that the plots of this project share.

    Args:
        ink: The colour of text.
        muted: The colour of axes.
        line: The colour of the grid.

    Returns:
        The settings, for `rc_context`; its type differs between releases.
    """
    return {
        "font.size": 9,
        "text.color": ink,
        "axes.labelcolor": ink,
        "axes.edgecolor": muted,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": line,
        "xtick.color": muted,
        "ytick.color": muted,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "legend.frameon": False,
    }


_STYLE = plot_style(ink=_INK, muted=_MUTED, line=_LINE) | {
    "svg.fonttype": "none",  # text stays text
    "text.parse_math": False,  # labels may have dollars, and are no formulas
}


def draw_scores(rows: Sequence[Row]) -> str:
    """Draw precision, recall and F for each label, with their intervals.

    Args:
        rows: What `figures.scores` returns.

    Returns:
        The plot as SVG.
    """
    names = {"p": "precision", "r": "recall", "f": "F"}
    with rc_context(_STYLE):
        figure, axes = _axes(0.9 + 0.5 * len(rows))
        for number, (key, name) in enumerate(names.items()):
            y = [row + 0.22 * (number - 1) for row in range(len(rows))]
            values = [row[key] for row in rows]
            lows = [_from(row, key, 0) for row in rows]
            highs = [_from(row, key, 1) for row in rows]
            axes.errorbar(
                values,
                y,
                xerr=[lows, highs],
                fmt="sDo"[number],
                markersize=5,
                color=_SERIES[number + 1],
                label=name,
            )
        axes.set(
            xlim=(0, 1), yticks=range(len(rows)), yticklabels=[_name(row["label"]) for row in rows]
        )
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        figure.legend(loc="outside upper center", ncols=3)
        return _svg(figure, "scores", "Precision, recall and F of each label")


def _from(row: Row, key: str, side: int) -> float:
    interval = row[f"{key}_interval"]
    return max(0.0, (interval[side] - row[key]) * (1 if side else -1)) if interval else 0.0


def draw_errors(rows: Sequence[Row]) -> str:
    """Draw the errors for each label by kind, as bars.

    Args:
        rows: What `figures.errors` returns.

    Returns:
        The plot as SVG.
    """
    rows = [row for row in rows if row["label"] != ALL] or rows
    kinds = {
        "boundary": "boundary",
        "label_error": "label",
        "missed": "missed",
        "spurious": "spurious",
    }
    with rc_context(_STYLE):
        figure, axes = _axes(0.9 + 0.42 * len(rows))
        left = [0] * len(rows)
        for number, (key, name) in enumerate(kinds.items()):
            counts = [row[key] for row in rows]
            axes.barh(
                range(len(rows)),
                counts,
                left=left,
                height=0.6,
                color=_SERIES[number + 1],
                label=name,
            )
            left = [a + b for a, b in zip(left, counts, strict=True)]
        axes.set(yticks=range(len(rows)), yticklabels=[_name(row["label"]) for row in rows])
        axes.invert_yaxis()
        axes.set_xlabel("errors")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
        axes.grid(axis="y", visible=False)
        figure.legend(loc="outside upper center", ncols=4, columnspacing=1.0, handlelength=1.2)
        return _svg(figure, "errors", "Errors of each label by kind")


def draw_reliability(bins: Sequence[Row]) -> str:
    """Draw precision over confidence, and below it how many entities each point stands for.

    Args:
        bins: What `calibration.reliability` returns.

    Returns:
        The plot as SVG.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, 4.0), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color=_MUTED, linestyle=":", label="what it should be")
        some = [row for row in bins if row["count"]]
        above.plot(
            [row["confidence"] for row in some],
            [row["precision"] for row in some],
            marker="o",
            color=_SERIES[1],
            label="what it is",
        )
        above.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="precision")
        above.legend(loc="upper left")
        middles = [(row["low"] + row["high"]) / 2 for row in bins]
        width = 0.9 * (bins[0]["high"] - bins[0]["low"])
        below.bar(middles, [row["count"] for row in bins], width=width, color=_SERIES[1])
        below.set(xlabel="confidence", ylabel="entities")
        below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        return _svg(figure, "reliability", "Reliability diagram")


def draw_precision_recall(rows: Sequence[Row]) -> str:
    """Draw precision over recall at every threshold, and mark the present one.

    If there are more labels than colours, the most frequent ones are drawn.

    Args:
        rows: What `figures.precision_recall` returns.

    Returns:
        The plot as SVG.
    """
    some = sorted(rows, key=lambda row: (row["label"] != ALL, -len(row["threshold"])))
    with rc_context(_STYLE):
        figure, axes = _axes(4.2)
        for number, row in enumerate(some[: len(_SERIES)]):
            colour = _SERIES[number]
            line = _STYLES[number % len(_STYLES)]
            axes.plot(row["recall"], row["precision"], color=colour, linestyle=line)
            today = row["today"]
            if today["precision"] is not None:
                point = [today["recall"]], [today["precision"]]
                axes.plot(*point, marker="o", markersize=7, color=colour)
            axes.plot([], [], color=colour, linestyle=line, marker="o", label=_name(row["label"]))
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
        figure.legend(loc="outside lower center", ncols=3, title="dot: current threshold")
        return _svg(figure, "precision-recall", "Precision over recall")


def draw_coverage(rows: Sequence[Row]) -> str:
    """Draw the coverage of each label, with its interval.

    Args:
        rows: What `workload.coverage` returns.

    Returns:
        The plot as SVG.
    """
    with rc_context(_STYLE):
        figure, axes = _axes(0.9 + 0.35 * len(rows))
        values = [row["coverage"] for row in rows]
        ends = [[abs(row["interval"][side] - row["coverage"]) for row in rows] for side in (0, 1)]
        axes.errorbar(values, range(len(rows)), xerr=ends, fmt="o", markersize=5, color=_SERIES[1])
        axes.set(xlim=(0, 1.02), yticks=range(len(rows)), xlabel="true entities among candidates")
        axes.set_yticklabels([_name(row["label"]) for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        return _svg(figure, "coverage", "Share of true entities among the candidates")


def draw_groups(name: str, rows: Sequence[Row], axis: str, title: str) -> str:
    """Draw the F of groups of entities as bars, each with its number of gold entities.

    Args:
        name: The name of the plot, unique within the page.
        rows: What `figures.by_group` returns.
        axis: What the groups are, for the axis.
        title: The title, for screen readers.

    Returns:
        The plot as SVG.
    """
    with rc_context(_STYLE):
        figure, axes = _axes(2.6)
        bars = axes.bar(
            [row["group"] for row in rows],
            [row["f"] for row in rows],
            width=0.6,
            color=_SERIES[1],
        )
        axes.bar_label(bars, [f"n = {row['gold']}" for row in rows], padding=2, fontsize=8)
        axes.set(ylim=(0, 1.1), yticks=[0, 0.25, 0.5, 0.75, 1], ylabel="F", xlabel=axis)
        axes.grid(axis="x", visible=False)
        return _svg(figure, name, title)


def _name(label: str) -> str:
    """Shorten a label, so that it leaves room for the plot, and keep it from being left out."""
    short = label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"
    # Matplotlib's legends leave out names that begin with an underscore.
    return f"\N{ZERO WIDTH SPACE}{short}" if short.startswith("_") else short


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    return figure, figure.subplots()


def _svg(figure: Figure, name: str, title: str) -> str:
    file = StringIO()
    salt: Any = {"svg.hashsalt": name}
    with rc_context(salt):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    for placeholder, variable in _VARIABLES.items():
        svg = svg.replace(placeholder, variable)
    # Identifiers must be unique within the whole page.
    svg = re.sub(r'((?:id|xlink:href)="#?|url\(#)', rf"\g<1>{name}-", svg)
    # The page sets the size and the font.
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)
    return re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
