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

import os
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .padding import Padding

# The threads of torch's pool don't survive a fork: a child that hands work to them waits for ever.
# With one thread it never does, and the workers of `nlp.pipe(n_process=...)` share the cores.
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))

# Gates of each cell, in the order in which the kernels stack them.
GATES = {
    "lstm": ("input", "forget", "candidate", "output"),
    "gru": ("reset", "update", "new"),
    "elman": ("hidden",),
}


class Weights(NamedTuple):
    """One direction of one layer.

    W: input weights, gates stacked. *Shape:* (G * H, input width).
    U: recurrent weights. *Shape:* (G * H, H).
    b: bias, one vector a gate. *Shape:* (G * H,).
    """

    W: Tensor
    U: Tensor
    b: Tensor


def run_direction(
    cell: str, X: Tensor, weights: Weights, dtype: torch.dtype | None = None
) -> Tensor:
    """Run one cell over padded sequences from a zero state.

    X: input. *Shape:* (T, B, input width).
    dtype: what the kernel computes in; that of the input if None.

    RETURNS: the hidden state after each step, in the input's type. *Shape:* (T, B, H).
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
    masks: Sequence[Tensor],
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Run the layers one above the other; a layer with two directions concatenates them.

    X: input, all tokens of all docs. *Shape:* (N, W).
    layers: for each layer the weights of its one or two directions.
    masks: dropout masks, already scaled, for the input and for each layer's output; empty
        in prediction. *Shape:* (N, width) each.
    dtype: what the kernels compute in; that of the input if None.

    RETURNS: hidden states of the last layer. *Shape:* (N, H * directions).
    """
    if masks:
        X = X * masks[0]
    for depth, directions in enumerate(layers):
        states = [
            [run_direction(cell, block, weights, dtype) for block in padding.pad(X, backward=back)]
            for back, weights in zip((False, True), directions, strict=False)
        ]
        X = padding.unpad(*states)
        if masks:
            X = X * masks[depth + 1]
    return X
