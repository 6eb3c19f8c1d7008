"""Whatever a doc and its annotation are: predictions are valid, presets stay, losses are finite."""

import functools

import numpy as np
import pytest
import spacy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, Span
from spacy.training import Example

from tests.conftest import eager

pytestmark = pytest.mark.slow

KEY = "wrong"
SETTINGS = [("BIO", "crf"), ("BILUO", "softmax"), ("IO", "crf"), ("BIO", "softmax")]
LABELS = ("FAC", "GPE")
NOTHING = ("missing", "outside", "blocked")

spaces = st.sampled_from([" ", "\n", "\t", "\u3000", "\u00a0", "\r\n", "   "])
unicode = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
known = st.sampled_from(["Red", "Fort", "Delhi", "in", "the", ",", ".", "(", "-", "New"])
words = st.lists(st.one_of(known, unicode, spaces), max_size=24)
# Lengths of runs and what their tokens are.
kinds = st.sampled_from([*NOTHING, *LABELS])
runs = st.lists(st.tuples(st.integers(1, 6), kinds), max_size=10)
many = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@functools.cache
def pipeline(scheme, decoder):
    nlp = spacy.blank("en")
    config = {"model": {"decoder": decoder}, "scheme": scheme, "incorrect_spans_key": KEY}
    config["candidates"] = 0.05
    eager(nlp, labels=LABELS, **config)
    return nlp


def doc_of(nlp, words, runs, starts=None):
    """Make a doc, and set its entities by runs; what the runs don't reach is not annotated."""
    doc = Doc(nlp.vocab, words=words, spaces=[False] * len(words))
    if starts is not None:
        for token, flag in zip(list(doc)[1:], starts, strict=False):
            token.is_sent_start = flag
    spans = {kind: [] for kind in (*NOTHING, "entities")}
    at = 0
    for length, kind in runs:
        end = min(at + length, len(doc))
        if at < end:
            span = Span(doc, at, end, label=kind if kind in LABELS else "")
            spans[kind if kind in NOTHING else "entities"].append(span)
        at = end
    doc.set_ents(spans.pop("entities"), **spans, default="missing")
    return doc


