"""Running teachers, and what is read of what they wrote."""

import json

import pytest
import spacy
from spacy.tokens import DocBin, Span, SpanGroup
from spacy.training import Example

from spacy_rnn_tagger.bulk.annotating import run
from spacy_rnn_tagger.distillation.teachers import (
    Teacher,
    TeacherJob,
    needed_pipes,
    read_annotated,
    read_taught,
)
from spacy_rnn_tagger.distillation.texts import DEV, HELDOUT, TRAIN
from spacy_rnn_tagger.formats.docbin import RECORD
from tests.distillation.pairs import guessing

TEXTS = ["Acme sells boats in Delhi.", "Nobody came to Lima today.", "All quiet."]
PATTERNS = [{"label": "ORG", "pattern": "Acme"}, {"label": "GPE", "pattern": "Delhi"}]


@spacy.Language.component("test_distillation_groups")
def write_groups(doc):
    spans = [Span(doc, 0, 1, label="ORG"), Span(doc, 0, 2, label="ORG"), Span(doc, 1, 2, label="X")]
    doc.spans["plain"] = spans
    doc.spans["rated"] = SpanGroup(doc, spans=spans, attrs={"scores": [0.6, 0.3, 0.8]})
    doc.spans["twice"] = [spans[0], spans[2], spans[0]]
    return doc


@spacy.Language.component("test_distillation_fails")
def fail(doc):
    if "Lima" in doc.text:
        raise ValueError("no Lima, please")
    return doc


def rules(*, last=None):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns(PATTERNS)
    if last:
        nlp.add_pipe(last)
    return nlp


def network(seed=0, labels=("GPE", "ORG")):
    """A network that is not trained, but sure of nothing."""
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_ner")
    doc = nlp("Acme sells boats in Delhi.")
    gold = doc.copy()
    gold.set_ents([Span(gold, 0, 1, label=labels[1]), Span(gold, 4, 5, label=labels[0])])
    spacy.util.fix_random_seed(seed)
    sgd = nlp.initialize(lambda: [Example(doc, gold)])
    for _ in range(5):
        nlp.update([Example(nlp.make_doc(doc.text), gold)], sgd=sgd)
    return nlp


def taught_by(tmp_path, *teachers, settings=None, **reading):
    tmp_path.mkdir(exist_ok=True)
    texts = tmp_path / "texts.jsonl"
    rows = [
        {"text": text, "order": i, "part": part}
        for i, (text, part) in enumerate(zip(TEXTS, (TRAIN, DEV, HELDOUT), strict=True))
    ]
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    folders = []
    for i, nlp in enumerate(teachers):
        nlp.to_disk(tmp_path / f"model-{i}")
        folders.append(str(tmp_path / f"teacher-{i}"))
        job = TeacherJob(
            str(tmp_path / f"model-{i}"),
            str(texts),
            folders[-1],
            form="docbin",
            shard_size=2,
            **(settings or {}),
        )
        run(job)
    return list(read_taught(folders, spacy.blank("en").vocab, **reading))


def test_entities_and_the_part_of_each_text(tmp_path):
    found = taught_by(tmp_path, rules())
    assert [(each.doc.text, each.part, each.order) for each in found] == [
        (TEXTS[0], TRAIN, 0),
        (TEXTS[1], DEV, 1),
        (TEXTS[2], HELDOUT, 2),
    ]
    assert found[0].entities == [(0, 1, "ORG"), (4, 5, "GPE")]
    assert found[0].confidences == [None, None]
    assert found[0].posteriors is None
    assert not found[0].doc.ents


def test_a_text_that_a_teacher_fails_on_is_left_out(tmp_path):
    found = taught_by(tmp_path, rules(last="test_distillation_fails"))
    assert [each.doc.text for each in found] == [TEXTS[0], TEXTS[2]]


def test_groups_lose_overlaps_to_scores_or_else_to_length(tmp_path):
    nlp = rules(last="test_distillation_groups")
    rated = taught_by(tmp_path / "a", nlp, spans_key="rated")[0]
    assert (rated.entities, rated.confidences) == ([(0, 1, "ORG"), (1, 2, "X")], [0.6, 0.8])
    plain = taught_by(tmp_path / "b", nlp, spans_key="plain")[0]
    assert (plain.entities, plain.confidences) == ([(0, 2, "ORG")], [None])
    twice = taught_by(tmp_path / "c", nlp, spans_key="twice")[0]
    assert (twice.entities, twice.confidences) == ([(0, 1, "ORG"), (1, 2, "X")], [None, None])


def test_a_group_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="no span group 'sc'.* are plain, rated"):
        taught_by(tmp_path, rules(last="test_distillation_groups"), spans_key="sc")


@spacy.Language.component("test_distillation_states")
def leave_states(doc):
    doc.user_data["states"] = b"0" * 10**6
    return write_groups(doc)


def test_what_components_leave_in_user_data_is_not_written(tmp_path):
    nlp = rules(last="test_distillation_states")
    found = taught_by(tmp_path, nlp, spans_key="rated")
    assert len(found[0].entities) == 2
    docs = [
        doc
        for path in sorted((tmp_path / "teacher-0").glob("*.spacy"))
        for doc in DocBin().from_disk(path).get_docs(nlp.vocab)
    ]
    assert [doc.text for doc in docs] == TEXTS
    assert {key for doc in docs for key in doc.user_data} == {RECORD}


def test_posteriors_leave_entities_and_confidences_as_they_are(tmp_path):
    nlp = guessing(threshold={"GPE": 0.8})
    plain = taught_by(tmp_path / "plain", nlp)
    rated = taught_by(tmp_path / "rated", nlp, settings={"posteriors": True})
    assert any(each.entities for each in plain)
    for each, other in zip(plain, rated, strict=True):
        assert (each.entities, other.posteriors) == (other.entities, None)
        assert each.confidences == pytest.approx(other.confidences, abs=1e-6)


