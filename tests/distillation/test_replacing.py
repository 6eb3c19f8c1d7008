"""The teacher's pipeline with the student in it finds what the student finds, and is whole."""

import json

import numpy as np
import pytest
import spacy
import spacy.cli
from spacy.training import Example
from spacy.vectors import Vectors

from spacy_rnn_tagger.distillation.replacing import blank_like, replace_component
from tests.conftest import eager, make_examples
from tests.distillation.pairs import LISTENER, TEXTS, TOK2VEC, entities, guessing, rules
from tests.models.test_transformer import tiny_transformer

NORMS = {"aluminium": "aluminum", "colour": "color"}


def replaced(teacher, student, **settings):
    """Replace "ner", and return the notes too."""
    notes = []
    nlp = replace_component(teacher, student, name="ner", notify=notes.append, **settings)
    return nlp, notes


def with_norms(nlp):
    table = nlp.vocab.lookups.add_table("lexeme_norm", NORMS)
    nlp.vocab.lookups = nlp.vocab.lookups
    assert nlp("colour")[0].norm_ == "color" and len(table) == 2
    return nlp


def with_vectors(nlp, seed=0, width=5):
    words = ["Delhi", "Lima", "Fort", "Gate", "far"]
    data = np.random.default_rng(seed).normal(size=(len(words), width)).astype("f")
    nlp.vocab.vectors = Vectors(data=data, keys=words, strings=nlp.vocab.strings, name="words")
    return nlp


def reading_vectors(nlp):
    tok2vec = {"width": 8, "rows": [50] * 4, "include_static_vectors": True}
    return guessing(nlp, model={"tok2vec": tok2vec})


