"""Calibration of a pipeline: its temperature, and thresholds by precision, on held-out data."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from numbers import Real
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from spacy.language import Language
from spacy.training import Example

from ..errors import Errors, check_choice
from ..errors.wording import counted
from ..pipeline.folders import check_output, write_pipeline
from ..pipeline.thresholds import check_labels_of, floor_of_each, of_each
from . import conformal
from .conformal import Coverage
from .data import DataError, shared_texts, training_corpora
from .inputs import Data, Pipeline, data_name, examples_of, pipeline_name, pipeline_of
from .running import Found, find_component, find_entities, gold_labels, no_component

if TYPE_CHECKING:
    from .calibration import Operating


class Calibration(NamedTuple):
    """The result of a calibration.

    Attributes:
        temperature: The fitted temperature, which is now a setting of the component.
        before: The expected calibration error on the data with the former temperature.
        after: The expected calibration error on the data with the fitted temperature.
        by_chance: The error to expect on as many entities if each confidence were exactly right.
        n_entities: The number of entities that the network finds in the data.
        thresholds: For each label with a target precision, the threshold and its effect.
        notes: Limits of the result, as sentences for the user.
        coverage: If a coverage was given, the floor of `candidates` and its effect, for each label
            that the component writes and that occurs in the data.
    """

    temperature: float
    before: float
    after: float
    by_chance: float
    n_entities: int
    thresholds: dict[str, "Operating"]
    notes: list[str]
    coverage: dict[str, Coverage]


def calibrate(
    model: Pipeline,
    data: Data,
    output: str | Path | None = None,
    *,
    precision: Mapping[str, float] | None = None,
    coverage: float | None = None,
    coverage_unit: str = "doc",
    component: str | None = None,
    progress: bool = False,
) -> Calibration:
    """Fit the temperature of a pipeline's confidences on held-out data, and optionally more.

    A temperature changes confidences but no entity; a threshold keeps less likely entities out of
    `doc.ents`; floors of `candidates` add less likely spans to the span group. A `Language` is
    calibrated in memory, and also written if `output` is given. If `model` is a name, the
    calibrated pipeline is only in `output`.

    Calibration uses the entities that the component writes (see its setting `output_labels`) and
    whose label occurs in the data. For other labels, the data does not show what is right.

    With the floors for a coverage of 0.95, the expected number of true entities in new docs that
    are not among the candidates is at most 5 % of the expected number of all true entities, for
    each label. This assumes that the new docs and those in the data are exchangeable: the same
    kinds of texts, selected and annotated in the same way. It holds on average over such data and
    such docs, not for each name or each kind of text. The docs are divided at random: the
    temperature is fitted on a third of them, and the floors on the others, because a floor must not
    come from docs that the confidences were fitted on. A label with too few entities gets the
    lowest floor, which a note reports. See `evaluation.conformal` for the method.

    Args:
        model: The pipeline, or its folder or package name.
        data: Annotated docs that the pipeline was not trained on: the path or URL of a file or
            folder (`.spacy` or what `convert` reads), or docs or examples in memory.
        output: The folder to write the calibrated pipeline to; None to write nothing.
        precision: For any number of labels, the precision that the threshold of the label should
            reach on the data, above 0 and at most 1.
        coverage: The share of true entities that `candidates` should contain, above 0 and below 1.
        coverage_unit: What is assumed to be exchangeable, "doc" or "entity". The latter needs fewer
            entities, but is sound only if the entities in a doc are practically independent.
        component: The name of the component, if the pipeline has several `rnn_ner`.
        progress: Whether to show a progress bar if standard error is a terminal.

    Returns:
        What was fitted, and how well.

    Raises:
        ModuleNotFoundError: The extra `evaluation` is not installed.
        OSError: Something can't be read or written.
        ValueError: The pipeline, the data or a setting is unsuitable: no such component, no
            entities, data that the pipeline was trained on (`DataError`), a precision for a label
            that the component does not know or write, too few entities, a precision out of reach,
            or a coverage that can't be kept for any label (`CalibrationError`). The pipeline is
            then left unchanged, and nothing is written.
    """
    from . import calibration as cal

    targets = dict(precision or {})
    _check_targets(targets)
    _check_coverage(coverage, coverage_unit)
    folder = None if output is None else Path(output)
    if folder is not None:
        _check_folder(folder, model)
    nlp = pipeline_of(model)
    name = find_component(nlp, component)
    if name is None:
        raise ValueError(no_component(nlp, pipeline_name(model)))
    pipe = nlp.get_pipe(name)
    labels, written = pipe.tags.labels, pipe.written_labels
    _check_written(targets, labels, written, name)
    if coverage is not None and pipe.spans_key is None:
        raise ValueError(Errors.RNN411.format(name=name))
    examples = examples_of(nlp, data)
    annotated = gold_labels(examples)
    _check_annotated(targets, annotated, data_name(data))
    notes = _check_held_out(nlp, examples, data_name(data))
    parts = [examples] if coverage is None else _divided(examples)
    first, *others = (
        list(find_entities(nlp, name, part, annotated=annotated, progress=progress))
        for part in parts
    )
    batches = list(chain(first, *others))
    correct = np.concatenate([batch.correct for batch in batches])
    label_of = np.concatenate([batch.spans.labels for batch in batches])
    before = cal.posteriors(batches, pipe.cfg["temperature"])
    temperature = cal.fit_temperature(first)
    after = cal.posteriors(batches, temperature)
    found = {
        label: cal.threshold_for(label, target, after[own], correct[own])
        for label, target in targets.items()
        for own in [label_of == labels.index(label)]
    }
    counts = {label: int((label_of == labels.index(label)).sum()) for label in written}
    absent = [label for label in written if label not in annotated]
    if absent:
        notes.append(
            f"{data_name(data)} has no entity of {', '.join(absent)}, so entities of these labels "
            "are not judged."
        )
    few = [f"{label} ({n})" for label, n in counts.items() if n < cal.FEWEST and label in annotated]
    if few:
        notes.append(
            f"There are few entities of {', '.join(few)}; their confidences are calibrated mostly "
            "on entities of other labels."
        )
    settings: dict[str, Any] = {"temperature": temperature}
    thresholds = dict(zip(written, of_each(pipe.threshold, written).tolist(), strict=True))
    if found:
        # A threshold that was set for a label that is not written is left for when it is.
        set_before = pipe.threshold if isinstance(pipe.threshold, Mapping) else {}
        fitted = {label: row.threshold for label, row in found.items()}
        settings["threshold"] = {**set_before, **thresholds, **fitted}
    kept = [label for label, value in thresholds.items() if value and label not in found]
    notes += _unchanged("thresholds", kept)
    covered: dict[str, Coverage] = {}
    # Infinite ones are those of labels that have no candidates.
    floors = dict(zip(labels, floor_of_each(pipe.candidates, labels).tolist(), strict=True))
    floors = {label: floor for label, floor in floors.items() if floor <= 1}
    if coverage is not None:
        present = [label for label in written if label in annotated]
        covered = _covered(others[0], temperature, present, coverage, coverage_unit)
        notes += _coverage_notes(covered, coverage, coverage_unit)
        # What was set before stays for labels of which the data says nothing.
        settings["candidates"] = floors | {label: own.floor for label, own in covered.items()}
    kept = [label for label in floors if label in written and label not in covered]
    notes += _unchanged("floors of candidates", kept)
    result = Calibration(
        temperature,
        cal.expected_calibration_error(before, correct),
        cal.expected_calibration_error(after, correct),
        cal.error_by_chance(after),
        len(correct),
        found,
        notes,
        covered,
    )
    pipe.cfg.update(settings)
    nlp.get_pipe_config(name).update(settings)
    if folder is not None:
        write_pipeline(nlp, folder)
    return result


def _unchanged(what: str, labels: Sequence[str]) -> list[str]:
    """Describe what stays as it was for some labels, as sentences for the user."""
    if not labels:
        return []
    return [
        f"These {what} are unchanged; they were set for the former confidences: "
        f"{', '.join(labels)}."
    ]


def _divided(examples: Sequence[Example]) -> tuple[list[Example], list[Example]]:
    """Divide docs at random, always alike: a third for the temperature, the others for floors."""
    shuffled = list(examples)
    Random(0).shuffle(shuffled)
    n = -(-len(shuffled) // 3)
    return shuffled[:n], shuffled[n:]


def _covered(
    batches: Sequence[Found], temperature: float, labels: Sequence[str], target: float, unit: str
) -> dict[str, Coverage]:
    """Find the floor of each label.

    Raises:
        CalibrationError: None of them keeps the coverage.
    """
    from .calibration import CalibrationError

    evidence = conformal.collect_evidence(batches, temperature, labels)
    covered = {label: conformal.cover(own, target, unit) for label, own in evidence.items()}
    if not any(own.holds for own in covered.values()):
        problems = "; ".join(_shortfall(label, own) for label, own in covered.items())
        raise CalibrationError(Errors.RNN412.format(coverage=target, problems=problems))
    return covered


def _coverage_notes(covered: Mapping[str, Coverage], target: float, unit: str) -> list[str]:
    """Describe where a coverage can't be kept, as sentences for the user."""
    short = [_shortfall(label, own) for label, own in covered.items() if not own.holds]
    if not short:
        return []
    return [
        f"A coverage of {target:g} is not ensured for all labels. Some get the lowest possible "
        f"floor, {conformal.LOWEST:g}: {'; '.join(short)}."
    ]


