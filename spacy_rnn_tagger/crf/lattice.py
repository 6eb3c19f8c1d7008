"""The tag lattice: the scores of everything that a path of tags can use.

A path y of a doc of L tokens scores

    score(y) = start[y_1] + sum_t emissions[t, y_t] + sum_t transitions[y_(t-1), y_t] + end[y_L]

Whatever is forbidden scores minus infinity, so the same code serves free and constrained inference.
There are two reasons to forbid: a tag or a transition is not legal in the scheme, or a tag is not
allowed at a token, by gold annotation in training or by what a doc already says in prediction.
"""

from typing import NamedTuple

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray
from .packed_order import PackedOrder
from .tag_scheme import TagScheme

_FORBIDDEN = np.float32("-inf")  # single precision, so that it widens no array


class Lattice(NamedTuple):
    """Scores of everything a path can use; minus infinity where no path may go.

    Attributes:
        emissions: The score of each tag at each token. (N, K)
        transitions: From row to column. (K, K)
        start: Of a doc's first tag. (K,)
        end: Of a doc's last tag. (K,)
    """

    emissions: FloatArray
    transitions: FloatArray
    start: FloatArray
    end: FloatArray

    @classmethod
    def of(
        cls,
        scheme: TagScheme,
        emissions: FloatArray,
        transitions: FloatArray | None = None,
        start: FloatArray | None = None,
        end: FloatArray | None = None,
    ) -> "Lattice":
        """Forbid what is not legal in a scheme. Scores that a decoder does not learn are zero.

        Args:
            scheme: The K tags.
            emissions: As in the lattice. (N, K)
            transitions: As in the lattice; None if the decoder learns none. (K, K)
            start: The same. (K,)
            end: The same. (K,)

        Returns:
            The lattice of all legal paths.
        """
        legal = (scheme.legal_transitions, scheme.legal_start, scheme.legal_end)
        learned = (
            np.where(mask, np.float32(0) if array is None else array, _FORBIDDEN)
            for mask, array in zip(legal, (transitions, start, end), strict=True)
        )
        return cls(emissions, *learned)

    def restricted(self, allowed: BoolArray | None) -> "Lattice":
        """Forbid the tags that are not allowed.

        Args:
            allowed: The tags that each token may have; all if None. (N, K)

        Returns:
            The lattice of the paths that remain.
        """
        if allowed is None:
            return self
        return self._replace(emissions=np.where(allowed, self.emissions, _FORBIDDEN))

    def tempered(self, temperature: float) -> "Lattice":
        """Divide all scores by a temperature: above 1, every probability is more even.

        The order of the paths stays (Guo et al. 2017, "On Calibration of Modern Neural Networks").

        Args:
            temperature: Above 0.

        Returns:
            The scores in double precision, whose range no temperature that may be set leaves.
        """
        if temperature == 1:
            return self
        return Lattice(*(scores.astype(np.float64) / temperature for scores in self))

    def path_scores(self, tags: IntArray, order: PackedOrder) -> FloatArray:
        """Score a path of each doc.

        Args:
            tags: The tag of each token. (N,)
            order: The order of the tokens.

        Returns:
            The scores, in double precision; minus infinity for a path that is forbidden. (B,)
        """
        scores = self.emissions[np.arange(len(tags)), tags].astype(np.float64)
        into = self.transitions[tags[:-1], tags[1:]]
        into[order.first[1:] - 1] = 0.0  # another doc begins there
        scores[1:] += into
        scores[order.first] += self.start[tags[order.first]]
        scores[order.last] += self.end[tags[order.last]]
        totals: FloatArray = np.bincount(order.doc_of, scores, order.n_docs).astype(np.float64)
        return totals

    def narrowed(self, candidates: BoolArray) -> tuple[IntArray, FloatArray]:
        """Take some of the tags of each token, C at most.

        Args:
            candidates: Which ones, at least one for some token. (N, K)

        Returns:
            The tags in their order, and their emissions in double precision, minus infinity in
            places that are not used. (N, C) each
        """
        width = int(candidates.sum(axis=1).max())
        tags = np.argsort(~candidates, axis=1, kind="stable")[:, :width]
        emissions = np.take_along_axis(self.emissions, tags, axis=1).astype(np.float64)
        return tags, np.where(np.take_along_axis(candidates, tags, axis=1), emissions, -np.inf)

    def select(self, rows: IntArray) -> "Lattice":
        """Take the lattice of some tokens.

        Args:
            rows: The tokens, all of a doc or none of it. (M,)

        Returns:
            Their lattice.
        """
        return self._replace(emissions=self.emissions[rows])
