"""`spacy rnn export`: write a pipeline that runs without torch."""

from pathlib import Path

import typer
from wasabi import msg

from ..onnx.exporting import export
from . import app
from .evaluating import CODE, MODEL, prepare
from .failures import failures


@app.command("export")
def export_cli(
    model: str = MODEL,
    output: Path = typer.Argument(..., help="Folder for the exported pipeline"),
    int8: bool = typer.Option(
        False, "--int8", help="Use 8 bits per weight: smaller but less exact"
    ),
    code: Path = CODE,
) -> None:
    """Write a pipeline whose `rnn_ner` is an ONNX graph, for machines without torch.

    Such a machine needs spaCy and onnxruntime. Load the pipeline with `spacy.load`; it gives the
    same entities and confidences, but can't be trained.
    """
    with failures("Nothing was exported"):
        prepare(code)
        names = export(model, output, int8=int8)
    msg.good(f"{', '.join(names)} in {output}")