def _shortfall(label: str, own: Coverage) -> str:
    if own.entities < own.needed:
        entities, docs = counted(own.entities, "entity", "entities"), counted(own.docs, "doc")
        return f"{label} has {entities} in {docs}, but needs {own.needed:,}"
    entities = counted(own.entities, "entity", "entities")
    return f"{label} has {own.covered:,} of {entities} above that floor"


def _check_coverage(coverage: float | None, unit: str) -> None:
    check_choice("coverage_unit", unit, conformal.UNITS)
    is_number = isinstance(coverage, Real) and not isinstance(coverage, bool)
    if coverage is not None and not (is_number and 0 < coverage < 1):
        raise ValueError(Errors.RNN410.format(received=coverage))


def _check_targets(targets: Mapping[str, float]) -> None:
    for label, target in targets.items():
        if not 0 < target <= 1:
            raise ValueError(
                Errors.RNN006.format(setting=f"precision of '{label}'", received=target)
            )


def _check_written(
    targets: dict[str, float], labels: Sequence[str], written: Sequence[str], component: str
) -> None:
    check_labels_of(targets, labels)
    for label in targets:
        if label not in written:
            raise ValueError(
                Errors.RNN413.format(label=label, name=component, written=_named(written))
            )


def _check_annotated(targets: Mapping[str, float], annotated: Collection[str], data: str) -> None:
    for label in targets:
        if label not in annotated:
            raise ValueError(
                Errors.RNN414.format(label=label, data=data, labels=_named(sorted(annotated)))
            )


