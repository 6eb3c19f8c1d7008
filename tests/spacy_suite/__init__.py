"""spaCy's own tests, run from the installed spaCy with `rnn_ner` in the place of `ner`.

`python -m tests.spacy_suite` prints how many were run, passed and left out. `plugin.py` runs in
pytest's process and exchanges the factories; `left_out.py` lists the tests that are not run, each
with its reason.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import spacy

# What the drop-in is measured by: modules and folders below `spacy.tests`.
TARGETS = (
    "parser.test_ner",
    "parser.test_add_label",
    "pipeline.test_pipe_methods",
    "pipeline.test_pipe_factories",
    "pipeline.test_tok2vec",
    "pipeline.test_entity_linker",
    "serialize",
    "training",
    "vocab_vectors.test_vectors",
    "doc.test_add_entities",
)


class Test(NamedTuple):
    """One of spaCy's tests.

    target: the member of TARGETS to which it belongs.
    name: the path below spaCy's tests, and the function with its parameters.
    outcome: "passed", "failed", "skipped" or "left out".
    ours: whether it made our component.
    detail: the traceback, or the reason for which it was not run.
    """

    target: str
    name: str
    outcome: str
    ours: bool
    detail: str


def run(folder: Path) -> list[Test]:
    """Run all in one process of pytest; `folder` is for its report.

    RAISES RuntimeError: pytest itself failed.
    """
    report = folder / "spacy_suite.json"
    root = Path(__file__).parents[2]
    modules = [f"spacy.tests.{target}" for target in TARGETS]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.spacy_suite.plugin"]
    # Nothing of this project's settings for pytest applies to them.
    # Node ids are paths below the root.
    ids_root = str(Path(spacy.__file__).parents[1])
    command += ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", ids_root]
    command += ["--disable-warnings", "--pyargs"]
    environment = {**os.environ, "SPACY_SUITE_REPORT": str(report)}
    environment["PYTHONPATH"] = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*command, *modules], cwd=folder, env=environment, capture_output=True, text=True
    )
    # 0 and 1: all tests ran, and passed or not.
    if done.returncode not in (0, 1) or not report.exists():
        raise RuntimeError(done.stdout + done.stderr)
    return [Test(*row) for row in json.loads(report.read_text(encoding="utf-8"))]


def test_name(nodeid: str) -> str:
    """Shorten a node id to what follows spaCy's folder of tests."""
    return nodeid.removeprefix("spacy/tests/")


def target_of(name: str) -> str:
    """Find the target to which a test belongs."""
    module = name.partition("::")[0].removesuffix(".py").replace("/", ".")
    [target] = [each for each in TARGETS if module == each or module.startswith(f"{each}.")]
    return target
