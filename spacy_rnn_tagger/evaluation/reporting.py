"""The report on a pipeline: figures as plain data, and their page."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.training import Example

from ..errors import Errors, check_at_least
from ..formats import storage
from ..formats.base import Writing
from ..io import check_file, suffix_of, write_whole
from .data import DataError, shared_texts, training_corpora
from .exporting import check_export, find_tasks, pack_tasks
from .inputs import Data, Pipeline, data_name, examples_of, pipeline_name, pipeline_of, repeatable
from .outcomes import DocOutcome, Mention
from .provenance import describe_data, describe_model, utc_now, versions
from .running import find_component, find_outcomes, silent_labels
from .scope import find_label_sets, find_scope, label_sets_note
from .summary import summarise


def report(
    model: Pipeline,
    data: Data,
    output: str | Path | None = None,
    *,
    compare: Pipeline | None = None,
    train: Data | None = None,
    n_docs: int = 20,
    component: str | None = None,
    export: str | Path | None = None,
    export_format: str = "jsonl",
    progress: bool = False,
) -> dict[str, Any]:
    """Measure how a pipeline does on annotated data, and write a page about it.

    Any pipeline that sets `doc.ents` can be measured. Confidences, and whatever depends on them,
    come from a component `rnn_ner`.

    The labels that are scored are those that occur in the data, except for those that the pipeline
    leaves out by its setting `output_labels`. Entities of other labels count neither as right nor
    as wrong, and `notes` lists them. Likewise, in docs whose annotators marked only some labels
    (see `pipeline.label_sets`), entities of other labels are not counted. All entities of a label
    that the pipeline does not know count as missed. Two pipelines are compared on the labels that
    are scored for both.

    Args:
        model: The pipeline, or its folder or package name.
        data: Annotated docs: the path or URL of a file or folder (`.spacy` or what `convert`
            reads), or docs or examples in memory.
        output: The file to write, completely or not at all: an HTML page that can be read offline,
            or the figures if the suffix is `.json`. None to write nothing.
        compare: Another pipeline to compare with on the same docs.
        train: The training data, for separate scores of names that were seen in training; by
            default the training corpus that the pipeline's config names.
        n_docs: The maximum number of docs with errors to show, the costliest first.
        component: The name of the component, if the pipeline has several `rnn_ner`.
        export: The file to write all docs with errors to, a path or a URL: the costliest first, as
            gold annotation with the pipeline's suggestion in the metadata; beside it, what the tool
            needs to show them. Its suffix must fit the format. None to write nothing.
        export_format: The name of the format of that file, such as "jsonl".
        progress: Whether to show a progress bar if standard error is a terminal.

    Returns:
        The figures, ready for JSON: everything that `figures.measure` returns; `left_out`, the
        labels that are not scored, with numbers of entities: `not_in_data`, which the pipeline
        found but the data lacks, and `not_written`, which the data has but the pipeline leaves out;
        `comparison` (None, or `model`, the `labels` that are compared, `left_out` of the other
        pipeline, and `scores`, as `figures.compare` returns them); the names `model` and `data`;
        `provenance` (`date`, in UTC, and name, version and hash of the content for `model`, the
        model that it is compared `with`, or None, and `data`); `summary` (a few sentences in plain
        language); `label_sets` (None, or the number of `docs` whose annotators marked only some
        labels, and how many entities of each other label were found there, `not_marked`); `notes`
        (sentences for the user); `versions`; and `docs_with_errors`.

    Raises:
        ModuleNotFoundError: The extra `evaluation`, or a package that the format of the export
            needs, is not installed.
        OSError: Something can't be read or written.
        ValueError: A pipeline, the data or a setting is unsuitable, or the pipeline writes none of
            the labels that the data has. Nothing is written.
    """
    from . import figures as fig

    check_at_least("n_docs", n_docs, 0)
    file = None if output is None else Path(output)
    if file is not None:
        check_file(file)
        if suffix_of(file) != ".json":
            from .page import render_page
    form = None if export is None else check_export(export, export_format, but=file)
    data = repeatable(data)
    nlp = pipeline_of(model)
    name = find_component(nlp, component)
    examples = examples_of(nlp, data)
    provenance: dict[str, Any] = {
        "date": utc_now(),
        "model": describe_model(nlp),
        "with": None,
        "data": describe_data(examples),
    }
    seen, notes = _beside_training(nlp, examples, train)
    every = find_outcomes(nlp, name, examples, progress=progress)
    scope = find_scope(every, silent_labels(nlp))
    if not scope.labels:
        raise DataError(
            Errors.RNN409.format(
                model=pipeline_name(model),
                data=data_name(data),
                labels=", ".join(scope.not_written),
            )
        )
    notes += scope.notes(pipeline_name(model), data_name(data))
    docs = [doc.of_labels(scope.labels) for doc in every]
    notes += _unknown_labels(docs, nlp.get_pipe(name).tags.labels if name else ())
    threshold = nlp.get_pipe(name).cfg["threshold"] if name else 0.0
    candidates = nlp.get_pipe(name).cfg["candidates"] if name else None
    label_sets = find_label_sets(every)
    if label_sets is not None:
        notes.append(label_sets_note(label_sets, data_name(data)))
    figures = fig.measure(docs, scope.labels, threshold, seen, candidates=candidates)
    figures |= {"left_out": scope.left_out, "label_sets": label_sets, "comparison": None}
    if compare is not None:
        other = pipeline_of(compare)
        provenance["with"] = describe_model(other)
        theirs = find_outcomes(
            other, find_component(other), examples_of(other, data), progress=progress
        )
        their_scope = find_scope(theirs, silent_labels(other))
        notes += their_scope.notes(pipeline_name(compare), data_name(data))
        common = [label for label in scope.labels if label in their_scope.labels]
        ours, theirs = ([doc.of_labels(common) for doc in side] for side in (docs, theirs))
        figures["comparison"] = {
            "model": pipeline_name(compare),
            "labels": common,
            "left_out": their_scope.left_out,
            "scores": fig.compare(ours, theirs, common),
        }
    about: dict[str, Any] = {
        "model": pipeline_name(model),
        "data": data_name(data),
        "provenance": provenance,
        "summary": summarise(pipeline_name(model), figures),
        "notes": notes,
        "versions": versions(),
    }
    every_error = fig.costliest(docs, len(docs))
    costliest = every_error[:n_docs]
    shown = [_as_data(number, spent, docs[number]) for number, spent in costliest]
    found = {**about, **figures, "docs_with_errors": shown}
    annotation: dict[str, bytes] = {}
    if export is not None and form is not None:
        numbers = [number for number, _ in every_error]
        annotation = pack_tasks(
            export,
            form.configured(Writing(model=pipeline_name(model))),
            find_tasks(examples, docs, every, numbers, pipeline_name(model)),
            source=data_name(data),
            labels={mention.label for i in numbers for mention in every[i].predicted},
        )
    if file is not None:
        if suffix_of(file) == ".json":
            content = json.dumps(found, indent=2, ensure_ascii=False)
        else:
            content = render_page(**about, figures=figures, docs=docs, costliest=costliest)
        write_whole(file, content.encode("utf-8"))
    for path, part in annotation.items():
        storage.write(path, part)
    return found


def _beside_training(
    nlp: Language, examples: Sequence[Example], train: Data | None
) -> tuple[set[tuple[str, str]] | None, list[str]]:
    """Find the names that training has seen, and describe overlaps of the data with training.

    Args:
        nlp: The pipeline.
        examples: The data.
        train: The training data; None for that of the pipeline's config.

    Returns:
        Text and label of the entities in the training data, None if that is not at hand; and the
        notes.
    """
    from .figures import names_of

    known = training_corpora(nlp)
    docs = known.train
    if train is not None:
        docs = [example.reference for example in examples_of(nlp, train)]
    notes = []
    for others, did in ((docs, "trained"), (known.dev, "selected")):
        shared = shared_texts(examples, others or ())
        if shared:
            notes.append(
                f"The model was {did} on {shared} of the {len(examples)} docs, so the figures are "
                "better than on new text."
            )
    return None if docs is None else names_of(docs), notes


def _unknown_labels(docs: Sequence[DocOutcome], labels: Sequence[str]) -> list[str]:
    """Name the scored labels that the component does not know and that nothing else wrote."""
    gold, predicted = (
        {mention.label for doc in docs for mention in getattr(doc, side)}
        for side in ("gold", "predicted")
    )
    unknown = sorted(gold.difference(labels, predicted)) if labels else []
    if not unknown:
        return []
    return [f"The model does not know {', '.join(unknown)}, so all such entities count as missed."]


def _as_data(number: int, spent: float, doc: DocOutcome) -> dict[str, Any]:
    from .figures import cost

    rows = [
        {
            "kind": error.kind,
            "cost": cost(error),
            "gold": _mention_as_data(error.gold),
            "predicted": _mention_as_data(error.predicted),
        }
        for error in doc.errors
    ]
    return {"doc": number, "cost": spent, "errors": rows}


def _mention_as_data(mention: Mention | None) -> dict[str, Any] | None:
    if mention is None:
        return None
    row = asdict(mention)
    row["probability"] = row.pop("confidence")  # the key that existing readers of the JSON know
    return row
