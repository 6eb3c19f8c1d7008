"""Hashed embeddings of a word's lexical attributes (Svenstrup et al. 2017)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from spacy.attrs import SHAPE
from thinc.api import HashEmbed, chain, concatenate
from thinc.model import Model
from thinc.types import Ints2d

from .distinct_words import WordModel, Words

_HIDDEN = np.uint64(1)  # stands for a value that is hidden; no hash of a string is this small


def AttributeEmbed(  # noqa: N802
    width: int, attrs: list[int], rows: list[int], word_dropout: float
) -> WordModel:
    """Embed each attribute in a hashed table of its own. *Output:* (U, attrs * W).

    Args:
        word_dropout: The share of words of which training sees SHAPE only.
    """
    tables = [
        HashEmbed(width, size, column=column, seed=column + 1, dropout=0.0)
        for column, size in enumerate(rows)
    ]
    # Thinc's concatenate wants two layers or more.
    table = concatenate(*tables) if len(tables) > 1 else tables[0]
    model: WordModel = chain(_columns(attrs, word_dropout), table)
    model.set_dim("nO", width * len(attrs))
    return model


def _columns(attrs: list[int], word_dropout: float) -> Model[Words, Ints2d]:
    return Model(
        "word_attributes",
        _forward_columns,
        attrs={"attrs": list(attrs), "word_dropout": word_dropout},
    )


def _forward_columns(
    model: Model[Words, Ints2d], words: Words, is_train: bool
) -> tuple[Ints2d, Callable[[Ints2d], list[Any]]]:
    attrs, rate = model.attrs["attrs"], model.attrs["word_dropout"]
    values = words.values[:, [words.attrs.index(attr) for attr in attrs]]
    if is_train and rate:
        hidden = np.random.random(len(values)) < rate
        for column, attr in enumerate(attrs):
            if attr != SHAPE:
                values[hidden, column] = _HIDDEN
    return model.ops.asarray(values), lambda d_columns: []