def test_a_component_alone(tmp_path):
    nlp = rules(last="test_distillation_fails")
    assert needed_pipes(nlp, "entity_ruler") == ["entity_ruler"]
    assert needed_pipes(nlp, None) == ["entity_ruler", "test_distillation_fails"]
    found = taught_by(tmp_path, nlp, settings={"component": "entity_ruler"})
    assert len(found) == 3  # the one that fails did not run
    with pytest.raises(ValueError, match="no component 'ner'; its components are entity_ruler, te"):
        needed_pipes(nlp, "ner")


def test_a_component_needs_what_it_listens_to():
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe(
        "ner",
        config={
            "model": {
                "@architectures": "spacy.TransitionBasedParser.v2",
                "state_type": "ner",
                "extra_state_tokens": False,
                "hidden_width": 8,
                "maxout_pieces": 2,
                "use_upper": True,
                "tok2vec": {"@architectures": "spacy.Tok2VecListener.v1", "width": 96},
            }
        },
    )
    nlp.get_pipe("ner").add_label("A")
    nlp.initialize()
    assert needed_pipes(nlp, "ner") == ["tok2vec", "ner"]


def test_posteriors_are_those_of_the_network(tmp_path):
    nlp = network()
    [found, *_] = taught_by(tmp_path, nlp, settings={"posteriors": True}, posteriors=True)
    spans = list(found.posteriors)
    [exact] = nlp.get_pipe("rnn_ner").infer([nlp.make_doc(TEXTS[0])]).posteriors_of([spans])
    assert len(spans) > 2
    assert list(found.posteriors.values()) == pytest.approx(exact.tolist(), abs=1e-5)


def test_posteriors_leave_the_entities_as_they_are(tmp_path):
    nlp = guessing()
    pipe = nlp.get_pipe("rnn_ner")
    every = [ent.label_ for text in TEXTS for ent in nlp(text).ents]
    pipe.threshold = {"FAC": 0.99, "GPE": 0.5}
    entities = [[(e.start, e.end, e.label_) for e in nlp(text).ents] for text in TEXTS]
    assert 0 < sum(map(len, entities)) < len(every)
    found = taught_by(tmp_path, nlp, settings={"posteriors": True}, posteriors=True)
    assert [each.entities for each in found] == entities
    below = [p for each in found for (_, _, label), p in each.posteriors.items() if label == "FAC"]
    assert 0 < min(below) < 0.99


def test_what_is_known_of_a_network():
    nlp = guessing()
    pipe = nlp.get_pipe("rnn_ner")
    pipe.threshold = {"FAC": 0.7, "GPE": 0.4}
    teacher = Teacher.of(nlp, "teacher")
    assert (teacher.labels, teacher.threshold) == (("FAC", "GPE"), {"FAC": 0.7, "GPE": 0.4})
    pipe.output_labels = ["GPE"]
    teacher = Teacher.of(nlp, "teacher")
    assert (teacher.labels, teacher.threshold) == (("GPE",), {"GPE": 0.4})
    pipe.threshold = {"FAC": 0.7}
    assert Teacher.of(nlp, "teacher").threshold == 0.0


def test_several_teachers_are_averaged(tmp_path):
    both = network(0), network(1)
    [found, *_] = taught_by(tmp_path, *both, settings={"posteriors": True}, posteriors=True)
    spans = list(found.posteriors)
    each = [
        nlp.get_pipe("rnn_ner").infer([nlp.make_doc(TEXTS[0])]).posteriors_of([spans])[0]
        for nlp in both
    ]
    # A span that one of them gives less than the floor is zero in its part of the mean.
    assert list(found.posteriors.values()) == pytest.approx(sum(each) / 2, abs=6e-4)


def test_posteriors_need_a_network_at_the_end():
    def teaches_posteriors(nlp, component):
        return Teacher.of(nlp, "teacher", component).labels is not None

    assert teaches_posteriors(network(), None)
    assert not teaches_posteriors(rules(), None)
    changed = network()
    changed.add_pipe("entity_ruler")
    assert not teaches_posteriors(changed, None)
    assert teaches_posteriors(changed, "rnn_ner")
    assert not teaches_posteriors(changed, "entity_ruler")
    both = network()
    both.add_pipe("rnn_ner", name="second")  # doc.ents has the entities of both
    assert not teaches_posteriors(both, None) and teaches_posteriors(both, "rnn_ner")


def test_another_component_is_another_job(tmp_path):
    nlp = rules(last="test_distillation_groups")
    taught_by(tmp_path, nlp)
    with pytest.raises(ValueError, match='component: null before, "entity_ruler" now'):
        taught_by(tmp_path, nlp, settings={"component": "entity_ruler"})


def test_annotated_data_teaches(tmp_path):
    lines = [f"[Acme](ORG) has {i} boats in [Delhi](?) .\n" for i in range(20)]
    path = tmp_path / "data.txt"
    path.write_text("".join([*lines, lines[0]]), "utf-8")
    found = list(read_annotated(str(path), "en", 0))
    assert len(found) == 20
    assert [each.part for each in found].count(TRAIN) == 17
    assert {each.entities[0] for each in found} == {(0, 1, "ORG")}
    assert {each.missing for each in found} == {(5,)}
    with pytest.raises(ValueError, match="At least 10 different docs are needed"):
        path.write_text(lines[0], "utf-8")
        list(read_annotated(str(path), "en", 0))
