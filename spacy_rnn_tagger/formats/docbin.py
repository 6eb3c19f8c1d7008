"""spaCy's binary format, a `DocBin`: what `spacy convert` writes and `spacy train` reads."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, DocBin

from ..errors import Errors
from ..io import printable
from . import storage
from .base import Format, Reading, Role
from .findings import Annotated, Findings
from .record import Record
from .sample import Sample

RECORD = "annotate"  # the key of a doc's record in its user data


class _Row(NamedTuple):
    record: Record
    doc: Doc


class Docs(Format):
    """Docs with everything that their pipeline found, and with their own tokens."""

    name = "docbin"
    suffixes = (".spacy",)
    roles = frozenset({Role.CORPUS, Role.OUTPUT})
    compressed = False  # a DocBin is compressed anyway

    def recognises(self, sample: Sample) -> bool | None:
        """Recognise zlib's first byte. For a damaged file, the suffix decides."""
        return True if sample.raw.startswith(b"\x78") and sample.suffix in self.suffixes else None

    def docs(
        self, source: str, nlp: Language, reading: Reading, findings: Findings
    ) -> Iterator[Annotated]:
        """Read the docs with their own tokens."""
        content = storage.read(source)
        try:
            docs = DocBin().from_bytes(content).get_docs(nlp.vocab)
            for number, doc in enumerate(docs, start=1):
                yield Annotated(doc, f"{printable(source)}, doc {number}", source)
        except Exception as error:  # zlib and msgpack raise many kinds
            raise OSError(Errors.RNN107.format(path=source, reason=error)) from error

    def row(self, record: Record, doc: Doc) -> _Row:
        """Keep the doc and its record."""
        return _Row(record, doc)

    def pack(self, rows: Sequence[_Row]) -> bytes:
        """Write the docs, with their span groups and user data.

        `doc.user_data["annotate"]` identifies a doc's record.
        """
        docs = DocBin(store_user_data=True)
        for record, doc in rows:
            where = {"source": record.source, "record": record.number, "meta": record.meta}
            doc.user_data[RECORD] = where
            docs.add(doc)
        return docs.to_bytes()
