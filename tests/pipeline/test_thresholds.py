"""Which entities a threshold keeps."""

import pytest
import spacy
from spacy.tokens import Doc

from tests.conftest import eager

WORDS = ["Red", "Fort", "of", "New", "Delhi", "and", "Old", "Delhi"]


def tagged(**config):
    nlp = spacy.blank("en")
    doc = Doc(nlp.vocab, words=WORDS)
    eager(nlp, **config)(doc)
    group = doc.spans["rnn_ner"]
    scores = dict(
        zip(((s.start, s.end, s.label_) for s in group), group.attrs["scores"], strict=True)
    )
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents], scores


@pytest.mark.parametrize("candidates", [None, 0.05])
@pytest.mark.parametrize("by_label", [False, True])
def test_an_entity_at_its_threshold_is_kept(candidates, by_label):
    """`threshold` is the least confidence that an entity may have, so it is enough."""
    entities, scores = tagged(candidates=candidates)
    assert len({scores[entity] for entity in entities}) == len(entities) > 2
    for entity in entities:
        p = scores[entity]
        threshold = {entity[2]: p} if by_label else p
        kept, _ = tagged(candidates=candidates, threshold=threshold)
        expected = [
            other
            for other in entities
            if scores[other] >= p or (by_label and other[2] != entity[2])
        ]
        assert entity in expected
        assert kept == expected
