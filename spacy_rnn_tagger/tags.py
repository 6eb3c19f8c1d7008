"""Labels, tags and spans, and which tag may follow which."""

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from .errors import check_choice
from .types import BoolArray, IntArray, Spans

# The prefixes of each scheme, in the order of their tags within a label.
SCHEMES = {"BIO": "BI", "BILUO": "BILU", "IO": "I"}
# How spaCy's prefixes (always BILUO) are written in each scheme.
_FROM_BILUO = {
    "BIO": {"B": "B", "I": "I", "L": "I", "U": "B"},
    "BILUO": {"B": "B", "I": "I", "L": "L", "U": "U"},
    "IO": {"B": "I", "I": "I", "L": "I", "U": "I"},
}
_OPENS, _CLOSES = "BU", "LU"
MISSING = -1


class TagScheme:
    """The tags of a set of labels: "O" first, then each label's in the order of the labels.

    A label that is added goes to the end, so the tags that were there keep their numbers.

    scheme: "BIO", "BILUO" or "IO" (Ramshaw and Marcus 1995; Ratinov and Roth 2009).
    labels: the entity labels.

    RAISES ValueError: the scheme is not known.
    """

    def __init__(self, scheme: str, labels: Iterable[str]) -> None:
        check_choice("scheme", scheme, SCHEMES)
        self.scheme = scheme
        self.labels = tuple(labels)
        self.tags = ("O", *(f"{p}-{label}" for label in self.labels for p in SCHEMES[scheme]))
        prefixes = SCHEMES[scheme]
        # Of each tag: its prefix, and its label's number (-1 for "O").
        self._prefix = np.array(["O", *(p for _ in self.labels for p in prefixes)])
        self._label = np.repeat(np.arange(-1, len(self.labels)), [1] + [len(prefixes)] * len(self))

    def __len__(self) -> int:
        """Count the labels."""
        return len(self.labels)

    def __reduce__(self) -> tuple[type["TagScheme"], tuple[str, tuple[str, ...]]]:
        """Leave out the tables: they are quickly made again."""
        return TagScheme, (self.scheme, self.labels)

    @cached_property
    def _ids(self) -> dict[str | None, int]:
        ids: dict[str | None, int] = {"O": 0, "-": MISSING, "": MISSING, None: MISSING}
        number = {tag: i for i, tag in enumerate(self.tags)}
        for label in self.labels:
            for biluo, ours in _FROM_BILUO[self.scheme].items():
                ids[f"{biluo}-{label}"] = number[f"{ours}-{label}"]
        return ids

    @cached_property
    def legal_transitions(self) -> BoolArray:
        """Which tag (column) may follow which (row). *Shape:* (K, K)."""
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
        """Which tags a doc may begin with. *Shape:* (K,)."""
        if self.scheme == "IO":
            return np.ones(len(self.tags), dtype=bool)
        return np.isin(self._prefix, ["O", *_OPENS])

    @cached_property
    def legal_end(self) -> BoolArray:
        """Which tags a doc may end with. *Shape:* (K,)."""
        if self.scheme == "BILUO":
            return np.isin(self._prefix, ["O", *_CLOSES])
        return np.ones(len(self.tags), dtype=bool)

    def from_biluo(self, tags: Iterable[str | None]) -> IntArray:
        """Number spaCy's BILUO tags in this scheme; MISSING for None, "-" and "".

        RAISES KeyError: a tag's label is not one of the labels.
        """
        return np.fromiter(map(self._ids.__getitem__, tags), dtype=np.int64)

    @cached_property
    def continues(self) -> BoolArray:
        """Which tags say that the entity of the token before goes on. *Shape:* (K,)."""
        if self.scheme == "IO":
            return np.zeros(len(self.tags), dtype=bool)
        return np.isin(self._prefix, ["I", "L"])

    def mask(self, ids: IntArray) -> BoolArray:
        """Turn annotation into the tags that it allows: one, or all where it is missing.

        ids: tag numbers, as of `from_biluo`. *Shape:* (N,).

        RETURNS: *Shape:* (N, K).
        """
        allowed = np.zeros((len(ids), len(self.tags)), dtype=bool)
        allowed[np.arange(len(ids)), ids] = True  # -1 marks the last column, mended below
        allowed[ids == MISSING] = True
        return allowed

    def span_mask(self, length: int, start: int, end: int, label: str) -> BoolArray:
        """Find the tags that the paths have in which a span is an entity of a label.

        length: words of the doc.
        start: the first word.
        end: the word after the last.
        label: the label; "O" for the paths in which all of the span is outside of any entity.

        RETURNS: *Shape:* (length, K).
        """
        mask = np.ones((length, len(self.tags)), dtype=bool)
        mask[start:end] = False
        if label == "O":
            mask[start:end, 0] = True
            return mask
        alone, first, inside, last = self.roles[self.labels.index(label)]
        mask[start + 1 : end - 1, inside] = True
        mask[start, alone if end - start == 1 else first] = True
        mask[end - 1, alone if end - start == 1 else last] = True
        # Where a tag doesn't say that an entity ends, its neighbours must.
        if self.scheme != "BILUO":
            mask[end : end + 1, inside] = False
        if self.scheme == "IO" and start:
            mask[start - 1, inside] = False
        return mask

    @cached_property
    def roles(self) -> IntArray:
        """The tags of each label's words: alone, first, inside and last. *Shape:* (labels, 4)."""
        return np.array([[self._ids[f"{p}-{name}"] for p in "UBIL"] for name in self.labels])

    def first(self, n_tags: int) -> "TagScheme":
        """Create the scheme of the labels to which the first tags belong."""
        return TagScheme(self.scheme, self.labels[: (n_tags - 1) // len(SCHEMES[self.scheme])])

    def spans(self, ids: IntArray, breaks: BoolArray) -> Spans:
        """Read the entities off the tags of a batch.

        ids: legal paths, all docs in one array. *Shape:* (N,).
        breaks: the tokens that continue no entity of the token before, each doc's first among
            them. *Shape:* (N,).
        """
        label = self._label[ids]
        before = np.concatenate(([-1], label[:-1]))
        opens = np.isin(self._prefix, list(_OPENS))[ids] | breaks | (label != before)
        starts = np.flatnonzero((label >= 0) & opens)
        # An entity runs until the next one, the next "O" or the next break.
        borders = np.append(np.flatnonzero(opens | (label < 0)), len(ids))
        ends = borders[np.searchsorted(borders, starts, side="right")]
        return Spans(starts, ends, label[starts])
