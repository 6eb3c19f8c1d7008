"""Where each token of a batch stands in a padded block, in either reading direction."""

from collections.abc import Sequence

import numpy as np


class Layout:
    """The index arithmetic of a batch, whose docs are padded to the longest of them.

    Both directions read a doc from its own first step: padding comes after it and never reaches a
    state that is used, hence a doc has the same scores alone and in any batch.

    lengths: tokens of each doc; a doc without any has no column in the block.

    Attributes:
        shape: T and B, of the block.
        sizes: tokens of each column. *Shape:* (B,).
        sources: for reading forward and backward, the flat row that stands at each place of the
            block; after its end a doc's last row is repeated (backward: its first).
            *Shape:* (T * B,) each.
        places: for reading forward and backward, where each row stands. *Shape:* (N,) each.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self.sizes = sizes = np.asarray([n for n in lengths if n], dtype=np.int64)
        starts = np.cumsum(sizes) - sizes
        T, B = sizes.max(initial=0), len(sizes)
        self.shape = (int(T), B)
        step = np.minimum(np.arange(T)[:, None], sizes - 1)
        self.sources = tuple((starts + distance).ravel() for distance in (step, sizes - 1 - step))
        column = np.repeat(np.arange(B), sizes)
        distance = np.arange(sizes.sum()) - starts[column]
        self.places = tuple(
            distance * B + column for distance in (distance, sizes[column] - 1 - distance)
        )
