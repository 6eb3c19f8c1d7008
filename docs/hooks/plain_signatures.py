"""Signatures in the reference as a user reads them: aliases and constants by what they stand for.

A function that takes a `Threshold` is shown to take `float | dict[str, float]`, and a default
`SPANS_KEY` is shown as `"rnn_ner"`. mkdocstrings loads this as an extension of Griffe.
"""

from dataclasses import fields
from typing import Any

import griffe


class PlainSignatures(griffe.Extension):
    """Replaces names of module-level aliases and constants in the signatures of a package."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Rewrite the signatures of a package that Griffe has loaded."""
        if pkg.name != "spacy_rnn_tagger":
            return
        for function in _functions(pkg):
            for each in (function, *(function.overloads or ())):
                for parameter in each.parameters:
                    parameter.annotation = _plain(parameter.annotation, pkg)
                    parameter.default = _plain(parameter.default, pkg)
                each.returns = _plain(each.returns, pkg)


def _functions(parent: Any) -> list[griffe.Function]:
    found = []
    for member in parent.members.values():
        if member.is_alias:
            continue
        if member.is_function:
            found.append(member)
        elif member.is_module or member.is_class:
            found += _functions(member)
    return found


def _plain(value: Any, package: griffe.Module) -> Any:
    """Replace the names of the package within an annotation or a default."""
    if isinstance(value, list):
        return [_plain(each, package) for each in value]
    if isinstance(value, griffe.ExprName):
        return _meaning(value, package)
    if isinstance(value, griffe.Expr):
        for field in fields(value):
            setattr(value, field.name, _plain(getattr(value, field.name), package))
    return value


def _meaning(name: griffe.ExprName, package: griffe.Module) -> Any:
    """Return what an alias or a constant stands for, and the name itself if it is neither."""
    path = name.canonical_path
    if not path.startswith(f"{package.path}."):
        return name
    try:
        found = package.modules_collection.get_member(path)
    except KeyError:  # Griffe does not see what is assigned as part of a tuple
        return name
    is_private = found.name.startswith("_")
    return found.value if found.is_attribute and not is_private and found.value else name
