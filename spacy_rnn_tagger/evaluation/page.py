"""The page of a report: one self-contained HTML file that needs no network and no server."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from spacy import displacy

from . import plots
from .figures import Row
from .outcomes import ERRORS, DocOutcome, Mention

# How many characters to show on each side of an error.
_AROUND = 160
_GAP = " […] "
_MENTION = (
    '<mark class="entity" style="background: {bg}">{text}'
    '<span class="label">{label} {confidence}</span></mark>'
)


def render_page(
    *,
    model: str,
    data: str,
    figures: Row,
    docs: Sequence[DocOutcome],
    costliest: Sequence[tuple[int, float]],
    notes: Sequence[str],
    versions: dict[str, str],
) -> str:
    """Render the page about one pipeline and, if asked for, its comparison with another.

    Args:
        model: The pipeline's name.
        data: The name of the data.
        figures: What `figures.measure` returns, and `comparison`, which may be None.
        docs: The outcomes that the figures were computed from.
        costliest: Index and cost of the docs to show, as `figures.costliest` returns them.
        notes: What the reader should know before the figures.
        versions: Names and versions of the packages used.

    Returns:
        The page's HTML.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {"share": _share, "interval": _interval}
    template = environment.from_string(_read("report.html.jinja"))
    shown = [_doc_row(number, docs[number], spent) for number, spent in costliest]
    return template.render(
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
        style=Markup(_read("report.css")),
        script=Markup(_read("report.js")),
    )


def _read(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


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
    if figures["by_seen"]:
        drawn["by_seen"] = plots.draw_groups(
            "seen", figures["by_seen"], "name in the training data", "F of seen and unseen names"
        )
    return {name: Markup(svg) for name, svg in drawn.items()}


def _doc_row(number: int, doc: DocOutcome, spent: float) -> dict[str, Any]:
    """Describe a doc for the template: what the page filters by, and both of its markups."""
    errors = sorted(doc.errors, key=lambda error: (error.gold or error.predicted).start)  # type: ignore[union-attr]
    wrong = [mention for error in errors for mention in error[1:] if mention is not None]
    windows = _windows(doc.text, wrong, [*doc.gold, *doc.predicted])
    return {
        "number": number,
        "cost": spent,
        "errors": errors,
        # What the page filters by: the kind of each error, and its labels.
        "filter": [[e.kind, *{m.label for m in e[1:] if m is not None}] for e in errors],
        "labels": {mention.label for mention in wrong},
        "gold": _marked(doc.text, doc.gold, windows),
        "predicted": _marked(doc.text, doc.predicted, windows),
    }


def _windows(
    text: str, wrong: Sequence[Mention], every: Sequence[Mention]
) -> list[tuple[int, int]]:
    """Find the surroundings of errors in a text, cut between words; those that touch are joined.

    Args:
        text: The text.
        wrong: The mentions with errors.
        every: Mentions that must not be cut in two.

    Returns:
        The first character and the one after the last, for each window.
    """
    windows: list[tuple[int, int]] = []
    for mention in sorted(wrong, key=lambda mention: mention.start_char):
        first = text.rfind(" ", 0, max(0, mention.start_char - _AROUND)) + 1
        last = text.find(" ", mention.end_char + _AROUND)
        last = len(text) if last < 0 else last
        first = min([first, *(m.start_char for m in every if m.start_char < first < m.end_char)])
        last = max([last, *(m.end_char for m in every if m.start_char < last < m.end_char)])
        if windows and first <= windows[-1][1]:
            windows[-1] = windows[-1][0], max(last, windows[-1][1])
        else:
            windows.append((first, last))
    return windows


def _marked(text: str, mentions: Sequence[Mention], windows: Sequence[tuple[int, int]]) -> Markup:
    """Mark the mentions in the windows of a text, in displaCy's colours."""
    parts = []
    for begin, stop in windows:
        inside = [m for m in mentions if begin <= m.start_char and m.end_char <= stop]
        ents = [
            {
                "start": m.start_char - begin,
                "end": m.end_char - begin,
                "label": m.label,
                # displaCy does not escape a label.
                "params": {"label": escape(m.label), "confidence": _shown(m.confidence)},
            }
            for m in sorted(inside, key=lambda m: m.start_char)
        ]
        parts.append(
            displacy.render(
                {"text": text[begin:stop], "ents": ents},
                style="ent",
                manual=True,
                jupyter=False,
                options={"template": _MENTION},
            )
        )
    gaps = [windows[0][0] > 0, windows[-1][1] < len(text)] if windows else [False, False]
    joined = Markup(_GAP).join(map(Markup, parts))
    return (_GAP if gaps[0] else "") + joined + (_GAP if gaps[1] else "")


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _shown(confidence: float | None) -> str:
    return "" if confidence is None else _share(confidence)


def _interval(value: Sequence[float] | None) -> str:
    return "" if value is None else f"{value[0]:.2f} to {value[1]:.2f}"
