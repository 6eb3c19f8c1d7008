"""How sure the network is of a span: its exact posterior on the tag lattice."""

import numpy as np
from numpy.typing import NDArray

from ..modules.crf import FloatArray, log_sum_exp, log_sums
from ..modules.steps import Steps
from ..tags import TagScheme
from ..types import BoolArray, IntArray, Spans, TagScores
from .lattice import lattice_of


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
    steps = Steps(scores.lengths)
    alpha, beta, log_partition = log_sums(lattice, steps)
    emissions, transitions = (
        array.astype(np.float64) for array in (lattice.emissions, lattice.transitions)
    )
    alone, first, inside, last = scheme.roles[spans.labels].T
    lengths = spans.ends - spans.starts
    opening, closing = (np.where(lengths == 1, alone, role) for role in (first, last))
    # A tag that goes on with an entity, on either side of the span, would make it a longer one.
    into = alpha[spans.starts, opening]
    widened = (opening == inside) & ~breaks[spans.starts]
    if widened.any():
        at = spans.starts[widened]
        entering = alpha[at - 1] + transitions.T[opening[widened]]
        into[widened] = _sum_without(entering, inside[widened]) + emissions[at, opening[widened]]
    out = beta[spans.ends - 1, closing]
    widened = ~np.append(breaks, True)[spans.ends]
    if widened.any():
        at = spans.ends[widened]
        leaving = transitions[closing[widened]] + emissions[at] + beta[at]
        out[widened] = _sum_without(leaving, inside[widened])
    within = np.zeros(len(lengths))
    before = opening
    for i in range(1, lengths.max(initial=1)):
        tag = np.where(lengths == i + 1, closing, inside)
        own = lengths > i
        within[own] += transitions[before[own], tag[own]]
        within[own] += emissions[spans.starts[own] + i, tag[own]]
        before = tag
    log_p = into + within + out - log_partition[steps.doc_of[spans.starts]]
    return np.exp(log_p).clip(0.0, 1.0)


def _sum_without(scores: FloatArray, tags: IntArray) -> FloatArray:
    """Sum each row's exponents but that of one tag, in logarithms."""
    scores[np.arange(len(tags)), tags] = -np.inf
    return log_sum_exp(scores)
