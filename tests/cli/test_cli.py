"""The commands `python -m spacy rnn`."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from spacy.util import load_config
from typer.testing import CliRunner

from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.cli.failures import failures
from spacy_rnn_tagger.cli.summary import load, rows
from tests.conftest import trained

CONFIGS = Path(__file__).parents[2] / "configs"


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


def test_summary_of_a_config_has_the_labels_that_it_names(tmp_path):
    config = load_config(CONFIGS / "tutorial.cfg", interpolate=False)
    settings = config["components"]["rnn_ner"]
    settings["threshold"], settings["output_labels"] = {"GPE": 0.2, "LAW": 0.5}, ["GPE", "ORG"]
    config.to_disk(tmp_path / "named.cfg", interpolate=False)
    result = run("summary", tmp_path / "named.cfg")
    assert result.exit_code == 0, result.output
    assert "labels: GPE, ORG\nlearned and not written: FAC, LAW\n" in _lines(result.output)


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


def test_tag_takes_texts_or_a_file(nlp, tmp_path):
    nlp.to_disk(tmp_path / "model")
    result = run("tag", tmp_path / "model", "text", "--file", tmp_path / "absent")
    assert result.exit_code == 1 and "Texts and --file are both given" in result.output


@pytest.mark.parametrize("content", [b"fine\n\xff\n", b"\x1f\x8b damaged"])
def test_tag_of_damaged_text(nlp, tmp_path, content):
    nlp.to_disk(tmp_path / "model")
    suffix = ".gz" if content.startswith(b"\x1f") else ""
    path = tmp_path / f"in.txt{suffix}"
    path.write_bytes(content)
    result = run("tag", tmp_path / "model", "--file", path)
    assert result.exit_code == 1
    assert f"{path} is damaged" in result.output or f"{path}, line 2: not UTF-8" in result.output
    if not suffix:
        result = run("tag", tmp_path / "model", input=content)
        assert result.exit_code == 1 and "standard input, line 2: not UTF-8" in result.output


# What a disk or a hand may do to a pipeline's folder, and what the message names.
DAMAGES = {
    "rnn_ner/model": (b"\xc1\x00", "Component 'rnn_ner' can't load"),
    "rnn_ner/cfg": (b"5", "Component 'rnn_ner' can't load"),
    "config.cfg": (b"\xff[nlp]", "not UTF-8|decode"),
    "meta.json": (b"{", "can't be loaded"),
    "tokenizer": (b"\x01\x02", "can't be loaded"),
    "vocab/strings.json": (b"[", "can't be loaded"),
    "vocab/vectors": (b"\x93NUMPY", "can't be loaded"),
    "vocab/lookups.bin": (b"\x01\x02", "can't be loaded"),
    "vocab/vectors.cfg": (b"[1]", "can't be loaded"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "model"
    trained(spacy.blank("en"), steps=1).to_disk(path)
    return path


@pytest.mark.parametrize("file", DAMAGES)
def test_a_damaged_pipeline(file, model, tmp_path):
    """Whatever spaCy, msgpack or NumPy raises of it; the message names the pipeline."""
    shutil.copytree(model, tmp_path / "model")
    content, message = DAMAGES[file]
    assert (tmp_path / "model" / file).is_file()
    (tmp_path / "model" / file).write_bytes(content)
    for command, args in (("summary", []), ("tag", ["text"]), ("export", [tmp_path / "out"])):
        result = run(command, tmp_path / "model", *args)
        assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
        assert str(tmp_path / "model") in result.output
        assert re.search(message, result.output)
    assert not (tmp_path / "out").exists()


def test_a_pipeline_with_a_missing_factory(model, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    config = tmp_path / "model" / "config.cfg"
    config.write_text(config.read_text().replace('factory = "rnn_ner"', 'factory = "nobodys"'))
    for command, args in (("summary", []), ("tag", ["text"]), ("export", [tmp_path / "out"])):
        result = run(command, tmp_path / "model", *args)
        assert result.exit_code == 1 and "[E002] Can't find factory for 'nobodys'" in result.output


def test_a_config_of_an_unknown_language(tmp_path):
    text = (CONFIGS / "tutorial.cfg").read_text()
    (tmp_path / "a.cfg").write_text(text.replace('lang = "en"', 'lang = "xyz"'))
    result = run("summary", tmp_path / "a.cfg")
    assert result.exit_code == 1 and "Can't import language xyz" in result.output


# As on a machine for exported pipelines. Packages that need torch themselves are not there either.
WITHOUT_TORCH = """
import sys
import catalogue

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "spacy_curated_transformers"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
listed = catalogue.Registry._get_entry_points
catalogue.Registry._get_entry_points = lambda self: [
    each for each in listed(self) if "curated" not in each.value
]
from spacy.cli import setup_cli

