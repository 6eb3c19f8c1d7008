"""spaCy's command line over the component, as a user meets it who has only installed the wheel."""

import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.tokens import DocBin
from typer.testing import CliRunner

from tests.conftest import TRAIN, make_examples, trained
from tests.pipeline.test_rnn_ner import found

CLI = CliRunner()


def run(*args, code=0):
    result = CLI.invoke(app, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained pipeline, a corpus, and the config that `spacy init config` writes."""
    folder = tmp_path_factory.mktemp("ecosystem")
    nlp = trained(spacy.blank("en"))
    nlp.to_disk(folder / "model")
    docs = [example.reference for example in make_examples(nlp)]
    DocBin(docs=docs * 4).to_disk(folder / "dev.spacy")
    run("init", "config", folder / "config.cfg", "--pipeline", "rnn_ner")
    return folder


@pytest.fixture(scope="module")
def paths(folder):
    return [f"--paths.{split}={folder / 'dev.spacy'}" for split in ("train", "dev")]


def test_init_config_and_train(folder, paths):
    steps = ["--training.max_steps=40", "--training.eval_frequency=20"]
    rate = "--training.optimizer.learn_rate=0.01"
    out = folder / "trained"
    output = run("train", folder / "config.cfg", "--output", out, *paths, *steps, rate)
    assert "rnn_ner" in output.lower()
    nlp = spacy.load(out / "model-best")
    assert [found(nlp(text)) for text, _ in TRAIN] == [ents for _, ents in TRAIN]
    assert nlp.meta["performance"]["ents_f"] == 1.0


def test_debug(folder, paths):
    run("debug", "config", folder / "config.cfg", *paths)
    output = run("debug", "model", folder / "config.cfg", "rnn_ner", *paths, "-P0", "-P1", "-P3")
    assert "model looks good" in output


def test_debug_data(folder, paths):
    """It knows the name `ner` only; of a config with that, it checks the same corpora."""
    # Its exit status says that so few docs are too few.
    assert "Named Entity" not in run("debug", "data", folder / "config.cfg", *paths, code=1)
    run("init", "config", folder / "ner.cfg", "--pipeline", "ner")
    output = run("debug", "data", folder / "ner.cfg", *paths, code=1)
    assert "Named Entity Recognition" in output and "2 label(s)" in output


def test_evaluate(folder):
    output = run("evaluate", folder / "model", folder / "dev.spacy", "-o", folder / "scores.json")
    assert "NER F   100.00" in output
    scores = srsly.read_json(folder / "scores.json")
    assert scores["ents_per_type"]["FAC"]["f"] == 1.0


def test_page_of_entities(folder):
    """`evaluate --displacy-path` knows the name `ner` only; displaCy itself makes the page."""
    (folder / "pages").mkdir()
    run("evaluate", folder / "model", folder / "dev.spacy", "-dp", folder / "pages")
    assert not list((folder / "pages").iterdir())
    nlp = spacy.load(folder / "model")
    page = spacy.displacy.render(nlp.pipe(text for text, _ in TRAIN), style="ent", page=True)
    assert page.startswith("<!DOCTYPE html>") and "Red Fort" in page


def test_apply(folder):
    (folder / "texts").mkdir()
    (folder / "texts" / "a.txt").write_text(TRAIN[0][0], encoding="utf-8")
    run("apply", folder / "model", folder / "texts", folder / "applied.spacy")
    [doc] = DocBin().from_disk(folder / "applied.spacy").get_docs(spacy.blank("en").vocab)
    assert found(doc) == TRAIN[0][1]


def test_benchmark_speed(folder):
    args = ["--batches", "30", "--warmup", "1", "-n", "2"]
    output = run("benchmark", "speed", folder / "model", folder / "dev.spacy", *args)
    assert "words/s" in output


def test_find_threshold(folder):
    args = [folder / "dev.spacy", "rnn_ner", "threshold", "ents_f", "-n", "3"]
    output = run("find-threshold", folder / "model", *args)
    # Nothing is as likely as 1.
    assert [line.split() for line in output.splitlines() if line[:3] in ("0.0", "1.0")] == [
        ["0.0", "1.0"],
        ["1.0", "0.0"],
    ]


def test_find_threshold_of_a_label(folder, tmp_path):
    nlp = spacy.load(folder / "model")
    for cfg in (nlp.get_pipe("rnn_ner").cfg, nlp.get_pipe_config("rnn_ner")):
        cfg["threshold"] = {"FAC": 0.0, "GPE": 0.0}
    nlp.to_disk(tmp_path / "model")
    args = [folder / "dev.spacy", "rnn_ner", "threshold.FAC", "ents_f", "-n", "3"]
    output = run("find-threshold", tmp_path / "model", *args)
    # The entities of the other label stay.
    found = [float(line.split()[1]) for line in output.splitlines() if line[:3] in ("0.0", "1.0")]
    assert found[0] == 1 and 0 < found[1] < 1


def test_init_labels(folder, paths):
    run("init", "labels", folder / "config.cfg", folder / "labels", *paths)
    assert srsly.read_json(folder / "labels" / "rnn_ner.json") == ["FAC", "GPE"]
    # The file is what [initialize.components.rnn_ner.labels] takes.
    block = {"@readers": "spacy.read_labels.v1", "path": str(folder / "labels" / "rnn_ner.json")}
    config = spacy.util.load_config(folder / "config.cfg")
    config["initialize"]["components"] = {"rnn_ner": {"labels": block}}
    config["initialize"]["vectors"] = None
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    nlp.initialize(lambda: make_examples(nlp, [("nothing here", [])]))
    assert nlp.get_pipe("rnn_ner").labels == ("FAC", "GPE")


def test_package(folder):
    out = folder / "packages"
    out.mkdir()
    run("package", folder / "model", out, "--name", "places", "--build", "none")
    [meta] = out.glob("*/meta.json")
    requirements = srsly.read_json(meta)["requirements"]
    assert any(line.startswith(("spacy-rnn-tagger", "spacy_rnn_tagger")) for line in requirements)


def test_analyze_pipes(nlp):
    nlp.add_pipe("rnn_ner")
    analysis = nlp.analyze_pipes()
    assert "doc.ents" in analysis["summary"]["rnn_ner"]["assigns"]
    assert not analysis["problems"]["rnn_ner"]
