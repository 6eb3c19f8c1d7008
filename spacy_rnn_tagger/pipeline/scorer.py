"""Scores of entities: spaCy's precision, recall and F, and accuracy over tokens."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

from spacy.scorer import get_ner_prf
from spacy.tokens import Span
from spacy.training import Example

from .gold import share_labels
from .label_sets import LABEL_SET_KEY, coarse_spans, get_label_set, unknown_spans


def create_ner_scorer_v1() -> Callable[..., dict[str, Any]]:
    """Create the scorer of `rnn_ner`."""
    return score_entities


def score_entities(examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
    """Score `doc.ents`.

    Args:
        examples: Predicted docs and their annotation.
        **kwargs: For `spacy.scorer.get_ner_prf`.

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


def comparable(example: Example, labels: Collection[str] | None = None) -> Example:
    """Reduce an example to what can be right or wrong.

    - Labels that are not written count neither as found nor as missed.
    - If annotators marked only some labels, predicted entities of other labels are not counted, and
      tokens outside of the annotators' entities are outside.
    - An entity of a coarse label takes the label that was predicted for it, if it stands for that
      label; otherwise it is missed, under the first of its labels. If some of these labels are not
      written, it is not known whether it had to be found, and it is not counted.
    - The tokens of an entity whose label is neither written nor marked are outside.

    Args:
        example: A predicted doc and its annotation.
        labels: The labels that are written; None for all.

    Returns:
        The example itself if there is nothing to reduce. Otherwise an example with copies of what
        had to be reduced.
    """
    predicted, reference = example.predicted, example.reference
    label_set = get_label_set(reference)

    def counts(label: str) -> bool:
        is_marked = label_set is None or label_set.marks(label)
        return is_marked and (labels is None or label in labels)

    found = [ent for ent in predicted.ents if counts(ent.label_)]
    entities = [ent for ent in reference.ents if counts(ent.label_)]
    is_whole = len(found) == len(predicted.ents)
    if label_set is None and is_whole and len(entities) == len(reference.ents):
        return example
    if not is_whole:
        predicted = predicted.copy()
        predicted.set_ents([Span(predicted, *_place(ent)) for ent in found])
    reduced = reference.copy()
    reduced.spans.pop(LABEL_SET_KEY, None)
    own = Example(predicted, reduced)
    expected = [Span(reduced, *_place(ent)) for ent in entities]
    missing = [Span(reduced, *_place(span)) for span in unknown_spans(reference)]
    others = [Span(reduced, *_place(ent)) for ent in reference.ents if not counts(ent.label_)]
    places = _predicted_places(own)
    for span in coarse_spans(reference):
        stands_for = label_set.coarse[span.label_] if label_set else ()
        match = [label for label in places.get((span.start, span.end), ()) if label in stands_for]
        if all(map(counts, stands_for)):
            label = next(iter(match), stands_for[0])
            expected.append(Span(reduced, span.start, span.end, label=label))
        elif match:
            missing.append(Span(reduced, span.start, span.end))
        else:  # whatever was predicted instead is wrong
            others.append(Span(reduced, span.start, span.end))
    # With a label set, what is missing for other readers of the doc is known here to be outside.
    default = "unmodified" if label_set is None else "outside"
    reduced.set_ents(expected, missing=missing, outside=others, default=default)
    return own


def _place(span: Span) -> tuple[int, int, str]:
    return span.start, span.end, span.label_


def _predicted_places(example: Example) -> dict[tuple[int, int], list[str]]:
    """Map tokens of the reference to the labels predicted for them, as spaCy compares entities."""
    x2y = example.alignment.x2y
    places: dict[tuple[int, int], list[str]] = {}
    for ent in example.predicted.ents:
        indices = x2y[ent.start : ent.end]
        if len(indices):
            place = int(indices[0]), int(indices[-1]) + 1
            places.setdefault(place, []).append(ent.label_)
    return places


def _biluo(doc: Any) -> list[str]:
    tags = ["O"] * len(doc)
    for ent in doc.ents:
        tags[ent.start : ent.end] = [f"I-{ent.label_}"] * len(ent)
        tags[ent.end - 1] = f"L-{ent.label_}"
        tags[ent.start] = f"{'B' if len(ent) > 1 else 'U'}-{ent.label_}"
    return tags
