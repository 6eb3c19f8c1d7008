"""The probability that a doc's entities are right and none is missing."""

from collections import defaultdict
from itertools import compress

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_rnn_tagger.pipeline.span_groups import attrs_within, doc_probability
from tests.conftest import eager

pytestmark = pytest.mark.slow

WORDS = ["We", "saw", "Red", "Fort", "in", "Lima", "."]


def make(scheme="BILUO", **settings):
    nlp = spacy.blank("en")
    eager(nlp, ("FAC", "GPE", "ORG"), scheme=scheme)
    pipe = nlp.get_pipe("rnn_ner")
    for name, value in settings.items():
        setattr(pipe, name, value)
    pipe.rates_docs = True
    return nlp, pipe


def places(ents):
    return {(ent.start, ent.end, ent.label_) for ent in ents}


@pytest.mark.parametrize("scheme", ["BILUO", "BIO", "IO"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"threshold": 0.5},
        {"threshold": 1.0},
        {"output_labels": ["GPE"]},
        {"temperature": 2.0},
    ],
)
@pytest.mark.parametrize("preset", [None, (2, 4, "FAC"), (2, 4, "GPE")])
def test_it_is_the_sum_over_all_analyses_with_these_entities(scheme, settings, preset):
    nlp, pipe = make(scheme, **settings)

    def doc():
        made = Doc(nlp.vocab, WORDS)
        if preset is not None:
            made.set_ents([Span(made, *preset)], default="missing")
        return made

    tagged = pipe(doc())
    written = places(tagged.ents)
    [analyses] = pipe.n_best([doc()], 100_000)
    assert sum(each.probability for each in analyses) == pytest.approx(1)
    visible = set(pipe.output_labels or pipe.labels)

    def is_written(ent):
        place = ent.start, ent.end, ent.label_
        return place == preset or (place[2] in visible and not all(t.is_punct for t in ent))

    expected = sum(
        each.probability for each in analyses if places(filter(is_written, each.ents)) == written
    )
    assert doc_probability(tagged) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("scheme", ["BILUO", "BIO", "IO"])
@pytest.mark.parametrize("output", [None, ["GPE"]])
@pytest.mark.parametrize("words", ["Lima , . of", ". ! Lima .", "Red . Fort ,", "Lima . . Delhi"])
@pytest.mark.parametrize("preset", [None, (0, 1, "GPE"), (1, 2, "GPE")])
@pytest.mark.parametrize("sentences", [False, True])
def test_entities_of_punctuation_make_no_difference(scheme, output, words, preset, sentences):
    """They are dropped: an entity "." of P = 0.99 left 0.01 for what was written."""
    nlp = spacy.blank("en")
    pipe = eager(nlp, ("FAC", "GPE"), scheme=scheme, output_labels=output)
    doc = Doc(nlp.vocab, words.split())
    if preset is not None:
        doc.set_ents([Span(doc, *preset)], default="missing")
    if sentences:
        for i, token in enumerate(doc):
            token.is_sent_start = i % 2 == 0
    inference = pipe.infer([doc])
    expected = defaultdict(float)
    for found, probability in next(inference.n_best(200_000)):
        visible = [place for place in found if output is None or place[2] in output]
        is_text = [not all(t.is_punct for t in doc[start:end]) for start, end, _ in visible]
        expected[tuple(compress(visible, is_text))] += probability
    assert sum(expected.values()) == pytest.approx(1)
    for written, probability in expected.items():
        spans = inference.constraints.in_words([written], pipe.tags)
        assert np.exp(inference.log_fit_of(spans))[0] == pytest.approx(probability, abs=1e-9)


def test_it_is_asked_for():
    nlp, pipe = make()
    pipe.rates_docs = False
    assert doc_probability(pipe(Doc(nlp.vocab, WORDS))) is None


def test_it_survives_bytes_and_is_not_that_of_a_part():
    nlp, pipe = make()
    doc = pipe(Doc(nlp.vocab, WORDS))
    p = doc_probability(doc)
    assert 0 < p < 1
    assert doc_probability(Doc(nlp.vocab).from_bytes(doc.to_bytes())) == p
    assert "probability" not in attrs_within(doc.spans["rnn_ner"], 0, len(doc.text))


def test_components_take_for_true_what_others_found():
    nlp, first = make()
    doc = first(Doc(nlp.vocab, WORDS))
    p = doc_probability(doc)
    given = Doc(nlp.vocab, WORDS)
    given.set_ents([Span(given, ent.start, ent.end, label=ent.label) for ent in doc.ents])
    first.name = "second"  # the same network, after another one
    assert doc_probability(first(doc)) == pytest.approx(p * doc_probability(first(given)))
