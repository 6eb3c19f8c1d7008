"""The recurrent stack: cells by torch's fused kernels, one direction per call.

On a CPU, the two directions of a layer are computed side by side, unless little is predicted. A
kernel takes one small step after another, and to share each of them out among threads costs more
than it gains; the directions don't wait for one another.

Equations, with x the input, h the last hidden state, s the logistic function, * elementwise,
and one bias vector b for each gate:

elman (Elman 1990)
    h' = tanh(W x + U h + b)
lstm (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000)
    i = s(Wi x + Ui h + bi)        input gate
    f = s(Wf x + Uf h + bf)        forget gate
    g = tanh(Wg x + Ug h + bg)     candidate
    o = s(Wo x + Uo h + bo)        output gate
    c' = f * c + i * g,  h' = o * tanh(c')
gru (Cho et al. 2014, in the form that cuDNN computes: the reset gate acts on U h)
    r = s(Wr x + Ur h + br)        reset gate
    z = s(Wz x + Uz h + bz)        update gate
    n = tanh(Wn x + r * (Un h) + bn)
    h' = (1 - z) * n + z * h
"""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import NoReturn, TypeAlias

import numpy as np
import torch
from torch import Tensor

from .padding import Padding
from .side_by_side import pays_side_by_side, run_one_by_one, run_side_by_side
from .weights import Packed, Weights

# Gates of each cell, in the order in which the kernels stack them.
GATES = {
    "lstm": ("input", "forget", "candidate", "output"),
    "gru": ("reset", "update", "new"),
    "elman": ("hidden",),
}


def run_direction(
    cell: str,
    X: Tensor,
    weights: Weights | Packed,
    dtype: torch.dtype | None = None,
    steps: Sequence[int] = (),
) -> Tensor:
    """Run one cell over padded sequences from a zero state.

    Args:
        cell: "lstm", "gru" or "elman".
        X: Input. (T, B, input width)
        weights: The weights, which may be packed if there is no `dtype`.
        dtype: What the kernel computes in; that of the input if None.
        steps: Steps of each call of the kernel, T in all; a single call if there are none. The
            states are the same.

    Returns:
        The hidden state after each step, in the input's type. (T, B, H)
    """
    if isinstance(weights, Packed):
        run = weights.run
    elif dtype is not None:
        return run_direction(cell, X.to(dtype), weights.to(dtype), steps=steps).to(X.dtype)
    else:
        run = partial(_run_kernel, cell, weights)
    states = [X.new_zeros(1, X.shape[1], weights.width)] * (2 if cell == "lstm" else 1)
    if len(steps) < 2:
        return run(X, states)[0]
    outputs = X.new_empty(*X.shape[:2], weights.width)
    for part, output in zip(X.split(steps), outputs.split(steps), strict=True):
        output[:], *states = run(part, states)
    return outputs


def _run_kernel(cell: str, weights: Weights, X: Tensor, states: list[Tensor]) -> tuple[Tensor, ...]:
    """Compute the state after each step, (T, B, H), and the cell's after the last, (1, B, H)."""
    # The kernels add two bias vectors. One is ours, the other stays zero.
    params = [weights.W, weights.U, weights.b, torch.zeros_like(weights.b)]
    # cuDNN keeps what the backward pass needs only if it is told that this is training.
    train = torch.is_grad_enabled()
    options = (True, 1, 0.0, train, False, False)  # biases, layers, dropout, train, bi, batch first
    if cell == "lstm":
        return torch.lstm(X, states, params, *options)
    run = torch.gru if cell == "gru" else torch.rnn_tanh
    return run(X, states[0], params, *options)


# From the gradient of a layer's output to those of its input and of each direction's weights.
Backprop: TypeAlias = Callable[[Tensor], tuple[Tensor, list[Weights]]]


