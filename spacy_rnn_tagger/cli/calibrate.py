"""`spacy rnn calibrate`: probabilities that are right more often, and thresholds by precision."""

from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from wasabi import msg

from ..evaluation.calibrating import calibrate
from ..evaluation.conformal import Coverage
from . import app
from .evaluating import CODE, COMPONENT, DATA, GPU, MODEL, prepare, warn
from .failures import failures


@app.command("calibrate")
def calibrate_cli(
    model: str = MODEL,
    data: str = DATA,
    output: Path = typer.Argument(..., help="The folder to write the calibrated pipeline to"),
    precision: list[str] = typer.Option(
        [], "--precision", help="LABEL=0.9: set the threshold that reaches this precision on DATA"
    ),
    coverage: float = typer.Option(
        None,
        "--coverage",
        help="Set the floors of candidates at which this share of true entities, such as 0.95, is "
        "among them; for each label, by split conformal prediction",
    ),
    coverage_unit: str = typer.Option(
        "doc",
        "--coverage-unit",
        help="What --coverage takes for exchangeable: doc, or entity if the entities of a doc are "
        "as good as independent",
    ),
    component: str = COMPONENT,
    code: Path = CODE,
    gpu: int = GPU,
) -> None:
    """Fit the temperature of a pipeline's confidences on held-out data, and write the pipeline.

    DATA must not be what the pipeline was trained on. Entities stay the same, unless a threshold
    removes them. Only labels that are written and that DATA has are calibrated. A coverage holds on
    average, for new docs of the same kind, chosen and annotated as those of DATA.
    """
    with failures("Nothing was written"):
        targets = dict(map(_parse_target, precision))
        prepare(code, gpu)
        found = calibrate(
            model,
            data,
            output,
            precision=targets,
            coverage=coverage,
            coverage_unit=coverage_unit,
            component=component,
            progress=True,
        )
    for note in found.notes:
        warn(note)
    console = Console(highlight=False)
    table = Table("", "before", "after", "by chance")
    errors = (f"{value:.4f}" for value in (found.before, found.after, found.by_chance))
    table.add_row("expected calibration error", *errors)
    console.print(table)
    print(f"temperature {found.temperature:.3f}, from {found.n_entities} entities")
    for label, own in found.thresholds.items():
        print(
            f"{label}: threshold {own.threshold:.4f}, precision {own.precision:.3f} "
            f"(95 %: {own.low:.3f} to {own.high:.3f}), {own.correct} of {own.kept} right, "
            f"{own.found - own.kept} left out"
        )
    if found.coverage:
        console.print(_coverage_table(found.coverage))
        what = "docs are" if coverage_unit == "doc" else "docs, and their entities, are"
        print(
            f"Of each label with a yes, the candidates hold a share of {coverage:g} or more of the "
            "true entities in new docs, on average over such docs and such data. This assumes that "
            f"the {what} exchangeable with those of {data}: the same kinds of texts, chosen alike, "
            "annotated alike."
        )
    msg.good(f"Calibrated pipeline in {output}")


def _coverage_table(coverage: dict[str, Coverage]) -> Table:
    table = Table("", "floor", "holds", "covered here", "for each entity", "in 1,000 tokens")
    for label, own in coverage.items():
        table.add_row(
            escape(label),
            f"{own.floor:.4g}",
            "yes" if own.holds else "no",
            f"{own.covered} of {own.entities}",
            f"{own.per_entity:.2f}",
            f"{own.per_1000_tokens:.1f}",
        )
    return table


def _parse_target(text: str) -> tuple[str, float]:
    label, _, value = text.rpartition("=")
    try:
        target = float(value)
    except ValueError:
        target = -1.0
    if not label or not 0 < target <= 1:
        raise ValueError(
            f"--precision must be LABEL=NUMBER, the number above 0 and at most 1, but got '{text}'."
        )
    return label, target