def _named(labels: Iterable[str]) -> str:
    return ", ".join(f"'{label}'" for label in labels) or "none"


def _check_folder(output: Path, model: Pipeline) -> None:
    source = model.path if isinstance(model, Language) else Path(model)
    if source is not None and output.exists() and source.exists() and output.samefile(source):
        raise ValueError(Errors.RNN415.format(output=output))
    check_output(output)


def _check_held_out(nlp: Language, examples: Sequence[Example], data: str) -> list[str]:
    """Refuse data that the model was trained on, and describe other overlaps with its training."""
    known = training_corpora(nlp)
    notes = []
    shared = shared_texts(examples, known.train or ())
    if 2 * shared >= len(examples):
        raise DataError(Errors.RNN407.format(shared=shared, n_docs=len(examples), data=data))
    if shared:
        notes.append(f"{shared} of the {len(examples)} docs in {data} are in the training data.")
    shared = shared_texts(examples, known.dev or ())
    if shared:
        notes.append(
            f"This model was selected on the same data ({shared} of {len(examples)} docs), so on "
            "new text, precision is likely to be lower and the calibration error higher."
        )
    if known.absent:
        notes.append(
            f"{data} was not compared with {'; nor with '.join(known.absent)}. Make sure that it "
            "was held out."
        )
    return notes
