"""The pipelines that are compared, and the floor below them: torch's LSTM and nothing else."""

from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import spacy
import torch
from spacy.cli.init_config import init_config
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_config, load_model_from_config
from thinc.api import Config, fix_random_seed

from spacy_rnn_tagger.layers.blocks import CPU, find_blocks

from .packed import pack
from .texts import batches, examples

DEFAULT, SPACY, PACKED = "rnn_ner", "spaCy ner", "rnn_ner, packed"
_WIDTH, _HIDDEN = 96, 128  # of the default config's embed and of one direction


def rnn_ner(**model: Any) -> Callable[[], Language]:
    """Make the default component, or with some settings of its model changed.

    Its optimizer is that of `spacy rnn init-config`.
    """

    def make() -> Language:
        nlp = spacy.blank("en")
        nlp.add_pipe("rnn_ner", config={"model": model})
        nlp.config["training"]["optimizer"]["@optimizers"] = "spacy_rnn_tagger.Adam.v1"
        return nlp

    return make


def from_config(path: Path) -> Callable[[], Language]:
    """Make the pipeline of a config file."""

    def make() -> Language:
        config = load_config(path, interpolate=False)
        config["initialize"] = {}
        return load_model_from_config(config, auto_fill=True)

    return make


def spacy_ner(encode: dict[str, Any] | None = None) -> Callable[[], Language]:
    """Make `tok2vec` and `ner` of spaCy's default CPU config, or with another encoder."""

    def make() -> Language:
        config = Config(init_config(lang="en", pipeline=["ner"], optimize="efficiency", gpu=False))
        if encode is not None:
            config["components"]["tok2vec"]["model"]["encode"] = encode
        return load_model_from_config(config, auto_fill=True)

    return make


def packed() -> Language:
    """Make the default component with torch's packed sequences in the place of our padding."""
    nlp = rnn_ner()()
    pack(nlp.get_pipe("rnn_ner").model)
    return nlp


TRAINED: dict[str, Callable[[], Language]] = {
    DEFAULT: rnn_ner(),
    "rnn_ner, softmax": rnn_ner(decoder="softmax"),
    "rnn_ner, GRU": rnn_ner(cell="gru"),
    "tutorial.cfg": from_config(Path("configs/tutorial.cfg")),
    SPACY: spacy_ner(),
    "spaCy ner, BiLSTM": spacy_ner(
        {"@architectures": "spacy.TorchBiLSTMEncoder.v1", "width": 96, "depth": 1, "dropout": 0.0}
    ),
}


def trained(make: Callable[[], Language], docs: Sequence[Doc], n_steps: int = 20) -> Language:
    """Initialise a pipeline and train it a little, so that it finds entities."""
    fix_random_seed(0)
    nlp = make()
    data = examples(nlp, docs[:400])
    optimizer = nlp.initialize(lambda: data)
    for batch in islice(cycle(batches(data, 1000)), n_steps):
        nlp.update(batch, sgd=optimizer)
    return nlp


def floors(lengths: Sequence[int], batch_size: int) -> dict[str, Callable[[], int]]:
    """Make the bare LSTM of the default config, forward, padded: each form that may be fastest.

    One bidirectional call or two calls, one for each direction (what reversing costs is left out);
    the docs of a batch in one block, or in blocks of like length as `rnn_ner` cuts them.
    """
    both = torch.nn.LSTM(_WIDTH, _HIDDEN, bidirectional=True)
    single = [torch.nn.LSTM(_WIDTH, _HIDDEN) for _ in range(2)]
    forms: dict[str, Callable[[], int]] = {}
    for cut, shapes in (
        ("one block", [_shape(batch) for batch in _in_batches(lengths, batch_size)]),
        (
            "blocks",
            [
                _shape([batch[i] for i in block])
                for batch in _in_batches(lengths, batch_size)
                for block in find_blocks(batch, CPU.predict, CPU)
            ],
        ),
    ):
        inputs = [torch.randn(*shape, _WIDTH) for shape in shapes]
        for name, layers in (("bidirectional", [both]), ("two calls", single)):
            forms[f"{name}, {cut}"] = _run(layers, inputs, sum(lengths))
    return forms


def _run(
    layers: Sequence[torch.nn.Module], inputs: list[torch.Tensor], n_tokens: int
) -> Callable[[], int]:
    @torch.no_grad()
    def run() -> int:
        for block in inputs:
            for layer in layers:
                layer(block)
        return n_tokens

    return run


def _in_batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    for begin in range(0, len(lengths), size):
        yield list(lengths[begin : begin + size])


def _shape(lengths: Sequence[int]) -> tuple[int, int]:
    return max(lengths), len(lengths)
