"""`spacy rnn audit`: find annotation that may be wrong."""

from pathlib import Path

import typer
from wasabi import msg

from ..formats.base import Role
from ..formats.registry import formats_for
from ..review.auditing import audit
from . import app
from .evaluating import CODE, COMPONENT, DATA, GPU, MODEL, prepare, warn
from .failures import failures

_FORMATS = " or ".join(", ".join(each.name for each in formats_for(Role.OUTPUT)).rsplit(", ", 1))


@app.command("audit")
def audit_cli(
    model: str = MODEL,
    data: str = DATA,
    output: Path = typer.Argument(
        ..., help="HTML page to write, or the ranking as JSON if the name ends in .json"
    ),
    folds: int = typer.Option(
        5,
        "--folds",
        help="Number of models to train, each on the docs that it does not judge; 0 to judge by "
        "MODEL itself, for data that it was not trained on",
    ),
    steps: int = typer.Option(
        None, "--steps", help="Training steps per fold; from MODEL's config if not given"
    ),
    n: int = typer.Option(
        200, "--n", help="Maximum number of places to show and of docs to export"
    ),
    export: str = typer.Option(
        None, "--export", help="File for annotation tools, with the docs that look wrong"
    ),
    format: str = typer.Option("jsonl", "--format", "-f", help=f"Format of that file: {_FORMATS}"),
    work: Path = typer.Option(
        None, "--work", help="Folder for the training runs; OUTPUT.folds if not given"
    ),
    component: str = COMPONENT,
    code: Path = CODE,
    gpu_id: int = GPU,
) -> None:
    """Rank annotation by how improbable it is to a model that was not trained on it.

    Each model is trained with MODEL's own config on the other folds. An interrupted run is resumed
    by running the same command again. Delete the folder of the training runs when you are done.
    """
    with failures("No audit"):
        prepare(code, gpu_id)
        found = audit(
            model,
            data,
            output,
            folds=folds,
            steps=steps,
            n=n,
            export=export,
            format=format,
            work=work,
            component=component,
            code=code,
            gpu_id=gpu_id,
            progress=True,
            notify=warn,
        )
    print(found["summary"][0])
    msg.good(f"{output}" + (f", and docs to annotate in {export}" if export else ""))
