"""What teacher and student cost: time, disk and memory, measured side by side."""

import inspect
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import Errors, check_at_least
from ..evaluation.running import find_component
from ..runtime import one_core
from . import probe
from .teachers import needed_pipes

Row = dict[str, Any]

_MB = 1e6
_ERROR = 300  # characters of what a failed process said
_UNKNOWN: Row = dict.fromkeys(("startup", "loaded", "tagged", "peak"))
_RAISED = re.compile(r"^[\w.]*(?:Error|Exception|Exit|Interrupt)\b", re.MULTILINE)
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


def measure(
    teacher: Language,
    student: Language,
    texts: Iterable[str | Doc],
    *,
    teacher_component: str | None = None,
    component: str | None = None,
    turns: int = 5,
    one_thread: bool = True,
    processes: bool = True,
    timeout: float = 600.0,
) -> Row:
    """Measure speed, size, memory and start-up of teacher and student.

    Both tag the same texts in one run, in turns: teacher, student, teacher, and so on. Other work
    on the machine slows both of them down, so it hardly changes the ratio of a turn.

    Args:
        teacher: The teacher's pipeline.
        student: The student's pipeline.
        texts: The texts, or docs whose texts are used.
        teacher_component: The component that taught; None for the whole pipeline.
        component: The student's component, if it has several `rnn_ner`.
        turns: The number of times that each of them tags the texts.
        one_thread: Whether each computes with one thread. Otherwise, each uses its default number.
        processes: Whether to measure memory and start-up, each in a separate process.
        timeout: The time limit of such a process, in seconds.

    Returns:
        Plain data for JSON:

        - `threads`, `turns`, `docs`, `tokens` (as the teacher splits them), `machine`;
        - `speed`: `part` (the components that find the entities, and what these listen to) and
          `pipeline` (everything, from text to doc), each with `teacher` and `student`
          (`components`, and `median`, `low`, `high` in tokens per second) and `ratio` (`median`,
          `low`, `high` and the ratio of each of the `turns`);
        - `size` in MB (10^6 bytes), for each of `teacher` and `student`: the `pipeline` on disk,
          and the `part` of it;
        - `memory` in MB: after it was `loaded`, after it has `tagged` the texts, and the `peak`;
          None if the system does not report it;
        - `startup` in seconds, from the start of Python to the loaded pipeline; or None;
        - `notes` for the user.

    Raises:
        ValueError: There are no texts, `turns` is below 1, or a pipeline does not have the
            component.
    """
    check_at_least("turns", turns, 1)
    strings = [text.text if isinstance(text, Doc) else text for text in texts]
    strings = [text for text in strings if text.strip()]
    if not strings:
        raise ValueError(Errors.RNN619)
    parts = {
        "teacher": needed_pipes(teacher, teacher_component),
        "student": needed_pipes(student, find_component(student, component)),
    }
    pipelines = {"teacher": teacher, "student": student}
    notes: list[str] = []
    with one_core() if one_thread else nullcontext():
        n_tokens = sum(len(teacher.make_doc(text)) for text in strings)
        speed = {
            "part": _by_turns(
                {side: _PartRun(nlp, parts[side], strings) for side, nlp in pipelines.items()},
                turns,
                n_tokens,
            ),
            "pipeline": _by_turns(
                {side: _WholeRun(nlp, strings) for side, nlp in pipelines.items()}, turns, n_tokens
            ),
        }
        threads = _threads()
    result: Row = {
        "threads": threads,
        "turns": turns,
        "docs": len(strings),
        "tokens": n_tokens,
        "machine": f"{platform.machine()} {platform.system()}, {os.cpu_count()} CPUs",
        "speed": speed,
        "size": {},
        "memory": {},
        "startup": {},
        "notes": notes,
    }
    for side, nlp in pipelines.items():
        with TemporaryDirectory() as folder:
            path = Path(folder) / "pipeline"
            nlp.to_disk(path)
            result["size"][side] = {
                "pipeline": _size(path),
                "part": sum(_size(path / name) for name in parts[side]),
            }
            found: Row | str = dict(_UNKNOWN)
            if processes:
                found = _in_process(path, strings, one_thread=one_thread, timeout=timeout)
        if isinstance(found, str):
            notes.append(f"Memory and start-up of the {side} could not be measured: {found}")
            found = dict(_UNKNOWN)
        result["startup"][side] = found.pop("startup")
        result["memory"][side] = found
    return result


