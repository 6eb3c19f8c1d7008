"""Type aliases, and what passes between the network and the component."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from spacy.tokens import Doc, Span
from thinc.model import Model
from thinc.types import Floats1d, Floats2d, FloatsXd
from thinc.util import to_numpy

from .arrays import IntArray
from .crf.lattice import Lattice
from .crf.tag_scheme import TagScheme

# Start, end (exclusive) and label; of tokens, or of characters where that is said.
EntitySpan = tuple[int, int, str]
Tok2VecModel = Model[list[Doc], list[Floats2d]]


class Prediction(NamedTuple):
    """What is predicted for a doc.

    Attributes:
        entities: For `doc.ents`.
        scored: For the group of spans with confidences, in the order of their places: the entities,
            those below the threshold, and what else is likely enough. Empty if nothing needs
            confidences.
        confidences: The confidence of each of these.
        probability: P(these entities and no others of the labels that are written | doc); None if
            it was not asked for.
    """

    entities: list[EntitySpan]
    scored: list[EntitySpan]
    confidences: list[float]
    probability: float | None = None


class Analysis(NamedTuple):
    """One reading of a doc: all its entities, including those that were set before.

    Attributes:
        ents: The entities, in the order of the text.
        probability: P(these entities and no others | doc).
    """

    ents: tuple[Span, ...]
    probability: float


@dataclass
class TagScores:
    """The network's scores for a batch, or the gradient of a loss with respect to them.

    Attributes:
        emissions: The score of each tag at each token. (N, K)
        lengths: Tokens of each doc. [B]
        transitions: The scores from tag (row) to tag (column); None if the decoder learns none.
            (K, K)
        start: The score of a doc's first tag; None if the decoder learns none. (K,)
        end: The score of a doc's last tag; None if the decoder learns none. (K,)
    """

    emissions: Floats2d
    lengths: list[int]
    transitions: Floats2d | None = None
    start: Floats1d | None = None
    end: Floats1d | None = None

    def select(self, rows: IntArray, lengths: list[int]) -> "TagScores":
        """Take the scores of some of the tokens; `lengths` counts them for each doc."""
        if len(rows) == len(self.emissions):
            return self
        return replace(self, emissions=self.emissions[rows], lengths=lengths)

    def add(self, other: "TagScores") -> None:
        """Add other scores of the same shapes."""
        for mine, theirs in zip(self.arrays(), other.arrays(), strict=True):
            mine += theirs

    def arrays(self) -> list[FloatsXd]:
        """List the arrays that exist."""
        arrays = (self.emissions, self.transitions, self.start, self.end)
        return [array for array in arrays if array is not None]

    def lattice(self, scheme: TagScheme) -> Lattice:
        """Put the scores on the lattice of a scheme's legal paths, on the CPU."""
        return Lattice.of(scheme, *map(to_numpy, self.arrays()))


TaggerModel = Model[list[Doc], TagScores]
