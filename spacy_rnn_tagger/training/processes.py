"""`spacy train` in a process of its own, which keeps what earlier calls have trained."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from thinc.api import Config

from ..errors import Errors
from ..io import read_text, write_whole

_LOG = "training.log"
_SHOWN = 15  # log lines in an error
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


def write_config(config: Config, path: Path) -> None:
    """Write a config, unless the file exists with the same content."""
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

    The output folder appears when training is complete. If it exists, nothing is trained again.

    Args:
        config: The config.
        output: The folder for the pipelines.
        gpu: The GPU's ID, or -1 for the CPU.
        code: A Python file with functions that the config needs.
        progress: Whether to show the output of `spacy train`. Otherwise, it is written to
            `training.log` beside the output folder.

    Returns:
        The folder of the best pipeline.

    Raises:
        RuntimeError: Training failed. The message has the last lines of its output, unless they
            were shown.
    """
    if output.exists():
        return output / "model-best"
    partial = output.with_name(f"{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a run that was killed
    arguments = [str(config), "--output", str(partial), "--gpu-id", str(gpu)]
    if code is not None:
        arguments += ["--code", str(code)]
    command = [sys.executable, "-m", "spacy", "train", *arguments]
    log = output.with_name(_LOG)
    log.parent.mkdir(parents=True, exist_ok=True)
    if progress:
        if status := subprocess.run(command, check=False).returncode:
            raise RuntimeError(Errors.RNN350.format(config=config, status=status))
    else:
        with log.open("wb") as file:
            status = subprocess.run(
                command, check=False, stdout=file, stderr=subprocess.STDOUT
            ).returncode
        if status:
            lines = _STYLE.sub("", log.read_text("utf-8", "replace")).splitlines()
            shown = "\n".join(lines[-_SHOWN:])
            raise RuntimeError(Errors.RNN351.format(config=config, status=status, output=shown))
    partial.rename(output)
    return output / "model-best"
