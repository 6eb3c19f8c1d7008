"""`spacy rnn calibrate`: probabilities that are right more often, and thresholds by precision."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer
from rich.console import Console
from rich.table import Table
from spacy.language import Language
from spacy.training import Example
from wasabi import msg

from . import app
from .evaluating import CODE, COMPONENT, DATA, GPU, MODEL, check_output, load, warn, write_pipeline
from .failures import failures

if TYPE_CHECKING:
    from ..evaluation.calibration import Operating


class Calibration(NamedTuple):
    """What calibration has done.

    temperature: of the pipeline that was written.
    before, after: the expected calibration error on the data.
    by_chance: what it would be of probabilities that are right.
    n_entities: what the model found in the data.
    thresholds: of the labels for which a precision was asked.
    notes: what the user should know.
    """

    temperature: float
    before: float
    after: float
    by_chance: float
    n_entities: int
    thresholds: dict[str, "Operating"]
    notes: list[str]


@app.command("calibrate")
def calibrate_cli(
    model: str = MODEL,
    data: Path = DATA,
    output: Path = typer.Argument(..., help="The folder to write the calibrated pipeline to"),
    precision: list[str] = typer.Option(
        [], "--precision", help="LABEL=0.9: set the threshold that reaches this precision on DATA"
    ),
    component: str = COMPONENT,
    code: Path = CODE,
    gpu: int = GPU,
) -> None:
    """Fit the temperature of a pipeline's confidences on held-out data, and write the pipeline.

    DATA must not be what the pipeline was trained on. Entities stay the same, but for thresholds.
    """
    with failures("Nothing was written"):
        targets = dict(map(_parse_target, precision))
        found = calibrate(
            model, data, output, targets=targets, component=component, code=code, gpu=gpu
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


def calibrate(
    model: str,
    data: Path,
    output: Path,
    *,
    targets: dict[str, float] | None = None,
    component: str | None = None,
    code: Path | None = None,
    gpu: int = -1,
) -> Calibration:
    """Fit temperature and thresholds, and write the pipeline with them.

    targets: for some labels the precision that their threshold is to reach.

    RAISES ValueError, OSError: something can't be read, or does not serve; then nothing is written.
    """
    import numpy as np

    from ..evaluation import calibration as cal
    from ..evaluation.data import read_examples
    from ..evaluation.running import find_component, find_entities
    from ..thresholds import check_labels_of, of_each

    targets = targets or {}
    if output.exists() and Path(model).exists() and output.samefile(model):
        raise ValueError(f"{output} is the pipeline itself; name another folder.")
    check_output(output)
    nlp = load(model, code, gpu)
    name = find_component(nlp, component)
    if name is None:
        raise ValueError(f"{model} has no component rnn_ner: {nlp.pipe_names}.")
    pipe = nlp.get_pipe(name)
    check_labels_of(targets, pipe.labels)
    examples = read_examples(nlp, data)
    notes = _check_held_out(nlp, examples, data)
    batches = list(find_entities(nlp, name, examples))
    correct = np.concatenate([batch.correct for batch in batches])
    of_label = np.concatenate([batch.spans.labels for batch in batches])
    before = cal.posteriors(batches, pipe.cfg["temperature"])
    temperature = cal.fit_temperature(batches)
    after = cal.posteriors(batches, temperature)
    found = {
        label: cal.threshold_for(label, target, after[own], correct[own])
        for label, target in targets.items()
        for own in [of_label == pipe.labels.index(label)]
    }
    counts = np.bincount(of_label, minlength=len(pipe.labels)).tolist()
    few = [f"{label} ({n})" for label, n in zip(pipe.labels, counts, strict=True) if n < cal.FEWEST]
    if few:
        notes.append(f"Few entities of {', '.join(few)}: calibrated by those of other labels.")
    settings: dict[str, Any] = {"temperature": temperature}
    if found:
        each = zip(pipe.labels, of_each(pipe.cfg["threshold"], pipe.labels).tolist(), strict=True)
        own = {label: row.threshold for label, row in found.items()}
        settings["threshold"] = {**dict(each), **own}
    elif np.any(of_each(pipe.cfg["threshold"], pipe.labels)):
        notes.append("The thresholds are those that were set for the former confidences.")
    pipe.cfg.update(settings)
    nlp.get_pipe_config(name).update(settings)
    write_pipeline(nlp, output)
    return Calibration(
        temperature,
        cal.expected_calibration_error(before, correct),
        cal.expected_calibration_error(after, correct),
        cal.error_by_chance(after),
        len(correct),
        found,
        notes,
    )


def _check_held_out(nlp: Language, examples: list[Example], data: Path) -> list[str]:
    """Refuse what the model was trained on, and tell what else the data has to do with it."""
    from ..evaluation.data import DataError, shared_texts, training_corpora

    known = training_corpora(nlp)
    notes = []
    shared = shared_texts(examples, known.train or ())
    if 2 * shared >= len(examples):
        raise DataError(
            f"{shared} of the {len(examples)} docs of {data} are training data of this pipeline. "
            "A model is surer there than it is elsewhere: calibrate on data that was held out."
        )
    if shared:
        notes.append(f"{shared} of the {len(examples)} docs of {data} are in the training data.")
    shared = shared_texts(examples, known.dev or ())
    if shared:
        notes.append(
            f"The same data selected this model ({shared} of {len(examples)} docs): on new text, "
            "precision is likely to be lower and the calibration error higher."
        )
    if known.absent:
        notes.append(
            f"Not compared with {' and '.join(known.absent)}: make sure that {data} was held out."
        )
    return notes
