"""What a person has to check: candidates, for a coverage, or entities below a threshold."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ..errors.wording import without_code
from ..pipeline.thresholds import Candidates
from .calibration import CalibrationError, threshold_for
from .outcomes import DocOutcome

ALL = "all"
LEVEL = 0.95
PRECISIONS = (0.8, 0.9, 0.95, 0.99)

Row = dict[str, Any]


def coverage(
    docs: Sequence[DocOutcome], labels: Sequence[str], candidates: Candidates
) -> list[Row] | None:
    """Count the true entities that are among the candidates, and the candidates.

    Candidates are all spans in the component's span group: the entities found, whatever the
    threshold, further spans according to the setting `candidates`, and entities that were set
    before. Entities whose precise label the annotation does not specify are left out.

    Args:
        docs: The outcomes in each doc.
        labels: The labels.
        candidates: The component's setting.

    Returns:
        None if the pipeline has no such component. Otherwise, for each `label` that is annotated,
        "all" first: `floor` (the setting; None for no further spans, or if each label has its own),
        the counts `gold`, `covered` and `candidates`, `coverage` and its 95 % `interval`, and
        `per_entity` and `per_1000_tokens`, the number of candidates for each of these.
    """
    rows = []
    for label in (ALL, *labels):
        counts = np.array([_covered(doc, label) for doc in docs if doc.candidates is not None])
        if not len(counts) or not counts[:, 1].any():
            continue
        covered, gold, n_spans, n_tokens = counts.sum(axis=0).tolist()
        rows.append(
            {
                "label": label,
                "floor": _floor(candidates, label),
                "gold": gold,
                "covered": covered,
                "coverage": covered / gold,
                "interval": clustered_interval(counts[:, 0], counts[:, 1]),
                "candidates": n_spans,
                "per_entity": n_spans / gold,
                "per_1000_tokens": 1000 * n_spans / n_tokens,
            }
        )
    return rows or None


def _covered(doc: DocOutcome, label: str) -> tuple[int, int, int, int]:
    """Count entities that are covered, entities, candidates, and tokens."""
    gold = {
        mention.span
        for mention in doc.gold
        if label in (ALL, mention.label) and (mention.start, mention.end) not in doc.coarse
    }
    offered = {m.span for m in doc.candidates or () if label in (ALL, m.label)}
    is_marked = label == ALL or doc.label_set is None or doc.label_set.marks(label)
    return len(gold & offered), len(gold), len(offered), doc.n_annotated if is_marked else 0


def _floor(candidates: Candidates, label: str) -> float | None:
    if isinstance(candidates, Mapping):
        return candidates.get(label)
    return candidates


def clustered_interval(
    hits: NDArray[np.int64], totals: NDArray[np.int64], level: float = LEVEL
) -> list[float]:
    """Compute an interval for a share of events that are not independent within docs.

    It is Wilson's (1927), for as many independent events as are worth the same: the number of
    events, divided by the design effect (Rao and Scott 1992, "A simple method for the analysis of
    clustered binary data"). If no event or all of them are hits, nothing is known about that
    effect, and each doc counts as one event.

    Args:
        hits: The number of hits in each doc. (docs,)
        totals: The number of events in each doc, some above zero. (docs,)
        level: The share of such intervals that hold the true share.

    Returns:
        The ends of the interval.
    """
    own = totals > 0
    hits, totals = hits[own], totals[own]
    n, n_docs = float(totals.sum()), len(totals)
    share = float(hits.sum()) / n
    if not 0 < share < 1:
        n = float(n_docs)
    elif n_docs > 1:
        residuals = hits - share * totals
        variance = n_docs / (n_docs - 1) * float(residuals @ residuals) / n**2
        n /= max(1.0, variance / (share * (1 - share) / n))
    z = float(stats.norm.ppf((1 + level) / 2))
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # The share itself is within, also where rounding has moved an end that is 0 or 1.
    return [max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))]


def operating_points(docs: Sequence[DocOutcome], labels: Sequence[str]) -> list[Row] | None:
    """Find, for several precisions, what can be accepted without a check, and what can't.

    Entities whose confidence reaches the threshold are accepted, and a person checks the other
    entities found.

    Args:
        docs: The outcomes in each doc.
        labels: The labels.

    Returns:
        None if the pipeline computes no confidences. Otherwise, for each `label` that is annotated
        and found, "all" first, and each `precision` to reach: `threshold`, the lowest that reaches
        it on these docs; `reached`, the precision there, and its 95 % `interval`; `recall`;
        `accepted` and `checked`, the numbers of entities above and below; `checked_entities` and
        `checked_docs`, the shares of entities and of docs for a person. If no threshold reaches the
        precision, all of these but `checked` are None, the shares are those of everything that was
        found, and `why` is the reason.
    """
    rows = []
    for label in (ALL, *labels):
        events = [
            [
                (mention.confidence, is_right)
                for mention, is_right in doc.found()
                if mention.confidence is not None and label in (ALL, mention.label)
            ]
            for doc in docs
        ]
        n_gold = sum(label in (ALL, mention.label) for doc in docs for mention in doc.gold)
        if n_gold and any(events):
            rows += [_point(label, target, events, n_gold) for target in PRECISIONS]
    return rows or None


def _point(
    label: str, target: float, events: Sequence[Sequence[tuple[float, bool]]], n_gold: int
) -> Row:
    every = [event for own in events for event in own]
    p = np.array([confidence for confidence, _ in every])
    correct = np.array([is_right for _, is_right in every], dtype=bool)
    row: Row = {"label": label, "precision": target}
    row |= dict.fromkeys(("threshold", "reached", "interval", "recall", "accepted"))
    threshold, row["why"] = math.inf, None
    try:
        found = threshold_for(label, target, p, correct)
    except CalibrationError as error:
        row["why"] = without_code(str(error))
    else:
        threshold = found.threshold
        row |= {
            "threshold": threshold,
            "reached": found.precision,
            "interval": [found.low, found.high],
            "recall": found.correct / n_gold,
            "accepted": found.kept,
        }
    checked = [sum(confidence < threshold for confidence, _ in own) for own in events]
    return row | {
        "checked": sum(checked),
        "checked_entities": sum(checked) / len(every),
        "checked_docs": sum(map(bool, checked)) / len(events),
    }
