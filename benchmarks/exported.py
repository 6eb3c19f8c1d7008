"""An exported pipeline beside the one that it was made from.

`python -m benchmarks.exported MODEL CORPUS`: whether they say the same of a corpus (.spacy), and
their sizes, start-up times and speed.
"""

import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import spacy
import torch
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus

from spacy_rnn_tagger.exported.export import export_pipeline
from spacy_rnn_tagger.groups import confidence

from .measure import alternate, median, ratio
from .report import show_rows

app = typer.Typer(help=__doc__)
_TORCH = "torch"
# Thinc imports torch wherever it is; hidden, the exported pipeline is as on a machine without it.
_START = """
import sys, time
if sys.argv[2] == "hide":
    sys.modules["torch"] = None
begin = time.perf_counter()
import spacy
if sys.argv[2] == "hide":
    import catalogue
    points = catalogue.AVAILABLE_ENTRY_POINTS
    catalogue.AVAILABLE_ENTRY_POINTS = {
        name: [p for p in points.select(group=name) if "curated_transformers" not in p.value]
        for name in points.groups
    }
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
        rates = alternate(
            {name: _tagging(nlp, docs) for name, nlp in pipelines.items()},
            rounds,
        )
        show_rows(
            f"{model} on {corpus}",
            (
                {
                    "pipeline": name,
                    **_agreement(pipelines[_TORCH], nlp, docs),
                    "F": f"{nlp.evaluate(list(Corpus(corpus)(nlp)))['ents_f']:.3f}",
                    "model, MB": (paths[name] / "rnn_ner" / "model").stat().st_size / 1e6,
                    "start, s": _start(paths[name], hide=name != _TORCH),
                    "tokens/s": median(rates[name]),
                    "of torch's": ratio(rates, name, _TORCH),
                }
                for name, nlp in pipelines.items()
            ),
        )


def _bare(nlp: Language, docs: list[Doc]) -> list[Doc]:
    return [
        Doc(nlp.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc])
        for doc in docs
    ]


def _tagging(nlp: Language, docs: list[Doc]) -> Callable[[], Callable[[], int]]:
    def prepare() -> Callable[[], int]:
        fresh = _bare(nlp, docs)
        return lambda: sum(len(doc) for doc in nlp.pipe(fresh))

    return prepare


def _agreement(ours: Language, theirs: Language, docs: list[Doc]) -> dict[str, Any]:
    """Compare emissions, entities and confidences."""
    scores, entities = [], []
    for nlp in (ours, theirs):
        fresh = _bare(nlp, docs)
        scores.append(nlp.get_pipe("rnn_ner").model.predict(fresh).emissions)
        found = {}
        for number, doc in enumerate(nlp.pipe(fresh)):
            found.update({(number, e.start, e.end, e.label_): confidence(e) for e in doc.ents})
        entities.append(found)
    mine, yours = entities
    shared = mine.keys() & yours.keys()
    return {
        "entities": len(yours),
        "the same": len(shared),
        "scores differ by": f"{np.abs(scores[0] - scores[1]).max():.1e}",
        "confidences by": f"{max(abs(mine[key] - yours[key]) for key in shared):.1e}",
    }


def _start(path: Path, *, hide: bool, times: int = 5) -> float:
    """Return the median time that importing spaCy, loading a pipeline and a first doc take."""
    command = [sys.executable, "-c", _START, str(path), "hide" if hide else "show"]
    done = [
        subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(times)
    ]
    return statistics.median(float(each.stdout) for each in done)


if __name__ == "__main__":
    app()
