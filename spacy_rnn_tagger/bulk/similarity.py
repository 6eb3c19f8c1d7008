"""Which texts are the same, or nearly the same."""

import hashlib
import re
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

# Two texts are near duplicates if they share this much of their sequences of words.
_SIMILARITY = 0.8
_SEQUENCE = 4  # words in a sequence
_PERMUTATIONS = 64
_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """List the words of a text, by which it is compared with others."""
    return _WORD.findall(text.lower())


def digest(words: Iterable[str]) -> int:
    """Turn words into a number of 64 bits."""
    content = " ".join(words).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")


class NearDuplicates:
    """Texts, searchable by similarity (MinHash; Broder 1997, "On the resemblance and containment of
    documents").

    Raises:
        ImportError: The package datasketch is not installed.
    """

    def __init__(self) -> None:
        from datasketch import MinHash, MinHashLSH

        self._index = MinHashLSH(threshold=_SIMILARITY, num_perm=_PERMUTATIONS)
        # Permutations are random numbers of a fixed seed. They are drawn once for all texts.
        self._empty = MinHash(num_perm=_PERMUTATIONS)

    def sketch(self, words: Sequence[str]) -> Any:
        """Summarise a text for the other methods; None for one that is too short to compare."""
        if len(words) < 2 * _SEQUENCE:  # a short text shares most of its words with many
            return None
        sequences = {
            " ".join(words[i : i + _SEQUENCE]).encode("utf-8", "surrogatepass")
            for i in range(len(words) - _SEQUENCE + 1)
        }
        sketch = self._empty.copy()
        sketch.update_batch(sorted(sequences))
        return sketch

    def find(self, sketch: Any) -> list[Hashable]:
        """List the keys of the texts here that are similar to a text."""
        return [] if sketch is None else list(self._index.query(sketch))

    def add(self, key: Hashable, sketch: Any) -> None:
        """Add a text."""
        if sketch is not None:
            self._index.insert(key, sketch, check_duplication=False)

    def remove(self, key: Hashable) -> None:
        """Remove a text, if it is here."""
        if key in self._index:
            self._index.remove(key)

    def had(self, key: Hashable, words: Sequence[str]) -> bool:
        """Return whether a similar text is here; if not, add this one."""
        sketch = self.sketch(words)
        if self.find(sketch):
            return True
        self.add(key, sketch)
        return False
