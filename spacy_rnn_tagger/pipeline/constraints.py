"""What a doc says before the network reads it, as constraints on its tags.

Whitespace has no place in the lattice: an entity with words on both sides of it contains it, and
none begins or ends with it. The other tokens are called words here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE, IS_PUNCT, IS_SPACE, SENT_START
from spacy.strings import get_string_id
from spacy.tokens import Doc

from ..arrays import BoolArray, IntArray
from ..crf.tag_scheme import Spans, TagScheme
from ..errors import check_choice
from ..types import EntitySpan

_READ = [ENT_IOB, ENT_TYPE, IS_SPACE, IS_PUNCT, SENT_START]
INSIDE, OUTSIDE, BEGIN = 1, 2, 3  # spaCy's codes of ENT_IOB; 0 is missing


@dataclass
class WordRows:
    """Which tokens of a batch are words.

    Attributes:
        rows: The tokens of the batch that are words. (M,)
        lengths: Words of each doc. [B]
        starts: The first token of each doc. (B,)
    """

    rows: IntArray
    lengths: list[int]
    starts: IntArray


@dataclass
class Constraints:
    """What a prediction has to respect.

    Attributes:
        words: The words of the batch.
        allowed: The tags that each word may have; None if nothing is known. (M, K)
        breaks: Words that continue no entity of the word before: at the start of docs and
            sentences, and beside whatever is set. (M,)
        preset: Words of entities that are set already. (M,)
        punctuation: Words that are punctuation. (M,)
    """

    words: WordRows
    allowed: BoolArray | None
    breaks: BoolArray
    preset: BoolArray
    punctuation: BoolArray

    def find(self, ids: IntArray, tags: TagScheme) -> Spans:
        """Read the new entities off the tags of the words.

        A run of nothing but punctuation is no entity. Entities that were there are not repeated.
        """
        spans = tags.spans(np.where(self.preset, 0, ids), self.breaks)
        return spans.select(self.has_text(spans)) if len(spans.starts) else spans

    def has_text(self, spans: Spans) -> BoolArray:
        """Tell which spans are more than punctuation."""
        text = np.concatenate(([0], np.cumsum(~self.punctuation)))
        return text[spans.ends] > text[spans.starts]

    def locate(self, spans: Spans, tags: TagScheme) -> list[list[EntitySpan]]:
        """Turn spans of the batch's words into those of each doc's tokens."""
        found: list[list[EntitySpan]] = [[] for _ in self.words.lengths]
        docs = np.repeat(np.arange(len(found)), self.words.lengths)[spans.starts]
        places = self._places(self.words.starts[docs], spans, tags)
        for doc, place in zip(docs.tolist(), places, strict=True):
            found[doc].append(place)
        return found

    def locate_in(self, doc: int, spans: Spans, tags: TagScheme) -> Iterator[EntitySpan]:
        """Turn spans of the batch's words into tokens of the one doc in which they all are."""
        return self._places(self.words.starts[doc], spans, tags)

    def _places(
        self, offsets: "IntArray | np.int64", spans: Spans, tags: TagScheme
    ) -> Iterator[EntitySpan]:
        begin = self.words.rows[spans.starts] - offsets
        end = self.words.rows[spans.ends - 1] + 1 - offsets
        names = (tags.labels[label] for label in spans.labels.tolist())
        return zip(begin.tolist(), end.tolist(), names, strict=True)

    def in_words(self, spans: Sequence[Sequence[EntitySpan]], tags: TagScheme) -> Spans:
        """Turn spans of each doc's tokens into those of the batch's words, undoing `locate`.

        Whitespace at the ends of a span is left out, so it may have no word.

        Raises:
            ValueError: A label is not among those of `tags`.
        """
        numbers = {label: number for number, label in enumerate(tags.labels)}
        columns = []
        for offset, own in zip(self.words.starts.tolist(), spans, strict=True):
            for start, end, label in own:
                check_choice("label", label, numbers)
                columns.append((offset + start, offset + end, numbers[label]))
        starts, ends, labels = np.array(columns, dtype=np.int64).reshape(-1, 3).T
        rows = self.words.rows
        return Spans(np.searchsorted(rows, starts), np.searchsorted(rows, ends), labels)


