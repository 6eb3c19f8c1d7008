"""`spacy train` in a process of its own, which keeps what earlier calls have trained."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO

from thinc.api import Config

from ..errors import Errors
from ..io import PARTIAL, folder_whole, read_text, write_whole

_LOG = "training.log"
_SHOWN = 15  # log lines in an error
_STYLE = re.compile(r"\x1b\[[0-9;]*m")

# The system releases these locks when a process ends, even if it is killed.
if sys.platform == "win32":
    import msvcrt

    _BEYOND = 1 << 30  # bytes; a place without text, since others can't write to what is locked

    def _lock(file: IO[bytes]) -> None:
        file.seek(_BEYOND)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


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
    What a killed run has left is removed.

    Args:
        config: The config.
        output: The folder for the pipelines.
        gpu: The GPU's ID, or -1 for the CPU.
        code: A Python file with functions that the config needs.
        progress: Whether to show the output of `spacy train`. Otherwise, it is written to
            `training.log` beside the output folder. That file is locked meanwhile, so that no other
            run trains there.

    Returns:
        The folder of the best pipeline.

    Raises:
        RuntimeError: Training failed, or another run is training there. In the first case, the
            message has the last lines of its output, unless they were shown.
    """
    if output.exists():
        return output / "model-best"
    output.parent.mkdir(parents=True, exist_ok=True)
    log = output.with_name(_LOG)
    with log.open("ab") as file:
        if not _claim(file):
            raise RuntimeError(Errors.RNN353.format(folder=output.parent))
        if not output.exists():  # or else another run has just trained it
            for left in output.parent.glob(f"{output.name}*{PARTIAL}"):
                shutil.rmtree(left, ignore_errors=True)
            with folder_whole(output) as partial:
                arguments = [str(config), "--output", str(partial), "--gpu-id", str(gpu)]
                if code is not None:
                    arguments += ["--code", str(code)]
                _run(config, arguments, None if progress else log)
    return output / "model-best"


def _claim(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed, and tell whether no other run has locked it."""
    try:
        _lock(file)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks, which must not keep anyone from training
        pass
    return True


def _run(config: Path, arguments: list[str], log: Path | None) -> None:
    """Run `spacy train`, and write its output to a log, or show it if there is none."""
    command = [sys.executable, "-m", "spacy", "train", *arguments]
    if log is None:
        if status := subprocess.run(command, check=False).returncode:
            raise RuntimeError(Errors.RNN350.format(config=config, status=status))
        return
    # Opened anew: a process that outlives this one must not keep the lock.
    with log.open("wb") as file:
        status = subprocess.run(
            command, check=False, stdout=file, stderr=subprocess.STDOUT
        ).returncode
    if status:
        lines = _STYLE.sub("", log.read_text("utf-8", "replace")).splitlines()
        shown = "\n".join(lines[-_SHOWN:])
        raise RuntimeError(Errors.RNN351.format(config=config, status=status, output=shown))
