"""Agreement is spaCy's own precision, recall and F with the teacher as the reference."""

import json

import pytest
import spacy
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_rnn_tagger.distillation.comparing import compare_on_gold, find_agreement
from spacy_rnn_tagger.evaluation.data import DataError
from tests.conftest import eager
from tests.distillation.pairs import RULES, TEXTS, guessing, learned, rules


@spacy.Language.component("test_comparing_spans")
def write_spans(doc):
    cities = [Span(doc, t.i, t.i + 1, label="GPE") for t in doc if t.text == "Delhi"]
    doc.spans["sc"] = [*cities, *cities]
    return doc


def taught(teacher=None, texts=TEXTS):
    return list((teacher or rules()).pipe(texts))


@pytest.mark.parametrize("student", [guessing, lambda: learned(rules(), steps=10)])
def test_scores_are_those_of_spacy(student):
    student, docs = student(), taught()
    found = find_agreement(student, docs)
    wanted = get_ner_prf([Example(student(doc.text), doc) for doc in docs])
    total, *labels = found["scores"]
    assert total["label"] == "all" and total["gold"] == 8
    assert [total[key] for key in "prf"] == pytest.approx([wanted[f"ents_{key}"] for key in "prf"])
    for row in labels:
        own = wanted["ents_per_type"][row["label"]]
        assert [row[key] for key in "prf"] == pytest.approx([own[key] for key in "prf"])
    low, high = total["f_interval"]
    assert low <= total["f"] <= high
    assert (found["docs"], found["tokens"]) == (6, sum(map(len, docs)))
    assert json.loads(json.dumps(found)) == found


def test_a_student_that_learned_everything_agrees():
    found = find_agreement(learned(rules(), steps=80), taught())
    assert found["scores"][0]["f"] == 1.0 and found["examples"] == found["frequent"] == []
    assert found["n_disagreements"] == 0 and found["notes"] == []


def test_disagreements_show_what_each_said():
    student, docs = guessing(), taught()
    found = find_agreement(student, docs)
    examples = found["examples"]
    assert len(examples) == found["n_disagreements"] > 5
    costs = [example["cost"] for example in examples]
    assert costs == sorted(costs, reverse=True)
    for example in examples:
        assert example["teacher"] or example["student"]
        for own in (example["teacher"], example["student"]):
            if own is not None:
                assert example["text"][own["start"] : own["end"]] == own["text"]
                assert own["confidence"] is not None
        if example["kind"] == "spurious":
            assert example["teacher"] is None
            ents = [(ent.text, ent.label_) for ent in student(docs[example["doc"]].text).ents]
            own = example["student"]
            assert (own["text"], own["label"]) in ents
    assert len(find_agreement(student, docs, n_examples=3)["examples"]) == 3


def test_long_docs_are_cut_to_what_surrounds_a_disagreement():
    words = "and on it went , for ever , " * 60
    docs = taught(texts=[words + "Red Fort is in Delhi . " + words])
    silent = guessing()
    silent.get_pipe("rnn_ner").threshold = 0.999999
    [*_, example] = find_agreement(silent, docs)["examples"]
    assert example["teacher"] and len(example["text"]) < 400 and example["is_cut"] == [True, True]
    own = example["teacher"]
    assert example["text"][own["start"] : own["end"]] == own["text"]


def test_equal_disagreements_are_counted():
    docs = taught(texts=["Red Fort is here.", "There is Red  Fort."] * 2 + ["Lima is here."])
    silent = guessing()
    silent.get_pipe("rnn_ner").output_labels = []
    found = find_agreement(silent, docs)
    fort = {"text": "Red Fort", "label": "FAC"}
    # The pattern does not match where two spaces are a token.
    assert found["frequent"] == [{"teacher": fort, "student": None, "count": 2}]
    assert found["n_disagreements"] == 3


def test_tokens_without_annotation_are_not_compared():
    student, text = guessing(), TEXTS[1]
    found = list(student(text).ents)
    doc = student.make_doc(text)
    doc.set_ents([], missing=[doc[found[0].start : found[0].end]], default="outside")
    total = find_agreement(student, [doc])["scores"][0]
    assert total["predicted"] == len(found) - 1 and total["f_interval"] is None


def test_texts_without_entities_end_with_a_note():
    docs = [Doc(spacy.blank("en").vocab, words=["Nothing", "here"]) for _ in range(3)]
    for doc in docs:
        doc.set_ents([])
    found = find_agreement(guessing(), docs)
    assert found["scores"][0]["gold"] == 0 and "no entity in 3 held-out docs" in found["notes"][0]
    with pytest.raises(DataError, match="no held-out docs"):
        find_agreement(guessing(), [Doc(spacy.blank("en").vocab)])


