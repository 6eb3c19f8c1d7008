"""Annotated docs as files for annotation tools: the gold, and what a pipeline finds instead."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from spacy.tokens import Doc, Span
from spacy.training import Example

from ..errors import Errors
from ..formats import storage
from ..formats.base import Format, Role
from ..formats.record import Record
from ..formats.registry import by_name
from ..io import is_compressed, suffix_of
from ..pipeline.label_sets import (
    LABEL_SET_KEY,
    UNKNOWN,
    coarse_spans,
    get_label_set,
    unknown_spans,
)
from .outcomes import DocOutcome, Mention, Outcome

_WEB = ("http://", "https://")


class Task(NamedTuple):
    """An annotated doc to write for an annotation tool.

    Attributes:
        number: The number of the doc in its data, from 0.
        doc: The doc, which is not changed.
        meta: What the tool should show with it, as JSON can hold it.
    """

    number: int
    doc: Doc
    meta: dict[str, Any]


def check_export(file: str | Path, format: str, *, but: Path | None = None) -> Format:
    """Check before long work whether docs can be written to a file in a format.

    Args:
        file: A path or a URL.
        format: The name of the format.
        but: Another file that will be written; None if there is none.

    Returns:
        The format.

    Raises:
        ImportError: A package that the format needs is not installed.
        OSError: The file can't be written.
        ValueError: There is no such format, the file's suffix does not fit it, the file is on a web
            server, or it is the other one.
    """
    name, form = str(file), by_name(format, Role.OUTPUT)
    storage.check_file(name)
    if name.lower().startswith(_WEB):
        raise ValueError(Errors.RNN505.format(name=name))
    if but is not None and storage.address(str(but)) == storage.address(name):
        raise ValueError(Errors.RNN408.format(path=file))
    if suffix_of(name) not in form.suffixes or is_compressed(name):
        suffixes = " or ".join(form.suffixes)
        raise ValueError(Errors.RNN213.format(path=name, suffixes=suffixes, format=format))
    if storage.is_folder(name):
        raise IsADirectoryError(Errors.RNN203.format(path=name))
    form.prepare()
    return form


def pack_tasks(
    file: str | Path,
    form: Format,
    tasks: Iterable[Task],
    *,
    source: str,
    labels: Iterable[str] = (),
) -> dict[str, bytes]:
    """Turn annotated docs into files for an annotation tool.

    The entities are those of the annotation. Entities of the label "?" mark missing annotation, and
    what the annotators of a doc marked is in its metadata (`label_set`).

    Args:
        file: The file for the docs, a path or a URL.
        form: Its format.
        tasks: The docs.
        source: The name of the data.
        labels: Labels that the tool should offer in addition to those of the docs.

    Returns:
        The content of each file by its path or URL: first what the tool needs beside the docs.
    """
    rows: list[Any] = []
    offered = set(labels)
    for number, reference, meta in tasks:
        # A format of spaCy's own docs has places for all annotation.
        doc = reference.copy() if Role.CORPUS in form.roles else _with_missing(reference)
        if (label_set := get_label_set(reference)) is not None:
            marked = None if label_set.labels is None else sorted(label_set.labels)
            meta = {**meta, "label_set": {"labels": marked, "coarse": label_set.coarse}}
        offered.update(ent.label_ for ent in doc.ents)
        rows.append(form.row(Record(source, number + 1, doc.text, meta), doc))
    name = str(file)
    extras = form.extras(sorted(offered))
    packed = {storage.beside(name, extra): extras[extra] for extra in extras}
    return {**packed, name: form.pack(rows)}


def find_tasks(
    examples: Sequence[Example],
    docs: Sequence[DocOutcome],
    every: Sequence[DocOutcome],
    numbers: Iterable[int],
    model: str,
) -> Iterator[Task]:
    """Describe docs and what a pipeline finds in them.

    Args:
        examples: The annotated docs.
        docs: The outcomes of scored labels in each doc.
        every: All outcomes in each doc.
        numbers: Which docs to describe, in their order.
        model: The pipeline's name.

    Yields:
        The docs. The metadata has `model`, `suggestion`, all entities that the pipeline writes, and
        `errors`, with their kinds.
    """
    for number in numbers:
        meta = {
            "model": model,
            "suggestion": [_plain(mention) for mention in every[number].predicted],
            "errors": [_error(error) for error in docs[number].errors],
        }
        yield Task(number, examples[number].reference, meta)


def _with_missing(reference: Doc) -> Doc:
    """Copy a doc with its coarse entities, and with entities where annotation is missing."""
    doc = reference.copy()
    spans = [*reference.ents, *coarse_spans(reference)]
    if get_label_set(reference) is not None:
        unknown = [token.start for token in unknown_spans(reference)]
    else:
        unknown = [token.i for token in reference if not token.ent_iob]
    places = [(span.start, span.end, span.label_) for span in spans]
    # Tokens that follow each other differ from their positions in the list by the same number.
    for _, run in groupby(enumerate(unknown), key=lambda each: each[1] - each[0]):
        tokens = [token for _, token in run]
        places.append((tokens[0], tokens[-1] + 1, UNKNOWN))
    doc.spans.pop(LABEL_SET_KEY, None)
    doc.set_ents([Span(doc, *place) for place in sorted(places)])
    return doc


def _plain(mention: Mention) -> dict[str, Any]:
    return {
        "start": mention.start_char,
        "end": mention.end_char,
        "label": mention.label,
        "text": mention.text,
        "confidence": None if mention.confidence is None else round(mention.confidence, 6),
    }


def _error(error: Outcome) -> dict[str, Any]:
    gold, predicted = (None if each is None else _plain(each) for each in error[1:])
    return {"kind": error.kind, "gold": gold, "predicted": predicted}
