"""The report on a distillation: all figures as plain data, and their page."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from platform import python_version
from typing import Any

from markupsafe import Markup

from ..evaluation import plots
from ..evaluation.markup import GAP, mark
from ..evaluation.outcomes import ERRORS
from ..evaluation.rendering import render
from ..io import write_whole

Row = dict[str, Any]

# What the page calls the facts in `made`; others are shown by their own names.
_NAMES = {
    "texts": "texts",
    "n_docs": "docs annotated by the teacher",
    "n_tokens": "tokens in them",
    "trust": "labels learned",
    "min_confidence": "minimum confidence",
    "rounds": "rounds of annotation",
    "steps": "training steps",
    "gold": "gold annotation",
    "soft": "posteriors learned",
    "date": "date",
}
_APART = ("teachers", "versions")  # are shown elsewhere


def build_report(
    *,
    student: str,
    made: Row,
    agreement: Row | None,
    measured: Row | None = None,
    gold: Sequence[Row] = (),
    notes: Sequence[str] = (),
) -> Row:
    """Put together the report: everything that is on the page, ready for JSON.

    Args:
        student: The student's name.
        made: How it was made: `teachers` (as `teachers.Teacher` describes them), `texts`,
            `n_docs`, `n_tokens`, `trust` (None for all labels), `min_confidence`, `rounds`,
            `steps`, `gold`, `date`; and whatever else is to be shown. Versions are added.
        agreement: What `comparing.find_agreement` returned; None if nothing was held out.
        measured: What `measuring.measure` returned; None if nothing was measured.
        gold: What `comparing.compare_on_gold` returned, for each gold corpus.
        notes: What the reader should know before the figures.

    Returns:
        The report: `student`, `summary` (sentences), `made`, `agreement`, `measured`, `gold`, and
        all `notes`.
    """
    versions = {name: version(name) for name in ("spacy-rnn-tagger", "spacy", "thinc")}
    made = {
        **made,
        "versions": {**versions, "python": python_version(), **made.get("versions", {})},
    }
    parts = [part for part in (agreement, measured, *gold) if part is not None]
    return {
        "student": student,
        "summary": summarise(made, agreement, measured, gold),
        "made": made,
        "agreement": agreement,
        "measured": measured,
        "gold": list(gold),
        "notes": [*notes, *(note for part in parts for note in part["notes"])],
    }


def summarise(
    made: Row, agreement: Row | None, measured: Row | None, gold: Sequence[Row] = ()
) -> list[str]:
    """Summarise the comparison of student and teacher in plain sentences.

    Args:
        made: How the student was made.
        agreement: As in `build_report`.
        measured: As in `build_report`.
        gold: As in `build_report`.

    Returns:
        The sentences, the most important one first.
    """
    said = []
    fast = None
    if measured:
        ratio = measured["speed"]["part"]["ratio"]["median"]
        fast = f"{ratio:.1f} times as fast" if ratio >= 1 else f"at {ratio:.2f} of its speed"
    total = agreement["scores"][0] if agreement else None
    if total and total["gold"]:
        interval = total["f_interval"]
        between = f" (95 % interval: {_range(interval)})" if interval else ""
        said.append(
            f"The student agrees with the teacher on {_percent(total['f'])} of entities{between}"
            + (f" and tags {fast}." if fast else ".")
        )
        said.append(
            f"It finds {_percent(total['r'])} of the teacher's {total['gold']:,} entities in "
            f"held-out texts, and the teacher finds {_percent(total['p'])} of the student's."
        )
    else:
        said.append("Student and teacher could not be compared on held-out texts.")
        if fast:
            said.append(
                f"The student tags {fast} as the teacher." if ratio >= 1 else f"It tags {fast}."
            )
    for own in gold:
        if own["comparison"]:
            row = own["comparison"][0]
            said.append(
                f"On {own['data']}, the student has an F of {row['ours']:.2f} and the teacher "
                f"{row['theirs']:.2f}, on the labels that both write."
            )
    if measured:
        size = {side: own["pipeline"] for side, own in measured["size"].items()}
        said.append(
            f"The student's pipeline takes {_mb(size['student'])} on disk, the teacher's "
            f"{_mb(size['teacher'])}."
        )
    return said


def write_report(report: Row, folder: Path) -> None:
    """Write `report.json` and `report.html`, each completely or not at all.

    Args:
        report: What `build_report` returned.
        folder: The folder for both.

    Raises:
        OSError: A file can't be written.
    """
    content = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
    write_whole(folder / "report.html", render_page(report).encode())
    write_whole(folder / "report.json", content.encode())  # last: where it is, all is done


def render_page(report: Row) -> str:
    """Render the page. It shows nothing that is not in the report.

    Args:
        report: What `build_report` returned.

    Returns:
        The page's HTML, which needs no network and no server.
    """
    agreement = report["agreement"]
    examples = [_shown(example) for example in agreement["examples"]] if agreement else []
    return render(
        "distillation.html.jinja",
        folder=files(__package__) / "templates",
        report=report,
        teachers=[teacher["name"] for teacher in report["made"]["teachers"]],
        plots=_plots(agreement) if agreement else {},
        examples=examples,
        labels=sorted({label for example in examples for label in example["labels"]}),
        kinds=ERRORS,
        facts=_facts(report["made"]),
        rows=_measured_rows(report["measured"]) if report["measured"] else [],
        versions=report["made"]["versions"],
    )


def _plots(agreement: Row) -> dict[str, Markup]:
    drawn = {"scores": plots.draw_scores(agreement["scores"])}
    if agreement["n_disagreements"]:
        drawn["errors"] = plots.draw_errors(agreement["errors"])
    return {name: Markup(svg) for name, svg in drawn.items()}


def _shown(example: Row) -> Row:
    """Describe a disagreement for the template: both of its markups, and what it is filtered by."""
    both = {side: example[side] for side in ("teacher", "student")}
    gaps = [GAP if is_cut else "" for is_cut in example["is_cut"]]

    def marked(own: Row | None) -> Markup:
        places = (
            [] if own is None else [(own["start"], own["end"], own["label"], own["confidence"])]
        )
        return Markup(gaps[0]) + mark(example["text"], places) + Markup(gaps[1])

    labels = {own["label"] for own in both.values() if own is not None}
    return {
        **example,
        "labels": labels,
        "filter": [[example["kind"], *sorted(labels)]],
        **{f"{side}_marked": marked(own) for side, own in both.items()},
    }


def _facts(made: Row) -> list[tuple[str, str]]:
    """List how the student was made, as names and values in words."""
    rows = []
    for teacher in made["teachers"]:
        parts = [
            teacher["name"],
            teacher.get("version"),
            f"component {teacher['component']}" if teacher.get("component") else None,
            f"license {teacher['license']}" if teacher.get("license") else None,
            teacher.get("url"),
        ]
        rows.append(("teacher", ", ".join(str(part) for part in parts if part)))
    for key, value in made.items():
        if key not in _APART:
            if key == "trust" and value is None:
                value = "all"
            rows.append((_NAMES.get(key, key.replace("_", " ")), _in_words(value)))
    return rows


def _in_words(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_in_words(own)}" for key, own in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_in_words, value)) or "none"
    return str(value)


def _measured_rows(measured: Row) -> list[Row]:
    """List what was measured, a row for each figure of both sides, as text."""
    rows = []
    for key, name in (("part", "entities alone"), ("pipeline", "whole pipeline")):
        speed = measured["speed"][key]
        ratio = speed["ratio"]
        rows.append(
            {
                "name": f"tokens per second, {name}",
                **{side: _speed(speed[side]) for side in ("teacher", "student")},
                "ratio": f"{ratio['median']:.1f} ({ratio['low']:.1f} to {ratio['high']:.1f})",
            }
        )
    figures = {
        "on disk, whole pipeline": (measured["size"], "pipeline"),
        "on disk, entities alone": (measured["size"], "part"),
        "memory after loading": (measured["memory"], "loaded"),
        "memory after tagging": (measured["memory"], "tagged"),
        "peak memory": (measured["memory"], "peak"),
    }
    for name, (found, key) in figures.items():
        rows.append(_beside(name, {side: own[key] for side, own in found.items()}, _mb))
    rows.append(_beside("start-up", measured["startup"], lambda value: f"{value:.1f} s"))
    return rows


def _beside(name: str, values: dict[str, float | None], form: Any) -> Row:
    teacher, student = values["teacher"], values["student"]
    ratio = f"{student / teacher:.2f}" if teacher and student is not None else "–"
    shown = {side: "–" if value is None else form(value) for side, value in values.items()}
    return {"name": name, **shown, "ratio": ratio}


def _speed(own: Row) -> str:
    return f"{_round(own['median']):,} ({_round(own['low']):,} to {_round(own['high']):,})"


def _round(value: float) -> int:
    """Round to three digits."""
    n_digits = len(str(int(value)))
    return int(round(value, min(0, 3 - n_digits)))


def _mb(value: float) -> str:
    return f"{value:,.0f} MB" if value >= 10 else f"{value:.1f} MB"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _range(interval: Sequence[float]) -> str:
    return f"{100 * interval[0]:.0f} to {100 * interval[1]:.0f} %"
