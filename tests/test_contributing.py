"""What contributors meet: hooks, workflow and forms that agree with the project and its CI."""

import re
from pathlib import Path

import pytest
import srsly

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
pytestmark = pytest.mark.skipif(
    not (ROOT / ".github").is_dir(), reason="the source distribution has no .github"
)


def yaml(name):
    return srsly.read_yaml(ROOT / name)


def checks_of_ci():
    """List the commands of the step that .ci/run has for checks without tests."""
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    step = ci.partition('step "linter, types')[2].partition("\nstep ")[0]
    return re.findall(r'^"\$work/dev/bin/([\w-]+)"(.*)$', step, re.MULTILINE)


def test_hooks_are_what_ci_checks():
    [local] = yaml(".pre-commit-config.yaml")["repos"]
    entries = [hook["entry"] for hook in local["hooks"]]
    assert entries == [f"{tool}{arguments}" for tool, arguments in checks_of_ci()]
    assert len(entries) == 4
    # A hook that gets files would check nothing else.
    assert not any(hook["pass_filenames"] for hook in local["hooks"])


def test_the_workflow_checks_the_same():
    jobs = yaml(".github/workflows/ci.yml")["jobs"]
    commands = [step.get("run") for step in jobs["checks"]["steps"]]
    assert commands[-4:] == [f"{tool}{arguments}" for tool, arguments in checks_of_ci()]
    assert jobs["tests"]["steps"][-1]["run"] == "python -m pytest"


def test_the_workflow_has_every_python():
    matrix = yaml(".github/workflows/ci.yml")["jobs"]["tests"]["strategy"]["matrix"]
    [least, below] = re.findall(r'^requires-python = ">=3\.(\d+),<3\.(\d+)"', PROJECT, re.M)[0]
    assert matrix["python"] == [f"3.{minor}" for minor in range(int(least), int(below))]
    assert {system.partition("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}


def test_the_bug_form_asks_for_both_commands():
    form = yaml(".github/ISSUE_TEMPLATE/bug.yml")["body"]
    asked = {
        field["attributes"]["label"]
        for field in form
        if field.get("validations", {}).get("required")
    }
    assert {f"Output of `python -m spacy {name}`" for name in ("info", "rnn info")} <= asked


def test_the_map_has_every_folder():
    """And in the order of the contract of imports."""
    page = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    table = page.partition("| folder in `spacy_rnn_tagger/` |")[2].partition("\n\n")[0]
    listed = re.findall(r"^\| `(\w+)/` \|", table, re.MULTILINE)
    package = ROOT / "spacy_rnn_tagger"
    assert set(listed) == {path.parent.name for path in package.glob("*/__init__.py")}
    contract = PROJECT.partition('name = "Imports run downwards"')[2].partition("\n]")[0]
    layers = [
        set(re.findall(r"\w+", layer)) for layer in re.findall(r'^    "(.+)",', contract, re.M)
    ]
    ranks = [next(i for i, layer in enumerate(layers) if room in layer) for room in listed]
    assert ranks == sorted(ranks)


def test_what_the_page_names_exists():
    """Files and folders in the page's tables and lists, in the package or at the root."""
    page = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.\w+)?)`", page)) - {"dist/", "packages/"}
    assert {"crf/lattice.py", "tests/conftest.py", "cli/"} <= named
    places = (ROOT / "spacy_rnn_tagger", ROOT)
    assert [name for name in named if not any((p / name).exists() for p in places)] == []
