"""From annotated text to spaCy's binary format, which training reads."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import numpy as np
import spacy
from spacy.attrs import ENT_IOB
from spacy.tokens import DocBin
from tqdm import tqdm

from ..errors import Errors, as_warning
from ..errors.wording import counted
from ..formats import storage
from ..formats.agreement import Agreement
from ..formats.base import Reading
from ..formats.corpus import Corpus, find_corpus, read_annotated
from ..formats.findings import Findings
from ..formats.placing import Placement
from ..formats.record import AnnotationError
from ..formats.reports import write_report
from ..formats.resolving import Resolver

_SUFFIX = ".spacy"  # spaCy reads no files with other suffixes


@dataclass(frozen=True)
class Converted:
    """A summary of what was written.

    Attributes:
        docs: The number of docs.
        tokens: The number of tokens.
        entities: The number of entities for each label.
        left_out: The number of records that the annotator did not accept, by answer.
        missing: The number of spans without annotation, such as `[Lagos](?)`. Neighbouring ones
            count as one.
        rejected: The number of spans that were written as incorrect.
        ignored: The number of items other than entities, such as relations, by description.
        read_as: The files that were read, by the name of their format.
        agreement: The agreement between annotators; None if no text has several.
        notices: What was dropped, changed or left missing, one line each, with file and place.
    """

    docs: int
    tokens: int
    entities: dict[str, int]
    left_out: dict[str, int]
    missing: int = 0
    rejected: int = 0
    ignored: dict[str, int] = field(default_factory=dict, compare=False)
    read_as: dict[str, list[str]] = field(default_factory=dict, compare=False)
    agreement: Agreement | None = field(default=None, compare=False)
    notices: list[str] = field(default_factory=list, compare=False)

    def __str__(self) -> str:
        """Describe what was written, in a line."""
        counts = ", ".join(f"{label} {count:,}" for label, count in self.entities.items())
        entities = f"entities: {counts}" if counts else "no entities"
        missing = f", {counted(self.missing, 'span')} left missing" if self.missing else ""
        rejected = f", {counted(self.rejected, 'rejected span')}" if self.rejected else ""
        left_out = self.described_left_out()
        return (
            f"{counted(self.docs, 'doc')}, {counted(self.tokens, 'token')}, {entities}{missing}"
            f"{rejected}{left_out}"
        )

    def described_left_out(self) -> str:
        """Describe the records that were left out, in parentheses; empty if there are none."""
        answers = ", ".join(f"{answer} {count:,}" for answer, count in self.left_out.items())
        return f" (records left out by their answer: {answers})" if answers else ""

    def report(self) -> list[str]:
        """Describe how files were read, and what differs from them, in lines."""
        lines = [f"{form}: {', '.join(files)}" for form, files in self.read_as.items()]
        if self.ignored:
            counts = (f"{what} ({count:,})" for what, count in self.ignored.items())
            lines.append(f"ignored: {', '.join(counts)}")
        if self.agreement is not None:
            lines += self.agreement.lines()
        return lines + self.notices


def convert(
    input: str | Path,
    output: str | Path,
    *,
    format: str | None = None,
    lang: str = "en",
    labels: Sequence[str] | None = None,
    allow_empty: bool = False,
    resolve: str | None = None,
    misaligned: str = "error",
    overlapping: str = "error",
    incorrect_spans_key: str | None = None,
    text_column: str = "text",
    token_column: int = 1,
    tag_column: int = -1,
    unit: str = "sentence",
    offsets: str = "auto",
    report: str | Path | None = None,
    progress: bool = False,
    notify: Callable[[str], None] = as_warning,
) -> Converted:
    """Convert annotated text to a `.spacy` file, which appears as a whole or not at all.

    Args:
        input: Text in the inline format (`[Red Fort](FAC) is in [Delhi](GPE).`), JSON Lines with
            offsets, an export of Label Studio (JSON, JSON-MIN), doccano or Prodigy, columns with
            tags (CoNLL), BRAT's standoff files, or spaCy's JSON or binary format; compressed
            (`.gz`) or not. A file, or a folder with such files; a path or a URL. Spans with the
            label "?" become missing annotation.
        output: The `.spacy` file to write, a path or a URL.
        format: The name of the input's format; None to recognise it by the content.
        lang: The language whose tokenizer is used.
        labels: The labels to keep; None for all. The tokens of other entities become outside.
        allow_empty: Whether to write docs if none of them has an entity.
        resolve: The resolution if annotators of a text disagree: "missing" leaves the tokens
            without annotation, "first" follows the first annotator, "majority" the majority, and
            "union" keeps all spans. A repeated text then counts as another annotation of it. None
            for "missing", but only for texts that had several annotators according to the tool.
        misaligned: The treatment of spans that don't begin and end at token boundaries: "error",
            "missing" to leave their tokens without annotation, or "expand" to whole tokens.
        overlapping: The treatment of spans that overlap: "error", "missing", or keep the "longest"
            or the "first" one. Exact duplicates are dropped and reported.
        incorrect_spans_key: The span group for spans that annotators rejected, as in the setting of
            `rnn_ner` with that name. If None, records that are only rejected are left out.
        text_column: The key of the text, in formats that have one.
        token_column: The column of the token in files of columns, from 1, or from -1 for the last.
        tag_column: The column of the tag, counted likewise.
        unit: What makes a doc in files of columns: a "sentence" or a "document".
        offsets: How the annotation tool counts characters such as emoji: "characters" (as one),
            "utf-16" (as two), or "auto" to find out.
        report: A file for the full report of what was dropped, changed or left missing. It may be
            in the input folder: a report is not read as data.
        progress: Whether to show progress on a terminal.
        notify: Receives a note about files in the folder that are not read. By default, the note is
            a `UserWarning`.

    Returns:
        A summary of what was written.

    Raises:
        AnnotationError: Annotation is malformed, overlaps or is misaligned, or there is none; or a
            file is in no known format.
        ImportError: spaCy does not have the language, or a package that its tokenizer needs.
        OSError: There is no input, or the output can't be written.
        ValueError: The output's name does not end in ".spacy", the report would replace the
            input or the output, or a setting is not allowed.
    """
    reading = Reading(
        annotated=True,
        column=text_column,
        placement=Placement(misaligned, overlapping, incorrect_spans_key),
        token_column=token_column,
        tag_column=tag_column,
        unit=unit,
        offsets=offsets,
    )
    resolver = Resolver(resolve, incorrect_spans_key)
    corpus = find_corpus(input, format=format, but=output)
    for name in (output, *((report,) if report is not None else ())):
        storage.check_file(str(name))
    if PurePath(output).suffix != _SUFFIX:
        raise ValueError(Errors.RNN346.format(suffix=_SUFFIX, received=output))
    if report is not None:
        corpus = _beside_report(corpus, str(report), str(output))
    if note := corpus.unread_note(input):
        notify(note)
    docs = DocBin(attrs=["ORTH", "SPACY", "ENT_IOB", "ENT_TYPE"])
    findings = Findings()
    entities: Counter[str] = Counter()
    tokens = missing = rejected = 0
    stream = tqdm(
        resolver(read_annotated(spacy.blank(lang), corpus.files, reading, findings)),
        desc=str(input),
        unit=" docs",
        disable=None if progress else True,
        file=sys.stderr,
    )
    for doc in stream:
        if labels is not None:
            others = [ent for ent in doc.ents if ent.label_ not in labels]
            kept = [ent for ent in doc.ents if ent.label_ in labels]
            doc.set_ents(kept, outside=others, default="unmodified")
        docs.add(doc)
        tokens += len(doc)
        entities.update(ent.label_ for ent in doc.ents)
        is_missing = np.append(False, doc.to_array(ENT_IOB) == 0)
        missing += int((is_missing[1:] > is_missing[:-1]).sum())
        if incorrect_spans_key is not None:
            rejected += len(doc.spans.get(incorrect_spans_key, ()))
    found = Converted(
        len(docs),
        tokens,
        dict(sorted(entities.items())),
        dict(findings.left_out),
        missing,
        rejected,
        ignored=dict(findings.ignored),
        read_as=findings.read_as,
        agreement=resolver.agreement if resolver.agreement.texts else None,
        notices=findings.notices + resolver.notices,
    )
    if not found.docs and found.left_out:
        answers = ", ".join(f"{answer} {count:,}" for answer, count in found.left_out.items())
        raise AnnotationError(Errors.RNN348.format(source=input, answers=answers))
    if not found.docs:
        raise AnnotationError(Errors.RNN347.format(source=input))
    if not found.entities and not found.rejected and not allow_empty:
        raise AnnotationError(Errors.RNN349.format(source=input, found=found))
    storage.write(str(output), docs.to_bytes())
    if report is not None:
        write_report(str(report), found.report())
    return found


def _beside_report(corpus: Corpus, report: str, output: str) -> Corpus:
    """Check that a report replaces no other file of a run, and leave out its earlier version."""
    own = storage.address(report)
    data = {file for name, form in corpus.files for file in (name, *form.companions(name))}
    if own in map(storage.address, (output, *data)):
        raise ValueError(Errors.RNN352.format(path=report))
    return corpus._replace(unread=[n for n in corpus.unread if storage.address(n) != own])
