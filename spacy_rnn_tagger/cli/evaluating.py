"""What the commands that need annotated data have in common."""

from pathlib import Path

import spacy
import typer
from spacy.cli._util import import_code, setup_gpu
from spacy.language import Language

MODEL = typer.Argument(..., help="A trained pipeline: its folder or its package's name")
DATA = typer.Argument(
    ..., help="Annotated data: .spacy, .txt or .jsonl, a file or a folder of them"
)
COMPONENT = typer.Option(None, "--component", help="The component, if there are several rnn_ner")
CODE = typer.Option(None, "--code", "-c", help="Python file with functions that the pipeline needs")
GPU = typer.Option(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU")


def load(model: str, code: Path | None, gpu: int) -> Language:
    """Load a pipeline on a device.

    RAISES OSError, ValueError: it can't be loaded.
    """
    import_code(code)
    setup_gpu(gpu, silent=True)
    return spacy.load(model)


def warn(note: str) -> None:
    """Tell something on standard error, for standard output may be read by a program."""
    typer.secho(f"⚠ {note}", fg="yellow", err=True)
