"""Where the models of an audit are: found again if nothing has changed, and else trained anew."""

import os
import subprocess
import sys

import numpy as np
import pytest
import spacy
from spacy.tokens import Span
from thinc.api import fix_random_seed

from spacy_rnn_tagger import init_config
from spacy_rnn_tagger.pipeline.label_sets import LabelSet, set_label_set
from spacy_rnn_tagger.review.folds import Folds, assign
from tests.evaluation.evaluated import texts

NETWORK = {"hidden_width": 8, "tok2vec": {"width": 8, "rows": [50] * 4}}


@pytest.fixture
def pipeline(tmp_path):
    """The folder of a pipeline with vectors, and components that are kept as they are."""
    nlp = spacy.blank("en")
    nlp.vocab.set_vector("Oslo", np.arange(4.0, dtype="f"))
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("tagger").add_label("X")
    nlp.add_pipe("rnn_ner", config={"model": NETWORK}).add_label("GPE")
    nlp.initialize()
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "Oslo"}])
    nlp.to_disk(tmp_path / "model")
    return tmp_path / "model"


def docs_for(nlp):
    docs = []
    for text, entities in texts(12, 1):
        doc = nlp.make_doc(text)
        doc.set_ents([doc.char_span(*entity) for entity in entities])
        docs.append(doc)
    return docs


def folder_for(nlp, docs=None, **settings):
    docs = docs_for(nlp) if docs is None else docs
    labels = ["FAC", "GPE"]
    work = nlp.path.parent / "work"
    work.mkdir(exist_ok=True)
    parts = Folds(nlp, "rnn_ner", docs, assign(docs, 2), labels, work, **settings)
    assert parts.folder.parent == work and not list(work.iterdir())
    return parts.folder.name


def test_an_unchanged_pipeline_finds_its_models(pipeline):
    """In another process, whose sets have another order; and whatever it was used for meanwhile."""
    nlp = spacy.load(pipeline)
    before = folder_for(nlp)
    nlp("Words that it has not met, such as Reykjavík.")
    assert folder_for(nlp) == before
    program = (
        "import sys, spacy\n"
        "from tests.review.test_folds import folder_for\n"
        "print(folder_for(spacy.load(sys.argv[1])))\n"
    )
    command = [sys.executable, "-c", program, str(pipeline)]
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        assert subprocess.check_output(command, env=env, text=True).strip() == before


def test_what_is_trained_anew_may_change(pipeline):
    nlp = spacy.load(pipeline)
    before = folder_for(nlp)
    nlp.meta["performance"] = {"ents_f": 0.9}
    nlp.get_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "Lima"}])  # is after it
    fix_random_seed(7)
    with nlp.select_pipes(enable="rnn_ner"):
        nlp.initialize()
    nlp.config["paths"]["train"] = "elsewhere.spacy"
    nlp.to_disk(pipeline)
    assert folder_for(nlp) == folder_for(spacy.load(pipeline)) == before


def weights(nlp):
    node = nlp.get_pipe("tagger").model.get_ref("softmax")
    node.set_param("b", node.get_param("b") + 1)


def vectors(nlp):
    nlp.vocab.vectors.data[0, 1] += 1  # the shape stays


def keys(nlp):
    nlp.vocab.vectors.add("Lima", row=0)


def norms(nlp):
    nlp.vocab.lookups.get_table("lexeme_norm").set("gonna", "going to")


def rules(nlp):
    nlp.tokenizer.add_special_case("gimme", [{"ORTH": "gim"}, {"ORTH": "me"}])


def stops(nlp):
    nlp.get_pipe("sentencizer").punct_chars.add(";")


@pytest.mark.parametrize("change", [weights, vectors, keys, norms, rules, stops])
@pytest.mark.parametrize("where", ["in memory", "on disk"])
def test_what_training_takes_over_counts(pipeline, change, where):
    nlp = spacy.load(pipeline)
    if "lexeme_norm" not in nlp.vocab.lookups:
        nlp.vocab.lookups.add_table("lexeme_norm")
    before = folder_for(nlp)
    change(nlp)
    if where == "on disk":
        nlp.to_disk(pipeline)
        nlp = spacy.load(pipeline)
    assert folder_for(nlp) != before


def test_files_that_training_reads_count(pipeline, tmp_path):
    """The Python file, and files that the config names; the name of neither changes."""
    nlp = spacy.load(pipeline)
    code, names = tmp_path / "code.py", tmp_path / "names.txt"
    augmenter = {
        "@augmenters": "spacy_rnn_tagger.entity_swap.v1", "level": 0.5,
        "names": {"GPE": str(names), "FAC": "too long for a name of a file" * 10},
    }  # fmt: skip
    nlp.config["corpora"]["train"]["augmenter"] = augmenter
    found = set()
    for code_content, content in (("x = 1", "Rome"), ("x = 2", "Rome"), ("x = 2", "Quito")):
        code.write_text(code_content)
        names.write_text(content)
        found.add(folder_for(nlp, code=code))
    assert len(found) == 3


def label_set(doc):
    set_label_set(doc, LabelSet.of(["FAC", "GPE"]))


def coarser(doc):
    set_label_set(doc, LabelSet.of(["FAC", "GPE"], {"LOC": ["GPE"]}))


def rejected(doc):
    doc.spans["incorrect"] = [Span(doc, 0, 1, "GPE")]


def test_all_annotation_counts(pipeline):
    nlp = spacy.load(pipeline)
    found = set()
    for change in (lambda _: None, label_set, coarser, rejected):
        docs = docs_for(nlp)
        change(docs[0])
        found.add(folder_for(nlp, docs))
    assert len(found) == 4


@pytest.mark.slow
def test_models_start_from_pretrained_weights(tmp_path):
    """If the pipeline did, and the weights are still there."""
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("rnn_ner", config={"model": NETWORK})
    pipe.add_label("GPE")
    fix_random_seed(7)  # not the seed of the training
    nlp.initialize()
    before = encoder_weights(nlp)
    path = tmp_path / "weights.bin"
    path.write_bytes(pipe.model.get_ref("encoder").to_bytes())
    nlp.config["initialize"]["init_tok2vec"] = str(path)
    nlp.config["pretraining"] = init_config().interpolate()["pretraining"]
    nlp.config["training"]["optimizer"]["learn_rate"] = 0.0
    is_same = []
    for work in (tmp_path / "there", tmp_path / "gone"):
        docs = docs_for(nlp)
        parts = Folds(nlp, "rnn_ner", docs, assign(docs, 2), ["FAC", "GPE"], work, steps=1)
        trained = encoder_weights(spacy.load(parts.train(0)))
        is_same.append(before.shape == trained.shape and np.allclose(before, trained))
        path.unlink(missing_ok=True)
    assert is_same == [True, False]


def encoder_weights(nlp):
    nodes = nlp.get_pipe("rnn_ner").model.get_ref("encoder").walk()
    return np.concatenate(
        [node.get_param(name).ravel() for node in nodes for name in node.param_names]
    )
