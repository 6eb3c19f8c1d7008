"""What the commands that read or write pipelines have in common."""

import json
from pathlib import Path

import spacy
import typer
from spacy.cli._util import import_code, setup_gpu
from spacy.language import Language

from ..io import check_folder, folder_whole
from .failures import loading

MODEL = typer.Argument(..., help="A trained pipeline: its folder or its package's name")
DATA = typer.Argument(
    ..., help="Annotated data: .spacy, .txt or .jsonl, a file or a folder of them"
)
COMPONENT = typer.Option(None, "--component", help="The component, if there are several rnn_ner")
CODE = typer.Option(None, "--code", "-c", help="Python file with functions that the pipeline needs")
GPU = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU")

_META = "meta.json"
# What is in the folder of a pipeline beside its components.
_PARTS = {_META, "config.cfg", "tokenizer", "vocab"}
_NAMED_BY = ("pipeline", "components", "disabled")  # the keys of its meta that name them
_NEXT = "Name another folder, or empty this one."


def load(model: str, code: Path | None = None, gpu: int = -1) -> Language:
    """Load a pipeline on a device.

    Args:
        model: Its folder or its package's name.
        code: A Python file with functions that it needs.
        gpu: The number of a GPU; -1 for the CPU.

    Returns:
        The pipeline.

    Raises:
        ImportError: It needs a package that is not installed.
        OSError: It can't be read.
        ValueError: It is damaged, or spaCy refuses it; or there is no such GPU.
    """
    import_code(code)
    setup_gpu(gpu, silent=True)
    with loading(model):
        return spacy.load(model)


def check_output(output: Path) -> None:
    """Check whether a pipeline can be written to a folder; asked before long work.

    Args:
        output: A folder that is not there, is empty, or holds a pipeline and nothing else.

    Raises:
        OSError: It is a file, or in one, or can't be read.
        ValueError: It holds something else, which writing a pipeline would remove.
    """
    check_folder(output)
    if not output.exists():
        return
    found = {path.name for path in output.iterdir()}
    if found and _META not in found:
        raise ValueError(f"{output} holds other things than a pipeline: {_some(found)}. {_NEXT}")
    foreign = found - _PARTS - _components(output / _META) if found else set()
    if foreign:
        raise ValueError(f"{output} holds more than a pipeline: {_some(foreign)}. {_NEXT}")


def _components(meta: Path) -> set[str]:
    """Read which components a pipeline has; none from a file that is damaged."""
    try:
        content = json.loads(meta.read_text(encoding="utf-8"))
        return {name for key in _NAMED_BY for name in content.get(key, ())}
    except (OSError, ValueError, TypeError, AttributeError):
        return set()


def _some(names: set[str], most: int = 5) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(sorted(names)[:most]) + more


def write_pipeline(nlp: Language, output: Path) -> None:
    """Write a pipeline, whole or not at all; a pipeline that is there is replaced.

    Args:
        nlp: The pipeline.
        output: Its folder, as `check_output` allows it.

    Raises:
        OSError: It can't be written.
        ValueError: The folder holds something else.
    """
    check_output(output)
    with folder_whole(output) as folder:
        nlp.to_disk(folder)


def warn(note: str) -> None:
    """Tell something on standard error, for standard output may be read by a program."""
    typer.secho(f"⚠ {note}", fg="yellow", err=True)
