"""Loss and decoding on the tag lattice: the network's scores, what is legal, what is allowed.

Legal is what the scheme permits at all; allowed is what is known of a doc: its gold annotation in
training, or what must not be predicted. Both decoders use the same lattice. The softmax decoder has
no transitions of its own, and in training normalises each token by itself.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from spacy.errors import Errors
from thinc.api import Ops
from thinc.types import FloatsXd
from thinc.util import to_numpy

from ..annotation import IncorrectSpan
from ..modules.crf import (
    Expectations,
    FloatArray,
    Lattice,
    forward_backward,
    log_sum_exp,
)
from ..modules.steps import Steps
from ..modules.viterbi import viterbi
from ..tags import TagScheme
from ..types import BoolArray, IntArray, TagScores

_FORBIDDEN = np.float32("-inf")  # narrow, so as not to widen what it is put into
_LEARNED = ("transitions", "start", "end")


def loss_and_gradient(
    ops: Ops, scores: TagScores, scheme: TagScheme, allowed: BoolArray
) -> tuple[float, TagScores]:
    """Compute -log P(a path that gold allows | doc), summed over the docs, and its gradient.

    For the CRF that is log Z(legal) - log Z(legal and allowed). For softmax it is the cross-entropy
    of the tokens: -log of the probability of the allowed tags, which is 0 where all are allowed.

    Args:
        ops: Where the gradient is to be.
        scores: The scores of K tags.
        scheme: The tags.
        allowed: The tags that annotation leaves open. (N, K)

    Returns:
        The loss and its gradient.

    Raises:
        ValueError: The scores are not finite (spaCy's E940), or annotation contradicts the scheme,
            so that no path is left.
    """
    if not all(np.isfinite(to_numpy(array)).all() for array in scores.arrays()):
        raise ValueError(Errors.E940)
    if scores.transitions is None:
        log_p = _log_softmax(to_numpy(scores.emissions))
        log_gold = np.where(allowed, log_p, _FORBIDDEN)
        allowed_log_p = log_sum_exp(log_gold)[:, None]
        # What is not allowed is left out before exp(): far above what is, it would overflow.
        gradient = np.exp(log_p) - np.exp(log_gold - allowed_log_p)
        return float(-allowed_log_p.sum()), TagScores(_array(ops, gradient), scores.lengths)
    # Two copies of each doc: all of the lattice, and what gold allows of it.
    lattice = lattice_of(scores, scheme)
    allowed = np.concatenate([np.ones_like(allowed), allowed])
    both = _restricted(lattice._replace(emissions=np.tile(lattice.emissions, (2, 1))), allowed)
    n_docs = len(scores.lengths)
    sums = forward_backward(both, Steps(scores.lengths * 2), weights=np.repeat([1.0, -1.0], n_docs))
    free, gold = np.split(sums.log_partition, 2)
    impossible = np.flatnonzero(~np.isfinite(gold)).tolist()
    if impossible:
        raise ValueError(
            f"The annotation of doc(s) {impossible} of the batch contradicts the scheme "
            f"'{scheme.scheme}': no legal sequence of tags agrees with it."
        )
    return float((free - gold).sum()), _gradient(ops, scores, sums, np.add(*np.split(sums.tags, 2)))


def incorrect_spans_loss(
    ops: Ops, scores: TagScores, scheme: TagScheme, spans: Sequence[IncorrectSpan]
) -> tuple[float, TagScores]:
    """Compute -log(1 - P(span has label | doc)), summed over spans, and its gradient.

    Both decoders take P from the lattice. It is log Z(legal) - log Z(legal without the span): a sum
    over the other paths, and not 1 - P, of which nothing is left when the network is certain.

    Args:
        ops: Where the gradient is to be.
        scores: The scores.
        scheme: The tags.
        spans: The spans that are known to be incorrect.

    Returns:
        The loss and its gradient.
    """
    bounds = np.cumsum([0, *scores.lengths])
    # Of each doc with such a span a free copy, and copies that part the paths without the span.
    rows, masks, groups = [], [], []
    for number, span in enumerate(spans):
        own = np.arange(bounds[span.doc], bounds[span.doc + 1])
        free = np.ones((len(own), len(scheme.tags)), dtype=bool)
        has_span = scheme.span_mask(len(own), span.start, span.end, span.label)
        without = list(_complement(has_span))
        masks += [free, *without]
        rows += [own] * (1 + len(without))
        groups += [2 * number] + [2 * number + 1] * len(without)
    index = np.concatenate(rows)
    lattice = lattice_of(scores, scheme)
    copies = lattice._replace(emissions=lattice.emissions[index])
    signs = np.where(np.array(groups) % 2, -1.0, 1.0)
    steps = Steps([len(own) for own in rows])
    sums = forward_backward(
        _restricted(copies, np.concatenate(masks)), steps, np.array(groups), signs
    )
    free, other = sums.log_partition.reshape(-1, 2).T
    d_emissions = np.zeros(lattice.emissions.shape)
    np.add.at(d_emissions, index, sums.tags)
    return float((free - other).sum()), _gradient(ops, scores, sums, d_emissions)


def _complement(mask: BoolArray) -> Iterator[BoolArray]:
    """Part the paths outside of a mask, by the first word at which they leave it."""
    within = np.ones_like(mask)
    for word in np.flatnonzero(~mask.all(axis=1)):
        part = within.copy()
        part[word] = ~mask[word]
        within[word] = mask[word]
        yield part


def divergence_and_gradient(
    ops: Ops, scores: TagScores, tutor: TagScores, scheme: TagScheme
) -> tuple[float, TagScores]:
    """Compute the Kullback-Leibler divergence of the scores from a tutor's, and its gradient.

    For the CRF it is that of the distributions over paths, for softmax that of each token's tags,
    summed over the docs. The tutor may lack the tags that were added last; among the others only
    is it followed.

    Args:
        ops: Where the gradient is to be.
        scores: The scores of K tags.
        tutor: Scores of K' tags, K' <= K, which are the first K' of `scores`.
        scheme: The K tags.

    Returns:
        The divergence and its gradient.
    """
    K = tutor.emissions.shape[1]
    shared = TagScores(scores.emissions[:, :K], scores.lengths)
    if scores.transitions is not None and scores.start is not None and scores.end is not None:
        shared.transitions = scores.transitions[:K, :K]
        shared.start, shared.end = scores.start[:K], scores.end[:K]
    student, teacher = (lattice_of(each, scheme.first(K)) for each in (shared, tutor))
    gradient = TagScores(ops.alloc(scores.emissions.shape), scores.lengths)
    if scores.transitions is None:
        log_p, log_q = _log_softmax(teacher.emissions), _log_softmax(student.emissions)
        gradient.emissions[:, :K] = _array(ops, np.exp(log_q) - np.exp(log_p))
        return float((np.exp(log_p) * (log_p - log_q)).sum()), gradient
    steps = Steps(scores.lengths)
    expected = forward_backward(teacher, steps)
    current = forward_backward(student, steps)
    divergence = float((current.log_partition - expected.log_partition).sum())
    for name, ours, theirs in zip(("tags", *_LEARNED), student, teacher, strict=True):
        uses = getattr(expected, name)
        # Where a transition is not legal, both scores are minus infinity and nothing uses them.
        used = uses > 0
        divergence += float((uses[used] * (theirs[used].astype(np.float64) - ours[used])).sum())
        target = "emissions" if name == "tags" else name
        whole = ops.alloc(getattr(scores, target).shape)
        whole[tuple(map(slice, uses.shape))] = _array(ops, getattr(current, name) - uses)
        setattr(gradient, target, whole)
    return divergence, gradient


def decode(scores: TagScores, scheme: TagScheme, allowed: BoolArray | None = None) -> IntArray:
    """Find the best legal and allowed path of each doc.

    Args:
        scores: The scores of K tags.
        scheme: The tags.
        allowed: The tags that each word may have; all if None. (N, K)

    Returns:
        The number of each word's tag. (N,)
    """
    return viterbi(lattice_of(scores, scheme, allowed), Steps(scores.lengths))


def lattice_of(scores: TagScores, scheme: TagScheme, allowed: BoolArray | None = None) -> Lattice:
    """Forbid what is not legal or not allowed; what softmax does not learn is zero.

    Args:
        scores: The scores of K tags.
        scheme: The tags.
        allowed: The tags that each word may have; all if None. (N, K)

    Returns:
        The lattice, on the CPU.
    """
    legal = (scheme.legal_transitions, scheme.legal_start, scheme.legal_end)
    learned = (scores.transitions, scores.start, scores.end)
    masked = (
        np.where(mask, np.float32(0) if array is None else to_numpy(array), _FORBIDDEN)
        for mask, array in zip(legal, learned, strict=True)
    )
    lattice = Lattice(to_numpy(scores.emissions), *masked)
    return lattice if allowed is None else _restricted(lattice, allowed)


def _restricted(lattice: Lattice, allowed: BoolArray) -> Lattice:
    return lattice._replace(emissions=np.where(allowed, lattice.emissions, _FORBIDDEN))


def _log_softmax(scores: FloatArray) -> FloatArray:
    scores = scores.astype(np.float64)
    return scores - log_sum_exp(scores)[:, None]


def _gradient(
    ops: Ops, scores: TagScores, sums: Expectations, d_emissions: FloatArray
) -> TagScores:
    """Put expectations, signed and summed, in the place of the scores that were learned."""
    learned = _LEARNED if scores.transitions is not None else ()
    d_learned = (_array(ops, getattr(sums, name)) for name in learned)
    return TagScores(_array(ops, d_emissions), scores.lengths, *d_learned)


def _array(ops: Ops, gradient: FloatArray) -> FloatsXd:
    return ops.asarray(gradient.astype(np.float32))
