"""From one flat array of all tokens to a padded block and back, in either reading direction."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd import Function


class Padding:
    """The layout of a batch on a device, and both ways through it.

    Args:
        shape: T and B, of the block.
        sources: For reading forward and backward, the row at each place of the block. (T * B,) each
        places: For reading forward and backward, the place of each row. (N,) each
        device: Where the rows are; the CPU if None.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        sources: Sequence[NDArray[np.int64]],
        places: Sequence[NDArray[np.int64]],
        device: torch.device | None = None,
    ) -> None:
        self.shape = shape
        self.sources, self.places = (
            tuple(torch.from_numpy(order).to(device) for order in orders)
            for orders in (sources, places)
        )

    def pad(self, flat: Tensor, *, backward: bool = False) -> Tensor:
        """Lay rows (N, X) out as (T, B, X)."""
        padded: Tensor = _Pad.apply(self, flat, backward)
        return padded

    def unpad(self, padded: Tensor, *, backward: bool = False) -> Tensor:
        """Undo `pad`: from (T, B, X) to (N, X)."""
        flat: Tensor = _Unpad.apply(self, padded, backward)
        return flat


class _Pad(Function):
    """Padding has no gradient, so that of each row comes from one place."""

    @staticmethod
    def forward(ctx: Any, padding: Padding, flat: Tensor, backward: bool) -> Tensor:
        ctx.places = padding.places[backward]
        return flat.index_select(0, padding.sources[backward]).view(*padding.shape, flat.shape[1])

    @staticmethod
    def backward(ctx: Any, d_padded: Tensor) -> tuple[None, Tensor, None]:
        return None, d_padded.flatten(0, 1).index_select(0, ctx.places), None


class _Unpad(Function):
    @staticmethod
    def forward(ctx: Any, padding: Padding, padded: Tensor, backward: bool) -> Tensor:
        ctx.places, ctx.shape = padding.places[backward], padded.shape
        return padded.flatten(0, 1).index_select(0, ctx.places)

    @staticmethod
    def backward(ctx: Any, d_flat: Tensor) -> tuple[None, Tensor, None]:
        d_padded = d_flat.new_zeros(ctx.shape)
        d_padded.view(-1, ctx.shape[2]).index_copy_(0, ctx.places, d_flat)
        return None, d_padded, None
