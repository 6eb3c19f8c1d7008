"""spaCy's binary format, a `DocBin`: what `spacy convert` writes and `spacy train` reads."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, DocBin

from . import storage
from .base import Format, Role
from .record import Record

RECORD = "annotate"  # where a doc's user data says which record it is


class _Row(NamedTuple):
    record: Record
    doc: Doc


class Docs(Format):
    """Docs with all that their pipeline found, and with their own tokens."""

    name = "docbin"
    suffixes = (".spacy",)
    roles = frozenset({Role.CORPUS, Role.OUTPUT})
    compressed = False  # a DocBin is

    def docs(self, source: str, nlp: Language, left_out: Counter[str]) -> Iterator[Doc]:
        """Read the docs with their own tokens."""
        content = storage.read(source)
        try:
            yield from DocBin().from_bytes(content).get_docs(nlp.vocab)
        except Exception as error:  # whatever zlib and msgpack raise
            raise OSError(f"{source} can't be read as spaCy's binary format: {error}") from error

    def row(self, record: Record, doc: Doc) -> _Row:
        """Keep the doc, and which record it is."""
        return _Row(record, doc)

    def pack(self, rows: Sequence[_Row]) -> bytes:
        """Write the docs, with their span groups and user data.

        `doc.user_data["annotate"]` says which record a doc is.
        """
        docs = DocBin(store_user_data=True)
        for record, doc in rows:
            where = {"source": record.source, "record": record.number, "meta": record.meta}
            doc.user_data[RECORD] = where
            docs.add(doc)
        return docs.to_bytes()
