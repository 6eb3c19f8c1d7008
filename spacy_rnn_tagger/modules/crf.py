"""Inference on a tag lattice: a linear-chain CRF (Lafferty et al. 2001).

A path y of a doc of L tokens scores

    score(y) = start[y_1] + sum_t emissions[t, y_t] + sum_t transitions[y_(t-1), y_t] + end[y_L]

Whatever is forbidden scores minus infinity, so one and the same code serves free and constrained
inference. Recursions run in log space and in double precision, for a posterior of a long doc is a
difference of large sums. The backward recursion reads each doc from its end by index, as the
network does: no step needs a mask.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .padding import Block, Padding

# Below this, exp() is zero; a finite floor keeps (-inf) - (-inf) from becoming NaN.
_FLOOR = -1e30
# At most this many numbers in one table of Viterbi's candidates (docs x K x K).
_VITERBI_TABLE = 1 << 24


class Lattice(NamedTuple):
    """Scores of everything a path can use; minus infinity where it may not go.

    emissions: *Shape:* (N, K).
    transitions: from row to column. *Shape:* (K, K).
    start: *Shape:* (K,).
    end: *Shape:* (K,).
    """

    emissions: Tensor
    transitions: Tensor
    start: Tensor
    end: Tensor


class LogSums(NamedTuple):
    """Logarithms of sums over paths.

    alpha: over the paths from a doc's start to a tag, its emission included. *Shape:* (N, K).
    beta: over the paths from a tag to the doc's end, its emission left out. *Shape:* (N, K).
    log_partition: over all paths; minus infinity where there is none; zero for an empty doc.
        *Shape:* (B,).
    """

    alpha: Tensor
    beta: Tensor
    log_partition: Tensor


class Expectations(NamedTuple):
    """Log-partition of each doc and the expected number of uses of each score.

    log_partition: as in `LogSums`. *Shape:* (B,), or (G,) of groups.
    tags: P(tag of the token | doc), the marginals. *Shape:* (N, K).
    transitions: summed over the batch. *Shape:* (K, K).
    start: summed over the batch. *Shape:* (K,).
    end: summed over the batch. *Shape:* (K,).
    """

    log_partition: Tensor
    tags: Tensor
    transitions: Tensor
    start: Tensor
    end: Tensor


def forward_backward(
    lattice: Lattice, padding: Padding, groups: Tensor | None = None
) -> Expectations:
    """Sum over all paths (Rabiner 1989, with logarithms in the place of scaling).

    groups: of docs that are copies of one doc under different restrictions, which no two share a
        path of: the number of their group, 0 to G - 1. All expectations and the log-partition are
        then over the paths of a group. *Shape:* (B,).
    """
    alpha, beta, log_partition = log_sums(lattice, padding)
    emissions, transitions = lattice.emissions.double(), lattice.transitions.double()
    if groups is None:
        groups = torch.arange(padding.n_docs, device=alpha.device)
    else:
        log_partition = _grouped_log_sum(log_partition, groups)
    # A doc without a path has expectations too, of nothing: zero, and not NaN.
    usable = torch.where(torch.isfinite(log_partition), log_partition, 0.0)
    usable = usable[groups][padding.doc_of].unsqueeze(-1)
    tags = torch.exp(alpha + beta - usable)
    shift = _floored_max(transitions.flatten())
    goes_on = torch.ones(padding.n_tokens, dtype=torch.bool, device=alpha.device)
    goes_on[padding.first] = False
    target_rows = torch.nonzero(goes_on).flatten()
    before = alpha[target_rows - 1]
    top = _floored_max(before)
    target = (emissions + beta - usable)[target_rows] + top + shift
    # Above 600 only where no legal transition leads there: the product is then zero.
    joint = torch.exp(before - top).T @ torch.exp(target.clamp_max(600.0))
    return Expectations(
        log_partition,
        tags,
        torch.exp(transitions - shift) * joint,
        tags[padding.first].sum(0),
        tags[padding.last].sum(0),
    )


def log_sums(lattice: Lattice, padding: Padding) -> LogSums:
    """Sum over the paths into and out of each tag, by the forward and the backward recursion."""
    emissions, transitions, start, end = (scores.double() for scores in lattice)
    shift = _floored_max(transitions.flatten())
    weights = torch.exp(transitions - shift)
    alphas = [_forward(E, start, weights, shift) for E in padding.pad(emissions)]
    betas = [_backward(E, end, weights.T, shift) for E in padding.pad(emissions, backward=True)]
    alpha, beta = torch.zeros_like(emissions), torch.zeros_like(emissions)
    if padding.blocks:
        alpha, beta = padding.unpad(alphas), padding.unpad(betas, backward=True)
    log_partition = emissions.new_zeros(padding.n_docs)
    log_partition[padding.doc_of[padding.last]] = torch.logsumexp(alpha[padding.last] + end, dim=-1)
    return LogSums(alpha, beta, log_partition)


def viterbi(lattice: Lattice, padding: Padding) -> Tensor:
    """Find the path of highest score of each doc (Viterbi 1967); of equals, the lower tags.

    RETURNS: the tag of each token. *Shape:* (N,).
    """
    K = lattice.emissions.shape[1]
    paths = lattice.emissions.new_zeros(padding.n_tokens, dtype=torch.long)
    width = max(1, _VITERBI_TABLE // (K * K))
    for block in padding.blocks:
        for begin in range(0, len(block.docs), width):
            part = Block(
                block.forward[:, begin : begin + width],
                block.backward[:, begin : begin + width],
                block.lengths[begin : begin + width],
                block.docs[begin : begin + width],
            )
            _viterbi_block(lattice, part, paths)
    return paths


def _viterbi_block(lattice: Lattice, block: Block, paths: Tensor) -> None:
    emissions = lattice.emissions[block.forward]
    T, B, K = emissions.shape
    transitions = lattice.transitions.T  # (to, from): the maximum runs over the last axis
    pointers = paths.new_empty(T, B, K)
    best = lattice.start + emissions[0]
    finals = paths.new_empty(B)
    lengths = block.lengths.tolist()
    first_ended = B  # docs are sorted, longest first: those from here on have ended
    for t in range(T):
        if t:
            best, pointers[t] = torch.max(best.unsqueeze(1) + transitions, dim=2)
            best = best + emissions[t]
        while first_ended and lengths[first_ended - 1] == t + 1:
            first_ended -= 1
            finals[first_ended] = torch.argmax(best[first_ended] + lattice.end)
    state = finals
    columns = torch.arange(B, device=paths.device)
    last = block.lengths - 1
    for t in range(T - 1, -1, -1):
        if t < T - 1:
            state = torch.where(t < last, pointers[t + 1, columns, state], finals)
        running = t <= last
        paths[block.forward[t][running]] = state[running]


def _forward(E: Tensor, start: Tensor, weights: Tensor, shift: Tensor) -> Tensor:
    """Log-sum of all paths into each tag, with the token's own emission. *Shape:* (T, B, K)."""
    alpha = torch.empty_like(E)
    alpha[0] = start + E[0]
    for t in range(1, len(E)):
        alpha[t] = _log_matmul(alpha[t - 1], weights, shift) + E[t]
    return alpha


def _backward(E: Tensor, end: Tensor, weights: Tensor, shift: Tensor) -> Tensor:
    """Log-sum of all paths out of each tag, without the token's own emission, last token first."""
    beta = torch.empty_like(E)
    beta[0] = end
    for t in range(1, len(E)):
        beta[t] = _log_matmul(beta[t - 1] + E[t - 1], weights, shift)
    return beta


def _log_matmul(scores: Tensor, weights: Tensor, shift: Tensor) -> Tensor:
    top = _floored_max(scores)
    return torch.log(torch.exp(scores - top) @ weights) + (top + shift)


def _grouped_log_sum(values: Tensor, groups: Tensor) -> Tensor:
    n_groups = int(groups.max()) + 1
    top = values.new_full((n_groups,), _FLOOR).scatter_reduce(0, groups, values, "amax")
    sums = values.new_zeros(n_groups).index_add(0, groups, torch.exp(values - top[groups]))
    return torch.log(sums) + top


def _floored_max(scores: Tensor) -> Tensor:
    return scores.amax(dim=-1, keepdim=True).clamp_min(_FLOOR)
