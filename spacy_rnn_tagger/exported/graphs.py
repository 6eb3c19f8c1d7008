"""The network as ONNX graphs, with the operators' own recurrent cells.

ONNX's cells take the gates in another order than torch's, and two biases of which one is zero.
A reversed direction begins at each sequence's own end, as ours does.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from thinc.model import Model

from ..layers.characters import PAD
from ..layers.maxout import EPSILON, PIECES

_OPSET = 17
# The newest format that onnxruntime 1.18 reads.
_IR_VERSION = 9
_FLOAT, _INT = TensorProto.FLOAT, TensorProto.INT64
# Of each cell: ONNX's operator, its gates by their places in ours, and its further attributes.
_CELLS: dict[str, tuple[str, tuple[int, ...], dict[str, int]]] = {
    "lstm": ("LSTM", (0, 3, 1, 2), {}),  # input, output, forget, candidate
    "gru": ("GRU", (1, 0, 2), {"linear_before_reset": 1}),  # update, reset, new
    "elman": ("RNN", (0,), {}),
}


class Graph:
    """A graph that grows by a node at a time."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: int, shape: Sequence[str | int]) -> str:
        """Declare an input."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def weight(self, array: NDArray[Any]) -> str:
        """Add a constant."""
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, and name its first output."""
        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def model(self, output: str, shape: Sequence[str | int]) -> onnx.ModelProto:
        """Close the graph; its output is called "Y"."""
        self._nodes.append(helper.make_node("Identity", [output], ["Y"], name="Y"))
        outputs = [helper.make_tensor_value_info("Y", _FLOAT, shape)]
        graph = helper.make_graph(self._nodes, "network", self._inputs, outputs, self._weights)
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        return model


def scorer_graph(rnn: Model[Any, Any], emissions: Model[Any, Any]) -> onnx.ModelProto:
    """Write down the recurrent layers and the linear map to the scores of tags.

    Inputs: X, padded, *Shape:* (T, B, W), and lengths, *Shape:* (B,). Output: *Shape:* (T, B, K).
    """
    graph = Graph()
    X = graph.input("X", _FLOAT, ["T", "B", rnn.get_dim("nI")])
    lengths = graph.input("lengths", TensorProto.INT32, ["B"])
    directions = ("forward", "backward") if rnn.attrs["bidirectional"] else ("forward",)
    operator, order, options = _CELLS[rnn.attrs["cell"]]
    H, width = rnn.get_dim("nH"), rnn.get_dim("nO")
    merged = graph.weight(np.array([0, 0, width], dtype=np.int64))
    for layer in range(rnn.attrs["depth"]):

        def stacked(kind: str, layer: int = layer) -> NDArray[np.float32]:
            """Put the gates of both directions into ONNX's order."""
            arrays = [rnn.get_param(f"{kind}_{direction}_{layer}") for direction in directions]
            gates = [np.split(array, len(order)) for array in arrays]
            return np.stack([np.concatenate([own[gate] for gate in order]) for own in gates])

        bias = stacked("b")
        states = graph.node(
            operator,
            X,
            graph.weight(stacked("W")),
            graph.weight(stacked("U")),
            graph.weight(np.concatenate([bias, np.zeros_like(bias)], axis=1)),
            lengths,
            hidden_size=H,
            direction="bidirectional" if len(directions) == 2 else "forward",
            **options,
        )
        # From (T, directions, B, H) to (T, B, directions * H).
        X = graph.node("Reshape", graph.node("Transpose", states, perm=[0, 2, 1, 3]), merged)
    scores = graph.node("MatMul", X, graph.weight(emissions.get_param("W").T))
    scores = graph.node("Add", scores, graph.weight(emissions.get_param("b")))
    return graph.model(scores, ["T", "B", emissions.get_dim("nO")])


def words_graph(embed: Model[Any, Any]) -> onnx.ModelProto:
    """Write down what `LexemeEmbed.v1` computes of each distinct word.

    Inputs: rows of the hashed tables, *Shape:* (U, attributes, 4); where they are used, rows of the
    characters, *Shape:* (U, L), and vectors, *Shape:* (U, D). Output: *Shape:* (U, W).
    """
    graph = Graph()
    tables = nodes(embed, "hashembed")
    rows = graph.input("rows", _INT, ["U", len(tables), 4])
    axis = graph.weight(np.array([1], dtype=np.int64))
    parts = []
    for i, table in enumerate(tables):
        own = graph.node("Gather", rows, graph.weight(np.array(i, dtype=np.int64)), axis=1)
        found = graph.node("Gather", graph.weight(table.get_param("E")), own)
        parts.append(graph.node("ReduceSum", found, axis, keepdims=0))
    parts += [_characters(graph, node) for node in nodes(embed, "characters")]
    for linear in nodes(embed, "linear"):
        vectors = graph.input("vectors", _FLOAT, ["U", linear.get_dim("nI")])
        product = graph.node("MatMul", vectors, graph.weight(linear.get_param("W").T))
        parts.append(graph.node("Add", product, graph.weight(linear.get_param("b"))))
    [maxout] = nodes(embed, "maxout_norm")
    W, b, G, shift = (maxout.get_param(name) for name in ("W", "b", "G", "shift"))
    width = maxout.get_dim("nO")
    X = graph.node("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    pieces = graph.node("Add", graph.node("MatMul", X, graph.weight(W.T)), graph.weight(b))
    shape = graph.weight(np.array([-1, PIECES, width], dtype=np.int64))
    largest = graph.node("ReduceMax", graph.node("Reshape", pieces, shape), axes=[1], keepdims=0)
    normal = graph.node(
        "LayerNormalization", largest, graph.weight(G), graph.weight(shift), epsilon=EPSILON
    )
    return graph.model(normal, ["U", width])


def _characters(graph: Graph, node: Model[Any, Any]) -> str:
    E, W, b = (node.get_param(name) for name in ("E", "W", "b"))
    rows = graph.input("characters", _INT, ["U", "L"])
    chars = graph.node("Transpose", graph.node("Gather", graph.weight(E), rows), perm=[0, 2, 1])
    side = W.shape[2] // 2
    windows = graph.node("Conv", chars, graph.weight(W), graph.weight(b), pads=[side, side])
    is_pad = graph.node("Equal", rows, graph.weight(np.array(PAD, dtype=np.int64)))
    is_pad = graph.node("Unsqueeze", is_pad, graph.weight(np.array([1], dtype=np.int64)))
    lowest = graph.weight(np.array(-np.inf, dtype=np.float32))
    windows = graph.node("Where", is_pad, lowest, windows)
    return graph.node("ReduceMax", windows, axes=[2], keepdims=0)


def nodes(model: Model[Any, Any], name: str) -> list[Model[Any, Any]]:
    """Find the nodes of a name below a model, in their order."""
    return [node for node in model.walk() if node.name == name]
