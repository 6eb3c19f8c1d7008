"""Growth: time and memory over the number of tokens, their docs, labels, batches and threads.

Each point is a process of its own, so that its peak memory is its own.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_rnn_tagger import tune_process

from .measure import peak_memory

# What a series does not vary.
POINT: dict[str, Any] = {
    "n_tokens": 100_000,
    "doc_length": 240,
    "n_labels": 2,
    "batch_size": 256,
    "threads": 2,
    "n_process": 1,
    "decoder": "crf",
    "candidates": None,
    "max_length": None,
}
SERIES: dict[str, list[dict[str, Any]]] = {
    "tokens": [{"n_tokens": n} for n in (1_000, 10_000, 100_000, 1_000_000)],
    "tokens of a doc": [{"doc_length": n} for n in (5, 50, 500, 5_000, 100_000)],
    "one doc": [{"doc_length": n, "n_tokens": n} for n in (100_000, 1_000_000)],
    "one doc, without windows": [
        {"doc_length": n, "n_tokens": n, "max_length": 0} for n in (100_000, 1_000_000)
    ],
    "labels": [{"n_labels": n, "n_tokens": 10_000} for n in (2, 10, 100, 1000)],
    "labels, softmax": [
        {"n_labels": n, "n_tokens": 10_000, "decoder": "softmax"} for n in (100, 1000)
    ],
    # Such a network finds hardly an entity; the search for candidates computes confidences anyway.
    "labels, confidences of all docs": [
        {"n_labels": n, "n_tokens": 10_000, "candidates": 1.0} for n in (2, 10, 100, 1000)
    ],
    "docs of a batch": [{"batch_size": n} for n in (1, 8, 32, 256, 1024)],
    "threads": [{"threads": n} for n in (1, 2)],
    "processes": [{"n_process": n, "n_tokens": 1_000_000, "threads": 1} for n in (1, 2)],
}
_VOCABULARY = 20_000


def measure_growth() -> dict[str, list[dict[str, Any]]]:
    """Measure all points of all series."""
    return {name: [measure_point(change) for change in points] for name, points in SERIES.items()}


def measure_point(change: dict[str, Any]) -> dict[str, Any]:
    """Measure one point in a process of its own.

    Args:
        change: The settings that differ from `POINT`.

    Returns:
        What was varied, microseconds per token, and the peak memory in MB.
    """
    command = [sys.executable, "-m", "benchmarks.growth", json.dumps({**POINT, **change})]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {**change, **json.loads(done.stdout.splitlines()[-1])}


def main(point: dict[str, Any]) -> None:
    """Tag once to warm up, then measure, and print the result."""
    torch.set_num_threads(point["threads"])
    nlp = make_pipeline(point)
    warm = {**point, "n_tokens": min(point["n_tokens"], 20_000), "n_process": 1}
    _tag(nlp, warm)
    seconds, before = _tag(nlp, point)
    result = {
        "us": 1e6 * seconds / point["n_tokens"],
        "MB": peak_memory(),
        "MB before": before,
    }
    print(json.dumps(result))


def _tag(nlp: Language, point: dict[str, Any]) -> tuple[float, float]:
    """Return the seconds of the pipeline alone, and the peak memory when the first doc was made."""
    docs = _docs(nlp, point)
    made = before = 0.0

    def stream() -> Iterator[Doc]:
        nonlocal made, before
        while True:
            begin = time.perf_counter()
            doc = next(docs, None)
            made += time.perf_counter() - begin
            before = before or peak_memory()
            if doc is None:
                return
            yield doc

    begin = time.perf_counter()
    for _ in nlp.pipe(stream(), batch_size=point["batch_size"], n_process=point["n_process"]):
        pass
    seconds = time.perf_counter() - begin
    return seconds - (made if point["n_process"] == 1 else 0.0), before


def _docs(nlp: Language, point: dict[str, Any]) -> Iterator[Doc]:
    """Make docs of words drawn by Zipf's law."""
    rng = np.random.default_rng(0)
    left = point["n_tokens"]
    while left > 0:
        length = min(point["doc_length"], left)
        ranks = np.minimum(rng.zipf(1.3, length), _VOCABULARY)
        yield Doc(nlp.vocab, words=[f"w{rank}" for rank in ranks.tolist()])
        left -= length


def make_pipeline(point: dict[str, Any]) -> Language:
    """Make a pipeline with labels, trained a little."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    model = {"decoder": point["decoder"]}
    if point["max_length"] is not None:
        model["max_length"] = point["max_length"]
    pipe = nlp.add_pipe("rnn_ner", config={"model": model})
    pipe.cfg["candidates"] = point["candidates"]
    labels = [f"L{i}" for i in range(point["n_labels"])]
    docs = list(_docs(nlp, {**point, "n_tokens": 5_000, "doc_length": 50}))
    rng = np.random.default_rng(1)
    data = []
    for doc in docs:
        gold = doc.copy()
        at = sorted(rng.choice(len(doc), size=5, replace=False).tolist())
        gold.set_ents(
            [spacy.tokens.Span(gold, i, i + 1, label=str(rng.choice(labels))) for i in at]
        )
        data.append(Example(doc, gold))
    pipe.initialize(lambda: data, nlp=nlp, labels=labels)
    optimizer = nlp.resume_training()
    for begin in range(0, len(data), 25):
        nlp.update(data[begin : begin + 25], sgd=optimizer)
    return nlp


if __name__ == "__main__":
    tune_process()
    main(json.loads(sys.argv[1]))
