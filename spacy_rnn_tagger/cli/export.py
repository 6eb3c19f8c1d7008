"""`spacy rnn export`: a pipeline that runs without torch."""

from pathlib import Path

import typer
from wasabi import msg

from ..io import check_folder
from . import app
from .evaluating import CODE, MODEL, load, write_pipeline
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
        from ..exported.export import export_pipeline

        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise ValueError(f"{output} is there, and not an empty folder.")
        check_folder(output)
        nlp = load(model, code)
        names = export_pipeline(nlp, int8=int8)
        write_pipeline(nlp, output)
    msg.good(f"{', '.join(names)} in {output}")
