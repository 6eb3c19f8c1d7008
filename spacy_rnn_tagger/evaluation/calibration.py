"""Whether confidences are right as often as they say: calibration error, temperature, thresholds.

The events are the entities that the network found (S of them): each has a confidence, which is its
exact posterior, and is right or wrong.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import BoolArray
from ..crf.posteriors import Posteriors
from ..errors import Errors
from .running import Found

BINS = 10
_RESAMPLES = 1000
# The logarithms of the temperatures to search; no calibration helps a network beyond them.
_BOUNDS = (np.log(0.05), np.log(20.0))
# Posteriors are kept this far from 0 and 1, so that a single certain error has a finite loss.
_LEAST = 1e-9
# The least number of entities to fit anything to.
FEWEST = 20


class CalibrationError(ValueError):
    """The data does not allow the requested calibration."""


def reliability(p: Posteriors, correct: BoolArray) -> list[dict[str, Any]]:
    """Sort entities by confidence into bins of equal width.

    Args:
        p: The confidences. (S,)
        correct: Which of the entities are right. (S,)

    Returns:
        For each bin its borders `low` and `high`, its `count`, the mean `confidence`, and the share
        of correct entities, `precision`; both are None for an empty bin.
    """
    bins = _bin_of(p)
    found = []
    for number in range(BINS):
        own = bins == number
        some = bool(own.any())
        found.append(
            {
                "low": number / BINS,
                "high": (number + 1) / BINS,
                "count": int(own.sum()),
                "confidence": float(p[own].mean()) if some else None,
                "precision": float(correct[own].mean()) if some else None,
            }
        )
    return found


def expected_calibration_error(p: Posteriors, correct: BoolArray) -> float:
    """Compute the mean difference between confidence and precision over bins, weighted by count.

    See Naeini, Cooper and Hauskrecht 2015, "Obtaining Well Calibrated Probabilities Using Bayesian
    Binning".

    Args:
        p: The confidences. (S,)
        correct: Which of the entities are right. (S,)

    Returns:
        The error, from 0 to 1.
    """
    differences = np.bincount(_bin_of(p), weights=p - correct, minlength=BINS)
    return float(np.abs(differences).sum() / len(p))


def error_by_chance(p: Posteriors, seed: int = 0) -> float:
    """Compute the calibration error to expect if each confidence were exactly right.

    The outcomes of few entities deviate from their confidences by chance, so a measured error means
    something only if it is higher (consistency resampling; Bröcker and Smith 2007, "Increasing the
    Reliability of Reliability Diagrams").

    Args:
        p: The confidences. (S,)
        seed: The seed of the resampling.

    Returns:
        The mean error over resamples.
    """
    rng = np.random.default_rng(seed)
    draws = rng.random((_RESAMPLES, len(p))) < p
    return float(np.mean([expected_calibration_error(p, draw) for draw in draws]))


def _bin_of(p: Posteriors) -> NDArray[np.int64]:
    bins: NDArray[np.int64] = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    return bins


def posteriors(batches: Sequence[Found], temperature: float) -> Posteriors:
    """Compute the posteriors of everything that was found, at a temperature.

    Args:
        batches: What was found.
        temperature: The divisor of the network's scores.

    Returns:
        The posteriors. (S,)
    """
    parts = [np.zeros(0)]
    for batch in batches:
        parts.append(batch.inference.at(temperature).posteriors(batch.spans))
    return np.concatenate(parts)


def fit_temperature(batches: Sequence[Found]) -> float:
    """Find the temperature that makes the observed outcomes of the entities likeliest.

    It minimises the mean of -log p for correct entities and -log(1 - p) for the others, where p is
    the exact posterior at the temperature. (Temperature scaling: Guo et al. 2017, "On Calibration
    of Modern Neural Networks"; applied to the events that are used, as in Kuleshov and Liang 2015,
    "Calibrated Structured Prediction".)

    Args:
        batches: What was found.

    Returns:
        The temperature, to four digits.

    Raises:
        CalibrationError: There are too few entities, or all are right, or all are wrong.
    """
    from scipy import optimize

    correct = np.concatenate([np.zeros(0, dtype=bool), *(batch.correct for batch in batches)])
    if len(correct) < FEWEST:
        raise CalibrationError(Errors.RNN416.format(found=len(correct), needed=FEWEST))
    if correct.all() or not correct.any():
        outcome = "right" if correct.all() else "wrong"
        raise CalibrationError(Errors.RNN417.format(found=len(correct), outcome=outcome))

    def loss(log_temperature: float) -> float:
        p = posteriors(batches, float(np.exp(log_temperature))).clip(_LEAST, 1 - _LEAST)
        return -float(np.log(np.where(correct, p, 1 - p)).mean())

    found = optimize.minimize_scalar(loss, bounds=_BOUNDS, method="bounded")
    return round(float(np.exp(found.x)), 4)  # more would be noise


class Operating(NamedTuple):
    """What a threshold does to the entities of a label.

    Attributes:
        threshold: The lowest confidence that is kept.
        precision: The precision of the entities that are kept.
        low: The lower end of its 95 % interval (Wilson 1927).
        high: The upper end.
        kept: How many entities are kept.
        correct: How many of these are right.
        found: How many entities there are without a threshold.
    """

    threshold: float
    precision: float
    low: float
    high: float
    kept: int
    correct: int
    found: int


def threshold_for(label: str, target: float, p: Posteriors, correct: BoolArray) -> Operating:
    """Find the lowest threshold that reaches a precision, which keeps the most entities.

    Args:
        label: The label, for messages.
        target: The precision to reach.
        p: The confidences of the entities of that label. (S,)
        correct: Which of them are right. (S,)

    Returns:
        The threshold and its effect.

    Raises:
        CalibrationError: There are too few entities, or no threshold reaches the precision with
            enough of them.
    """
    from scipy import stats

    if len(p) < FEWEST:
        raise CalibrationError(Errors.RNN418.format(label=label, found=len(p), needed=FEWEST))
    order = np.argsort(-p, kind="stable")
    p, correct = p[order], correct[order]
    kept = np.arange(1, len(p) + 1)
    precision = np.cumsum(correct) / kept
    # A threshold can't separate equal confidences, and the precision of a few entities is luck.
    usable = np.append(p[:-1] > p[1:], True) & (kept >= FEWEST)
    reached = np.flatnonzero(usable & (precision >= target))
    if not len(reached):
        best = int(np.argmax(np.where(usable, precision, -1.0)))
        raise CalibrationError(
            Errors.RNN419.format(
                target=target,
                label=label,
                needed=FEWEST,
                precision=precision[best],
                kept=kept[best],
                threshold=p[best],
            )
        )
    last = int(reached[-1])
    # Between the last that is kept and the first that is not; 0 leaves nothing out.
    threshold = float(p[last] + p[last + 1]) / 2 if last + 1 < len(p) else 0.0
    n, right = int(kept[last]), int(correct[: last + 1].sum())
    interval = stats.binomtest(right, n).proportion_ci(method="wilson")
    low, high = float(interval.low), float(interval.high)
    return Operating(threshold, right / n, low, high, n, right, len(p))
