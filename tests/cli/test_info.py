"""`spacy rnn info`: what an issue must say about an installation."""

import json
import platform
import subprocess
import sys
from importlib.metadata import distribution, version

import pytest
import spacy
import torch
from typer.testing import CliRunner

from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.cli import info as module
from tests.conftest import eager


def info(*args):
    """Run the command; return its sections, each with its rows by name."""
    result = CliRunner().invoke(app, ["info", *map(str, args)])
    assert result.exit_code == 0, result.output
    sections, rows = {}, {}
    for line in filter(None, result.output.splitlines()):
        if line.startswith("  "):
            name, _, value = line.strip().partition("  ")
            rows[name] = value.strip()
        else:
            rows = sections[line] = {}
    return sections


def test_versions_and_machine(monkeypatch):
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    found = info()
    versions, machine = found["Versions"], found["Machine"]
    for package in ("spacy", "thinc", "torch", "numpy"):
        assert versions[package] == version(package)
    assert versions["spacy-rnn-tagger"].startswith(version("spacy-rnn-tagger") + " (")
    assert versions["Python"].startswith(platform.python_version())
    assert machine["Threads of torch"] == str(torch.get_num_threads())
    assert machine["MKL_NUM_THREADS"] == "3"


def test_every_registered_function_is_listed():
    points = distribution("spacy-rnn-tagger").entry_points
    listed = {
        (group, name)
        for group, names in info()["Registered functions"].items()
        for name in names.split(", ")
    }
    assert listed == {
        (each.group.removeprefix("spacy_"), each.name.removeprefix("spacy_rnn_tagger."))
        for each in points
    }
    assert ("factories", "rnn_ner") in listed


def test_a_function_that_cannot_be_imported_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy_rnn_tagger.training.batchers", None)
    batchers = info()["Registered functions"]["batchers"]
    assert batchers.startswith("batch_by_tokens.v1 (fails: ModuleNotFoundError: ")


def test_what_is_not_installed_is_said(monkeypatch):
    real = module.version

    def absent(name):
        if name in ("torch", "ray"):
            raise module.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(module, "version", absent)
    versions = info()["Versions"]
    assert versions["torch"] == "not installed"
    assert "ray" not in versions


def test_a_pipeline(nlp, tmp_path):
    eager(nlp, model={"cell": "gru", "decoder": "softmax"}, name="ner")
    nlp.meta.update(name="places", version="1.2.3")
    nlp.to_disk(tmp_path)
    found = info(tmp_path)[f"Pipeline {tmp_path}"]
    assert found["Name"] == "en_places 1.2.3"
    assert found["Components"] == "ner"
    expected = "RNNTagger.v1, cell gru, decoder softmax, scheme BIO, 2 labels: FAC GPE"
    assert found["ner"] == expected
    assert found["Requires"] == "recorded by `spacy package` only"
    # One that can't be loaded is described as well.
    (tmp_path / "ner" / "model").write_bytes(b"damaged")
    assert info(tmp_path)[f"Pipeline {tmp_path}"] == found


def test_a_package(monkeypatch, nlp, tmp_path):
    nlp.meta.update(name="places", version="1.2.3")
    nlp.to_disk(tmp_path / "en_places-1.2.3")
    meta = {**nlp.meta, "requirements": ["spacy-rnn-tagger>=0.2.0,<0.3.0"]}
    (tmp_path / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    monkeypatch.setattr(module, "is_package", lambda name: name == "en_places")
    monkeypatch.setattr(module, "get_package_path", lambda name: tmp_path)
    found = info("en_places")["Pipeline en_places"]
    assert found["Name"] == "en_places 1.2.3"
    assert found["Requires"] == "spacy-rnn-tagger>=0.2.0,<0.3.0"


@pytest.mark.parametrize(
    "content,said",
    [(None, "neither an installed package nor the folder"), ("{", "can't be loaded: ")],
    ids=["absent", "damaged"],
)
def test_a_pipeline_that_cannot_be_read(content, said, tmp_path):
    if content is not None:
        (tmp_path / "meta.json").write_text(content)
    result = CliRunner().invoke(app, ["info", str(tmp_path)])
    assert result.exit_code == 1
    assert said in result.output and str(tmp_path) in result.output


def test_it_runs_beside_spacys_own():
    """The issue form asks for both, one after the other."""
    for command in (["info"], ["rnn", "info"]):
        done = subprocess.run([sys.executable, "-m", "spacy", *command], capture_output=True)
        assert done.returncode == 0, done.stderr
        assert spacy.__version__ in done.stdout.decode()
