"""Loss and decoding on the tag lattice: the network's scores, what is legal, what is allowed.

Legal is what the scheme permits at all; allowed is what is known of a doc: its gold annotation in
training, or what must not be predicted. Both decoders use the same lattice. The softmax decoder has
no transitions of its own, and in training normalises each token by itself.
"""

from collections.abc import Sequence

import numpy as np
import torch
from spacy.errors import Errors
from thinc.api import Ops
from thinc.util import torch2xp, xp2torch
from torch import Tensor

from ..annotation import IncorrectSpan
from ..modules.crf import Lattice, forward_backward, viterbi
from ..modules.padding import Padding
from ..tags import TagScheme
from ..types import BoolArray, IntArray, TagScores

_FORBIDDEN = float("-inf")
_LEARNED = ("transitions", "start", "end")
# Beyond this, 1 - P is lost in the rounding of P.
_NEARLY_ONE = 1 - 1e-9


def loss_and_gradient(
    ops: Ops, scores: TagScores, scheme: TagScheme, allowed: BoolArray
) -> tuple[float, TagScores]:
    """Compute -log P(a path that gold allows | doc), summed over the docs, and its gradient.

    For the CRF that is log Z(legal) - log Z(legal and allowed). For softmax it is the cross-entropy
    of the tokens: -log of the probability of the allowed tags, which is 0 where all are allowed.

    scores: of K tags.
    allowed: the tags that annotation leaves open. *Shape:* (N, K).

    RAISES ValueError: the scores are not finite (spaCy's E940), or annotation contradicts the
        scheme, so that no path is left.
    """
    emissions = xp2torch(scores.emissions)
    if not bool(torch.isfinite(emissions).all()):
        raise ValueError(Errors.E940)
    if scores.transitions is None:
        mask = torch.from_numpy(allowed).to(emissions.device)
        log_p = torch.log_softmax(emissions.double(), dim=1)
        # An allowed share that rounds to nothing costs what the smallest double does, not infinity.
        allowed_log_p = torch.logsumexp(log_p.masked_fill(~mask, _FORBIDDEN), dim=1, keepdim=True)
        gradient = log_p.exp() - (log_p - allowed_log_p).exp() * mask
        return float(-allowed_log_p.sum()), TagScores(_array(ops, gradient), scores.lengths)
    padding = Padding(scores.lengths, emissions.device)
    lattice = lattice_of(scores, scheme)
    free = forward_backward(lattice, padding)
    gold = forward_backward(restricted(lattice, allowed), padding)
    impossible = torch.nonzero(~torch.isfinite(gold.log_partition)).flatten().tolist()
    if impossible:
        raise ValueError(
            f"The annotation of doc(s) {impossible} of the batch contradicts the scheme "
            f"'{scheme.scheme}': no legal sequence of tags agrees with it."
        )
    gradients = (
        _array(ops, getattr(free, name) - getattr(gold, name)) for name in ("tags", *_LEARNED)
    )
    d_emissions, *d_learned = gradients
    loss = float((free.log_partition - gold.log_partition).sum())
    return loss, TagScores(d_emissions, scores.lengths, *d_learned)


def incorrect_spans_loss(
    ops: Ops, scores: TagScores, scheme: TagScheme, spans: Sequence[IncorrectSpan]
) -> tuple[float, TagScores]:
    """Compute -log(1 - P(span has label | doc)), summed over spans, and its gradient.

    Both decoders take P from the lattice: the paths with the span are those of a mask.
    """
    lattice = lattice_of(scores, scheme)
    bounds = np.cumsum([0, *scores.lengths]).tolist()
    d_emissions = torch.zeros_like(lattice.emissions, dtype=torch.float64)
    d_learned = [torch.zeros_like(array, dtype=torch.float64) for array in lattice[1:]]
    loss = 0.0
    for span in spans:
        rows = slice(bounds[span.doc], bounds[span.doc + 1])
        own = lattice._replace(emissions=lattice.emissions[rows])
        padding = Padding([scores.lengths[span.doc]], lattice.emissions.device)
        mask = scheme.span_mask(scores.lengths[span.doc], span.start, span.end, span.label)
        free = forward_backward(own, padding)
        held = forward_backward(restricted(own, mask), padding)
        p = min(float(torch.exp(held.log_partition - free.log_partition)), _NEARLY_ONE)
        loss -= float(np.log1p(-p))
        weight = p / (1 - p)
        d_emissions[rows] += weight * (held.tags - free.tags)
        for total, name in zip(d_learned, _LEARNED, strict=True):
            total += weight * (getattr(held, name) - getattr(free, name))
    learned = d_learned if scores.transitions is not None else []
    gradient = TagScores(
        _array(ops, d_emissions), scores.lengths, *(_array(ops, array) for array in learned)
    )
    return loss, gradient


