"""What pays on a machine: threads, processes, batch size; and how `spacy rnn annotate` uses it.

`python -m benchmarks.throughput MODEL TEXTS`; TEXTS is a folder of `*.txt`.
"""

import json
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import spacy
import torch
import typer
from spacy.language import Language

from spacy_rnn_tagger import tune_process
from spacy_rnn_tagger.bulk.annotating import run
from spacy_rnn_tagger.bulk.job import Job

from .measure import alternate, median
from .report import console, show_rates
from .soak import paragraphs

app = typer.Typer(help=__doc__)
_BATCH_SIZES = (32, 128, 512)


@app.command()
def main(
    model: str = typer.Argument(..., help="A trained pipeline"),
    texts: Path = typer.Argument(..., help="A folder of text files", exists=True),
    count: int = typer.Option(10_000, min=1, help="Paragraphs for `nlp.pipe`"),
    records: int = typer.Option(100_000, min=1, help="Paragraphs for `annotate`"),
    rounds: int = typer.Option(3, min=1, help="Rounds in which the ways take turns"),
    cores: int = typer.Option(2, min=2, help="Threads or processes where there are more than one"),
    ray: bool = typer.Option(True, help="Measure the engine ray as well"),
) -> None:
    """Compare."""
    nlp = spacy.load(model)
    some = list(islice(paragraphs(texts), count))
    one = "one thread"
    ways = {
        one: _pipe(nlp, some, threads=1),
        f"{cores} threads": _pipe(nlp, some, threads=cores),
        f"{cores} processes": _pipe(nlp, some, threads=1, n_process=cores),
        **{
            f"one thread, batches of {size}": _pipe(nlp, some, threads=1, batch_size=size)
            for size in _BATCH_SIZES
        },
    }
    title = f"nlp.pipe, {count:,} paragraphs, batches of {nlp.batch_size}"
    show_rates(title, {"from text": alternate(ways, rounds)}, {f"of {one}": one})

    with TemporaryDirectory() as folder:
        lines = Path(folder) / "paragraphs.jsonl"
        with lines.open("w", encoding="utf-8") as file:
            for text in islice(paragraphs(texts), records):
                file.write(json.dumps({"text": text}) + "\n")
        alone = "one process"
        engines = {alone: ("local", 1), f"{cores} processes": ("local", cores)}
        if ray:
            _start_ray(cores)
            engines[f"ray, {cores} actors"] = ("ray", cores)
        runs = {
            name: _annotation(model, lines, Path(folder) / name, *how)
            for name, how in engines.items()
        }
        rates = alternate(runs, 1)
        size = f"{records:,} records, {lines.stat().st_size / 1e6:,.0f} MB"
        show_rates(f"annotate, {size}, with its start", {"JSONL": rates}, {f"of {alone}": alone})
        outputs = {name: _contents(Path(folder) / name) for name in engines}
    for name in engines:
        same = "the same" if outputs[name] == outputs[alone] else "NOT the same"
        console.print(f"{name}: {same}, byte for byte, {len(outputs[name])} files")
    console.print(f"A core tags {_bytes_a_second(rates[alone], some, nlp) / 1e3:,.0f} kB a second.")


def _pipe(
    nlp: Language, texts: list[str], threads: int, n_process: int = 1, batch_size: int | None = None
) -> Callable[[], Callable[[], int]]:
    def prepare() -> Callable[[], int]:
        torch.set_num_threads(threads)
        settings = {"n_process": n_process, "batch_size": batch_size}
        return lambda: sum(len(doc) for doc in nlp.pipe(texts, **settings))

    return prepare


def _start_ray(cores: int) -> None:
    import ray

    ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False)


def _annotation(
    model: str, lines: Path, output: Path, engine: str, n_process: int
) -> Callable[[], Callable[[], int]]:
    def prepare() -> Callable[[], int]:
        shutil.rmtree(output, ignore_errors=True)
        job = Job(model, str(lines), str(output))
        return lambda: run(job, engine, n_process).tokens

    return prepare


def _contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def _bytes_a_second(rates: list[float], texts: list[str], nlp: Language) -> float:
    n_bytes = sum(len(text.encode()) for text in texts)
    return median(rates) * n_bytes / sum(len(nlp.make_doc(text)) for text in texts)


if __name__ == "__main__":
    tune_process()
    app()
