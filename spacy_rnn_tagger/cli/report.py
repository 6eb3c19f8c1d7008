"""`spacy rnn report`: write a page on how a pipeline does on annotated data."""

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
        ..., help="HTML page to write, or the figures as JSON if the name ends in .json"
    ),
    compare: str = typer.Option(
        None, "--compare", help="Folder or package name of a pipeline to compare with"
    ),
    train: str = typer.Option(
        None,
        "--train",
        help="Training data, to tell names seen in training; from the config if not given",
    ),
    n_docs: int = typer.Option(20, "--docs", min=0, help="Number of docs with errors to show"),
    export: str = typer.Option(
        None,
        "--export",
        help="File for all docs with errors, to annotate again: gold entities, with the pipeline's "
        "suggestion as metadata",
    ),
    export_format: str = typer.Option(
        "jsonl", "--export-format", help=f"Format of that file: {_FORMATS}"
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the figures as JSON"),
    component: str = COMPONENT,
    code: Path = CODE,
    gpu: int = GPU,
) -> None:
    """Write an HTML page with scores, errors, confidences and examples, readable offline.

    Any pipeline that sets doc.ents can be measured; confidences come from a component rnn_ner.
    Labels that don't occur in DATA are not scored, nor are labels that output_labels leaves out.
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
