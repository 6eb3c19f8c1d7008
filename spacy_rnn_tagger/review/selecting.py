"""Selecting what to annotate next."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language

from ..bulk.job import Job, entity_labels
from ..bulk.sources import read_records
from ..bulk.tagging import Tagged, tag_records
from ..errors import (
    Errors,
    as_warning,
    check_at_least,
    check_choice,
    check_rate,
    listed,
    loading,
)
from ..evaluation.exporting import check_export
from ..evaluation.running import find_component, no_component
from ..formats import storage
from ..formats.base import Format
from ..formats.record import Record
from ..formats.reports import ERRORS_SUFFIX
from ..runtime import one_core
from . import questions
from .diversity import Candidate, in_turn
from .excluding import Excluded, find_annotated
from .failed import Failures
from .scanning import Asked, Scan
from .uncertainty import CONFIDENCE, MEASURES, TOKEN, UNITS

NO_MODEL = "-"
_DIGITS = 6


@dataclass(frozen=True)
class Selected:
    """What was selected.

    Attributes:
        selected: The number of texts, or of questions about spans, that were written.
        tokens: The number of tokens in these texts; for questions, in the spans.
        read: The number of records that were read.
        empty: How many of them have no word.
        duplicates: The number of candidates left out because a better one is nearly the same.
        failed: The number of records that failed.
        error_file: The file with the failed records and the reasons; None if there are none.
        excluded: How many of the records are annotated already, or nearly repeat one that is.
    """

    selected: int
    tokens: int
    read: int
    empty: int
    duplicates: int
    failed: int
    error_file: str | None
    excluded: int = 0


def select(
    model: str | Path | None,
    texts: str | Path,
    output: str | Path,
    *,
    n: int = 200,
    by: str | None = None,
    per: str = TOKEN,
    spans: bool = False,
    diversity: float = 0.5,
    near_duplicates: bool = True,
    exclude: str | Path | Iterable[str | Path] = (),
    format: str = "jsonl",
    component: str | None = None,
    lang: str = "en",
    text_column: str = "text",
    whole_files: bool = False,
    from_name: str = "label",
    to_name: str = "text",
    batch_size: int | None = None,
    shard_size: int = 500,
    max_length: int | None = None,
    code: str | Path | None = None,
    gpu_id: int = -1,
    progress: bool = False,
    notify: Callable[[str], None] = as_warning,
) -> Selected:
    """Select the texts that a pipeline can learn most from, for people to annotate.

    All texts are read once, and the most doubtful ones are kept: twenty for each that is wanted.
    The selection is made from these, one by one. A name that the pipeline is unsure of, and the
    words around it, count for less each time they were selected, so that the texts differ.

    The `meta` of each record contains its rank and score (`select_rank`, `select_score`) and the
    reason for its selection (`select_why`). Texts have the entities that the pipeline finds.

    Without a pipeline, texts are selected greedily from a random sample: first those that have, for
    their length, the most rare words and capitalised words inside sentences. Each word counts for
    less once it was selected, or if it is in a text that is annotated already (`exclude`).

    Args:
        model: The folder or package name of a pipeline with a component `rnn_ner`; None or "-" to
            start from raw text.
        texts: Texts as `annotate` reads them: a file, a folder or a glob, as a path or a URL.
        output: The file to write, as a path or a URL. Its suffix must fit the format.
        n: The number of texts, or of questions, to select.
        by: The measure to rank by: "confidence" (1 - P(best analysis)), "margin" (between the two
            best analyses), "entropy" (of all analyses) or "errors" (the expected number of wrong
            words). All are exact. "confidence" if None.
        per: "token" to divide the measure by the length of the text, or "doc".
        spans: Whether to ask about single doubtful spans, which people accept or reject. `convert`
            reads the answers; everything that was not asked is missing annotation.
        diversity: How much less a name counts once it was selected: from 0, not at all, to less
            than 1.
        near_duplicates: Whether to leave out texts that nearly repeat a selected one. This needs
            the extra `distill`.
        exclude: Annotated data in any format that `convert` reads: a file or a folder, as a path or
            a URL, or several of them. If a folder has `.spacy` files, in any depth, only these are
            read. Texts that the data contains are left out. Two texts are the same if their letters
            and digits are; case, whitespace and punctuation don't count. With `near_duplicates`,
            texts that nearly repeat an annotated one are left out too. Records that `convert`
            leaves out by their answer, such as skipped tasks, are not annotated. An answer about a
            single span counts for the whole text.
        format: The format to write, as for `annotate`; for questions about spans, "jsonl" or
            "prodigy".
        component: The name of the component, if the pipeline has several `rnn_ner`.
        lang: The language of raw text, if there is no pipeline.
        text_column: The key or column of the text.
        whole_files: Whether each text file is one record.
        from_name: The name of the control tag in Label Studio's configuration.
        to_name: The name of the object tag in Label Studio's configuration.
        batch_size: Docs per batch; the pipeline's own setting if None.
        shard_size: Texts in memory at a time.
        max_length: Characters per text, at most; the pipeline's own setting if None.
        code: A Python file with functions that the pipeline needs.
        gpu_id: The GPU's ID, or -1 for the CPU.
        progress: Whether to show progress on a terminal.
        notify: Called with a note about files that are skipped. By default, the note is a
            `UserWarning`.

    Returns:
        What was selected. Records that failed are written to a file next to the output, whose name
        ends in `.errors.jsonl`.

    Raises:
        ImportError: A package that the pipeline, the format or the search for near duplicates needs
            is not installed.
        OSError: Texts or the pipeline can't be read, or the output can't be written.
        ValueError: A setting is not allowed, a file of the texts has no known format, the pipeline
            can't be loaded or has no component `rnn_ner`, annotated data is malformed or has no
            annotated text, or there is nothing to select.
    """
    bare = model is None or str(model) == NO_MODEL
    if bare and spans:
        raise ValueError(Errors.RNN502)
    if bare and by is not None:
        raise ValueError(Errors.RNN501.format(by=by))
    check_at_least("n", n, 1)
    check_choice("by", by or CONFIDENCE, MEASURES)
    check_choice("per", per, UNITS)
    check_rate("diversity", diversity)
    if spans:
        questions.check_format(format)
    form, target = check_export(output, format), str(output)
    error_file = target + ERRORS_SUFFIX
    job = Job(
        str(model),
        str(texts),
        target,
        form=format,
        column=text_column,
        whole=whole_files,
        from_name=from_name,
        to_name=to_name,
        shard_size=shard_size,
        batch_size=batch_size,
        max_length=max_length,
        code=None if code is None else Path(code),
        gpu=gpu_id,
        but=(error_file,),
    )
    if job.skipped:
        notify(job.skipped)
    annotated = find_annotated(exclude, target, notify)
    if bare:
        with loading(f"the language '{lang}'"):
            nlp = spacy.blank(lang)
        nlp.max_length = max_length or nlp.max_length
        name = None
    else:
        nlp = job.load()
        name = _component(nlp, component, str(model))
    asked = Asked(n, by or CONFIDENCE, per, spans)
    excluded = Excluded(near=near_duplicates)
    excluded.read(nlp, annotated)
    with Failures() as failures:
        scan = Scan(
            nlp, name, job, asked, near=near_duplicates, excluded=excluded, failures=failures
        )
        scan.run(progress=progress)
        candidates = scan.candidates()
        if not candidates:
            raise ValueError(
                Errors.RNN504.format(
                    texts=texts,
                    read=scan.read,
                    empty=scan.empty,
                    excluded=scan.annotated,
                    failed=failures.count,
                    reasons=f"\n{listed(failures.reasons)}" if failures.reasons else "",
                )
            )
        own_form = form.configured(replace(job.writing(nlp), predicts=not bare))
        writer = _Writer(nlp, job, asked, own_form, failures)
        # What annotated texts taught a pipeline shows in its doubt; without one, in their words.
        before = excluded.content if bare else None
        with one_core():
            writer.take(in_turn(candidates, diversity, before))
        failures.write(error_file)
        writer.write(target, entity_labels(nlp))
        return Selected(
            selected=len(writer.rows),
            tokens=writer.tokens,
            read=scan.read,
            empty=scan.empty,
            duplicates=scan.pool.duplicates,
            failed=failures.count,
            error_file=error_file if failures.count else None,
            excluded=scan.annotated,
        )


def _component(nlp: Language, component: str | None, model: str) -> str:
    name = find_component(nlp, component)
    if name is None:
        raise ValueError(no_component(nlp, model))
    if not nlp.get_pipe(name).tags.labels:
        raise ValueError(Errors.RNN506.format(model=model, no_model=NO_MODEL))
    return name


class _Writer:
    """Reads the selected texts again, and writes them."""

    def __init__(
        self, nlp: Language, job: Job, asked: Asked, form: Format, failures: Failures
    ) -> None:
        self._nlp, self._job, self._asked, self._form = nlp, job, asked, form
        self._failures = failures
        self.rows: list[Any] = []
        self.tokens = 0
        self._rank = 0

    def take(self, candidates: Iterator[Candidate]) -> None:
        """Take candidates until there are enough; one that fails is replaced by another."""
        asked: dict[tuple[int, int], list[Candidate]] = {}
        free = (each for each in candidates if _is_free(each, asked))
        while chosen := list(islice(free, self._asked.n - len(self.rows))):
            records = self._read(chosen)
            if self._asked.spans:
                self._ask(chosen, records)
            else:
                self._tag(chosen, records)

    def write(self, target: str, labels: Sequence[str]) -> None:
        """Write the output, and before it what an annotation tool needs beside it."""
        content = b"".join(self.rows) if self._asked.spans else self._form.pack(self.rows)
        for name, extra in self._form.extras(labels).items():
            storage.write(storage.beside(target, name), extra)
        storage.write(target, content)

    def _read(self, chosen: Sequence[Candidate]) -> dict[tuple[int, int], Record]:
        wanted = {each.place for each in chosen}
        found = {}
        for file in sorted({file for file, _ in wanted}):
            for record in read_records(self._job.files[file], self._job.reading):
                if (file, record.number) in wanted:
                    found[file, record.number] = record
        return found

    def _tag(self, chosen: Sequence[Candidate], records: dict[tuple[int, int], Record]) -> None:
        own = [
            replace(records[each.place], meta=self._meta(each, records[each.place]))
            for each in chosen
        ]
        tagged = tag_records(self._nlp, own, self._job.batch_size or self._nlp.batch_size)
        for each in tagged:
            if each.doc is not None:
                try:
                    self.rows.append(self._form.row(each.record, each.doc))
                    self.tokens += len(each.doc)
                except Exception as error:
                    each.fail(error)
        self._failures.add(tagged)

    def _ask(self, chosen: Sequence[Candidate], records: dict[tuple[int, int], Record]) -> None:
        for each in chosen:
            assert each.span is not None
            record = records[each.place]
            meta = self._meta(each, record)
            meta |= {"source": record.source, "record": record.number}
            try:
                # Offsets belong to the doc's text, which some tokenizers change.
                text = self._nlp.make_doc(record.text).text
                self.rows.append(questions.question(text, each.span, each.p, meta))
                self.tokens += each.n_words
            except Exception as error:
                failed = Tagged(record)
                failed.fail(error)
                self._failures.add([failed])

    def _meta(self, candidate: Candidate, record: Record) -> dict[str, Any]:
        self._rank += 1  # counts those that fail as well
        return {
            **record.meta,
            "select_rank": self._rank,
            "select_score": round(candidate.score, _DIGITS),
            "select_why": candidate.why,
        }


def _is_free(candidate: Candidate, asked: dict[tuple[int, int], list[Candidate]]) -> bool:
    """Tell whether a question overlaps none that was asked about the same text; note it if so."""
    if candidate.span is None:
        return True
    start, end, _ = candidate.span
    own = asked.setdefault(candidate.place, [])
    if any(each.span and each.span[0] < end and start < each.span[1] for each in own):
        return False  # the answer to that one says much about this one
    own.append(candidate)
    return True
