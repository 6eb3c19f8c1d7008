"""Time to accuracy: how long `spacy train` takes to reach the best that spaCy's `ner` reaches.

Both systems train on the same files, by their default configs, one after the other. The measure is
the time from the start of the command until an evaluation on the dev data first has the F that the
other's best has, so it includes loading, initialisation and all evaluations before.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import typer
from spacy.cli.init_config import init_config as spacy_config
from spacy.language import Language
from spacy.util import registry
from thinc.api import Config

from spacy_rnn_tagger import init_config

_STARTED = "BENCHMARK_STARTED"
_ROWS = "BENCHMARK_ROWS"


@registry.loggers("benchmarks.TimedLogger.v1")
def create_timed_logger() -> Callable[..., Any]:
    """Create a logger that writes the score and the time of each evaluation to a file."""

    def setup(
        nlp: Language, stdout: IO[str] = sys.stdout, stderr: IO[str] = sys.stderr
    ) -> tuple[Callable[[dict[str, Any] | None], None], Callable[[], None]]:
        def log_step(info: dict[str, Any] | None) -> None:
            if info is not None:
                row = {
                    "step": info["step"],
                    "words": info["words"],
                    "f": info["other_scores"]["ents_f"],
                    "seconds": time.time() - float(os.environ[_STARTED]),
                    "cpu_seconds": time.process_time(),
                }
                with Path(os.environ[_ROWS]).open("a", encoding="utf-8") as file:
                    print(json.dumps(row), file=file)

        return log_step, lambda: None

    return setup


def make_config(system: str, train: Path, dev: Path, vectors: str | None, seed: int) -> Config:
    """Make the config of a system as its users do: `init config`, with the paths filled in."""
    if system == "ner":
        optimize = "accuracy" if vectors else "efficiency"
        config = Config(spacy_config(lang="en", pipeline=["ner"], optimize=optimize, gpu=False))
    else:
        config = init_config("rnn_ner_vectors" if vectors else "rnn_ner", vectors=vectors)
    config["paths"].update(train=str(train), dev=str(dev))
    if vectors:
        config["paths"]["vectors"] = vectors
    config["system"]["seed"] = seed
    config["training"]["logger"] = {"@loggers": "benchmarks.TimedLogger.v1"}
    return config


def run(config: Config, folder: Path) -> list[dict[str, float]]:
    """Run `spacy train`, and read what the logger wrote."""
    folder.mkdir(parents=True, exist_ok=True)
    config.to_disk(folder / "config.cfg")
    rows = folder / "rows.jsonl"
    rows.unlink(missing_ok=True)
    environment = {**os.environ, _ROWS: str(rows), _STARTED: str(time.time())}
    command = [sys.executable, "-m", "spacy", "train", str(folder / "config.cfg")]
    command += ["--output", str(folder), "--code", __file__]
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        subprocess.run(command, check=True, env=environment, stdout=log, stderr=log)
    return [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]


def main(
    train: Path = typer.Argument(..., help="Training data, as `spacy train` reads it", exists=True),
    dev: Path = typer.Argument(..., help="Development data", exists=True),
    output: Path = typer.Argument(..., help="Folder for the trainings and results.json"),
    vectors: str = typer.Option(None, help="Folder or package of a pipeline with word vectors"),
    seed: int = typer.Option(0, help="Seed of both trainings"),
) -> None:
    """Train both, and print how long each takes to the best F of `ner`."""
    results = {
        system: run(make_config(system, train, dev, vectors, seed), output / system)
        for system in ("ner", "rnn_ner")
    }
    (output / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    theirs = max(results["ner"], key=lambda row: row["f"])  # the first of the best
    ours = next((row for row in results["rnn_ner"] if row["f"] >= theirs["f"]), None)
    for system, rows in results.items():
        best = max(row["f"] for row in rows)
        print(f"{system}: best F {best:.3f}; whole training {rows[-1]['seconds']:.0f} s")
    print(f"ner has its best after {theirs['seconds']:.0f} s")
    if ours is None:
        print("rnn_ner does not reach it")
    else:
        ratio = theirs["seconds"] / ours["seconds"]
        print(f"rnn_ner reaches it after {ours['seconds']:.0f} s: 1/{ratio:.1f} of the time")


if __name__ == "__main__":
    typer.run(main)
