"""What became of each entity: gold and predicted ones, in pairs where they belong together."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from spacy.tokens import Span
from spacy.training import Example

Kind = Literal["correct", "boundary", "label", "missed", "spurious"]
ERRORS: tuple[Kind, ...] = ("boundary", "label", "missed", "spurious")


@dataclass(frozen=True)
class Mention:
    """An entity, gold or predicted, in the tokens and characters of the annotated doc.

    probability: the model's posterior of it; None if the pipeline gives none.
    """

    start: int
    end: int
    label: str
    start_char: int
    end_char: int
    text: str
    probability: float | None = None

    @property
    def place(self) -> tuple[int, int, str]:
        """What must be equal in a gold and a predicted entity."""
        return self.start, self.end, self.label

    def overlap(self, other: "Mention") -> int:
        """Count the tokens that both have."""
        return max(0, min(self.end, other.end) - max(self.start, other.start))


class Outcome(NamedTuple):
    """A gold entity, a predicted one, or two that belong together.

    "boundary": the labels are the same and the borders not; "label": the labels differ, the borders
    perhaps too.
    """

    kind: Kind
    gold: Mention | None
    predicted: Mention | None

    @property
    def label(self) -> str:
        """The gold label; that of a spurious entity is the predicted one."""
        mention = self.gold or self.predicted
        assert mention is not None
        return mention.label


@dataclass
class DocOutcome:
    """All outcomes of a doc.

    text: of the annotated doc.
    gold: its entities; their probabilities are what the model gives them.
    predicted: the entities that the pipeline wrote to `doc.ents`.
    below: those that were found, and are below the threshold.
    outcomes: of `gold` and `predicted`.
    """

    text: str
    n_tokens: int
    gold: list[Mention]
    predicted: list[Mention]
    below: list[Mention] = field(default_factory=list)
    outcomes: list[Outcome] = field(init=False)

    def __post_init__(self) -> None:
        self.outcomes = list(match(self.gold, self.predicted))

    @property
    def errors(self) -> list[Outcome]:
        """The outcomes that are not correct."""
        return [outcome for outcome in self.outcomes if outcome.kind != "correct"]

    def found(self) -> Iterator[tuple[Mention, bool]]:
        """List what the network found, whatever the threshold, and whether it is right."""
        places = {mention.place for mention in self.gold}
        for mention in (*self.predicted, *self.below):
            yield mention, mention.place in places
            places.discard(mention.place)


def match(gold: Sequence[Mention], predicted: Sequence[Mention]) -> Iterator[Outcome]:
    """Pair gold and predicted entities: equal ones first, then by label, then by overlap."""
    places = {mention.place: mention for mention in gold}
    left = []
    for mention in predicted:
        same = places.pop(mention.place, None)
        if same is None:
            left.append(mention)
        else:
            yield Outcome("correct", same, mention)
    left_gold = list(places.values())
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

    RETURNS: None if there are none, or if some of them are not annotated: then the span is neither
        right nor wrong.
    """
    indices = example.alignment.x2y[span.start : span.end]
    if not len(indices):
        return None
    start, end = int(indices[0]), int(indices[-1]) + 1
    if any(not token.ent_iob for token in example.reference[start:end]):
        return None
    return start, end


def mentions(
    example: Example, spans: Iterable[Span], probabilities: Iterable[float | None]
) -> list[Mention]:
    """Describe predicted spans in the annotated doc; those that can't be judged are left out."""
    found = []
    for span, probability in zip(spans, probabilities, strict=True):
        place = project(example, span)
        if place is not None:
            found.append(describe(example.reference[slice(*place)], span.label_, probability))
    return found


def describe(span: Span, label: str, probability: float | None) -> Mention:
    """Describe a span of the annotated doc."""
    return Mention(
        span.start, span.end, label, span.start_char, span.end_char, span.text, probability
    )
