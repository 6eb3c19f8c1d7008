"""Tagging the records of a shard, of which some may fail."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from ..errors import Errors, described
from ..formats.record import Record

_SHOWN = 100  # characters of what a pipeline returned instead of a doc


@dataclass
class Tagged:
    """The result of a record: a doc or an error.

    Attributes:
        record: The record.
        doc: Its doc, as the pipeline returned it; None if it failed.
        error: Why it failed.
    """

    record: Record
    doc: Doc | None = None
    error: str | None = None

    def fail(self, error: Exception) -> None:
        """Record why there is no doc, or why the doc can't be written."""
        self.doc, self.error = None, described(error)


def tag_records(nlp: Language, records: Sequence[Record], batch_size: int) -> list[Tagged]:
    """Run a pipeline over records; a record that fails does not affect the others.

    Args:
        nlp: The pipeline.
        records: The records of a shard.
        batch_size: Docs in a batch. Batches begin with the shard, so they are always the same.

    Returns:
        A result for each record, in their order.
    """
    results = [Tagged(record, error=record.error) for record in records]
    for batch in minibatch(_tokenized(nlp, results), batch_size):
        docs = _tag_batch(nlp, [doc for _, doc in batch])
        for i, (result, _) in enumerate(batch):
            try:
                # spaCy's components give up a batch for one doc in it.
                result.doc = docs[i] if docs is not None else _tag_alone(nlp, result.record.text)
            except Exception as error:
                result.fail(error)
    return results


def _tokenized(nlp: Language, results: Sequence[Tagged]) -> Iterator[tuple[Tagged, Doc]]:
    for result in results:
        if result.error is not None:
            continue
        try:
            doc = nlp.make_doc(result.record.text)
        except Exception as error:
            result.fail(error)
        else:
            yield result, doc


def _tag_batch(nlp: Language, docs: Sequence[Doc]) -> list[Doc] | None:
    """Run a pipeline over docs.

    Returns:
        A doc for each, or None if a component raised an error, or dropped or reordered docs.
    """
    numbered = ((doc, i) for i, doc in enumerate(docs))
    try:
        found = list(nlp.pipe(numbered, as_tuples=True, batch_size=len(docs)))
    except Exception:
        return None
    # A component may return a doc of its own making, which has lost its number.
    places = [i if place is None else place for i, (_, place) in enumerate(found)]
    return [doc for doc, _ in found] if places == list(range(len(docs))) else None


def _tag_alone(nlp: Language, text: str) -> Doc:
    docs = list(nlp.pipe([text]))
    if len(docs) != 1 or not isinstance(docs[0], Doc):
        raise ValueError(Errors.RNN217.format(docs=repr(docs)[:_SHOWN]))
    return docs[0]
