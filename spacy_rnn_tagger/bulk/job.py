"""What to do with a corpus, and what has been done already."""

import gc
import json
import warnings
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import KW_ONLY, asdict, dataclass, field
from pathlib import Path
from typing import Any

import spacy
from spacy.cli._util import setup_gpu
from spacy.language import Language
from spacy.tokens import Doc

from ..errors import Errors, Warnings, check_at_least, described, listed, loading
from ..formats import storage
from ..formats.base import Reading, Role, Writing
from ..formats.label_studio import LabelStudio
from ..formats.registry import by_name
from ..io import PARTIAL
from ..pipeline.folders import run_code
from ..pipeline.rnn_ner import RNNEntityRecognizer
from ..runtime import one_core
from .identity import code_facts, differences, pipeline_facts, version_facts
from .outputs import errors_name, shard_name, write_extras, write_shard
from .sources import MANIFEST, Shard, find_inputs, in_shards
from .tagging import tag_records

# Bytes that are read from the inputs, approximately, to find out if they are the same as before.
_FINGERPRINTS = 1 << 30


@dataclass(frozen=True)
class Counts:
    """Counts of a shard, or of many.

    Attributes:
        docs: Records that were tagged and written.
        tokens: Their tokens.
        entities: Their entities.
        failed: Records that failed.
        n_bytes: Bytes of the input.
        before: Records in shards that an earlier run wrote, including those that failed.
        failed_before: Records that failed then.
    """

    docs: int = 0
    tokens: int = 0
    entities: int = 0
    failed: int = 0
    n_bytes: int = 0
    before: int = 0
    failed_before: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Add up."""
        return Counts(*map(sum, zip(self.values(), other.values(), strict=True)))

    def values(self) -> tuple[int, ...]:
        """List the counts in their order."""
        return tuple(asdict(self).values())


@dataclass(frozen=True)
class Job:
    """A corpus to tag.

    Attributes:
        model: A pipeline's folder or its package's name.
        inputs: A file, a folder or a glob; a path or a URL.
        output: The folder for shards, or the one file that a command writes; a path or a URL.
        form: The name of the shards' format.
        column: The key or column of the text.
        whole: Whether a text file is one record.
        shard_size: Records per shard, at most.
        batch_size: Docs per batch; the pipeline's own setting if None.
        max_length: Characters per text, at most; the pipeline's own setting if None.
        code: A Python file with functions that the pipeline needs.
        gpu: The GPU's ID, or -1.
        from_name: The name of Label Studio's control tag.
        to_name: The name of its object tag.
        but: Other files that are not input, because the command writes them.
        files: The files of the input.
        skipped: A sentence on what is left out of the input; empty if nothing is.

    Raises:
        ValueError: A setting is not among the allowed ones or out of its range, or a file of the
            input has no known format.
        OSError: There is no input, or it can't be read.
        ModuleNotFoundError: The format is Parquet, but pyarrow is not installed.
    """

    model: str
    inputs: str
    output: str
    _: KW_ONLY
    form: str = "jsonl"
    column: str = "text"
    whole: bool = False
    shard_size: int = 2000
    batch_size: int | None = None
    max_length: int | None = None
    code: Path | None = None
    gpu: int = -1
    from_name: str = Writing.from_name
    to_name: str = Writing.to_name
    but: tuple[str, ...] = ()
    files: list[str] = field(init=False, default_factory=list)
    skipped: str = field(init=False, default="")

    def __post_init__(self) -> None:
        form = by_name(self.form, Role.OUTPUT)
        check_at_least("shard size", self.shard_size, 1)
        for name, value in (("batch size", self.batch_size), ("max length", self.max_length)):
            if value is not None:
                check_at_least(name, value, 1)
        form.prepare()
        inputs = find_inputs(self.inputs, self.reading, self.output, *self.but)
        self.files.extend(inputs.files)
        if inputs.skipped:
            object.__setattr__(self, "skipped", inputs.describe_skipped())

    @property
    def reading(self) -> Reading:
        """How the inputs are read."""
        return Reading(column=self.column, whole=self.whole)

    def writing(self, nlp: Language) -> Writing:
        """Tell how a pipeline's annotation is written."""
        meta = nlp.meta
        model = f"{meta['lang']}_{meta['name']}-{meta['version']}"
        return Writing(model, self.from_name, self.to_name)

    def load(self) -> Language:
        """Load the pipeline.

        Returns:
            The pipeline.

        Raises:
            ImportError: It needs a package that is not installed.
            OSError: It, or the code that it needs, can't be read.
            ValueError: It, or the code that it needs, can't be loaded.
        """
        if self.code is not None:
            run_code(self.code)
        setup_gpu(self.gpu, silent=True)
        with loading(self.model):
            nlp = spacy.load(self.model)
        if self.max_length is not None:
            nlp.max_length = self.max_length
        for _, pipe in nlp.pipeline:
            if isinstance(pipe, RNNEntityRecognizer):
                pipe.rates_docs = by_name(self.form, Role.OUTPUT).rates_docs
        return nlp

    def begin(self, nlp: Language) -> None:
        """Record what the output depends on, or compare it with an earlier record.

        Args:
            nlp: The pipeline.

        Raises:
            ValueError: The folder contains the output of another job, or other files.
            OSError: It can't be read or written.
        """
        if storage.is_file(self.output):
            raise ValueError(Errors.RNN204.format(path=self.output))
        path = storage.join(self.output, MANIFEST)
        facts = self._facts(nlp)
        there = [name for name in storage.names_in(self.output) if not name.endswith(PARTIAL)]
        if MANIFEST not in there:
            if there:
                raise ValueError(Errors.RNN209.format(output=self.output))
            storage.write(path, json.dumps(facts, indent=1).encode())
        else:
            try:
                noted = dict(json.loads(storage.read(path)))
            except (TypeError, ValueError) as error:
                reason = described(error)
                raise ValueError(Errors.RNN210.format(path=path, reason=reason)) from error
            if different := differences(noted, facts):
                raise ValueError(
                    Errors.RNN211.format(output=self.output, differences=listed(different))
                )
        write_extras(self.output, self.form, entity_labels(nlp), self.writing(nlp), there)

    def _facts(self, nlp: Language) -> dict[str, Any]:
        """List everything that the output depends on."""
        names = {"from name": self.from_name, "to name": self.to_name}
        # Other outputs don't depend on them, and those of earlier versions don't have them.
        chosen = {k: v for k, v in names.items() if self.form == LabelStudio.name}
        budget = max(_FINGERPRINTS // len(self.files), 1 << 12)
        return {
            "pipeline": pipeline_facts(nlp),
            "code": code_facts(self.model, self.code),
            "versions": version_facts(),
            "device": "CPU" if self.gpu < 0 else "GPU",
            "inputs": {
                file: [storage.size(file), storage.fingerprint(file, budget)] for file in self.files
            },
            "format": self.form,
            "text column": self.column,
            "whole files": self.whole,
            "shard size": self.shard_size,
            "batch size": self.batch_size or nlp.batch_size,
            "max length": nlp.max_length,
            **chosen,
        }

    def shards(self, number: int) -> Iterator[Shard]:
        """Read the shards of one of the files."""
        return in_shards(number, self.files[number], self.shard_size, self.reading)

    def written(self) -> "Written":
        """Find out which shards are written."""
        return Written(self, frozenset(storage.names_in(self.output)))

    @property
    def n_bytes(self) -> int:
        """Size of the inputs."""
        return sum(map(storage.size, self.files))


@dataclass(frozen=True)
class Written:
    """What is written of a job's output.

    Attributes:
        job: The job.
        names: The files in its output folder.
    """

    job: Job
    names: frozenset[str]

    def __contains__(self, shard: Shard) -> bool:
        """Tell whether a shard is written."""
        return shard_name(shard.name, self.job.form) in self.names

    def counts(self, shard: Shard) -> Counts:
        """Count the records of a shard that is written."""
        failed = 0
        if (name := errors_name(shard.name)) in self.names:
            failed = storage.read(storage.join(self.job.output, name)).count(b"\n")
        return Counts(n_bytes=shard.n_bytes, before=len(shard.records), failed_before=failed)

    def failures(self) -> list[str]:
        """List the files with records that failed."""
        names = (name for name in self.names if name.startswith("errors/"))
        own = (name for name in names if not name.endswith(PARTIAL))
        return [storage.join(self.job.output, name) for name in sorted(own)]


def entity_labels(nlp: Language) -> list[str]:
    """List the labels that a pipeline's components may write to entities, sorted."""
    labels: set[str] = set()
    for name, pipe in nlp.pipeline:
        if "doc.ents" in nlp.get_pipe_meta(name).assigns:
            own = set(map(str, nlp.pipe_labels.get(name, ())))
            if isinstance(pipe, RNNEntityRecognizer):  # labels that it only knows stay silent
                own -= set(pipe.tags.labels).difference(pipe.written_labels)
            labels |= own
    return sorted(labels)


class Annotator:
    """A pipeline that tags the shards of a job; each process has one."""

    def __init__(self, job: Job, nlp: Language | None = None) -> None:
        self._job = job
        self._nlp = job.load() if nlp is None else nlp
        self._zone: AbstractContextManager[object] | None = None
        self._docs: list[weakref.ref[Doc]] = []  # those made in the zone

    def __call__(self, shard: Shard) -> Counts:
        """Tag a shard and write it.

        Args:
            shard: The shard.

        Returns:
            Its counts.

        Raises:
            OSError: It can't be written.
        """
        # Words that occur in a shard are forgotten with it: memory does not grow.
        if self._zone is None:
            self._zone = self._nlp.memory_zone()
            self._zone.__enter__()
        try:
            # The output is the same with any number of cores and processes, since each computes
            # with one thread.
            with one_core():
                counts = self._tag(shard)
        except BaseException:
            self._forget()
            raise
        if self._docs_are_kept():
            warnings.warn(Warnings.RNNW03, stacklevel=2)
        else:
            self._forget()
        return counts

    def _tag(self, shard: Shard) -> Counts:
        nlp, job = self._nlp, self._job
        tagged = tag_records(nlp, shard.records, job.batch_size or nlp.batch_size)
        self._docs += [weakref.ref(each.doc) for each in tagged if each.doc is not None]
        write_shard(job.output, shard.name, job.form, tagged, job.writing(nlp))
        docs = [each.doc for each in tagged if each.doc is not None]
        tokens, entities = sum(map(len, docs)), sum(len(doc.ents) for doc in docs)
        failed = len(tagged) - len(docs)
        return Counts(len(docs), tokens, entities, failed, shard.n_bytes)

    def _docs_are_kept(self) -> bool:
        """Tell whether something still holds docs, whose words must then not be forgotten."""
        if any(doc() is not None for doc in self._docs):
            gc.collect()  # docs that hold themselves, by a span in their user data
        self._docs = [doc for doc in self._docs if doc() is not None]
        return bool(self._docs)

    def _forget(self) -> None:
        """Leave the memory zone."""
        assert self._zone is not None
        self._zone.__exit__(None, None, None)
        self._zone, self._docs = None, []
