"""Where each token of a batch stands in a padded block, in either reading direction."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arrays import IntArray

# Sides of a block up to twice this number are as long as they have to be; there are as many lengths
# between one power of two and the next.
_STEPS = 8


class Layout(NamedTuple):
    """The index arithmetic of a batch whose docs are padded to the longest of them.

    Both directions read a doc from its own first step: padding comes after it and never reaches a
    state that is used. So a doc has the same scores alone and in any batch.

    Attributes:
        shape: T and B, of the block.
        sizes: Tokens of each column; a column that is nothing but padding has one. (B,)
        sources: For reading forward and backward, the flat row that stands at each place of the
            block; after its end a doc's last row is repeated (backward: its first). (T * B,) each
        places: For reading forward and backward, where each row stands. (N,) each
    """

    shape: tuple[int, int]
    sizes: IntArray
    sources: tuple[IntArray, IntArray]
    places: tuple[IntArray, IntArray]

    @classmethod
    def of(cls, lengths: Sequence[int]) -> "Layout":
        """Lay docs out.

        A CPU's kernels are compiled for each shape of a block, and kept: 0.2 MB for each, up to
        1,024 of them. So both sides of a block are rounded up, and there are few shapes.

        Args:
            lengths: Tokens of each doc; a doc without any has no column in the block.

        Returns:
            The layout.
        """
        filled = [n for n in lengths if n]
        T, B = _rounded_up(max(filled, default=0)), _rounded_up(len(filled))
        sizes = np.array(filled + [1] * (B - len(filled)), dtype=np.int64)
        starts = np.cumsum(sizes) - sizes
        starts[len(filled) :] = 0  # columns of padding repeat the first row
        last = sizes - 1
        step = np.minimum(np.arange(T)[:, None], last)
        forward, backward = (starts + step).ravel(), (starts + last - step).ravel()
        column = np.repeat(np.arange(len(filled)), filled)
        distance = np.arange(len(column)) - starts[column]
        places = distance * B + column, (last[column] - distance) * B + column
        return cls((T, B), sizes, (forward, backward), places)


def _rounded_up(size: int) -> int:
    """Round a side of a block up, by an eighth at most."""
    unit = 1 << max(0, (size - 1).bit_length() - _STEPS.bit_length()) if size else 1
    return -(-size // unit) * unit
