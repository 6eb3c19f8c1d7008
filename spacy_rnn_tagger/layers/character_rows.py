"""A word's characters as rows of a table."""

import numpy as np
from spacy.attrs import ORTH
from thinc.types import Ints2d

from .distinct_words import Words

# Code points are folded into this many rows; Latin script with its extensions has no collisions.
ROWS = 1024
PAD, _BEGIN, _END, _FIRST = 0, 1, 2, 3
# Of a longer word the first and the last half of this are read.
_LONGEST = 64


def _code_points(text: str) -> list[int]:
    if len(text) > _LONGEST:
        text = text[: _LONGEST // 2] + text[-_LONGEST // 2 :]
    return [_BEGIN, *(_FIRST + ord(char) % (ROWS - _FIRST) for char in text), _END]


def character_rows(words: Words) -> Ints2d:
    """List the characters' rows in the table, padded to the longest word. (U, L)."""
    strings = words.vocab.strings
    rows = [_code_points(strings[orth]) for orth in words.column(ORTH).tolist()]
    padded = np.full((len(rows), max(len(row) for row in rows)), PAD, dtype=np.int64)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded
