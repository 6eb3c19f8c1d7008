"""Type aliases, and what passes between the network, the lattice and the component."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span
from thinc.model import Model
from thinc.types import Floats1d, Floats2d, FloatsXd

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
# Start, end (exclusive) and label; of tokens, or of characters where that is said.
EntitySpan = tuple[int, int, str]
Tok2VecModel = Model[list[Doc], list[Floats2d]]


class Spans(NamedTuple):
    """Entities among the words of a batch, all docs in one array.

    starts: the first word of each. *Shape:* (S,).
    ends: the word after its last. *Shape:* (S,).
    labels: the number of its label. *Shape:* (S,).
    """

    starts: IntArray
    ends: IntArray
    labels: IntArray

    def select(self, keep: BoolArray) -> "Spans":
        """Keep some of the spans."""
        return Spans(self.starts[keep], self.ends[keep], self.labels[keep])


class Prediction(NamedTuple):
    """What is predicted of a doc.

    entities: for `doc.ents`.
    scored: for the group of spans with their probabilities, in the order of their places: the
        entities, those below the threshold, and what else is likely enough. Empty where no
        group is asked for.
    scores: the probability of each of these.
    """

    entities: list[EntitySpan]
    scored: list[EntitySpan]
    scores: list[float]


class Analysis(NamedTuple):
    """One way to read a doc: all its entities, those that were set before among them.

    ents: in the order of their places.
    probability: P(these and no others | doc).
    """

    ents: tuple[Span, ...]
    probability: float


@dataclass
class TagScores:
    """What the network says of a batch, or the gradient of a loss with respect to it.

    emissions: the score of each tag at each token. *Shape:* (N, K).
    lengths: tokens of each doc. *Length:* B.
    transitions: from row to column; None if the decoder learns none. *Shape:* (K, K).
    start: of a doc's first tag; None likewise. *Shape:* (K,).
    end: of a doc's last tag; None likewise. *Shape:* (K,).
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

    def tempered(self, temperature: float) -> "TagScores":
        """Divide all scores by a temperature: above 1, every probability is more even.

        The order of paths stays (Guo et al. 2017, "On Calibration of Modern Neural Networks"). The
        results are in double precision, whose range no temperature leaves.
        """
        if temperature == 1:
            return self
        learned = (
            None if array is None else array.astype("float64") / temperature
            for array in (self.transitions, self.start, self.end)
        )
        emissions = self.emissions.astype("float64") / temperature
        return TagScores(emissions, self.lengths, *learned)

    def add(self, other: "TagScores") -> None:
        """Add other scores of the same shapes."""
        for mine, theirs in zip(self.arrays(), other.arrays(), strict=True):
            mine += theirs

    def arrays(self) -> list[FloatsXd]:
        """List the arrays that are there."""
        arrays = (self.emissions, self.transitions, self.start, self.end)
        return [array for array in arrays if array is not None]


TaggerModel = Model[list[Doc], TagScores]
