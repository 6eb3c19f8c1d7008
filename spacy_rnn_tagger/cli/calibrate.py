"""`spacy rnn calibrate`: probabilities that are right more often, and thresholds by precision."""

from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from wasabi import msg

from ..evaluation.calibrating import calibrate
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
    component: str = COMPONENT,
    code: Path = CODE,
    gpu: int = GPU,
) -> None:
    """Fit the temperature of a pipeline's confidences on held-out data, and write the pipeline.

    DATA must not be what the pipeline was trained on. Entities stay the same, unless a threshold
    removes them. Only labels that are written and that DATA has are calibrated.
    """
    with failures("Nothing was written"):
        targets = dict(map(_parse_target, precision))
        prepare(code, gpu)
        found = calibrate(
            model, data, output, precision=targets, component=component, progress=True
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
    msg.good(f"Calibrated pipeline in {output}")


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