class _WholeRun:
    """A pipeline that tags texts.

    Attributes:
        components: What runs.
    """

    def __init__(self, nlp: Language, texts: Sequence[str]) -> None:
        self.components = list(nlp.pipe_names)
        self._nlp = nlp
        self._texts = texts

    def seconds(self, n: int | None = None) -> float:
        """Tag the texts, or the first ones, and return the seconds that it took."""
        texts = self._texts[:n]
        start = time.perf_counter()
        for _ in self._nlp.pipe(texts):
            pass
        return time.perf_counter() - start


class _PartRun:
    """Some components of a pipeline that tag docs, which the components before have seen.

    Attributes:
        components: What runs.
    """

    def __init__(self, nlp: Language, part: Sequence[str], texts: Sequence[str]) -> None:
        self.components = list(part)
        self._nlp = nlp
        names = nlp.pipe_names
        last = names.index(part[-1]) if part else len(names)
        # A component may need what others set before it, such as lemmas for patterns. What it
        # listens to runs again, since that is part of its time.
        self._docs = list(nlp.pipe(texts, disable=names[last:]))
        self._disabled = [name for name in names if name not in part]

    def seconds(self, n: int | None = None) -> float:
        """Tag the docs, or the first ones, and return the seconds that it took."""
        docs = [doc.copy() for doc in self._docs[:n]]
        start = time.perf_counter()
        for _ in self._nlp.pipe(docs, disable=self._disabled):
            pass
        return time.perf_counter() - start


def _by_turns(runs: dict[str, Any], turns: int, n_tokens: int) -> Row:
    """Let several runs take turns, and summarise their speeds and the ratio of the second."""
    for run in runs.values():
        run.seconds(20)  # what is computed once, such as tables and buffers
    seconds: dict[str, list[float]] = {side: [] for side in runs}
    for _ in range(turns):
        for side, run in runs.items():
            seconds[side].append(max(run.seconds(), 1e-9))
    result: Row = {
        side: {
            "components": runs[side].components,
            **_spread([n_tokens / value for value in own]),
        }
        for side, own in seconds.items()
    }
    ratios = [a / b for a, b in zip(seconds["teacher"], seconds["student"], strict=True)]
    result["ratio"] = {**_spread(ratios), "turns": ratios}
    return result


def _spread(values: Sequence[float]) -> Row:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def _threads() -> int:
    """Return with how many threads torch computes; 1 without torch."""
    torch = sys.modules.get("torch")
    return int(torch.get_num_threads()) if torch else 1


def _size(path: Path) -> float:
    """Return the size of a folder or a file in MB; 0 for one that is not there."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file()) / _MB


def _in_process(path: Path, texts: Sequence[str], *, one_thread: bool, timeout: float) -> Row | str:
    """Load a pipeline in a fresh process and tag texts; return figures, or why there are none."""
    environment = dict(os.environ)
    if one_thread:
        environment |= dict.fromkeys(_THREADS, "1")
    command = [sys.executable, "-c", inspect.getsource(probe), str(path)]
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    start = time.time()
    try:
        done = subprocess.run(
            command,
            input=lines,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it took more than {timeout:g} seconds."
    except OSError as error:
        return str(error)
    if done.returncode:
        errors = list(_RAISED.finditer(done.stderr))
        said = done.stderr[errors[-1].start() :] if errors else f"status {done.returncode}"
        return " ".join(said.split())[:_ERROR]
    found: dict[str, float | None] = json.loads(done.stdout.strip().splitlines()[-1])
    memory = {key: found[key] for key in ("loaded", "tagged", "peak")}
    ready = found["ready"]
    assert ready is not None
    return {
        "startup": ready - start,
        **{key: None if value is None else value / _MB for key, value in memory.items()},
    }
