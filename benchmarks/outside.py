"""Accuracy and speed on text that was written and annotated elsewhere, of several pipelines.

`python -m benchmarks.outside DATA MODEL MODEL ...`; DATA is a file or a folder of `*.jsonl`, each
line a sentence with "words" and "entities" as [first word, word after the last, label]. Labels are
FAC and GPE, where GPE stands for every location, so a LOC counts as GPE. An article before a name
and a possessive 's after it are cut on both sides, since guidelines differ on them.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc

from spacy_rnn_tagger import tune_process

from .measure import Rates, alternate
from .report import show_rates, show_rows

app = typer.Typer(help=__doc__)
_LABELS = {"FAC": "FAC", "GPE": "GPE", "LOC": "GPE"}
# What finds entities, and what it listens to; the rest of a pipeline is switched off.
_FACTORIES = ("tok2vec", "transformer", "ner", "rnn_ner")
_ARTICLES = ("the", "a", "an")
_POSSESSIVES = ("'s", "’s")

Span = tuple[int, int, str]


class Sentence(NamedTuple):
    """A sentence and its entities."""

    words: list[str]
    entities: list[Span]


@app.command()
def main(
    data: Path = typer.Argument(..., help="A .jsonl file or a folder of them", exists=True),
    models: list[str] = typer.Argument(..., help="Trained pipelines"),
    rounds: int = typer.Option(5, min=1, help="Rounds in which the pipelines take turns"),
    tokens: int = typer.Option(40_000, min=1, help="Tokens of a round"),
    output: Path = typer.Option(None, help="A JSON file for the results"),
) -> None:
    """Score pipelines on each file, and measure how fast they tag it."""
    tune_process()
    files = sorted(data.glob("*.jsonl")) if data.is_dir() else [data]
    if not files:
        raise typer.BadParameter(f"No *.jsonl in {data}.")
    pipelines = {name: _load(name) for name in models}
    results: dict[str, Any] = {}
    for file in files:
        sentences = list(read(file))
        rows = [{"pipeline": name, **score(nlp, sentences)} for name, nlp in pipelines.items()]
        show_rows(f"{file.stem}: {len(sentences):,} sentences", rows)
        rates = _measure(pipelines, sentences, rounds, tokens)
        show_rates("tagging", {file.stem: rates}, {f"times {models[0]}": models[0]})
        results[file.stem] = {"scores": rows, "tokens a second": rates}
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(results, indent=2), encoding="utf-8")


def read(file: Path) -> Iterator[Sentence]:
    """Read sentences, without those that are empty."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["words"]:
                yield Sentence(row["words"], [tuple(entity) for entity in row["entities"]])


def score(nlp: Language, sentences: Sequence[Sentence]) -> dict[str, float]:
    """Compute precision, recall and F of FAC, of GPE, and of both."""
    gold: Counter[str] = Counter()
    found: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for doc, sentence in zip(nlp.pipe(_docs(nlp, sentences)), sentences, strict=True):
        wanted = set(_trimmed(sentence.words, sentence.entities))
        ents = ((ent.start, ent.end, ent.label_) for ent in doc.ents)
        own = set(_trimmed(sentence.words, ents))
        for counts, spans in ((gold, wanted), (found, own), (right, wanted & own)):
            for *_, label in spans:
                counts[label] += 1
                counts["both"] += 1
    scores = {}
    for label in ("FAC", "GPE", "both"):
        scores[f"{label} P"] = right[label] / max(found[label], 1)
        scores[f"{label} R"] = right[label] / max(gold[label], 1)
        scores[f"{label} F"] = 2 * right[label] / max(found[label] + gold[label], 1)
    return scores


def _trimmed(words: Sequence[str], spans: Iterable[Span]) -> Iterator[Span]:
    for start, end, label in spans:
        while start < end and words[start].lower() in _ARTICLES:
            start += 1
        while start < end and words[end - 1] in _POSSESSIVES:
            end -= 1
        if start < end and label in _LABELS:
            yield start, end, _LABELS[label]


def _load(name: str) -> Language:
    nlp = spacy.load(name)
    own = [pipe for pipe in nlp.pipe_names if nlp.get_pipe_meta(pipe).factory in _FACTORIES]
    nlp.select_pipes(enable=own)
    return nlp


def _docs(nlp: Language, sentences: Iterable[Sentence]) -> Iterator[Doc]:
    return (Doc(nlp.vocab, words=sentence.words) for sentence in sentences)


def _measure(
    pipelines: dict[str, Language], sentences: Sequence[Sentence], rounds: int, tokens: int
) -> Rates:
    """Measure tokens per second, from tokens to `doc.ents`, by turns."""
    ends = accumulate(len(sentence.words) for sentence in sentences)
    some = [sentence for sentence, end in zip(sentences, ends, strict=True) if end <= tokens]

    def prepare(nlp: Language) -> Callable[[], int]:
        docs = list(_docs(nlp, some))
        return lambda: sum(map(len, nlp.pipe(docs)))

    return alternate({name: partial(prepare, nlp) for name, nlp in pipelines.items()}, rounds)


if __name__ == "__main__":
    app()
