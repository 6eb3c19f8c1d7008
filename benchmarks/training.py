"""Training: `nlp.update` at equal batches, and a whole `spacy train`."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from spacy.cli.init_config import init_config
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from thinc.api import Config

from .measure import Rates, alternate
from .systems import DEFAULT, PACKED, SPACY, TRAINED, packed, rnn_ner, trained
from .texts import Texts, batches, examples, first_tokens

# Tokens of a batch: about 32 of LitBank's docs, and what spaCy's default config goes up to.
BATCHES = (7500, 1000)


def measure_updates(texts: Texts, n_tokens: int, rounds: int) -> dict[str, Rates]:
    """Measure `nlp.update`; all systems see the same batches."""
    makers = {**TRAINED, PACKED: packed}
    systems = {
        name: trained(make, next(iter(texts.values())), n_steps=2) for name, make in makers.items()
    }
    results = {}
    for name, docs in texts.items():
        for size in BATCHES:
            own = first_tokens(docs, n_tokens)
            work: dict[str, Callable[[], Callable[[], int]]] = {
                system: partial(_prepare, nlp, own, size) for system, nlp in systems.items()
            }
            results[f"{name}, batches of {size:,} tokens"] = alternate(work, rounds)
    return results


def measure_packed(docs: list[Doc], rounds: int) -> dict[str, Rates]:
    """Measure the default network and the packed one on docs of 240 tokens, 32 a batch."""
    whole = Doc.from_docs(docs[:200])
    assert whole is not None
    cut = [whole[i : i + 240].as_doc() for i in range(0, 96 * 240, 240)]
    systems = {
        name: trained(make, docs, n_steps=2)
        for name, make in ((DEFAULT, rnn_ner()), (PACKED, packed))
    }
    work = {name: partial(_prepare, nlp, cut, 32 * 240) for name, nlp in systems.items()}
    return {"LitBank cut to 240 tokens, 32 docs a batch": alternate(work, rounds)}


def _prepare(nlp: Language, docs: list[Doc], size: int) -> Callable[[], int]:
    return partial(_update, nlp, batches(examples(nlp, docs), size))


def _update(nlp: Language, parts: list[list[Example]]) -> int:
    for batch in parts:
        nlp.update(batch, sgd=nlp._optimizer, drop=0.1)
    return sum(len(example.x) for batch in parts for example in batch)


def measure_train(docs: list[Doc], rounds: int) -> dict[str, Rates]:
    """Measure `spacy train` from start to exit: one pass over the docs, scored twice on 50."""
    rates: Rates = {DEFAULT: [], SPACY: []}
    with TemporaryDirectory() as folder:
        DocBin(docs=docs).to_disk(Path(folder) / "train.spacy")
        DocBin(docs=docs[:50]).to_disk(Path(folder) / "dev.spacy")
        for name, pipe in ((DEFAULT, "rnn_ner"), (SPACY, "ner")):
            config = Config(
                init_config(lang="en", pipeline=[pipe], optimize="efficiency", gpu=False)
            )
            config["paths"].update(train=f"{folder}/train.spacy", dev=f"{folder}/dev.spacy")
            config["training"].update(max_epochs=1, eval_frequency=100)
            config["training"]["batcher"]["size"] = 1000
            config.to_disk(Path(folder) / f"{name}.cfg")
        for _ in range(rounds):
            for name, measured in rates.items():
                command = [sys.executable, "-m", "spacy", "train", f"{folder}/{name}.cfg"]
                begin = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True, env=os.environ)
                measured.append(sum(map(len, docs)) / (time.perf_counter() - begin))
    return {f"`spacy train`, {sum(map(len, docs)):,} tokens": rates}