def entities(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def state(doc):
    return [(token.ent_iob, token.ent_type_) for token in doc]


@pytest.mark.parametrize("scheme,decoder", SETTINGS)
@many
@given(data=st.data(), words=words, runs=runs)
def test_predictions(scheme, decoder, data, words, runs):
    nlp = pipeline(scheme, decoder)
    flags = st.lists(st.booleans(), max_size=len(words))
    starts = data.draw(st.one_of(st.none(), flags), label="sentence starts")
    doc = doc_of(nlp, words, runs, starts)
    before, preset = state(doc), entities(doc)
    text = [token.text for token in doc]
    partial = any(iob == 0 for iob, _ in before)
    nlp.get_pipe("rnn_ner")(doc)
    assert [token.text for token in doc] == text
    found = entities(doc)
    assert set(preset) <= set(found)
    assert all(label in LABELS for *_, label in found)
    taken = [i for start, end, _ in found for i in range(start, end)]
    assert len(taken) == len(set(taken))
    for start, end, label in found:
        if (start, end, label) in preset:
            continue
        ent = doc[start:end]
        assert not (ent[0].is_space or ent[-1].is_space)
        assert not all(token.is_punct or token.is_space for token in ent)
        assert not any(token.is_sent_start for token in list(ent)[1:])
        for iob, kind in before[start:end]:
            assert not kind
            assert iob == 0 or (iob == 2 and not partial), "blocked, or outside on purpose"
    group = doc.spans["rnn_ner"]
    scores = group.attrs["scores"].tolist()
    assert all(0 <= p <= 1 for p in scores)
    scored = [(span.start, span.end, span.label_) for span in group]
    assert scored == sorted(set(scored)) and set(found) <= set(scored)
    for place, p in zip(scored, scores, strict=True):
        assert p >= 0.05 or place in found
        assert p == 1 or place not in preset
    for (iob, kind), (iob_after, kind_after) in zip(before, state(doc), strict=True):
        assert iob_after != 0
        if iob == 3 and not kind:
            assert (iob_after, kind_after) == (3, "")


def by_words(spans):
    """Spans by what is not whitespace in them; those of whitespace alone are left out."""
    of_words = [([token.i for token in span if not token.is_space], span.label_) for span in spans]
    return {(own[0], own[-1], label) for own, label in of_words if own}


@pytest.mark.parametrize("scheme,decoder", SETTINGS)
@many
@given(data=st.data(), words=words, runs=runs)
def test_losses(scheme, decoder, data, words, runs):
    """Also of a doc whose tokens are others than those of its annotation."""
    nlp = pipeline(scheme, decoder)
    pipe = nlp.get_pipe("rnn_ner")
    reference = doc_of(nlp, words, runs)
    if data.draw(st.booleans(), label="tokenised anew"):
        predicted = nlp.make_doc(reference.text)
    else:
        predicted = Doc(nlp.vocab, words=words, spaces=[False] * len(words))
    ends = st.integers(0, len(reference))
    label = st.sampled_from([*LABELS, "O", "UNKNOWN"])
    wrong = data.draw(st.lists(st.tuples(ends, ends, label), max_size=4), label="incorrect")
    own = entities(reference)
    reference.spans[KEY] = [
        Span(reference, start, end, label=label) for start, end, label in wrong if start < end
    ]
    example = Example(predicted, reference)
    correct = by_words(example.get_aligned_ents_and_ner()[0])
    incorrect = by_words(example.get_aligned_spans_y2x(reference.spans[KEY], allow_overlap=True))
    conflict = not correct.isdisjoint(incorrect)
    scores = pipe.model.predict([predicted])
    if conflict:
        with pytest.raises(ValueError, match="E868"):
            pipe.get_loss([example], scores)
        return
    loss, gradient = pipe.get_loss([example], scores)
    assert np.isfinite(loss)
    assert loss >= -1e-4
    assert all(np.isfinite(array).all() for array in gradient.arrays())
    assert gradient.emissions.shape == scores.emissions.shape
    # What it costs to raise all of a token's scores alike is nothing.
    assert np.allclose(gradient.emissions.sum(axis=1), 0, atol=1e-4)
    assert not gradient.emissions[[token.is_space for token in predicted]].any()
    assert entities(reference) == own


@pytest.mark.parametrize("scheme,decoder", SETTINGS)
def test_training_and_bytes(scheme, decoder):
    """After steps on random annotation, a copy made from bytes says the same of every doc."""

    @settings(max_examples=15, deadline=None)
    @given(batch=st.lists(st.tuples(words, runs), min_size=1, max_size=4))
    def check(batch):
        nlp = spacy.blank("en")
        pipe = eager(nlp, labels=LABELS, model={"decoder": decoder}, scheme=scheme)
        references = [doc_of(nlp, *row) for row in batch]
        examples = [Example(Doc(nlp.vocab, words=[t.text for t in doc]), doc) for doc in references]
        optimizer = nlp.resume_training()
        for _ in range(3):
            losses = nlp.update(examples, sgd=optimizer)
        assert np.isfinite(losses["rnn_ner"])
        other = spacy.blank("en")
        copy = eager(other, labels=LABELS, seed=1, model={"decoder": decoder}, scheme=scheme)
        other.from_bytes(nlp.to_bytes())
        docs = [Doc(nlp.vocab, words=list(row[0])) for row in batch]
        docs += [Doc(nlp.vocab, words=["Red", "Fort"])]
        ours, theirs = pipe.model.predict(docs), copy.model.predict(docs)
        assert (ours.emissions == theirs.emissions).all()
        assert pipe.predict(docs) == copy.predict(docs)

    check()
