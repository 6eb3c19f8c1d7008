"""Whether probabilities are what they say: calibration error, temperature, and thresholds.

The events are entities that the network found: each has a probability, and is right or wrong.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from ..layers.posterior import Posteriors
from ..types import BoolArray
from .running import Found

BINS = 10
_RESAMPLES = 1000
# Temperatures that are looked at, in logarithms; beyond them a network is no longer calibrated.
_BOUNDS = (np.log(0.05), np.log(20.0))
# A probability that is nearer to 0 or 1 counts as if it were no nearer.
_LEAST = 1e-9
# Fewer entities than this calibrate nothing.
FEWEST = 20


class CalibrationError(ValueError):
    """What is asked can't be had from this data."""


def reliability(p: Posteriors, correct: BoolArray) -> list[dict[str, Any]]:
    """Part entities by their probability into bins of equal width.

    RETURNS: for each bin `low`, `high`, `count`, and where it is not empty the mean probability
        `confidence` and the share of correct ones `precision` (else None).
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
    """Compute the mean difference of confidence and precision of the bins, by their counts.

    (Naeini, Cooper and Hauskrecht 2015, "Obtaining Well Calibrated Probabilities Using Bayesian
    Binning".)

    correct: which of the entities are right. *Shape:* (S,).
    """
    differences = np.bincount(_bin_of(p), weights=p - correct, minlength=BINS)
    return float(np.abs(differences).sum() / len(p))


def error_by_chance(p: Posteriors, seed: int = 0) -> float:
    """Compute the calibration error to expect if each entity were right with its very probability.

    Few entities differ from their probabilities by chance; what is measured says something only
    where it is higher (consistency resampling; Bröcker and Smith 2007, "Increasing the Reliability
    of Reliability Diagrams").
    """
    rng = np.random.default_rng(seed)
    draws = rng.random((_RESAMPLES, len(p))) < p
    return float(np.mean([expected_calibration_error(p, draw) for draw in draws]))


def _bin_of(p: Posteriors) -> NDArray[np.int64]:
    bins: NDArray[np.int64] = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    return bins


def posteriors(batches: Sequence[Found], temperature: float) -> Posteriors:
    """Compute the posteriors of all that was found, at a temperature. *Shape:* (S,)."""
    parts = [np.zeros(0)]
    for batch in batches:
        parts.append(replace(batch.inference, temperature=temperature).posteriors(batch.spans))
    return np.concatenate(parts)


def fit_temperature(batches: Sequence[Found]) -> float:
    """Find the temperature at which it is likeliest that the entities are as right as they are.

    It minimises the mean of -log p of the correct entities and -log(1 - p) of the others, where p
    is the exact posterior at the temperature (temperature scaling, Guo et al. 2017, "On Calibration
    of Modern Neural Networks"; on the events that are used, as Kuleshov and Liang 2015,
    "Calibrated Structured Prediction").

    RAISES CalibrationError: there are too few entities, or all are right, or all wrong.
    """
    correct = np.concatenate([np.zeros(0, dtype=bool), *(batch.correct for batch in batches)])
    if len(correct) < FEWEST:
        raise CalibrationError(
            f"Too few entities to calibrate: the model finds {len(correct)} in the data, and "
            f"{FEWEST} are needed."
        )
    if correct.all() or not correct.any():
        what = "right" if correct.all() else "wrong"
        raise CalibrationError(
            f"All {len(correct)} entities that the model finds in the data are {what}: there is "
            "nothing to fit a temperature to."
        )

    def loss(log_temperature: float) -> float:
        p = posteriors(batches, float(np.exp(log_temperature))).clip(_LEAST, 1 - _LEAST)
        return -float(np.log(np.where(correct, p, 1 - p)).mean())

    found = optimize.minimize_scalar(loss, bounds=_BOUNDS, method="bounded")
    return round(float(np.exp(found.x)), 4)  # more would be noise


class Operating(NamedTuple):
    """What a threshold does to the entities of a label.

    threshold: the least probability.
    precision: of those that are kept.
    low, high: the 95 % interval of the precision (Wilson 1927).
    kept: how many are kept, `correct` of them right.
    found: how many there are without it.
    """

    threshold: float
    precision: float
    low: float
    high: float
    kept: int
    correct: int
    found: int


def threshold_for(label: str, target: float, p: Posteriors, correct: BoolArray) -> Operating:
    """Find the lowest threshold whose entities reach a precision, so that most of them stay.

    p: of the found entities of the label. *Shape:* (S,).
    correct: which of them are right. *Shape:* (S,).

    RAISES CalibrationError: there are too few entities, or no threshold reaches the precision with
        enough of them.
    """
    if len(p) < FEWEST:
        raise CalibrationError(
            f"Too few entities to calibrate {label}: the model finds {len(p)} in the data, and "
            f"{FEWEST} are needed."
        )
    order = np.argsort(-p, kind="stable")
    p, correct = p[order], correct[order]
    kept = np.arange(1, len(p) + 1)
    precision = np.cumsum(correct) / kept
    # Equal probabilities can't be parted, and a precision of a few is luck.
    usable = np.append(p[:-1] > p[1:], True) & (kept >= FEWEST)
    reached = np.flatnonzero(usable & (precision >= target))
    if not len(reached):
        best = int(np.argmax(np.where(usable, precision, -1.0)))
        raise CalibrationError(
            f"No threshold reaches a precision of {target:g} for {label}: the highest with "
            f"{FEWEST} entities or more is {precision[best]:.3f}, of {kept[best]} entities with a "
            f"probability of {p[best]:.3f} or more."
        )
    last = int(reached[-1])
    # Between the last that is kept and the first that is not; nothing is left out by 0.
    threshold = float(p[last] + p[last + 1]) / 2 if last + 1 < len(p) else 0.0
    n, right = int(kept[last]), int(correct[: last + 1].sum())
    interval = stats.binomtest(right, n).proportion_ci(method="wilson")
    low, high = float(interval.low), float(interval.high)
    return Operating(threshold, right / n, low, high, n, right, len(p))
