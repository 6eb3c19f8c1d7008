"""The recurrent stack: cells by torch's fused kernels, one direction a call.

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

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .padding import Padding

# Gates of each cell, in the order in which the kernels stack them.
GATES = {
    "lstm": ("input", "forget", "candidate", "output"),
    "gru": ("reset", "update", "new"),
    "elman": ("hidden",),
}


class Weights(NamedTuple):
    """One direction of one layer.

    Attributes:
        W: Input weights, gates stacked. (G * H, input width)
        U: Recurrent weights. (G * H, H)
        b: Bias, one vector a gate. (G * H,)
    """

    W: Tensor
    U: Tensor
    b: Tensor


def run_direction(
    cell: str, X: Tensor, weights: Weights, dtype: torch.dtype | None = None
) -> Tensor:
    """Run one cell over padded sequences from a zero state.

    Args:
        X: Input. (T, B, input width)
        dtype: What the kernel computes in; that of the input if None.

    Returns:
        The hidden state after each step, in the input's type. (T, B, H)
    """
    if dtype is not None:
        weights = Weights(*(array.to(dtype) for array in weights))
        return run_direction(cell, X.to(dtype), weights).to(X.dtype)
    state = X.new_zeros(1, X.shape[1], weights.U.shape[1])
    # The kernels add two bias vectors. One is ours, the other stays zero.
    params = [weights.W, weights.U, weights.b, torch.zeros_like(weights.b)]
    # cuDNN keeps what the backward pass needs only if it is told that this is training.
    train = torch.is_grad_enabled()
    options = (True, 1, 0.0, train, False, False)  # biases, layers, dropout, train, bi, batch first
    if cell == "lstm":
        return torch.lstm(X, [state, state], params, *options)[0]
    if cell == "gru":
        return torch.gru(X, state, params, *options)[0]
    return torch.rnn_tanh(X, state, params, *options)[0]


def run_stack(
    cell: str,
    X: Tensor,
    padding: Padding,
    layers: Sequence[Sequence[Weights]],
    dropout: float = 0.0,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Run the layers one above the other; a layer with two directions concatenates them.

    Args:
        X: Input, all tokens of all docs. (N, W)
        layers: For each layer the weights of its one or two directions.
        dropout: Rate for the input and for each layer's output (Srivastava et al. 2014).
        dtype: What the kernels compute in; that of the input if None.

    Returns:
        Hidden states of the last layer. (N, H * directions)
    """
    X = _dropped(X, dropout)
    for directions in layers:
        states = []
        for backward, weights in zip((False, True), directions, strict=False):
            padded = padding.pad(X, backward=backward)
            padded = run_direction(cell, padded, weights, dtype)
            states.append(padding.unpad(padded, backward=backward))
        X = _dropped(torch.cat(states, dim=1), dropout)
    return X


def _dropped(X: Tensor, rate: float) -> Tensor:
    """Set a share of the numbers to zero and scale up the others, so that the mean is the same.

    On a CPU torch draws a random number for each, in one thread, which takes as long as the cells
    do; sixteen bits for each are enough, and come five times as fast.
    """
    if not rate or X.device.type != "cpu":
        return torch.dropout(X, rate, rate > 0)
    rng = np.random.Generator(np.random.SFC64(np.random.randint(1 << 32, dtype=np.uint64)))
    kept = rng.integers(1 << 16, size=X.shape, dtype=np.uint16) >= round(rate * (1 << 16))
    return X * torch.from_numpy(np.multiply(kept, 1 / (1 - rate), dtype=np.float32)).to(X.dtype)
