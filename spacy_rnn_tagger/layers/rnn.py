"""The recurrent network as a Thinc layer.

Its weights are Thinc parameters, not hidden in a torch module: they are averaged, saved, loaded
and moved between devices by Thinc's own code, and nothing is ever pickled.
"""

from collections.abc import Callable
from functools import partial

import torch
from thinc.model import Model
from thinc.types import Floats2d, Ragged

from ..errors import check_at_least, check_choice, check_rate
from ..modules.isolation import isolated_forward
from ..modules.padding import Padding
from ..modules.rnn import GATES, run_stack
from ..modules.weights import PackedWeights, Weights, can_pack
from .layout import Layout
from .tensors import as_array, as_tensor


def RNN(  # noqa: N802 - a layer's constructor is written like a class in Thinc
    *,
    cell: str,
    hidden_width: int,
    depth: int,
    bidirectional: bool,
    dropout: float,
    mixed_precision: bool,
) -> Model[Ragged, Ragged]:
    """Create a stack of recurrent layers.

    Input rows are (N, nI), where nI is inferred; output rows (N, nO), where nO is `hidden_width`
    times the number of directions.

    Args:
        cell: "lstm", "gru" or "elman"; `modules/rnn.py` has the equations.
        hidden_width: Width of one direction's state.
        depth: Number of layers.
        bidirectional: Read each doc from its end as well.
        dropout: Rate for the input and for each layer's hidden states in training. The rate that
            `nlp.update` is given applies where it is higher.
        mixed_precision: Compute the recurrence in bfloat16 (Kalamkar et al. 2019), whose range is
            that of float32, so that gradients need no scaling: on a GPU, and in the predictions of
            an LSTM on a CPU that has instructions for it (AVX512_BF16). Elsewhere no effect.

    Raises:
        ValueError: The cell is not known, or a number is out of its range.
    """
    check_choice("cell", cell, GATES)
    check_at_least("hidden_width", hidden_width, 1)
    check_at_least("depth", depth, 1)
    check_rate("dropout", dropout)
    names = _parameter_names(depth, bidirectional)
    return Model(
        "rnn",
        partial(_forward, PackedWeights()),
        init=_init,
        params={name: None for layer in names for direction in layer for name in direction},
        dims={"nI": None, "nO": hidden_width * len(names[0]), "nH": hidden_width},
        attrs={
            "cell": cell,
            "depth": depth,
            "bidirectional": bidirectional,
            "dropout": dropout,
            "dropout_rate": 0.0,
            "mixed_precision": mixed_precision,
        },
    )


def _parameter_names(depth: int, bidirectional: bool) -> list[list[list[str]]]:
    """Name the parameters: for each layer, for each direction, those of W, U and b."""
    directions = ("forward", "backward") if bidirectional else ("forward",)
    return [
        [[f"{name}_{direction}_{layer}" for name in Weights._fields] for direction in directions]
        for layer in range(depth)
    ]


@isolated_forward
def _forward(
    packed: PackedWeights, model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    ops = model.ops
    names = _parameter_names(model.attrs["depth"], model.attrs["bidirectional"])
    inputs = as_tensor(X.dataXd)
    layers = [
        [Weights(*(as_tensor(model.get_param(name)) for name in triple)) for triple in directions]
        for directions in names
    ]
    in_calls = not is_train and inputs.device.type == "cpu"
    layout = Layout.of(ops.to_numpy(X.lengths).tolist(), in_calls=in_calls)
    padding = Padding(layout.shape, layout.sources, layout.places, inputs.device, layout.steps)
    dtype = torch.bfloat16 if _narrow_pays(model, inputs.device, is_train) else None
    rate = max(model.attrs["dropout"], model.attrs["dropout_rate"]) if is_train else 0.0
    if not len(inputs):
        empty = Ragged(ops.alloc2f(0, model.get_dim("nO")), X.lengths)
        return empty, lambda dY: Ragged(ops.alloc2f(*inputs.shape), X.lengths)
    cell = model.attrs["cell"]
    packs = cell == "lstm" and not is_train and dtype is None and can_pack(inputs)
    stack = packed.pack(layers) if packs else layers
    outputs, backprop_stack = run_stack(
        cell, inputs, padding, stack, rate, dtype, is_train=is_train
    )

    def backprop(dY: Ragged) -> Ragged:
        dX, gradients = backprop_stack(as_tensor(ops.as_contig(dY.dataXd)))
        for directions, layer in zip(names, gradients, strict=True):
            for triple, weights in zip(directions, layer, strict=True):
                for name, gradient in zip(triple, weights, strict=True):
                    model.inc_grad(name, as_array(gradient))
        return Ragged(as_array(dX), X.lengths)

    return Ragged(as_array(outputs), X.lengths), backprop


def _narrow_pays(model: Model[Ragged, Ragged], device: torch.device, is_train: bool) -> bool:
    """Tell whether bfloat16 is wanted and faster.

    On a CPU torch computes an LSTM in it with AVX-512's instructions; without them, or another
    cell, it takes longer. So does the backward pass over docs of some hundred tokens.
    """
    if not model.attrs["mixed_precision"]:
        return False
    if device.type != "cpu":
        return True
    # Not a public name; older versions of torch don't have it.
    has_instructions = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return model.attrs["cell"] == "lstm" and not is_train and has_instructions()


def _init(model: Model[Ragged, Ragged], X: Ragged | None = None, Y: Ragged | None = None) -> None:
    """Fill W by Glorot and Bengio (2010) and U with an orthogonal matrix (Saxe et al. 2014) a gate.

    The bias is zero, but for the forget gate's, which is one (Jozefowicz et al. 2015).
    """
    if X is not None:
        model.set_dim("nI", X.dataXd.shape[1])
    ops, H = model.ops, model.get_dim("nH")
    gates = GATES[model.attrs["cell"]]
    width = model.get_dim("nI")
    for directions in _parameter_names(model.attrs["depth"], model.attrs["bidirectional"]):
        for W, U, b in directions:
            bound = (6.0 / (width + H)) ** 0.5
            model.set_param(W, _uniform(model, (len(gates) * H, width), bound))
            model.set_param(
                U, ops.xp.concatenate([_orthogonal(model, H) for _ in gates]).astype("float32")
            )
            bias = ops.alloc1f(len(gates) * H)
            if "forget" in gates:
                at = gates.index("forget") * H
                bias[at : at + H] = 1.0
            model.set_param(b, bias)
        width = model.get_dim("nO")


def _uniform(model: Model[Ragged, Ragged], shape: tuple[int, int], bound: float) -> Floats2d:
    xp = model.ops.xp
    return model.ops.asarray2f(xp.random.uniform(-bound, bound, shape).astype("float32"))


def _orthogonal(model: Model[Ragged, Ragged], width: int) -> Floats2d:
    xp = model.ops.xp
    Q, R = xp.linalg.qr(xp.random.normal(0.0, 1.0, (width, width)))
    return Q * xp.sign(xp.diag(R))
