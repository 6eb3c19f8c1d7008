"""Arguments and steps that several commands share."""

from pathlib import Path

import typer
from spacy.cli._util import import_code, setup_gpu
from spacy.language import Language

from ..formats.base import Role
from ..formats.registry import known_suffixes
from ..pipeline.folders import load_pipeline

MODEL = typer.Argument(..., help="Folder or package name of a trained pipeline")
DATA = typer.Argument(
    ...,
    help="Annotated data: a file, or a folder of files, as a path or a URL. File names end in "
    f"{known_suffixes(Role.CORPUS, Role.ANNOTATED)}",
)
COMPONENT = typer.Option(
    None, "--component", help="Name of the component, if there are several rnn_ner"
)
CODE = typer.Option(None, "--code", "-c", help="Python file with functions that the pipeline needs")
GPU = typer.Option(-1, "--gpu-id", "-g", help="GPU ID, or -1 for the CPU")


def prepare(code: Path | None = None, gpu: int = -1) -> None:
    """Prepare the process for pipelines that are loaded later.

    Args:
        code: A Python file with functions that they need.
        gpu: The ID of a GPU; -1 for the CPU.

    Raises:
        SystemExit: The Python file can't be imported.
        ValueError: There is no such GPU.
    """
    import_code(code)
    setup_gpu(gpu, silent=True)


def load(model: str, code: Path | None = None, gpu: int = -1) -> Language:
    """Load a pipeline on a device.

    Args:
        model: Its folder or package name.
        code: A Python file with functions that it needs.
        gpu: The ID of a GPU; -1 for the CPU.

    Returns:
        The pipeline.

    Raises:
        ImportError: It needs a package that is not installed.
        OSError: It can't be read.
        SystemExit: The Python file can't be imported.
        ValueError: It is damaged, or spaCy refuses it; or there is no such GPU.
    """
    prepare(code, gpu)
    return load_pipeline(model)


def warn(note: str) -> None:
    """Print a note to standard error, because a program may read standard output."""
    typer.secho(f"⚠ {note}", fg="yellow", err=True)
