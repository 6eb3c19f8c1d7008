"""The config that is written, and plain `spacy train` on it."""

import pytest
import spacy
from spacy.tokens import DocBin
from thinc.api import Config

from spacy_rnn_tagger.distillation.students import Student
from spacy_rnn_tagger.training.configs import init_config
from spacy_rnn_tagger.training.processes import train, write_config


def config_of(student=None, **settings):
    arguments = {
        "lang": "en",
        "base": None,
        "train": {"silver": {"path": "train.spacy", "labels": None}},
        "dev": {"silver": {"path": "dev.spacy", "labels": ["GPE"]}},
        "labels": ["FAC", "GPE"],
        "n_words": 1_000_000,
        **settings,
    }
    return (student or Student()).make_config(**arguments)


def test_the_config_is_complete_and_can_be_read_back(tmp_path):
    config = config_of()
    path = tmp_path / "config.cfg"
    write_config(config, path)
    assert Config().from_disk(path, interpolate=False).to_str() == config.to_str()
    nlp = spacy.util.load_model_from_config(config, auto_fill=False)
    assert nlp.pipe_names == ["rnn_ner"]
    assert config["corpora"]["train"]["@readers"] == "spacy_rnn_tagger.MixedCorpus.v1"
    assert config["corpora"]["dev"]["corpora"]["silver"]["labels"] == ["GPE"]
    assert config["initialize"]["components"]["rnn_ner"]["labels"] == ["FAC", "GPE"]


def test_a_config_that_is_there_stays_as_it_is(tmp_path):
    path = tmp_path / "config.cfg"
    write_config(config_of(), path)
    before = path.stat().st_mtime_ns
    write_config(config_of(), path)
    assert path.stat().st_mtime_ns == before
    write_config(config_of(Student(steps=7)), path)
    assert Config().from_disk(path)["training"]["max_steps"] == 7


def test_steps_grow_with_the_words_within_bounds():
    assert Student().steps_for(1_000_000) == 6000
    assert Student().steps_for(300_000) == 4000
    assert Student().steps_for(100_000) == 2000
    assert Student().steps_for(1000) == 1000
    assert Student().steps_for(10**9) == 40_000
    assert Student(steps=12).steps_for(10**9) == 12


@pytest.mark.parametrize("steps", [1, 100, 5000])
def test_the_schedule_ends_with_the_training(steps):
    training = config_of(Student(steps=steps))["training"]
    rate = training["optimizer"]["learn_rate"]
    assert training["max_steps"] == rate["total_steps"] == steps
    assert rate["warmup_steps"] <= steps / 10
    assert 1 <= training["eval_frequency"] <= steps


def test_much_text_is_streamed():
    assert config_of()["training"]["max_epochs"] == 0
    assert config_of(n_words=10_000_000)["training"]["max_epochs"] == -1


def test_dropout_goes_with_plenty_of_text():
    shipped = init_config("rnn_ner")
    expected = {199_999: None, 200_000: (0.0, 0.2, 0.1), 1_000_000: (0.0, 0.1, 0.05)}
    for n_words, rates in expected.items():
        config = config_of(n_words=n_words)
        model = config["components"]["rnn_ner"]["model"]
        own = shipped["components"]["rnn_ner"]["model"]
        found = config["training"]["dropout"], model["dropout"], model["tok2vec"]["word_dropout"]
        default = shipped["training"]["dropout"], own["dropout"], own["tok2vec"]["word_dropout"]
        assert found == (rates or default)


def test_many_labels_have_fewer_tags():
    few = config_of(labels=[f"L{i}" for i in range(8)])
    many = config_of(labels=[f"L{i}" for i in range(9)])
    schemes = [config["components"]["rnn_ner"]["scheme"] for config in (few, many)]
    assert schemes == ["BILUO", "BIO"]


def test_width_seed_and_base():
    config = config_of(Student(hidden_width=77, seed=5), base="folder")
    assert config["components"]["rnn_ner"]["model"]["hidden_width"] == 77
    assert config["system"]["seed"] == 5
    before = config["initialize"]["before_init"]
    assert before["@callbacks"] == "spacy.copy_from_base_model.v1"
    assert before["tokenizer"] == before["vocab"] == "folder"


def test_training_that_fails_says_why_and_leaves_no_output(tmp_path):
    path = tmp_path / "config.cfg"
    write_config(config_of(), path)
    with pytest.raises(RuntimeError, match=r"(?s)ended with status 1\. .*train\.spacy"):
        train(path, tmp_path / "training")
    assert not (tmp_path / "training").exists()


def test_what_is_trained_is_kept(tmp_path):
    (tmp_path / "training").mkdir()
    assert train(tmp_path / "nothing.cfg", tmp_path / "training").name == "model-best"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps must"),
        ({"hidden_width": 0}, "width must"),
        ({"config": "x"}, "config"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        Student(**settings)


def test_streamed_training_learns_labels_that_come_late(tmp_path):
    nlp = spacy.blank("en")
    docs = []
    for i in range(150):
        doc = nlp("Delhi is far")
        label = "LATE" if i > 120 else "GPE"
        doc.set_ents([spacy.tokens.Span(doc, 0, 1, label=label)])
        docs.append(doc)
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    corpora = {"silver": {"path": str(tmp_path / "train.spacy"), "labels": None}}
    config = config_of(
        Student(steps=2), train=corpora, dev=corpora, labels=["GPE", "LATE"], n_words=10**8
    )
    write_config(config, tmp_path / "config.cfg")
    best = train(tmp_path / "config.cfg", tmp_path / "training")
    assert spacy.load(best).get_pipe("rnn_ner").labels == ("GPE", "LATE")
