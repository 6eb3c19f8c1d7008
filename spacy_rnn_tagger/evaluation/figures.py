"""The figures of a report, as plain data: what the page shows and the JSON form holds."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ..pipeline.thresholds import Candidates, Threshold, of_each
from ..types import EntitySpan
from .calibration import error_by_chance, expected_calibration_error, reliability
from .outcomes import ERRORS, DocOutcome, Mention, Outcome
from .workload import ALL, LEVEL, Row, coverage, operating_points

__all__ = ["ALL", "LEVEL", "NONE", "Row"]  # others import the first two, and the last, from here

NONE = "none"
_RESAMPLES = 2000
# Entities of this many tokens or more form one group.
_LONG = 5
# The floor of a probability, so that an error of which a model is certain has a finite cost.
_LEAST = 1e-9

# The numbers of correct, predicted and gold entities in each doc. (3, docs)
_Counts = NDArray[np.int64]


def measure(
    docs: Sequence[DocOutcome],
    labels: Sequence[str],
    threshold: Threshold,
    seen: set[tuple[str, str]] | None,
    seed: int = 0,
    candidates: Candidates = None,
) -> Row:
    """Compute all figures for one pipeline.

    Args:
        docs: The outcomes in each doc.
        labels: The labels that are scored; others that occur in the docs are added.
        threshold: The component's setting.
        seen: Text and label of the entities in the training data; None if that is not at hand.
        seed: The seed of the resampling.
        candidates: The component's setting.

    Returns:
        The numbers of `docs` and `tokens`, the `labels`, the settings `threshold` and `candidates`,
        and what the functions below and those of `workload` return, each under its name;
        `by_length` and `by_seen` as `by_group` returns them.
    """
    labels = sorted({*labels, *(mention.label for doc in docs for mention in _all(doc))})
    return {
        "docs": len(docs),
        "tokens": sum(doc.n_tokens for doc in docs),
        "labels": labels,
        "threshold": threshold,
        "candidates": candidates,
        "scores": scores(docs, labels, seed),
        "errors": errors(docs, labels),
        "confusion": confusion(docs, labels),
        "calibration": calibration(docs, labels),
        "precision_recall": precision_recall(docs, labels, threshold),
        "coverage": coverage(docs, labels, candidates),
        "operating_points": operating_points(docs, labels),
        "by_length": by_group(docs, _length_group, [*map(str, range(1, _LONG)), f"{_LONG}+"]),
        "by_seen": None if seen is None else by_seen(docs, seen),
    }


def scores(docs: Sequence[DocOutcome], labels: Sequence[str], seed: int) -> list[Row]:
    """Compute precision, recall and F for all entities and for each label.

    The 95 % intervals come from resampling docs (percentile bootstrap, Efron 1979).

    Args:
        docs: The outcomes in each doc.
        labels: The labels.
        seed: The seed of the resampling.

    Returns:
        For each `label`, "all" first: `p`, `r`, `f`, the counts `gold`, `predicted`, `correct`, and
        `p_interval`, `r_interval`, `f_interval` (None for a single doc).
    """
    rows = []
    for label in (ALL, *labels):
        counts = _counts(docs, label)
        row: Row = {"label": label, **_scored(counts.sum(axis=1))}
        row |= dict.fromkeys(f"{name}_interval" for name in "prf")
        if len(docs) > 1:
            intervals = _resampled(counts, _prf, seed)
            row |= {f"{name}_interval": own for name, own in zip("prf", intervals, strict=True)}
        rows.append(row)
    return rows


def errors(docs: Sequence[DocOutcome], labels: Sequence[str]) -> list[Row]:
    """Count the errors for each label by kind.

    Args:
        docs: The outcomes in each doc.
        labels: The labels.

    Returns:
        For each `label`, "all" first, the counts `boundary`, `label_error`, `missed`, `spurious`.
    """
    counts = Counter((o.label, o.kind) for doc in docs for o in doc.errors)
    totals = Counter(o.kind for doc in docs for o in doc.errors)
    rows = [{"label": ALL, **{_key(kind): totals[kind] for kind in ERRORS}}]
    rows += [
        {"label": label, **{_key(kind): counts[label, kind] for kind in ERRORS}} for label in labels
    ]
    return rows


def _key(kind: str) -> str:
    return "label_error" if kind == "label" else kind


def confusion(docs: Sequence[DocOutcome], labels: Sequence[str]) -> Row:
    """Count gold by predicted labels of overlapping entities, whatever their borders.

    Args:
        docs: The outcomes in each doc.
        labels: The labels, K of them.

    Returns:
        `labels`, the last of which is "none", and `counts`, with a row for each gold label.
        (K + 1, K + 1)
    """
    names = [*labels, NONE]
    number = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), dtype=int)
    for doc in docs:
        for outcome in doc.outcomes:
            row, column = (number[mention.label if mention else NONE] for mention in outcome[1:])
            counts[row, column] += 1
    return {"labels": names, "counts": counts.tolist()}


def calibration(docs: Sequence[DocOutcome], labels: Sequence[str]) -> Row | None:
    """Compare confidences with precision over all that was found, whatever the threshold.

    Args:
        docs: The outcomes in each doc.
        labels: The labels.

    Returns:
        None if the pipeline computes no confidences. Otherwise `scores`: for each `label` its
        `count`, `ece` (the expected calibration error), `ece_by_chance` (the error to expect if
        the confidences were exactly right), `confidence` (the mean) and `precision`; and `bins`
        over all entities, as `reliability` returns them.
    """
    rows = []
    for label in (ALL, *labels):
        p, correct = _events(docs, label)
        if len(p):
            rows.append(
                {
                    "label": label,
                    "count": len(p),
                    "ece": expected_calibration_error(p, correct),
                    "ece_by_chance": error_by_chance(p),
                    "confidence": float(p.mean()),
                    "precision": float(correct.mean()),
                }
            )
    return {"scores": rows, "bins": reliability(*_events(docs, ALL))} if rows else None


def precision_recall(
    docs: Sequence[DocOutcome], labels: Sequence[str], threshold: Threshold
) -> list[Row] | None:
    """Compute precision and recall at every threshold.

    Args:
        docs: The outcomes in each doc.
        labels: The labels.
        threshold: The component's setting.

    Returns:
        None if the pipeline computes no confidences. Otherwise, for each `label`, the lists
        `threshold`, `precision` and `recall`, from the highest threshold to the lowest, and
        `today`, the point at the present setting: `threshold` (None for "all" if each label has
        its own), `precision` (None if nothing is kept) and `recall`.
    """
    rows = []
    for label in (ALL, *labels):
        p, correct = _events(docs, label)
        correct_today, kept, gold = _counts(docs, label).sum(axis=1).tolist()
        if not len(p) or not gold:
            continue
        order = np.argsort(-p, kind="stable")
        # A threshold keeps or drops entities with the same confidence together.
        last = np.append(np.diff(p[order]) != 0, True)
        right = np.cumsum(correct[order])
        several = isinstance(threshold, Mapping) and label == ALL
        rows.append(
            {
                "label": label,
                "threshold": p[order][last].tolist(),
                "precision": (right / np.arange(1, len(p) + 1))[last].tolist(),
                "recall": (right / gold)[last].tolist(),
                "today": {
                    "threshold": None if several else float(of_each(threshold, [label])[0]),
                    "precision": correct_today / kept if kept else None,
                    "recall": correct_today / gold,
                },
            }
        )
    return rows or None


def by_seen(docs: Sequence[DocOutcome], seen: set[tuple[str, str]]) -> list[Row]:
    """Compute scores for names that are entities of their label in training, and for others.

    Args:
        docs: The outcomes in each doc.
        seen: Text and label of the entities in the training data.

    Returns:
        The groups "seen" and "unseen", as `by_group` returns them.
    """

    def group(mention: Mention) -> str:
        return "seen" if (mention.text, mention.label) in seen else "unseen"

    return by_group(docs, group, ["seen", "unseen"])


def by_group(
    docs: Sequence[DocOutcome], group: Callable[[Mention], str], names: Sequence[str]
) -> list[Row]:
    """Compute scores for groups of entities.

    Args:
        docs: The outcomes in each doc.
        group: Returns the group of an entity, gold or predicted.
        names: The groups.

    Returns:
        For each `group`: `p`, `r`, `f` and the counts `gold`, `predicted`, `correct`.
    """
    rows = []
    for name in names:
        gold = sum(group(mention) == name for doc in docs for mention in doc.gold)
        predicted = sum(group(mention) == name for doc in docs for mention in doc.predicted)
        correct = sum(
            o.kind == "correct" and o.gold is not None and group(o.gold) == name
            for doc in docs
            for o in doc.outcomes
        )
        rows.append({"group": name, **_scored(np.array([correct, predicted, gold]))})
    return rows


def _scored(counts: _Counts) -> Row:
    """Return the numbers of correct, predicted and gold entities, and the scores they give."""
    correct, predicted, gold = counts.tolist()
    row = {"gold": gold, "predicted": predicted, "correct": correct}
    return row | {key: float(value) for key, value in zip("prf", _prf(*counts), strict=True)}


def _length_group(mention: Mention) -> str:
    length = mention.end - mention.start
    return str(length) if length < _LONG else f"{_LONG}+"


def compare(
    ours: Sequence[DocOutcome], theirs: Sequence[DocOutcome], labels: Sequence[str], seed: int = 0
) -> list[Row]:
    """Compare the F of two pipelines on the same docs.

    The p-value comes from approximate randomisation: how often the difference is as large when docs
    change sides at random (Noreen 1989; Yeh 2000, "More accurate tests for the statistical
    significance of result differences"). The interval comes from resampling docs.

    Args:
        ours: The outcomes of one pipeline in each doc.
        theirs: Those of the other one, in the same order.
        labels: The labels.
        seed: The seed of the resampling.

    Returns:
        For each `label` that occurs: `ours` and `theirs` (F), their `difference`, its `interval`
        and `p_value` (None for a single doc), and `only_ours` and `only_theirs`, the numbers of
        gold entities that only one of them finds.
    """
    rows = []
    for label in (ALL, *labels):
        both = np.concatenate([_counts(ours, label), _counts(theirs, label)])
        if not both.any():
            continue
        f = [float(_prf(*side.sum(axis=1))[2]) for side in np.split(both, 2)]
        row: Row = {"label": label, "ours": f[0], "theirs": f[1], "difference": f[0] - f[1]}
        row |= {"interval": None, "p_value": None}
        if both.shape[1] > 1:
            [row["interval"]] = _resampled(both, _difference, seed)
            row["p_value"] = _p_value(both, seed)
        found = [_found(docs, label) for docs in (ours, theirs)]
        row |= {"only_ours": len(found[0] - found[1]), "only_theirs": len(found[1] - found[0])}
        rows.append(row)
    return rows


def costliest(docs: Sequence[DocOutcome], n: int) -> list[tuple[int, float]]:
    """Find the docs with the costliest errors.

    Args:
        docs: The outcomes in each doc.
        n: How many docs to return at most.

    Returns:
        The index and the cost of each doc, the costliest first.
    """
    costs = [(number, sum(map(cost, doc.errors))) for number, doc in enumerate(docs) if doc.errors]
    return sorted(costs, key=lambda row: -row[1])[:n]


def cost(error: Outcome) -> float:
    """Compute the cost of an error: -log p for its gold entity, -log(1 - p) for its predicted one.

    Args:
        error: The error.

    Returns:
        The cost in nats; 1 without confidences.
    """
    p = [
        1 - mention.confidence if is_wrong else mention.confidence
        for mention, is_wrong in ((error.gold, False), (error.predicted, True))
        if mention is not None and mention.confidence is not None
    ]
    return float(-np.log(np.maximum(p, _LEAST)).sum()) if p else 1.0


def names_of(docs: Iterable[Any]) -> set[tuple[str, str]]:
    """Collect text and label of the entities in docs."""
    return {(ent.text, ent.label_) for doc in docs for ent in doc.ents}


def _all(doc: DocOutcome) -> list[Mention]:
    return [*doc.gold, *doc.predicted, *doc.below]


def _events(docs: Sequence[DocOutcome], label: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the confidences of all that was found, and whether it is right. (S,), (S,)"""
    events = [
        (mention.confidence, right)
        for doc in docs
        for mention, right in doc.found()
        if mention.confidence is not None and label in (ALL, mention.label)
    ]
    p, correct = zip(*events, strict=True) if events else ((), ())
    return np.array(p, dtype=np.float64), np.array(correct, dtype=bool)


def _counts(docs: Sequence[DocOutcome], label: str) -> _Counts:
    rows = [
        (
            sum(o.kind == "correct" and label in (ALL, o.label) for o in doc.outcomes),
            sum(label in (ALL, mention.label) for mention in doc.predicted),
            sum(label in (ALL, mention.label) for mention in doc.gold),
        )
        for doc in docs
    ]
    return np.array(rows, dtype=np.int64).reshape(-1, 3).T


def _prf(correct: Any, predicted: Any, gold: Any) -> tuple[Any, Any, Any]:
    """Compute precision, recall and F from counts of any shape; zero where there are none."""
    return tuple(
        np.divide(factor * correct, total, out=np.zeros(np.shape(total)), where=total > 0)
        for factor, total in ((1, predicted), (1, gold), (2, predicted + gold))
    )


def _difference(*counts: Any) -> tuple[Any]:
    return (_prf(*counts[:3])[2] - _prf(*counts[3:])[2],)


def _resampled(
    counts: _Counts, statistic: Callable[..., tuple[Any, ...]], seed: int
) -> list[list[float]]:
    """Compute 95 % intervals for a statistic of counts summed over docs, by resampling docs."""

    def summed(*rows: NDArray[Any], axis: int) -> tuple[Any, ...]:
        return statistic(*(row.sum(axis=axis) for row in rows))

    found = stats.bootstrap(
        tuple(counts),
        summed,
        n_resamples=_RESAMPLES,
        batch=100,
        paired=True,
        vectorized=True,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = np.atleast_1d(*found.confidence_interval)
    return [[float(a), float(b)] for a, b in zip(low, high, strict=True)]


def _p_value(both: _Counts, seed: int) -> float:
    ours, theirs = np.split(both, 2)
    every = np.concatenate([ours, theirs], axis=1)
    n_docs = both.shape[1]

    def difference(some: NDArray[Any], others: NDArray[Any], axis: int) -> NDArray[Any]:
        f: list[NDArray[Any]] = [
            _prf(*every[:, rows].sum(axis=axis if axis < 0 else axis + 1))[2]
            for rows in (some, others)
        ]
        return f[0] - f[1]

    found = stats.permutation_test(
        (np.arange(n_docs), np.arange(n_docs) + n_docs),
        difference,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=100,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def _found(docs: Sequence[DocOutcome], label: str) -> set[tuple[int, EntitySpan]]:
    return {
        (number, outcome.gold.span)
        for number, doc in enumerate(docs)
        for outcome in doc.outcomes
        if outcome.kind == "correct" and outcome.gold and label in (ALL, outcome.label)
    }