setup_cli()
"""


@pytest.mark.parametrize("command", ["summary", "tag", "export"])
def test_a_pipeline_that_needs_torch_where_there_is_none(command, model, tmp_path):
    args = {"tag": ["text"], "export": [str(tmp_path / "out")]}.get(command, [])
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "rnn", command, str(model), *args],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "The package torch is not installed: pip install torch" in result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "error,message",
    [
        (ModuleNotFoundError("No module named 'ray'", name="ray"), "spacy-rnn-tagger[ray]"),
        (ModuleNotFoundError("x", name="absent_one.part"), "pip install absent_one"),
        (ImportError("cannot import name 'x'"), "cannot import name 'x'"),
        (MemoryError("12 PiB"), "MemoryError: 12 PiB"),
        (OSError(), "OSError"),
        (ValueError("a\nb"), "a\nb"),
    ],
)
def test_failures_are_one_message(error, message, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SystemExit) as ended, failures("Nothing done"):
        raise error
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("✘ Nothing done\n") and message in told.err


def test_failures_find_what_was_wrapped_and_nothing_else(capsys):
    with pytest.raises(SystemExit), failures("Nothing done"):
        try:
            raise ModuleNotFoundError("No module named 'absent_one'", name="absent_one")
        except ModuleNotFoundError as error:
            raise ValueError("damaged") from error
    assert "pip install absent_one" in capsys.readouterr().err
    # spaCy lacks a language, which is a module of a package that is there.
    with pytest.raises(SystemExit), failures("Nothing done"):
        spacy.blank("xyz")
    assert "pip install" not in capsys.readouterr().err
    # What was tried and given up is not what is wrong.
    with pytest.raises(SystemExit), failures("Nothing done"):
        try:
            raise ModuleNotFoundError("No module named 'absent_one'", name="absent_one")
        except ModuleNotFoundError:
            raise ValueError("no such device") from None
    assert "pip install" not in capsys.readouterr().err


@pytest.mark.parametrize("error", [BrokenPipeError(), KeyError("a"), AssertionError()])
def test_errors_of_ours_stay_errors(error):
    with pytest.raises(type(error)), failures("Nothing done"):
        raise error


def test_tag_and_summary_tell_written_from_silent_labels(nlp, tmp_path):
    pipe = trained(nlp).get_pipe("rnn_ner")
    pipe.add_label("[LAW]")
    nlp.to_disk(tmp_path / "all")
    text = "Red Fort is in Delhi."
    assert "[Red Fort](FAC) is in [Delhi](GPE)." in run("tag", tmp_path / "all", text).output
    assert "labels: FAC, GPE, [LAW]\n" in _lines(run("summary", tmp_path / "all").output)
    pipe.output_labels = ["GPE"]
    nlp.to_disk(tmp_path / "gpe")
    assert "Red Fort is in [Delhi](GPE)." in run("tag", tmp_path / "gpe", text).output
    output = _lines(run("summary", tmp_path / "gpe").output)
    assert "labels: GPE\nlearned and not written: FAC, [LAW]\n" in output
    pipe.output_labels = []
    nlp.to_disk(tmp_path / "none")
    assert "labels: none\nlearned" in _lines(run("summary", tmp_path / "none").output)


def _lines(output):
    return "".join(f"{line.strip()}\n" for line in output.splitlines())


def test_a_command_names_the_extra_that_has_all_of_its_packages(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "scipy", None)
    for extra, named in ((None, "evaluation"), ("distill", "distill")):
        with pytest.raises(SystemExit), failures("Not done", extra=extra):
            import scipy  # noqa: F401
        assert f"pip install 'spacy-rnn-tagger[{named}]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "teacher,texts,expected",
    [
        ("en_one, en_two", "texts", ["en_one", "en_two"]),
        ("data/gold, v2", "-", ["data/gold, v2"]),
        ("model, v2", "texts", ["model, v2"]),
        (",".join(["en_name"] * 99), "texts", ["en_name"] * 99),  # no path is that long
    ],
)
def test_commas_separate_the_names_of_teachers(tmp_path, monkeypatch, teacher, texts, expected):
    received = []

    def distilled(teachers, *args, **kwargs):
        received.extend(teachers)
        return {"summary": []}

    (tmp_path / "model, v2").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("spacy_rnn_tagger.cli.distill.distill", distilled)
    done = run("distill", teacher, texts, "out")
    assert done.exit_code == 0, done.output
    assert received == expected
