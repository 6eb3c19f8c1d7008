"""Type aliases and the one structure that passes between the network and the component."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from thinc.model import Model
from thinc.types import Floats1d, Floats2d

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
# Start token, end token (exclusive), label.
EntitySpan = tuple[int, int, str]
Tok2VecModel = Model[list[Doc], list[Floats2d]]


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


TaggerModel = Model[list[Doc], TagScores]
