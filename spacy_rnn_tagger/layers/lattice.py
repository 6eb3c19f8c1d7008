"""Loss and decoding on the tag lattice: the network's scores, what is legal, what is allowed.

Legal is what the scheme permits at all; allowed is what is known of a doc: its gold annotation in
training, or what must not be predicted. Both decoders use the same lattice. The softmax decoder has
no transitions of its own, and in training normalises each token by itself.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from spacy.errors import Errors
from thinc.api import Ops
from thinc.util import torch2xp, xp2torch
from torch import Tensor

from ..annotation import IncorrectSpan
from ..modules.crf import Expectations, Lattice, forward_backward, viterbi
from ..modules.padding import Padding
from ..tags import TagScheme
from ..types import BoolArray, IntArray, TagScores

_FORBIDDEN = float("-inf")
_LEARNED = ("transitions", "start", "end")


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
    gold = forward_backward(_restricted(lattice, allowed), padding)
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

    Both decoders take P from the lattice. It is log Z(legal) - log Z(legal without the span): a sum
    over the other paths, and not 1 - P, of which nothing is left when the network is certain.
    """
    lattice = lattice_of(scores, scheme)
    bounds = np.cumsum([0, *scores.lengths])
    free_rows = [np.arange(bounds[span.doc], bounds[span.doc + 1]) for span in spans]
    other_rows, masks, groups = [], [], []
    for number, (span, rows) in enumerate(zip(spans, free_rows, strict=True)):
        has_span = scheme.span_mask(len(rows), span.start, span.end, span.label)
        for mask in _complement(has_span):
            other_rows.append(rows)
            masks.append(mask)
            groups.append(number)
    free, free_index = _of_copies(lattice, free_rows)
    other, other_index = _of_copies(lattice, other_rows, np.concatenate(masks), groups)
    loss = float((free.log_partition - other.log_partition).sum())
    d_emissions = torch.zeros_like(lattice.emissions, dtype=torch.float64)
    d_emissions.index_add_(0, free_index, free.tags)
    d_emissions.index_add_(0, other_index, other.tags, alpha=-1)
    learned = _LEARNED if scores.transitions is not None else ()
    d_learned = (_array(ops, getattr(free, name) - getattr(other, name)) for name in learned)
    return loss, TagScores(_array(ops, d_emissions), scores.lengths, *d_learned)


def _complement(mask: BoolArray) -> Iterator[BoolArray]:
    """Part the paths outside of a mask, by the first word at which they leave it."""
    within = np.ones_like(mask)
    for word in np.flatnonzero(~mask.all(axis=1)):
        part = within.copy()
        part[word] = ~mask[word]
        within[word] = mask[word]
        yield part


def _of_copies(
    lattice: Lattice,
    rows: list[IntArray],
    allowed: BoolArray | None = None,
    groups: list[int] | None = None,
) -> tuple[Expectations, Tensor]:
    """Sum over the paths of copies of docs, given by their rows; also return the rows' index."""
    device = lattice.emissions.device
    index = torch.from_numpy(np.concatenate(rows)).to(device)
    copies = lattice._replace(emissions=lattice.emissions[index])
    if allowed is not None:
        copies = _restricted(copies, allowed)
    padding = Padding([len(own) for own in rows], device)
    of_doc = None if groups is None else torch.tensor(groups, device=device)
    return forward_backward(copies, padding, of_doc), index


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
    lattice = lattice_of(scores, scheme, allowed)
    padding = Padding(scores.lengths, lattice.emissions.device)
    return np.asarray(viterbi(lattice, padding).cpu().numpy(), dtype=np.int64)


def lattice_of(scores: TagScores, scheme: TagScheme, allowed: BoolArray | None = None) -> Lattice:
    """Forbid what is not legal or not allowed; what softmax does not learn is zero."""
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
    lattice = Lattice(emissions, *masked)
    return lattice if allowed is None else _restricted(lattice, allowed)


def _restricted(lattice: Lattice, allowed: BoolArray) -> Lattice:
    mask = torch.from_numpy(allowed).to(lattice.emissions.device)
    return lattice._replace(emissions=lattice.emissions.masked_fill(~mask, _FORBIDDEN))


def _array(ops: Ops, gradient: Tensor):  # type: ignore[no-untyped-def]  # an array of the ops
    return ops.asarray(torch2xp(gradient.float()))
