"""The vocab's vectors table, projected; the table itself is not trained."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ORTH
from spacy.errors import Errors
from spacy.vectors import Mode
from thinc.api import Linear, chain, glorot_uniform_init
from thinc.model import Model
from thinc.types import Floats2d
from thinc.util import to_numpy

from .distinct_words import WordModel, Words


def StaticVectors(width: int) -> WordModel:  # noqa: N802
    """Look each word up in the vectors table, and project its vector.

    The width of the table, D, is inferred at initialisation, which raises ValueError (spaCy's E896)
    if the vocab has no vectors.

    Args:
        width: The width of the output, W.

    Returns:
        The layer, from U words to (U, W). The vector of a word that is not in the table is zero.
    """
    model: WordModel = chain(
        Model("vectors_lookup", _forward, init=_init),
        Linear(nO=width, init_W=glorot_uniform_init),
    )
    model.set_dim("nO", width)
    return model


def look_up(words: Words) -> NDArray[np.float32]:
    """Get the vectors of words from their vocab's table.

    Args:
        words: U words.

    Returns:
        Their vectors in float32, regardless of the number type of the table, (U, D). Words that are
        not in the table have zeros.

    Raises:
        ValueError: The vocab has no vectors (spaCy's E896).
    """
    vectors = words.vocab.vectors
    if not vectors.shape[1]:
        raise ValueError(Errors.E896)
    keys = words.column(getattr(vectors, "attr", ORTH))
    if getattr(vectors, "mode", None) != Mode.default:  # floret's table, or a table of another kind
        return to_numpy(vectors.get_batch(keys)).astype("f", copy=False)
    rows = vectors.find(keys=keys)  # an array where the table is, which may be a GPU
    found = to_numpy(vectors.data[rows]).astype("f", copy=False)
    # -1 for a word that is not there, where get_batch takes the last row.
    found[to_numpy(rows) < 0] = 0
    return found


def _forward(
    model: Model[Words, Floats2d], words: Words, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Any]]]:
    return model.ops.asarray2f(look_up(words)), lambda d_vectors: []


def _init(model: Model[Words, Floats2d], X: Words | None = None, Y: Floats2d | None = None) -> None:
    if X is not None:
        look_up(X)
