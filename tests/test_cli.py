"""The commands `python -m spacy rnn`."""

import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from spacy.util import load_config
from typer.testing import CliRunner

from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.cli.summary import load, rows

from .conftest import trained

CONFIGS = Path(__file__).parent.parent / "configs"


def run(*args, **kwargs):
    return CliRunner().invoke(app, [str(arg) for arg in args], **kwargs)


def test_the_group_is_in_spacys_command_line():
    result = subprocess.run(
        [sys.executable, "-m", "spacy", "rnn", "--help"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    for command in ("convert", "summary", "tag"):
        assert command in result.stdout


def test_summary_of_the_tutorial_network():
    """The figures of the tutorial, and the same worked out by hand: V*E, 4H(E+H+1), K(H+1)."""
    nlp = load(str(CONFIGS / "tutorial.cfg"), ["FAC", "GPE"])
    found = list(rows(nlp.get_pipe("rnn_ner").model))
    assert [row.parameters for row in found] == [3_000_000, 81_400, 375]
    assert [row.parameters for row in found] == [15000 * 200, 4 * 74 * (200 + 74 + 1), 5 * (74 + 1)]
    assert [row.layer for row in found] == ["embedding", "LSTM 1, forward", "output"]
    assert [row.shape for row in found] == ["(tokens, 200)", "(tokens, 74)", "(tokens, 5)"]
    result = run("summary", CONFIGS / "tutorial.cfg")
    assert result.exit_code == 0
    for figure in ("3,000,000", "81,400", "375", "3,081,775"):
        assert figure in result.output


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.cfg")), ids=lambda path: path.name)
def test_summary_counts_every_parameter(path, vectors, tmp_path):
    config = load_config(path, interpolate=False)
    if config["paths"]["vectors"]:
        config["paths"]["vectors"] = str(vectors)
        path = tmp_path / "with_vectors.cfg"
        config.to_disk(path, interpolate=False)
    nlp = load(str(path), ["FAC", "GPE"])
    for _, component in nlp.pipeline:
        nodes = {id(node): node for node in component.model.walk()}.values()
        held = sum(
            node.get_param(name).size
            for node in nodes
            for name in node.param_names
            if node.has_param(name)
        )
        held += sum(
            weights.numel()
            for node in nodes
            for shim in node.shims
            for weights in shim._model.state_dict().values()
            if weights.is_floating_point()
        )
        assert sum(row.parameters for row in rows(component.model)) == held > 0
    assert run("summary", path).exit_code == 0


def test_summary_of_a_trained_pipeline(nlp, tmp_path):
    trained(nlp, steps=1).to_disk(tmp_path / "model")
    result = run("summary", tmp_path / "model")
    assert result.exit_code == 0
    assert "LSTM 1, backward" in result.output


@pytest.mark.parametrize("command", ["summary", "tag"])
def test_what_cannot_be_read_is_an_error(command, tmp_path):
    result = run(command, tmp_path / "absent", *(["text"] if command == "tag" else []))
    assert result.exit_code == 1
    assert "absent" in result.output


def test_summary_of_a_broken_config(tmp_path):
    text = (CONFIGS / "tutorial.cfg").read_text()
    (tmp_path / "broken.cfg").write_text(text.replace('cell = "lstm"', 'cell = "rnn"'))
    result = run("summary", tmp_path / "broken.cfg")
    assert result.exit_code == 1
    assert "cell must be one of 'lstm', 'gru', 'elman', but got 'rnn'" in result.output


def test_tag(nlp, tmp_path):
    trained(nlp).to_disk(tmp_path / "model")
    marked = "[Red Fort](FAC) is in [Delhi](GPE)."
    assert spacy.load(tmp_path / "model")("Red Fort is in Delhi.").ents
    assert marked in run("tag", tmp_path / "model", "Red Fort is in Delhi.").output
    assert marked in run("tag", tmp_path / "model", input="Red Fort is in Delhi.\n").output
    (tmp_path / "texts.txt").write_text("\nRed Fort is in Delhi.\n", encoding="utf-8")
    assert marked in run("tag", tmp_path / "model", "--file", tmp_path / "texts.txt").output
