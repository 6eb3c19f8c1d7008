"""The steps of a distillation, each of which finds what an earlier run has written."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.util import load_config, minibatch
from spacy.vocab import Vocab
from thinc.api import Config
from tqdm import tqdm

from ..bulk.annotating import run
from ..bulk.identity import differences
from ..bulk.job import Counts
from ..bulk.sources import find_inputs
from ..errors import Errors, described, listed
from ..errors.wording import counted
from ..evaluation.running import find_component
from ..io import check_folder, write_whole
from ..pipeline.folders import load_pipeline, run_code, write_pipeline
from ..pipeline.rnn_ner import RNNEntityRecognizer
from ..training.processes import train, write_config
from . import texts as pools
from .corpora import Silver, write_silver
from .gold import SILVER, TEST, Divided, divide
from .measuring import measure
from .replacing import blank_like, check_target, check_vocab, replace_component
from .settings import Settings
from .students import Base, Student, start
from .teachers import (
    Taught,
    Teacher,
    TeacherJob,
    needed_pipes,
    read_annotated,
    read_taught,
)
from .texts import DEV, HELDOUT, TRAIN, Place, Pool

MANIFEST = "distill.json"
_ANNOTATION, _TRAINING, _CONCLUSION = "annotation", "training", "conclusion"  # what it says, and
# what is made of it, besides the annotation.
_CONCLUDED = {"report.json", "report.html", "pipeline"}
_MADE = {_TRAINING: {"training", *_CONCLUDED}, _CONCLUSION: _CONCLUDED}
# Before the last round, the student is trained for this share of its steps, ...
_SHARE = 0.3
# ... and looks at so many times as many texts as the next round has.
_CHOICE = 8
_SCORED = 64  # docs in a batch
_MEASURED = 20_000  # words that speed is measured on


class Distillation:
    """A distillation.

    Args:
        settings: The settings.
        notify: Gets notes about what was left out.
    """

    def __init__(self, settings: Settings, notify: Callable[[str], None]) -> None:
        self._settings = settings
        self._notify = notify
        self._notes: list[str] = []

    def run(self) -> dict[str, Any]:
        """Take all steps, and return the figures of the report."""
        settings = self._settings
        self._begin()
        report = settings.output / "report.json"
        if report.exists():
            found: dict[str, Any] = json.loads(report.read_text("utf-8"))
            return found
        soft = self._is_soft
        for number in range(settings.rounds):
            self._choose(number)
            self._teach(number)
            if number + 1 < settings.rounds and not self._texts(number + 1).exists():
                self._train(self._round(number), range(number + 1), soft, share=_SHARE)
        silver, student = self._train(settings.output, range(settings.rounds), soft)
        return self._conclude(silver, student)

    def _note(self, note: str) -> None:
        if note not in self._notes:
            self._notes.append(note)
            self._notify(note)

    def _begin(self) -> None:
        """Record what the output depends on, or compare it with an earlier record.

        Raises:
            ImportError: What the report needs is not installed.
            ValueError: The folder holds other files, or the output of other settings.
        """
        from . import comparing, page  # noqa: F401 - before long work, and not on import

        settings, output = self._settings, self._settings.output
        check_folder(output)
        there = {path.name for path in output.iterdir()} if output.exists() else set()
        path = output / MANIFEST
        if there and path.name not in there:
            raise ValueError(Errors.RNN209.format(output=output))
        if settings.code is not None:
            run_code(settings.code)
        facts = {
            _ANNOTATION: {**settings.annotation_facts(), "posteriors": self._has_posteriors},
            _TRAINING: settings.training_facts(),
            _CONCLUSION: settings.conclusion_facts(),
        }
        facts = json.loads(json.dumps(facts))  # as they are read back
        noted = _read_manifest(path) if there else {}
        if there and (different := differences(noted[_ANNOTATION], facts[_ANNOTATION])):
            raise ValueError(Errors.RNN211.format(output=output, differences=listed(different)))
        for part, names in _MADE.items():
            made = sorted(there & names)
            if made and (different := differences(noted[part], facts[part])):
                raise ValueError(
                    Errors.RNN622.format(
                        output=output, differences=listed(different), made=", ".join(made)
                    )
                )
        if "report.json" not in there:
            self._check()
        if noted != facts:
            write_whole(path, json.dumps(facts, indent=1).encode())

    def _check(self) -> None:
        """Check before long work what can be known of the teachers and of the student.

        Raises:
            ImportError, OSError: Something that the student reads is missing.
            ValueError: A teacher can't do what is asked of it, or the student can't be trained or
                put into its pipeline.
        """
        settings = self._settings
        self._is_soft  # noqa: B018 - it raises
        if settings.component is not None and settings.texts is not None:
            needed_pipes(self._teacher, settings.component)
        if settings.replace is not None:
            check_target(self._teacher, settings.replace)
        with TemporaryDirectory() as folder:
            base = self._write_base(Path(folder) / "base")
            student = start(
                self._make_config(settings.student, base, train={}, dev={}, labels=[], n_words=0)
            )
        if settings.replace is not None:
            check_vocab(self._teacher, student, _own_component(student).model)

    @cached_property
    def _teacher(self) -> Language:
        """The first teacher."""
        return load_pipeline(self._settings.teachers[0])

    @cached_property
    def _teachers(self) -> list[Teacher]:
        """What has to be known of each teacher, none of which stays in memory but the first."""
        settings = self._settings
        return [
            Teacher.of(load_pipeline(name) if i else self._teacher, name, settings.component)
            for i, name in enumerate(settings.teachers)
        ]

    @cached_property
    def _has_posteriors(self) -> bool:
        """Whether the teachers write posteriors: wherever they can.

        A student that learns the best analyses uses the same annotation as one that does not.
        """
        settings = self._settings
        return (
            settings.texts is not None
            and settings.spans_key is None  # posteriors take the place of a component's own group
            and all(teacher.labels is not None for teacher in self._teachers)
        )

    def _write_base(self, path: Path) -> Base | None:
        """Write a blank pipeline with the teacher's tokenizer and norms, unless it is there."""
        if self._settings.texts is None:
            return None
        if not path.exists():
            write_pipeline(blank_like(self._teacher), path)
        return Base(path, self._teacher)

    def _make_config(self, student: Student, base: Base | None, **data: Any) -> Config:
        """Create a student's config."""
        settings = self._settings
        lang = settings.lang if base is None else base.teacher.lang
        return student.make_config(lang=lang, base=base, gpu=settings.gpu >= 0, **data)

    @cached_property
    def _is_soft(self) -> bool:
        """Whether the student learns posteriors.

        Raises:
            ValueError: It is to, and can't; or there are several teachers, and it can't.
        """
        settings = self._settings
        reason = self._why_hard()
        if reason is None:
            return settings.soft is not False or len(settings.teachers) > 1
        if settings.soft:
            raise ValueError(Errors.RNN605.format(reason=reason))
        if len(settings.teachers) > 1:
            raise ValueError(Errors.RNN606.format(reason=reason))
        return False

    def _why_hard(self) -> str | None:
        """Say why the student can't learn posteriors; None if it can."""
        settings = self._settings
        if settings.texts is None:
            return "annotated data has none"
        if settings.spans_key is not None:
            return "a span group has none"
        if settings.belief.min_confidence:
            return "min_confidence leaves out entities, and not probabilities"
        for teacher in self._teachers:
            if teacher.labels is None:
                name = teacher.description["name"]
                return f"the entities of {name} are not those of a component rnn_ner"
        written = [set(teacher.labels or ()) for teacher in self._teachers]
        known = set.intersection(*written)
        if some := set.union(*written) - known:
            # In the mean, a teacher that lacks a label counts like one that is sure there is none.
            return f"some labels are not written by all of them: {', '.join(sorted(some))}"
        trust = settings.belief.trust
        if trust is not None and not known <= trust:
            untrusted = ", ".join(sorted(known - trust))
            return f"not all labels of the teacher are trusted: {untrusted}"
        new = {label for gold in self._gold for label in gold.labels} - known
        if new:
            return f"gold has labels that the teacher does not write: {', '.join(sorted(new))}"
        return None

    def _learned(self, silver: Silver) -> list[str]:
        """List the labels that the student learns from the teacher.

        By posteriors, these are all that the teacher writes: of a label that it never finds, it
        says that it is improbable everywhere.
        """
        written = self._teachers[0].labels if self._is_soft else None
        return sorted({*silver.entities, *(written or ())})

    @cached_property
    def _gold(self) -> list[Divided]:
        """The gold corpora, divided."""
        settings = self._settings
        nlp = spacy.blank(settings.lang) if settings.texts is None else self._teacher
        return [divide(gold, nlp) for gold in settings.gold]

    def _round(self, number: int) -> Path:
        return self._settings.output / "rounds" / f"{number:02d}"

    def _texts(self, number: int) -> Path:
        return self._round(number) / "texts.jsonl"

    @cached_property
    def _pool(self) -> Pool:
        settings = self._settings
        assert settings.texts is not None
        inputs = find_inputs(settings.texts, settings.reading, str(settings.output))
        if inputs.skipped:
            self._note(inputs.describe_skipped())
        pool = pools.find_pool(
            inputs,
            settings.reading,
            seed=settings.student.seed,
            near=settings.near_duplicates,
            progress=settings.progress,
        )
        if pool.duplicates or pool.unreadable or pool.empty:
            self._note(
                f"Left out: {counted(pool.duplicates, 'duplicate text')}, "
                f"{counted(pool.empty, 'text')} without a word, and "
                f"{counted(pool.unreadable, 'unreadable record')}."
            )
        return pool

    def _choose(self, number: int) -> None:
        """Write the texts of a round, and notes about what is left out, unless they are written."""
        settings = self._settings
        notes = self._round(0) / "notes.json"
        if settings.texts is None:
            return
        if self._texts(number).exists():
            # A folder that an earlier release began has none.
            for note in json.loads(notes.read_text("utf-8")) if notes.exists() else ():
                self._note(note)
            return
        places = self._pool.places
        n_docs = min(settings.n_docs or len(places), len(places))
        if n_docs < (settings.n_docs or 0):
            self._note(
                f"Only {counted(n_docs, 'different text')} found, fewer than {settings.n_docs:,}."
            )
        parts = pools.part_of_each(n_docs, settings.texts)
        part = dict(zip(places, parts, strict=False))
        measured = parts.index(TRAIN)
        n_train = n_docs - measured
        ends = [n_train * (i + 1) // settings.rounds for i in range(settings.rounds)]
        own = ends[number] - (ends[number - 1] if number else 0)
        if number == 0:
            chosen = places[: measured + own]
        else:
            used = {
                order
                for earlier in range(number)
                for order, _ in pools.written_places(str(self._texts(earlier)))
            }
            free = [place for place in places[measured:] if place.order not in used]
            chosen = self._least_sure(self._round(number - 1), free[: _CHOICE * own], own)
        texts = [
            (place, record, part.get(place, TRAIN)) for place, record in self._pool.read(chosen)
        ]
        if number == 0:
            write_whole(notes, json.dumps(self._notes, indent=1).encode())
        pools.write_texts(str(self._texts(number)), texts)

    def _least_sure(self, folder: Path, places: Sequence[Place], n: int) -> list[Place]:
        """Choose the texts that a student expects to get most words wrong in, per word."""
        if len(places) <= n:
            return list(places)
        nlp = load_pipeline(folder / "training" / "model-best")
        pipe = _own_component(nlp)
        doubts: list[tuple[float, Place]] = []
        found = self._pool.read(places)
        bar = tqdm(
            total=len(found),
            desc="Choosing texts",
            unit=" docs",
            disable=None if self._settings.progress else True,
        )
        with bar:
            for batch in minibatch(found, _SCORED):
                docs = [nlp.make_doc(record.text) for _, record in batch]
                errors = pipe.infer(docs).expected_errors()
                for (place, _), doc, own in zip(batch, docs, errors.tolist(), strict=True):
                    doubts.append((own / max(len(doc), 1), place))
                bar.update(len(batch))
        doubts.sort(key=lambda pair: (-pair[0], pair[1]))
        return [place for _, place in doubts[:n]]

    def _folder_of(self, number: int, teacher: int) -> str:
        return str(self._round(number) / f"teacher-{teacher}")

    def _teach(self, number: int) -> None:
        """Have the teachers annotate the texts of a round, where that is not done."""
        settings = self._settings
        if settings.texts is None:
            return
        for i, model in enumerate(settings.teachers):
            job = TeacherJob(
                model,
                str(self._texts(number)),
                self._folder_of(number, i),
                form="docbin",
                shard_size=settings.shard_size,
                batch_size=settings.batch_size,
                code=settings.code,
                gpu=settings.gpu,
                component=settings.component,
                posteriors=self._has_posteriors,
            )
            counts = run(job, settings.engine, settings.n_process, progress=settings.progress)
            self._report_failures(model, job, counts)

    def _report_failures(self, model: str, job: TeacherJob, counts: Counts) -> None:
        if failed := counts.failed + counts.failed_before:
            files = ", ".join(job.written().failures()[:3])
            self._note(f"{model} failed on {counted(failed, 'text')}, now left out; see {files}.")

    def _taught(self, rounds: Iterable[int], soft: bool) -> Iterator[Taught]:
        """Read what the teachers found."""
        settings = self._settings
        if settings.texts is None:
            yield from read_annotated(settings.teachers[0], settings.lang, settings.student.seed)
            return
        vocab = Vocab()
        for number in rounds:
            folders = [self._folder_of(number, i) for i in range(len(settings.teachers))]
            yield from read_taught(folders, vocab, spans_key=settings.spans_key, posteriors=soft)

    def _train(
        self, folder: Path, rounds: range, soft: bool, share: float = 1.0
    ) -> tuple[Silver, Path]:
        """Train a student on what was found so far.

        Args:
            folder: The folder for its corpora, its config and itself.
            rounds: The rounds to learn from.
            soft: Whether it learns posteriors.
            share: The share of the steps to take.

        Returns:
            Counts, and the folder of the student.
        """
        settings = self._settings
        files = {part: str(folder / "corpus" / f"{part}.spacy") for part in (TRAIN, DEV, HELDOUT)}
        silver = write_silver(self._taught(rounds, soft), settings.belief, files)
        own = self._learned(silver)
        labels = {*own, *(label for each in self._gold for label in each.labels)}
        # A teacher says nothing of labels that it does not know, or that are not trusted.
        marked = own if settings.belief.trust is not None or labels != set(own) else None
        corpora: dict[str, dict[str, Any]] = {
            part: {SILVER: {"path": files[part], "labels": marked}} for part in (TRAIN, DEV)
        }
        n_words = silver.words[TRAIN]
        for gold in self._gold:
            name = gold.gold.name
            for part, file in gold.write(str(folder / "corpus" / "gold")).items():
                if part in corpora:
                    corpora[part][name] = gold.corpus(part, file, silver.words[TRAIN])
            n_words += round(corpora[TRAIN][name]["weight"] * gold.n_words)
        student = settings.student
        if share < 1.0:
            student = replace(student, steps=max(1, round(share * student.steps_for(n_words))))
        config = self._make_config(
            student,
            self._write_base(settings.output / "base"),
            train=corpora[TRAIN],
            dev=corpora[DEV],
            labels=sorted(labels),
            n_words=n_words,
        )
        if soft:
            # It learns the teacher's probabilities, so it leaves out the same entities by them.
            config["components"]["rnn_ner"]["threshold"] = self._teachers[0].threshold
        path = folder / "config.cfg"
        write_config(config, path)
        return silver, train(
            path,
            folder / "training",
            gpu=settings.gpu,
            code=settings.code,
            progress=settings.progress,
        )

    def _conclude(self, silver: Silver, folder: Path) -> dict[str, Any]:
        """Measure what came of it, and write it down; the report last."""
        from .card import fill_card
        from .comparing import compare_on_gold, find_agreement
        from .page import build_report, write_report

        settings, output = self._settings, self._settings.output
        student = load_pipeline(folder)
        docs = DocBin().from_disk(output / "corpus" / f"{HELDOUT}.spacy").get_docs(student.vocab)
        heldout = list(docs)
        agreement = find_agreement(
            student, heldout, labels=self._learned(silver), progress=settings.progress
        )
        if self._is_soft and (threshold := self._teachers[0].threshold):
            of_each = threshold.items() if isinstance(threshold, dict) else [("all", threshold)]
            values = ", ".join(f"{label} {value:g}" for label, value in of_each)
            self._note(
                f"The student has the teacher's threshold ({values}): neither of them writes less "
                "probable entities to doc.ents."
            )
        measured, gold = None, []
        if settings.texts is not None:
            measured = measure(
                self._teacher,
                student,
                _first(heldout, _MEASURED),
                teacher_component=settings.component,
            )
            if (n := len(settings.teachers)) > 1:
                self._note(
                    f"There are {n} teachers. Agreement, threshold, speed, size, memory and F on "
                    "gold data are those of the first one, whose entities chose the best state of "
                    "the student too."
                )
            gold = [
                compare_on_gold(
                    self._teacher,
                    student,
                    each.parts[TEST],
                    name=f"{each.gold.name}, test part",
                    teacher_component=settings.component,
                    spans_key=settings.spans_key,
                    progress=settings.progress,
                )
                for each in self._gold
                if any(doc.ents for doc in each.parts.get(TEST, ()))
            ]
        report = build_report(
            student=str(folder),
            made=self._made(silver),
            agreement=agreement,
            measured=measured,
            gold=gold,
            notes=self._notes,
        )
        fill_card(student, report)
        write_pipeline(student, folder)
        if settings.replace is not None:
            replaced = replace_component(
                self._teacher, student, name=settings.replace, notify=self._note
            )
            write_pipeline(replaced, output / "pipeline")
        write_report(report, output)
        return report

    def _made(self, silver: Silver) -> dict[str, Any]:
        """List how the student was made."""
        settings = self._settings
        trust = settings.belief.trust
        teachers: list[dict[str, Any]] = [{"name": settings.teachers[0], "component": None}]
        if settings.texts is not None:
            teachers = [teacher.description for teacher in self._teachers]
        config = load_config(settings.output / "config.cfg", interpolate=True)
        return {
            "teachers": teachers,
            "texts": settings.texts or settings.teachers[0],
            "n_docs": silver.docs.total(),
            "n_tokens": silver.words.total(),
            "trust": None if trust is None else sorted(trust),
            "min_confidence": settings.belief.min_confidence,
            "rounds": settings.rounds,
            "steps": config["training"]["max_steps"],
            "gold": [gold.name for gold in settings.gold],
            "soft": self._is_soft,
            "date": date.today().isoformat(),
        }


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        noted = json.loads(path.read_text("utf-8"))
        return {part: dict(noted[part]) for part in (_ANNOTATION, _TRAINING, _CONCLUSION)}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(Errors.RNN210.format(path=path, reason=described(error))) from error


def _first(docs: Sequence[Doc], n_words: int) -> list[Doc]:
    """Take docs until they have a number of words."""
    taken, total = [], 0
    for doc in docs:
        if total >= n_words:
            break
        taken.append(doc)
        total += len(doc)
    return taken


def _own_component(nlp: Language) -> RNNEntityRecognizer:
    name = find_component(nlp)
    assert name is not None
    pipe: RNNEntityRecognizer = nlp.get_pipe(name)
    return pipe
