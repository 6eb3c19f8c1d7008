"""Every config that ships: valid, complete, in the wheel, and it trains. One default everywhere."""

import inspect
import io
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

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
from spacy.util import load_config, registry

from spacy_rnn_tagger.models.architectures import build_lexeme_embed_v1, build_rnn_tagger_v1
from spacy_rnn_tagger.pipeline.rnn_ner import RNNEntityRecognizer

ROOT = Path(__file__).parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.cfg"))
STEPS = {"training.max_steps": 4, "training.eval_frequency": 2, "training.patience": 0}
# What has settings with defaults in the factory, in rnn_ner.cfg and in Python.
BLOCKS = ("component", "RNNTagger", "LexemeEmbed")


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
        ("Everest stood clear .", [(0, 1, "LOC")], True),
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


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    """A RoBERTa of random weights, in the files that a hub would give, whose pieces are bytes."""
    transformers = pytest.importorskip("transformers", reason="extra 'transformer' not installed")
    from transformers.models.roberta.tokenization_roberta import bytes_to_unicode

    path = tmp_path_factory.mktemp("roberta")
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *bytes_to_unicode().values(), "<mask>"]
    srsly.write_json(path / "vocab.json", {piece: i for i, piece in enumerate(pieces)})
    (path / "merges.txt").write_text("#version: 0.2\n", encoding="utf8")
    files = {"vocab_file": str(path / "vocab.json"), "merges_file": str(path / "merges.txt")}
    transformers.RobertaTokenizerFast(**files).save_pretrained(path)
    config = transformers.RobertaConfig(
        vocab_size=len(pieces),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=514,
        type_vocab_size=1,
        pad_token_id=1,
    )
    transformers.RobertaModel(config).save_pretrained(path)
    return path


@pytest.fixture
def overrides_for(request, corpus):
    """What a config needs to run on the files made here, in place of those that it names."""
    return lambda path: _overrides(path, corpus, request.getfixturevalue)


