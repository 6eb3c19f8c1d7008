"""Curves of F over annotated tokens, and the share at which each strategy reaches an F."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402 - the backend comes first
from matplotlib.ticker import PercentFormatter  # noqa: E402

from spacy_rnn_tagger.evaluation.plots import plot_style  # noqa: E402

BASE = "random"  # the strategy whose last round is what others have to reach
# The colours of the report's pages.
_INK, _MUTED, _LINE = "#1b1f24", "#57606a", "#d8dde3"
_COLOURS = ("#1b1f24", "#0072b2", "#c4510a", "#00815d", "#b0478b", "#8a6d00", "#3f7fd1", "#6f4bb8")
_MARKERS = "osD^vPX*"
_STYLE = plot_style(ink=_INK, muted=_MUTED, line=_LINE) | {"svg.hashsalt": "loop"}
_Row = dict[str, Any]


def summarise(rows: Sequence[_Row]) -> dict[str, _Row]:
    """Summarise what was measured on each corpus.

    Args:
        rows: A row for each round, with `corpus`, `strategy`, `seed`, `round`, `share` and `F`.

    Returns:
        For each corpus: `target`, the mean F of the last round of texts at random, and its
        `target_share`; `curves`, for each strategy a point for each round with its mean `share`,
        and the mean (`F`), the lowest and the highest F of the seeds; `reached`, for each strategy
        the share at which the mean curve reaches the target, or None; and a `table` of all that.
    """
    found: dict[str, _Row] = {}
    for corpus in dict.fromkeys(row["corpus"] for row in rows):
        own = [row for row in rows if row["corpus"] == corpus]
        curves = {
            strategy: _curve([row for row in own if row["strategy"] == strategy])
            for strategy in dict.fromkeys(row["strategy"] for row in own)
        }
        last = curves[BASE][-1] if BASE in curves else None
        target = last["F"] if last else None
        reached = {
            name: None if target is None else share_for(target, curve)
            for name, curve in curves.items()
        }
        found[corpus] = {
            "target": target,
            "target_share": last["share"] if last else None,
            "curves": curves,
            "reached": reached,
            "table": [
                {
                    "strategy": name,
                    "annotated": f"{curve[-1]['share']:.1%}",
                    "F": f"{curve[-1]['F']:.3f}",
                    "range": f"{curve[-1]['lowest']:.3f} to {curve[-1]['highest']:.3f}",
                    f"share for F {target or 0:.3f}": _percent(reached[name]),
                }
                for name, curve in curves.items()
            ],
        }
    return found


def _curve(rows: Sequence[_Row]) -> list[_Row]:
    points = []
    n_seeds = len({row["seed"] for row in rows})
    for number in sorted({row["round"] for row in rows}):
        own = [row for row in rows if row["round"] == number]
        if len(own) < n_seeds:
            break  # with some seeds there was nothing left to choose
        values = [row["F"] for row in own]
        points.append(
            {
                "share": mean(row["share"] for row in own),
                "F": mean(values),
                "lowest": min(values),
                "highest": max(values),
            }
        )
    return points


def share_for(target: float, curve: Sequence[_Row]) -> float | None:
    """Find the share at which a curve first reaches an F, on straight lines between its points.

    Args:
        target: The F.
        curve: Points with `share` and `F`, by their shares.

    Returns:
        The share; None if the curve does not reach it.
    """
    before: _Row | None = None
    for point in curve:
        if point["F"] >= target:
            if before is None:
                return float(point["share"])
            part = (target - before["F"]) / (point["F"] - before["F"])
            return float(before["share"] + part * (point["share"] - before["share"]))
        before = point
    return None


def _percent(share: float | None) -> str:
    return "not reached" if share is None else f"{share:.1%}"


def draw(summary: dict[str, _Row], path: Path) -> None:
    """Draw the curves of all corpora: the mean over seeds, and their range as an area.

    Args:
        summary: What `summarise` returns.
        path: The picture; its suffix is its format.
    """
    with plt.rc_context(_STYLE):
        figure, all_axes = plt.subplots(
            1, len(summary), figsize=(4.6 * len(summary), 3.8), layout="constrained", squeeze=False
        )
        for axes, (corpus, own) in zip(all_axes[0], summary.items(), strict=True):
            for number, (name, curve) in enumerate(own["curves"].items()):
                colour = _COLOURS[number % len(_COLOURS)]
                shares = [point["share"] for point in curve]
                reached = own["reached"][name]
                axes.plot(
                    shares,
                    [point["F"] for point in curve],
                    color=colour,
                    marker=_MARKERS[number % len(_MARKERS)],
                    markersize=4,
                    label=name if reached is None else f"{name} (at {reached:.0%})",
                )
                lows, highs = ([p[key] for p in curve] for key in ("lowest", "highest"))
                axes.fill_between(shares, lows, highs, color=colour, alpha=0.15, linewidth=0)
            if own["target"] is not None:
                axes.axhline(own["target"], color=_MUTED, linestyle="--", linewidth=1)
                note = f"F of {own['target_share']:.0%} at random: {own['target']:.3f}"
                axes.annotate(
                    note, (0.02, own["target"]), xycoords=("axes fraction", "data"),
                    xytext=(0, 3), textcoords="offset points", fontsize=8,
                )  # fmt: skip
            axes.set(title=corpus, xlabel="annotated tokens", ylabel="F on the dev split")
            axes.set_xlim(left=0)
            axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            axes.legend(loc="lower right")
        metadata: Any = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, dpi=160, metadata=metadata)
        plt.close(figure)