def with_tok2vec(listeners=("ner",)):
    """A teacher with a shared tok2vec, to which spaCy's own components listen."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    for name in listeners:
        nlp.add_pipe(name, config={"model": {"tok2vec": LISTENER}})
    nlp.initialize(
        lambda: [
            Example.from_dict(
                nlp.make_doc(text), {"entities": ents, "tags": ["X"] * len(nlp.make_doc(text))}
            )
            for text, ents in [("Red Fort is in Delhi.", [(0, 8, "FAC"), (15, 20, "GPE")])]
        ]
    )
    return nlp


def test_it_finds_what_the_student_finds_also_from_disk(tmp_path):
    teacher, student = rules(), guessing()
    teacher.meta.update(name="rules", version="1.2.3")
    found, rule_based = entities(student), entities(teacher)
    assert found != rule_based and any(found)

    nlp, notes = replaced(teacher, student)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)

    assert notes == []
    assert entities(nlp) == entities(loaded) == found
    assert (
        loaded.pipe_names == ["ner"] and loaded.config["components"]["ner"]["factory"] == "rnn_ner"
    )
    assert (loaded.meta["name"], loaded.meta["version"]) == ("rules", "1.2.3")
    assert loaded.get_pipe("ner").vocab is loaded.vocab
    assert not any(entities(spacy.load(tmp_path, disable=["ner"])))
    # The two that it came from are as they were.
    assert entities(student) == found and entities(teacher) == rule_based
    assert student.pipe_names == ["rnn_ner"] and student.get_pipe("rnn_ner").name == "rnn_ner"


def test_position_and_other_components_are_kept(tmp_path):
    teacher = spacy.blank("en")
    teacher.add_pipe("token_splitter", name="first")
    rules(nlp=teacher)
    later = teacher.add_pipe("entity_ruler", name="later", config={"overwrite_ents": True})
    later.add_patterns([{"label": "WEATHER", "pattern": "rained"}])
    teacher.add_pipe("sentencizer")
    student = guessing()

    nlp, _ = replaced(teacher, student)

    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).pipe_names == ["first", "ner", "later", "sentencizer"]
    doc = nlp(TEXTS[1])
    assert ("rained", "WEATHER") in [(ent.text, ent.label_) for ent in doc.ents]
    own = {(ent.start, ent.end) for ent in student(TEXTS[1]).ents}
    assert own & {(ent.start, ent.end) for ent in doc.ents}
    assert doc.has_annotation("SENT_START")


def test_a_disabled_component_stays_disabled():
    teacher = rules()
    teacher.disable_pipe("ner")
    nlp, _ = replaced(teacher, guessing())
    assert nlp.disabled == ["ner"] and nlp.component_names == ["ner"]


def test_a_student_that_listens_gets_a_copy_of_what_it_listens_to(tmp_path):
    student = spacy.blank("en")
    student.add_pipe("tok2vec", config={"model": TOK2VEC})
    eager(student, model={"tok2vec": LISTENER})
    student.initialize(lambda: make_examples(student))
    output = student.get_pipe("rnn_ner").model.get_ref("emissions")
    weights = np.random.default_rng(1).normal(size=output.get_param("W").shape).astype("f")
    output.set_param("W", 5 * weights)
    found = entities(student)
    assert any(found)

    nlp, _ = replaced(rules(), student)

    nlp.to_disk(tmp_path)
    assert nlp.component_names == ["ner"]
    assert entities(nlp) == entities(spacy.load(tmp_path)) == found == entities(student)
    architecture = nlp.config["components"]["ner"]["model"]["tok2vec"]["@architectures"]
    assert architecture == TOK2VEC["@architectures"]


@pytest.mark.parametrize("listeners", [("ner",), ("tagger", "ner"), ("ner", "tagger")])
def test_what_nothing_listens_to_any_more_is_removed(listeners):
    teacher = with_tok2vec(listeners)
    teacher.config["training"]["frozen_components"] = ["tok2vec", "ner"]
    teacher.config["training"]["annotating_components"] = ["tok2vec"]
    tags = [[token.tag_ for token in doc] for doc in teacher.pipe(TEXTS)]

    nlp, notes = replaced(teacher, guessing())

    alone = listeners == ("ner",)
    assert nlp.component_names == [*([] if alone else ["tok2vec"]), *listeners]
    assert [("'tok2vec' is removed" in note) for note in notes] == [True] * alone
    training = nlp.config["training"]
    assert training["annotating_components"] == ([] if alone else ["tok2vec"])
    assert "ner" in training["frozen_components"]
    assert [[token.tag_ for token in doc] for doc in nlp.pipe(TEXTS)] == tags


def test_a_disabled_listener_keeps_its_tok2vec():
    teacher = with_tok2vec(("tagger", "ner"))
    teacher.disable_pipe("tagger")
    nlp, notes = replaced(teacher, guessing())
    assert nlp.component_names == ["tok2vec", "tagger", "ner"] and notes == []


def test_vectors_are_brought_along_where_there_are_none(tmp_path):
    student = reading_vectors(with_vectors(spacy.blank("en")))
    found = entities(student)
    nlp, [note] = replaced(rules(), student)
    nlp.to_disk(tmp_path)
    assert "word vectors" in note
    assert entities(nlp) == entities(spacy.load(tmp_path)) == found and any(found)
    assert spacy.load(tmp_path).vocab.vectors.shape == (5, 5)


def test_equal_vectors_are_kept_and_others_are_refused():
    student = reading_vectors(with_vectors(spacy.blank("en")))
    same, other = (with_vectors(rules(), seed) for seed in (0, 1))
    nlp, notes = replaced(same, student)
    assert entities(nlp) == entities(student) and notes == []
    with pytest.raises(ValueError, match=r"not those of the teacher.*\[initialize\] vectors"):
        replaced(other, student)
    with pytest.raises(ValueError, match="5 of 5 dimensions.*5 of 3 dimensions"):
        replaced(with_vectors(rules(), width=3), student)
    # Whoever reads none gets along with any.
    alone = guessing(with_vectors(spacy.blank("en"), 2))
    nlp, notes = replaced(other, alone)
    assert nlp.vocab.vectors.shape == (5, 5) and entities(nlp) == entities(alone) and notes == []
    assert np.array_equal(nlp.vocab["Delhi"].vector, other.vocab["Delhi"].vector)


def test_other_norms_are_refused():
    teacher, student = with_norms(rules()), guessing()
    with pytest.raises(ValueError, match="2 words.*'colour' is 'colour'.*copy_from_base"):
        replaced(teacher, student)
    # A table that the student has, and the teacher has not.
    with pytest.raises(ValueError, match="'colour' is 'color' to the student"):
        replaced(rules(), guessing(with_norms(spacy.blank("en"))))
    # Whoever does not read them gets along with any.
    shapes = guessing(
        model={"tok2vec": {"width": 8, "attrs": ["SHAPE", "LOWER"], "rows": [50] * 2}}
    )
    nlp, _ = replaced(teacher, shapes)
    assert entities(nlp) == entities(shapes)


def test_entries_that_change_no_norm_do_no_harm():
    teacher = rules()
    teacher.vocab.lookups.add_table("lexeme_norm", {"Delhi": "delhi"})
    assert teacher.vocab["Delhi"].norm_ == "delhi"
    nlp, _ = replaced(teacher, guessing())
    assert nlp.pipe_names == ["ner"]


def test_a_student_that_started_like_the_teacher_has_its_norms(tmp_path):
    teacher = with_vectors(with_norms(rules()))
    teacher.tokenizer.add_special_case("OldGate", [{"ORTH": "Old"}, {"ORTH": "Gate"}])
    base = blank_like(teacher)
    assert base.pipe_names == [] and not base.vocab.vectors.shape[0]
    assert base("colour")[0].norm_ == "color"
    base.to_disk(tmp_path / "base")
    base = spacy.load(tmp_path / "base")
    assert base("colour")[0].norm_ == "color" and len(base("OldGate")) == 2

    student = guessing(base)
    nlp, notes = replaced(teacher, student)
    assert notes == [] and entities(nlp) == entities(student)


def test_it_is_trainable():
    nlp, _ = replaced(with_tok2vec(("tagger", "ner")), guessing())
    config = nlp.config.interpolate()
    built = type(nlp).from_config(config)
    assert built.pipe_names == ["tok2vec", "tagger", "ner"]
    example = Example.from_dict(
        built.make_doc("Red Fort"), {"entities": [(0, 8, "FAC")], "tags": ["X", "X"]}
    )
    built.initialize(lambda: [example])
    losses = built.update([example])
    assert losses["ner"] > 0
    assert nlp.update([example], sgd=nlp.resume_training())["ner"] > 0


def test_it_can_be_packaged(tmp_path):
    nlp, _ = replaced(rules(), guessing())
    nlp.to_disk(tmp_path / "nlp")
    (tmp_path / "out").mkdir()
    spacy.cli.package(
        tmp_path / "nlp", tmp_path / "out", name="rules", version="1.0.0", create_sdist=False
    )
    meta = json.loads((tmp_path / "out" / "en_rules-1.0.0" / "meta.json").read_text())
    assert any(needed.startswith("spacy-rnn-tagger") for needed in meta["requirements"])


def test_meta_data_says_what_was_replaced():
    teacher, student = rules(), guessing()
    scores = {"ents_f": 0.8, "ents_per_type": {}, "speed": 1.0, "tag_acc": 0.9, "ner_loss": 3.0}
    teacher.meta.update(performance=scores, sources=["Rules"], license="MIT")
    student.meta.update(
        distillation={"teacher": "en_rules 1"}, sources=[{"name": "books"}, {"name": "Rules"}]
    )
    meta = replaced(teacher, student)[0].meta
    assert meta["performance"] == {"tag_acc": 0.9}
    assert meta["sources"] == [{"name": "Rules"}, {"name": "books"}]
    assert meta["distillation"] == {"component": "ner", "teacher": "en_rules 1"}
    assert meta["license"] == "MIT" and "`ner` was replaced" in meta["notes"]
    assert meta["labels"] == {"ner": ["FAC", "GPE"]}
    assert teacher.meta["performance"] == scores


def test_what_cannot_be_replaced_is_named():
    teacher = rules()
    teacher.add_pipe("sentencizer")
    with pytest.raises(ValueError, match="no component 'tagger'; its components are ner, sente"):
        replace_component(teacher, guessing(), name="tagger")
    with pytest.raises(ValueError, match="'sentencizer' does not find entities"):
        replace_component(teacher, guessing(), name="sentencizer")
    with pytest.raises(ValueError, match="no component rnn_ner; its components are 'ner"):
        replace_component(teacher, rules(), name="ner")
    two = guessing()
    eager(two, name="second", seed=5)
    with pytest.raises(ValueError, match="several components rnn_ner"):
        replace_component(teacher, two, name="ner")
    nlp = replace_component(teacher, two, name="ner", component="rnn_ner")
    assert entities(nlp) == entities(guessing())


def over_a_transformer(folder, *, disable=()):
    """A teacher whose "ner", one of ours, listens to a transformer."""
    nlp = tiny_transformer(folder)
    nlp.rename_pipe("rnn_ner", "ner")
    nlp.to_disk(folder / "teacher")
    return spacy.load(folder / "teacher", disable=disable)


@pytest.mark.parametrize("disable", [(), ("ner",)])
def test_a_transformer_to_which_nothing_listens_is_removed(tmp_path, disable):
    teacher, student = over_a_transformer(tmp_path, disable=disable), guessing()
    transformer = teacher.get_pipe("transformer")
    linked = {name: list(own) for name, own in transformer.listener_map.items()}
    nlp, notes = replaced(teacher, student)
    assert nlp.component_names == ["ner"]
    assert any("'transformer'" in note for note in notes)
    nlp.enable_pipe("ner")
    assert entities(nlp) == entities(student)
    # The teacher is as it was.
    assert {name: list(own) for name, own in transformer.listener_map.items()} == linked
    assert teacher.component_names == ["transformer", "ner"]


def test_differences_that_matter_are_noted():
    _, [note] = replaced(rules(nlp=spacy.blank("de")), guessing())
    assert "language is 'en'" in note and "'de'" in note
    teacher = rules()
    teacher.tokenizer.add_special_case("OldGate", [{"ORTH": "Old"}, {"ORTH": "Gate"}])
    with pytest.warns(UserWarning, match="tokenizers of student and teacher differ"):
        replace_component(teacher, guessing(), name="ner")
    teacher = spacy.blank("en")
    teacher.add_pipe("sentencizer")
    rules(nlp=teacher)
    by_sentence = guessing(model={"context": "sentence"})
    assert [
        "'sentencizer' sets sentences" in note for note in replaced(teacher, by_sentence)[1]
    ] == [True]
    assert replaced(teacher, guessing())[1] == []
