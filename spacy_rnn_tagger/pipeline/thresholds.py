"""Minimum confidences: of entities in `doc.ents`, and of candidates in the span group.

Each is one number for all labels, or a number per label.
"""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Errors, check_choice

Threshold = float | dict[str, float]
# The least confidence of candidates; None for none. A label that a mapping leaves out has none.
Candidates = float | dict[str, float] | None


def check_threshold(threshold: Threshold) -> None:
    """Raise ValueError unless all thresholds are numbers from 0 to 1."""
    for place, value in _named("threshold", threshold):
        if not (_is_number(value) and 0 <= value <= 1):
            raise ValueError(Errors.RNN005.format(setting=place, received=value))


def check_candidates(candidates: Candidates) -> None:
    """Raise ValueError unless all floors of candidates are numbers above 0, and at most 1."""
    for place, value in _named("candidates", candidates) if candidates is not None else ():
        if not (_is_number(value) and 0 < value <= 1):
            raise ValueError(Errors.RNN006.format(setting=place, received=value))


def check_labels_of(
    setting: Threshold | Candidates, labels: Sequence[str], *, name: str = "a threshold"
) -> None:
    """Check the labels of a setting that has a number for each label.

    Args:
        setting: The setting; one number has no labels.
        labels: The labels that it may have.
        name: What the message calls the setting.

    Raises:
        ValueError: A label is not among these.
    """
    for label in setting if isinstance(setting, Mapping) else ():
        check_choice(f"label of {name}", label, labels)


def of_each(threshold: Threshold, labels: Sequence[str]) -> NDArray[np.float64]:
    """List the threshold of each label; 0 for one that has none. (labels,)."""
    return _of_each(threshold, labels, 0.0)


def floor_of_each(candidates: Candidates, labels: Sequence[str]) -> NDArray[np.float64]:
    """List the floor of candidates of each label; infinite for one that has none. (labels,)."""
    return _of_each({} if candidates is None else candidates, labels, np.inf)


def _of_each(setting: Threshold, labels: Sequence[str], otherwise: float) -> NDArray[np.float64]:
    if isinstance(setting, Mapping):
        return np.array([setting.get(label, otherwise) for label in labels], dtype=np.float64)
    return np.full(len(labels), setting, dtype=np.float64)


def _named(setting: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(f"{setting} of '{label}'", own) for label, own in value.items()]
    return [(setting, value)]


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
