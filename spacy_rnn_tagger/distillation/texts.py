"""Which texts are annotated: none twice, a part held out, and the most instructive ones first.

A pool of millions of texts takes a few numbers per text in memory. The texts themselves are read
again once it is known which ones are needed.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..bulk.similarity import NearDuplicates, digest, words_of
from ..bulk.sources import Inputs, bytes_bar, read_records
from ..errors import Errors
from ..formats import storage
from ..formats.base import Reading
from ..formats.jsonl import to_json
from ..formats.record import Record

TRAIN, DEV, HELDOUT = "train", "dev", "heldout"
PART = "part"  # the key of a text's part
LEAST = 10  # docs
_HELDOUT = 10  # one in so many docs is held out for the report
_DEV = 20  # and one in so many chooses the best of the student's states,
_MOST_DEV = 1000  # but not more than these, for they are tagged at each evaluation


class Place(NamedTuple):
    """Where a text is.

    Attributes:
        order: The text's place in a fixed random order: a digest of the text and a seed.
        file: The number of its file.
        record: The number of its record in the file, from 1.
    """

    order: int
    file: int
    record: int


@dataclass(frozen=True)
class Pool:
    """The texts of an input.

    Attributes:
        files: The files.
        reading: How they are read.
        places: The texts in random order, without duplicates.
        duplicates: How many were left out because they repeat another text, or nearly do.
        unreadable: How many records can't be read.
        empty: How many have no word.
    """

    files: list[str]
    reading: Reading
    places: list[Place]
    duplicates: int
    unreadable: int
    empty: int

    def read(self, places: Iterable[Place]) -> list[tuple[Place, Record]]:
        """Read some of the texts again.

        Args:
            places: Which ones.

        Returns:
            Each with its record, in random order.
        """
        wanted = {(place.file, place.record): place for place in places}
        found = []
        for number in sorted({file for file, _ in wanted}):
            for record in read_records(self.files[number], self.reading):
                if (place := wanted.get((number, record.number))) is not None:
                    found.append((place, record))
        return sorted(found, key=lambda pair: pair[0])


def find_pool(
    inputs: Inputs,
    reading: Reading,
    *,
    seed: int = 0,
    near: bool = True,
    progress: bool = False,
) -> Pool:
    """Read all texts once and leave out what is there more than once.

    Args:
        inputs: The files.
        reading: How they are read.
        seed: Decides the order.
        near: Whether texts that are nearly the same count as the same (MinHash; Broder 1997, "On
            the resemblance and containment of documents").
        progress: Whether to show progress on a terminal.

    Returns:
        The pool.

    Raises:
        ImportError: The package datasketch is not installed, and near duplicates are left out.
        OSError: A file can't be read.
        ValueError: There is no text with a word.
    """
    same = NearDuplicates() if near else None
    seen: set[int] = set()
    places: list[Place] = []
    duplicates = unreadable = empty = 0
    total = sum(map(storage.size, inputs.files))
    with bytes_bar(total, progress=progress, desc="Reading texts") as bar:
        for number, name in enumerate(inputs.files):
            for record in read_records(name, reading):
                bar.update(record.n_bytes)
                words = words_of(record.text)
                if record.error is not None:
                    unreadable += 1
                elif not words:
                    empty += 1
                elif (key := digest(words)) in seen or (same and same.had(key, words)):
                    duplicates += 1
                else:
                    seen.add(key)
                    places.append(Place(digest([str(seed), *words]), number, record.number))
    if not places:
        raise ValueError(Errors.RNN610.format(unreadable=unreadable, empty=empty))
    places.sort()
    return Pool(inputs.files, reading, places, duplicates, unreadable, empty)


def part_sizes(n_docs: int) -> dict[str, int]:
    """Divide docs into those to learn from and those to measure by.

    Args:
        n_docs: How many there are, 3 or more.

    Returns:
        The number of docs of each part.
    """
    heldout = max(1, n_docs // _HELDOUT)
    dev = min(max(1, n_docs // _DEV), _MOST_DEV)
    return {HELDOUT: heldout, DEV: dev, TRAIN: n_docs - heldout - dev}


def part_of_each(n_docs: int, source: str) -> list[str]:
    """List the parts of docs in random order.

    Args:
        n_docs: How many docs there are.
        source: What messages call them.

    Returns:
        The part of each.

    Raises:
        ValueError: There are too few.
    """
    if n_docs < LEAST:
        raise ValueError(Errors.RNN611.format(needed=LEAST, source=source, found=n_docs))
    return [part for part, size in part_sizes(n_docs).items() for _ in range(size)]


def write_texts(path: str, texts: Iterable[tuple[Place, Record, str]]) -> None:
    """Write texts for a teacher, with the part that each belongs to.

    Args:
        path: The file, JSONL.
        texts: Each with its place, its record and its part.

    Raises:
        OSError: It can't be written.
    """
    rows = (
        {
            "text": record.text,
            PART: part,
            "order": place.order,
            "source": record.source,
            "record": record.number,
            "meta": record.meta,
        }
        for place, record, part in texts
    )
    storage.write(path, b"".join(to_json(row).encode() + b"\n" for row in rows))


def written_places(path: str) -> Iterator[tuple[int, str]]:
    """Read which texts a round has.

    Args:
        path: A file of `write_texts`.

    Yields:
        The order and the part of each text.
    """
    for line in storage.read(path).splitlines():
        row: dict[str, Any] = json.loads(line)
        yield row["order"], row[PART]
