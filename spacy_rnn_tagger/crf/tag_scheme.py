"""Labels, tags and spans, and which tag may follow which."""

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..arrays import BoolArray, IntArray
from ..errors import check_choice

# The prefixes of each scheme, in the order of their tags within a label.
SCHEMES = {"BIO": "BI", "BILUO": "BILU", "IO": "I"}
# The prefix of an entity's words in each scheme: of a lone word, the first, an inner, the last.
_ROLES = {"BIO": "BBII", "BILUO": "UBIL", "IO": "IIII"}
_OPENS, _CLOSES = "BU", "LU"
MISSING = -1
# Instead of a label, in annotation of what is incorrect: outside of any entity.
NO_ENTITY = "O"


class Spans(NamedTuple):
    """Entities among the words of a batch, all docs in one array.

    Attributes:
        starts: The first word of each. (S,)
        ends: The word after its last. (S,)
        labels: The number of its label. (S,)
    """

    starts: IntArray
    ends: IntArray
    labels: IntArray

    def select(self, keep: BoolArray) -> "Spans":
        """Keep some of the spans."""
        return Spans(self.starts[keep], self.ends[keep], self.labels[keep])


class TagScheme:
    """The tags of a set of labels: "O" first, then each label's in the order of the labels.

    A label that is added goes to the end, so the tags that were there keep their numbers.

    Args:
        scheme: "BIO", "BILUO" or "IO" (Ramshaw and Marcus 1995; Ratinov and Roth 2009).
        labels: The entity labels.

    Attributes:
        tags: The K tags, by number.

    Raises:
        ValueError: The scheme is not known.
    """

    def __init__(self, scheme: str, labels: Iterable[str]) -> None:
        check_choice("scheme", scheme, SCHEMES)
        self.scheme = scheme
        self.labels = tuple(labels)
        prefixes = SCHEMES[scheme]
        self.tags = ("O", *(f"{p}-{label}" for label in self.labels for p in prefixes))
        # Of each tag: its prefix, and its label's number (-1 for "O").
        self._prefix = np.array(["O", *(p for _ in self.labels for p in prefixes)])
        self._label = np.repeat(np.arange(-1, len(self.labels)), [1] + [len(prefixes)] * len(self))

    def __len__(self) -> int:
        """Count the labels."""
        return len(self.labels)

    def __reduce__(self) -> tuple[type["TagScheme"], tuple[str, tuple[str, ...]]]:
        """Leave out the tables, which are quickly made again."""
        return TagScheme, (self.scheme, self.labels)

    @cached_property
    def roles(self) -> IntArray:
        """The tags of each label's words: alone, first, inside and last (labels, 4)."""
        prefixes = SCHEMES[self.scheme]
        own = np.array([prefixes.index(prefix) for prefix in _ROLES[self.scheme]])
        return 1 + len(prefixes) * np.arange(len(self))[:, None] + own

    @cached_property
    def legal_transitions(self) -> BoolArray:
        """Which tag (column) may follow which (row). (K, K)."""
        same = self._label[:, None] == self._label[None, :]
        opens = np.isin(self._prefix, ["O", *_OPENS])
        if self.scheme == "IO":
            return np.ones(same.shape, dtype=bool)
        if self.scheme == "BIO":  # "I" follows "B" or "I" of its label; the rest may stand anywhere
            return opens[None, :] | same
        running = np.isin(self._prefix, ["B", "I"])
        return np.where(running[:, None], same & ~opens[None, :], opens[None, :])

    @cached_property
    def legal_start(self) -> BoolArray:
        """Which tags a doc may begin with. (K,)."""
        if self.scheme == "IO":
            return np.ones(len(self.tags), dtype=bool)
        return np.isin(self._prefix, ["O", *_OPENS])

    @cached_property
    def legal_end(self) -> BoolArray:
        """Which tags a doc may end with. (K,)."""
        if self.scheme == "BILUO":
            return np.isin(self._prefix, ["O", *_CLOSES])
        return np.ones(len(self.tags), dtype=bool)

    @cached_property
    def _begins(self) -> BoolArray:
        """Which tags begin an entity, whatever stands before them. (K,)."""
        return np.isin(self._prefix, list(_OPENS))

    @cached_property
    def continues(self) -> BoolArray:
        """Which tags continue the entity of the token before. (K,)."""
        if self.scheme == "IO":
            return np.zeros(len(self.tags), dtype=bool)
        return np.isin(self._prefix, ["I", "L"])

    def mask(self, ids: IntArray) -> BoolArray:
        """Turn annotation into the tags that it allows: one, or all where it is missing.

        Args:
            ids: The number of each token's tag, or MISSING. (N,)

        Returns:
            The mask. (N, K)
        """
        allowed = np.zeros((len(ids), len(self.tags)), dtype=bool)
        allowed[np.arange(len(ids)), ids] = True  # -1 marks the last column, mended below
        allowed[ids == MISSING] = True
        return allowed

    def of_labels(self, labels: Iterable[str]) -> IntArray:
        """List the tags of some labels."""
        numbers = [self.labels.index(label) for label in labels]
        return np.flatnonzero(np.isin(self._label, numbers))

    def entity_tags(self, entities: IntArray, labels: IntArray) -> IntArray:
        """Find the tags of entities' words.

        Args:
            entities: The number of each word's entity; a word of another entity than the word
                before has another number. (M,)
            labels: The number of its label. (M,)

        Returns:
            The number of each word's tag. (M,)
        """
        if not len(labels):
            return np.empty(0, dtype=np.int64)
        first = np.diff(entities, prepend=entities[0] - 1) != 0
        last = np.diff(entities, append=entities[-1] + 1) != 0
        role = np.where(first, np.where(last, 0, 1), np.where(last, 3, 2))
        tags: IntArray = self.roles[labels, role]
        return tags

    def first(self, n_tags: int) -> "TagScheme":
        """Create the scheme of the labels to which the first tags belong."""
        return TagScheme(self.scheme, self.labels[: (n_tags - 1) // len(SCHEMES[self.scheme])])

    def spans(self, ids: IntArray, breaks: BoolArray) -> Spans:
        """Read the entities off the tags of a batch.

        Args:
            ids: Legal paths, all docs in one array. (N,)
            breaks: The tokens that continue no entity of the token before, each doc's first among
                them. (N,)

        Returns:
            The entities, in the order of their places.
        """
        label = self._label[ids]
        before = np.concatenate(([-1], label[:-1]))
        opens = self._begins[ids] | breaks | (label != before)
        starts = np.flatnonzero((label >= 0) & opens)
        # An entity runs until the next one, the next "O" or the next break.
        borders = np.append(np.flatnonzero(opens | (label < 0)), len(ids))
        ends = borders[np.searchsorted(borders, starts, side="right")]
        return Spans(starts, ends, label[starts])
