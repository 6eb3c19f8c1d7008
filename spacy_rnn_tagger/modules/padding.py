"""From one flat array of all tokens to a padded block and back, in either reading direction."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Padding:
    """The layout of a batch on a device, and both ways through it.

    Args:
        shape: T and B, of the block.
        sources: For reading forward and backward, the row at each place of the block. (T * B,) each
        places: For reading forward and backward, the place of each row. (N,) each
        device: Where the rows are; the CPU if None.
        steps: Steps of each call of a kernel, T in all; a single call if there are none.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        sources: Sequence[NDArray[np.int64]],
        places: Sequence[NDArray[np.int64]],
        device: torch.device | None = None,
        steps: Sequence[int] = (),
    ) -> None:
        self.shape = shape
        self.steps = steps
        self.sources, self.places = (
            tuple(torch.from_numpy(order).to(device) for order in orders)
            for orders in (sources, places)
        )

    def pad(self, flat: Tensor, *, backward: bool = False) -> Tensor:
        """Lay rows out as a block, whose padding repeats rows: (N, X) to (T, B, X)."""
        return flat.index_select(0, self.sources[backward]).view(*self.shape, flat.shape[1])

    def pad_with_zeros(self, flat: Tensor, *, backward: bool = False) -> Tensor:
        """Lay gradients out as a block; that of padding is zero: (N, X) to (T, B, X)."""
        padded = flat.new_zeros(*self.shape, flat.shape[1])
        padded.view(-1, flat.shape[1]).index_copy_(0, self.places[backward], flat)
        return padded

    def unpad(self, padded: Tensor, *, backward: bool = False, out: Tensor | None = None) -> Tensor:
        """Undo `pad`: from (T, B, X) to (N, X); into `out`, if there is one."""
        return torch.index_select(padded.flatten(0, 1), 0, self.places[backward], out=out)
