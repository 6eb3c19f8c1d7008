"""Finding annotation that may be wrong."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from tempfile import TemporaryDirectory
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.vocab import Vocab

from ..errors import Errors, as_warning, check_at_least
from ..errors.wording import counted
from ..evaluation.data import annotated_docs, check_examples, training_corpora
from ..evaluation.exporting import Task, check_export, pack_tasks
from ..evaluation.inputs import Data, Pipeline, data_name, pipeline_name, pipeline_of
from ..evaluation.outcomes import Mention
from ..evaluation.running import find_component, no_component
from ..formats import storage
from ..io import check_file, suffix_of, write_whole
from ..pipeline.folders import load_pipeline
from ..pipeline.label_sets import annotated_labels, get_label_set
from ..runtime import one_core
from .folds import Folds, assign
from .suspicion import KINDS, Judged, Suspect, judge, ranked

Row = dict[str, Any]
_DIGITS = 6


def audit(
    model: Pipeline,
    data: Data,
    output: str | Path | None = None,
    *,
    folds: int = 5,
    steps: int | None = None,
    n: int = 200,
    export: str | Path | None = None,
    format: str = "jsonl",
    work: str | Path | None = None,
    component: str | None = None,
    code: str | Path | None = None,
    gpu_id: int = -1,
    progress: bool = False,
    notify: Callable[[str], None] = as_warning,
) -> Row:
    """Rank annotation by how improbable it is to a model that was not trained on it.

    The data is divided into folds. For each fold, `spacy train` trains the pipeline's own config on
    the other folds, without the component's `threshold`, `candidates` and `output_labels`. The
    models are kept in the folder `work`, so an interrupted run is resumed by calling it again with
    the same arguments. If the data, the config, or the vectors or components that training takes
    over from the pipeline have changed, they are trained anew. Delete the folder when you are done.

    The ranking contains each gold entity, and each span that the model finds likely but that is not
    annotated. The score is log((1 - q) / q), where q is the exact probability that the place is as
    annotated, given that the rest of its doc is. Above zero, the model prefers something else.

    Args:
        model: The pipeline, or its folder or package name.
        data: Annotated docs: the path or URL of a file or folder (`.spacy` or what `convert`
            reads), or docs or examples in memory. They keep their own tokens.
        output: The file to write, completely or not at all: an HTML page that can be read offline,
            or the whole ranking if the suffix is `.json`. None to write nothing.
        folds: The number of folds; 0 to judge by the pipeline itself, for data that it was not
            trained on.
        steps: Training steps per fold; from the config if None.
        n: The maximum number of places on the page, and of docs in the export.
        export: A file for annotation tools, a path or a URL, with the docs that have improbable
            annotation, the worst first: as they are annotated, with the model's suggestions in
            their `meta`. Entities of the label "?" mark missing annotation, which `convert` reads.
        format: The format of that file, as for `annotate`.
        work: The folder for the training runs; by default the output's name with `.folds`.
        component: The name of the component, if the pipeline has several `rnn_ner`.
        code: A Python file with functions that the pipeline needs for training.
        gpu_id: The GPU's ID for training, or -1 for the CPU.
        progress: Whether to show what training prints.
        notify: Called with notes about the data. By default, each note is a `UserWarning`.

    Returns:
        The ranking, ready for JSON: `model`, `data`, `folds`, `summary` (sentences), counts of
        `docs`, `tokens` and `entities`; `ranking`, a row for each place, the most improbable first:
        `rank`, `doc` (its number), `kind` ("boundary", "label", "invented" or "forgotten"), `gold`
        and `suggestion` (each None or with `start`, `end`, `label`, `start_char`, `end_char`,
        `text` and `probability`) and `score`; `doc_ranking`: `doc`, `cost` (-log P(annotation), in
        nats), `suspects` and `text`; `by_label`, rows of `label` and `kinds`, the number of places
        of each kind with a score above zero; `notes` and `versions`.

    Raises:
        ModuleNotFoundError: The extra `evaluation` is not installed, and a page is to be written;
            or a package that the format of the export needs.
        OSError: Something can't be read or written.
        RuntimeError: Training failed, or another run is training in the same folder.
        ValueError: The pipeline, the data or a setting is unsuitable.
    """
    if folds:
        check_at_least("folds", folds, 2)
    check_at_least("n", n, 1)
    if steps is not None:
        check_at_least("steps", steps, 1)
        if not folds:
            raise ValueError(Errors.RNN507.format(steps=steps))
    file = None if output is None else Path(output)
    if file is not None:
        check_file(file)
        if suffix_of(file) != ".json":
            from .page import render_page
    form = None if export is None else check_export(export, format, but=file)
    nlp = pipeline_of(model)
    name = find_component(nlp, component)
    if name is None:
        raise ValueError(no_component(nlp, pipeline_name(model)))
    docs = _docs_of(nlp, data)
    labels = sorted({label for doc in docs for label in annotated_labels(doc)})
    if folds:
        notes = []
        with _folder(work, file) as folder:
            parts = Folds(
                nlp,
                name,
                docs,
                assign(docs, folds),
                labels,
                folder,
                steps,
                None if code is None else Path(code),
                gpu_id,
            )
            judged = _cross_fitted(parts, folds, progress)
    else:
        notes = _notes(nlp, name, pipeline_name(model), docs)
        with one_core():
            judged = list(judge(nlp, name, _moved(docs, nlp.vocab), labels))
    for note in notes:
        notify(note)
    report = _report(pipeline_name(model), data_name(data), folds, docs, judged, notes)
    if export is not None and form is not None:
        tasks = _tasks(docs, judged, report, n)
        packed = pack_tasks(export, form, tasks, source=report["data"], labels=labels)
        for path, part in packed.items():
            storage.write(path, part)
    if file is not None:
        if suffix_of(file) == ".json":
            content = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
        else:
            content = render_page(report, docs, judged, n)
        write_whole(file, content.encode())
    return report


def _docs_of(nlp: Language, data: Data) -> list[Doc]:
    """Collect annotated docs with their own tokens."""
    if isinstance(data, str | Path):
        docs: Iterable[Doc] = annotated_docs(nlp, data)
    else:
        docs = (each.reference if isinstance(each, Example) else each for each in data)
    found = [
        doc for doc in docs if len(doc) and (doc.has_annotation("ENT_IOB") or get_label_set(doc))
    ]
    check_examples([Example(doc, doc) for doc in found], data_name(data))
    return found


def _moved(docs: Sequence[Doc], vocab: Vocab) -> list[Doc]:
    """Copy docs to another vocabulary."""
    return list(DocBin().from_bytes(DocBin(docs=docs).to_bytes()).get_docs(vocab))


@contextmanager
def _folder(work: str | Path | None, file: Path | None) -> Iterator[Path]:
    """Provide the folder for trainings."""
    if work is not None:
        yield Path(work).resolve()
    elif file is not None:
        yield file.with_name(f"{file.name}.folds").resolve()
    else:
        with TemporaryDirectory() as folder:
            yield Path(folder)


def _cross_fitted(parts: Folds, n_folds: int, progress: bool) -> list[Judged]:
    """Judge each doc by a model that did not see it."""
    found: dict[int, Judged] = {}
    for fold in range(n_folds):
        nlp = load_pipeline(parts.train(fold, progress=progress))
        numbers = [number for number, own in enumerate(parts.folds) if own == fold]
        own = _moved([parts.docs[number] for number in numbers], nlp.vocab)
        with one_core():
            judged = judge(nlp, parts.component, own, parts.labels, numbers)
            found.update(zip(numbers, judged, strict=True))
    return [found[number] for number in range(len(parts.docs))]


def _notes(nlp: Language, component: str, model: str, docs: Sequence[Doc]) -> list[str]:
    """Say what the pipeline itself can't judge."""
    notes = []
    known = set(nlp.get_pipe(component).tags.labels)
    unknown = Counter(ent.label_ for doc in docs for ent in doc.ents if ent.label_ not in known)
    if unknown:
        counts = ", ".join(f"{label} ({n:,})" for label, n in sorted(unknown.items()))
        notes.append(f"{model} does not know all labels. These are not judged: {counts}.")
    train = training_corpora(nlp).train
    if train is not None:
        texts = {doc.text for doc in train}
        if n_seen := sum(doc.text in texts for doc in docs):
            notes.append(
                f"{n_seen:,} of the {len(docs):,} docs are training data of {model}, which has "
                "learned their errors. Use folds to train models that have not."
            )
    return notes


