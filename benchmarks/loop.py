"""The loop with people, simulated: F over annotated tokens, for several ways to choose.

A file in TOML (`loop.toml`) names the corpora, the strategies and the settings of training. In each
round an annotator who is always right (`annotator.py`) annotates what a strategy chooses, a new
`rnn_ner` is trained on all that is annotated, and scored on the dev split:

- "random": texts at random
- with `by`: the texts that `spacy rnn select` chooses, by the pipeline of the round before
- with `spans = true`: the single spans that `spacy rnn select --spans` asks about; all the rest is
  missing annotation in training

All strategies begin with the same few texts. Each round is kept in a file, so an interrupted run
continues where it stopped, and a round is computed again if what it depends on has changed.
"""

import io
import json
import math
import os
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import spacy
import tomllib
import torch
import typer
from spacy.tokens import DocBin
from spacy.training import Corpus
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Config
from tqdm import tqdm

from spacy_rnn_tagger import convert, init_config, select, tune_process
from spacy_rnn_tagger.io import write_whole

from .annotator import Annotated, Annotator, Costs, Text, digest, english, keep_labels, read_texts
from .curves import draw, summarise
from .report import console, show_rows

_START = "start"  # the round that all strategies share
_REJECTED = "rejected"
_MARGIN = 3  # texts that `select` chooses for each that the budget is likely to reach
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Training:
    """Settings of training; steps are proportional to what is annotated.

    Attributes:
        batch: Tokens in a batch.
        epochs: Passes over the data.
        least_steps: Steps at least.
        learn_rate: The highest learning rate.
        hidden_width: Width of the network, per direction.
        vectors: A pipeline's folder with word vectors, if any.
    """

    batch: int = 500
    epochs: float = 8
    least_steps: int = 250
    learn_rate: float = 0.003
    hidden_width: int = 64
    vectors: str | None = None


@dataclass(frozen=True)
class Strategy:
    """How the next texts or spans are chosen.

    Attributes:
        shares: What all annotation may cost after each round, as a share of all tokens. The first
            round is the same for all strategies.
        by: A measure of `select`; None for texts at random.
        per: Its unit.
        diversity: Its setting of this name.
        spans: Whether single spans are asked about.
    """

    shares: tuple[float, ...]
    by: str | None = None
    per: str = "token"
    diversity: float = 0.5
    spans: bool = False


@dataclass(frozen=True)
class Data:
    """A corpus.

    Attributes:
        train: Its `.spacy` files with the texts to choose from.
        dev: Those that are scored.
        labels: The labels to learn; None for all.
        sentences: How many sentences form a text; None for whole docs.
        tokens: How many tokens of texts there are to be; None for all.
    """

    train: tuple[str, ...]
    dev: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    sentences: int | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Plan:
    """What a file asks for, by name."""

    training: Training
    costs: Costs
    strategies: dict[str, Strategy]
    corpora: dict[str, Data]


def read_plan(path: Path) -> Plan:
    """Read a file of strategies and corpora.

    Args:
        path: The file, in TOML.

    Returns:
        Its content.

    Raises:
        ValueError: The strategies do not begin with the same share, or shares do not rise.
    """
    content = tomllib.loads(path.read_text(encoding="utf8"))
    strategies = {name: Strategy(**_hashable(own)) for name, own in content["strategies"].items()}
    if len({own.shares[0] for own in strategies.values()}) != 1:
        raise ValueError(f"{path}: all strategies must begin with the same share.")
    for name, strategy in strategies.items():
        if list(strategy.shares) != sorted(set(strategy.shares)):
            raise ValueError(
                f"{path}: the shares of '{name}' must rise, but are {strategy.shares}."
            )
    corpora = {name: Data(**_hashable(own)) for name, own in content["corpora"].items()}
    costs = Costs(**content.get("costs", {}))
    return Plan(Training(**content.get("training", {})), costs, strategies, corpora)


