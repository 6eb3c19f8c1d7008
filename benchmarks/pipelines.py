"""Trained pipelines side by side: how fast each tags a corpus.

`python -m benchmarks.pipelines CORPUS MODEL MODEL ...`; ratios are to the first model.
"""

from pathlib import Path

import spacy
import torch
import typer
from spacy.training import Corpus

from spacy_rnn_tagger import tune_process

from .measure import alternate
from .report import show_rates
from .tagging import tagging

app = typer.Typer(help=__doc__)


@app.command()
def main(
    corpus: Path = typer.Argument(..., help="A corpus to tag (.spacy)", exists=True),
    models: list[str] = typer.Argument(..., help="Trained pipelines"),
    rounds: int = typer.Option(5, min=1, help="Rounds in which the pipelines take turns"),
    threads: int = typer.Option(2, min=1, help="Threads of torch"),
    tune: bool = typer.Option(True, help="Call tune_process() before"),
) -> None:
    """Compare."""
    if tune:
        tune_process()
    torch.set_num_threads(threads)
    work = {}
    for model in models:
        nlp = spacy.load(model)
        # Each has its own vocabulary, and vectors if it has any.
        work[model] = tagging(nlp, [eg.reference for eg in Corpus(corpus)(nlp)])
    rates = alternate(work, rounds)
    show_rates("Docs to doc.ents", {str(corpus): rates}, {"of the first": models[0]})


if __name__ == "__main__":
    app()