def run_stack(
    cell: str,
    X: Tensor,
    padding: Padding,
    layers: Sequence[Sequence[Weights | Packed]],
    dropout: float = 0.0,
    dtype: torch.dtype | None = None,
    *,
    is_train: bool = False,
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, list[list[Weights]]]]]:
    """Run the layers one above the other; a layer with two directions concatenates them.

    Args:
        cell: "lstm", "gru" or "elman".
        X: Input, all tokens of all docs. (N, W)
        padding: Where the tokens are in a block.
        layers: For each layer the weights of its one or two directions; packed ones only predict.
        dropout: Rate for the input and for each layer's output (Srivastava et al. 2014).
        dtype: What the kernels compute in; that of the input if None.
        is_train: Whether there is a way back.

    Returns:
        Hidden states of the last layer, (N, H * directions), and the way back: from the gradient
        of the states to those of the input, (N, W), and of all weights.
    """
    X, undo_dropout = _dropped(X, dropout)
    undone, ways_back = [undo_dropout], []
    for directions in layers:
        X, backprop_layer = _run_layer(cell, X, padding, directions, dtype, is_train)
        X, undo_dropout = _dropped(X, dropout)
        undone.append(undo_dropout)
        ways_back.append(backprop_layer)

    def backprop(dX: Tensor) -> tuple[Tensor, list[list[Weights]]]:
        gradients = []
        for backprop_layer, undo in zip(reversed(ways_back), reversed(undone[1:]), strict=True):
            dX, d_weights = backprop_layer(undo(dX))
            gradients.append(d_weights)
        return undone[0](dX), gradients[::-1]

    return X, backprop


def _run_layer(
    cell: str,
    X: Tensor,
    padding: Padding,
    directions: Sequence[Weights | Packed],
    dtype: torch.dtype | None,
    is_train: bool,
) -> tuple[Tensor, Backprop]:
    """Run the directions of one layer, each into its half of the states."""
    outputs = X.new_empty(len(X), sum(weights.width for weights in directions))
    calls = [
        partial(_run_flat, cell, X, padding, weights, dtype, is_train, backward, half)
        for backward, weights, half in zip(
            (False, True), directions, outputs.chunk(len(directions), dim=1), strict=False
        )
    ]
    run_all = run_side_by_side if pays_side_by_side(X, is_train=is_train) else run_one_by_one
    ways_back = run_all(calls)

    def backprop(d_states: Tensor) -> tuple[Tensor, list[Weights]]:
        parts = d_states.chunk(len(ways_back), dim=1)
        results = run_all([partial(way, part) for way, part in zip(ways_back, parts, strict=True)])
        d_inputs, d_weights = zip(*results, strict=True)
        return reduce(torch.add, d_inputs), list(d_weights)

    return outputs, backprop


def _run_flat(
    cell: str,
    X: Tensor,
    padding: Padding,
    weights: Weights | Packed,
    dtype: torch.dtype | None,
    is_train: bool,
    backward: bool,
    out: Tensor,
) -> Callable[[Tensor], tuple[Tensor, Weights]]:
    """Run one direction over rows, (N, W), and write its states to `out`, (N, H).

    Autograd sees the kernel alone. Each direction has a graph of its own, because the nodes of one
    graph are computed one after the other.
    """
    padded = padding.pad(X, backward=backward)
    with torch.set_grad_enabled(is_train):
        if is_train and isinstance(weights, Weights):
            padded.requires_grad_()
            weights = Weights(*(array.detach().requires_grad_() for array in weights))
        states = run_direction(cell, padded, weights, dtype, padding.steps)
    padding.unpad(states.detach(), backward=backward, out=out)

    def backprop(d_flat: Tensor) -> tuple[Tensor, Weights]:
        d_states = padding.pad_with_zeros(d_flat, backward=backward)
        d_padded, *d_weights = torch.autograd.grad(states, [padded, *weights], d_states)
        return padding.unpad(d_padded, backward=backward), Weights(*d_weights)

    # Without a way back, nothing holds the block's arrays until the other direction has ended.
    return backprop if is_train else _no_way_back


def _no_way_back(d_flat: Tensor) -> NoReturn:
    raise NotImplementedError  # nothing was kept of the states


def _dropped(X: Tensor, rate: float) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Set a share of the numbers to zero and scale up the others, so that the mean is the same.

    On a CPU torch draws a random number for each, in one thread, which takes as long as the cells
    do; sixteen bits for each are enough, and come five times as fast.

    Returns:
        The numbers, and the way back for their gradient.
    """
    if not rate:
        return X, lambda d_dropped: d_dropped
    if X.device.type == "cpu":
        rng = np.random.Generator(np.random.SFC64(np.random.randint(1 << 32, dtype=np.uint64)))
        kept = rng.integers(1 << 16, size=X.shape, dtype=np.uint16) >= round(rate * (1 << 16))
        scale = 1 / (1 - rate) if rate < 1 else 0.0  # 1: as in Thinc, nothing is kept
        mask = torch.from_numpy(np.multiply(kept, scale, dtype=np.float32)).to(X.dtype)
    else:
        mask = torch.dropout(torch.ones_like(X), rate, True)
    return X * mask, lambda d_dropped: d_dropped * mask
