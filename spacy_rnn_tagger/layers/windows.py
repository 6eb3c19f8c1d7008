"""Parts of a doc that are read separately: windows on a long doc, or sentences."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from spacy.attrs import SENT_START
from spacy.tokens import Doc
from thinc.api import chain
from thinc.model import Model
from thinc.types import Floats2d

from ..errors import Errors, check_choice
from ..types import Tok2VecModel
from .blocks import ListModel, split

CONTEXTS = ("doc", "sentence")


class Window(NamedTuple):
    """Rows of a sequence that are read together.

    Attributes:
        start: The first row.
        end: The row after the last.
        first: The first row whose result counts; those before it are only context.
        last: The row after the last whose result counts.
    """

    start: int
    end: int
    first: int
    last: int


def find_windows(length: int, max_length: int, overlap: int) -> list[Window]:
    """Cover a sequence with windows. Each row counts in one, and is context in its neighbours.

    Args:
        max_length: Rows of a window, its context included; 0 for one window, however long.
        overlap: Rows of context on either side, except at the ends of the sequence.
    """
    if not max_length or length <= max_length:
        return [Window(0, length, 0, length)]
    starts = range(0, length - 2 * overlap, max_length - 2 * overlap)
    windows = [
        Window(
            start, min(start + max_length, length), start + overlap, start + max_length - overlap
        )
        for start in starts
    ]
    windows[0] = windows[0]._replace(first=0)
    windows[-1] = windows[-1]._replace(last=length)
    return windows


def read_in_context(
    tok2vec: Tok2VecModel, layer: ListModel, context: str, max_length: int, overlap: int
) -> Tok2VecModel:
    """Embed docs, and apply a layer to what is read as one sequence.

    Args:
        context: The "doc", or the "sentence".
        max_length, overlap: As of `InWindows`.

    Raises:
        ValueError: A setting is not among the allowed ones or out of its range.
    """
    check_choice("context", context, CONTEXTS)
    windows = InWindows(layer, max_length, overlap)
    return InSentences(tok2vec, windows) if context == "sentence" else chain(tok2vec, windows)


def InWindows(layer: ListModel, max_length: int, overlap: int) -> ListModel:  # noqa: N802
    """Apply a layer to long sequences in windows, so that its memory does not grow with them.

    A recurrent state forgets what lies far back: with enough context, a window's results are nearly
    those of the whole sequence. Windows are as many sequences side by side, which is faster than a
    long one.

    Args:
        max_length: Tokens of a window at most, its context included; 0 for no windows.
        overlap: Tokens of context on either side.

    Raises:
        ValueError: `max_length` is below 0, or nothing is left of a window but its context.
    """
    if max_length < 0 or overlap < 0 or (max_length and max_length <= 2 * overlap):
        raise ValueError(Errors.RNN026.format(max_length=max_length, overlap=overlap))
    # Not attributes, which are saved with the weights: nothing is learned for a length, and a
    # trained pipeline may be given another one in its config.
    forward = partial(_forward_windows, max_length, overlap)
    dims = {"nO": layer.maybe_get_dim("nO")}
    return Model("in_windows", forward, init=_init_windows, layers=[layer], dims=dims)


def _forward_windows(
    max_length: int, overlap: int, model: ListModel, docs: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    layer, ops = model.layers[0], model.ops
    if not max_length or all(len(doc) <= max_length for doc in docs):
        return layer(docs, is_train)
    windows = [find_windows(len(doc), max_length, overlap) for doc in docs]
    inputs = [
        doc[own.start : own.end] for doc, each in zip(docs, windows, strict=True) for own in each
    ]
    outputs, backprop_layer = layer(inputs, is_train)

    def backprop(d_docs: list[Floats2d]) -> list[Floats2d]:
        d_outputs = []
        for d_doc, each in zip(d_docs, windows, strict=True):
            for own in each:
                d_output = ops.alloc2f(own.end - own.start, d_doc.shape[1])
                d_output[own.first - own.start : own.last - own.start] = d_doc[own.first : own.last]
                d_outputs.append(d_output)
        d_inputs = iter(backprop_layer(d_outputs))
        d_vectors = [ops.alloc2f(*doc.shape) for doc in docs]
        for d_doc, each in zip(d_vectors, windows, strict=True):
            for own in each:
                d_doc[own.start : own.end] += next(d_inputs)
        return d_vectors

    counted = (
        output[own.first - own.start : own.last - own.start]
        for output, own in zip(outputs, (own for each in windows for own in each), strict=True)
    )
    return [ops.flatten([next(counted) for _ in each]) for each in windows], backprop


def _init_windows(
    model: ListModel, X: list[Floats2d] | None = None, Y: list[Floats2d] | None = None
) -> None:
    model.layers[0].initialize(X=X, Y=Y)


def InSentences(tok2vec: Tok2VecModel, layer: ListModel) -> Tok2VecModel:  # noqa: N802
    """Embed docs, and apply a layer to their sentences one by one, where sentence starts are set.

    A doc in which none is set is one sentence.
    """
    return Model(
        "in_sentences",
        _forward_sentences,
        init=_init_sentences,
        layers=[tok2vec, layer],
        dims={"nO": layer.maybe_get_dim("nO")},
    )


def _forward_sentences(
    model: Tok2VecModel, docs: list[Doc], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Doc]]]:
    tok2vec, layer = model.layers
    vectors, backprop_vectors = tok2vec(docs, is_train)
    lengths = [list(_sentence_lengths(doc)) for doc in docs]

    def in_sentences(arrays: list[Floats2d]) -> list[Floats2d]:
        pairs = zip(arrays, lengths, strict=True)
        return [part for array, own in pairs for part in split(array, own)]

    def in_docs(parts: list[Floats2d]) -> list[Floats2d]:
        ends = list(accumulate(map(len, lengths), initial=0))
        return [model.ops.flatten(parts[start:end]) for start, end in pairwise(ends)]

    outputs, backprop_layer = layer(in_sentences(vectors), is_train)

    def backprop(d_outputs: list[Floats2d]) -> list[Doc]:
        return backprop_vectors(in_docs(backprop_layer(in_sentences(d_outputs))))

    return in_docs(outputs), backprop


def _sentence_lengths(doc: Doc) -> Iterator[int]:
    """Count the tokens of each sentence; of an empty doc, those of its one."""
    starts = np.flatnonzero(doc.to_array(SENT_START) == 1)
    borders = [0, *(start for start in starts.tolist() if start), len(doc)]
    return (end - start for start, end in pairwise(borders))


def _init_sentences(
    model: Tok2VecModel, X: list[Doc] | None = None, Y: list[Floats2d] | None = None
) -> None:
    tok2vec, layer = model.layers
    tok2vec.initialize(X=X)
    layer.initialize(X=None if X is None else tok2vec.predict(X), Y=Y)
