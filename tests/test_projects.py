"""The two project files: that of a user at the root, and that of the experiments."""

import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from spacy.cli import project_run
from weasel.util import load_project_config

ROOT = Path(__file__).parents[1]
PROJECTS = {"root": ROOT, "benchmarks": ROOT / "benchmarks"}
# What commands read and write; `vectors` only keeps a download.
MADE = {"corpus", "litbank", "metrics", "packages", "training"}
FOLDERS = MADE | {"assets", "benchmarks", "configs"}


@pytest.fixture(params=PROJECTS.values(), ids=PROJECTS)
def folder(request):
    return request.param


def read(folder, copies):
    """Read a project file from a copy of it: spaCy makes the folders that one names beside it."""
    copy = copies / folder.relative_to(ROOT)
    copy.mkdir(exist_ok=True)
    shutil.copy(folder / "project.yml", copy)
    return copy, load_project_config(copy)


@pytest.fixture
def project(folder, tmp_path):
    return read(folder, tmp_path)[1]


@pytest.fixture
def commands(project):
    return {command["name"]: command for command in project["commands"]}


def test_each_workflow_makes_what_it_needs(folder, project, commands):
    """A dependency is in the repository, fetched, or an output of a step before."""
    fetched = {asset["dest"] for asset in project.get("assets", ())}
    fetched.add("../litbank/original")  # copied by hand
    for steps in project["workflows"].values():
        made = set(fetched)
        for step in steps:
            for path in commands[step].get("deps", ()):
                kept = path.removeprefix("../").partition("/")[0] not in MADE
                parents = {str(parent) for parent in Path(path).parents}
                assert path in made or parents & made or (kept and (folder / path).exists()), path
            made.update(commands[step].get("outputs", ()))
    assert set(sum(project["workflows"].values(), [])) == commands.keys()


def test_the_scripts_name_what_is_there(folder, commands):
    for command in commands.values():
        for line in command["script"]:
            program, *words = shlex.split(line)
            if program == "python" and words[0] in ("-m", "at_root.py"):
                assert find_spec(words[1]), line
            if folder != ROOT:  # modules would be looked for in the folder of the benchmarks
                assert words[0] != "-m", line
            at = ROOT if words[0] == "at_root.py" else folder
            files = [word for word in words if word.endswith((".cfg", ".toml"))]
            assert all((at / name).is_file() for name in files if "training/" not in name), line


def test_dependencies_are_those_of_the_script(folder, commands):
    """What a line reads or writes below the root is declared with the same path."""
    for command in commands.values():
        declared = {
            (folder / path).resolve()
            for key in ("deps", "outputs")
            for path in command.get(key, ())
        }
        for line in command["script"]:
            words = shlex.split(line)
            if words[1] != "at_root.py":
                continue
            for path in (ROOT / word for word in words if word.partition("/")[0] in FOLDERS):
                related = (
                    path == each or path in each.parents or each in path.parents
                    for each in declared
                )
                assert any(related), (line, path)


def test_every_command_runs_dry(folder, project, commands, tmp_path, capfd):
    copy, _ = read(folder, tmp_path)
    for name in [*project["workflows"], *commands]:
        project_run(copy, name, dry=True)
        assert "Running command" in capfd.readouterr().out


def test_the_root_has_what_a_user_wants_and_nothing_else(tmp_path):
    _, project = read(ROOT, tmp_path)
    assert project["workflows"].keys() == {"all", "confidence", "tutorial", "without-vectors"}
    assert len(project["commands"]) == 12 and not project.get("assets")
    assert "benchmarks" not in str(project["commands"])


def test_an_asset_has_a_folder_to_go_to(tmp_path):
    """`spacy project assets` ends with an error otherwise."""
    copy, project = read(ROOT / "benchmarks", tmp_path)
    [asset] = project["assets"]
    assert (copy / asset["dest"]).parent.is_dir() and not (copy / asset["dest"]).exists()


def test_at_root(tmp_path):
    """A module of the benchmarks runs from their folder, and its exit status comes through."""

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "at_root.py", *arguments],
            cwd=ROOT / "benchmarks",
            capture_output=True,
            text=True,
        )

    done = run("benchmarks.litbank", "--help")
    assert done.returncode == 0 and "convert" in done.stdout
    failed = run("benchmarks.litbank", "convert", "nowhere", str(tmp_path / "out"))
    assert failed.returncode == 1 and "nowhere has no *_brat.tsv" in failed.stderr
