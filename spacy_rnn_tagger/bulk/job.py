"""What is to be done with a corpus, and what of it is there already."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import spacy
from spacy.cli._util import import_code, setup_gpu
from spacy.language import Language
from thinc.model import Model

from ..errors import check_at_least, check_choice
from ..files import PARTIAL
from ..workers import one_core
from . import storage
from .outputs import FORMS, write_shard
from .sources import Shard, find_files, in_shards
from .tagging import score_keys, tag_records

_MANIFEST = "annotate.json"


@dataclass(frozen=True)
class Counts:
    """What came of a shard, or of many."""

    docs: int = 0
    tokens: int = 0
    entities: int = 0
    failed: int = 0
    n_bytes: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Add up."""
        return Counts(*map(sum, zip(self.values(), other.values(), strict=True)))

    def values(self) -> tuple[int, ...]:
        """List the counts in their order."""
        return tuple(asdict(self).values())


@dataclass(frozen=True)
class Job:
    """A corpus to be tagged.

    model: a pipeline's folder or its package's name.
    inputs: a file, a folder or a glob; a path or a URL.
    output: the folder for shards, a path or a URL.
    form: "jsonl", "parquet" or "docbin".
    column: the key or column of the text.
    whole: a text file is one record.
    shard_size: records of a shard at most.
    batch_size: docs of a batch; the pipeline's own if None.
    max_length: characters of a text at most; the pipeline's own if None.
    code: a Python file with functions that the pipeline needs.
    gpu: its ID, or -1.

    RAISES ValueError: a setting is not among the allowed ones or out of its range.
    """

    model: str
    inputs: str
    output: str
    form: str = "jsonl"
    column: str = "text"
    whole: bool = False
    shard_size: int = 2000
    batch_size: int | None = None
    max_length: int | None = None
    code: Path | None = None
    gpu: int = -1
    files: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        check_choice("format", self.form, FORMS)
        check_at_least("shard size", self.shard_size, 1)
        for name, value in (("batch size", self.batch_size), ("max length", self.max_length)):
            if value is not None:
                check_at_least(name, value, 1)
        self.files.extend(find_files(self.inputs, self.column))

    def load(self) -> Language:
        """Load the pipeline.

        RAISES OSError, ValueError: it can't be loaded.
        """
        import_code(self.code)
        setup_gpu(self.gpu, silent=True)
        nlp = spacy.load(self.model)
        if self.max_length is not None:
            nlp.max_length = self.max_length
        return nlp

    def begin(self, nlp: Language) -> None:
        """Note what the output is made of, or compare it with what was noted.

        RAISES ValueError: the folder holds the output of another job, or other files.
        """
        path = storage.join(self.output, _MANIFEST)
        facts = self._facts(nlp)
        there = [name for name in storage.find(self.output) if not name.endswith(PARTIAL)]
        if _MANIFEST not in {PurePosixPath(name).name for name in there}:
            if there:
                raise ValueError(f"{self.output} is there, and holds no output of this command.")
            storage.write(path, json.dumps(facts, indent=1).encode())
            return
        noted = json.loads(storage.read(path))
        different = [name for name, value in facts.items() if noted.get(name) != value]
        if different:
            raise ValueError(
                f"{self.output} was begun with other settings ({', '.join(different)}): name "
                "another folder, or delete this one."
            )

    def _facts(self, nlp: Language) -> dict[str, Any]:
        """List all that the output depends on."""
        digest = hashlib.sha256(nlp.config.to_str().encode())
        for name, pipe in nlp.pipeline:
            digest.update(name.encode())
            if isinstance(model := getattr(pipe, "model", None), Model):
                digest.update(model.to_bytes())
            digest.update(json.dumps(getattr(pipe, "cfg", None), default=str).encode())
        return {
            "pipeline": digest.hexdigest(),
            "versions": [version(name) for name in ("spacy", "thinc", "spacy-rnn-tagger")],
            "inputs": [[file, storage.size(file)] for file in self.files],
            "format": self.form,
            "text column": self.column,
            "whole files": self.whole,
            "shard size": self.shard_size,
            "batch size": self.batch_size or nlp.batch_size,
            "max length": nlp.max_length,
        }

    def shards(self, number: int) -> Iterator[Shard]:
        """Read the shards of one of the files."""
        sizes = (self.shard_size, self.column)
        return in_shards(number, self.files[number], *sizes, whole=self.whole)

    def done(self) -> set[str]:
        """List the names of the shards that are written."""
        there = map(PurePosixPath, storage.find(self.output))
        own = (path for path in there if path.suffix == FORMS[self.form][0])
        return {path.stem.removeprefix("part-") for path in own if path.parent.name != "errors"}

    @property
    def n_bytes(self) -> int:
        """How long the inputs are."""
        return sum(map(storage.size, self.files))

    def failures(self) -> list[str]:
        """List the files of records that failed."""
        return storage.find(storage.join(self.output, "errors/*.jsonl"))


class Annotator:
    """A pipeline that tags the shards of a job; each process has one."""

    def __init__(self, job: Job, nlp: Language | None = None) -> None:
        self._job = job
        self._nlp = job.load() if nlp is None else nlp
        self._keys = score_keys(self._nlp)

    def __call__(self, shard: Shard) -> Counts:
        """Tag a shard and write it."""
        nlp, job = self._nlp, self._job
        # Words that are met in a shard are forgotten with it: memory does not grow. The output is
        # the same with any number of cores and processes, since each computes with one thread.
        with one_core(), nlp.memory_zone():
            tagged = tag_records(nlp, shard.records, job.batch_size or nlp.batch_size)
            write_shard(job.output, shard.name, job.form, tagged, self._keys)
            docs = [each.doc for each in tagged if each.doc is not None]
            tokens, entities = sum(map(len, docs)), sum(len(doc.ents) for doc in docs)
            failed = len(tagged) - len(docs)
        return Counts(len(docs), tokens, entities, failed, shard.n_bytes)
