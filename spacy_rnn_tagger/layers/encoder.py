"""A tagger together with its first part, the encoder, which `spacy pretrain` trains alone."""

from collections.abc import Callable
from typing import Any

from spacy.tokens import Doc
from thinc.model import Model

from ..types import TaggerModel, TagScores, Tok2VecModel


def WithEncoder(tagger: TaggerModel, encoder: Tok2VecModel) -> TaggerModel:  # noqa: N802
    """Compute the tagger; the encoder is saved and loaded with it.

    They share their layers. Tagging does not use the encoder: scores are computed one block at a
    time, while its states are still in the cache, and states in the order of docs are never
    written.
    """
    return Model("rnn_tagger", _forward, init=_init, layers=[tagger, encoder], dims={"nO": None})


def _forward(
    model: TaggerModel, docs: list[Doc], is_train: bool
) -> tuple[TagScores, Callable[[TagScores], list[Any]]]:
    return model.layers[0](docs, is_train)


def _init(model: TaggerModel, X: list[Doc] | None = None, Y: TagScores | None = None) -> None:
    tagger = model.layers[0]
    tagger.initialize(X=X, Y=Y)
    if tagger.has_dim("nO"):
        model.set_dim("nO", tagger.get_dim("nO"))
