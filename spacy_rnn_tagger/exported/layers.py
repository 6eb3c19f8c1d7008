"""Thinc layers that run ONNX graphs. They predict; there is no way back through them."""

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from thinc.model import Model
from thinc.types import Floats2d, Ragged

from ..layers.character_rows import character_rows
from ..layers.distinct_words import WordModel, Words
from ..layers.output import MARGIN
from ..layers.static_vectors import look_up
from ..modules.layout import Layout
from ..workers import takes_one_core


def ONNXScorer(nO: int | None = None) -> Model[Ragged, Ragged]:  # noqa: N802
    """Run a graph of recurrent layers and the linear map to the scores of tags. *Output:* (N, K).

    nO: number of tags K. Of those beyond the graph's, each scores as a tag does that is added to a
        trained network: a margin below "O".
    """
    return Model("onnx_scorer", _forward_scorer, dims={"nO": nO}, attrs={"graph": b""})


def _forward_scorer(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    _only_predicts(is_train)
    K = model.get_dim("nO")
    layout = Layout(X.lengths.tolist())
    scores = np.zeros((0, K), dtype="f")
    if len(X.dataXd):
        padded = X.dataXd[layout.sources[0]].reshape(*layout.shape, -1)
        feed = {"X": padded, "lengths": layout.sizes.astype(np.int32)}
        scores = _run(model, feed).reshape(layout.shape[0] * layout.shape[1], -1)[layout.places[0]]
        if scores.shape[1] < K:
            added = np.repeat(scores[:, :1] - MARGIN, K - scores.shape[1], axis=1)
            scores = np.concatenate([scores, added], axis=1)
    return Ragged(scores, X.lengths), lambda dY: dY


def ONNXWords() -> WordModel:  # noqa: N802
    """Run a graph of what `LexemeEmbed.v1` computes of each distinct word. *Output:* (U, W).

    Its attribute "hashes" has the ID, the seed and the number of rows for each hashed attribute.
    """
    attrs = {"graph": b"", "hashes": [], "inputs": []}
    return Model("onnx_words", _forward_words, dims={"nO": None}, attrs=attrs)


def _forward_words(
    model: WordModel, words: Words, is_train: bool
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
    return _run(model, feed), lambda dY: []


def _run(model: Model[Any, Any], feed: dict[str, Any]) -> Any:
    [Y] = _session(model.attrs["graph"], takes_one_core(), os.getpid()).run(["Y"], feed)
    return Y


@lru_cache(maxsize=16)
def _session(graph: bytes, one_core: bool, process: int) -> Any:
    """Make the session of a graph. Its threads don't survive a fork: each process has its own."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    if one_core:
        options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _only_predicts(is_train: bool) -> None:
    if is_train:
        raise ValueError(
            "An exported pipeline can't be trained. Train the one that it was exported from."
        )
