"""The layers of a model that hold parameters, as rows of a table."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from thinc.model import Model
from thinc.shims import Shim

# What a row is called; layers of other names keep theirs.
_TITLES = {
    "embed": "embedding",
    "emissions": "output",
    "tag_output": "transitions",
    "hashembed": "hash embedding",
    "maxout_norm": "maxout, normalised",
}


class Row(NamedTuple):
    """A layer, the shape of its output, and the number of its parameters."""

    layer: str
    shape: str
    parameters: int


def rows(model: Model[Any, Any]) -> Iterator[Row]:
    """List the layers that hold parameters, in the order of computation.

    Of an exported network, these are the layers that are in its graphs.
    """
    for node in model.walk(order="dfs_pre"):
        own = {name: node.get_param(name) for name in node.param_names if node.has_param(name)}
        size = sum(int(array.size) for array in own.values())
        size += sum(weights.numel() for shim in node.shims for weights in _weights(shim))
        if node.name == "rnn":
            yield from _rnn_rows(node, own)
        elif "graph" in node.attrs:
            yield from _graph_rows(node)
        elif size:
            yield Row(_TITLES.get(node.name, node.name), _shape(node), size)
        elif node.name == "one_hot":
            yield Row("one-hot", _shape(node), 0)


def _weights(shim: Shim) -> list[Any]:
    """List the weights of a torch module in a layer from another package."""
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


def _graph_rows(node: Model[Any, Any]) -> Iterator[Row]:
    """Read the rows that were noted at the export; ONNX itself has no names for layers."""
    for layer, shape, parameters in node.attrs.get("layers", ()):
        yield Row(f"{layer} (ONNX)", shape, parameters)
    if not node.attrs.get("layers"):  # exported before they were noted
        yield Row(f"ONNX graph of {len(node.attrs['graph']):,} bytes", _shape(node), 0)


def _shape(node: Model[Any, Any]) -> str:
    width = node.maybe_get_dim("nO")
    return f"(tokens, {width})" if width is not None else "-"
