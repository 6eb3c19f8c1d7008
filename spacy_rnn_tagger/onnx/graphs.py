"""The network as ONNX graphs, with ONNX's own recurrent operators.

ONNX's cells have their gates in another order than torch's, and two biases, one of which is zero
here. Their backward direction starts at the end of each sequence, as ours does.

Shapes: T steps, B sequences, W width of the embedding, H hidden width, K tags, U distinct words, L
characters per word, D width of static vectors.
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
# The newest file format that onnxruntime 1.18 reads.
_IR_VERSION = 9
_FLOAT, _INT = TensorProto.FLOAT, TensorProto.INT64
# For each cell: ONNX's operator, where our layer has its gates, and further attributes.
_CELLS: dict[str, tuple[str, tuple[int, ...], dict[str, int]]] = {
    "lstm": ("LSTM", (0, 3, 1, 2), {}),  # input, output, forget, candidate
    "gru": ("GRU", (1, 0, 2), {"linear_before_reset": 1}),  # update, reset, new
    "elman": ("RNN", (0,), {}),
}


class Graph:
    """A graph that is built node by node. Methods return the names of their results."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: int, shape: Sequence[str | int]) -> str:
        """Declare an input.

        Args:
            name: Its name.
            kind: Its type, from ONNX's `TensorProto`.
            shape: Its dimensions; a name stands for any number.

        Returns:
            The name.
        """
        self._inputs.append(helper.make_tensor_value_info(name, kind, shape))
        return name

    def weight(self, array: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node.

        Args:
            operator: The operator.
            *inputs: The names of its inputs.
            **attributes: Its attributes.

        Returns:
            The name of its first output.
        """
        name = f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def model(self, output: str, shape: Sequence[str | int]) -> onnx.ModelProto:
        """Complete the graph.

        Args:
            output: The name of the result, which becomes the output "Y".
            shape: Its dimensions; a name stands for any number.

        Returns:
            The model.
        """
        self._nodes.append(helper.make_node("Identity", [output], ["Y"], name="Y"))
        outputs = [helper.make_tensor_value_info("Y", _FLOAT, shape)]
        graph = helper.make_graph(self._nodes, "network", self._inputs, outputs, self._weights)
        opsets = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        return model


def scorer_graph(rnn: Model[Any, Any], emissions: Model[Any, Any]) -> onnx.ModelProto:
    """Build the graph of the recurrent layers and the linear layer that scores the tags.

    Its inputs are "X", padded, `(T, B, W)`, and "lengths", `(B,)`. Its output is "Y", `(T, B, K)`.

    Args:
        rnn: The recurrent layers.
        emissions: The linear layer.

    Returns:
        The graph.
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
            """Stack both directions of a parameter, with the gates in ONNX's order."""
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
    """Build the graph of what `LexemeEmbed.v1` computes for each distinct word.

    Its inputs are "rows", the rows of the hashed tables, `(U, attributes, 4)`, and, if the
    embedding uses them, "characters", the rows of the characters, `(U, L)`, and "vectors",
    `(U, D)`. Its output is "Y", `(U, W)`.

    Args:
        embed: The embedding layer.

    Returns:
        The graph.
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
    """List the nodes of a model with a certain name, in the order of `Model.walk`."""
    return [node for node in model.walk() if node.name == name]
