"""The page of a report: one self-contained HTML file, readable without a network or a server."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from . import plots
from .figures import Row
from .markup import find_windows, mark_windows
from .outcomes import ERRORS, DocOutcome
from .rendering import render


def render_page(
    *,
    model: str,
    data: str,
    figures: Row,
    docs: Sequence[DocOutcome],
    costliest: Sequence[tuple[int, float]],
    notes: Sequence[str],
    versions: dict[str, str],
    provenance: Row,
    summary: str,
) -> str:
    """Render the page about one pipeline and, optionally, its comparison with another.

    Args:
        model: The pipeline's name.
        data: The name of the data.
        figures: What `figures.measure` returns, and `comparison`, which may be None.
        docs: The outcomes that the figures were computed from.
        costliest: Index and cost of the docs to show, as `figures.costliest` returns them.
        notes: What the reader should know before the figures.
        versions: Names and versions of the packages used.
        provenance: Who was measured, on what, and when, as `report` returns it.
        summary: A few sentences in plain language.

    Returns:
        The page's HTML.
    """
    shown = [_doc_row(number, docs[number], spent) for number, spent in costliest]
    return render(
        "report.html.jinja",
        model=model,
        data=data,
        figures=figures,
        plots=_plots(figures),
        shown=shown,
        n_with_errors=sum(bool(doc.errors) for doc in docs),
        kinds=ERRORS,
        labels=sorted({label for row in shown for label in row["labels"]}),
        notes=notes,
        versions=versions,
        provenance=provenance,
        summary=summary,
    )


def _plots(figures: Row) -> dict[str, Markup]:
    drawn = {
        "scores": plots.draw_scores(figures["scores"]),
        "errors": plots.draw_errors(figures["errors"]),
        "by_length": plots.draw_groups(
            "length", figures["by_length"], "tokens of the entity", "F over the length of entities"
        ),
    }
    if figures["calibration"]:
        drawn["reliability"] = plots.draw_reliability(figures["calibration"]["bins"])
    if figures["precision_recall"]:
        drawn["precision_recall"] = plots.draw_precision_recall(figures["precision_recall"])
    # Without losing spans among the candidates, coverage is the recall of what was found.
    if figures["coverage"] and figures["candidates"]:
        drawn["coverage"] = plots.draw_coverage(figures["coverage"])
    if figures["by_seen"]:
        drawn["by_seen"] = plots.draw_groups(
            "seen", figures["by_seen"], "name in the training data", "F of seen and unseen names"
        )
    return {name: Markup(svg) for name, svg in drawn.items()}


def _doc_row(number: int, doc: DocOutcome, spent: float) -> dict[str, Any]:
    """Describe a doc for the template: what the page filters by, and both of its markups."""
    errors = sorted(doc.errors, key=lambda error: (error.gold or error.predicted).start)  # type: ignore[union-attr]
    wrong = [mention for error in errors for mention in error[1:] if mention is not None]
    windows = find_windows(doc.text, wrong, [*doc.gold, *doc.predicted])
    return {
        "number": number,
        "cost": spent,
        "errors": errors,
        # What the page filters by: the kind of each error, and its labels.
        "filter": [[e.kind, *{m.label for m in e[1:] if m is not None}] for e in errors],
        "labels": {mention.label for mention in wrong},
        "gold": mark_windows(doc.text, doc.gold, windows),
        "predicted": mark_windows(doc.text, doc.predicted, windows),
    }
