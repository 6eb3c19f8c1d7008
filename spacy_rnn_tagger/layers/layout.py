"""Where each token of a batch stands in a padded block, in either reading direction."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arrays import IntArray

# Sides of a block up to twice this number are as long as they have to be; there are as many lengths
# between one power of two and the next.
_STEPS = 8
# In prediction, there are fewer for the docs of a block of at most `_SMALL` tokens: those numbers
# that `find_blocks` likes. Most shapes are those of the last blocks of batches.
_SMALL_STEPS = 2
_SMALL = 1024
# Steps of a call in prediction at most: long docs need no kernels of their own. Shorter calls would
# take their time, most of all side by side.
_LONGEST = 256


class Layout(NamedTuple):
    """The index arithmetic of a batch whose docs are padded to the longest of them.

    Both directions read a doc from its own first step: padding comes after it and never reaches a
    state that is used. So a doc has the same scores alone and in any batch.

    Attributes:
        shape: T and B, of the block.
        steps: Steps of each call of a kernel, T in all.
        sizes: Tokens of each column; a column that is nothing but padding has one. (B,)
        sources: For reading forward and backward, the flat row that stands at each place of the
            block; after its end a doc's last row is repeated (backward: its first). (T * B,) each
        places: For reading forward and backward, where each row stands. (N,) each
    """

    shape: tuple[int, int]
    steps: list[int]
    sizes: IntArray
    sources: tuple[IntArray, IntArray]
    places: tuple[IntArray, IntArray]

    @classmethod
    def of(cls, lengths: Sequence[int], *, in_calls: bool = False) -> "Layout":
        """Lay docs out.

        A CPU's kernels are compiled for each shape of a block, and kept: 0.17 MB for each, up to
        1,024 of them. So both sides of a block are rounded up, and there are few shapes.

        Args:
            lengths: Tokens of each doc; a doc without any has no column in the block.
            in_calls: Whether kernels can be called several times, as in prediction on a CPU. There
                are fewer shapes then.

        Returns:
            The layout.
        """
        filled = [n for n in lengths if n]
        T, B = max(filled, default=0), len(filled)
        is_small = in_calls and T * B <= _SMALL
        T, B = _rounded_up(T, _STEPS), _rounded_up(B, _SMALL_STEPS if is_small else _STEPS)
        longest = _LONGEST if in_calls else max(T, 1)
        steps = [min(longest, T - start) for start in range(0, T, longest)]
        sizes = np.array(filled + [1] * (B - len(filled)), dtype=np.int64)
        starts = np.cumsum(sizes) - sizes
        starts[len(filled) :] = 0  # columns of padding repeat the first row
        last = sizes - 1
        step = np.minimum(np.arange(T)[:, None], last)
        forward, backward = (starts + step).ravel(), (starts + last - step).ravel()
        column = np.repeat(np.arange(len(filled)), filled)
        distance = np.arange(len(column)) - starts[column]
        places = distance * B + column, (last[column] - distance) * B + column
        return cls((T, B), steps, sizes, (forward, backward), places)


def _rounded_up(size: int, steps: int) -> int:
    """Round a side of a block up, so that it has `steps` lengths between powers of two."""
    unit = 1 << max(0, (size - 1).bit_length() - steps.bit_length()) if size else 1
    return -(-size // unit) * unit
