"""Texts that are annotated already, which are not selected again."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from ..bulk.similarity import NearDuplicates, digest, words_of
from ..errors import Errors
from ..evaluation.data import corpora_at
from ..formats import storage
from ..formats.base import Reading
from ..formats.corpus import Corpus, find_corpus, read_annotated
from ..formats.findings import Findings
from ..formats.placing import MISSING, Placement
from . import novelty

# Only the texts matter: spans that training could not use are no reason to refuse a file, and the
# answer "no" to a question about a span is an answer.
_READING = Reading(annotated=True, placement=Placement(MISSING, MISSING, "rejected"))


class Excluded:
    """Texts that are annotated already.

    Two texts are the same if their letters and digits are: annotation tools change whitespace, and
    columns of tokens don't say where there was any.

    Args:
        near: Whether texts that are nearly the same count as the same.

    Attributes:
        content: How many texts have a name or a word, as `novelty.content` lists them.

    Raises:
        ImportError: The package datasketch is not installed, and near duplicates are left out.
    """

    def __init__(self, *, near: bool) -> None:
        self._keys: set[int] = set()
        self._near = NearDuplicates() if near else None
        self.content: Counter[str] = Counter()

    def __len__(self) -> int:
        """Count the different texts."""
        return len(self._keys)

    def __contains__(self, text: str) -> bool:
        """Tell whether a text, or nearly the same text, is annotated."""
        if not self._keys:
            return False
        if _key(text) in self._keys:
            return True
        return self._near is not None and bool(self._near.find(self._near.sketch(words_of(text))))

    def add(self, doc: Doc) -> None:
        """Add a text, unless it is here, as it is if several people annotated it."""
        key = _key(doc.text)
        if key in self._keys:
            return
        self._keys.add(key)
        self.content.update(feature for feature, _ in novelty.content(doc))
        if self._near is not None:
            self._near.add(key, self._near.sketch(words_of(doc.text)))

    def read(self, nlp: Language, sources: Iterable[tuple[str, Corpus]]) -> None:
        """Add the texts of annotated data.

        Args:
            nlp: The pipeline whose tokenizer is used, unless a file has tokens.
            sources: What `find_annotated` returns.

        Raises:
            AnnotationError: A file is malformed.
            OSError: A file can't be read.
            ValueError: No text of a source is annotated.
        """
        # Texts that are too long for the pipeline can't be selected, but may be annotated.
        longest, nlp.max_length = nlp.max_length, sys.maxsize
        try:
            for source, corpus in sources:
                findings, n_docs = Findings(), 0
                for each in read_annotated(nlp, corpus.files, _READING, findings):
                    self.add(each.doc)
                    n_docs += 1
                if not n_docs:
                    left_out = [f"{answer} {n:,}" for answer, n in findings.left_out.items()]
                    found = f" (records left out: {', '.join(left_out)})" if left_out else ""
                    raise ValueError(Errors.RNN509.format(source=source, found=found))
        finally:
            nlp.max_length = longest


def find_annotated(
    exclude: str | Path | Iterable[str | Path], output: str, notify: Callable[[str], None]
) -> list[tuple[str, Corpus]]:
    """Find the files of annotated data, before long work.

    Args:
        exclude: Files or folders that `convert` reads, paths or URLs.
        output: The file that is written.
        notify: Called with a note about files in a folder that are not read.

    Returns:
        Each source with its files.

    Raises:
        AnnotationError: A file is in no known format.
        OSError: There is no such path, or a file can't be read.
        ValueError: A source is the output.
    """
    sources = [exclude] if isinstance(exclude, str | Path) else exclude
    found = []
    for source in map(str, sources):
        # People's work is not overwritten.
        if storage.address(source) == storage.address(output):
            raise ValueError(Errors.RNN510.format(path=source))
        corpora = corpora_at(source)  # the texts that they were converted from may lie beside them
        corpus = Corpus(corpora, []) if corpora else find_corpus(source, but=output)
        if note := corpus.unread_note(source):
            notify(note)
        found.append((source, corpus))
    return found


def _key(text: str) -> int:
    words = words_of(text)
    return digest(["".join(words)] if words else text.split())
