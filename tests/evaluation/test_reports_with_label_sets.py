"""Reports and calibration on corpora whose annotators marked some labels only, or coarser ones."""

import random

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from spacy_rnn_tagger import calibrate, report
from spacy_rnn_tagger.evaluation.conformal import collect_evidence
from spacy_rnn_tagger.evaluation.running import find_entities, find_outcomes
from spacy_rnn_tagger.pipeline.label_sets import LabelSet, set_label_set, unknown_spans
from tests.conftest import eager

WORDS = "We left Red Fort for New Delhi and Paris , then saw London Bridge at noon".split()  # noqa: SIM905
FOUND = {
    "GPE": ["Delhi", "Lima", "Oslo", "Tower Bridge", "saw"],
    "FAC": ["Red Fort", "Hill House"],
    "PERSON": ["Ann", "Bob", "Eve"],
}
GPE_ONLY = LabelSet.of(["GPE"])
COARSE = LabelSet.of(["PLACE", "PERSON"], {"PLACE": ["GPE", "FAC"]})
GOLD = [
    ("Ann left Red Fort for Delhi.", {"Ann": "PERSON", "Red Fort": "FAC", "Delhi": "GPE"}, None),
    ("Bob saw Hill House and Lima.", {"Lima": "GPE"}, GPE_ONLY),
    (
        "From Oslo, Eve went to Tower Bridge and Rome.",
        {"Oslo": "PLACE", "Tower Bridge": "PLACE", "Rome": "PLACE"},
        COARSE,
    ),
]


def gold_docs():
    nlp = spacy.blank("en")
    docs = []
    for text, entities, label_set in GOLD:
        doc = nlp.make_doc(text)
        starts = ((text.index(name), name, label) for name, label in entities.items())
        doc.set_ents([doc.char_span(at, at + len(name), label) for at, name, label in starts])
        if label_set is not None:
            set_label_set(doc, label_set)
        docs.append(doc)
    return docs


def rules():
    nlp = spacy.blank("en")
    patterns = [{"label": key, "pattern": name} for key, own in FOUND.items() for name in own]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    return nlp


def scores_of(figures):
    keys = ("gold", "predicted", "correct")
    return {row["label"]: tuple(row[key] for key in keys) for row in figures["scores"]}


def test_what_annotators_did_not_mark_does_not_count():
    """Counted by hand.

    In the second doc, Bob and Hill House are not counted, and "saw" is wrong: it is outside. In the
    third, Oslo and Tower Bridge may be of GPE, Rome is missed as the first label of its coarse one,
    and Eve is wrong.
    """
    figures = report(rules(), gold_docs())
    assert scores_of(figures) == {
        "all": (7, 8, 6),
        "FAC": (1, 1, 1),
        "GPE": (5, 5, 4),
        "PERSON": (1, 2, 1),
    }
    assert figures["label_sets"] == {"docs": 2, "not_marked": {"FAC": 1, "PERSON": 1}}
    [note] = [note for note in figures["notes"] if "annotators" in note]
    assert "In 2 docs of the given data, annotators" in note
    assert note.endswith("Found there but not counted: FAC (1), PERSON (1).")
    missed = [
        e["gold"]["text"] for d in figures["docs_with_errors"] for e in d["errors"] if e["gold"]
    ]
    assert missed == ["Rome"]
    assert report(rules(), gold_docs()[:1])["label_sets"] is None


def test_a_corpus_of_coarse_labels_alone(tmp_path):
    """No entity is in `doc.ents`, and the data is annotated all the same; also from a file."""
    [*_, coarse] = gold_docs()
    assert not coarse.ents
    DocBin(docs=[coarse], store_user_data=True).to_disk(tmp_path / "data.spacy")
    for data in ([coarse], tmp_path / "data.spacy"):
        assert scores_of(report(rules(), data))["GPE"] == (3, 2, 2)


