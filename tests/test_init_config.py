"""`spacy rnn init-config` and the function `init_config`: the shipped configs for a user's data."""

from pathlib import Path

import pytest
import spacy
from spacy.cli.init_config import fill_config
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config
from typer.testing import CliRunner

from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.training import configs
from spacy_rnn_tagger.training.configs import config_names, init_config

CONFIGS = Path(__file__).parent.parent / "configs"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.cfg"))


def run(*args):
    return CliRunner().invoke(app, ["init-config", *(str(arg) for arg in args)])


def read(name):
    return (CONFIGS / f"{name}.cfg").read_text(encoding="utf-8")


def differences(config, other, path=""):
    """Map the dotted path of each value that differs to both values."""
    found = {}
    for key in {**config, **other}:
        ours, theirs = config.get(key), other.get(key)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            found |= differences(ours, theirs, f"{path}{key}.")
        elif ours != theirs:
            found[path + key] = ours, theirs
    return found


def test_every_config_of_the_repository_is_shipped():
    assert config_names() == NAMES
    help_text = run("--help").output
    assert all(name in help_text for name in NAMES)
    assert all(f'"{name}"' in init_config.__doc__ for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_without_options_it_is_the_file(name):
    assert init_config(name).to_str(interpolate=False) == read(name)


def test_a_checkout_finds_them_without_being_installed(monkeypatch):
    names = config_names()
    monkeypatch.setattr(configs, "_PACKAGE", "spacy_rnn_tagger.nowhere")
    assert config_names() == names
    assert init_config()["nlp"]["pipeline"] == ["rnn_ner"]


def test_the_default_is_rnn_ner():
    assert init_config() == init_config("rnn_ner")


def test_vectors_make_the_config_with_vectors():
    created = init_config(vectors="corpus/vectors")
    assert created.to_str(interpolate=False) == read("rnn_ner_vectors")


def test_vectors_that_are_not_there_are_named(tmp_path, vectors):
    path = tmp_path / "config.cfg"
    for name, options in (
        ("corpus/glove", ["-c", "places"]),
        ("no_vectors", ["--vectors", "no_vectors"]),
    ):
        done = run(path, *options, "--force")
        assert done.exit_code == 0
        assert f"word vectors from {name}, which is neither" in " ".join(done.output.split())
    for options in (["--vectors", vectors], []):
        assert "neither" not in run(path, *options, "--force").output


@pytest.mark.parametrize("name", ["rnn_pos", "rnn_sentiment"])
def test_vectors_are_switched_on_wherever_the_embed_is(name):
    embed = "components.tok2vec.model.embed.include_static_vectors"
    found = differences(init_config(name), init_config(name, vectors="en_core_web_md"))
    assert found == {"paths.vectors": (None, "en_core_web_md"), embed: (False, True)}


@pytest.mark.parametrize("name", ["tutorial", "rnn_ner_trf"])
def test_vectors_need_an_embed_that_reads_them(name):
    with pytest.raises(ValueError, match=f"'{name}' has no embedding layer that reads vectors"):
        init_config(name, vectors="en_core_web_md")


@pytest.mark.parametrize("name", NAMES)
def test_gpu_changes_the_allocator_and_our_precision_alone(name):
    found = differences(init_config(name), init_config(name, gpu=True))
    network = "tok2vec.model.encode" if name in ("rnn_pos", "rnn_sentiment") else "rnn_ner.model"
    assert found.pop(f"components.{network}.mixed_precision") == (False, True)
    if name != "rnn_ner_trf":  # it has the allocator anyway, and the transformer keeps its float32
        assert found.pop("system.gpu_allocator") == (None, "pytorch")
    assert not found


@pytest.mark.parametrize("lang,code", [("de", "de"), ("deu", "de"), ("xx", "xx"), ("zh", "zh")])
def test_a_language_has_its_own_tokenizer(lang, code, tmp_path):
    created = init_config(lang=lang)
    own = spacy.util.get_lang_class(lang).default_config
    assert created["nlp"]["lang"] == code
    assert created["nlp"]["tokenizer"] == own["nlp"]["tokenizer"]
    path = tmp_path / "config.cfg"
    created.to_disk(path, interpolate=False)
    # spaCy finds nothing to fill in.
    fill_config(tmp_path / "filled.cfg", path, silent=True)
    assert (tmp_path / "filled.cfg").read_text() == path.read_text()


def test_a_config_is_the_callers_own():
    created = init_config(lang="zh", vectors="x", gpu=True)
    created["nlp"]["tokenizer"]["segmenter"] = "changed"
    assert init_config(lang="zh")["nlp"]["tokenizer"]["segmenter"] == "char"


def test_what_is_written_trains(tmp_path, vectors):
    docs = [spacy.blank("en").make_doc("Red Fort is in Delhi.")]
    docs[0].ents = [docs[0].char_span(0, 8, "FAC")]
    spacy.tokens.DocBin(docs=docs).to_disk(tmp_path / "corpus.spacy")
    path = tmp_path / "new" / "config.cfg"
    done = run(path, "--vectors", vectors, "--gpu")
    assert done.exit_code == 0, done.output
    command = f"spacy train {path} --paths.train train.spacy --paths.dev dev.spacy"
    assert command in done.output and "--gpu-id 0" in done.output
    overrides = {f"paths.{split}": str(tmp_path / "corpus.spacy") for split in ("train", "dev")}
    overrides |= {"training.max_steps": 2, "training.eval_frequency": 1}
    nlp = init_nlp(load_config(path, {**overrides, "system.gpu_allocator": None}))
    assert any(node.name == "vectors_lookup" for node in nlp.get_pipe("rnn_ner").model.walk())
    (tmp_path / "out").mkdir()
    train(nlp, tmp_path / "out")
    assert (tmp_path / "out" / "model-best").is_dir()


def test_standard_output_has_the_config_and_nothing_else():
    done = run("-", "--config", "tutorial")
    assert done.exit_code == 0
    assert done.stdout == read("tutorial") + "\n"
    assert not done.stderr


def test_a_file_is_kept_unless_force_is_given(tmp_path):
    path = tmp_path / "config.cfg"
    path.write_text("mine")
    done = run(path)
    assert done.exit_code == 1
    assert f"{path} exists. Pass --force to overwrite it." in done.output
    assert path.read_text() == "mine"
    assert run(path, "--force").exit_code == 0
    assert path.read_text(encoding="utf-8") == read("rnn_ner")


def test_missing_name_lists_are_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "assets/names/FAC.txt" in run("config.cfg", "--config", "tutorial").output
    monkeypatch.chdir(CONFIGS.parent)
    assert "FAC.txt" not in run(tmp_path / "config2.cfg", "--config", "tutorial").output


@pytest.mark.parametrize(
    "options,message",
    [
        (["--config", "rnn_net"], "config must be one of 'places', 'rnn_ner', 'rnn_ner_trf'"),
        (["--config", "tutorial", "--vectors", "x"], "no embedding layer that reads vectors"),
        (["--lang", "qq"], "[E048]"),
    ],
)
def test_wrong_use_is_one_message_and_no_file(options, message, tmp_path):
    done = run(tmp_path / "config.cfg", *options)
    assert done.exit_code == 1
    assert "No config was written" in done.output and message in done.output
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_output(tmp_path):
    done = run(tmp_path, "--force")
    assert done.exit_code == 1
    assert "is a folder" in done.output
