"""Teacher and student compared: where they agree, and how both do on gold annotation."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import islice

from spacy.language import Language
from spacy.tokens import Doc
from tqdm import tqdm

from ..errors import Errors
from ..errors.wording import counted
from ..evaluation.data import DataError
from ..evaluation.figures import Row, compare, cost, errors, scores
from ..evaluation.inputs import Data, data_name, example_of, examples_of, repeatable
from ..evaluation.markup import find_windows
from ..evaluation.outcomes import DocOutcome, Mention, Outcome
from ..evaluation.running import find_component, find_outcomes, silent_labels
from .teachers import entities_of, needed_pipes

_SEED = 0


def find_agreement(
    student: Language,
    docs: Iterable[Doc],
    *,
    labels: Collection[str] | None = None,
    component: str | None = None,
    n_examples: int = 60,
    progress: bool = False,
) -> Row:
    """Compare what the student finds with what its teacher found, on docs held out from training.

    The teacher's entities are the reference, so precision is the share of the student's entities
    that the teacher found too, and recall the share of the teacher's entities that the student
    found too. Tokens whose annotation is missing are not compared.

    Args:
        student: The student's pipeline.
        docs: Docs with the teacher's entities in `doc.ents`.
        labels: The labels that were learned from the teacher; all if None. Entities of other
            labels, which the student has learned elsewhere, are not compared.
        component: The name of the student's component, if it has several `rnn_ner`.
        n_examples: The maximum number of disagreements to return.
        progress: Whether to show a progress bar if standard error is a terminal.

    Returns:
        The numbers of `docs` and `tokens`; the `labels`; `scores` and `errors`, as the functions of
        `evaluation.figures` return them; `examples`, the costliest disagreements; `frequent`, the
        most frequent ones; `n_disagreements`; and `notes` for the user.

        An example has the number of its `doc`, its `kind`, `cost` in nats, `text` (the words around
        it), and `teacher` and `student`: None, or the `label`, the `text`, the `confidence` of the
        student, and the first character `start` and the `end` in the example's `text`. What is
        frequent has the `teacher` and the `student` (None, or `text` and `label`) and its `count`.

    Raises:
        DataError: There is no doc.
        ValueError: The student has several `rnn_ner` and `component` names none of them.
    """
    examples = [example_of(student, doc) for doc in docs if len(doc)]
    if not examples:
        raise DataError(Errors.RNN618)
    name = find_component(student, component)
    outcomes = find_outcomes(student, name, examples, progress=progress)
    if labels is not None:
        outcomes = [doc.of_labels(labels) for doc in outcomes]
    compared = _labels(mention for doc in outcomes for mention in (*doc.gold, *doc.predicted))
    notes = []
    if not any(doc.gold for doc in outcomes):
        notes.append(
            f"The teacher found no entity in {counted(len(outcomes), 'held-out doc')}, so there is "
            "nothing that the student could have found."
        )
    elif len(outcomes) == 1:
        notes.append("There is only one held-out doc, so there are no intervals.")
    disagreements = [(number, error) for number, doc in enumerate(outcomes) for error in doc.errors]
    costliest = sorted(disagreements, key=lambda found: -cost(found[1]))[:n_examples]
    return {
        "docs": len(outcomes),
        "tokens": sum(doc.n_tokens for doc in outcomes),
        "labels": compared,
        "scores": scores(outcomes, compared, _SEED),
        "errors": errors(outcomes, compared),
        "n_disagreements": len(disagreements),
        "examples": [_example(number, outcomes[number], error) for number, error in costliest],
        "frequent": _frequent((error for _, error in disagreements), n_examples // 3),
        "notes": notes,
    }


def compare_on_gold(
    teacher: Language,
    student: Language,
    gold: Data,
    *,
    name: str | None = None,
    teacher_component: str | None = None,
    spans_key: str | None = None,
    component: str | None = None,
    progress: bool = False,
) -> Row:
    """Score teacher and student on gold annotation, on the labels that both of them write.

    Args:
        teacher: The teacher's pipeline.
        student: The student's pipeline.
        gold: Annotated docs: the path or URL of a file or folder, or docs or examples.
        name: What reports call the data; its path by default.
        teacher_component: The name of the component that taught, which runs with the components
            that it listens to; None for the whole pipeline. The labels that the teacher writes are
            those of this component, if it names them; otherwise those that are found in the data.
        spans_key: The group with the teacher's entities; `doc.ents` if None.
        component: The name of the student's component, if it has several `rnn_ner`.
        progress: Whether to show a progress bar if standard error is a terminal.

    Returns:
        The name of the `data`; the numbers of `docs` and `tokens`; the `labels` that are compared;
        `left_out`, the other labels of the data with their numbers of entities; `teacher` and
        `student`, what `figures.scores` returns for each; `comparison`, what `figures.compare`
        returns, where "ours" is the student; and `notes` for the user. With no label to compare,
        `teacher`, `student` and `comparison` are empty.

    Raises:
        AnnotationError, DataError, OSError: The data can't be read, or has no entities.
        ValueError: A pipeline does not have the component, or the teacher does not write the group.
    """
    gold = repeatable(gold)
    own = find_component(student, component)
    found: dict[str, list[DocOutcome]] = {}
    with teacher.select_pipes(enable=needed_pipes(teacher, teacher_component)):
        found["teacher"] = _taught(teacher, gold, spans_key, progress=progress)
        both_write = _written(teacher, teacher_component, found["teacher"])
    found["student"] = find_outcomes(student, own, examples_of(student, gold), progress=progress)
    both_write &= _written(student, own, found["student"])
    annotated = Counter(mention.label for doc in found["student"] for mention in doc.gold)
    labels = sorted(annotated.keys() & both_write)
    own_name = data_name(gold) if name is None else name
    result: Row = {
        "data": own_name,
        "docs": len(found["student"]),
        "tokens": sum(doc.n_tokens for doc in found["student"]),
        "labels": labels,
        "left_out": {label: n for label, n in sorted(annotated.items()) if label not in labels},
        "teacher": [],
        "student": [],
        "comparison": [],
        "notes": [],
    }
    if result["left_out"]:
        left_out = ", ".join(f"{label} ({n:,})" for label, n in result["left_out"].items())
        result["notes"].append(
            f"{own_name} has entities of labels that teacher and student don't both write. They "
            f"are not scored: {left_out}."
        )
    if labels:
        sides = {
            side: [doc.of_labels(labels) for doc in outcomes] for side, outcomes in found.items()
        }
        result |= {side: scores(outcomes, labels, _SEED) for side, outcomes in sides.items()}
        result["comparison"] = compare(sides["student"], sides["teacher"], labels, _SEED)
    else:
        result["notes"].append(
            f"Teacher and student are not compared on {own_name}: there is no label that it has "
            "and both of them write."
        )
    return result


def _taught(
    nlp: Language, gold: Data, spans_key: str | None, *, progress: bool
) -> list[DocOutcome]:
    """Compare what a teacher teaches with the annotation."""
    examples = examples_of(nlp, gold)
    docs = nlp.pipe([example.predicted for example in examples])
    disable = None if progress else True  # None: only where there is no terminal
    bar = tqdm(docs, total=len(examples), unit=" docs", disable=disable, leave=False)
    for example, doc in zip(examples, bar, strict=True):
        if spans_key is not None:
            doc.set_ents([span for span, _ in entities_of(doc, spans_key)])
        example.predicted = doc
    with nlp.select_pipes(enable=[]):  # nothing more is to be found
        return find_outcomes(nlp, None, examples)


def _written(nlp: Language, name: str | None, outcomes: Sequence[DocOutcome]) -> set[str]:
    """Collect the labels that a component names, and those that its pipeline has found."""
    predicted = {mention.label for doc in outcomes for mention in doc.predicted}
    known = nlp.pipe_labels.get(name, ()) if name is not None else ()
    return predicted.union(set(known) - silent_labels(nlp))


def _labels(mentions: Iterable[Mention]) -> list[str]:
    return sorted({mention.label for mention in mentions})


def _example(number: int, doc: DocOutcome, error: Outcome) -> Row:
    """Describe a disagreement as plain data, with the words around it."""
    both = [mention for mention in (error.gold, error.predicted) if mention is not None]
    [(begin, stop)] = find_windows(doc.text, both, both)  # they overlap

    def describe(mention: Mention | None) -> Row | None:
        if mention is None:
            return None
        return {
            "label": mention.label,
            "text": mention.text,
            "confidence": mention.confidence,
            "start": mention.start_char - begin,
            "end": mention.end_char - begin,
        }

    return {
        "doc": number,
        "kind": error.kind,
        "cost": cost(error),
        "text": doc.text[begin:stop],
        "is_cut": [begin > 0, stop < len(doc.text)],
        "teacher": describe(error.gold),
        "student": describe(error.predicted),
    }


def _frequent(disagreements: Iterable[Outcome], n: int) -> list[Row]:
    """Count equal disagreements; those that occur once are not frequent."""

    def named(mention: Mention | None) -> tuple[str, str] | None:
        return None if mention is None else (" ".join(mention.text.split()), mention.label)

    counts = Counter((named(error.gold), named(error.predicted)) for error in disagreements)
    rows = []
    for (gold, predicted), count in islice(counts.most_common(), n):
        if count > 1:
            sides = {
                side: None if own is None else dict(zip(("text", "label"), own, strict=True))
                for side, own in (("teacher", gold), ("student", predicted))
            }
            rows.append({**sides, "count": count})
    return rows
