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


class Expectations(NamedTuple):
    """Log-partition of each doc and the expected number of uses of each score.

    log_partition: minus infinity for a doc whose lattice has no path; zero for an empty doc.
        *Shape:* (B,).
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


def forward_backward(lattice: Lattice, padding: Padding) -> Expectations:
    """Sum over all paths (Rabiner 1989, with logarithms in the place of scaling)."""
    emissions, transitions, start, end = (scores.double() for scores in lattice)
    log_partition = emissions.new_zeros(padding.n_docs)
    expected_transitions = torch.zeros_like(transitions)
    expected_start, expected_end = torch.zeros_like(start), torch.zeros_like(end)
    shift = _floored_max(transitions.flatten())
    weights = torch.exp(transitions - shift)
    marginals = []
    for block in padding.blocks:
        E = emissions[block.forward]
        alpha = _forward(E, start, weights, shift)
        beta = _backward(emissions[block.backward], end, weights.T, shift)
        # beta stands in reading order of the backward pass: bring it in line with alpha.
        T, B, K = E.shape
        steps = torch.arange(T, device=E.device).unsqueeze(1)
        columns = torch.arange(B, device=E.device)
        beta = beta[(block.lengths - 1 - steps).clamp_min(0), columns]
        last = block.lengths - 1
        logz = torch.logsumexp(alpha[last, columns] + end, dim=-1)
        log_partition[block.docs] = logz
        usable = torch.where(torch.isfinite(logz), logz, torch.zeros_like(logz)).unsqueeze(-1)
        gamma = torch.exp(alpha + beta - usable)
        marginals.append(gamma)
        expected_start += gamma[0].sum(0)
        expected_end += gamma[last, columns].sum(0)
        if T > 1:
            inside = steps[1:] < block.lengths
            top = _floored_max(alpha[:-1])
            source = torch.exp(alpha[:-1] - top)[inside]
            target = E[1:] + beta[1:] - usable + top + shift
            # Above 600 only where no legal transition leads there: the product is then zero.
            target = torch.exp(target.clamp_max(600.0))[inside]
            expected_transitions += weights * (source.T @ target)
    tags = padding.unpad(marginals) if marginals else torch.zeros_like(emissions)
    return Expectations(log_partition, tags, expected_transitions, expected_start, expected_end)


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


def _floored_max(scores: Tensor) -> Tensor:
    return scores.amax(dim=-1, keepdim=True).clamp_min(_FLOOR)
