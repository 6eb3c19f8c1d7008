"""Which labels a report scores: those that occur in the data and that the pipeline can write.

A pipeline is not penalised for labels that the data lacks: they were not annotated, so an entity of
such a label is neither right nor wrong. Nor is it penalised for labels that its setting
`output_labels` leaves out. In both cases, the report names what it does not score. A label in the
data that a pipeline does not know at all is scored: its entities are missed.

If the annotators of a doc marked only some labels, entities of other labels are neither right nor
wrong in that doc.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors.wording import counted
from .outcomes import DocOutcome


class Scope(NamedTuple):
    """The labels that are scored for a pipeline, and those that are not.

    Attributes:
        labels: The labels that are scored, sorted.
        not_in_data: The labels that the pipeline found and the data lacks, with the number of
            entities found, whatever the threshold.
        not_written: The labels of the data that the pipeline keeps silent, with the number of
            annotated entities.
    """

    labels: list[str]
    not_in_data: dict[str, int]
    not_written: dict[str, int]

    @property
    def left_out(self) -> dict[str, dict[str, int]]:
        """What is not scored, as plain data."""
        return {"not_in_data": self.not_in_data, "not_written": self.not_written}

    def notes(self, model: str, data: str) -> list[str]:
        """Describe what is not scored, as sentences for the user.

        Args:
            model: The pipeline's name.
            data: The name of the data.

        Returns:
            The sentences.
        """
        notes = []
        if self.not_in_data:
            notes.append(
                f"{model} finds entities of labels that {data} lacks. They count neither as right "
                f"nor as wrong: {_counted(self.not_in_data)}."
            )
        if self.not_written:
            notes.append(
                f"{model} does not write all labels in {data}, because of its setting "
                f"output_labels. These are not scored: {_counted(self.not_written)}."
            )
        return notes


def find_scope(docs: Sequence[DocOutcome], silent: Collection[str]) -> Scope:
    """Find the labels to score for a pipeline.

    Args:
        docs: All outcomes in each doc.
        silent: The labels that the pipeline's components `rnn_ner` keep silent. One that was
            predicted all the same is written by another component, and is scored.

    Returns:
        The labels that are scored, and those that are not.
    """
    gold = Counter(mention.label for doc in docs for mention in doc.gold)
    found = Counter(mention.label for doc in docs for mention in (*doc.predicted, *doc.below))
    not_written = {label: gold[label] for label in sorted(gold) if label in silent - found.keys()}
    not_in_data = {label: found[label] for label in sorted(found) if label not in gold}
    labels = [label for label in sorted(gold) if label not in not_written]
    return Scope(labels, not_in_data, not_written)


def find_label_sets(docs: Sequence[DocOutcome]) -> dict[str, Any] | None:
    """Count docs whose annotators marked some labels only, and what else was found there.

    Args:
        docs: All outcomes in each doc.

    Returns:
        The number of these `docs`, and `not_marked`, how many entities of each label were found
        that the annotators of the doc did not mark, whatever the threshold; None if there are no
        such docs.
    """
    own = [doc for doc in docs if doc.label_set is not None]
    if not own:
        return None
    counts = sum((Counter(doc.not_marked) for doc in own), Counter[str]())
    return {"docs": len(own), "not_marked": dict(sorted(counts.items()))}


def label_sets_note(found: Mapping[str, Any], data: str) -> str:
    """Describe what label sets leave out, as sentences for the user.

    Args:
        found: What `find_label_sets` returns.
        data: The name of the data.

    Returns:
        The sentences.
    """
    note = (
        f"In {counted(found['docs'], 'doc')} of {data}, annotators marked only some labels, or "
        "coarser ones. What they did not mark counts neither as right nor as wrong"
    )
    if found["not_marked"]:
        return f"{note}. Found there but not counted: {_counted(found['not_marked'])}."
    return f"{note}."


def _counted(labels: Mapping[str, int]) -> str:
    return ", ".join(f"{label} ({n:,})" for label, n in labels.items())