def _hashable(settings: dict[str, Any]) -> dict[str, Any]:
    """Turn the lists among settings into tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}


@dataclass(frozen=True)
class Chain:
    """The rounds of one strategy on one corpus, from one seed.

    Attributes:
        plan: What the file asks for.
        corpus: The corpus.
        strategy: The strategy; "start" for the round that all share.
        seed: Decides on the first texts, on those at random, and on the training.
        work: The folder for all rounds.
    """

    plan: Plan
    corpus: str
    strategy: str
    seed: int
    work: Path

    @property
    def folder(self) -> Path:
        """The folder for its rounds."""
        return self.work / self.corpus / str(self.seed) / self.strategy

    @property
    def start(self) -> "Chain":
        """The first round."""
        return Chain(self.plan, self.corpus, _START, self.seed, self.work)

    @property
    def shares(self) -> tuple[float, ...]:
        """The shares of its rounds; the first one is that of the start."""
        first = next(iter(self.plan.strategies.values())).shares[:1]
        return first if self.strategy == _START else self.plan.strategies[self.strategy].shares

    def path(self, number: int) -> Path:
        """The file of a round."""
        own = self if number else self.start
        return own.folder / f"{number:02d}.json"

    def settings(self, number: int, pool: str) -> dict[str, Any]:
        """List what a round depends on, in the form in which it is read from JSON."""
        strategy = self.plan.strategies[self.strategy] if number else None
        found = {
            "pool": pool,
            "dev": [
                [name, Path(name).stat().st_size] for name in self.plan.corpora[self.corpus].dev
            ],
            "training": asdict(self.plan.training),
            "costs": asdict(self.plan.costs),
            "strategy": strategy and {**asdict(strategy), "shares": None},
            "shares": self.shares[: number + 1],
            "seed": self.seed,
        }
        return dict(json.loads(json.dumps(found)))

    def known(self, number: int, pool: str) -> dict[str, Any] | None:
        """Read a round that was computed with the same settings; None if there is none."""
        path = self.path(number)
        if not path.exists():
            return None
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf8"))
        return found if found["settings"] == self.settings(number, pool) else None


def run_chain(chain: Chain) -> list[dict[str, Any]]:
    """Compute the rounds of a chain that are not known.

    Args:
        chain: The chain.

    Returns:
        What was measured, a row for each round.
    """
    data = chain.plan.corpora[chain.corpus]
    files = [Path(name) for name in data.train]
    texts = read_texts(files, labels=data.labels, sentences=data.sentences, tokens=data.tokens)
    pool = digest(texts)
    rounds = _known_rounds(chain, pool)
    done = Annotated(**rounds[-1]["annotated"]) if rounds else Annotated()
    for number in range(len(rounds), len(chain.shares)):
        begin = time.perf_counter()
        before = done.cost
        choose(chain, number, texts, done)
        if number and done.cost == before:
            break  # there is nothing left to choose
        seconds = {"choosing": time.perf_counter() - begin}
        model = chain.path(number).with_suffix("")
        scores = train_and_score(chain, texts, done, model)
        seconds["training"] = time.perf_counter() - begin - seconds["choosing"]
        total = sum(each.n_tokens for each in texts)
        row = {
            "corpus": chain.corpus,
            "strategy": chain.strategy,
            "seed": chain.seed,
            "round": number,
            "share": done.cost / total,
            "tokens": done.cost,
            "texts": len(done.texts),
            "questions": len(done.answers),
            "accepted": done.accepted,
            **scores,
            "seconds": seconds,
        }
        own = {"settings": chain.settings(number, pool), "row": row, "annotated": asdict(done)}
        write_whole(chain.path(number), json.dumps(own).encode())
        rounds.append(own)
        if number > 1:  # the pipeline of the start is that of all strategies
            shutil.rmtree(chain.path(number - 1).with_suffix(""), ignore_errors=True)
    return [{**each["row"], "strategy": chain.strategy} for each in rounds]


def _known_rounds(chain: Chain, pool: str) -> list[dict[str, Any]]:
    """Read the rounds that are known, as far as one can go on from them."""
    rounds: list[dict[str, Any]] = []
    for number in range(len(chain.shares)):
        found = chain.known(number, pool)
        if found is None:
            break
        rounds.append(found)
    while 1 < len(rounds) < len(chain.shares) and not _model(chain, len(rounds) - 1).exists():
        rounds.pop()  # its pipeline is needed for the next one, but was removed
    return rounds


def _model(chain: Chain, number: int) -> Path:
    return chain.path(number).with_suffix("")


def choose(chain: Chain, number: int, texts: Sequence[Text], done: Annotated) -> None:
    """Let the annotator annotate what the strategy chooses, until the round's budget is spent.

    Args:
        chain: The chain.
        number: The round.
        texts: The pool.
        done: What is annotated. It grows.
    """
    budget = math.ceil(chain.shares[number] * sum(each.n_tokens for each in texts))
    annotator = Annotator(texts, chain.plan.costs)
    strategy = None if chain.strategy == _START else chain.plan.strategies[chain.strategy]
    if strategy is None or strategy.by is None:
        order = random.Random(chain.seed).sample(range(len(texts)), len(texts))
        annotator.annotate(done, order, budget)
        return
    mean = 1 if strategy.spans else sum(each.n_tokens for each in texts) / len(texts)
    n = math.ceil(_MARGIN * (budget - done.cost) / mean)
    while True:
        rows = list(_select(chain, number, texts, done, n + len(done.answers)))
        if strategy.spans:
            reached = annotator.answer(done, rows, budget)
        else:
            reached = annotator.annotate(done, (r["meta"]["number"] for r in rows), budget)
        if reached or len(rows) < n + len(done.answers):
            return
        n *= 2


def _select(
    chain: Chain, number: int, texts: Sequence[Text], done: Annotated, n: int
) -> Iterator[dict[str, Any]]:
    """Run `spacy rnn select` on the texts that were not annotated as a whole."""
    strategy = chain.plan.strategies[chain.strategy]
    annotated = set(done.texts)
    source, output = (chain.folder / f"{name}.jsonl" for name in ("pool", "chosen"))
    rows = (
        json.dumps({"text": each.text, "number": place}) + "\n"
        for place, each in enumerate(texts)
        if place not in annotated
    )
    write_whole(source, "".join(rows).encode())
    try:
        select(
            _model(chain, number - 1),
            source,
            output,
            n=n,
            by=strategy.by,
            per=strategy.per,
            diversity=strategy.diversity,
            spans=strategy.spans,
        )
    except ValueError as error:
        if "There is no" not in str(error):
            raise
        return  # nothing is doubtful any more
    for line in output.read_text(encoding="utf8").splitlines():
        yield json.loads(line)


def train_and_score(
    chain: Chain, texts: Sequence[Text], done: Annotated, output: Path
) -> dict[str, Any]:
    """Train a new pipeline on all that is annotated, and score it on the dev split.

    Args:
        chain: The chain.
        texts: The pool.
        done: What is annotated.
        output: The folder for the pipeline.

    Returns:
        Precision, recall and F, that of each label, and the number of steps.
    """
    partial = output.with_name(f"{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    data = partial / "data"
    data.mkdir(parents=True)
    nlp = english()
    docs = [texts[number].doc(nlp) for number in done.texts]
    n_tokens = sum(map(len, docs))
    DocBin(docs=docs).to_disk(data / "texts.spacy")
    if done.answers:
        answers = partial / "answers.jsonl"
        write_whole(answers, "".join(json.dumps(each) + "\n" for each in done.answers).encode())
        # What was asked about one text is known of one doc.
        converted = convert(
            answers, data / "answers.spacy", incorrect_spans_key=_REJECTED, resolve="union"
        )
        n_tokens += converted.tokens
    labels = sorted({label for each in texts for _, _, label in each.spans if label != "?"})
    config = _config(chain, data, labels, n_tokens)
    trained = init_nlp(config)
    train(trained, partial, stdout=io.StringIO(), stderr=io.StringIO())
    best = spacy.load(partial / "model-last")  # with averaged weights
    wanted = chain.plan.corpora[chain.corpus]
    examples = [each for file in wanted.dev for each in Corpus(file)(best)]
    for example in examples:
        keep_labels(example.reference, wanted.labels)
    scores = best.evaluate(examples)
    shutil.rmtree(output, ignore_errors=True)
    (partial / "model-last").rename(output)
    shutil.rmtree(partial)
    of_labels = {label: own["f"] for label, own in sorted(scores["ents_per_type"].items())}
    overall = {key.upper(): scores[f"ents_{key}"] for key in "prf"}
    return {**overall, "labels": of_labels, "steps": config["training"]["max_steps"]}


def _config(chain: Chain, data: Path, labels: Sequence[str], n_tokens: int) -> Config:
    settings = chain.plan.training
    steps = max(settings.least_steps, round(settings.epochs * n_tokens / settings.batch))
    config = init_config("rnn_ner", vectors=settings.vectors)
    # Nothing is chosen by the dev split: an annotator who begins has none.
    config["paths"].update(train=str(data), dev=str(data / "texts.spacy"))
    config["corpora"]["dev"]["limit"] = 1
    config["system"]["seed"] = chain.seed
    training = config["training"]
    training.update(max_steps=steps, eval_frequency=steps)
    training["batcher"]["size"] = settings.batch
    training["optimizer"]["learn_rate"].update(
        initial_rate=settings.learn_rate, total_steps=steps, warmup_steps=steps // 10
    )
    training["logger"] = {"@loggers": "spacy.ConsoleLogger.v1", "progress_bar": False}
    component = config["components"]["rnn_ner"]
    component["incorrect_spans_key"] = _REJECTED
    component["model"]["hidden_width"] = settings.hidden_width
    config["initialize"]["components"] = {"rnn_ner": {"labels": list(labels)}}
    return config


def run_all(plan: Plan, work: Path, seeds: Sequence[int], jobs: int) -> list[dict[str, Any]]:
    """Compute all chains.

    Args:
        plan: What to simulate.
        work: The folder for all rounds.
        seeds: The seeds.
        jobs: Processes, each with one thread.

    Returns:
        What was measured, a row for each round of each chain.
    """
    chains = [
        Chain(plan, corpus, strategy, seed, work)
        for strategy in plan.strategies
        for corpus in plan.corpora
        for seed in seeds
    ]
    starts = list(dict.fromkeys(chain.start.folder for chain in chains))
    first = {chain.start.folder: chain.start for chain in chains}
    found: list[dict[str, Any]] = []
    for stage, name in (([first[folder] for folder in starts], "starts"), (chains, "chains")):
        rows = tqdm(_computed(stage, jobs), total=len(stage), desc=name, disable=None)
        found = [row for own in rows for row in own]
    return sorted(found, key=lambda row: [row[k] for k in ("corpus", "strategy", "seed", "round")])


def _computed(chains: Sequence[Chain], jobs: int) -> Iterator[list[dict[str, Any]]]:
    if jobs == 1:
        yield from map(run_chain, chains)
        return
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    with get_context("spawn").Pool(jobs, _prepare) as pool:
        yield from pool.imap_unordered(run_chain, chains)


def _prepare() -> None:
    torch.set_num_threads(1)
    tune_process()


def main(
    file: Path = typer.Argument(..., help="Corpora, strategies and settings", exists=True),
    output: Path = typer.Argument(..., help="Folder for results.json and the plot"),
    work: Path = typer.Option(Path("training/loop"), help="Folder for the rounds"),
    corpus: list[str] = typer.Option(None, help="Only these; all by default"),
    strategy: list[str] = typer.Option(None, help="Only these; all by default"),
    seeds: int = typer.Option(3, min=1, help="How many times"),
    jobs: int = typer.Option(2, min=1, help="Processes, each with one thread"),
) -> None:
    """Simulate the loop, and write what was measured, a summary and a plot."""
    plan = read_plan(file)
    plan = Plan(
        plan.training,
        plan.costs,
        {name: own for name, own in plan.strategies.items() if not strategy or name in strategy},
        {name: own for name, own in plan.corpora.items() if not corpus or name in corpus},
    )
    rows = run_all(plan, work, range(seeds), jobs)
    summary = summarise(rows)
    output.mkdir(parents=True, exist_ok=True)
    content = {"settings": asdict(plan), "summary": summary, "rounds": rows}
    write_whole(output / "results.json", (json.dumps(content, indent=1) + "\n").encode())
    for suffix in ("svg", "png"):
        draw(summary, output / f"loop.{suffix}")
    for name, own in summary.items():
        show_rows(f"{name}: mean over {seeds} seeds", own["table"])
    console.print(f"Results are in {output}.")


if __name__ == "__main__":
    typer.run(main)
