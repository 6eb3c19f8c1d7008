"""A tool in an environment of its own, and its server for the time of a run."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

HOST = "127.0.0.1"
_TIMEOUT = 120  # seconds for an answer
_GRACE = 20  # seconds to stop


def environment(requirements: Sequence[str], folder: Path, python: Path | None) -> Path:
    """Return the Python of an environment that has a tool.

    Args:
        requirements: What the tool needs, for pip.
        folder: Where a new environment is made.
        python: The Python of an environment that has them already; None to make one.
    """
    if python is not None:
        return python.absolute()  # a virtual environment's Python is a link: don't follow it
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    made = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    subprocess.run([str(made), "-m", "pip", "install", "--quiet", *requirements], check=True)
    return made


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as server:
        server.bind((HOST, 0))
        return int(server.getsockname()[1])


@contextmanager
def running(command: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path) -> Iterator[Any]:
    """Run a process, and end it and its children with the block.

    Args:
        command: The program and its arguments.
        log: The file for what it prints.
        env: What its environment has besides ours.
        cwd: The folder that it runs in.

    Yields:
        The process.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env},
            cwd=cwd,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        # The whole session: these servers start workers.
        for number in (signal.SIGTERM, signal.SIGKILL):
            if process.poll() is None:
                os.killpg(process.pid, number)
                try:
                    process.wait(_GRACE)
                except subprocess.TimeoutExpired:
                    continue


def wait_for(url: str, process: Any, seconds: int) -> None:
    """Wait until a server answers.

    Args:
        url: A page that needs no login.
        process: The server.
        seconds: How long to wait.

    Raises:
        RuntimeError: The server stopped.
        TimeoutError: It did not answer in time.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"The server stopped with status {process.returncode}.")
        try:
            if requests.get(url, timeout=_TIMEOUT).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(1)
    raise TimeoutError(f"{url} did not answer within {seconds} seconds.")


class API:
    """A tool's HTTP API, as one of its users.

    Args:
        base: What all addresses begin with.
        headers: Sent with every request.
    """

    def __init__(self, base: str, headers: Mapping[str, str] | None = None) -> None:
        self._base = base
        self.session = requests.Session()
        self.session.headers.update(headers or {})

    def __call__(self, method: str, path: str, **settings: Any) -> Any:
        """Send a request, and return the JSON or the bytes of the answer.

        Raises:
            RuntimeError: The tool refused it.
        """
        response = self.session.request(method, self._base + path, timeout=_TIMEOUT, **settings)
        if not response.ok:
            raise RuntimeError(
                f"{method} {path}: status {response.status_code}, {response.text[:500]}"
            )
        if response.headers.get("content-type", "").startswith("application/json"):
            return response.json()
        return response.content
