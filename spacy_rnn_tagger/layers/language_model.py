"""Pretraining: predict each word of raw text from the states on both sides of it.

The forward state after word t-1 and the backward state after word t+1 have read all of a doc but
word t: Melamud et al. (2016), "context2vec"; Peters et al. (2018) train each direction so by
itself. A masked language model learns from 15 % of the words, this one from each.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.attrs import IS_SPACE, NORM
from spacy.tokens import Doc
from thinc.api import HashEmbed
from thinc.backends import Ops
from thinc.model import Model
from thinc.types import Floats2d

from ..arrays import IntArray
from ..errors import Errors
from ..modules.isolation import isolated
from ..types import Tok2VecModel
from .blocks import split
from .maxout import Maxout
from .tensors import as_array, as_tensor

_RATES = ("dropout", "word_dropout")
WordScorer: TypeAlias = Model[list[Doc], Floats2d]


def WordPrediction(  # noqa: N802
    tok2vec: Tok2VecModel, hidden_width: int, rows: int
) -> WordScorer:
    """Score the distinct words of a batch for each place in it. *Output:* (N, U).

    A score is the product of a word's vector and a hidden layer over the states around the token,
    plus a bias. Words that are not in the batch don't compete, so the cost does not grow with the
    vocabulary.

    The dropout rate of `[pretraining]` replaces those of the layers, and no word is hidden.

    Args:
        tok2vec: A model that ends in a recurrent layer.
        hidden_width: Width of the hidden layer and of a word's vector.
        rows: Rows of the hashed table of words.

    Raises:
        ValueError: `tok2vec` has no recurrent layer, or a bidirectional one with others above or
            below it: what the upper ones read has read the word itself.
    """
    rnns = [node for node in tok2vec.walk() if node.name == "rnn"]
    if not rnns:
        raise ValueError(Errors.RNN027)
    bidirectional = any(rnn.attrs["bidirectional"] for rnn in rnns)
    if bidirectional and sum(rnn.attrs["depth"] for rnn in rnns) > 1:
        raise ValueError(Errors.RNN028)
    width = tok2vec.get_dim("nO")
    return Model(
        "word_prediction",
        _forward,
        init=_init,
        layers=[
            tok2vec,
            Surroundings(width, bidirectional=bidirectional),
            Maxout(hidden_width, width),
            # Of the last column are the biases.
            HashEmbed(hidden_width + 1, rows, column=0, seed=1, dropout=0.0),
        ],
    )


def words_loss(ops: Ops, docs: list[Doc], scores: Floats2d) -> tuple[float, Floats2d]:
    """Compute the cross-entropy of the words of the docs, and its gradient.

    Args:
        ops: Not used; Thinc's objectives take it.
        docs: The docs.
        scores: The scores of the U distinct words at each of the N tokens. (N, U)

    Returns:
        The mean over words, in nats, and the gradient, (N, U). Whitespace does not count, nor does
        a word that is alone in its doc, since it has no context.
    """
    _, index = _distinct(docs)
    counted = np.concatenate([(doc.to_array(IS_SPACE) == 0) & (len(doc) > 1) for doc in docs])
    with isolated():
        log_p = torch.log_softmax(as_tensor(scores), dim=1)
        rows = torch.arange(len(index), device=log_p.device)
        targets = torch.from_numpy(index).to(log_p.device)
        weights = torch.from_numpy(counted / max(counted.sum(), 1)).to(log_p)
        loss = -(log_p[rows, targets] * weights).sum()
        gradient = log_p.exp_()
        gradient[rows, targets] -= 1
        gradient *= weights.unsqueeze(1)
        return float(loss), as_array(gradient)


def Surroundings(  # noqa: N802
    width: int, *, bidirectional: bool
) -> Model[list[Floats2d], Floats2d]:
    """Join what was read before each word and what was read after it. *Output:* (N, W).

    The first half of a state is the forward direction's, and moves down by a word; the second is
    the backward direction's, and moves up. Beyond a doc's ends there are zeros.
    """
    return Model(
        "surroundings",
        _forward_surroundings,
        dims={"nI": width, "nO": width},
        attrs={"half": width // 2 if bidirectional else width},
    )


def _forward_surroundings(
    model: Model[list[Floats2d], Floats2d], X: list[Floats2d], is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Floats2d]]]:
    ops, half, width = model.ops, model.attrs["half"], model.get_dim("nO")
    lengths = [len(states) for states in X]
    outputs = ops.alloc2f(sum(lengths), width)
    for output, states in zip(split(outputs, lengths), X, strict=True):
        output[1:, :half] = states[:-1, :half]
        output[:-1, half:] = states[1:, half:]

    def backprop(dY: Floats2d) -> list[Floats2d]:
        d_inputs = split(ops.alloc2f(sum(lengths), width), lengths)
        for d_input, d_output in zip(d_inputs, split(dY, lengths), strict=True):
            d_input[:-1, :half] = d_output[1:, :half]
            d_input[1:, half:] = d_output[:-1, half:]
        return d_inputs

    return outputs, backprop


def _distinct(docs: list[Doc]) -> tuple[NDArray[np.uint64], IntArray]:
    """Find the distinct words, *shape* (U,), and which of them stands at each place, (N,)."""
    norms = np.concatenate([doc.to_array(NORM) for doc in docs])
    return np.unique(norms, return_inverse=True)


def _forward(
    model: WordScorer, docs: list[Doc], is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Any]]]:
    ops = model.ops
    tok2vec, surroundings, hidden, table = model.layers
    with _no_rates(tok2vec):
        states, to_docs = tok2vec(docs, is_train)
    around, to_states = surroundings(states, is_train)
    features, to_around = hidden(around, is_train)
    words, to_table = table(ops.asarray(_distinct(docs)[0]).reshape(-1, 1), is_train)
    with isolated():
        places, vectors = as_tensor(features), as_tensor(words)
        scores = as_array(torch.addmm(vectors[:, -1], places, vectors[:, :-1].T))

    def backprop(d_scores: Floats2d) -> list[Any]:
        with isolated():
            gradient = as_tensor(d_scores)
            d_words = as_array(torch.cat([gradient.T @ places, gradient.sum(0).unsqueeze(1)], 1))
            d_features = as_array(gradient @ vectors[:, :-1])
        to_table(d_words)
        return to_docs(to_states(to_around(d_features)))

    return scores, backprop


def _init(model: WordScorer, X: list[Doc] | None = None, Y: Floats2d | None = None) -> None:
    model.layers[0].initialize(X=X)
    for layer in model.layers[2:]:
        layer.initialize()


@contextmanager
def _no_rates(model: Tok2VecModel) -> Iterator[None]:
    """Set rates that belong to training to zero for a while; they are saved with the weights."""
    rates = [(node.attrs, name) for node in model.walk() for name in _RATES if node.attrs.get(name)]
    kept = [attrs[name] for attrs, name in rates]
    for attrs, name in rates:
        attrs[name] = 0.0
    try:
        yield
    finally:
        for (attrs, name), rate in zip(rates, kept, strict=True):
            attrs[name] = rate
