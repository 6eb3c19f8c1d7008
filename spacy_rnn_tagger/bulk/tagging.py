"""Tagging the records of a shard, of which some may fail."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import raise_error

from ..errors import described
from ..groups import scored_spans
from ..pipeline import RNNEntityRecognizer
from .sources import Record

# Of a confidence. What comes after them depends on the number of threads.
_DIGITS = 6


@dataclass
class Tagged:
    """What came of a record: a doc or an error."""

    record: Record
    doc: Doc | None
    error: str | None


def tag_records(nlp: Language, records: Sequence[Record], batch_size: int) -> list[Tagged]:
    """Run a pipeline over records; what fails, fails alone.

    batch_size: docs of a batch. Batches begin with the shard, so that they are always the same.
    """
    errors = {i: record.error for i, record in enumerate(records) if record.error is not None}
    done: dict[int, Doc] = {}

    def made() -> Iterator[tuple[Doc, int]]:
        for i, record in enumerate(records):
            if i in errors:
                continue
            try:
                doc = nlp.make_doc(record.text)
            except Exception as error:
                errors[i] = described(error)
            else:
                yield doc, i

    # spaCy's components give up a batch for one doc in it; who is missing then goes alone.
    nlp.set_error_handler(lambda name, proc, docs, error: None)
    try:
        done.update((i, doc) for doc, i in nlp.pipe(made(), as_tuples=True, batch_size=batch_size))
    except Exception:  # not all of a pipeline is under the handler
        pass
    finally:
        nlp.set_error_handler(raise_error)
    for i, record in enumerate(records):
        if i not in errors and i not in done:
            try:
                done[i] = nlp(record.text)
            except Exception as error:
                errors[i] = described(error)
    return [Tagged(record, done.get(i), errors.get(i)) for i, record in enumerate(records)]


def entities_of(doc: Doc, keys: Iterable[str]) -> list[dict[str, Any]]:
    """List a doc's entities, their offsets in characters, and their confidences, to six digits.

    keys: of the span groups that have them; an entity that is in none has None.
    """
    scores = {
        (span.start, span.end, span.label_): round(score, _DIGITS)
        for key in keys
        for span, score in scored_spans(doc, key)
    }
    return [
        {
            "start": ent.start_char,
            "end": ent.end_char,
            "label": ent.label_,
            "text": ent.text,
            "confidence": scores.get((ent.start, ent.end, ent.label_)),
        }
        for ent in doc.ents
    ]


def score_keys(nlp: Language) -> list[str]:
    """Find the span groups in which the pipeline's components put their confidences."""
    ours = (pipe for _, pipe in nlp.pipeline if isinstance(pipe, RNNEntityRecognizer))
    return [pipe.cfg["spans_key"] for pipe in ours if pipe.cfg["spans_key"] is not None]
