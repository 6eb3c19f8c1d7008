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
from spacy_rnn_tagger.pipeline.folders import run_code
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


CODE = """
from spacy.language import Language
from spacy.pipeline.tok2vec import DEFAULT_TOK2VEC_MODEL, Tok2Vec


class Loaded(Tok2Vec):
    def initialize(self, get_examples, *, nlp=None, path=None):
        if path is None:
            raise ValueError("no weights to load")
        super().initialize(get_examples, nlp=nlp)


@Language.factory("loaded_tok2vec", default_config={"model": DEFAULT_TOK2VEC_MODEL})
def make(nlp, name, model):
    return Loaded(nlp.vocab, model, name)
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    path = tmp_path_factory.mktemp("code") / "code.py"
    path.write_text(CODE)
    run_code(path)
    return path


@pytest.fixture
def loaded(code, tmp_path):
    """A pipeline over what is loaded from a folder at initialisation, as a transformer is."""
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "weights.bin").write_bytes(b"1")
    nlp = spacy.blank("en")
    nlp.add_pipe("loaded_tok2vec", name="tok2vec", config={"model": {"width": 8}})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8, "upstream": "tok2vec"}
    nlp.add_pipe("rnn_ner", config={"model": {"hidden_width": 8, "tok2vec": listener}})
    nlp.get_pipe("rnn_ner").add_label("GPE")
    nlp.config["initialize"]["components"] = {
        "tok2vec": {"path": str(weights)},
        "rnn_ner": {"labels": ["GPE", "LOC"]},
        "gone": {"path": ""},
    }
    nlp.initialize()
    nlp.to_disk(tmp_path / "model")
    return spacy.load(tmp_path / "model")


def test_what_a_component_loads_at_initialisation_counts(loaded, code, tmp_path):
    found = [folder_for(loaded, code=code)]
    for content in (b"1", b"2"):
        (tmp_path / "weights" / "weights.bin").write_bytes(content)
        found.append(folder_for(loaded, code=code))
    assert found[0] == found[1] != found[2]


@pytest.mark.slow
def test_what_the_component_listens_to_is_initialised_as_before(loaded, code, tmp_path):
    docs = docs_for(loaded)
    parts = Folds(
        loaded, "rnn_ner", docs, assign(docs, 2), ["FAC", "GPE"], tmp_path / "work",
        steps=1, code=code,
    )  # fmt: skip
    trained = spacy.load(parts.train(0))
    assert trained.config["initialize"]["components"] == {
        "tok2vec": {"path": str(tmp_path / "weights")},
        "rnn_ner": {"labels": ["FAC", "GPE"]},
    }


@pytest.mark.slow
def test_settings_may_name_labels_that_the_data_lacks(pipeline, tmp_path):
    """As after a calibration; and what is hidden from users must not be hidden from an audit."""
    nlp = spacy.load(pipeline)
    pipe = nlp.get_pipe("rnn_ner")
    pipe.add_label("LOC")
    settings = {
        "threshold": {"GPE": 0.5, "LOC": 0.4},
        "candidates": {"LOC": 0.1},
        "output_labels": ["GPE", "LOC"],
        "temperature": 1.5,
    }
    pipe.cfg.update(settings)
    nlp.get_pipe_config("rnn_ner").update(settings)
    docs = docs_for(nlp)
    parts = Folds(
        nlp, "rnn_ner", docs, assign(docs, 2), ["FAC", "GPE"], tmp_path / "work", steps=1
    )  # fmt: skip
    found = spacy.load(parts.train(0)).get_pipe("rnn_ner")
    assert found.tags.labels == found.written_labels == ("FAC", "GPE")
    assert (found.threshold, found.candidates, found.temperature) == (0.0, None, 1.5)
