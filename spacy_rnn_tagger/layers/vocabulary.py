"""A closed vocabulary: the most frequent words of the training data, and one row for all others."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import srsly
from numpy.typing import NDArray
from spacy.attrs import IDS
from spacy.tokens import Doc
from thinc.api import Embed
from thinc.model import Model, deserialize_attr, serialize_attr
from thinc.types import Floats2d, Ints1d, Ragged

from ..errors import Errors, Warnings, check_at_least, check_choice, check_rate

UNKNOWN = 0
_ATTRS = ("NORM", "LOWER", "ORTH", "LEMMA", "SHAPE")
_SAMPLE = 10  # docs that spaCy's own components hand to a model at initialisation
# The only doc that `spacy pretrain` hands to the layer that it trains.
_PRETRAINING = "Give it a doc to infer shapes"


class WordRows:
    """The rows of words, indexed by their hashes.

    A model that collects or loads words gets a new object, so the index always fits. Only the
    words are saved.

    Args:
        hashes: The words, in the order of rows 1, 2, ...; None for no words.
        complete: Whether they are from all docs, so that no sample may replace them.
    """

    def __init__(self, hashes: NDArray[np.uint64] | None = None, *, complete: bool = False) -> None:
        self.hashes = np.zeros(0, np.uint64) if hashes is None else hashes
        self.complete = complete
        order = np.argsort(self.hashes)
        self._sorted = self.hashes[order]
        self._rows = (order + 1).astype(np.int32)

    def find(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Find the rows of N words. (N,)"""
        if not len(self._rows):
            return np.full(len(hashes), UNKNOWN, dtype=np.int32)
        at = np.searchsorted(self._sorted, hashes).clip(max=len(self._rows) - 1)
        return np.where(self._sorted[at] == hashes, self._rows[at], np.int32(UNKNOWN))


@serialize_attr.register(WordRows)
def _save(_: Any, value: WordRows, name: str, model: Model[Any, Any]) -> bytes:
    data: bytes = srsly.msgpack_dumps(value.hashes)
    return data


@deserialize_attr.register(WordRows)
def _load(_: Any, value: bytes, name: str, model: Model[Any, Any]) -> WordRows:
    return WordRows(srsly.msgpack_loads(value))


def Vocabulary(  # noqa: N802
    *, attr: str, max_size: int, min_freq: int, word_dropout: float
) -> Model[list[Doc], Ragged]:
    """Number words: row 0 is the unknown word, the rest by falling frequency. *Output:* (N,).

    Args:
        attr: The token attribute that is the word.
        max_size: Rows in all, the unknown word's included.
        min_freq: A rarer word is unknown.
        word_dropout: The share of tokens that training takes for unknown.
    """
    check_choice("attr", attr, _ATTRS)
    check_at_least("max_size", max_size, 1)
    check_at_least("min_freq", min_freq, 1)
    check_rate("word_dropout", word_dropout)
    return Model(
        "vocabulary",
        _forward,
        init=_init,
        dims={"nV": max_size},
        attrs={
            "attr": attr,
            "min_freq": min_freq,
            "word_dropout": word_dropout,
            "words": WordRows(),
        },
    )


def build_vocabularies(model: Model[Any, Any], docs: Iterable[Doc]) -> None:
    """Fill every vocabulary below `model` anew, from all of `docs`.

    spaCy's components show a model ten docs at initialisation, too few for a vocabulary. What is
    built here stays when the model is initialised with such a sample.
    """
    vocabularies = [node for node in model.walk() if node.name == "vocabulary"]
    if vocabularies:
        _collect(vocabularies, docs, complete=True)


def _collect(
    vocabularies: Sequence[Model[Any, Any]], docs: Iterable[Doc], *, complete: bool
) -> None:
    counts: list[Counter[int]] = [Counter() for _ in vocabularies]
    for doc in docs:
        for node, count in zip(vocabularies, counts, strict=True):
            count.update(_keys(node, doc).tolist())
    for node, count in zip(vocabularies, counts, strict=True):
        # Of equally frequent words the lower hash comes first: the order of docs does not matter.
        ranked = sorted(count.items(), key=lambda item: (-item[1], item[0]))
        kept = [word for word, n in ranked if n >= node.attrs["min_freq"]]
        hashes = np.array(kept[: node.get_dim("nV") - 1], dtype=np.uint64)
        node.attrs["words"] = WordRows(hashes, complete=complete)


def _keys(model: Model[list[Doc], Ragged], doc: Doc) -> NDArray[np.uint64]:
    return np.asarray(doc.to_array(IDS[model.attrs["attr"]]), dtype=np.uint64).reshape(-1)


def _forward(
    model: Model[list[Doc], Ragged], docs: list[Doc], is_train: bool
) -> tuple[Ragged, Callable[[Ragged], list[Doc]]]:
    ops = model.ops
    words: WordRows = model.attrs["words"]
    keys = np.concatenate([_keys(model, doc) for doc in docs] or [np.zeros(0, np.uint64)])
    rows = words.find(keys)
    if is_train and model.attrs["word_dropout"]:
        rows[np.random.random(len(rows)) < model.attrs["word_dropout"]] = UNKNOWN
    lengths = ops.asarray1i([len(doc) for doc in docs])
    return Ragged(ops.asarray1i(rows), lengths), lambda d_rows: []


def _init(
    model: Model[list[Doc], Ragged], X: list[Doc] | None = None, Y: Ragged | None = None
) -> None:
    if X is None or model.attrs["words"].complete:
        return
    if [doc.text for doc in X] == [_PRETRAINING]:
        # The words of that doc would be saved with the pretrained weights, and replace those of the
        # training data. spaCy would hide the reason given by a ValueError.
        raise RuntimeError(Errors.RNN030)
    if len(X) == _SAMPLE:
        warnings.warn(
            Warnings.RNNW02.format(n_docs=len(X)),
            UserWarning,
            stacklevel=2,
        )
    _collect([model], X, complete=False)


def EmbeddingTable(*, width: int, rows: int) -> Model[Ints1d, Floats2d]:  # noqa: N802
    """Create a learned table. (rows, width)."""
    check_at_least("width", width, 1)
    return Embed(nO=width, nV=rows, dropout=0.0)


def OneHot(rows: int) -> Model[Ints1d, Floats2d]:  # noqa: N802
    """Turn row numbers (N,) into one-hot vectors (N, rows)."""
    return Model("one_hot", _forward_one_hot, dims={"nO": rows})


def _forward_one_hot(
    model: Model[Ints1d, Floats2d], rows: Ints1d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Ints1d]]:
    Y = model.ops.alloc2f(len(rows), model.get_dim("nO"))
    Y[model.ops.xp.arange(len(rows)), rows] = 1.0
    return Y, lambda dY: model.ops.alloc1i(len(rows))