def _report(
    model: str,
    data: str,
    folds: int,
    docs: Sequence[Doc],
    judged: Sequence[Judged],
    notes: Sequence[str],
) -> Row:
    suspects = ranked(judged)
    order = sorted(range(len(docs)), key=lambda number: (-judged[number].cost, number))
    n_entities = sum(each.gold is not None for each in suspects)
    improbable = [each for each in suspects if each.score > 0]
    counts = Counter((each.mentions[0].label, each.kind) for each in improbable)
    labels = sorted({label for label, _ in counts})
    return {
        "model": model,
        "data": data,
        "folds": folds,
        "summary": _summary(improbable, n_entities, len(docs)),
        "docs": len(docs),
        "tokens": sum(map(len, docs)),
        "entities": n_entities,
        "ranking": [_row(rank, each) for rank, each in enumerate(suspects, start=1)],
        "doc_ranking": [
            {
                "doc": number,
                "cost": round(judged[number].cost, _DIGITS),
                "suspects": sum(each.score > 0 for each in judged[number].suspects),
                "text": docs[number].text,
            }
            for number in order
        ],
        "by_label": [
            {"label": label, "kinds": {kind: counts[label, kind] for kind in KINDS}}
            for label in labels
        ],
        "notes": list(notes),
        "versions": {
            **{name: version(name) for name in ("spacy-rnn-tagger", "spacy", "thinc")},
            "python": python_version(),
        },
    }


