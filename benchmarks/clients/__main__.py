"""`python -m benchmarks.clients label-studio|doccano --model MODEL`."""

import sys
import tempfile
from pathlib import Path

import typer

from spacy_rnn_tagger import tune_process

from . import doccano, label_studio
from .checking import Checks
from .serving import environment

_TOOLS = {"label-studio": label_studio, "doccano": doccano}
_SHOWN = 30  # lines of the tool's log after a failure


def main(
    tool: str = typer.Argument(..., help=" or ".join(_TOOLS)),
    model: str = typer.Option(..., help="A trained pipeline with an rnn_ner"),
    python: Path = typer.Option(
        None, help="The Python of an environment that has the tool; a new one if not given"
    ),
    seconds: int = typer.Option(900, min=1, help="How long the tool may take to start"),
    pictures: Path = typer.Option(
        None, help="Folder for pictures of the tool, by Chromium (needs Playwright)"
    ),
) -> None:
    """Load suggestions into a tool, annotate through its API, and convert its exports."""
    if tool not in _TOOLS:
        raise typer.BadParameter(f"{tool} is none of {', '.join(_TOOLS)}")
    tune_process()
    checks = Checks()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        module = _TOOLS[tool]
        python = environment(module.REQUIREMENTS, folder / "venv", python)
        log = folder / "server.log"
        try:
            module.run(model, python, folder, log, checks, seconds=seconds, pictures=pictures)
        except Exception:
            if log.exists():
                lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
                print(*lines[-_SHOWN:], sep="\n", file=sys.stderr)
            raise
    print(f"{checks.passed} checks passed, {checks.failed} failed")
    if checks.failed:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
