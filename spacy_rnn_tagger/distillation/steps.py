"""The steps of a distillation, each of which finds what an earlier run has written."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.util import load_config, minibatch
from spacy.vocab import Vocab
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
from .replacing import blank_like, replace_component
from .settings import Settings
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
_ANNOTATION, _TRAINING = "annotation", "training"  # what it says, and
# what there is of the second.
_TRAINED = {"training", "report.json", "report.html", "pipeline"}
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

        output = self._settings.output
        check_folder(output)
        there = {path.name for path in output.iterdir()} if output.exists() else set()
        path = output / MANIFEST
        facts = self._settings.annotation_facts(), self._settings.training_facts()
        # As they are read back.
        annotation, training = json.loads(json.dumps(facts))
        if path.name in there:
            noted = _read_manifest(path)
            if different := differences(noted[_ANNOTATION], annotation):
                raise ValueError(Errors.RNN211.format(output=output, differences=listed(different)))
            trained = sorted(there & _TRAINED)
            if trained and (different := differences(noted[_TRAINING], training)):
                raise ValueError(
                    Errors.RNN622.format(
                        output=output,
                        differences=listed(different),
                        trained=", ".join(trained),
                    )
                )
        elif there:
            raise ValueError(Errors.RNN209.format(output=output))
        self._check_teachers()
        content = {_ANNOTATION: annotation, _TRAINING: training}
        if path.name not in there or noted != content:
            write_whole(path, json.dumps(content, indent=1).encode())

    def _check_teachers(self) -> None:
        """Check before long work what can be known of the teachers.

        Raises:
            ValueError: A teacher can't do what is asked of it.
        """
        settings = self._settings
        if settings.texts is None:
            return
        self._is_soft  # noqa: B018 - it raises
        nlp = self._teacher
        if settings.component is not None:
            needed_pipes(nlp, settings.component)
        if settings.replace is not None and settings.replace not in nlp.pipe_names:
            names = ", ".join(nlp.pipe_names)
            raise ValueError(Errors.RNN607.format(name=settings.replace, components=names))

    @cached_property
    def _teacher(self) -> Language:
        """The first teacher."""
        if self._settings.code is not None:
            run_code(self._settings.code)
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
    def _base(self) -> Path:
        """A blank pipeline with the teacher's tokenizer and norms, from which a student starts."""
        path = self._settings.output / "base"
        if not path.exists():
            write_pipeline(blank_like(self._teacher), path)
        return path

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
        known = {label for teacher in self._teachers for label in teacher.labels or ()}
        trust = settings.belief.trust
        if trust is not None and not known <= trust:
            untrusted = ", ".join(sorted(known - trust))
            return f"not all labels of the teacher are trusted: {untrusted}"
        new = {label for gold in self._gold for label in gold.labels} - known
        if new:
            return f"gold has labels that the teacher does not know: {', '.join(sorted(new))}"
        return None

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
                posteriors=self._is_soft,
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
        own = sorted(silver.entities)
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
        has_pipeline = settings.texts is not None
        config = student.make_config(
            lang=self._teacher.lang if has_pipeline else settings.lang,
            base=str(self._base) if has_pipeline else None,
            train=corpora[TRAIN],
            dev=corpora[DEV],
            labels=sorted(labels),
            n_words=n_words,
            gpu=settings.gpu >= 0,
        )
        path = folder / "config.cfg"
        write_config(config, path)
        return silver, train(
            path, folder / "training", gpu=settings.gpu, progress=settings.progress
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
            student, heldout, labels=silver.entities, progress=settings.progress
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
                    f"There are {n} teachers. Speed, size, memory and F on gold data are those of "
                    "the first one."
                )
            gold = [
                compare_on_gold(
                    self._teacher,
                    student,
                    each.parts[TEST],
                    name=f"{each.gold.name}, test part",
                    teacher_component=settings.component,
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
        return {part: dict(noted[part]) for part in (_ANNOTATION, _TRAINING)}
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
