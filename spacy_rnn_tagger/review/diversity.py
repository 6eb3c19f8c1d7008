"""Keeping the best of a stream in bounded memory, and taking from them what differs."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..bulk.similarity import NearDuplicates, digest
from ..types import EntitySpan

_Key = tuple[float, float, int, int, int, str, EntitySpan]


@dataclass(frozen=True)
class Candidate:
    """A text, or a span in a text, that may be selected.

    Attributes:
        score: How much it is worth.
        order: A digest of the text; decides between candidates that are worth the same.
        file: The number of its file.
        record: The number of its record.
        n_words: Its length.
        features: What it would teach, with weights.
        why: Its score in words.
        span: The span in characters; None for a whole text.
        about: What is asked: the span's text and label. Empty for a whole text.
        p: The span's posterior.
        finer: Decides between equal scores, before the digest does.
    """

    score: float
    order: int
    file: int
    record: int
    n_words: int
    features: tuple[tuple[str, float], ...] = field(repr=False)
    why: str
    span: EntitySpan | None = None
    about: str = ""
    p: float = 0.0
    finer: float = 0.0

    @property
    def place(self) -> tuple[int, int]:
        """Its file and record."""
        return self.file, self.record

    @property
    def key(self) -> _Key:
        """What candidates are sorted by, ascending: the worst one first. No two are equal."""
        return (
            self.score,
            self.finer,
            -self.order,
            -self.file,
            -self.record,
            self.about,
            self.span or (0, 0, ""),
        )


class Pool:
    """The best candidates of a stream, of which no two are nearly the same.

    A copy of a candidate that is not here any more is not needed: it is worth no more than that one
    was. So memory does not grow with the stream.

    Args:
        size: How many to keep.
        near: Whether texts that are nearly the same count as the same.

    Attributes:
        duplicates: How many were left out because they repeat another one.

    Raises:
        ImportError: The package datasketch is not installed, and near duplicates are left out.
    """

    def __init__(self, size: int, *, near: bool = True) -> None:
        self._size = size
        self._same = NearDuplicates() if near else None
        self._kept: dict[int, Candidate] = {}  # by digest of text and question
        self._heap: list[tuple[_Key, int]] = []
        self.duplicates = 0

    def add(self, candidate: Candidate, words: Sequence[str]) -> None:
        """Add a candidate, unless there are enough better ones or a better one like it.

        Args:
            candidate: The candidate.
            words: The words of its text.
        """
        if len(self._kept) >= self._size and candidate.key <= self._worst():
            return
        key = digest([candidate.about, *words])
        sketch = self._same.sketch(words) if self._same else None
        alike = [key] if key in self._kept else []
        if self._same is not None:
            near = (each for each in self._same.find(sketch) if isinstance(each, int))
            alike += [k for k in near if k != key and self._kept[k].about == candidate.about]
        if alike:
            self.duplicates += 1
            if any(self._kept[each].key >= candidate.key for each in alike):
                return
            for each in alike:
                self._remove(each)
        self._kept[key] = candidate
        heapq.heappush(self._heap, (candidate.key, key))
        if self._same is not None:
            self._same.add(key, sketch)
        if len(self._kept) > self._size:
            self._worst()
            self._remove(self._heap[0][1])

    def candidates(self) -> list[Candidate]:
        """List the candidates, the best one first."""
        return sorted(self._kept.values(), key=lambda each: each.key, reverse=True)

    def _worst(self) -> _Key:
        """Return the key of the worst candidate, at the top of the heap once others are cleared."""
        while True:
            own, key = self._heap[0]
            if key in self._kept and self._kept[key].key == own:
                return own
            heapq.heappop(self._heap)

    def _remove(self, key: int) -> None:
        del self._kept[key]
        if self._same is not None:
            self._same.remove(key)


def in_turn(
    candidates: Sequence[Candidate], diversity: float, before: Mapping[str, int] | None = None
) -> Iterator[Candidate]:
    """Take candidates one by one, each time the one that is worth most beside those before it.

    A feature that was taken k times counts for (1 - diversity)^k of its weight, and a candidate for
    the share of its features' weight that is left. What a candidate is worth never rises, so most
    are not looked at again (lazy greedy; Minoux 1978).

    Args:
        candidates: What there is.
        diversity: From 0, for the order of scores, to below 1.
        before: How often each feature was taken before; never if None.

    Yields:
        The candidates.
    """
    taken = Counter(before)

    def worth(candidate: Candidate) -> float:
        whole = sum(weight for _, weight in candidate.features)
        if not whole:
            return candidate.score
        left = sum(weight * (1 - diversity) ** taken[f] for f, weight in candidate.features)
        return candidate.score * left / whole

    ordered = sorted(candidates, key=lambda each: each.key, reverse=True)
    # Before anything is taken, a candidate is worth its score, and later never more.
    seen_first = -1 if taken else 0
    heap = [(-each.score, place, seen_first) for place, each in enumerate(ordered)]
    heapq.heapify(heap)
    n_taken = 0
    while heap:
        _, place, seen = heapq.heappop(heap)
        candidate = ordered[place]
        if seen < n_taken:
            heapq.heappush(heap, (-worth(candidate), place, n_taken))
            continue
        n_taken += 1
        taken.update(feature for feature, _ in candidate.features)
        yield candidate