def _overrides(path, corpus, fixture):
    overrides = {"paths.train": str(corpus), "paths.dev": str(corpus)}
    if load_config(path)["paths"].get("vectors"):
        overrides["paths.vectors"] = str(fixture("vectors"))
    if "transformer" in load_config(path)["components"]:
        loaders = "initialize.components.transformer"
        model = "components.transformer.model"
        overrides |= {
            f"{loaders}.encoder_loader.name": str(fixture("roberta")),
            f"{loaders}.piecer_loader.name": str(fixture("roberta")),
            f"{model}.vocab_size": 261,
            f"{model}.num_hidden_layers": 2,
            f"{model}.num_attention_heads": 2,
            f"{model}.hidden_width": 24,
            f"{model}.intermediate_width": 24,
            "system.gpu_allocator": None,
        }
    augmenter = load_config(path)["corpora"]["train"].get("augmenter") or {}
    for label, name in augmenter.get("names", {}).items():
        overrides[f"corpora.train.augmenter.names.{label}"] = str(ROOT / name)
    return overrides


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_debug_config_passes(path, overrides_for, capsys):
    debug_config(path, overrides=overrides_for(path))
    assert "Config is valid" in capsys.readouterr().out


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_config_is_filled(path, tmp_path):
    filled = tmp_path / "filled.cfg"
    fill_config(filled, path, silent=True)
    assert filled.read_text() == path.read_text()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_the_optimizer_needs_no_other_section(path):
    """`spacy debug data` builds it of the config as it stands, without filling in ${...}."""
    optimizer = load_config(path, interpolate=False)["training"]["optimizer"]
    assert registry.resolve({"optimizer": optimizer})["optimizer"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_config_trains(path, overrides_for, output):
    config = load_config(path, overrides={**overrides_for(path), **STEPS})
    nlp = init_nlp(config)
    before = nlp.get_pipe(nlp.pipe_names[0]).model.to_bytes()
    train(nlp, output)
    loaded = spacy.load(output / "model-last")
    assert loaded.get_pipe(loaded.pipe_names[0]).model.to_bytes() != before
    doc = loaded("Red Fort is in Delhi.")
    assert doc.ents or doc.cats or doc[0].tag_ or "rnn_ner" in loaded.pipe_names


def test_training_prints_labels_and_loss(overrides_for, output):
    path = ROOT / "configs" / "tutorial.cfg"
    overrides = {**overrides_for(path), **STEPS, "training.logger.progress_bar": None}
    screen = io.StringIO()
    train(init_nlp(load_config(path, overrides=overrides)), output, stdout=screen)
    printed = screen.getvalue()
    assert printed.count("dev loss") == 3
    for expected in ("FAC         P", "GPE         P", "ENTS_P", "ENTS_R", "ENTS_F", "ENTS_TOKEN"):
        assert expected in printed


def test_one_hot_is_one_line_away(overrides_for, output, tmp_path):
    text = (ROOT / "configs" / "tutorial.cfg").read_text()
    changed = text.replace("spacy_rnn_tagger.WordEmbed.v1", "spacy_rnn_tagger.OneHotEmbed.v1")
    assert changed != text
    path = tmp_path / "one_hot.cfg"
    path.write_text(changed)
    config = load_config(path, overrides={**overrides_for(path), **STEPS})
    nlp = init_nlp(config)
    rnn = nlp.get_pipe("rnn_ner").model.get_ref("rnn")
    assert rnn.get_dim("nI") == 15000
    train(nlp, output)


@pytest.mark.parametrize(
    "name,pretraining,component",
    [("rnn_pos.cfg", True, "tok2vec"), ("rnn_ner.cfg", False, "rnn_ner")],
    ids=["spaCy's objective", "ours"],
)
def test_pretrain_and_start_from_it(name, pretraining, component, overrides_for, output, tmp_path):
    """`spacy pretrain` moves the weights of the encoder, and training starts from them."""
    filled = tmp_path / "pretrain.cfg"
    fill_config(filled, ROOT / "configs" / name, pretraining=pretraining, silent=True)
    raw = tmp_path / "raw.jsonl"
    srsly.write_jsonl(raw, [{"text": "Red Fort is in Delhi."}, {"text": "We never went back."}])
    overrides = {
        **overrides_for(filled),
        "paths.raw_text": str(raw),
        "pretraining.max_epochs": 2,
    }
    config = load_config(filled, overrides=overrides).interpolate()
    pretrain(config, output, silent=True)
    weights = output / "model1.bin"

    def encoder(**settings):
        nlp = init_nlp(load_config(filled, overrides={**overrides, **settings}))
        model = nlp.get_pipe(component).model
        [rnn] = [node for node in model.walk() if node.name == "rnn"]
        return rnn

    first, again = encoder(), encoder()
    started = encoder(**{"initialize.init_tok2vec": str(weights)})
    parameter = "U_forward_0"
    assert np.array_equal(first.get_param(parameter), again.get_param(parameter))
    assert not np.array_equal(first.get_param(parameter), started.get_param(parameter))
    assert first.attrs["dropout"] == started.attrs["dropout"] > 0


def keyword_defaults(function):
    """List the defaults of a function's settings; None stands for one that must be given."""
    parameters = inspect.signature(function).parameters.values()
    return {
        each.name: None if each.default is each.empty else each.default
        for each in parameters
        if each.kind is each.KEYWORD_ONLY
    }


@pytest.fixture
def defaults():
    """The settings of the factory, of each architecture, and of rnn_ner.cfg, by block."""
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_ner")
    of = {"factory": nlp.config, "config": load_config(ROOT / "configs" / "rnn_ner.cfg")}
    found = {}
    for source, config in of.items():
        component = dict(config["components"]["rnn_ner"])
        model = dict(component.pop("model"))
        embed = dict(model.pop("tok2vec"))
        assert component.pop("factory") == "rnn_ner"
        found[source] = {"component": component, "RNNTagger": model, "LexemeEmbed": embed}
    found["class"] = {
        "component": keyword_defaults(RNNEntityRecognizer),
        "RNNTagger": keyword_defaults(build_rnn_tagger_v1),
        "LexemeEmbed": keyword_defaults(build_lexeme_embed_v1),
    }
    return found


@pytest.mark.parametrize("block", BLOCKS)
def test_the_factory_and_the_config_agree(block, defaults):
    factory, config = defaults["factory"][block], defaults["config"][block]
    if block == "LexemeEmbed":  # null is what the config spells out
        assert factory.pop("attrs") is None and factory.pop("rows") is None
        spelt = {name: config.pop(name) for name in ("attrs", "rows")}
        shapes = [
            [(node.attrs.get("attrs"), node.maybe_get_dim("nV")) for node in embed.walk()]
            for embed in (build_lexeme_embed_v1(), build_lexeme_embed_v1(**spelt))
        ]
        assert shapes[0] == shapes[1]
    assert factory == config


@pytest.mark.parametrize("block", BLOCKS)
def test_the_factory_and_the_python_api_agree(block, defaults):
    factory, ours = defaults["factory"][block], defaults["class"][block]
    for name in ("scorer", "tok2vec", "@architectures"):  # objects in Python
        factory.pop(name, None)
        ours.pop(name, None)
    assert factory == ours


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The names of all files in the wheel, built from a copy: setuptools writes beside sources."""
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in ("spacy_rnn_tagger", "configs"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    command = "import setuptools.build_meta as build; build.build_wheel('dist')"
    done = subprocess.run([sys.executable, "-c", command], cwd=folder, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    [path] = (folder / "dist").glob("*.whl")
    return set(ZipFile(path).namelist())


def test_every_folder_of_modules_is_a_listed_package():
    tomllib = pytest.importorskip("tomllib", reason="comes with Python 3.11")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {path.parent for path in (ROOT / "spacy_rnn_tagger").rglob("*.py")}
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    elsewhere = settings["package-dir"]
    assert set(settings["packages"]) == packages | elsewhere.keys()
    assert all((ROOT / folder / "__init__.py").is_file() for folder in elsewhere.values())


def test_the_wheel_has_every_file_of_the_package(wheel):
    package = ROOT / "spacy_rnn_tagger"
    files = {path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    expected = {str(path.relative_to(ROOT)) for path in files}
    assert {name for name in wheel if not name.startswith("spacy_rnn_tagger/configs/")} >= expected


def test_the_wheel_has_every_config(wheel):
    prefix = "spacy_rnn_tagger/configs/"
    shipped = {name.removeprefix(prefix) for name in wheel if name.startswith(prefix)}
    assert shipped == {"__init__.py", *(path.name for path in CONFIGS)}
