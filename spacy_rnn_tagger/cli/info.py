"""`spacy rnn info`: the installation, described for a bug report."""

import json
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

import typer
from spacy.util import get_package_path, is_package, load_config

from ..errors import Errors, described, loading
from ..errors.wording import counted
from . import app
from .failures import failures

_NAME = "spacy-rnn-tagger"
_REQUIRED = ("spacy", "thinc", "torch", "numpy")
# What the extras bring; they are listed where they are installed.
_OPTIONAL = (
    "onnx",
    "onnxruntime",
    "ray",
    "pyarrow",
    "scipy",
    "transformers",
    "spacy-curated-transformers",
)
# What sets the number of threads before Python starts.
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
_FACTORY = "rnn_ner"

_ABSENT = "not installed"

Rows = Iterator[tuple[str, str]]


@app.command("info")
def info_cli(
    model: str = typer.Argument(
        None, help="Folder or package name of a pipeline to describe as well"
    ),
) -> None:
    """Print versions, threads and registered functions, to paste into a bug report.

    A pipeline is described from its meta data and config, without loading it, so a pipeline that
    fails to load can be described as well.
    """
    with failures("No information"):
        sections = [("Versions", [*_versions()]), ("Machine", [*_machine()])]
        sections.append(("Registered functions", [*_registered()]))
        if model is not None:
            with loading(model):
                sections.append((f"Pipeline {model}", [*_pipeline(model)]))
    for title, rows in sections:
        typer.echo(f"{title}\n")
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            typer.echo(f"  {name:<{width}}  {value}")
        typer.echo()


def _versions() -> Rows:
    """List the package, Python and what they compute with."""
    yield _NAME, f"{_version(_NAME)} ({Path(__file__).parents[1]})"
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()})"
    for package in _REQUIRED:
        yield package, _version(package)
    for package in _OPTIONAL:
        if (found := _version(package)) != _ABSENT:
            yield package, found


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return _ABSENT


def _machine() -> Rows:
    """List the platform and how many threads compute."""
    yield "Platform", platform.platform()
    yield "Processor", platform.machine()
    yield "CPUs", f"{os.cpu_count()}{_usable()}"
    torch = sys.modules.get("torch")  # Thinc has imported it if it is installed
    if torch is not None:
        yield "Threads of torch", str(torch.get_num_threads())
        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
        names = [torch.cuda.get_device_name(each) for each in range(gpus)]
        yield "GPUs", ", ".join(names) or "none that torch can use"
    for name in _VARIABLES:
        if name in os.environ:
            yield name, os.environ[name]


def _usable() -> str:
    """Describe a limit of the process's own, as a container or `taskset` sets it."""
    if not hasattr(os, "sched_getaffinity"):  # macOS and Windows
        return ""
    usable = len(os.sched_getaffinity(0))
    return "" if usable == os.cpu_count() else f", of which this process may use {usable}"


def _registered() -> Rows:
    """List what the package registers with spaCy and Thinc, and why an entry fails to load."""
    try:
        found: Distribution = distribution(_NAME)
    except PackageNotFoundError:
        yield "none", f"{_NAME} can be imported but is not installed; run pip install in its clone"
        return
    groups: dict[str, list[str]] = {}
    for point in found.entry_points:
        entry = point.name.removeprefix("spacy_rnn_tagger.")
        try:
            point.load()
        except Exception as error:  # a broken installation can raise anything
            entry += f" (fails: {described(error)})"
        groups.setdefault(point.group.removeprefix("spacy_"), []).append(entry)
    for group in sorted(groups):
        yield group, ", ".join(sorted(groups[group]))


def _pipeline(model: str) -> Rows:
    """Describe a pipeline by its files.

    Raises:
        OSError: It has no meta data or no config.
        ValueError: These can't be read.
    """
    folder = Path(get_package_path(model) if is_package(model) else model)
    if not (folder / "meta.json").is_file():
        raise FileNotFoundError(Errors.RNN221.format(model=model))
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    data = folder / f"{meta['lang']}_{meta['name']}-{meta['version']}"  # in a package
    config = load_config((data if data.is_dir() else folder) / "config.cfg", interpolate=False)
    yield "Name", f"{meta['lang']}_{meta['name']} {meta['version']}"
    yield "Made with spaCy", str(meta.get("spacy_version", "unknown"))
    yield "Requires", ", ".join(meta.get("requirements", ())) or "recorded by `spacy package` only"
    vectors = meta.get("vectors", {})
    if vectors.get("width"):
        yield "Vectors", f"{vectors['vectors']:,} of width {vectors['width']}"
    yield "Components", ", ".join(config["nlp"]["pipeline"])
    labels = meta.get("labels", {})
    for name, settings in config["components"].items():
        if settings.get("factory") == _FACTORY:
            yield name, _component(settings, labels.get(name, ()))


def _component(settings: dict[str, Any], labels: list[str]) -> str:
    """Describe an `rnn_ner` by what decides how it computes."""
    network = settings["model"]
    kind = str(network["@architectures"]).removeprefix("spacy_rnn_tagger.")
    values = {**network, "scheme": settings.get("scheme")}
    parts = [f"{key} {values[key]}" for key in ("cell", "decoder", "scheme") if values.get(key)]
    return ", ".join(
        [kind, *parts, f"{counted(len(labels), 'label')}: {' '.join(labels) or 'none'}"]
    )
