"""Accuracy of several systems over several seeds, mean and spread.

A file in TOML names the corpora and the systems:

    [data]
    train = "corpus/train.spacy"
    dev = "corpus/dev.spacy"
    test = "corpus/test.spacy"

    [systems.rnn_ner]
    config = "configs/rnn_ner.cfg"

    [systems.softmax]
    like = "rnn_ner"
    changes = { "components.rnn_ner.model.decoder" = "softmax" }

`changes` sets values or whole blocks by their dotted paths; the string "null" deletes one, since
TOML has no null. Paths are relative to the working directory. `python -m benchmarks.accuracy train`
trains all systems with `spacy train`, and skips those that were trained with the same config.
`... evaluate` prints the table.
"""

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import spacy
import srsly
import tomllib
import typer
from spacy.training import Corpus
from spacy.util import load_config
from thinc.api import Config
from tqdm import tqdm

from .report import console, show_rows

app = typer.Typer(help=__doc__, no_args_is_help=True)
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass
class Comparison:
    """What a file asks for.

    Attributes:
        data: The paths of the corpora, by split.
        systems: For each name, its base config and the changes to it.
    """

    data: dict[str, str]
    systems: dict[str, tuple[Path, dict[str, Any]]]

    def config(self, name: str, seed: int) -> Config:
        """Build the config of one training.

        Args:
            name: The system.
            seed: The seed of the training.

        Returns:
            The config, without its variables filled in.
        """
        base, changes = self.systems[name]
        config = load_config(base, interpolate=False)
        paths = {f"paths.{split}": self.data[split] for split in ("train", "dev")}
        for path, value in {**paths, **changes, "system.seed": seed}.items():
            *parents, last = path.split(".")
            section = config
            for parent in parents:
                section = section.setdefault(parent, {})
            if value == "null":
                section.pop(last, None)
            else:
                section[last] = deepcopy(value)  # what is like it may change a part of its own
        return config


def read_comparison(path: Path) -> Comparison:
    """Read a file of systems.

    Args:
        path: The file, in TOML.

    Returns:
        Its content.

    Raises:
        ValueError: A system has neither `config` nor `like`, or `like` names no system before it.
    """
    content = tomllib.loads(path.read_text(encoding="utf8"))
    systems: dict[str, tuple[Path, dict[str, Any]]] = {}
    for name, system in content["systems"].items():
        changes = dict(system.get("changes", {}))
        if "config" in system:
            systems[name] = Path(system["config"]), changes
        elif system.get("like") in systems:
            base, inherited = systems[system["like"]]
            systems[name] = base, {**inherited, **changes}
        else:
            raise ValueError(f"{path}: '{name}' needs a config, or to be like a system before it.")
    return Comparison(content["data"], systems)


@app.command()
def train(
    file: Path = typer.Argument(..., help="The systems", exists=True),
    output: Path = typer.Argument(..., help="Folder for the trained pipelines"),
    system: list[str] = typer.Option(None, help="Only these; all by default"),
    seeds: int = typer.Option(3, min=1, help="How many trainings of each"),
    jobs: int = typer.Option(2, min=1, help="Trainings at a time"),
) -> None:
    """Train the systems."""
    comparison = read_comparison(file)
    runs = [
        (comparison.config(name, seed), folder)
        for name, seed, folder in _runs(comparison, output, system, seeds)
    ]
    threads = max((os.cpu_count() or 1) // jobs, 1)
    with ThreadPool(jobs) as pool:  # one that fails ends the others
        trainings = pool.imap_unordered(lambda run: train_once(*run, threads), runs)
        for _ in tqdm(trainings, total=len(runs), unit=" trainings"):
            pass


def train_once(config: Config, folder: Path, threads: int) -> None:
    """Train a pipeline, unless it exists and was trained with this config.

    Args:
        config: The config.
        folder: The folder for the pipeline.
        threads: How many threads the training may use.

    Raises:
        RuntimeError: `spacy train` failed; the message has the end of its output.
    """
    if (folder / "config.cfg").is_file():
        if load_config(folder / "config.cfg", interpolate=False) == config:
            return
        shutil.rmtree(folder)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    config.to_disk(partial / "config.cfg", interpolate=False)
    command = [sys.executable, "-m", "spacy", "train", str(partial / "config.cfg")]
    with (partial / "log.txt").open("w") as log:
        status = subprocess.run(
            [*command, "--output", str(partial)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **dict.fromkeys(_THREADS, str(threads))},
        ).returncode
    if status:
        end = (partial / "log.txt").read_text()[-2000:]
        raise RuntimeError(f"{' '.join(command)} ended with {status}:\n{end}")
    shutil.rmtree(partial / "model-last")
    partial.rename(folder)


@app.command()
def evaluate(
    file: Path = typer.Argument(..., help="The systems", exists=True),
    trained: Path = typer.Argument(..., help="Folder of the trained pipelines", exists=True),
    output: Path = typer.Argument(..., help="JSON file for the scores"),
    system: list[str] = typer.Option(None, help="Only these; all by default"),
    seeds: int = typer.Option(3, min=1, help="How many trainings of each"),
    split: str = typer.Option("dev", help="The split to score: dev or test"),
) -> None:
    """Score the trained pipelines by spaCy's scorer."""
    comparison = read_comparison(file)
    scores: dict[str, list[dict[str, float]]] = {}
    for name, _, folder in tqdm(list(_runs(comparison, trained, system, seeds)), disable=None):
        scores.setdefault(name, []).append(_score(folder, Path(comparison.data[split])))
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, scores)
    show_rows(f"{split}: mean and standard deviation over {seeds} seeds", _rows(scores))
    console.print(f"Each seed's scores are in {output}.")


def _runs(
    comparison: Comparison, output: Path, chosen: list[str] | None, seeds: int
) -> Iterator[tuple[str, int, Path]]:
    for name in chosen or comparison.systems:
        for seed in range(seeds):
            yield name, seed, output / name / str(seed)


def _score(folder: Path, corpus: Path) -> dict[str, float]:
    nlp = spacy.load(folder / "model-best")
    scores = nlp.evaluate(list(Corpus(corpus)(nlp)))
    overall = {key.upper(): scores[f"ents_{key}"] for key in "fpr"}
    of_labels = {label: each["f"] for label, each in sorted(scores["ents_per_type"].items())}
    return overall | of_labels


def _rows(scores: dict[str, list[dict[str, float]]]) -> Iterator[dict[str, str]]:
    for name, runs in scores.items():
        columns = {key: [run.get(key, 0.0) for run in runs] for key in runs[0]}
        spread = {
            key: f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
            for key, values in columns.items()
        }
        yield {"system": name} | {
            key: f"{statistics.mean(values):.3f}{spread[key]}" for key, values in columns.items()
        }


if __name__ == "__main__":
    app()
