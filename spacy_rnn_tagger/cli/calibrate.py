"""`spacy rnn calibrate`: better probabilities, thresholds by precision, floors by coverage."""

from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from wasabi import msg

from ..errors import Errors
from ..errors.wording import counted
from ..evaluation.calibrating import calibrate
from ..evaluation.conformal import Coverage
from . import app
from .evaluating import CODE, COMPONENT, DATA, GPU, MODEL, prepare, warn
from .failures import failures


@app.command("calibrate")
def calibrate_cli(
    model: str = MODEL,
    data: str = DATA,
    output: Path = typer.Argument(..., help="Folder for the calibrated pipeline"),
    precision: list[str] = typer.Option(
        [],
        "--precision",
        help="LABEL=NUMBER, such as GPE=0.9: set the threshold that reaches this precision on DATA",
    ),
    coverage: float = typer.Option(
        None,
        "--coverage",
        help="Share of true entities, such as 0.95, that the candidates should contain: set the "
        "floor of candidates for each label, by split conformal prediction",
    ),
    coverage_unit: str = typer.Option(
        "doc",
        "--coverage-unit",
        help="What --coverage assumes to be exchangeable: doc, or entity if the entities in a doc "
        "are practically independent",
    ),
    component: str = COMPONENT,
    code: Path = CODE,
    gpu: int = GPU,
) -> None:
    """Fit the temperature of a pipeline's confidences on held-out data, and write the pipeline.

    DATA must not be data that the pipeline was trained on. Entities stay the same, unless a
    threshold removes them. Only labels that the pipeline writes and that occur in DATA are
    calibrated. A coverage holds on average, for new docs of the same kind, selected and annotated
    in the same way as those in DATA.
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
    table = Table("", "before", "after", "expected by chance")
    errors = (f"{value:.4f}" for value in (found.before, found.after, found.by_chance))
    table.add_row("expected calibration error", *errors)
    console.print(table)
    n_entities = counted(found.n_entities, "entity", "entities")
    print(f"temperature {found.temperature:.3f}, from {n_entities}")
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
            f"For each label with a yes, the candidates contain a share of {coverage:g} or more of "
            "the true entities in new docs, on average over such docs and such data. This assumes "
            f"that the {what} exchangeable with those in {data}: the same kinds of texts, selected "
            "and annotated in the same way."
        )
    msg.good(f"Calibrated pipeline in {output}")


def _coverage_table(coverage: dict[str, Coverage]) -> Table:
    table = Table("", "floor", "holds", "covered here", "per entity", "per 1,000 tokens")
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
        raise ValueError(Errors.RNN420.format(received=text))
    return label, target
