"""Rehearsal in `spacy train`: learning new entities without forgetting the old ones."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from spacy.language import Language
from spacy.training import Example
from spacy.util import minibatch

from ..errors import Errors, check_at_least

Reader = Callable[[Language], Iterable[Example]]


def create_rehearse_v1(
    corpus: Reader, batch_size: int = 32, drop: float = 0.0
) -> Callable[[Language, dict[str, Any]], None]:
    """Create a callback for `[training.before_update]` that rehearses a batch before each step.

    It is for components that come from a trained pipeline (`source` in a config) and are not
    frozen. A gradient towards their predictions before training is added to that of the step.

    Args:
        corpus: A reader of texts like those of the former training, such as
            `spacy.JsonlCorpus.v1`. Their annotation is not used. The corpus is read again whenever
            it ends.
        batch_size: Docs per batch.
        drop: The dropout rate.

    Returns:
        The callback.

    Raises:
        ValueError: The batch size is below 1.
    """
    check_at_least("batch_size", batch_size, 1)
    batches: Iterator[list[Example]] | None = None

    def rehearse(nlp: Language, _: dict[str, Any]) -> None:
        nonlocal batches
        if batches is None:
            batches = _read_forever(nlp, corpus, batch_size)
            _check(nlp)
        examples = next(batches)
        for _name, pipe in _rehearsing(nlp):
            # Without an optimizer, the gradient is kept and added to that of the update.
            pipe.rehearse(examples, drop=drop, sgd=None)

    return rehearse


def _read_forever(nlp: Language, corpus: Reader, batch_size: int) -> Iterator[list[Example]]:
    while True:
        empty = True
        for batch in minibatch(corpus(nlp), batch_size):
            empty = False
            yield batch
        if empty:
            raise ValueError(Errors.RNN318)


def _rehearsing(nlp: Language) -> list[tuple[str, Any]]:
    return [
        (name, pipe)
        for name, pipe in nlp.pipeline
        if getattr(pipe, "_rehearsal_model", None) is not None
    ]


def _check(nlp: Language) -> None:
    """Refuse at the first step what would otherwise have no effect."""
    pipes = _rehearsing(nlp)
    if not pipes:
        raise ValueError(Errors.RNN319)
    shared = {
        listener
        for _, pipe in nlp.pipeline
        for listener in getattr(pipe, "listening_components", ())
    }
    listening = [name for name, _ in pipes if name in shared]
    if listening:
        raise ValueError(Errors.RNN320.format(name=listening[0]))
