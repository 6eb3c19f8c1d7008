"""What training minimises: distance from annotation, from a teacher, or from a former model.

Losses are means over docs, and over words: whitespace has no place in the lattice, and no gradient.
The arithmetic is in `crf.likelihood` and `crf.soft_likelihood`; here annotation becomes masks, and
gradients become arrays of the network's device.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from spacy.errors import Errors
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Ops
from thinc.types import FloatsXd
from thinc.util import to_numpy

from ..arrays import BoolArray, FloatArray
from ..crf.likelihood import (
    Gradient,
    IncorrectSpan,
    incorrect_span_loss,
    path_divergence,
    path_loss,
    token_divergence,
    token_loss,
)
from ..crf.soft_likelihood import SoftSpans, soft_path_loss, soft_token_loss
from ..crf.tag_scheme import TagScheme
from ..types import TagScores
from .constraints import WordRows, find_words
from .gold import allowed_tags, find_soft, incorrect_spans, soft_spans

_Loss = tuple[float, TagScores]


def annotation_loss(
    ops: Ops,
    scores: TagScores,
    tags: TagScheme,
    examples: Sequence[Example],
    incorrect_spans_key: str | None,
) -> _Loss:
    """Compute the mean over docs of the distance from annotation, and its gradient.

    The distance is -log P(annotation | doc), where unannotated words are free. In a doc with soft
    annotation, it is the Kullback-Leibler divergence from what the teacher expects; this is also
    -log P(annotation | doc) less the entropy of the annotation, so both count in the same units.
    For each span that is known to be incorrect, -log(1 - P(span | doc)) is added.

    Args:
        ops: Where the gradient is needed.
        scores: The network's scores for the predicted docs.
        tags: The K tags.
        examples: The examples.
        incorrect_spans_key: The group of the spans that are known to be incorrect; None for none.

    Returns:
        The loss and its gradient, zero without examples.

    Raises:
        ValueError: A span is annotated as correct and incorrect (spaCy's E868), the scores are not
            finite (E940), annotation contradicts the scheme, or soft annotation is not made of
            probabilities.
        KeyError: An entity has a label that `tags` lacks.
    """
    soft = find_soft(examples, tags)
    is_soft = np.array([own is not None for own in soft], dtype=bool)

    def hard_part(own: TagScores, part: Sequence[Example], words: WordRows) -> _Loss:
        return mask_loss(ops, own, tags, allowed_tags(part, words, tags))

    def soft_part(own: TagScores, part: Sequence[Example], words: WordRows) -> _Loss:
        annotation = [one for one in soft if one is not None]
        return soft_loss(ops, own, tags, soft_spans(part, annotation, words, tags))

    def of_words(own: TagScores, words: WordRows) -> _Loss:
        (loss, gradient), *others = (
            _of_part(ops, own, examples, words, docs, loss_of_part)
            for docs, loss_of_part in ((~is_soft, hard_part), (is_soft, soft_part))
            if docs.any()
        )
        wrong = incorrect_spans(examples, incorrect_spans_key, words, tags)
        if wrong:
            others.append(incorrect_loss(ops, own, tags, wrong))
        for extra, d_extra in others:
            loss += extra
            gradient.add(d_extra)
        return loss, gradient

    return _mean_over_docs(ops, scores, [eg.predicted for eg in examples], of_words)


def tutor_loss(
    ops: Ops, scores: TagScores, tags: TagScheme, docs: Sequence[Doc], tutor: TagScores
) -> _Loss:
    """Compute the mean over docs of the divergence from a tutor's scores, and its gradient.

    Args:
        ops: Where the gradient is needed.
        scores: The network's scores for the docs.
        tags: The K tags.
        docs: The docs.
        tutor: Scores for the same tokens; the tags that were added last may be missing.

    Returns:
        The loss and its gradient.
    """

    def of_words(own: TagScores, words: WordRows) -> _Loss:
        return divergence_loss(ops, own, tutor.select(words.rows, words.lengths), tags)

    return _mean_over_docs(ops, scores, docs, of_words)


def mask_loss(ops: Ops, scores: TagScores, tags: TagScheme, allowed: BoolArray) -> _Loss:
    """Compute -log P(what annotation allows | doc), summed over docs, and its gradient.

    Args:
        ops: Where the gradient is needed.
        scores: The scores of N words.
        tags: The K tags.
        allowed: The tags that annotation leaves open. (N, K)

    Returns:
        The loss and its gradient.

    Raises:
        ValueError: The scores are not finite (spaCy's E940), or annotation contradicts the scheme.
    """
    _check_finite(scores)
    if scores.transitions is None:
        loss, gradient = token_loss(to_numpy(scores.emissions), allowed)
    else:
        loss, gradient = path_loss(scores.lattice(tags), scores.lengths, allowed)
    return loss, _on_device(ops, gradient, scores)


def soft_loss(ops: Ops, scores: TagScores, tags: TagScheme, soft: SoftSpans) -> _Loss:
    """Compute the divergence from a teacher's beliefs, summed over docs, and its gradient.

    For the CRF it is that of the distributions over paths, for softmax that of each word's tags.

    Args:
        ops: Where the gradient is needed.
        scores: The scores of N words.
        tags: The K tags.
        soft: What the teacher believes about the words.

    Returns:
        The loss and its gradient.

    Raises:
        ValueError: The scores are not finite (spaCy's E940).
    """
    _check_finite(scores)
    if scores.transitions is None:
        emissions = to_numpy(scores.emissions)
        loss, gradient = soft_token_loss(emissions, scores.lengths, tags, soft)
    else:
        loss, gradient = soft_path_loss(scores.lattice(tags), scores.lengths, tags, soft)
    return loss, _on_device(ops, gradient, scores)


def incorrect_loss(
    ops: Ops, scores: TagScores, tags: TagScheme, spans: Sequence[IncorrectSpan]
) -> _Loss:
    """Compute -log(1 - P(span has label | doc)), summed over spans, and its gradient.

    Args:
        ops: Where the gradient is needed.
        scores: The scores of N words.
        tags: The K tags.
        spans: The spans that are known to be incorrect.

    Returns:
        The loss and its gradient.
    """
    loss, gradient = incorrect_span_loss(scores.lattice(tags), scores.lengths, tags, spans)
    return loss, _on_device(ops, gradient, scores)


def divergence_loss(ops: Ops, scores: TagScores, tutor: TagScores, tags: TagScheme) -> _Loss:
    """Compute the Kullback-Leibler divergence of the scores from a tutor's, and its gradient.

    For the CRF it is that of the distributions over paths, for softmax that of each token's tags,
    summed over the docs. The tutor may lack the tags that were added last; only the others follow
    it.

    Args:
        ops: Where the gradient is needed.
        scores: The scores of K tags.
        tutor: Scores of K' tags, K' <= K, which are the first K' of `scores`.
        tags: The K tags.

    Returns:
        The divergence and its gradient.
    """
    K = tutor.emissions.shape[1]
    shared = TagScores(scores.emissions[:, :K], scores.lengths)
    if scores.transitions is not None and scores.start is not None and scores.end is not None:
        shared.transitions = scores.transitions[:K, :K]
        shared.start, shared.end = scores.start[:K], scores.end[:K]
        student, teacher = (each.lattice(tags.first(K)) for each in (shared, tutor))
        loss, gradient = path_divergence(student, teacher, scores.lengths)
    else:
        loss, gradient = token_divergence(*(to_numpy(s.emissions) for s in (shared, tutor)))
    return loss, _on_device(ops, gradient, scores)


def _check_finite(scores: TagScores) -> None:
    if not all(np.isfinite(to_numpy(array)).all() for array in scores.arrays()):
        raise ValueError(Errors.E940)


def _of_part(
    ops: Ops,
    scores: TagScores,
    examples: Sequence[Example],
    words: WordRows,
    docs: BoolArray,
    loss_of_part: Callable[[TagScores, Sequence[Example], WordRows], _Loss],
) -> _Loss:
    """Compute a loss of some docs, with zeros in the gradient for the others.

    Args:
        ops: Where the gradient is needed.
        scores: The scores of the words of all docs.
        examples: The examples of all docs.
        words: The words of all docs.
        docs: Which docs. (B,)
        loss_of_part: The loss, of the scores, the examples and the words of these docs.

    Returns:
        The loss and its gradient.
    """
    if docs.all():
        return loss_of_part(scores, examples, words)
    rows = np.flatnonzero(np.repeat(docs, words.lengths))
    part = [example for example, own in zip(examples, docs, strict=True) if own]
    part_words = find_words([example.predicted for example in part])
    own = replace(scores, emissions=scores.emissions[rows], lengths=part_words.lengths)
    loss, gradient = loss_of_part(own, part, part_words)
    d_emissions = ops.alloc(scores.emissions.shape)
    d_emissions[rows] = gradient.emissions
    return loss, replace(gradient, emissions=d_emissions, lengths=scores.lengths)


def _on_device(ops: Ops, gradient: Gradient, scores: TagScores) -> TagScores:
    """Move a gradient to a device, with zeros for the tags of the scores that it does not have."""

    def moved(array: FloatArray | None, like: FloatsXd | None) -> FloatsXd | None:
        if array is None or like is None:  # not learned
            return None
        if array.shape == like.shape:
            return ops.asarray(array.astype(np.float32))
        whole = ops.alloc(like.shape)
        whole[tuple(map(slice, array.shape))] = ops.asarray(array.astype(np.float32))
        return whole

    return TagScores(
        moved(gradient.emissions, scores.emissions),
        scores.lengths,
        moved(gradient.transitions, scores.transitions),
        moved(gradient.start, scores.start),
        moved(gradient.end, scores.end),
    )


def _zeros(ops: Ops, scores: TagScores) -> TagScores:
    """Create a gradient of zeros."""
    arrays = (scores.transitions, scores.start, scores.end)
    learned = (None if array is None else ops.alloc(array.shape) for array in arrays)
    return TagScores(ops.alloc(scores.emissions.shape), scores.lengths, *learned)


def _mean_over_docs(
    ops: Ops,
    scores: TagScores,
    docs: Sequence[Doc],
    loss_of_words: Callable[[TagScores, WordRows], _Loss],
) -> _Loss:
    if not docs:
        return 0.0, _zeros(ops, scores)
    words = find_words(docs)
    own = scores.select(words.rows, words.lengths)
    loss, gradient = loss_of_words(own, words)
    for array in gradient.arrays():
        array /= len(docs)
    if own is not scores:
        d_emissions = ops.alloc(scores.emissions.shape)
        d_emissions[words.rows] = gradient.emissions
        gradient = replace(gradient, emissions=d_emissions, lengths=scores.lengths)
    return loss / len(docs), gradient
