"""Docs with errors, for correcting annotation: the gold, and the pipeline's suggestion."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from spacy.tokens import Doc, Span
from spacy.training import Example

from ..formats.base import Role, Writing
from ..formats.record import Record
from ..formats.registry import by_name
from ..pipeline.label_sets import (
    LABEL_SET_KEY,
    UNKNOWN,
    coarse_spans,
    get_label_set,
    unknown_spans,
)
from .outcomes import DocOutcome, Mention, Outcome


def export_docs(
    examples: Sequence[Example],
    docs: Sequence[DocOutcome],
    every: Sequence[DocOutcome],
    numbers: Sequence[int],
    *,
    form: str,
    source: str,
    model: str,
) -> tuple[bytes, dict[str, bytes]]:
    """Write docs for annotation tools.

    The entities are those of the annotation. The metadata describes what the pipeline finds
    instead: `suggestion`, all entities that it writes, `errors`, with their kinds, and `model`.
    Entities of the label "?" mark missing annotation.

    Args:
        examples: The annotated docs.
        docs: The outcomes of scored labels in each doc.
        every: All outcomes in each doc.
        numbers: Which docs to write, in their order.
        form: The name of a format.
        source: The name of the data.
        model: The pipeline's name.

    Returns:
        The content of the file, and that of the files that a tool needs beside it, by their names.

    Raises:
        ValueError: There is no such format.
    """
    form_of_file = by_name(form, Role.OUTPUT).configured(Writing(model=model))
    form_of_file.prepare()
    rows: list[Any] = []
    seen: set[str] = set()
    for number in numbers:
        reference = examples[number].reference
        # A format of spaCy's own docs has places for all this.
        doc = reference if Role.CORPUS in form_of_file.roles else _with_missing(reference)
        meta: dict[str, Any] = {
            "model": model,
            "suggestion": [_plain(mention) for mention in every[number].predicted],
            "errors": [_error(error) for error in docs[number].errors],
        }
        if (label_set := get_label_set(reference)) is not None:
            labels = None if label_set.labels is None else sorted(label_set.labels)
            meta["label_set"] = {"labels": labels, "coarse": label_set.coarse}
        seen.update(ent.label_ for ent in doc.ents)
        seen.update(mention.label for mention in every[number].predicted)
        rows.append(form_of_file.row(Record(source, number + 1, doc.text, meta), doc))
    return form_of_file.pack(rows), form_of_file.extras(sorted(seen))


def check_export(form: str) -> None:
    """Raise ValueError unless docs can be written in a format of this name."""
    by_name(form, Role.OUTPUT)


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
