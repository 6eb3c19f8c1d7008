"""The command group `python -m spacy rnn`."""

from spacy.cli._util import app as spacy_app
from typer import Typer

from ..runtime import tune_process

app = Typer(
    name="rnn",
    help="Commands of spacy-rnn-tagger: named-entity recognition with recurrent networks.",
    no_args_is_help=True,
)
# A command has the process to itself. The callback runs before every command.
app.callback()(tune_process)
spacy_app.add_typer(app)

from . import (  # noqa: E402, F401 - they add commands
    annotate,
    audit,
    calibrate,
    convert,
    distill,
    export,
    info,
    init_config,
    report,
    select,
    summary,
    tag,
    vectors,
)
