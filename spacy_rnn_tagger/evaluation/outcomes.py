"""What became of each entity: gold and predicted ones, paired where they belong together."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from spacy.tokens import Span
from spacy.training import Example

from ..pipeline.label_sets import LabelSet
from ..types import EntitySpan

Kind = Literal["correct", "boundary", "label", "missed", "spurious"]
ERRORS: tuple[Kind, ...] = ("boundary", "label", "missed", "spurious")


@dataclass(frozen=True)
class Mention:
    """An entity, gold or predicted, in the tokens and characters of the annotated doc.

    Attributes:
        start: Its first token.
        end: The token after its last one.
        label: Its label.
        start_char: Its first character.
        end_char: The character after its last one.
        text: Its text.
        confidence: The model's confidence in it; for a gold entity that was not predicted, the
            posterior that the model computes for it. None if the pipeline computes none.
    """

    start: int
    end: int
    label: str
    start_char: int
    end_char: int
    text: str
    confidence: float | None = None

    @property
    def span(self) -> EntitySpan:
        """What must be equal for a predicted entity to be correct."""
        return self.start, self.end, self.label

    def overlap(self, other: "Mention") -> int:
        """Count the tokens that two mentions share."""
        return max(0, min(self.end, other.end) - max(self.start, other.start))


class Outcome(NamedTuple):
    """A gold entity, a predicted one, or two that belong together.

    Attributes:
        kind: "correct"; "boundary" (the label is right, the borders are not); "label" (the label is
            wrong, the borders perhaps too); "missed" (only gold); "spurious" (only predicted).
        gold: The gold entity.
        predicted: The predicted entity.
    """

    kind: Kind
    gold: Mention | None
    predicted: Mention | None

    @property
    def label(self) -> str:
        """The gold label; for a spurious entity, the predicted one."""
        mention = self.gold or self.predicted
        assert mention is not None
        return mention.label


@dataclass
class DocOutcome:
    """All outcomes in a doc.

    Attributes:
        text: The text of the annotated doc.
        n_tokens: The number of its tokens.
        gold: Its annotated entities, with the posteriors that the model computes for them.
        predicted: The entities that the pipeline wrote to `doc.ents`.
        below: The entities that the network found and whose confidence is below the threshold.
        candidates: All spans that the component offers, which its span group would hold: what it
            found, what lost, and what was set before. None if the pipeline has no such component.
        coarse: The tokens of those gold entities whose precise label the annotation does not say.
        n_annotated: The number of the annotated tokens; by default, all of them are.
        label_set: What the annotators of the doc marked; None for everything.
        not_marked: How many of each label were found although the annotators of the doc did not
            mark that label. These are neither right nor wrong, and nowhere else.
        outcomes: What became of `gold` and `predicted`.
    """

    text: str
    n_tokens: int
    gold: list[Mention]
    predicted: list[Mention]
    below: list[Mention] = field(default_factory=list)
    candidates: list[Mention] | None = None
    coarse: frozenset[tuple[int, int]] = frozenset()
    n_annotated: int = -1
    label_set: LabelSet | None = None
    not_marked: Mapping[str, int] = field(default_factory=dict)
    outcomes: list[Outcome] = field(init=False)

    def __post_init__(self) -> None:
        if self.n_annotated < 0:
            self.n_annotated = self.n_tokens
        self.outcomes = list(match(self.gold, self.predicted))

    @property
    def errors(self) -> list[Outcome]:
        """The outcomes that are not correct."""
        return [outcome for outcome in self.outcomes if outcome.kind != "correct"]

    def of_labels(self, labels: Collection[str]) -> "DocOutcome":
        """Reduce the doc to entities of some labels.

        Entities are matched anew: a gold entity whose place has only a predicted entity of another
        label counts as missed, and a predicted one in the same position counts as spurious.

        Args:
            labels: The labels to keep.

        Returns:
            The outcomes in a doc that has no other entities.
        """

        def own(mentions: Iterable[Mention]) -> list[Mention]:
            return [mention for mention in mentions if mention.label in labels]

        return replace(
            self,
            gold=own(self.gold),
            predicted=own(self.predicted),
            below=own(self.below),
            candidates=None if self.candidates is None else own(self.candidates),
        )

    def found(self) -> Iterator[tuple[Mention, bool]]:
        """Iterate over what the network found, whatever the threshold.

        Yields:
            An entity, and whether it is correct.
        """
        spans = {mention.span for mention in self.gold}
        for mention in (*self.predicted, *self.below):
            yield mention, mention.span in spans
            spans.discard(mention.span)


def match(gold: Sequence[Mention], predicted: Sequence[Mention]) -> Iterator[Outcome]:
    """Pair gold and predicted entities: equal ones first, then by label, then by overlap.

    Args:
        gold: The gold entities of a doc, which do not overlap.
        predicted: Its predicted entities, which do not overlap.

    Yields:
        The outcomes; each entity is in one of them.
    """
    spans = {mention.span: mention for mention in gold}
    left = []
    for mention in predicted:
        same = spans.pop(mention.span, None)
        if same is None:
            left.append(mention)
        else:
            yield Outcome("correct", same, mention)
    left_gold = list(spans.values())
    at = {token: number for number, b in enumerate(left) for token in range(b.start, b.end)}
    pairs = {
        (number, at[token])
        for number, a in enumerate(left_gold)
        for token in range(a.start, a.end)
        if token in at
    }

    def order(pair: tuple[int, int]) -> tuple[bool, int, tuple[int, int]]:
        a, b = left_gold[pair[0]], left[pair[1]]
        return a.label != b.label, -a.overlap(b), pair

    paired: tuple[set[int], set[int]] = set(), set()
    for i, j in sorted(pairs, key=order):
        if i not in paired[0] and j not in paired[1]:
            paired[0].add(i)
            paired[1].add(j)
            kind: Kind = "boundary" if left_gold[i].label == left[j].label else "label"
            yield Outcome(kind, left_gold[i], left[j])
    yield from (Outcome("missed", m, None) for i, m in enumerate(left_gold) if i not in paired[0])
    yield from (Outcome("spurious", None, m) for i, m in enumerate(left) if i not in paired[1])


def project(example: Example, span: Span) -> tuple[int, int] | None:
    """Find the tokens of the annotated doc that a predicted span covers, as spaCy's scorer does.

    Args:
        example: The predicted and the annotated doc.
        span: A span of the predicted doc.

    Returns:
        The first token and the one after the last; None if there are no such tokens or if some of
        them are not annotated, so that the span is neither right nor wrong.
    """
    tokens = align(example, span.start, span.end)
    if tokens is None or any(not token.ent_iob for token in example.reference[slice(*tokens)]):
        return None
    return tokens


def align(example: Example, start: int, end: int) -> tuple[int, int] | None:
    """Find the tokens of the annotated doc that some of the predicted doc cover.

    Args:
        example: The predicted and the annotated doc.
        start: The first token of the predicted doc.
        end: The one after the last.

    Returns:
        The first token and the one after the last; None if there are no such tokens.
    """
    indices = example.alignment.x2y[start:end]
    return (int(indices[0]), int(indices[-1]) + 1) if len(indices) else None


def mentions(
    example: Example, spans: Iterable[Span], confidences: Iterable[float | None]
) -> list[Mention]:
    """Describe predicted spans in the tokens of the annotated doc.

    Args:
        example: The predicted and the annotated doc.
        spans: Spans of the predicted doc. [S]
        confidences: Their confidences, None where there is none. [S]

    Returns:
        A mention for each span that can be judged.
    """
    found = []
    for span, confidence in zip(spans, confidences, strict=True):
        tokens = project(example, span)
        if tokens is not None:
            found.append(describe(example.reference[slice(*tokens)], span.label_, confidence))
    return found


def describe(span: Span, label: str, confidence: float | None) -> Mention:
    """Describe a span of the annotated doc."""
    return Mention(
        span.start, span.end, label, span.start_char, span.end_char, span.text, confidence
    )
