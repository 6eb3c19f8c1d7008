"""What training minimises: distance from annotation, or from what a former model says.

Both are means over docs, and both are of words: whitespace has no place in the lattice, and no
gradient.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Ops

from .annotation import allowed_tags, incorrect_spans
from .constraints import Words, find_words
from .layers.lattice import divergence_and_gradient, incorrect_spans_loss, loss_and_gradient
from .tags import TagScheme
from .types import TagScores

_Loss = tuple[float, TagScores]


def annotation_loss(
    ops: Ops,
    scores: TagScores,
    tags: TagScheme,
    examples: Sequence[Example],
    incorrect_spans_key: str | None,
) -> _Loss:
    """Compute the mean over docs of -log P(annotation | doc), and its gradient.

    Unannotated words are free. To it is added -log(1 - P(span | doc)) of each span that is known to
    be incorrect.

    RAISES ValueError: a span is annotated as correct and incorrect (spaCy's E868), or the scores
        are not finite (E940).
    """

    def of_words(own: TagScores, words: Words) -> _Loss:
        allowed = allowed_tags(examples, words, tags)
        loss, gradient = loss_and_gradient(ops, own, tags, allowed)
        wrong = incorrect_spans(examples, incorrect_spans_key, words, tags)
        if wrong:
            extra, d_extra = incorrect_spans_loss(ops, own, tags, wrong)
            loss += extra
            gradient.add(d_extra)
        return loss, gradient

    return _mean_over_docs(ops, scores, [eg.predicted for eg in examples], of_words)


def tutor_loss(
    ops: Ops, scores: TagScores, tags: TagScheme, docs: Sequence[Doc], tutor: TagScores
) -> _Loss:
    """Compute the mean over docs of the divergence from a tutor's scores, and its gradient.

    tutor: of the same tokens; it may lack the tags that were added last.
    """

    def of_words(own: TagScores, words: Words) -> _Loss:
        return divergence_and_gradient(ops, own, tutor.select(words.rows, words.lengths), tags)

    return _mean_over_docs(ops, scores, docs, of_words)


def _mean_over_docs(
    ops: Ops,
    scores: TagScores,
    docs: Sequence[Doc],
    loss_of_words: Callable[[TagScores, Words], _Loss],
) -> _Loss:
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
