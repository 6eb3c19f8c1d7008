"""Thinc layers that run ONNX graphs. They only predict, and have no backward pass."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from thinc.model import Model
from thinc.types import Floats2d, Ragged

from ..errors import Errors
from ..layers.character_rows import character_rows
from ..layers.distinct_words import WordModel, Words
from ..layers.layout import Layout
from ..layers.output import MARGIN
from ..layers.static_vectors import look_up
from ..runtime import ForkLock, takes_one_core

# Fewer rows are computed faster by one thread than by two. (Measured with the default config.)
_WORTH = 1_500


def ONNXScorer(nO: int | None = None) -> Model[Ragged, Ragged]:  # noqa: N802
    """Build a layer that runs the graph of the recurrent layers and scores the tags.

    Args:
        nO: The number of tags K. A tag that the graph lacks gets the score of one that is added to
            a trained network: a margin below "O".

    Returns:
        The layer, from the vectors of tokens, `(N, W)`, to scores, `(N, K)`.
    """
    forward = partial(_forward_scorer, Sessions())
    return Model("onnx_scorer", forward, dims={"nO": nO}, attrs={"graph": b"", "layers": []})


def _forward_scorer(
    sessions: "Sessions", model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    _only_predicts(is_train)
    K = model.get_dim("nO")
    layout = Layout.of(X.lengths.tolist())
    scores = np.zeros((0, K), dtype="f")
    if len(X.dataXd):
        n_places = len(layout.sources[0])
        padded = X.dataXd[layout.sources[0]].reshape(*layout.shape, -1)
        feed = {"X": padded, "lengths": layout.sizes.astype(np.int32)}
        padded = sessions.run(model.attrs["graph"], feed, n_places)
        scores = padded.reshape(n_places, -1)[layout.places[0]]
        if scores.shape[1] < K:
            added = np.repeat(scores[:, :1] - MARGIN, K - scores.shape[1], axis=1)
            scores = np.concatenate([scores, added], axis=1)
    return Ragged(scores, X.lengths), lambda dY: dY


def ONNXWords() -> WordModel:  # noqa: N802
    """Build a layer that runs the graph of `LexemeEmbed.v1` for each distinct word.

    Its attribute "hashes" lists the ID, the seed and the number of rows of each hashed attribute.

    Returns:
        The layer, from U distinct words to their vectors, `(U, W)`.
    """
    attrs = {"graph": b"", "hashes": [], "inputs": [], "layers": []}
    forward = partial(_forward_words, Sessions())
    return Model("onnx_words", forward, dims={"nO": None}, attrs=attrs)


def _forward_words(
    sessions: "Sessions", model: WordModel, words: Words, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], list[Any]]]:
    _only_predicts(is_train)
    hashed = [
        model.ops.hash(np.ascontiguousarray(words.column(attr)), seed) % rows
        for attr, seed, rows in model.attrs["hashes"]
    ]
    feed: dict[str, Any] = {"rows": np.stack(hashed, axis=1).astype(np.int64)}
    if "characters" in model.attrs["inputs"]:
        feed["characters"] = character_rows(words)
    if "vectors" in model.attrs["inputs"]:
        feed["vectors"] = look_up(words)
    return sessions.run(model.attrs["graph"], feed, len(words.values)), lambda dY: []


_lock = ForkLock()


class Sessions:
    """The onnxruntime sessions of a layer, which are kept as long as the layer.

    The layer's graph has a session with one thread, and another one for inputs that are large
    enough for more threads, if the process may use them. The threads of a session don't survive a
    fork, so a child process creates its own. Sessions are neither pickled nor copied.
    """

    def __init__(self) -> None:
        self._sessions: dict[tuple[bool, int], tuple[bytes, Any]] = {}

    def __reduce__(self) -> tuple[type["Sessions"], tuple[()]]:
        """Start without sessions after unpickling or copying."""
        return Sessions, ()

    def run(self, graph: bytes, feed: dict[str, Any], n_rows: int) -> Any:
        """Run a graph.

        Args:
            graph: The serialised graph, whose output has the name "Y".
            feed: The inputs, by name.
            n_rows: How many tokens or words they have, padding included.

        Returns:
            The output, an array.
        """
        key = (n_rows < _WORTH or takes_one_core(), os.getpid())
        found = self._sessions.get(key)
        if found is None or found[0] is not graph:  # none yet, or the layer was loaded again
            with _lock:
                found = self._sessions.get(key)
                if found is None or found[0] is not graph:
                    found = self._sessions[key] = graph, _session(graph, key[0])
        [Y] = found[1].run(["Y"], feed)
        return Y


def _session(graph: bytes, one_thread: bool) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    if one_thread:
        options.intra_op_num_threads = options.inter_op_num_threads = 1
    else:  # or they keep their cores busy between two batches
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _only_predicts(is_train: bool) -> None:
    if is_train:
        raise ValueError(Errors.RNN704)
