"""From one flat array of all tokens to padded blocks and back, in either reading direction."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from ..types import IntArray

# A block of its own costs as much as this many docs: its steps are work for the kernel, whatever
# their width. Measured with the LSTM of the default config.
_BLOCK_COST = 3
# Tokens of a block at most, unless a doc is longer: so that what is computed of a block stays in
# the processor's cache. A GPU is faster with blocks that are as large as can be.
_BLOCK_SIZE = 8192


class Block:
    """Docs of similar length, padded to the longest of them.

    shape: T and B.
    sources: for reading forward and backward, the flat row that stands at each place of the block;
        after the end of a doc, its last row is repeated (backward: its first). What is computed
        there follows the doc's last step, so it can reach no result. *Shape:* (T * B,) each.
    rows: the flat rows of its tokens. *Shape:* (n,).
    places: for reading forward and backward, where these rows stand. *Shape:* (n,) each.
    """

    def __init__(self, starts: IntArray, lengths: IntArray, device: torch.device | None) -> None:
        def move(array: IntArray) -> Tensor:
            return torch.from_numpy(array).to(device)

        self.shape = (int(lengths[0]), len(lengths))
        step = np.arange(self.shape[0])[:, None]
        inside = step < lengths
        from_start = np.minimum(step, lengths - 1)
        from_end = lengths - 1 - from_start
        column = np.arange(len(lengths))
        self.sources = tuple(move((starts + at).ravel()) for at in (from_start, from_end))
        self.rows = move((starts + step)[inside])
        self.places = (
            move(np.flatnonzero(inside)),
            move((from_end * len(lengths) + column)[inside]),
        )


class Padding:
    """The index arithmetic of a batch.

    Docs are sorted by length and cut into blocks where padding would cost more than a block does.
    Both directions read a doc from its own first step: padding comes after it and never reaches a
    state that is used, hence a doc has the same scores alone and in any batch.

    lengths: tokens of each doc; zero is allowed.
    """

    def __init__(self, lengths: Sequence[int], device: torch.device | None = None) -> None:
        sizes = np.asarray(lengths, dtype=np.int64)
        starts = np.cumsum(sizes) - sizes
        order = np.argsort(-sizes, kind="stable")[: np.count_nonzero(sizes)]
        largest = _BLOCK_SIZE if device is None or device.type == "cpu" else int(sizes.sum())
        self.n_tokens = int(sizes.sum())
        self.blocks = [
            Block(starts[docs], sizes[docs], device)
            for docs in np.split(order, list(_cuts(sizes[order].tolist(), largest)))
            if len(docs)
        ]

    def pad(self, flat: Tensor, *, backward: bool = False) -> list[Tensor]:
        """Lay rows (N, X) out as one (T, B, X) a block."""
        return list(_Pad.apply(self, flat, backward))

    def unpad(self, forward: Sequence[Tensor], backward: Sequence[Tensor] = ()) -> Tensor:
        """Bring blocks (T, B, X) back to rows, with both directions side by side.

        RETURNS: *Shape:* (N, X) or, with the backward direction, (N, 2 X).
        """
        result: Tensor = _Unpad.apply(self, *forward, *backward)
        return result

    def read(self, flat: Tensor, backward: bool) -> list[Tensor]:
        """Compute what `pad` returns."""
        return [
            flat.index_select(0, block.sources[backward]).view(*block.shape, -1)
            for block in self.blocks
        ]

    def write(self, flat: Tensor, padded: Sequence[Tensor], backward: bool) -> None:
        """Put what is in blocks to its rows; padding is left out."""
        for block, states in zip(self.blocks, padded, strict=True):
            rows = states.reshape(-1, flat.shape[1]).index_select(0, block.places[backward])
            flat.index_copy_(0, block.rows, rows)

    def spread(self, flat: Tensor, backward: bool) -> list[Tensor]:
        """Lay rows out as `pad` does, with zeros for padding."""
        found = []
        for block in self.blocks:
            rows = flat.index_select(0, block.rows)
            padded = flat.new_zeros(block.shape[0] * block.shape[1], flat.shape[1])
            padded.index_copy_(0, block.places[backward], rows)
            found.append(padded.view(*block.shape, -1))
        return found


class _Pad(Function):
    """The gradient of padding is zero, so each row has one place that its gradient comes from."""

    @staticmethod
    def forward(ctx: Any, padding: Padding, flat: Tensor, backward: bool) -> tuple[Tensor, ...]:
        ctx.padding, ctx.reversed, ctx.shape = padding, backward, flat.shape
        return tuple(padding.read(flat, backward))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None]:
        d_flat = gradients[0].new_empty(ctx.shape)
        ctx.padding.write(d_flat, gradients, ctx.reversed)
        return None, d_flat, None


class _Unpad(Function):
    @staticmethod
    def forward(ctx: Any, padding: Padding, *padded: Tensor) -> Tensor:
        n_blocks = len(padding.blocks)
        ctx.padding, ctx.n_directions = padding, len(padded) // n_blocks
        width = padded[0].shape[2]
        flat = padded[0].new_empty(padding.n_tokens, width * ctx.n_directions)
        for direction in range(ctx.n_directions):
            columns = flat[:, direction * width : (direction + 1) * width]
            own = padded[direction * n_blocks : (direction + 1) * n_blocks]
            padding.write(columns, own, bool(direction))
        return flat

    @staticmethod
    def backward(ctx: Any, d_flat: Tensor) -> tuple[Tensor | None, ...]:
        parts = d_flat.chunk(ctx.n_directions, dim=1)
        found = (ctx.padding.spread(part, bool(d)) for d, part in enumerate(parts))
        return None, *(block for blocks in found for block in blocks)


def _cuts(lengths: list[int], largest: int) -> Iterator[int]:
    """Find where blocks begin, but the first, in falling lengths."""
    begin, padding = 0, 0
    for i, length in enumerate(lengths):
        padding += lengths[begin] - length
        if padding > _BLOCK_COST * length or (
            i > begin and (i + 1 - begin) * lengths[begin] > largest
        ):
            yield i
            begin, padding = i, 0
