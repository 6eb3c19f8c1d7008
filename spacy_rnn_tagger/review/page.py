"""The page of an audit: one self-contained HTML file, in the style of the report."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from spacy.tokens import Doc

from ..evaluation.markup import find_windows, mark_windows
from ..evaluation.outcomes import Mention, describe
from ..evaluation.rendering import render
from .suspicion import KINDS, Judged, Suspect, ranked

_DOCS = 20  # in the table of docs
_EXCERPT = 100  # characters of each


def render_page(
    report: dict[str, Any], docs: Sequence[Doc], judged: Sequence[Judged], n: int
) -> str:
    """Render the page.

    Args:
        report: What `audit` returns.
        docs: The annotated docs.
        judged: What was found in each.
        n: How many places to show at most.

    Returns:
        The page's HTML, which needs no network and no server.
    """
    improbable = [each for each in ranked(judged) if each.score > 0]
    shown = [_shown(rank, each, docs[each.doc]) for rank, each in enumerate(improbable[:n], 1)]
    return render(
        "audit.html.jinja",
        folder=files(__package__) / "templates",
        report=report,
        shown=shown,
        n_improbable=len(improbable),
        kinds=KINDS,
        labels=sorted({label for row in shown for label in row["labels"]}),
        docs=[
            {**row, "text": _cut(row["text"])}
            for row in report["doc_ranking"][:_DOCS]
            if row["suspects"]
        ],
        versions=report["versions"],
    )


def _shown(rank: int, suspect: Suspect, doc: Doc) -> dict[str, Any]:
    """Describe a place for the template: both of its markups, and what it is filtered by."""
    judged = suspect.gold
    gold = [
        judged
        if judged is not None and (judged.start, judged.end) == (ent.start, ent.end)
        else describe(ent, ent.label_, None)
        for ent in doc.ents
    ]
    wrong = suspect.mentions
    own = suspect.suggestion
    rest = [each for each in gold if not any(_overlap(each, other) for other in wrong)]
    suggested = [*rest, *([own] if own is not None else [])]
    windows = find_windows(doc.text, wrong, [*gold, *suggested])
    labels = {mention.label for mention in wrong}
    return {
        "rank": rank,
        "doc": suspect.doc + 1,
        "kind": suspect.kind,
        "score": suspect.score,
        "labels": labels,
        "filter": [[suspect.kind, *sorted(labels)]],
        "gold": mark_windows(doc.text, gold, windows),
        "suggested": mark_windows(doc.text, suggested, windows),
    }


def _overlap(one: Mention, other: Mention) -> bool:
    return one.start < other.end and other.start < one.end


def _cut(text: str) -> str:
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}..."
