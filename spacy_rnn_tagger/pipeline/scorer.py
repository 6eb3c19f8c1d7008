"""Scores of entities: spaCy's precision, recall and F, and accuracy over tokens."""

from collections.abc import Callable, Iterable
from typing import Any

from spacy.scorer import get_ner_prf
from spacy.training import Example

from .gold import share_labels


def create_ner_scorer_v1() -> Callable[..., dict[str, Any]]:
    """Create the scorer of `rnn_ner`."""
    return score_entities


def score_entities(examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
    """Score `doc.ents`.

    Returns:
        spaCy's `ents_p`, `ents_r`, `ents_f` and `ents_per_type`, and `ents_token_acc`, the share of
        annotated tokens whose BILUO tag is right (None if no token is annotated).
    """
    examples = list(examples)
    scores: dict[str, Any] = dict(get_ner_prf(examples, **kwargs))
    right = total = 0
    for example in examples:
        share_labels(example, example.reference.ents)
        gold = example.get_aligned_ner()
        predicted = _biluo(example.predicted)
        for gold_tag, predicted_tag in zip(gold, predicted, strict=True):
            if gold_tag not in (None, "-", ""):
                total += 1
                right += gold_tag == predicted_tag
    scores["ents_token_acc"] = right / total if total else None
    return scores


def _biluo(doc: Any) -> list[str]:
    tags = ["O"] * len(doc)
    for ent in doc.ents:
        tags[ent.start : ent.end] = [f"I-{ent.label_}"] * len(ent)
        tags[ent.end - 1] = f"L-{ent.label_}"
        tags[ent.start] = f"{'B' if len(ent) > 1 else 'U'}-{ent.label_}"
    return tags
