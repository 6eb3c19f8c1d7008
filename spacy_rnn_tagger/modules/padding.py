"""From one flat array of all tokens to padded blocks and back, in either reading direction."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor


class Block(NamedTuple):
    """Docs of similar length, padded to the longest of them.

    forward: the flat row that stands at each step. *Shape:* (T, B).
    backward: the same with every doc read from its last token to its first. *Shape:* (T, B).
    lengths: tokens of each doc, longest first. *Shape:* (B,).
    docs: which docs of the batch these are. *Shape:* (B,).

    Where a doc has ended, an index repeats the doc's last row (`backward`: its first). What is
    computed there follows the doc's last step, so it can reach no result.
    """

    forward: Tensor
    backward: Tensor
    lengths: Tensor
    docs: Tensor


class Padding:
    """The index arithmetic of a batch, computed once and used by the network and the decoder.

    Docs are sorted by length and cut into blocks where the length halves, so that at most half
    of a block is padding, however mixed the lengths are. Both directions read a doc from its
    own first step: padding comes after it and never reaches a state that is used, hence a doc
    has the same scores alone and in any batch.

    lengths: tokens of each doc; zero is allowed.
    """

    def __init__(self, lengths: Sequence[int], device: torch.device | None = None) -> None:
        sizes = torch.tensor(lengths, dtype=torch.long)
        starts = torch.cumsum(sizes, 0) - sizes
        order = torch.argsort(sizes, descending=True, stable=True)
        order = order[: int((sizes > 0).sum())]
        self.n_docs = len(lengths)
        self.n_tokens = int(sizes.sum())
        self._sizes = sizes
        self._device = device
        self.blocks: list[Block] = []
        forward_position = torch.empty(self.n_tokens, dtype=torch.long)
        backward_position = torch.empty(self.n_tokens, dtype=torch.long)
        offset = 0
        for docs in _split_where_halved(order, sizes):
            length, start = sizes[docs], starts[docs]
            steps = torch.arange(int(length[0])).unsqueeze(1)
            into = torch.minimum(steps, length - 1)
            block = Block(start + into, start + length - 1 - into, length, docs)
            inside = steps < length
            position = offset + torch.arange(inside.numel()).reshape(inside.shape)[inside]
            forward_position[block.forward[inside]] = position
            backward_position[block.backward[inside]] = position
            offset += inside.numel()
            self.blocks.append(Block(*(tensor.to(device) for tensor in block)))
        self._forward_position = forward_position.to(device)
        self._backward_position = backward_position.to(device)

    @cached_property
    def doc_of(self) -> Tensor:
        """The doc of each token. *Shape:* (N,)."""
        return torch.repeat_interleave(self._sizes).to(self._device)

    @cached_property
    def first(self) -> Tensor:
        """The first token of each doc that has any."""
        sizes = self._sizes[self._sizes > 0]
        return (torch.cumsum(sizes, 0) - sizes).to(self._device)

    @cached_property
    def last(self) -> Tensor:
        """The last token of each doc that has any."""
        return (torch.cumsum(self._sizes[self._sizes > 0], 0) - 1).to(self._device)

    def pad(self, flat: Tensor, *, backward: bool = False) -> list[Tensor]:
        """Lay rows (N, X) out as one (T, B, X) a block."""
        return [flat[block.backward if backward else block.forward] for block in self.blocks]

    def unpad(self, padded: Sequence[Tensor], *, backward: bool = False) -> Tensor:
        """Undo `pad`: from one (T, B, X) a block to (N, X)."""
        rows = torch.cat([block.flatten(0, 1) for block in padded])
        return rows[self._backward_position if backward else self._forward_position]


def _split_where_halved(order: Tensor, sizes: Tensor) -> list[Tensor]:
    blocks = []
    while len(order):
        fits = int((sizes[order] * 2 >= sizes[order[0]]).sum())
        blocks.append(order[:fits])
        order = order[fits:]
    return blocks
