"""How unsure the network is of a whole doc: the exact entropy of its distribution over paths.

Along the recursions, the expectation semiring carries with each sum over paths its first-order
moment (Li and Eisner 2009, "First- and Second-Order Expectation Semirings"). A quantity that is a
sum over a path's steps has the same moment from one more pass over the steps, weighted with what
forward-backward knows of each (their section 4.2). The logarithm of a path's probability is such a
sum: given the scores of a lattice, paths are a Markov chain. So the entropy is the sum over the
words of what the tag before leaves open (the chain rule; Hernando et al. 2005, "Efficient
computation of the hidden Markov model entropy for a given observation sequence"). Each word adds a
number that is not negative, and log Z - E[score] of a long doc loses digits.
"""

import numpy as np

from ..arrays import FloatArray
from .forward_backward import LogSums, log_sum_exp, log_sums, usable
from .lattice import Lattice
from .packed_order import PackedOrder

# As in `forward_backward`: sums of exponentials up to this are finite.
_HIGHEST = 600.0
_FLOOR = -1e300
# At most this many terms at a time where each step is computed by itself, to bound memory.
_TABLE = 1 << 20


def path_entropies(lattice: Lattice, order: PackedOrder, sums: LogSums | None = None) -> FloatArray:
    """Compute the entropy of each doc's distribution over paths.

    Args:
        lattice: The scores.
        order: The order of its tokens.
        sums: The sums over the lattice's paths, if they are known already.

    Returns:
        -sum over paths of P(path) log P(path), in nats; zero for a doc of no token or of no path.
        (B,)
    """
    entropies: FloatArray = np.zeros(order.n_docs)
    if not order.n_tokens:
        return entropies
    lattice = Lattice(*(scores.astype(np.float64) for scores in lattice))
    sums = log_sums(lattice, order) if sums is None else sums
    np.add.at(entropies, order.doc_of, _added(lattice, order, sums))
    return entropies


def _added(lattice: Lattice, order: PackedOrder, sums: LogSums) -> FloatArray:
    """Compute what each token adds: H(tag | tag of the token before). (N,)"""
    # Not less the log-partition: what rounding has added up on the way from the ends of the doc is
    # the same in all of a token's sums.
    log_p = sums.alpha + sums.beta
    total = usable(log_sum_exp(log_p))[:, None]
    log_p -= total
    p = np.exp(log_p)
    added = np.zeros(order.n_tokens)
    added[order.first] = -_weighted(p[order.first], log_p[order.first])
    goes_on = np.ones(order.n_tokens, dtype=bool)
    goes_on[order.first] = False
    targets = np.flatnonzero(goes_on)
    if not len(targets):
        return np.maximum(added, 0.0)
    # log P(tag | tag before) is the transition, plus what comes of the tag, less what comes of the
    # tag before. Both are large in long docs; only their difference counts.
    following = lattice.emissions[targets] + sums.beta[targets]
    preceding = sums.beta[targets - 1]
    level = _highest(preceding)
    open_before = _weighted(p[targets - 1], preceding - level)
    open_here = _weighted(p[targets], following - level)
    outgoing = following - total[targets]
    used = _expected_transition(lattice.transitions, sums.alpha[targets - 1], outgoing)
    added[targets] = open_before - open_here - used
    return np.maximum(added, 0.0)


def _expected_transition(
    transitions: FloatArray, before: FloatArray, outgoing: FloatArray
) -> FloatArray:
    """Compute the expected score of the transition to each of M tokens.

    Args:
        transitions: The scores. (K, K)
        before: The log-sums into the tags of the token before. (M, K)
        outgoing: The log-sums out of the tags, emission included, less the log-partition. (M, K)

    Returns:
        The expectations. (M,)
    """
    shift = _highest(transitions.ravel())
    legal = transitions > -np.inf
    weights = np.exp(transitions - shift)
    weights *= np.where(legal, transitions, 0.0)
    top = _highest(before)
    relative = outgoing + top + shift
    # Where no legal transition leads from the best tag before, a product may be out of range.
    beyond = np.flatnonzero((relative > _HIGHEST).any(axis=1))
    relative[beyond] = -np.inf
    expected: FloatArray = ((np.exp(before - top) @ weights) * np.exp(relative)).sum(axis=1)
    width = max(1, _TABLE // max(1, transitions.size))
    for begin in range(0, len(beyond), width):
        rows = beyond[begin : begin + width]
        log_p = before[rows, :, None] + transitions + outgoing[rows, None, :]
        own = np.exp(log_p) * np.where(legal, transitions, 0.0)
        expected[rows] = own.sum(axis=(1, 2))
    return expected


def _weighted(p: FloatArray, values: FloatArray) -> FloatArray:
    """Sum values by probability; those of probability zero, which may be infinite, don't count."""
    return np.where(p > 0, p * np.where(p > 0, values, 0.0), 0.0).sum(axis=-1)


def _highest(scores: FloatArray) -> FloatArray:
    return np.maximum.reduce(scores, axis=-1, keepdims=True, initial=_FLOOR)
