"""What the annotation of a doc says about spans: right, wrong, or nothing.

Annotators of a corpus may have marked only some labels, or labels that stand for several of ours
(see `pipeline.label_sets`). What they did not mark is neither right nor wrong.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from spacy.tokens import Span
from spacy.training import Example

from ..pipeline.label_sets import LabelSet, coarse_spans, get_label_set
from ..pipeline.scorer import comparable
from ..types import EntitySpan
from .outcomes import project


@dataclass(frozen=True)
class Judged:
    """A predicted doc and its annotation, reduced to what can be right or wrong.

    Attributes:
        example: The predicted doc, and the annotation in precise labels.
        gold: The annotated entities that count. An entity of a coarse label has the label that was
            found for it, if the coarse label stands for that, or else the first that it stands for.
        coarse: The tokens of entities whose precise label is not known.
        label_set: What the annotators marked; None for everything.
    """

    example: Example
    gold: Sequence[Span]
    coarse: frozenset[tuple[int, int]] = frozenset()
    label_set: LabelSet | None = None

    def marks(self, label: str) -> bool:
        """Tell whether the annotators would have marked an entity of a label."""
        return self.label_set is None or self.label_set.marks(label)

    def place(self, span: Span) -> EntitySpan | None:
        """Find a predicted span in the tokens of the annotated doc.

        Args:
            span: A span of the predicted doc.

        Returns:
            What must equal a gold entity for the span to be right; None if the span can't be
            judged.
        """
        tokens = project(self.example, span) if self.marks(span.label_) else None
        return None if tokens is None else (*tokens, span.label_)


def judge(example: Example, found: Sequence[Span], silent: Collection[str] = ()) -> Judged:
    """Reduce a doc's annotation to what can be right or wrong, as the scorer of `rnn_ner` does.

    Args:
        example: The predicted and the annotated doc.
        found: All that was found in the predicted doc, whatever its confidence. Where spans
            overlap, the first one counts.
        silent: Labels that the pipeline does not write. Where a coarse label stands for one of
            them among others, it is not known whether its entity had to be found.

    Returns:
        The predicted doc and the reduced annotation.
    """
    reference = example.reference
    label_set = get_label_set(reference)
    if label_set is None:
        return Judged(example, reference.ents)
    shown = example.predicted.copy()
    taken: set[int] = set()
    spans = []
    for span in found:
        tokens = set(range(span.start, span.end))
        if not tokens & taken:
            taken |= tokens
            spans.append(Span(shown, span.start, span.end, span.label_))
    shown.set_ents(spans)
    labels = None
    if silent:
        known = {span.label_ for span in (*found, *reference.ents)}
        labels = known.union(*label_set.coarse.values()).difference(silent)
    reduced = comparable(Example(shown, reference), labels).reference
    # A report counts entities of silent labels, though it does not score them.
    unwritten = [ent for ent in reference.ents if ent.label_ in silent]
    ambiguous = frozenset(
        (span.start, span.end)
        for span in coarse_spans(reference)
        if len(label_set.coarse[span.label_]) > 1
    )
    own = Example(example.predicted, reduced)
    return Judged(own, [*reduced.ents, *unwritten], ambiguous, label_set)