def gold_docs():
    """Annotation by people, who know another Lima, and one label more."""
    docs = taught()
    docs[2].set_ents([])
    for doc in docs:
        if "Delhi" in doc.text:
            last = [token.i for token in doc if token.text == "Delhi"][0]
            doc.set_ents([Span(doc, last, last + 1, label="GPE")], default="unmodified")
    ents = [*docs[1].ents, Span(docs[1], 9, 11, label="EVENT")]
    docs[1].set_ents(ents)
    return docs


def test_both_are_scored_on_gold_annotation(tmp_path):
    teacher, student, gold = rules(), guessing(), gold_docs()
    found = compare_on_gold(teacher, student, gold, name="gold", teacher_component="ner")
    assert found["labels"] == ["FAC", "GPE"] and found["left_out"] == {"EVENT": 1}
    assert "EVENT (1)" in found["notes"][0] and found["data"] == "gold"
    total = found["comparison"][0]
    for side, key, nlp in (("teacher", "theirs", teacher), ("student", "ours", student)):
        examples = []
        for doc in gold:
            reference = doc.copy()
            reference.set_ents([ent for ent in doc.ents if ent.label_ != "EVENT"])
            examples.append(Example(nlp(doc.text), reference))
        assert total[key] == pytest.approx(get_ner_prf(examples)["ents_f"])
        assert found[side][0]["f"] == total[key] and found[side][0]["f_interval"]
    assert total["difference"] == pytest.approx(total["ours"] - total["theirs"])
    assert total["interval"][0] <= total["difference"] <= total["interval"][1]
    assert json.loads(json.dumps(found)) == found


def test_only_labels_that_both_write_are_scored():
    teacher, gold = rules(), gold_docs()
    student = guessing()
    student.get_pipe("rnn_ner").output_labels = ["FAC"]
    found = compare_on_gold(teacher, student, gold, teacher_component="ner")
    assert found["labels"] == ["FAC"] and found["left_out"] == {"EVENT": 1, "GPE": 4}
    other = spacy.blank("en")
    eager(other, labels=("EVENT",))
    found = compare_on_gold(teacher, other, gold, teacher_component="ner")
    assert found["labels"] == found["comparison"] == found["teacher"] == []
    assert "there is no label" in found["notes"][-1]


def test_a_teacher_may_be_an_rnn_ner_or_a_whole_pipeline():
    gold = gold_docs()
    found = compare_on_gold(guessing(), guessing(seed=5), gold)
    assert found["labels"] == ["FAC", "GPE"] and found["comparison"]
    two = guessing()
    eager(two, name="second", seed=6)
    assert compare_on_gold(two, guessing(), gold)["comparison"]
    # The labels of a pipeline are those that it finds.
    assert len(RULES) == 4
    assert compare_on_gold(rules(), guessing(), gold)["labels"] == ["FAC", "GPE"]


def test_only_the_component_that_taught_is_compared():
    teacher, student, gold = rules(), guessing(), gold_docs()
    alone = compare_on_gold(teacher, student, gold, teacher_component="ner")
    more = [{"label": "GPE", "pattern": "rained"}, {"label": "EVENT", "pattern": "far"}]
    teacher.add_pipe("entity_ruler", name="more").add_patterns(more)
    assert compare_on_gold(teacher, student, gold, teacher_component="ner") == alone
    assert teacher.pipe_names == ["ner", "more"]
    assert compare_on_gold(teacher, student, gold)["teacher"] != alone["teacher"]


@pytest.mark.parametrize("component", [None, "test_comparing_spans"])
def test_the_group_that_taught_is_compared(component):
    teacher, student, gold = rules(), guessing(), gold_docs()
    teacher.add_pipe("test_comparing_spans")
    arguments = {"teacher_component": component, "spans_key": "sc"}
    found = compare_on_gold(teacher, student, gold, **arguments)
    assert found["labels"] == ["GPE"]  # no component names the labels of the group
    total = found["teacher"][0]
    assert [total[key] for key in ("gold", "predicted", "correct")] == [4, 2, 2]
    with pytest.raises(ValueError, match="no span group 'nowhere'"):
        compare_on_gold(teacher, student, gold, **{**arguments, "spans_key": "nowhere"})
    assert teacher.pipe_names == ["ner", "test_comparing_spans"]


def test_labels_that_the_teacher_is_not_believed_on_are_not_compared():
    teacher = rules()
    student = learned(teacher)
    docs = list(teacher.pipe(TEXTS))
    for doc in docs:
        doc.set_ents([ent for ent in doc.ents if ent.label_ == "GPE"])
    every, believed = find_agreement(student, docs), find_agreement(student, docs, labels=["GPE"])
    assert every["labels"] == ["FAC", "GPE"]
    assert believed["labels"] == ["GPE"]
    assert every["scores"][0]["predicted"] > believed["scores"][0]["predicted"]
