"""What training minimises, on the lattice: losses and their gradients, in NumPy.

Gold annotation is a mask of the tags that it leaves open: one tag, all tags where annotation is
missing, or some of them. The loss of a mask is the negative logarithm of its marginal likelihood.
The softmax decoder uses the same lattice; it has no transitions of its own, and in training it
normalises each token by itself.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray
from ..errors import Errors
from .complement import OUTSIDE, complement_loss
from .forward_backward import Expectations, forward_backward, log_sum_exp, log_sums
from .lattice import Lattice
from .packed_order import PackedOrder
from .tag_scheme import NO_ENTITY, Spans, TagScheme

_LEARNED = ("transitions", "start", "end")


class IncorrectSpan(NamedTuple):
    """A span that is known not to be an entity of this label; "O": not outside of all entities.

    Attributes:
        doc: The number of its doc in the batch.
        start: Its first word in the doc.
        end: The word after its last.
        label: The label.
    """

    doc: int
    start: int
    end: int
    label: str


class Gradient(NamedTuple):
    """The gradient of a loss with respect to a lattice's scores; None where none are learned.

    Attributes:
        emissions: (N, K)
        transitions: (K, K)
        start: (K,)
        end: (K,)
    """

    emissions: FloatArray
    transitions: FloatArray | None = None
    start: FloatArray | None = None
    end: FloatArray | None = None


def path_loss(
    lattice: Lattice, lengths: Sequence[int], allowed: BoolArray
) -> tuple[float, Gradient]:
    """Compute the loss of a CRF: -log P(a path that gold allows | doc), summed over the docs.

    It is log Z(legal) - log Z(legal and allowed), where Z sums the exponentials of the scores of
    paths.

    Args:
        lattice: All legal paths.
        lengths: Tokens of each doc. [B]
        allowed: The tags that annotation leaves open. (N, K)

    Returns:
        The loss and its gradient.

    Raises:
        ValueError: Annotation contradicts the scheme, so that no path is left.
    """
    order = PackedOrder(lengths)
    sums = forward_backward(lattice, order)
    free = sums.log_partition.copy()
    gold = _subtract_mask(sums, lattice, order, allowed)
    impossible = np.flatnonzero(~np.isfinite(gold)).tolist()
    if impossible:
        raise ValueError(Errors.RNN020.format(docs=", ".join(map(str, impossible))))
    return float((free - gold).sum()), _of_paths(sums, sums.tags)


def _subtract_mask(
    sums: Expectations, lattice: Lattice, order: PackedOrder, allowed: BoolArray
) -> FloatArray:
    """Subtract the expectations over the paths that a mask allows.

    Args:
        sums: The expectations from which they are subtracted, in place: of many tags, a table of
            transitions is large.
        lattice: The scores.
        order: The order of its tokens.
        allowed: The tags that annotation leaves open. (N, K)

    Returns:
        The log-partitions of these paths. (B,)
    """
    is_open = np.zeros(order.n_docs, dtype=bool)
    is_open[order.doc_of[allowed.sum(axis=1) != 1]] = True
    # Of docs that are fully annotated, there is one path.
    tags = allowed.argmax(axis=1)
    _subtract_one_path(sums, order, tags, ~is_open)
    log_partition = lattice.path_scores(tags, order)
    if is_open.any():
        own, rows = order.select(is_open)
        part = forward_backward(lattice.select(rows).restricted(allowed[rows]), own)
        log_partition[is_open] = part.log_partition
        sums.tags[rows] -= part.tags
        for name in _LEARNED:
            total = getattr(sums, name)
            total -= getattr(part, name)
    return log_partition


def _subtract_one_path(
    sums: Expectations, order: PackedOrder, tags: IntArray, docs: BoolArray
) -> None:
    """Subtract what one path uses, in some docs."""
    is_used = docs[order.doc_of]
    used = np.flatnonzero(is_used)
    sums.tags[used, tags[used]] -= 1.0
    later = is_used.copy()
    later[order.first] = False
    after = np.flatnonzero(later)
    np.subtract.at(sums.transitions, (tags[after - 1], tags[after]), 1.0)
    for rows, total in ((order.first, sums.start), (order.last, sums.end)):
        np.subtract.at(total, tags[rows[is_used[rows]]], 1.0)


def token_loss(emissions: FloatArray, allowed: BoolArray) -> tuple[float, Gradient]:
    """Compute the loss of softmax: the cross-entropy, -log P(a tag that gold allows | token).

    It is summed over the tokens, and 0 where all tags are allowed.

    Args:
        emissions: The scores. (N, K)
        allowed: The tags that annotation leaves open. (N, K)

    Returns:
        The loss and its gradient.
    """
    log_p = _log_softmax(emissions)
    log_gold = np.where(allowed, log_p, -np.inf)
    allowed_log_p = log_sum_exp(log_gold)[:, None]
    # What is not allowed is left out before exp(): far above what is, it would overflow.
    gradient = np.exp(log_p) - np.exp(log_gold - allowed_log_p)
    return float(-allowed_log_p.sum()), Gradient(gradient)


def incorrect_span_loss(
    lattice: Lattice, lengths: Sequence[int], scheme: TagScheme, spans: Sequence[IncorrectSpan]
) -> tuple[float, Gradient]:
    """Compute -log(1 - P(span has label | doc)), summed over spans.

    Both decoders take P from the lattice. The loss is log Z(legal) - log Z(legal without the span),
    a sum over the other paths, because nothing is left of 1 - P when the network is certain. Its
    arithmetic is in `complement`.

    Args:
        lattice: All legal paths.
        lengths: Tokens of each doc. [B]
        scheme: The tags.
        spans: The spans that are known to be incorrect, at least one.

    Returns:
        The loss and its gradient, with that of transitions, whether they are learned or not.
    """
    has_span = np.zeros(len(lengths), dtype=bool)
    has_span[[span.doc for span in spans]] = True
    order, rows = PackedOrder(lengths).select(has_span)
    own = Lattice(*(scores.astype(np.float64) for scores in lattice.select(rows)))
    numbers = {NO_ENTITY: OUTSIDE, **{label: i for i, label in enumerate(scheme.labels)}}
    columns = [(span.doc, span.start, span.end, numbers[span.label]) for span in spans]
    docs, starts, ends, labels = np.array(columns, dtype=np.int64).T
    begins = (np.cumsum(order.lengths) - order.lengths)[np.cumsum(has_span)[docs] - 1]
    places = Spans(begins + starts, begins + ends, labels)
    loss, gradient = complement_loss(own, order, log_sums(own, order), scheme, places)
    d_emissions = np.zeros(lattice.emissions.shape)
    d_emissions[rows] = gradient.emissions
    return loss, Gradient(d_emissions, *gradient[1:])


def path_divergence(
    student: Lattice, teacher: Lattice, lengths: Sequence[int]
) -> tuple[float, Gradient]:
    """Compute the Kullback-Leibler divergence of one CRF's paths from another's, summed over docs.

    Args:
        student: All legal paths.
        teacher: The same, with other scores of the same tags.
        lengths: Tokens of each doc. [B]

    Returns:
        The divergence, and its gradient with respect to the student's scores.
    """
    order = PackedOrder(lengths)
    expected, current = forward_backward(teacher, order), forward_backward(student, order)
    divergence = float((current.log_partition - expected.log_partition).sum())
    gradient = []
    for name, ours, theirs in zip(("tags", *_LEARNED), student, teacher, strict=True):
        uses = getattr(expected, name)
        # Where a transition is not legal, both scores are minus infinity and nothing uses them.
        used = uses > 0
        divergence += float((uses[used] * (theirs[used].astype(np.float64) - ours[used])).sum())
        gradient.append(getattr(current, name) - uses)
    return divergence, Gradient(*gradient)


def token_divergence(student: FloatArray, teacher: FloatArray) -> tuple[float, Gradient]:
    """Compute the Kullback-Leibler divergence of each token's tags from another network's.

    Args:
        student: Emissions. (N, K)
        teacher: Emissions of the same tags. (N, K)

    Returns:
        The divergence, summed over tokens, and its gradient with respect to the student's scores.
    """
    log_p, log_q = _log_softmax(teacher), _log_softmax(student)
    divergence = float((np.exp(log_p) * (log_p - log_q)).sum())
    return divergence, Gradient(np.exp(log_q) - np.exp(log_p))


def _log_softmax(scores: FloatArray) -> FloatArray:
    scores = scores.astype(np.float64)
    return scores - log_sum_exp(scores)[:, None]


def _of_paths(sums: Expectations, d_emissions: FloatArray) -> Gradient:
    return Gradient(d_emissions, sums.transitions, sums.start, sums.end)