def _summary(improbable: Sequence[Suspect], n_entities: int, n_docs: int) -> list[str]:
    gold = sum(each.gold is not None for each in improbable)
    missed = len(improbable) - gold
    entities = counted(n_entities, "annotated entity", "annotated entities")
    return [
        f"The model disagrees with {gold:,} of {entities} in {counted(n_docs, 'doc')}, and finds "
        f"{missed:,} others.",
        "It is not always right. The list begins with what it is most certain of.",
    ]


def _row(rank: int, suspect: Suspect) -> Row:
    return {
        "rank": rank,
        "doc": suspect.doc,
        "kind": suspect.kind,
        "gold": _mention(suspect.gold),
        "suggestion": _mention(suspect.suggestion),
        "score": round(suspect.score, _DIGITS),
    }


def _mention(mention: Mention | None) -> Row | None:
    if mention is None:
        return None
    row = asdict(mention)
    p = row.pop("confidence")
    return {**row, "probability": None if p is None else round(p, _DIGITS)}


def _tasks(docs: Sequence[Doc], judged: Sequence[Judged], report: Row, n: int) -> Iterator[Task]:
    """Describe the docs with improbable annotation, for an annotation tool."""
    rank = 0
    for each in report["doc_ranking"]:
        suspects = [s for s in ranked([judged[each["doc"]]]) if s.score > 0]
        if suspects and rank < n:
            rank += 1
            meta = {
                "audit_rank": rank,
                "audit_cost": each["cost"],
                "audit_suspects": [described(suspect) for suspect in suspects],
            }
            yield Task(each["doc"], docs[each["doc"]], meta)


def described(suspect: Suspect) -> str:
    """Describe in a line what is annotated and what the model suggests."""

    def said(mention: Mention | None) -> str:
        if mention is None:
            return "nothing"
        return f"'{mention.text}' {mention.label} ({mention.confidence or 0.0:.2f})"

    return f"{suspect.kind}: {said(suspect.gold)}; suggested: {said(suspect.suggestion)}"
