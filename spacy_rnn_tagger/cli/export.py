"""`spacy rnn export`: a pipeline that runs without torch."""

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
    int8: bool = typer.Option(False, "--int8", help="8 bits a weight: smaller, and not as exact"),
    code: Path = CODE,
) -> None:
    """Write a pipeline whose `rnn_ner` is an ONNX graph, for machines without torch.

    Such a machine needs onnxruntime and spaCy. The pipeline is loaded by `spacy.load`, and gives
    the same entities and confidences. It can't be trained.
    """
    with failures("Nothing was exported"):
        prepare(code)
        names = export(model, output, int8=int8)
    msg.good(f"{', '.join(names)} in {output}")
