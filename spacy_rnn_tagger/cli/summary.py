"""`spacy rnn summary`: the layers of a pipeline, their output shapes and their parameters."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import spacy
import typer
from rich.console import Console
from rich.table import Table
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.initialize import load_vectors_into_model
from spacy.util import load_config, load_model_from_config
from thinc.model import Model
from thinc.shims import Shim
from wasabi import msg

from ..pipeline import RNNEntityRecognizer
from . import app

# What a row is called; layers of other names keep theirs.
_TITLES = {
    "embed": "embedding",
    "emissions": "output",
    "tag_output": "transitions",
    "hashembed": "hash embedding",
    "maxout_norm": "maxout, normalised",
}
_WORDS = ["Red", "Fort", "is", "in", "Delhi", "."]


class Row(NamedTuple):
    """One layer that has parameters or a shape of its own."""

    layer: str
    shape: str
    parameters: int


@app.command("summary")
def summary_cli(
    source: str = typer.Argument(..., help="A config file, or a pipeline: its folder or package"),
    labels: str = typer.Option(
        "FAC,GPE", "--labels", help="Labels for a config, which has none before training"
    ),
) -> None:
    """Print layer, output shape and parameters of each trainable component."""
    try:
        nlp = load(source, [label.strip() for label in labels.split(",") if label.strip()])
    except (OSError, ValueError, KeyError) as error:
        msg.fail(f"Can't read {source}", str(error), exits=1)
    console = Console()
    for name, component in nlp.pipeline:
        if isinstance(getattr(component, "model", None), Model):
            console.print(_table(name, component))


def load(source: str, labels: list[str]) -> Language:
    """Load a pipeline, or build the untrained one of a config.

    RAISES OSError, ValueError: it can't be read or built.
    """
    if not source.endswith(".cfg"):
        return spacy.load(source)
    # The corpus and the rest of the paths need not be there to build the network; vectors must, for
    # their width is a layer's.
    config = load_config(Path(source), interpolate=False)
    vectors = config.interpolate().get("initialize", {}).get("vectors")
    config["initialize"] = {}
    nlp = load_model_from_config(config, auto_fill=True)
    if vectors is not None:
        load_vectors_into_model(nlp, vectors)
    doc = Doc(nlp.vocab, words=_WORDS, tags=["NN"] * len(_WORDS), sent_starts=[True] + [False] * 5)
    doc.cats = {"POSITIVE": 1.0, "NEGATIVE": 0.0}
    example = Example(Doc(nlp.vocab, words=_WORDS), doc)
    for _, component in nlp.pipeline:
        if isinstance(component, RNNEntityRecognizer):
            component.initialize(lambda: [example], nlp=nlp, labels=labels)
        elif hasattr(component, "initialize"):
            # Without files of its own that are not there, a transformer's pieces among them, a
            # component is left as it was built; the layers that are known are listed all the same.
            with suppress(ValueError):
                component.initialize(lambda: [example], nlp=nlp)
    return nlp


def rows(model: Model[Any, Any]) -> Iterator[Row]:
    """List the layers that hold parameters, in the order of computation."""
    for node in model.walk(order="dfs_pre"):
        own = {name: node.get_param(name) for name in node.param_names if node.has_param(name)}
        size = sum(int(array.size) for array in own.values())
        size += sum(weights.numel() for shim in node.shims for weights in _weights(shim))
        if node.name == "rnn":
            yield from _rnn_rows(node, own)
        elif size:
            yield Row(_TITLES.get(node.name, node.name), _shape(node), size)
        elif node.name == "one_hot":
            yield Row("one-hot", _shape(node), 0)


def _weights(shim: Shim) -> list[Any]:
    """List the weights of a torch module in a layer of somebody else's."""
    parameters = getattr(shim._model, "parameters", None)
    return list(parameters()) if callable(parameters) else []


def _rnn_rows(node: Model[Any, Any], params: dict[str, Any]) -> Iterator[Row]:
    """A row a layer and direction: the cell's name, its width, its weights."""
    cell = node.attrs["cell"]
    title = "Elman" if cell == "elman" else cell.upper()
    for layer in range(node.attrs["depth"]):
        for direction in ("forward", "backward"):
            suffix = f"_{direction}_{layer}"
            size = sum(int(array.size) for key, array in params.items() if key.endswith(suffix))
            if size:
                name = f"{title} {layer + 1}, {direction}"
                yield Row(name, f"(tokens, {node.get_dim('nH')})", size)


def _shape(node: Model[Any, Any]) -> str:
    width = node.maybe_get_dim("nO")
    return f"(tokens, {width})" if width is not None else "-"


def _table(name: str, component: Any) -> Table:
    table = Table(title=f"{name} ({type(component).__name__})", show_footer=True)
    found = list(rows(component.model))
    table.add_column("layer", "total")
    table.add_column("output shape", "")
    table.add_column("parameters", f"{sum(row.parameters for row in found):,}", justify="right")
    for row in found:
        table.add_row(row.layer, row.shape, f"{row.parameters:,}")
    return table
