"""How probable annotation is in one place, given the annotation everywhere else."""

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray
from .forward_backward import log_sums
from .lattice import Lattice
from .packed_order import PackedOrder


def log_conditionals(
    lattice: Lattice,
    order: PackedOrder,
    allowed: BoolArray,
    starts: IntArray,
    ends: IntArray,
) -> FloatArray:
    """Compute log P(a region is as annotated | all the rest of its doc is as annotated).

    The paths that are as annotated outside of a region, and free in it, are those of a short
    lattice: the region, and on either side a token that stands for all the rest. That token scores
    what the sums over the annotated lattice say of its tags.

    Args:
        lattice: The scores.
        order: The order of its tokens.
        allowed: The tags that annotation leaves open. (N, K)
        starts: The first token of each of R regions. (R,)
        ends: The token after its last one, which must be in the same doc. (R,)

    Returns:
        The logarithms; minus infinity where the annotation of the region can't be, and NaN where
        that of the rest of its doc can't be. (R,)
    """
    if not len(starts):
        return np.zeros(0)
    lattice = Lattice(*(scores.astype(np.float64) for scores in lattice))
    annotated = log_sums(lattice.restricted(allowed), order)
    doc_of = order.doc_of
    begins = np.cumsum(order.lengths) - order.lengths
    at_start = starts == begins[doc_of[starts]]
    at_end = ends == (begins + order.lengths)[doc_of[starts]]
    lengths = ends - starts + ~at_start + ~at_end
    firsts = starts - ~at_start
    short = PackedOrder(lengths)
    offsets = np.cumsum(lengths) - lengths
    place = np.arange(short.n_tokens) - offsets[short.doc_of]
    rows = firsts[short.doc_of] + place
    emissions = lattice.emissions[rows]
    # No two short docs begin or end alike, so their starts and ends are scored with the tokens.
    first, last = offsets, offsets + lengths - 1
    emissions[first] = np.where(
        at_start[:, None], emissions[first] + lattice.start, annotated.alpha[rows[first]]
    )
    closed = emissions[last] + np.where(at_end[:, None], lattice.end, annotated.beta[rows[last]])
    # That of a token on the right is restricted; one on the left is, by its sums.
    flank = ~at_end[:, None] & ~allowed[rows[last]]
    emissions[last] = np.where(flank, -np.inf, closed)
    nothing = np.zeros(emissions.shape[1])
    free = log_sums(Lattice(emissions, lattice.transitions, nothing, nothing), short)
    with np.errstate(invalid="ignore"):
        return np.minimum(annotated.log_partition[doc_of[starts]] - free.log_partition, 0.0)
