"""Prediction leaves the component as it was, whatever docs say and however many threads call."""

import sys
import threading

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_rnn_tagger import confidence
from tests.conftest import eager

TEXTS = [
    "Red Fort is in Delhi and Acme is not .",
    "Acme left Paris for the Eiffel Tower , said Jane Roe",
    "Nobody came .",
    "Lima lies west of Acme , they say " * 5,
]
PATTERNS = [{"label": "ORG", "pattern": "Acme"}, {"label": "PERSON", "pattern": "Jane Roe"}]


@pytest.fixture(params=["torch", "exported"])
def saved(request, tmp_path):
    """A pipeline whose ruler sets labels that the network has not."""
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns(PATTERNS)
    eager(nlp, scheme="BILUO", candidates=0.05)
    if request.param == "exported":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnx").__name__  # noqa: B018
        from spacy_rnn_tagger.onnx.conversion import export_pipeline

        export_pipeline(nlp)
    nlp.to_disk(tmp_path)
    return tmp_path


def described(doc):
    ents = [(ent.start, ent.end, ent.label_, confidence(ent)) for ent in doc.ents]
    group = doc.spans["rnn_ner"]
    return ents, [(span.text, span.label_) for span in group], group.attrs["scores"].tolist()


def test_threads_find_what_one_thread_finds(saved):
    """Before, the network grew while another thread computed, and shapes did not fit any more."""
    nlp = spacy.load(saved)
    wanted = [described(nlp(text)) for text in TEXTS]
    assert any(label == "ORG" for ents, *_ in wanted for _, _, label, _ in ents)
    threads, trials = 8, 12
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for _ in range(trials):
            nlp = spacy.load(saved)
            pipe = nlp.get_pipe("rnn_ner")
            before = pipe.to_bytes()
            barrier, failures, results = threading.Barrier(threads), [], {}

            def work(number, nlp=nlp, barrier=barrier, failures=failures, results=results):
                try:
                    barrier.wait()
                    order = np.random.default_rng(number).permutation(len(TEXTS))
                    results[number] = {int(i): described(nlp(TEXTS[i])) for i in order}
                except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
                    failures.append(error)

            running = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
            for thread in running:
                thread.start()
            for thread in running:
                thread.join()
            assert not failures
            for found in results.values():
                assert [found[i] for i in range(len(TEXTS))] == wanted
            assert pipe.to_bytes(exclude=["vocab"]) != b"" and _weights(
                pipe.to_bytes()
            ) == _weights(before)
            assert {"ORG", "PERSON"} <= set(pipe.labels)
            assert pipe.tags.labels == ("FAC", "GPE")
    finally:
        sys.setswitchinterval(interval)


def _weights(data):
    """The component without the vocab, to which the tokenizer adds the words of the texts."""
    message = spacy.util.srsly.msgpack_loads(data)
    return {name: value for name, value in message.items() if name != "vocab"}


def test_predict_changes_neither_component_nor_vocab_nor_docs(saved):
    nlp = spacy.load(saved)
    pipe = nlp.get_pipe("rnn_ner")
    docs = [nlp.get_pipe("entity_ruler")(nlp.make_doc(text)) for text in TEXTS]
    parts = [nlp.get_pipe("entity_ruler").to_bytes(), nlp.vocab.to_bytes(), pipe.to_bytes()]
    strings, labels = list(nlp.vocab.strings), pipe.labels
    of_docs = [doc.to_bytes() for doc in docs]
    first = pipe.predict(docs)
    assert pipe.predict(docs) == first
    pipe.infer(docs)
    pipe.n_best(docs, 3)
    after = [nlp.get_pipe("entity_ruler").to_bytes(), nlp.vocab.to_bytes(), pipe.to_bytes()]
    assert after == parts
    assert (list(nlp.vocab.strings), pipe.labels) == (strings, labels)
    assert [doc.to_bytes() for doc in docs] == of_docs


@pytest.mark.parametrize("scheme", ["BIO", "BILUO", "IO"])
@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_an_unknown_preset_conditions_like_a_known_one_that_scores_as_outside(scheme, decoder):
    """As a network does that has grown by the label, whose tags score as "O" does."""
    nlp = spacy.blank("en")
    pipe = eager(nlp, scheme=scheme, candidates=1e-4, model={"decoder": decoder})
    other = spacy.blank("en")
    grown = eager(other, scheme=scheme, candidates=1e-4, model={"decoder": decoder})
    grown.add_label("ORG")
    words = TEXTS[1].split()
    results = []
    for vocab, component in ((nlp.vocab, pipe), (other.vocab, grown)):
        doc = Doc(vocab, words=words)
        doc.set_ents([Span(doc, 3, 6, "ORG")], default="missing")
        analyses = component.n_best([doc], 5)[0]
        best = [([(e.start, e.end, e.label_) for e in ents], p) for ents, p in analyses]
        component(doc)
        ents = [(e.start, e.end, e.label_) for e in doc.ents]
        scored = [(s.start, s.end, s.label_) for s in doc.spans["rnn_ner"]]
        results.append((ents, scored, doc.spans["rnn_ner"].attrs["scores"], best))
    (ents, scored, scores, best), (wanted, rows, p, analyses) = results
    assert (3, 6, "ORG") in ents and len(ents) > 1
    assert ents == wanted
    # The grown network has spans of the new label, of e**-10; the other one can't have them.
    own = [i for i, row in enumerate(rows) if row[2] != "ORG" or row == (3, 6, "ORG")]
    assert scored == [rows[i] for i in own]
    np.testing.assert_allclose(scores, p[own], atol=2e-3)
    assert [spans for spans, _ in best] == [spans for spans, _ in analyses]
    assert all((3, 6, "ORG") in spans for spans, _ in best)
