"""`spacy rnn calibrate` and `spacy rnn report`, as a user calls them."""

import errno
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.evaluation.data import read_examples, training_corpora
from tests.evaluation.evaluated import TOWNS, texts, write


def run(*args, code=0):
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def test_calibrate(evaluated, tmp_path):
    data, out = evaluated / "test.spacy", tmp_path / "new" / "calibrated"
    output = run("calibrate", evaluated / "model", data, out, "--precision", "FAC=0.7")
    assert "expected calibration error" in output and "FAC: threshold" in output
    before, after = spacy.load(evaluated / "model"), spacy.load(out)
    cfg = after.get_pipe("rnn_ner").cfg
    assert cfg["temperature"] != 1 and cfg["threshold"].keys() == {"FAC", "GPE"}
    # The config says what the component does.
    config = after.config["components"]["rnn_ner"]
    assert config["temperature"] == cfg["temperature"]
    assert config["threshold"] == pytest.approx(cfg["threshold"])
    assert f"temperature {cfg['temperature']:.3f}" in output
    # Entities of the other label are the same; those of this one reach the precision.
    docs = [example.predicted for example in read_examples(before, data)]
    same = [
        [(ent.start, ent.end) for ent in doc.ents if ent.label_ == "GPE"]
        for nlp in (before, after)
        for doc in nlp.pipe([doc.copy() for doc in docs])
    ]
    assert same[: len(docs)] == same[len(docs) :] and any(same)
    scores = after.evaluate(read_examples(after, data))["ents_per_type"]
    assert scores["FAC"]["p"] >= 0.7
    # A second time there is nothing left to fit.
    run("calibrate", out, data, tmp_path / "again")
    again = spacy.load(tmp_path / "again").get_pipe("rnn_ner").cfg
    assert again["temperature"] == pytest.approx(cfg["temperature"], rel=0.01)
    assert again["threshold"] == cfg["threshold"]


def test_calibration_lowers_the_log_loss_that_it_says(evaluated, tmp_path):
    """On the data that it was fitted to; the probabilities are read from the written pipeline."""
    import numpy as np

    data = evaluated / "test.spacy"
    run("calibrate", evaluated / "model", data, tmp_path / "calibrated")
    losses = []
    for path in (evaluated / "model", tmp_path / "calibrated"):
        nlp = spacy.load(path)
        total = []
        for example in read_examples(nlp, data):
            doc = nlp(example.predicted)
            gold = {(ent.start, ent.end, ent.label_) for ent in example.reference.ents}
            group = doc.spans["rnn_ner"]
            for span, p in zip(group, group.attrs["scores"], strict=True):
                right = (span.start, span.end, span.label_) in gold
                total.append(-np.log(p if right else 1 - p))
        losses.append(np.mean(total))
    assert losses[1] < losses[0]


def test_calibration_says_which_data_it_is(evaluated, tmp_path):
    output = run("calibrate", evaluated / "model", evaluated / "dev.spacy", tmp_path / "out")
    assert "selected on the same data (60 of 60 docs)" in output
    output = run(
        "calibrate", evaluated / "model", evaluated / "train.spacy", tmp_path / "no", code=1
    )
    assert "60 of the 60 docs" in output and "are training data of this pipeline" in output
    assert not (tmp_path / "no").exists()
    output = run("calibrate", evaluated / "model", evaluated / "test.spacy", tmp_path / "out")
    assert "selected" not in output and "not compared" not in output


def test_calibration_where_the_training_data_is_not_at_hand(evaluated, tmp_path):
    nlp = spacy.load(evaluated / "model")
    nlp.config["paths"]["train"] = str(tmp_path / "gone.spacy")
    nlp.config["paths"]["dev"] = None
    nlp.to_disk(tmp_path / "model")
    absent = training_corpora(spacy.load(tmp_path / "model")).absent
    assert absent == [
        f"the train corpus {tmp_path / 'gone.spacy'}, which can't be read",
        "the dev corpus, which the pipeline's config does not name",
    ]
    output = run("calibrate", tmp_path / "model", evaluated / "test.spacy", tmp_path / "out")
    assert "was not compared with the train corpus" in output


