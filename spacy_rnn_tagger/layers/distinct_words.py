"""Compute an embedding once for each distinct word of a batch, not once for each token.

A word here is a pair of ORTH and NORM: PREFIX, SUFFIX and SHAPE follow from ORTH, but a tokenizer
exception can give a token a NORM of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import NORM, ORTH
from spacy.tokens import Doc
from spacy.vocab import Vocab
from thinc.model import Model
from thinc.types import Floats2d

from ..arrays import IntArray
from ..types import Tok2VecModel
from .blocks import split

_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio (Knuth's hashing constant)


@dataclass
class Words:
    """The distinct words of a batch.

    Attributes:
        vocab: Whose strings and vectors the words use.
        attrs: IDs of the lexical attributes at hand, the columns of `values`.
        values: Their values. (U, attributes)
    """

    vocab: Vocab
    attrs: list[int]
    values: NDArray[np.uint64]

    def column(self, attr: int) -> NDArray[np.uint64]:
        """Get the values of one attribute. (U,)."""
        return self.values[:, self.attrs.index(attr)]


WordModel: TypeAlias = Model[Words, Floats2d]


def DistinctWords(embed: WordModel, attrs: list[int]) -> Tok2VecModel:  # noqa: N802
    """Apply `embed` to the distinct words of the docs and hand its rows to their tokens.

    Args:
        attrs: The attributes that `embed` reads; the key attribute of the vectors table is added.
    """
    return Model(
        "distinct_words",
        _forward,
        init=_init,
        layers=[embed],
        dims={"nO": embed.maybe_get_dim("nO")},
        attrs={"attrs": list(attrs)},
    )


def _forward(
    model: Tok2VecModel, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    ops, embed = model.ops, model.layers[0]
    if not any(len(doc) for doc in docs):
        empty = [ops.alloc2f(0, embed.get_dim("nO")) for _ in docs]
        return empty, lambda d_vectors: []
    words, index = _distinct(docs, model.attrs["attrs"])
    table, backprop_table = embed(words, is_train)
    index = ops.xp.asarray(index, dtype="int32")  # for wider ones Thinc's scatter_add is slow
    vectors = split(table[index], [len(doc) for doc in docs])

    def backprop(d_vectors: list[Floats2d]) -> list[Doc]:
        d_table = ops.alloc2f(*table.shape)
        ops.scatter_add(d_table, index, ops.flatten(d_vectors))
        backprop_table(d_table)
        return []

    return vectors, backprop


def _distinct(docs: list[Doc], attrs: list[int]) -> tuple[Words, IntArray]:
    vocab = docs[0].vocab
    key = getattr(vocab.vectors, "attr", ORTH)
    columns = list(dict.fromkeys([ORTH, NORM, key, *attrs]))
    tokens = np.concatenate([doc.to_array(columns).reshape(len(doc), len(columns)) for doc in docs])
    tokens = tokens.astype(np.uint64, copy=False)
    identity = tokens[:, 0] ^ (tokens[:, 1] * _MIX)
    _, first, index = np.unique(identity, return_index=True, return_inverse=True)
    return Words(vocab, columns, tokens[first]), index


def _init(model: Tok2VecModel, X: list[Doc] | None = None, Y: list[Floats2d] | None = None) -> None:
    words = None
    if X is not None and any(len(doc) for doc in X):
        words, _ = _distinct(X, model.attrs["attrs"])
    model.layers[0].initialize(X=words)
