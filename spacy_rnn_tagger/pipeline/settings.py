"""The settings of a component: checked whenever one is set, and preserved when it is loaded."""

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from numbers import Real
from typing import Any

import numpy as np

from ..crf.tag_scheme import SCHEMES
from ..errors import Errors, Warnings, check_choice
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


# Far beyond any use; divided by much less, scores leave the range of numbers.
_COLDEST = 1e-100


class Settings(dict[str, Any]):
    """The content of a component's file `cfg`. Each setting is checked whenever it is set.

    Raises:
        ValueError: A value is out of range, or a name looks like a misspelled setting.
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
        """Remove an entry that is not a setting of the component.

        Raises:
            ValueError: It is a setting of the component.
        """
        _check_removable(name)
        super().__delitem__(name)

    def pop(self, name: str, *default: Any) -> Any:
        """Remove an entry that is not a setting of the component, and return it."""
        _check_removable(name)
        return super().pop(name, *default)

    def popitem(self) -> tuple[str, Any]:
        """Remove the last entry, if it is not a setting of the component, and return it."""
        _check_removable(*list(self)[-1:])
        return super().popitem()

    def clear(self) -> None:
        """Remove all entries, if none of them is a setting of the component."""
        _check_removable(*self)
        super().clear()

    def check(self) -> None:
        """Check all settings, because a mapping can be changed in place without a check.

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
        """Create other settings for the same component, whose network they must fit."""
        settings = Settings(values)
        _check(dict(self), settings, names=False)
        _check_removable(*(name for name in self if name not in settings))
        return settings

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take over the saved settings, except for those that have changed in the config since.

        A setting can be changed in the component, which its config does not show, or later in the
        config of the saved pipeline, or when that is loaded. A later change is recognised by a
        value other than the one that the config had when the pipeline was saved.

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
                    Warnings.RNNW01.format(
                        setting=name, config=value, saved=saved.get(name), used=merged[name]
                    ),
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


def _check_removable(*names: str) -> None:
    for name in names:
        if name in _NAMES:
            raise ValueError(Errors.RNN012.format(setting=name))


def _check_scheme(known: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    if "scheme" in new and known and known["scheme"] != new["scheme"]:
        raise ValueError(Errors.RNN014.format(current=known["scheme"], received=new["scheme"]))


def _check(known: dict[str, Any], new: dict[str, Any], *, names: bool = True) -> None:
    for name in new if names else ():
        # `cfg` is open to other people's entries, as in spaCy; a slip of the pen is none of them.
        if name not in _NAMES and (near := get_close_matches(name, _NAMES, n=1, cutoff=0.85)):
            raise ValueError(Errors.RNN011.format(received=name, nearest=near[0]))
    values = {**known, **new}
    if known.get("labels") and values["labels"] != known["labels"]:
        raise ValueError(Errors.RNN013)
    if "scheme" in new:
        check_choice("scheme", new["scheme"], SCHEMES)
        _check_scheme(known, new)
    for name in ("spans_key", "incorrect_spans_key"):
        if not isinstance(new.get(name), str | None):
            raise ValueError(Errors.RNN008.format(setting=name, received=new[name]))
    if "output_labels" in new:
        check_output_labels(new["output_labels"], values.get("labels"))
    temperature = new.get("temperature", 1.0)
    if not (_is_number(temperature) and _COLDEST <= temperature <= 1 / _COLDEST):
        raise ValueError(Errors.RNN007.format(received=temperature))
    candidates = values.get("candidates")
    check_candidates(candidates)
    if "candidates" in new and values.get("labels"):
        check_labels_of(candidates, values["labels"], name="candidates")
    if candidates is not None and values.get("spans_key") is None:
        raise ValueError(Errors.RNN010)
    if "threshold" in new:
        check_threshold(new["threshold"])
        if values.get("labels"):
            check_labels_of(new["threshold"], values["labels"])


def check_output_labels(output: Any, labels: Sequence[str] | None) -> None:
    """Check the labels to write.

    Args:
        output: The labels to write; None for all.
        labels: The labels of the network; None or empty if it has none yet.

    Raises:
        ValueError: `output` is not a list of strings, or the network lacks one of its labels.
    """
    if output is None:
        return
    if not isinstance(output, list | tuple) or not all(isinstance(each, str) for each in output):
        raise ValueError(Errors.RNN009.format(received=output))
    for label in output if labels else ():
        check_choice("label of output_labels", label, labels or ())


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)
