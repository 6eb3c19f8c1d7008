"""The gradient of a function of forward and backward sums: their recursions, read back to front.

A forward sum is over the paths that lead to a tag. Its gradient is how often these paths use each
score, on average: a weight on a tag spreads over the tokens before it as the paths to that tag do.
A weight on a backward sum spreads over the tokens after it. The weights of all tokens travel
together, in one pass over the docs from either side.
"""

from itertools import pairwise

import numpy as np

from ..arrays import FloatArray
from .forward_backward import LogSums, log_sum_exp, usable
from .lattice import Lattice
from .packed_order import PackedOrder
from .transition_weights import transition_weights

# Where the paths on from a tag weigh less than this, relative to the highest scores of the step, it
# is computed from logarithms. Above it, a term that underflows is a part of less than exp(-200).
_LIGHT = np.exp(-500.0)


def sum_gradients(
    lattice: Lattice, order: PackedOrder, sums: LogSums, d_alpha: FloatArray, d_beta: FloatArray
) -> Lattice:
    """Turn a gradient with respect to forward and backward sums into one of a lattice's scores.

    Args:
        lattice: The scores, in double precision; all emissions are finite.
        order: The order of its tokens; there must be at least one.
        sums: Its sums.
        d_alpha: The gradient with respect to `sums.alpha`. (N, K)
        d_beta: That with respect to `sums.beta`. (N, K)

    Returns:
        The gradient with respect to each score, laid out like the scores.
    """
    forward, backward = order.forward, order.backward
    # Packed, (2, N, K): weights on backward sums, which are read forward, and those on forward
    # sums, which are read backward.
    carried = np.stack([d_beta[forward], d_alpha[backward]])
    targets = np.stack([(lattice.emissions + sums.beta)[forward], sums.alpha[backward]])
    has_path = np.stack([sums.beta[forward], sums.alpha[backward]]) > -np.inf
    # Of each token but a doc's first, in the direction of reading: where the one before it is.
    sizes = np.diff(order.bounds)
    n_first = order.bounds[1]
    source = np.arange(n_first, order.n_tokens) - np.repeat(sizes[:-1], sizes[1:])
    targets = targets[:, n_first:]
    states = np.exp(targets - targets.max(axis=-1, keepdims=True, initial=-np.inf))
    # All paths on from a tag, the share of which in a target is what the target gets of its weight.
    weights = transition_weights(lattice.transitions)
    totals = np.empty_like(states)
    weights.advance(states[::-1], totals[::-1])
    is_light = ((totals < _LIGHT) & has_path[:, source]).any(axis=-1)
    has_light = is_light.any()
    totals[is_light] = np.inf
    totals[totals == 0] = np.inf
    d_transitions = np.zeros_like(lattice.transitions)
    shares = np.empty_like(states)
    for before, (begin, stop) in zip(order.bounds, pairwise(order.bounds[1:]), strict=False):
        own = slice(begin - n_first, stop - n_first)
        np.divide(carried[:, before : before + stop - begin], totals[:, own], out=shares[:, own])
        moved = np.empty_like(shares[:, own])
        weights.advance(shares[:, own], moved)
        carried[:, begin:stop] += moved * states[:, own]
        for direction, place in np.argwhere(is_light[:, own]).tolist() if has_light else ():
            row = own.start + place
            table = (lattice.transitions, lattice.transitions.T)[direction]
            scores = table + targets[direction, row]
            p = np.exp(scores - usable(log_sum_exp(scores))[:, None])
            uses = carried[direction, source[row], :, None] * p
            carried[direction, n_first + row] += uses.sum(axis=0)
            d_transitions += (uses, uses.T)[direction]
    d_transitions += weights.expected(
        np.concatenate([shares[0], states[1]]), np.concatenate([states[0], shares[1]])
    )
    d_forward, d_backward = np.empty_like(d_alpha), np.empty_like(d_beta)
    d_backward[forward], d_forward[backward] = carried
    return Lattice(
        # A forward sum includes its token's emission, a backward sum does not.
        d_forward + (d_backward - d_beta),
        d_transitions,
        d_forward[order.first].sum(axis=0),
        d_backward[order.last].sum(axis=0),
    )
