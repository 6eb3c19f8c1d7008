"""Where each token of a batch stands in a padded block, in either reading direction."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arrays import IntArray


class Layout(NamedTuple):
    """The index arithmetic of a batch whose docs are padded to the longest of them.

    Both directions read a doc from its own first step: padding comes after it and never reaches a
    state that is used. So a doc has the same scores alone and in any batch.

    Attributes:
        shape: T and B, of the block.
        sizes: Tokens of each column. (B,)
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

        Args:
            lengths: Tokens of each doc; a doc without any has no column in the block.

        Returns:
            The layout.
        """
        sizes = np.asarray([n for n in lengths if n], dtype=np.int64)
        starts = np.cumsum(sizes) - sizes
        T, B = int(sizes.max(initial=0)), len(sizes)
        step = np.minimum(np.arange(T)[:, None], sizes - 1)
        forward, backward = ((starts + own).ravel() for own in (step, sizes - 1 - step))
        column = np.repeat(np.arange(B), sizes)
        distance = np.arange(sizes.sum()) - starts[column]
        places = distance * B + column, (sizes[column] - 1 - distance) * B + column
        return cls((T, B), sizes, (forward, backward), places)
