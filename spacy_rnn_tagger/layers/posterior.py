"""How sure the network is of a span: its exact posterior on the tag lattice."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..modules.crf import log_sums
from ..modules.padding import Padding
from ..tags import TagScheme
from ..types import BoolArray, Spans, TagScores
from .lattice import lattice_of

_FORBIDDEN = float("-inf")


def span_posteriors(
    scores: TagScores,
    scheme: TagScheme,
    spans: Spans,
    breaks: BoolArray,
    allowed: BoolArray | None = None,
) -> NDArray[np.float64]:
    """Compute P(span is an entity of its label | doc), for both decoders.

    The paths that have the span enter it by its first tag and leave it by its last, so their sum is
    a forward sum, the scores within the span, and a backward sum: one pass over the lattice serves
    all spans (after Culotta and McCallum 2004, "Confidence estimation for information extraction").

    breaks: words that continue no entity of the word before, each doc's first among them.
        *Shape:* (N,).
    allowed: the tags that each word may have; all if None. *Shape:* (N, K).

    RETURNS: *Shape:* (S,).
    """
    lattice = lattice_of(scores, scheme, allowed)
    padding = Padding(scores.lengths, lattice.emissions.device)
    alpha, beta, log_partition = log_sums(lattice, padding)
    emissions, transitions, *_ = (array.double() for array in lattice)
    device = emissions.device
    starts, ends = (torch.from_numpy(array).to(device) for array in (spans.starts, spans.ends))
    alone, first, inside, last = torch.from_numpy(scheme.roles[spans.labels].T).to(device)
    lengths = ends - starts
    opening, closing = (torch.where(lengths == 1, alone, role) for role in (first, last))
    # A tag that goes on with an entity, on either side of the span, would make it a longer one.
    runs_in = torch.from_numpy(~breaks).to(device)
    into = alpha[starts, opening]
    widened = (opening == inside) & runs_in[starts]
    if bool(widened.any()):
        at = starts[widened]
        entering = alpha[at - 1] + transitions.T[opening[widened]]
        into[widened] = _sum_without(entering, inside[widened]) + emissions[at, opening[widened]]
    out = beta[ends - 1, closing]
    widened = torch.cat([runs_in, runs_in.new_zeros(1)])[ends]
    if bool(widened.any()):
        at = ends[widened]
        leaving = transitions[closing[widened]] + emissions[at] + beta[at]
        out[widened] = _sum_without(leaving, inside[widened])
    within = torch.zeros_like(into)
    before = opening
    for i in range(1, int(lengths.max()) if len(lengths) else 0):
        tag = torch.where(lengths == i + 1, closing, inside)
        own = lengths > i
        within[own] += transitions[before[own], tag[own]] + emissions[starts[own] + i, tag[own]]
        before = tag
    log_p = into + within + out - log_partition[padding.doc_of[starts]]
    return np.asarray(torch.exp(log_p).clamp(0.0, 1.0).cpu().numpy())


def _sum_without(scores: Tensor, tags: Tensor) -> Tensor:
    """Sum each row's exponents but that of one tag, in logarithms."""
    return torch.logsumexp(scores.scatter(1, tags.unsqueeze(1), _FORBIDDEN), dim=1)
