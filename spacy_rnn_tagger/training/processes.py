"""`spacy train` in a process of its own: the config is written out, and training can be resumed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from thinc.api import Config

from ..io import read_text, write_whole

_LOG = "training.log"
_SHOWN = 15  # lines of the log in an error
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def write_config(config: Config, path: Path) -> None:
    """Write a config, unless it is there and the same."""
    content = config.to_str()
    if not path.exists() or read_text(path) != content:
        write_whole(path, content.encode())


def train(
    config: Path,
    output: Path,
    *,
    gpu: int = -1,
    code: Path | None = None,
    progress: bool = False,
) -> Path:
    """Run `spacy train` in a process of its own.

    The output folder appears when training is complete. What a former call has trained is kept.

    Args:
        config: The config.
        output: The folder for the pipelines.
        gpu: The GPU's ID, or -1 for the CPU.
        code: A Python file with functions that the config needs.
        progress: Whether to show what `spacy train` prints. It is written to `training.log` beside
            the output otherwise.

    Returns:
        The folder of the best pipeline.

    Raises:
        RuntimeError: Training failed; the error has the last lines of what it printed.
    """
    if output.exists():
        return output / "model-best"
    partial = output.with_name(f"{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
    arguments = [str(config), "--output", str(partial), "--gpu-id", str(gpu)]
    if code is not None:
        arguments += ["--code", str(code)]
    command = [sys.executable, "-m", "spacy", "train", *arguments]
    log = output.with_name(_LOG)
    log.parent.mkdir(parents=True, exist_ok=True)
    if progress:
        status = subprocess.run(command, check=False).returncode
        reason = "what it printed says why"
    else:
        with log.open("wb") as file:
            status = subprocess.run(
                command, check=False, stdout=file, stderr=subprocess.STDOUT
            ).returncode
        lines = _STYLE.sub("", log.read_text("utf-8", "replace")).splitlines()
        reason = "\n".join(lines[-_SHOWN:])
    if status:
        raise RuntimeError(f"`spacy train {config}` ended with status {status}: {reason}")
    partial.rename(output)
    return output / "model-best"
