"""The exponentials of transitions, and the products of states with them.

Few of many transitions are legal. A tag within an entity has at most two predecessors, so these
transitions are listed one by one. Any tag that can end an entity, or is outside of one, may lead to
any tag that begins an entity, or is outside: a block, which is a quarter of the table in BILUO and
half of it in BIO. The pattern is read off the scores, so it follows from any scheme.
"""

from typing import NamedTuple, Protocol

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray

# With fewer tags, a product with the whole table takes less time than the calls for its parts.
_MANY = 300
# Tags with at most this many predecessors have them listed.
_FEW = 2
# Rows that can be counted in bytes.
_CHUNK = 128


class TransitionWeights(Protocol):
    """exp(transition - shift), zero where a transition is not legal.

    Attributes:
        shift: The highest legal transition; zero if none is legal.
        lowest: The lowest legal transition less the highest; zero if none is legal.
    """

    shift: float
    lowest: float

    def advance(self, states: FloatArray, sums: FloatArray) -> None:
        """Multiply the states of some docs with the weights.

        Args:
            states: Those before a step, forward and backward. (2, docs, K)
            sums: Where those after it are written; backward, with the weights transposed.
                (2, docs, K)
        """

    def expected(self, before: FloatArray, after: FloatArray) -> FloatArray:
        """Sum before[i] * weight[i, j] * after[j] over M pairs of tokens.

        Args:
            before: Of the first token of each pair. (M, K)
            after: Of the second. (M, K)

        Returns:
            The sums. (K, K)
        """


def transition_weights(transitions: FloatArray) -> TransitionWeights:
    """Choose how to multiply with transitions.

    Args:
        transitions: The scores; minus infinity where a transition is not legal. (K, K)

    Returns:
        Their exponentials.
    """
    if len(transitions) >= _MANY:
        pattern = _Pattern.of(transitions > -np.inf)
        if pattern.sources.size * pattern.many.size < 0.75 * transitions.size:
            return _Listed(transitions, pattern)
    return _Dense(transitions)


class _Dense:
    """A table of all weights."""

    def __init__(self, transitions: FloatArray) -> None:
        scores = transitions.astype(np.float64)
        self.shift, self.lowest = _range(scores)
        self._weights = np.exp(scores - self.shift)
        # The backward recursion is the forward one with the transitions transposed.
        self._both_ways = np.stack([self._weights, self._weights.T])

    def advance(self, states: FloatArray, sums: FloatArray) -> None:
        np.matmul(states, self._both_ways, out=sums)

    def expected(self, before: FloatArray, after: FloatArray) -> FloatArray:
        total: FloatArray = before.T @ after
        total *= self._weights
        return total


class _Pattern(NamedTuple):
    """Which transitions are legal.

    Attributes:
        sources: The tags that lead to the tags with many predecessors. (S,)
        many: The tags with many predecessors. (M,)
        before: The first tag of each other legal transition. (E,)
        after: Its second tag. (E,)
    """

    sources: IntArray
    many: IntArray
    before: IntArray
    after: IntArray

    @classmethod
    def of(cls, legal: BoolArray) -> "_Pattern":
        """Find the block and the list in a table of what is legal. (K, K)."""
        # Sums of bytes, of few enough rows at a time, take a fraction of the time of sums of
        # integers.
        counts = np.zeros(len(legal), dtype=np.int64)
        for begin in range(0, len(legal), _CHUNK):
            part = legal[begin : begin + _CHUNK].view(np.uint8)
            counts += np.add.reduce(part, axis=0, dtype=np.uint8)
        is_few = counts <= _FEW
        few, many = np.flatnonzero(is_few), np.flatnonzero(~is_few)
        after, before = np.divmod(np.flatnonzero(legal.T[few]), len(legal))
        is_source: BoolArray = np.zeros(len(legal), dtype=bool)
        is_source[:] = legal[:, many].any(axis=1)
        return cls(np.flatnonzero(is_source), many, before, few[after])


class _Listed:
    """A block of weights, and a list of the others."""

    def __init__(self, transitions: FloatArray, pattern: _Pattern) -> None:
        self._n_tags = len(transitions)
        self._pattern = pattern
        block = transitions[np.ix_(pattern.sources, pattern.many)].astype(np.float64)
        listed = transitions[pattern.before, pattern.after].astype(np.float64)
        ranges = [_range(part) for part in (block, listed) if (part > -np.inf).any()]
        self.shift = max((high for high, _ in ranges), default=0.0)
        self.lowest = min((high + low for high, low in ranges), default=0.0) - self.shift
        block -= self.shift
        self._block = np.exp(block, out=block)
        # A few rows times a large table are faster as that table times a few columns.
        self._turned = self._block.T.copy()
        self._listed = np.exp(listed - self.shift)
        self._forward = _Edges(pattern.before, pattern.after, self._listed)
        self._backward = _Edges(pattern.after, pattern.before, self._listed)

    def advance(self, states: FloatArray, sums: FloatArray) -> None:
        sources, many = self._pattern.sources, self._pattern.many
        sums[...] = 0.0
        sums[0][:, many] = (self._turned @ states[0].take(sources, axis=1).T).T
        sums[1][:, sources] = (self._block @ states[1].take(many, axis=1).T).T
        self._forward.add(states[0], sums[0])
        self._backward.add(states[1], sums[1])

    def expected(self, before: FloatArray, after: FloatArray) -> FloatArray:
        sources, many, first, second = self._pattern
        total: FloatArray = np.zeros((self._n_tags, self._n_tags))
        block = before.take(sources, axis=1).T @ after.take(many, axis=1)
        block *= self._block
        total[np.ix_(sources, many)] = block
        uses = np.einsum("me,me->e", before.take(first, axis=1), after.take(second, axis=1))
        total[first, second] = self._listed * uses
        return total


class _Edges:
    """Transitions one by one, ordered by where they lead.

    Args:
        sources: Where each comes from. (E,)
        targets: Where it leads. (E,)
        weights: Its weight. (E,)
    """

    def __init__(self, sources: IntArray, targets: IntArray, weights: FloatArray) -> None:
        order = np.argsort(targets, kind="stable")
        self._sources, self._weights = sources[order], weights[order]
        self._targets, self._begins = np.unique(targets[order], return_index=True)

    def add(self, states: FloatArray, sums: FloatArray) -> None:
        """Add the weighted states to the sums of the tags where they lead, (docs, K) each."""
        if len(self._targets):
            terms = states.take(self._sources, axis=1)
            terms *= self._weights
            sums[:, self._targets] += np.add.reduceat(terms, self._begins, axis=1)


def _range(scores: FloatArray) -> tuple[float, float]:
    """Find the highest finite score, and the lowest one less the highest; zeros if none is."""
    shift = float(scores.max(initial=-np.inf))
    if shift == -np.inf:
        return 0.0, 0.0
    lowest = float(np.where(scores > -np.inf, scores, shift).min())
    return shift, lowest - shift
