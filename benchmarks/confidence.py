"""What confidence costs: one trained pipeline that tags with its settings for it switched."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from .measure import Rates, alternate
from .systems import rnn_ner, trained
from .tagging import BATCH_SIZE
from .texts import Texts, first_tokens, unannotated

OFF, SINGLY = "no confidence", "no confidence, docs singly"
# The share of the tokens that is tagged one doc at a time.
_SINGLE = 10


def measure_confidence(texts: Texts, n_tokens: int, rounds: int) -> dict[str, Rates]:
    """Measure tagging without confidence, with it, and with candidates."""
    # Longer than for the other sections: docs without entities have no confidence to compute.
    nlp = trained(rnn_ner(), next(iter(texts.values())), n_steps=400)
    off, on = {"spans_key": None}, {"spans_key": "rnn_ner"}
    settings: dict[str, tuple[dict[str, Any], int]] = {
        OFF: (off, BATCH_SIZE),
        "confidence": (on, BATCH_SIZE),
        "confidence, candidates from 0.05": ({**on, "candidates": 0.05}, BATCH_SIZE),
        SINGLY: (off, 1),
        "confidence, docs singly": (on, 1),
    }
    results = {}
    for name, docs in texts.items():
        work: dict[str, Callable[[], Callable[[], int]]] = {}
        for system, (cfg, batch_size) in settings.items():
            some = first_tokens(docs, n_tokens // (_SINGLE if batch_size == 1 else 1))
            work[system] = partial(_prepare, nlp, cfg, some, batch_size)
        results[name] = alternate(work, rounds)
    return results


def _prepare(
    nlp: Language, cfg: dict[str, Any], docs: Sequence[Doc], batch_size: int
) -> Callable[[], int]:
    nlp.get_pipe("rnn_ner").cfg.update({"candidates": None, **cfg})
    fresh = unannotated(nlp, docs)
    return lambda: sum(len(doc) for doc in nlp.pipe(fresh, batch_size=batch_size))