def divergence_and_gradient(
    ops: Ops, scores: TagScores, tutor: TagScores, scheme: TagScheme
) -> tuple[float, TagScores]:
    """Compute the Kullback-Leibler divergence of the scores from a tutor's, and its gradient.

    For the CRF it is that of the distributions over paths, for softmax that of each token's tags,
    summed over the docs. The tutor may lack the tags that were added last; among the others only
    is it followed.

    tutor: scores of K' tags, K' <= K, which are the first K' of `scores`.
    """
    K = tutor.emissions.shape[1]
    shared = TagScores(scores.emissions[:, :K], scores.lengths)
    if scores.transitions is not None and scores.start is not None and scores.end is not None:
        shared.transitions = scores.transitions[:K, :K]
        shared.start, shared.end = scores.start[:K], scores.end[:K]
    student, teacher = (lattice_of(each, scheme.first(K)) for each in (shared, tutor))
    gradient = TagScores(ops.alloc(scores.emissions.shape), scores.lengths)
    if scores.transitions is None:
        log_p, log_q = (torch.log_softmax(x.emissions.double(), 1) for x in (teacher, student))
        gradient.emissions[:, :K] = _array(ops, log_q.exp() - log_p.exp())
        return float((log_p.exp() * (log_p - log_q)).sum()), gradient
    padding = Padding(scores.lengths, student.emissions.device)
    expected = forward_backward(teacher, padding)
    current = forward_backward(student, padding)
    divergence = float((current.log_partition - expected.log_partition).sum())
    for name, ours, theirs in zip(("tags", *_LEARNED), student, teacher, strict=True):
        uses = getattr(expected, name)
        # Where a transition is not legal, both scores are minus infinity and nothing uses them.
        divergence += float((uses * torch.where(uses > 0, theirs - ours, 0.0)).sum())
        target = "emissions" if name == "tags" else name
        whole = ops.alloc(getattr(scores, target).shape)
        whole[tuple(map(slice, uses.shape))] = _array(ops, getattr(current, name) - uses)
        setattr(gradient, target, whole)
    return divergence, gradient


def decode(scores: TagScores, scheme: TagScheme, allowed: BoolArray | None = None) -> IntArray:
    """Find the best legal and allowed path of each doc.

    RETURNS: tag numbers, all docs in one array. *Shape:* (N,).
    """
    lattice = lattice_of(scores, scheme)
    if allowed is not None:
        lattice = restricted(lattice, allowed)
    padding = Padding(scores.lengths, lattice.emissions.device)
    return np.asarray(viterbi(lattice, padding).cpu().numpy(), dtype=np.int64)


def restricted(lattice: Lattice, allowed: BoolArray) -> Lattice:
    """Forbid the tags that are not allowed."""
    mask = torch.from_numpy(allowed).to(lattice.emissions.device)
    return lattice._replace(emissions=lattice.emissions.masked_fill(~mask, _FORBIDDEN))


def lattice_of(scores: TagScores, scheme: TagScheme) -> Lattice:
    """Forbid what is not legal; what softmax does not learn is zero."""
    emissions = xp2torch(scores.emissions)
    if scores.transitions is None:
        learned = [torch.zeros(()) for _ in _LEARNED]
    else:
        learned = [xp2torch(array) for array in (scores.transitions, scores.start, scores.end)]
    legal = (scheme.legal_transitions, scheme.legal_start, scheme.legal_end)
    forbidden = torch.tensor(_FORBIDDEN, device=emissions.device)
    masked = (
        torch.where(
            torch.from_numpy(mask).to(emissions.device), array.to(emissions.device), forbidden
        )
        for mask, array in zip(legal, learned, strict=True)
    )
    return Lattice(emissions, *masked)


def _array(ops: Ops, gradient: Tensor):  # type: ignore[no-untyped-def]  # an array of the ops
    return ops.asarray(torch2xp(gradient.float()))
