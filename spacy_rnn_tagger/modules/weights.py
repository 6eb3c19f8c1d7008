"""Weights of a recurrent layer, and those of an LSTM as oneDNN wants them for predictions."""

from collections.abc import Sequence
from platform import machine
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# Torch's own name for what its compiler calls; not a public one.
_PACK = "_reorder_mkldnn_rnn_layer_weight"
_TRIED = ("x86_64", "AMD64")


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

    @property
    def width(self) -> int:
        """H."""
        return self.U.shape[1]

    def to(self, dtype: torch.dtype) -> "Weights":
        """Convert to a type."""
        return Weights(*(array.to(dtype) for array in self))


class Packed(NamedTuple):
    """One direction of one layer, packed; it can't be trained.

    Attributes:
        weights: W and U in a layout of oneDNN's own, b as it was.
        width: H.
    """

    weights: Weights
    width: int

    def run(self, X: Tensor, states: list[Tensor]) -> tuple[Tensor, ...]:
        """Compute what `torch.lstm` computes with the same weights, bit by bit.

        Args:
            X: Input. (T, B, input width)
            states: The hidden state and the cell's. (1, B, H) each

        Returns:
            The hidden state after each step, (T, B, H), and both states after the last.
        """
        W, U, b = self.weights
        # In reverse, sizes of batches, mode (LSTM), width, layers, biases, bi, batch first, train
        options = (False, (), 2, self.width, 1, True, False, False, False)
        run = torch.ops.aten.mkldnn_rnn_layer
        outputs, h, c, _ = run(X, W, U, b, torch.zeros_like(b), *states, *options)
        return outputs, h, c


class PackedWeights:
    """The packed weights of a stack of LSTMs.

    `torch.lstm` packs weights in each call, which takes as long as reading twenty tokens. Here
    that is done when they have changed, by training, loading or averaging: they are compared with
    those that were packed last, which takes a fifth of the time.

    What is kept is neither pickled nor copied.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], tuple[Weights, Packed]] = {}

    def __reduce__(self) -> tuple[type["PackedWeights"], tuple[()]]:
        """Start without weights after unpickling or copying."""
        return PackedWeights, ()

    def pack(self, layers: Sequence[Sequence[Weights]]) -> list[list[Packed]]:
        """Pack the weights of all layers and directions, where they are not packed already.

        Args:
            layers: For each layer the weights of its directions, in 32 bits, on the CPU.
        """
        return [
            [self._pack((i, j), weights) for j, weights in enumerate(directions)]
            for i, directions in enumerate(layers)
        ]

    def _pack(self, place: tuple[int, int], weights: Weights) -> Packed:
        kept = self._kept.get(place)
        if kept is None or not _equal(kept[0], weights):
            # Another thread may change them meanwhile.
            weights = Weights(*(array.clone() for array in weights))
            self._kept[place] = kept = weights, _packed(weights)
        return kept[1]


def can_pack(X: Tensor) -> bool:
    """Tell whether torch computes an LSTM with oneDNN here, and lets us pack its weights.

    That was tried on processors of the x86 family alone.
    """
    onednn = torch.backends.mkldnn
    on = X.device.type == "cpu" and onednn.is_available() and bool(onednn.enabled)
    return on and machine() in _TRIED and hasattr(torch.ops.mkldnn, _PACK)


def _packed(weights: Weights) -> Packed:
    W, U, b = weights
    # In reverse, biases, batch first; then the shape of an input: others will do as well.
    options = (False, True, False, [1, 1, W.shape[1]])
    W, U = getattr(torch.ops.mkldnn, _PACK)(W, U, weights.width, *options)
    return Packed(Weights(W, U, b), weights.width)


def _equal(kept: Weights, weights: Weights) -> bool:
    """Compare as NumPy does, which takes a third of torch's time."""
    return all(
        np.array_equal(one.numpy(), other.numpy()) for one, other in zip(kept, weights, strict=True)
    )