def find_words(docs: Sequence[Doc]) -> WordRows:
    """Find the tokens of a batch that are not whitespace."""
    return _words(docs, _columns(docs, [IS_SPACE])[0])


def read_constraints(docs: Sequence[Doc], tags: TagScheme) -> Constraints:
    """Read off docs what their tags may be.

    Entities that are set stay, and so do blocked tokens. A token that is set as outside may become
    an entity, as with spaCy's `ner`, if all tokens of its doc are set: then it is what another
    component left over. Where tokens of the doc are missing, it was said on purpose, and stays.

    An entity whose label the network does not have is one as well. The lattice has no tag for it,
    so its words are "O" there, with a break on both sides: nothing runs into it or on from it.
    """
    iob, label, is_space, is_punct, sentence = _columns(docs, _READ)
    words = _words(docs, is_space)
    breaks = sentence == 1
    breaks[words.starts[words.starts < len(breaks)]] = True
    preset = np.zeros(len(iob), dtype=bool)
    allowed = None
    if iob.any():
        inside = label != 0
        doc_of = np.repeat(np.arange(len(docs)), [len(doc) for doc in docs])
        partial = np.bincount(doc_of, weights=iob == 0, minlength=len(docs)) > 0
        outside = ((iob == BEGIN) & ~inside) | ((iob == OUTSIDE) & partial[doc_of])
        preset = inside & ((iob == BEGIN) | (iob == INSIDE))
        fixed = preset | outside
        continued = preset & (iob == INSIDE)
        breaks = (breaks | fixed | np.concatenate(([False], fixed[:-1]))) & ~continued
        allowed = np.ones((len(words.rows), len(tags.tags)), dtype=bool)
        allowed[outside[words.rows], 1:] = False
        number = np.cumsum(preset & (iob == BEGIN))[words.rows]
        own = np.flatnonzero(preset[words.rows])
        numbers = label_numbers(label[words.rows[own]], tags)
        known = numbers >= 0
        ids = np.zeros(len(own), dtype=np.int64)
        ids[known] = tags.entity_tags(number[own][known], numbers[known])
        allowed[own] = tags.mask(ids)
    punctuation = is_punct == 1
    if len(words.rows) < len(is_space):
        # A break at whitespace holds for the next word.
        breaks = np.diff(np.cumsum(breaks)[words.rows], prepend=0) > 0
        preset, punctuation = preset[words.rows], punctuation[words.rows]
    n_starts = sum(length > 0 for length in words.lengths)
    if allowed is not None or np.count_nonzero(breaks) > n_starts:
        allowed = np.ones((len(breaks), len(tags.tags)), dtype=bool) if allowed is None else allowed
        allowed[np.ix_(breaks, tags.continues)] = False
    return Constraints(words, allowed, breaks, preset, punctuation)


def label_numbers(labels: NDArray[np.uint64], tags: TagScheme) -> IntArray:
    """Number labels.

    Args:
        labels: Their hashes, as spaCy has them. (M,)
        tags: The tags.

    Returns:
        The place of each label among those of the tags; -1 for one that is not there. (M,)
    """
    known = {get_string_id(name): number for number, name in enumerate(tags.labels)}
    hashes, index = np.unique(labels, return_inverse=True)
    numbers = np.array([known.get(name, -1) for name in hashes.tolist()], dtype=np.int64)
    found: IntArray = numbers[index.ravel()]
    return found


def _columns(docs: Sequence[Doc], attrs: list[int]) -> list[NDArray[np.uint64]]:
    arrays = [doc.to_array(attrs).reshape(len(doc), len(attrs)) for doc in docs]
    return list(np.concatenate(arrays).astype(np.uint64, copy=False).T)


def _words(docs: Sequence[Doc], is_space: NDArray[np.uint64]) -> WordRows:
    lengths = [len(doc) for doc in docs]
    sizes = np.array(lengths, dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    if not is_space.any():
        return WordRows(np.arange(len(is_space)), lengths, starts)
    is_word = is_space == 0
    doc_of = np.repeat(np.arange(len(docs)), sizes)[is_word]
    return WordRows(
        np.flatnonzero(is_word), np.bincount(doc_of, minlength=len(docs)).tolist(), starts
    )
