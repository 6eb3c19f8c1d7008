"""Two components in one pipeline: a confidence belongs to whoever found the entity."""

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_rnn_tagger import confidence
from spacy_rnn_tagger.evaluation.running import find_outcomes
from spacy_rnn_tagger.pipeline.span_groups import confidences, spans_with_confidence
from tests.conftest import eager, make_examples

WORDS = [
    "We",
    "left",
    "Red",
    "Fort",
    "\n",
    "of",
    "New",
    "Delhi",
    "for",
    "Paris",
    ",",
    "then",
    "home",
]


def places(doc, key):
    return {
        (s.start_char, s.end_char, s.label_): score for s, score in spans_with_confidence(doc, key)
    }


def pipeline(first="rnn_ner", second="rnn_ner", **config):
    nlp = spacy.blank("en")
    eager(nlp, labels=("FAC",), seed=1, name="first", spans_key=first, **config)
    eager(nlp, labels=("GPE",), seed=2, name="second", spans_key=second, **config)
    return nlp


def run(nlp, name):
    """One component alone, as it finds a doc."""
    doc = Doc(nlp.vocab, words=WORDS)
    return nlp.get_pipe(name)(doc)


@pytest.mark.parametrize("keys", [("a", "b"), ("rnn_ner", "rnn_ner")])
def test_each_keeps_its_confidences(keys):
    nlp = pipeline(*keys)
    alone = run(nlp, "first")
    wanted = places(alone, keys[0])
    assert wanted and all(0 < score < 1 for score in wanted.values())
    doc = nlp.get_pipe("second")(alone)
    found = confidences(doc)
    assert wanted.items() <= found.items()
    assert {label for *_, label in found} == {"FAC", "GPE"}
    assert all(0 < score < 1 for score in found.values())
    for ent in doc.ents:
        place = (ent.start_char, ent.end_char, ent.label_)
        # The second one's group has the entities of the first, with the confidence of the first.
        assert confidence(ent, keys[1]) == found[place]
        assert confidence(ent, keys[ent.label_ == "GPE"]) == found[place]


def test_with_one_group_the_second_keeps_what_lost_in_the_first():
    nlp = pipeline(candidates=0.02, threshold=0.9)
    first = run(nlp, "first")
    lost = places(first, "rnn_ner")
    assert len(lost) > len(first.ents) > 0
    below = lost.keys() - {(e.start_char, e.end_char, e.label_) for e in first.ents}
    assert below
    doc = nlp.get_pipe("second")(first)
    assert lost.items() <= places(doc, "rnn_ner").items()
    assert any(label == "GPE" for *_, label in places(doc, "rnn_ner"))
    starts = [span.start for span in doc.spans["rnn_ner"]]
    assert starts == sorted(starts)


def test_a_doc_that_is_tagged_anew_keeps_nothing_of_the_former_time():
    nlp = pipeline(candidates=0.02)
    doc = run(nlp, "first")
    wanted = places(doc, "rnn_ner")
    nlp.get_pipe("first").candidates = 0.9
    doc.ents = []
    doc.set_ents([], default="missing")
    nlp.get_pipe("first")(doc)
    assert places(doc, "rnn_ner").keys() < wanted.keys()


def test_what_nobody_found_is_certain_and_not_among_the_found():
    nlp = pipeline()
    doc = Doc(nlp.vocab, words=WORDS)
    doc.set_ents([Span(doc, 2, 4, "FAC")], default="missing")
    for name in ("first", "second"):
        nlp.get_pipe(name)(doc)
    [fort] = [ent for ent in doc.ents if ent.start == 2]
    assert confidence(fort) == 1.0
    assert (fort.start_char, fort.end_char, "FAC") not in confidences(doc)
    assert confidences(doc)


def test_the_report_gives_each_entity_the_confidence_of_its_finder():
    nlp = pipeline("a", "b")
    examples = make_examples(nlp)
    docs = list(nlp.pipe(example.reference.text for example in examples))
    wanted = [
        [confidences(doc)[ent.start_char, ent.end_char, ent.label_] for ent in doc.ents]
        for doc in docs
    ]
    found = find_outcomes(nlp, "second", examples)
    assert any(wanted)
    for own, outcome in zip(wanted, found, strict=True):
        assert [m.confidence for m in outcome.predicted] == pytest.approx(own, abs=1e-6)