def test_thresholds_that_stay_are_told(evaluated, tmp_path):
    nlp = spacy.load(evaluated / "model")
    nlp.get_pipe("rnn_ner").cfg["threshold"] = 0.3
    nlp.to_disk(tmp_path / "model")
    args = "calibrate", tmp_path / "model", evaluated / "test.spacy"
    output = run(*args, tmp_path / "out")
    note = "thresholds are unchanged; they were set for the former confidences: "
    assert f"{note}FAC, GPE." in output
    assert spacy.load(tmp_path / "out").get_pipe("rnn_ner").cfg["threshold"] == pytest.approx(0.3)
    # Setting some of them does not change the others.
    output = run(*args, tmp_path / "some", "--precision", "GPE=0.7")
    assert f"{note}FAC." in output
    assert spacy.load(tmp_path / "some").get_pipe("rnn_ner").cfg["threshold"]["FAC"] == 0.3
    output = run(*args, tmp_path / "all", "--precision", "GPE=0.7", "--precision", "FAC=0.7")
    assert "unchanged" not in output


def wrong(command, model, data, *args):
    """Both commands meet wrong use alike: a message, status 1, and nothing written."""
    out = model.parent / "nothing"
    output = run(command, model, data, out, *args, code=1)
    assert not out.exists()
    return output


@pytest.mark.parametrize("command", ["calibrate", "report"])
def test_data_that_does_not_serve(command, evaluated, tmp_path):
    shutil.copytree(evaluated / "model", tmp_path / "model")
    model = tmp_path / "model"
    nlp = spacy.blank("en")
    assert "does not exist" in wrong(command, model, tmp_path / "absent.spacy")
    DocBin().to_disk(tmp_path / "empty.spacy")
    assert "has no docs" in wrong(command, model, tmp_path / "empty.spacy")
    DocBin(docs=[nlp.make_doc("Red Fort")]).to_disk(tmp_path / "raw.spacy")
    assert "has 1 doc, but no annotation" in wrong(command, model, tmp_path / "raw.spacy")
    write(tmp_path / "none.spacy", nlp, [("Nobody came.", [])])
    assert "is annotated, but has no entity in 1 doc." in wrong(
        command, model, tmp_path / "none.spacy"
    )
    (tmp_path / "damaged.spacy").write_bytes(b"\x00\x01damaged")
    assert "can't be read as spaCy's binary" in wrong(command, model, tmp_path / "damaged.spacy")
    (tmp_path / "bad.txt").write_text("[Red Fort(FAC)", encoding="utf-8")
    assert "'[' is not closed" in wrong(command, model, tmp_path / "bad.txt")
    assert "absent" in wrong(command, tmp_path / "absent", evaluated / "test.spacy")
    output = wrong(command, model, evaluated / "test.spacy", "--component", "ner")
    assert "'ner' is not a component rnn_ner" in output
    nlp.add_pipe("rnn_ner")
    nlp.initialize()
    nlp.to_disk(tmp_path / "untrained")
    output = wrong(command, tmp_path / "untrained", evaluated / "test.spacy")
    assert "Labels for component 'rnn_ner' not initialized" in output


def test_wrong_use_of_calibrate(evaluated, tmp_path):
    model, data = evaluated / "model", evaluated / "test.spacy"
    for text in ("FAC", "FAC=", "FAC=high", "=0.9", "FAC=1.5", "FAC=0"):
        output = run("calibrate", model, data, tmp_path / "no", "--precision", text, code=1)
        assert "--precision must be LABEL=NUMBER" in output
    output = run("calibrate", model, data, tmp_path / "no", "--precision", "LOC=0.9", code=1)
    assert "label of a threshold must be one of 'FAC', 'GPE', but got 'LOC'" in output
    output = run("calibrate", model, data, tmp_path / "no", "--precision", "FAC=1", code=1)
    assert "No threshold reaches a precision of 1 for FAC. The highest" in output
    assert "is the folder of the pipeline itself" in run("calibrate", model, data, model, code=1)
    write(tmp_path / "few.spacy", spacy.blank("en"), texts(3, 9))
    output = run("calibrate", model, tmp_path / "few.spacy", tmp_path / "no", code=1)
    assert "Too few entities to calibrate: the model finds" in output
    spacy.blank("en").to_disk(tmp_path / "blank")
    output = run("calibrate", tmp_path / "blank", data, tmp_path / "no", code=1)
    assert "has no component rnn_ner" in output
    assert not (tmp_path / "no").exists()


