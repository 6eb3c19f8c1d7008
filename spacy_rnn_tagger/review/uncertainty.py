"""How unsure a pipeline is of a doc, and of what in it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from spacy.tokens import Doc

from ..arrays import FloatArray
from ..errors import check_choice
from ..pipeline.inference import Inference
from ..types import EntitySpan

CONFIDENCE, MARGIN, ENTROPY, ERRORS = "confidence", "margin", "entropy", "errors"
MEASURES = (CONFIDENCE, MARGIN, ENTROPY, ERRORS)
TOKEN, DOC = "token", "doc"
UNITS = (TOKEN, DOC)
# What messages say of a score.
NAMES = {
    CONFIDENCE: "1 - P(best analysis)",
    MARGIN: "1 - margin of the two best analyses",
    ENTROPY: "entropy in nats",
    ERRORS: "expected errors",
}
_FLOOR = 0.05  # spans that are less likely than this are not uncertain
_LEAST = 0.1  # nor are those whose doubt is lower


class Doubt(NamedTuple):
    """A span that a pipeline is unsure of.

    Attributes:
        span: In tokens.
        p: Its posterior.
        doubt: 4 p (1 - p): from 0, if it is certain either way, to 1.
    """

    span: EntitySpan
    p: float
    doubt: float


def measure(inference: Inference, by: str, per: str) -> tuple[FloatArray, FloatArray]:
    """Measure how unsure a pipeline is of each doc of a batch.

    - "confidence": 1 - P(best analysis); per token, with the geometric mean over the words (the
      maximum normalised log-probability of Shen et al. 2017, "Deep Active Learning for Named Entity
      Recognition")
    - "margin": 1 - (P(best analysis) - P(second-best analysis)) (Scheffer et al. 2001)
    - "entropy": of all analyses, in nats (Settles and Craven 2008, "An Analysis of Active Learning
      Strategies for Sequence Labeling Tasks", who had to approximate it)
    - "errors": how many words are expected to be tagged wrong

    Args:
        inference: The scores of the batch.
        by: One of these.
        per: "doc" for these values; "token" to divide them by the number of the doc's words.

    Returns:
        The measures, the higher the less sure; and numbers that decide between equal measures,
        since 1 - P of a long doc is rounded to 1. (B,), (B,)

    Raises:
        ValueError: A setting is not among the allowed ones.
    """
    check_choice("by", by, MEASURES)
    check_choice("per", per, UNITS)
    lengths = np.maximum(inference.order.lengths, 1) if per == TOKEN else 1.0
    if by == CONFIDENCE:
        log_p = inference.log_best() / lengths  # P itself may underflow
        return 1.0 - np.exp(log_p), -log_p
    if by == MARGIN:
        best = [[p for _, p in analyses] + [0.0] for analyses in inference.n_best(2)]
        margins = np.array([p[0] - p[1] for p in best])
        return (1.0 - margins) / lengths, -margins
    found = inference.entropies() if by == ENTROPY else inference.expected_errors()
    return found / lengths, np.zeros(len(found))


def doubtful_spans(inference: Inference) -> list[list[Doubt]]:
    """Find the spans of each doc that the pipeline is unsure of, of the labels that it writes.

    Args:
        inference: The scores of a batch.

    Returns:
        The spans of each doc, the most doubtful ones first. [B]
    """
    spans, posteriors, _ = inference.candidates(_FLOOR)
    values = iter(posteriors.tolist())
    found = []
    for own in inference.locate(spans):
        doubts = [Doubt(span, p, 4 * p * (1 - p)) for span, p in zip(own, values, strict=False)]
        doubts = [each for each in doubts if each.doubt >= _LEAST]
        found.append(sorted(doubts, key=lambda each: (-each.doubt, each.span)))
    return found


def features(doc: Doc, doubts: Sequence[Doubt], most: int = 12) -> tuple[tuple[str, float], ...]:
    """List what a doc would teach: the names that are doubtful, and the contexts they are in.

    Args:
        doc: The doc.
        doubts: Its doubtful spans, the most doubtful ones first.
        most: How many of them to take.

    Returns:
        Names and contexts with the doubt of each.
    """
    found: dict[str, float] = {}
    for (start, end, _), _, doubt in doubts[:most]:
        before = doc[start - 1].lower_ if start else ""
        after = doc[end].lower_ if end < len(doc) else ""
        for feature in (f"name {doc[start:end].text.lower()}", f"context {before} _ {after}"):
            found[feature] = max(doubt, found.get(feature, 0.0))
    return tuple(found.items())
