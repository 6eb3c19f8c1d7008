"""`python -m benchmarks`: measure, print tables, write results.json and breakdown.svg."""

from enum import Enum
from pathlib import Path
from typing import Any

import torch
import typer

from spacy_rnn_tagger import tune_process

from .breakdown import SPACY_SHARE, measure_breakdown
from .confidence import OFF, SINGLY, measure_confidence
from .growth import measure_growth
from .measure import machine
from .report import console, draw_breakdown, save, show_rates, show_rows
from .startup import measure_startup
from .systems import DEFAULT, PACKED, SPACY
from .tagging import FLOOR, measure_tagging
from .texts import read_texts
from .training import measure_packed, measure_train, measure_updates


class Section(str, Enum):
    """What is measured."""

    tagging = "tagging"
    training = "training"
    confidence = "confidence"
    breakdown = "breakdown"
    growth = "growth"
    startup = "startup"


def main(
    sections: list[Section] = typer.Argument(None, help="What to measure; everything by default"),
    litbank: Path = typer.Option(None, help="LitBank's folder entities/tsv", exists=True),
    output: Path = typer.Option(Path("metrics/benchmarks"), help="Folder for the results"),
    rounds: int = typer.Option(5, min=1, help="Rounds in which the systems take turns"),
    tokens: int = typer.Option(60_000, min=1000, help="Tokens of a round of tagging"),
    threads: int = typer.Option(2, min=1, help="Threads of torch"),
) -> None:
    """Measure the speed of `rnn_ner` beside spaCy's `ner`."""
    torch.set_num_threads(threads)
    chosen = sections or list(Section)
    results: dict[str, Any] = {"machine": machine()}
    output.mkdir(parents=True, exist_ok=True)
    texts = read_texts(litbank, Path("assets/sentences"))
    console.print(results["machine"])
    if Section.tagging in chosen:
        tagging = measure_tagging(texts, tokens, rounds)
        results["tagging"] = tagging
        show_rates("Tagging", tagging, {"of spaCy's ner": SPACY, "of the bare LSTM": FLOOR})
    if Section.training in chosen:
        training = measure_updates(texts, tokens // 4, rounds)
        if litbank is not None:
            training |= measure_packed(texts["LitBank docs"], rounds)
        training |= measure_train(next(iter(texts.values()))[:300], 1)
        results["training"] = training
        show_rates("Training", training, {"of spaCy's ner": SPACY, "of packed": PACKED})
    if Section.confidence in chosen:
        results["confidence"] = measure_confidence(texts, tokens, rounds)
        show_rates("Confidence", results["confidence"], {"of none": OFF, "of none, singly": SINGLY})
    if Section.breakdown in chosen:
        breakdown = measure_breakdown(texts, tokens)
        results["breakdown"] = breakdown
        for name, stages in breakdown.items():
            total = sum(stages.values())
            ours = total - stages[SPACY_SHARE]
            show_rows(
                f"Where time goes: {name}, {total:.2f} us a token, {ours:.2f} of them {DEFAULT}'s",
                (
                    {"stage": stage, "microseconds": spent, "share": f"{spent / total:.1%}"}
                    for stage, spent in stages.items()
                ),
            )
        draw_breakdown(breakdown, output / "breakdown.svg")
    if Section.growth in chosen:
        results["growth"] = measure_growth()
        for name, points in results["growth"].items():
            show_rows(f"Growth: {name}", points)
    if Section.startup in chosen:
        results["startup"] = measure_startup(rounds)
        for name, seconds in results["startup"].items():
            show_rows(f"Start-up: {name}, seconds", [seconds])
    save(results, output / "results.json")
    console.print(f"Results are in {output}.")


if __name__ == "__main__":
    tune_process()
    typer.run(main)