def test_a_folder_that_holds_other_things_is_left_alone(evaluated, tmp_path):
    """A pipeline of ours may be written over, as a project does; nothing else may."""
    model, data, out = evaluated / "model", evaluated / "test.spacy", tmp_path / "out"
    out.mkdir()
    run("calibrate", model, data, out)  # it was empty
    (out / "vocab" / "stale").write_text("of the pipeline that was there")
    run("calibrate", model, data, out)  # it was a pipeline
    assert not (out / "vocab" / "stale").exists()
    written = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for name in ("notes.txt", "ner"):
        (out / name).mkdir()
        output = run("calibrate", model, data, out, code=1)
        assert f"nothing else, but it contains {name}." in output
        (out / name).rmdir()
    assert written == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (out / "meta.json").unlink()
    assert "or hold a pipeline and nothing else, but it contains" in run(
        "calibrate", model, data, out, code=1
    )
    (out / "meta.json").write_text("{")
    assert "nothing else, but it contains rnn_ner." in run("calibrate", model, data, out, code=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_what_cannot_be_written(evaluated, tmp_path, monkeypatch):
    model, data, out = evaluated / "model", evaluated / "test.spacy", tmp_path / "out"
    (tmp_path / "file").write_text("")
    there = sorted(tmp_path.rglob("*"))
    assert "is a file. Name a folder" in run("calibrate", model, data, tmp_path / "file", code=1)
    assert "is a folder. Name a file" in run("report", model, data, tmp_path, code=1)
    for command in ("calibrate", "report"):
        output = run(command, model, data, tmp_path / "file" / "out", code=1)
        assert "is a file and not a folder" in output

    def no_space(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    def half_written(nlp, path):
        path.mkdir(exist_ok=True)
        (path / "meta.json").write_text("{}")
        no_space()

    monkeypatch.setattr(Language, "to_disk", half_written)
    monkeypatch.setattr(Path, "write_bytes", no_space)
    for command in ("calibrate", "report"):
        assert "No space left on device" in run(command, model, data, out, code=1)
    assert sorted(tmp_path.rglob("*")) == there


def test_what_is_not_installed_is_told(evaluated, tmp_path, monkeypatch):
    for module in [name for name in sys.modules if name.startswith("spacy_rnn_tagger.evaluation")]:
        monkeypatch.delitem(sys.modules, module)
    for package in ("scipy", "jinja2", "matplotlib"):
        monkeypatch.setitem(sys.modules, package, None)
    for command in ("calibrate", "report"):
        args = evaluated / "model", evaluated / "test.spacy", tmp_path / "no"
        output = run(command, *args, code=1)
        assert "is not installed: pip install 'spacy-rnn-tagger[evaluation]'" in output


def test_report(evaluated, tmp_path):
    data, page = evaluated / "test.spacy", tmp_path / "new" / "report.html"
    output = run("report", evaluated / "model", data, page, "--compare", evaluated / "worse")
    html = page.read_text(encoding="utf-8")
    nlp = spacy.load(evaluated / "model")
    wanted = nlp.evaluate(read_examples(nlp, data))
    assert f"F {wanted['ents_f']:.3f}" in output
    # One file that asks for nothing: whatever has an address is a name space or in the page.
    addresses = re.findall(r'(?:href|src|url)\s*[=(]\s*["\']?([^"\')\s>]+)', html)
    assert addresses and all(a.startswith(("#", "data:,")) for a in addresses)
    assert "<script src" not in html and "@import" not in html
    assert html.count("<svg") == 6
    # All colours in the plots are the page's own.
    svgs = re.findall(r"<svg.*?</svg>", html, flags=re.S)
    assert not any(re.search(r"#[0-9a-f]{6}", svg) for svg in svgs)
    for text in ("Seen", "Reliability diagram", "Beside", "today", "boundary"):
        assert text.lower() in html.lower()


def test_json_has_the_same_figures(evaluated, tmp_path):
    data, page = evaluated / "test.spacy", tmp_path / "report.html"
    args = evaluated / "model", data, page, "--compare", evaluated / "worse", "--json"
    result = CliRunner().invoke(app, ["report", *map(str, args)])
    found = json.loads(result.stdout)
    html = page.read_text(encoding="utf-8")
    nlp = spacy.load(evaluated / "model")
    wanted = nlp.evaluate(read_examples(nlp, data))
    rows = {row["label"]: row for row in found["scores"]}
    assert rows["all"]["f"] == pytest.approx(wanted["ents_f"])
    for label, prf in wanted["ents_per_type"].items():
        assert {key: rows[label][key] for key in "prf"} == pytest.approx(prf)
        assert f'<th scope="row">{label}</th><td data-value="{rows[label]["p"]}">' in html
    assert f"{found['calibration']['scores'][0]['ece']:.3f}" in html
    assert f"{found['comparison']['scores'][0]['difference']:+.3f}" in html
    assert found["by_seen"][0]["gold"] > 0
    errors = found["docs_with_errors"]
    assert [doc["cost"] for doc in errors] == sorted((d["cost"] for d in errors), reverse=True)
    assert f"<h3>Doc {errors[0]['doc'] + 1} " in html


def test_report_says_which_data_it_is(evaluated, tmp_path):
    output = run("report", evaluated / "model", evaluated / "train.spacy", tmp_path / "r.html")
    note = "The model was trained on 60 of the 60 docs"
    assert note in output and note in (tmp_path / "r.html").read_text(encoding="utf-8")
    output = run("report", evaluated / "model", evaluated / "dev.spacy", tmp_path / "r.html")
    assert "The model was selected on" in output


def test_report_of_labels_that_the_model_does_not_know(evaluated, tmp_path):
    data = [("Red Fort is near Mary.", [(0, 8, "FAC"), (17, 21, "PERSON")])]
    write(tmp_path / "data.spacy", spacy.blank("en"), data)
    output = run("report", evaluated / "model", tmp_path / "data.spacy", tmp_path / "r.html")
    assert "The model does not know PERSON" in output


def test_report_of_a_pipeline_with_another_ner(evaluated, tmp_path):
    """Scores, errors and comparison are of any; confidence is left out."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "GPE", "pattern": town} for town in TOWNS])
    nlp.to_disk(tmp_path / "rules")
    args = evaluated / "test.spacy", tmp_path / "r.html", "--compare", evaluated / "model"
    run("report", tmp_path / "rules", *args)
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Reliability" not in html and "Beside" in html
    assert "training data is not available" in html


def test_report_reads_annotated_text_and_escapes_it(evaluated, tmp_path):
    lines = ["[Red Fort](<b>FAC</b>) & <script>alert(1)</script> [Delhi](GPE)", "[Lima](GPE)"]
    (tmp_path / "data.txt").write_text("\n".join(lines), encoding="utf-8")
    run("report", evaluated / "model", tmp_path / "data.txt", tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<script>alert" not in html and "<b>FAC" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html and "&lt;b&gt;FAC&lt;/b&gt;" in html
    assert "$" not in "".join(re.findall(r"<svg.*?</svg>", html, flags=re.S))


def test_report_without_errors(evaluated, tmp_path):
    nlp = spacy.blank("en")
    write(tmp_path / "data.spacy", nlp, [("Delhi.", [(0, 5, "GPE")]), ("Lima!", [(0, 4, "GPE")])])
    nlp.add_pipe("entity_ruler").add_patterns(
        [{"label": "GPE", "pattern": town} for town in ("Delhi", "Lima")]
    )
    nlp.to_disk(tmp_path / "rules")
    run("report", tmp_path / "rules", tmp_path / "data.spacy", tmp_path / "r.html")
    assert "There are no errors." in (tmp_path / "r.html").read_text(encoding="utf-8")
