"""What the plugin adds to the start of spaCy, and how long its first doc takes."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import spacy

from .growth import POINT, make_pipeline

# Makes a Python process not see that the plugin is installed.
_HIDE = """
import importlib.metadata as metadata
_find = metadata.MetadataPathFinder.find_distributions
def _without(*args, **kwargs):
    for found in _find(*args, **kwargs):
        if found.metadata["Name"] != "spacy-rnn-tagger":
            yield found
metadata.MetadataPathFinder.find_distributions = staticmethod(_without)
"""
_BLANK = ["-c", "import spacy; spacy.blank('en')"]
COMMANDS = {"import spacy; spacy.blank('en')": _BLANK, "spacy --help": ["-m", "spacy", "--help"]}


def measure_startup(rounds: int) -> dict[str, dict[str, float]]:
    """Measure whole processes with and without the plugin, in turn, and a first doc, in seconds."""
    results = {}
    with TemporaryDirectory() as folder:
        Path(folder, "sitecustomize.py").write_text(_HIDE, encoding="utf8")
        hidden = {**os.environ, "PYTHONPATH": folder}
        check = [sys.executable, "-c", "import spacy; spacy.blank('en').add_pipe('rnn_ner')"]
        if not subprocess.run(check, env=hidden, capture_output=True).returncode:
            raise RuntimeError("the plugin could not be hidden, so nothing was compared")
        for name, arguments in COMMANDS.items():
            seconds: dict[str, list[float]] = {"without": [], "with": []}
            for number in range(rounds + 1):
                for kind, environment in (("without", hidden), ("with", dict(os.environ))):
                    begin = time.perf_counter()
                    command = [sys.executable, *arguments]
                    subprocess.run(command, env=environment, check=True, capture_output=True)
                    if number:
                        seconds[kind].append(time.perf_counter() - begin)
            results[name] = {kind: statistics.median(each) for kind, each in seconds.items()}
            added = zip(seconds["with"], seconds["without"], strict=True)
            results[name]["added"] = statistics.median(mine - theirs for mine, theirs in added)
        results["a saved pipeline"] = _first_doc(Path(folder))
    return results


def _first_doc(folder: Path) -> dict[str, float]:
    make_pipeline(POINT).to_disk(folder / "pipeline")
    begin = time.perf_counter()
    nlp = spacy.load(folder / "pipeline")
    loaded = time.perf_counter()
    nlp("Red Fort is in Delhi.")
    first = time.perf_counter()
    nlp("Red Fort is in Agra.")
    second = time.perf_counter()
    return {
        "spacy.load": loaded - begin,
        "first doc": first - loaded,
        "second doc": second - first,
    }
