"""Hashed embeddings of a word's lexical attributes (Svenstrup et al. 2017)."""

from collections.abc import Callable
from typing import Any

from thinc.api import HashEmbed, chain, concatenate
from thinc.model import Model
from thinc.types import Ints2d

from .distinct_words import WordModel, Words


def AttributeEmbed(width: int, attrs: list[int], rows: list[int]) -> WordModel:  # noqa: N802
    """Embed each attribute in a hashed table of its own. *Output:* (U, attrs * W)."""
    tables = [
        HashEmbed(width, size, column=column, seed=column + 1, dropout=0.0)
        for column, size in enumerate(rows)
    ]
    # Thinc's concatenate wants two layers or more.
    table = concatenate(*tables) if len(tables) > 1 else tables[0]
    model: WordModel = chain(_columns(attrs), table)
    model.set_dim("nO", width * len(attrs))
    return model


def _columns(attrs: list[int]) -> Model[Words, Ints2d]:
    return Model("word_attributes", _forward_columns, attrs={"attrs": list(attrs)})


def _forward_columns(
    model: Model[Words, Ints2d], words: Words, is_train: bool
) -> tuple[Ints2d, Callable[[Ints2d], list[Any]]]:
    at = [words.attrs.index(attr) for attr in model.attrs["attrs"]]
    return model.ops.asarray(words.values[:, at]), lambda d_columns: []
