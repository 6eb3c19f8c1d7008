"""From one flat array of all tokens to a padded block and back, in either reading direction."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from ..types import IntArray


class Padding:
    """The index arithmetic of a batch, whose docs are padded to the longest of them.

    Both directions read a doc from its own first step: padding comes after it and never reaches a
    state that is used, hence a doc has the same scores alone and in any batch.

    lengths: tokens of each doc; a doc without any has no column in the block.

    Attributes:
        shape: T and B, of the block.
        n_tokens: N.
        sources: for reading forward and backward, the flat row that stands at each place of the
            block; after its end a doc's last row is repeated (backward: its first).
            *Shape:* (T * B,) each.
        places: for reading forward and backward, where each row stands. *Shape:* (N,) each.
    """

    def __init__(self, lengths: Sequence[int], device: torch.device | None = None) -> None:
        def move(array: IntArray) -> Tensor:
            return torch.from_numpy(array).to(device)

        sizes = np.asarray([length for length in lengths if length], dtype=np.int64)
        starts = np.cumsum(sizes) - sizes
        T, B = sizes.max(initial=0), len(sizes)
        self.shape = (int(T), B)
        self.n_tokens = int(sizes.sum())
        step = np.minimum(np.arange(T)[:, None], sizes - 1)
        self.sources = tuple(
            move((starts + distance).ravel()) for distance in (step, sizes - 1 - step)
        )
        column = np.repeat(np.arange(B), sizes)
        distance = np.arange(self.n_tokens) - starts[column]
        self.places = tuple(
            move(distance * B + column) for distance in (distance, sizes[column] - 1 - distance)
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
