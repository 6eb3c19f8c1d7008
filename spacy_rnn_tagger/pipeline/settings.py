"""The settings of a component: checked whenever one is set, and kept from being lost at loading."""

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from numbers import Real
from typing import Any

import numpy as np

from ..crf.tag_scheme import SCHEMES
from ..errors import check_choice
from .span_groups import SPANS_KEY
from .thresholds import check_candidates, check_labels_of, check_threshold

# What can be changed in a trained component, and what the factory has for it.
DEFAULTS: dict[str, Any] = {
    "spans_key": SPANS_KEY,
    "candidates": None,
    "threshold": 0.0,
    "temperature": 1.0,
    "incorrect_spans_key": None,
    "output_labels": None,
}
# Where the saved settings say what the config had for each of these, when they were saved.
CONFIGURED = "config"
_NAMES = ("labels", "scheme", *DEFAULTS, CONFIGURED)


class Settings(dict[str, Any]):
    """What a component saves in its file `cfg`. A setting is checked whenever it is set.

    Raises:
        ValueError: A value is out of range, or a name looks like that of a setting and is not.
    """

    def __init__(self, values: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        super().__init__()
        self.update(values)

    def __setitem__(self, name: str, value: Any) -> None:
        """Set one setting, if it fits the others."""
        self.update({name: value})

    def update(self, *args: Any, **values: Any) -> None:
        """Set some settings, if they fit each other; otherwise none of them."""
        new = {name: _plain(value) for name, value in dict(*args, **values).items()}
        _check(dict(self), new)
        super().update(new)

    def __ior__(self, values: Any) -> "Settings":  # type: ignore[override,misc]
        """Set some settings, as `update` does."""
        self.update(values)
        return self

    def __delitem__(self, name: str) -> None:
        """Remove an entry of somebody else's.

        Raises:
            ValueError: It is a setting of the component.
        """
        if name in _NAMES:
            raise ValueError(f"{name} is a setting of the component and can't be removed.")
        super().__delitem__(name)

    def pop(self, name: str, *default: Any) -> Any:
        """Remove an entry of somebody else's, and return it."""
        value = self.get(name, *default)
        if name in self:
            del self[name]
        return value

    def check(self) -> None:
        """Check all settings, for a threshold of one label can be set within its block.

        Raises:
            ValueError: A value is out of range.
        """
        _check({}, dict(self), names=False)

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Set a setting that is not set."""
        if name not in self:
            self[name] = default
        return self[name]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy it as a whole: by itself, an entry may not fit those still to come."""
        return Settings, (dict(self),)

    def replaced(self, values: Mapping[str, Any]) -> "Settings":
        """Create other settings for the same component, whose scheme must be the same."""
        _check_scheme(self, values)
        return Settings(values)

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take over what was saved, but for what the config now says otherwise.

        A setting can be changed in the component, which its config does not show, and in the
        config of a saved pipeline, or where that is loaded. The latter comes later. It shows by a
        value that is not the one that the config had when the pipeline was saved.

        Args:
            saved: The settings of a component that was saved.
        """
        before = saved.get(CONFIGURED)
        merged = {**saved, CONFIGURED: self[CONFIGURED]}
        for name, value in self[CONFIGURED].items():
            if _same(value, saved.get(name)) or (before and _same(value, before.get(name))):
                continue
            if before is not None:
                merged[name] = value
            if before is None or _same(value, DEFAULTS[name]):
                # Of a pipeline that was saved before this was noted, or of a component that was
                # created without settings: which of the two is meant can't be known.
                warnings.warn(
                    f"{name} is {value!r} in the config, and {saved.get(name)!r} in the component "
                    f"that is loaded: {merged[name]!r} holds. Set it in the component, and save "
                    "that, to be sure.",
                    stacklevel=5,
                )
        _check_scheme(self, merged)
        _check({}, merged, names=False)
        super().update(merged)


def _plain(value: Any) -> Any:
    """Copy a setting in the types that JSON has: lists, and Python's numbers."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value.item() if isinstance(value, np.generic) else value


def _same(value: Any, other: Any) -> bool:
    """Compare settings; a config keeps nine digits of a number."""
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return value.keys() == other.keys() and all(_same(value[k], other[k]) for k in value)
    if _is_number(value) and _is_number(other):
        return math.isclose(value, other, rel_tol=1e-8, abs_tol=1e-8)
    return bool(value == other)


def _check_scheme(known: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    if "scheme" in new and known and known["scheme"] != new["scheme"]:
        raise ValueError(
            f"scheme is {known['scheme']!r} here, and can't become {new['scheme']!r}: the model's "
            "output has other tags in it. Train a component with that scheme."
        )


def _check(known: dict[str, Any], new: dict[str, Any], *, names: bool = True) -> None:
    for name in new if names else ():
        # `cfg` is open to other people's entries, as in spaCy; a slip of the pen is none of them.
        if name not in _NAMES and (near := get_close_matches(name, _NAMES, n=1, cutoff=0.85)):
            raise ValueError(f"There is no setting {name!r}. Did you mean {near[0]!r}?")
    values = {**known, **new}
    if known.get("labels") and values["labels"] != known["labels"]:
        raise ValueError("Labels belong to the network's output: add them with add_label.")
    if "scheme" in new:
        check_choice("scheme", new["scheme"], SCHEMES)
        _check_scheme(known, new)
    for name in ("spans_key", "incorrect_spans_key"):
        if not isinstance(new.get(name), str | None):
            raise ValueError(f"{name} must be the name of a group or null, but got {new[name]!r}.")
    if "output_labels" in new:
        check_output_labels(new["output_labels"], values.get("labels"))
    temperature = new.get("temperature", 1.0)
    if not (_is_number(temperature) and 0 < temperature < math.inf):
        raise ValueError(f"temperature must be above 0, but got {temperature!r}.")
    candidates = values.get("candidates")
    check_candidates(candidates)
    if "candidates" in new and values.get("labels"):
        check_labels_of(candidates, values["labels"], name="candidates")
    if candidates is not None and values.get("spans_key") is None:
        raise ValueError("candidates are written to the group that spans_key names; it is None.")
    if "threshold" in new:
        check_threshold(new["threshold"])
        if values.get("labels"):
            check_labels_of(new["threshold"], values["labels"])


def check_output_labels(output: Any, labels: Sequence[str] | None) -> None:
    """Check which labels are to be written.

    Args:
        output: The labels that are written; None for all.
        labels: Those of the network; None or empty if it has none yet.

    Raises:
        ValueError: It is no list of strings, or the network lacks a label.
    """
    if output is None:
        return
    if not isinstance(output, list | tuple) or not all(isinstance(each, str) for each in output):
        raise ValueError(f"output_labels must be a list of labels or null, but got {output!r}.")
    for label in output if labels else ():
        check_choice("label of output_labels", label, labels or ())


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)
