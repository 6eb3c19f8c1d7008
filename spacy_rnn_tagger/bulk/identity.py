"""What the output of a pipeline depends on, and which of these facts have changed."""

import hashlib
import importlib
import json
import platform
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.util import is_package

from ..formats import storage

_PACKAGES = ("spacy", "thinc", "blis", "numpy", "torch", "onnxruntime", "spacy-rnn-tagger")
_SHOWN = 5  # names in a line


def pipeline_facts(nlp: Language) -> dict[str, str]:
    """Hash all of a pipeline: the files in its folder, and its config.

    Args:
        nlp: The pipeline. If it was not loaded from a folder, it is saved to a temporary one.

    Returns:
        Digests by the names of files in the folder, and that of the config in use, which may be
            another one than the one in the folder.
    """
    if nlp.path is None:
        with tempfile.TemporaryDirectory() as folder:
            nlp.to_disk(folder)
            files = hash_files(Path(folder))
    else:
        files = hash_files(Path(nlp.path))
    return {**files, "(config in use)": _hash_text(nlp.config.to_str())}


def code_facts(model: str, code: Path | None) -> dict[str, str]:
    """Hash the code that comes with a pipeline.

    Args:
        model: The name of the pipeline's package, or its folder.
        code: A file that is loaded with it.

    Returns:
        Digests by the names of files: `code`, and the modules of the package.
    """
    facts = {} if code is None else {"--code": hash_file(code)}
    if is_package(model):
        # What `spacy package --code` puts beside the pipeline's folder.
        folder = Path(str(importlib.import_module(model).__file__)).parent
        facts.update((path.name, hash_file(path)) for path in sorted(folder.glob("*.py")))
    return facts


def hash_files(folder: Path) -> dict[str, str]:
    """Hash all files in a folder and the folders below it.

    Args:
        folder: The folder.

    Returns:
        Digests by the files' paths in the folder.
    """
    paths = storage.walk(folder)
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in paths}


def hash_file(path: Path) -> str:
    """Hash a file by its content."""
    with path.open("rb") as file:
        return storage.digest(file)


def version_facts() -> dict[str, str]:
    """List the versions of what computes, and of all packages that extend spaCy.

    Returns:
        Versions by the names of packages, and that of Python.
    """
    versions = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    for package in distributions():
        if any(point.group.startswith("spacy_") for point in package.entry_points):
            versions[package.metadata["Name"]] = package.version
    return versions


def differences(noted: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Describe what differs between facts.

    Args:
        noted: The facts that were recorded when the output was begun.
        now: The present facts.

    Returns:
        A line for each fact that differs.
    """
    lines = []
    for fact, value in now.items():
        if fact not in noted:
            lines.append(f"{fact}: not recorded before")
            continue
        if (before := noted[fact]) == value:
            continue
        if isinstance(value, dict) and isinstance(before, dict):
            names = list(_changed(before, value))
            shown = ", ".join(names[:_SHOWN])
            more = len(names) - _SHOWN
            lines.append(f"{fact}: {shown}" + (f" and {more:,} more" if more > 0 else ""))
        else:
            lines.append(f"{fact}: {json.dumps(before)} before, {json.dumps(value)} now")
    return lines


def _changed(before: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Name the entries that differ, those of nested facts by the whole path."""
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _changed(old, new, f"{path}{name}.")
        elif old != new:
            yield path + name


def _hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