def labelled_examples(nlp, seed):
    """Random annotation, half of it with label sets."""
    rng = random.Random(seed)
    examples = []
    for number in range(80):
        words = rng.choices(WORDS, k=rng.randint(4, 16))
        gold = Doc(nlp.vocab, words=words)
        label_set = [None, None, GPE_ONLY, COARSE][number % 4]
        names = ["PLACE", "PERSON"] if label_set is COARSE else ["GPE", "FAC"]
        spans, at = [], 0
        while at < len(words):
            end = min(len(words), at + rng.randint(1, 3))
            if rng.random() < 0.4:
                spans.append(Span(gold, at, end, label=rng.choice(names)))
            at = end
        gold.set_ents(spans)
        if label_set is not None:
            set_label_set(gold, label_set)
        examples.append(Example(Doc(nlp.vocab, words=words), gold))
    return examples


@pytest.mark.parametrize("threshold", [0.0, 0.6])
@pytest.mark.parametrize("output", [None, ["GPE"]])
def test_scores_are_those_of_training(nlp, threshold, output):
    """A report says of a pipeline what `spacy evaluate` says of it.

    Of each label too, unless an entity of a coarse label was found with too little confidence: the
    report counts it as missed under the label that was found.
    """
    eager(nlp, threshold=threshold, output_labels=output)
    wanted = nlp.evaluate(labelled_examples(nlp, 1))
    figures = report(nlp, labelled_examples(nlp, 1))
    rows = {row["label"]: row for row in figures["scores"]}
    assert 0 < wanted["ents_f"] < 1
    if output is None:
        # Nothing finds entities of PERSON, which are missed in both.
        assert {key: rows["all"][key] for key in "prf"} == pytest.approx(
            {key: wanted[f"ents_{key}"] for key in "prf"}
        )
    for label in ("FAC", "GPE") if output is None and not threshold else output or ():
        assert {key: rows[label][key] for key in "prf"} == pytest.approx(
            wanted["ents_per_type"][label]
        )


def test_calibration_judges_what_was_marked(nlp):
    pipe = eager(nlp)
    examples = [
        eg for eg in labelled_examples(nlp, 2) if "spacy_rnn_tagger.label_set" in eg.y.spans
    ]
    marked_gpe, coarse = examples[::2], examples[1::2]
    for own, judged_labels in ((marked_gpe, {"GPE"}), (coarse, {"GPE", "FAC"})):
        [*batches] = find_entities(nlp, "rnn_ner", own)
        judged = np.concatenate([batch.spans.labels for batch in batches])
        assert {pipe.tags.labels[number] for number in judged} == judged_labels
        correct = np.concatenate([batch.correct for batch in batches])
        docs = find_outcomes(nlp, "rnn_ner", [Example(eg.x.copy(), eg.y) for eg in own])
        # Tokens outside are no missing annotation: whatever is found of a marked label is judged.
        found = [m for doc in docs for m in (*doc.predicted, *doc.below)]
        assert len(found) == len(judged)
        assert correct.sum() == sum(o.kind == "correct" for doc in docs for o in doc.outcomes) > 0
    batches = list(find_entities(nlp, "rnn_ner", examples))
    evidence = collect_evidence(batches, 1.0, ["GPE", "FAC"])
    # Entities whose label nobody knows are no evidence of any.
    assert len(evidence["GPE"].entities) == sum(len(eg.y.ents) for eg in marked_gpe)
    assert not len(evidence["FAC"].entities)
    n_tokens = sum(len(eg.y) - len(unknown_spans(eg.y)) for eg in examples)
    assert evidence["GPE"].n_tokens == n_tokens
    assert evidence["FAC"].n_tokens == sum(len(eg.y) for eg in coarse)


def test_labels_that_the_docs_with_them_mark_are_calibrated(nlp):
    """GPE is annotated in all docs, FAC in those without a label set; PERSON is not known."""
    eager(nlp)
    found = calibrate(nlp, labelled_examples(nlp, 3), coverage=0.5)
    assert found.coverage.keys() == {"GPE", "FAC"}
    assert found.coverage["GPE"].entities > found.coverage["FAC"].entities > 5
    assert not any("has no entity of" in note for note in found.notes)
