"""The settings of a distillation."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..bulk.annotating import ENGINES
from ..errors import Errors, check_at_least, check_choice, check_rate
from ..formats import storage
from ..formats.base import Reading
from .corpora import Belief
from .gold import Gold
from .students import Student
from .texts import LEAST

_FINGERPRINT = 1 << 20  # bytes that are read of a file with code


@dataclass(frozen=True)
class Settings:
    """The settings of a distillation; see `distill`."""

    teachers: tuple[str, ...]
    texts: str | None
    output: Path
    component: str | None = None
    spans_key: str | None = None
    belief: Belief = field(default_factory=Belief)
    soft: bool | None = None
    gold: tuple[Gold, ...] = ()
    n_docs: int | None = None
    rounds: int = 1
    near_duplicates: bool = True
    reading: Reading = field(default_factory=Reading)
    student: Student = field(default_factory=Student)
    replace: str | None = None
    lang: str = "en"
    engine: str = "local"
    n_process: int = 1
    batch_size: int | None = None
    shard_size: int = 500
    code: Path | None = None
    gpu: int = -1
    progress: bool = False

    def __post_init__(self) -> None:
        check_choice("engine", self.engine, ENGINES)
        for name in ("n_process", "rounds", "shard_size"):
            check_at_least(name, getattr(self, name), 1)
        if self.n_docs is not None:
            check_at_least("n_docs", self.n_docs, LEAST)
        elif self.rounds > 1:
            raise ValueError(Errors.RNN601.format(rounds=self.rounds))
        check_rate("min_confidence", self.belief.min_confidence)
        if self.texts is None and (self.n_docs is not None or self.replace is not None):
            raise ValueError(Errors.RNN602)
        if self.texts is None and len(self.teachers) > 1:
            raise ValueError(Errors.RNN603.format(n=len(self.teachers)))
        if len(self.teachers) > 1 and self.replace is not None:
            raise ValueError(Errors.RNN604.format(n=len(self.teachers)))

    def annotation_facts(self) -> dict[str, Any]:
        """List what the teacher's annotation depends on, besides the facts of each `annotate` job.

        The annotation is kept even if other settings change.
        """
        code = None if self.code is None else storage.fingerprint(str(self.code), _FINGERPRINT)
        return {
            "teacher": list(self.teachers),
            "texts": self.texts,
            "component": self.component,
            "n_docs": self.n_docs,
            "rounds": self.rounds,
            "near_duplicates": self.near_duplicates,
            "text_column": self.reading.column,
            "whole_files": self.reading.whole,
            "shard_size": self.shard_size,
            "batch_size": self.batch_size,
            "code": code,
            "device": "CPU" if self.gpu < 0 else "GPU",
            "seed": self.student.seed,
        }

    def training_facts(self) -> dict[str, Any]:
        """List what else the student depends on."""
        return {
            "spans_key": self.spans_key,
            "trust": None if self.belief.trust is None else sorted(self.belief.trust),
            "min_confidence": self.belief.min_confidence,
            "soft": self.soft,
            "gold": {gold.name: gold.facts() for gold in self.gold},
            "lang": self.lang,
            **asdict(self.student),
        }

    def conclusion_facts(self) -> dict[str, Any]:
        """List what else is asked for when the student is trained."""
        return {"replace": self.replace}
