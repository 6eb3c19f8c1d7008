"""The order in which a recursion over tokens goes through a batch: all docs in step."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ..arrays import BoolArray, IntArray


class PackedOrder:
    """Rows of the flat array, grouped by their distance from the end where reading begins.

    Docs are sorted by length, so those that are still running at a step are the first ones of the
    step before: a recursion takes slices, needs no mask, and computes nothing for padding. (torch's
    `PackedSequence` lays rows out in the same way.)

    Args:
        lengths: Tokens of each doc; zero is allowed. [B]

    Attributes:
        n_docs: B.
        n_tokens: N.
        lengths: Tokens of each doc. (B,)
        bounds: Step t holds rows bounds[t] to bounds[t + 1] of the orders below. [T + 1]
        forward: The flat row of each, where docs are read from their first token. (N,)
        backward: The same, read from the last token. (N,)
        ending: The places in the orders where a doc ends, in whichever way it is read.
        doc_of: The doc of each flat row. (N,)
        first: The flat row of the first token of each doc that has any.
        last: That of its last token.
    """

    def __init__(self, lengths: Sequence[int] | IntArray) -> None:
        sizes = np.asarray(lengths, dtype=np.int64)
        self.lengths: IntArray = sizes
        self.n_docs = len(sizes)
        self.n_tokens = int(sizes.sum())
        if self.n_docs == 1 and self.n_tokens:
            self._follow_one()
            return
        ends = np.cumsum(sizes)
        starts = ends - sizes
        order = np.argsort(-sizes, kind="stable")
        distances = np.arange(sizes.max(initial=0))
        running = len(sizes) - np.searchsorted(np.sort(sizes), distances, side="right")
        offsets = np.concatenate(([0], np.cumsum(running)))
        self.bounds: list[int] = offsets.tolist()
        step = np.repeat(distances, running)
        doc = order[np.arange(self.n_tokens) - offsets[step]]
        self.forward: IntArray = starts[doc] + step
        self.backward: IntArray = ends[doc] - 1 - step
        self.doc_of: IntArray = np.repeat(np.arange(self.n_docs), sizes)
        self.first: IntArray = starts[sizes > 0]
        self.last: IntArray = ends[sizes > 0] - 1
        self.ending: IntArray = np.flatnonzero(step == sizes[doc] - 1)

    def _follow_one(self) -> None:
        """Set the order of a doc by itself, which matters where texts come one by one."""
        rows = np.arange(self.n_tokens)
        self.bounds = list(range(self.n_tokens + 1))
        self.forward, self.backward = rows, rows[::-1]
        self.doc_of = np.zeros(self.n_tokens, dtype=np.int64)
        self.first, self.last = rows[:1], rows[-1:]
        self.ending = rows[-1:]

    @cached_property
    def places(self) -> IntArray:
        """Where each flat row is in `forward` and in `backward`. (2, N)"""
        places = np.empty((2, self.n_tokens), dtype=np.int64)
        places[0, self.forward] = places[1, self.backward] = np.arange(self.n_tokens)
        return places

    def select(self, docs: BoolArray) -> tuple["PackedOrder", IntArray]:
        """Take the order of some docs.

        Args:
            docs: Which ones. (B,)

        Returns:
            Their order, and their rows in the flat array. (M,)
        """
        return PackedOrder(self.lengths[docs]), np.flatnonzero(docs[self.doc_of])
