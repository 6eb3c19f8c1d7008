"""The least confidence of an entity that is written to `doc.ents`: one, or one for each label."""

from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from ..errors import check_choice

Threshold = float | dict[str, float]


def check_threshold(threshold: Threshold) -> None:
    """Raise ValueError unless all thresholds are numbers from 0 to 1."""
    named = threshold if isinstance(threshold, Mapping) else {"": threshold}
    for label, value in named.items():
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= 1:
            place = f"threshold of '{label}'" if label else "threshold"
            raise ValueError(f"{place} must be from 0 to 1, but got {value!r}.")


def check_labels_of(threshold: Threshold, labels: Sequence[str]) -> None:
    """Raise ValueError if there is a threshold for a label that is not among the labels."""
    for label in threshold if isinstance(threshold, Mapping) else ():
        check_choice("label of a threshold", label, labels)


def of_each(threshold: Threshold, labels: Sequence[str]) -> NDArray[np.float64]:
    """List the threshold of each label; 0 for one that has none. (labels,)."""
    if isinstance(threshold, Mapping):
        return np.array([threshold.get(label, 0.0) for label in labels], dtype=np.float64)
    return np.full(len(labels), threshold, dtype=np.float64)
