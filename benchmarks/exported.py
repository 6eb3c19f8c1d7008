"""An exported pipeline beside the one that it was made from.

`python -m benchmarks.exported MODEL CORPUS`: whether they say the same of a corpus (.spacy), and
their sizes, start-up times and speed.
"""

import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
import spacy
import torch
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus

from spacy_rnn_tagger import tune_process
from spacy_rnn_tagger.onnx.conversion import export_pipeline
from spacy_rnn_tagger.pipeline.span_groups import confidence

from .measure import alternate, median, ratio
from .report import show_rows
from .tagging import tagging
from .texts import unannotated

app = typer.Typer(help=__doc__)
_TORCH = "torch"
# The scores of tags, and the confidence of each entity by its doc, its borders and its label.
_Tagged: TypeAlias = tuple[Any, dict[tuple[int, int, int, str], float]]
# Thinc imports torch wherever it is; hidden, the exported pipeline is as on a machine without it.
HIDE_TORCH = """
import sys
sys.modules["torch"] = None  # importing it fails, as where it is not installed
import catalogue
# Nor is another plugin that needs it, of which spaCy loads the factories.
groups = catalogue.AVAILABLE_ENTRY_POINTS
names = groups.groups if hasattr(groups, "groups") else groups
catalogue.AVAILABLE_ENTRY_POINTS = {
    name: [
        point for point in groups.select(group=name)
        if not point.value.startswith("spacy_curated_transformers")
    ]
    for name in names
}
"""
_START = """
import sys, time
begin = time.perf_counter()
import spacy
spacy.load(sys.argv[1])("Red Fort is in Delhi.")
print(time.perf_counter() - begin)
"""


@app.command()
def main(
    model: str = typer.Argument(..., help="A trained pipeline"),
    corpus: Path = typer.Argument(..., help="A corpus to tag", exists=True),
    rounds: int = typer.Option(5, min=1, help="Rounds in which the pipelines take turns"),
    threads: int = typer.Option(2, min=1, help="Threads of torch"),
) -> None:
    """Compare."""
    torch.set_num_threads(threads)
    with TemporaryDirectory() as folder:
        paths = {}
        for name, settings in {_TORCH: None, "fp32": {}, "int8": {"int8": True}}.items():
            nlp = spacy.load(model)
            if settings is not None:
                export_pipeline(nlp, **settings)
            paths[name] = Path(folder) / name
            nlp.to_disk(paths[name])
        pipelines = {name: spacy.load(path) for name, path in paths.items()}
        docs = [eg.reference for eg in Corpus(corpus)(pipelines[_TORCH])]
        expected = _tagged(pipelines[_TORCH], docs)
        rates = alternate(
            {name: tagging(nlp, docs) for name, nlp in pipelines.items()},
            rounds,
        )
        show_rows(
            f"{model} on {corpus}",
            (
                {
                    "pipeline": name,
                    **_agreement(expected, _tagged(nlp, docs)),
                    "F": f"{nlp.evaluate(list(Corpus(corpus)(nlp)))['ents_f']:.3f}",
                    "model, MB": (paths[name] / "rnn_ner" / "model").stat().st_size / 1e6,
                    "start, s": _start(paths[name], hide=name != _TORCH),
                    "tokens/s": median(rates[name]),
                    "of torch's": ratio(rates, name, _TORCH),
                }
                for name, nlp in pipelines.items()
            ),
        )


def _tagged(nlp: Language, docs: list[Doc]) -> _Tagged:
    fresh = unannotated(nlp, docs)
    scores = nlp.get_pipe("rnn_ner").model.predict(fresh).emissions
    found = {
        (number, e.start, e.end, e.label_): confidence(e)
        for number, doc in enumerate(nlp.pipe(fresh))
        for e in doc.ents
    }
    return scores, found


def _agreement(ours: _Tagged, theirs: _Tagged) -> dict[str, Any]:
    """Compare emissions, entities and confidences."""
    (my_scores, mine), (your_scores, yours) = ours, theirs
    shared = mine.keys() & yours.keys()
    return {
        "entities": len(yours),
        "the same": len(shared),
        "scores differ by": f"{np.abs(my_scores - your_scores).max():.1e}",
        "confidences by": f"{max(abs(mine[key] - yours[key]) for key in shared):.1e}",
    }


def _start(path: Path, *, hide: bool, times: int = 5) -> float:
    """Return the median time that importing spaCy, loading a pipeline and a first doc take."""
    command = [sys.executable, "-c", (HIDE_TORCH if hide else "") + _START, str(path)]
    done = [
        subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(times)
    ]
    return statistics.median(float(each.stdout) for each in done)


if __name__ == "__main__":
    tune_process()
    app()
