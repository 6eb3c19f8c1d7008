"""`spacy rnn report`: a page on what a pipeline does with annotated data."""

import json
from pathlib import Path

import typer
from wasabi import msg

from ..evaluation.reporting import report
from ..formats.base import Role
from ..formats.registry import formats_for
from . import app
from .evaluating import CODE, COMPONENT, DATA, GPU, MODEL, prepare, warn
from .failures import failures

_FORMATS = " or ".join(", ".join(each.name for each in formats_for(Role.OUTPUT)).rsplit(", ", 1))


@app.command("report")
def report_cli(
    model: str = MODEL,
    data: str = DATA,
    output: Path = typer.Argument(
        ..., help="The HTML page to write, or the figures if it ends in .json"
    ),
    compare: str = typer.Option(None, "--compare", help="Another pipeline, to be compared with"),
    train: str = typer.Option(
        None, "--train", help="Training data, for seen names; that of the config if not given"
    ),
    n_docs: int = typer.Option(20, "--docs", min=0, help="Docs with errors that are shown"),
    export: Path = typer.Option(
        None,
        "--export",
        help="A file for all docs with errors, to be annotated again: gold entities, with the "
        "pipeline's suggestion as metadata",
    ),
    export_format: str = typer.Option(
        "jsonl", "--export-format", help=f"The format of that file: {_FORMATS}"
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the figures as JSON as well"),
    component: str = COMPONENT,
    code: Path = CODE,
    gpu: int = GPU,
) -> None:
    """Write a page with scores, errors, confidence and examples; it needs no network.

    Any pipeline that sets doc.ents can be measured; confidences come from a component rnn_ner.
    Labels that DATA lacks are not scored, nor are those that output_labels keeps silent.
    """
    with failures("No report"):
        prepare(code, gpu)
        figures = report(
            model,
            data,
            output,
            compare=compare,
            train=train,
            n_docs=n_docs,
            component=component,
            export=export,
            export_format=export_format,
            progress=True,
        )
    for note in figures["notes"]:
        warn(note)
    if as_json:
        typer.echo(json.dumps(figures, indent=2, ensure_ascii=False))
    else:
        total = figures["scores"][0]
        typer.echo(figures["summary"])
        msg.good(f"F {total['f']:.3f}, P {total['p']:.3f}, R {total['r']:.3f}: {output}")
