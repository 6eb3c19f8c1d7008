"""Every config that ships: valid, complete, and it trains."""

import io
from pathlib import Path

import numpy as np
import pytest
import spacy
import srsly
from spacy.cli.debug_config import debug_config
from spacy.cli.init_config import fill_config
from spacy.tokens import Doc, DocBin, Span
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.training.pretrain import pretrain
from spacy.util import load_config

ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.cfg"))
STEPS = {"training.max_steps": 4, "training.eval_frequency": 2, "training.patience": 0}


@pytest.fixture
def output(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    return path


@pytest.fixture
def corpus(tmp_path):
    """A file with every kind of annotation that a config may want."""
    nlp = spacy.blank("en")
    docs = DocBin(store_user_data=True)
    for words, ents, good in (
        ("Red Fort is in Delhi .", [(0, 2, "FAC"), (4, 5, "GPE")], True),
        ("We never went back .", [], False),
        ("Oslo shut Unity Bridge .", [(0, 1, "GPE"), (2, 4, "FAC")], False),
    ):
        doc = Doc(nlp.vocab, words=words.split())
        for token in doc:
            token.tag_ = "NNP" if token.is_title else "NN"
        doc.set_ents([Span(doc, *ent) for ent in ents])
        doc.cats = {"POSITIVE": float(good), "NEGATIVE": float(not good)}
        docs.add(doc)
    path = tmp_path / "corpus.spacy"
    docs.to_disk(path)
    return path


def overrides_for(path, corpus):
    overrides = {"paths.train": str(corpus), "paths.dev": str(corpus)}
    augmenter = load_config(path)["corpora"]["train"].get("augmenter") or {}
    for label, name in augmenter.get("names", {}).items():
        overrides[f"corpora.train.augmenter.names.{label}"] = str(ROOT / name)
    return overrides


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_debug_config_passes(path, corpus, capsys):
    debug_config(path, overrides=overrides_for(path, corpus))
    assert "Config is valid" in capsys.readouterr().out


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_config_is_filled(path, tmp_path):
    filled = tmp_path / "filled.cfg"
    fill_config(filled, path, silent=True)
    assert filled.read_text() == path.read_text()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_config_trains(path, corpus, output):
    config = load_config(path, overrides={**overrides_for(path, corpus), **STEPS})
    nlp = init_nlp(config)
    before = nlp.get_pipe(nlp.pipe_names[0]).model.to_bytes()
    train(nlp, output)
    loaded = spacy.load(output / "model-last")
    assert loaded.get_pipe(loaded.pipe_names[0]).model.to_bytes() != before
    doc = loaded("Red Fort is in Delhi.")
    assert doc.ents or doc.cats or doc[0].tag_ or "rnn_ner" in loaded.pipe_names


def test_training_prints_labels_and_loss(corpus, output):
    path = ROOT / "configs" / "tutorial.cfg"
    overrides = {**overrides_for(path, corpus), **STEPS, "training.logger.progress_bar": None}
    screen = io.StringIO()
    train(init_nlp(load_config(path, overrides=overrides)), output, stdout=screen)
    printed = screen.getvalue()
    assert printed.count("dev loss") == 3
    for expected in ("FAC         P", "GPE         P", "ENTS_P", "ENTS_R", "ENTS_F", "ENTS_TOKEN"):
        assert expected in printed


def test_one_hot_is_one_line_away(corpus, output, tmp_path):
    text = (ROOT / "configs" / "tutorial.cfg").read_text()
    changed = text.replace("spacy_rnn_tagger.WordEmbed.v1", "spacy_rnn_tagger.OneHotEmbed.v1")
    assert changed != text
    path = tmp_path / "one_hot.cfg"
    path.write_text(changed)
    config = load_config(path, overrides={**overrides_for(path, corpus), **STEPS})
    nlp = init_nlp(config)
    rnn = nlp.get_pipe("rnn_ner").model.get_ref("rnn")
    assert rnn.get_dim("nI") == 15000
    train(nlp, output)


def test_pretrain_and_start_from_it(corpus, output, tmp_path):
    """`spacy pretrain` moves the weights of the encoder, and training starts from them."""
    filled = tmp_path / "pretrain.cfg"
    fill_config(filled, ROOT / "configs" / "rnn_pos.cfg", pretraining=True, silent=True)
    raw = tmp_path / "raw.jsonl"
    srsly.write_jsonl(raw, [{"text": "Red Fort is in Delhi."}, {"text": "We never went back."}])
    overrides = {
        **overrides_for(filled, corpus),
        "paths.raw_text": str(raw),
        "pretraining.max_epochs": 2,
    }
    config = load_config(filled, overrides=overrides).interpolate()
    pretrain(config, output, silent=True)
    weights = output / "model1.bin"

    def encoder(**settings):
        nlp = init_nlp(load_config(filled, overrides={**overrides, **settings}))
        model = nlp.get_pipe("tok2vec").model
        [rnn] = [node for node in model.walk() if node.name == "rnn"]
        return rnn.get_param("U_forward_0")

    first, again = encoder(), encoder()
    started = encoder(**{"initialize.init_tok2vec": str(weights)})
    assert np.array_equal(first, again)
    assert not np.array_equal(first, started)
