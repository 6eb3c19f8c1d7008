"""The files of an input, and their records in shards."""

from collections import Counter
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath

from tqdm import tqdm

from ..errors import Errors
from ..errors.wording import counted
from ..formats import storage
from ..formats.base import Reading, Role
from ..formats.record import Record
from ..formats.registry import by_suffix, known_suffixes
from ..io import printable

MANIFEST = "annotate.json"  # is in every output folder


@dataclass(frozen=True)
class Inputs:
    """The files of an input.

    Attributes:
        files: The files to read, sorted.
        skipped: Files in a folder that have no known format, or are in output folders of
            `annotate`.
    """

    files: list[str]
    skipped: list[str]

    def describe_skipped(self, shown: int = 3) -> str:
        """Name the first skipped files, and count all of them by suffix.

        Args:
            shown: The number of files to name.

        Returns:
            A sentence without a full stop.
        """
        suffixes = Counter(PurePosixPath(printable(n)).suffix or "no suffix" for n in self.skipped)
        counts = ", ".join(f"{n:,} {suffix}" for suffix, n in suffixes.most_common())
        names = ", ".join(map(printable, self.skipped[:shown]))
        n, more = len(self.skipped), ", ..." if len(self.skipped) > shown else ""
        return f"Skipped {counted(n, 'file')} ({counts}): {names}{more}"


def find_inputs(pattern: str, reading: Reading | None = None, *but: str) -> Inputs:
    """List the files of an input: a file, all readable files below a folder, or a glob.

    Args:
        pattern: A path or a URL.
        reading: How the files will be read.
        but: The files and folders that a command writes, which are not input even if they are below
            the input folder.

    Returns:
        The files.

    Raises:
        FileNotFoundError: There are no files, or none except those in `but`.
        ValueError: A file that is named, or matches the glob, has no known format, or can't be
            read in the format that it has.
    """
    reading = reading or Reading()
    found = storage.find(pattern)
    if but and found:
        found = _without(found, {storage.address(name) for name in but})
        if not found:
            raise FileNotFoundError(Errors.RNN214.format(pattern=pattern))
    skipped: list[str] = []
    known = known_suffixes(Role.TEXTS)
    if storage.is_folder(pattern):
        outputs = _outputs_below(pattern, found)
        skipped = [n for n in found if not by_suffix(n, Role.TEXTS) or n.startswith(outputs)]
        skip = set(skipped)
        found = [name for name in found if name not in skip]
    elif unknown := [name for name in found if not by_suffix(name, Role.TEXTS)]:
        names = ", ".join(map(printable, unknown))
        raise ValueError(Errors.RNN215.format(names=names, suffixes=known))
    if not found:
        raise FileNotFoundError(Errors.RNN216.format(pattern=pattern, suffixes=known))
    for name in found:
        if format := by_suffix(name, Role.TEXTS):
            format.check(name, reading)
    return Inputs(found, skipped)


def _without(names: Iterable[str], written: Set[PurePosixPath]) -> list[str]:
    """Leave out files that are written, or are below a folder that is."""
    others = {name: address for name in names if (address := storage.address(name)) not in written}
    # Where nothing else is left, the folder is not below the input; `Job.begin` refuses it.
    below = [name for name, address in others.items() if written.isdisjoint(address.parents)]
    return below or list(others)


def bytes_bar(n_bytes: int, *, progress: bool, desc: str | None = None) -> tqdm:
    """Create a progress bar over bytes of input, shown on a terminal only.

    Args:
        n_bytes: How many there are.
        progress: Whether to show it at all.
        desc: The text before the bar.

    Returns:
        The bar.
    """
    return tqdm(
        total=n_bytes,
        desc=desc,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        disable=None if progress else True,
    )


def _outputs_below(folder: str, names: Iterable[str]) -> tuple[str, ...]:
    """List how the names of files begin that other runs have written somewhere below a folder."""
    ends = f"/{MANIFEST}", f"\\{MANIFEST}"
    own = storage.address(storage.join(folder, MANIFEST))
    manifests = (name for name in names if name.endswith(ends) and storage.address(name) != own)
    return tuple(name[: -len(MANIFEST)] for name in manifests)


def read_records(name: str, reading: Reading | None = None) -> Iterator[Record]:
    """Read the texts of a file; a record that can't be read has an error and no text.

    Args:
        name: The file, one that `find_inputs` lists.
        reading: How it is read.

    Yields:
        The records in their order. Their sizes add up to the size of the file.

    Raises:
        OSError, ValueError: The file as a whole can't be read.
    """
    format = by_suffix(name, Role.TEXTS)
    assert format is not None, name
    yield from format.read(name, reading or Reading())


# Characters of a shard's texts, after which it is closed.
_LONG = 1 << 23


@dataclass(frozen=True)
class Shard:
    """Records that are tagged and written together; all are from one file.

    Attributes:
        name: The numbers of the file and of the shard in it.
        records: The records in their order.
    """

    name: str
    records: list[Record]

    def __str__(self) -> str:
        first, last = self.records[0], self.records[-1]
        return f"{first.source}, records {first.number} to {last.number}"

    @property
    def n_bytes(self) -> int:
        """Bytes of the input that the shard takes."""
        return sum(record.n_bytes for record in self.records)


def in_shards(number: int, name: str, size: int, reading: Reading | None = None) -> Iterator[Shard]:
    """Divide the records of a file into shards, always the same ones.

    Args:
        number: The file's number among all files.
        name: The file.
        size: Records per shard, at most; fewer if texts are long.
        reading: How the file is read.

    Yields:
        The shards in their order.

    Raises:
        OSError, ValueError: The file as a whole can't be read.
    """
    shard = count = characters = 0

    def place(record: Record) -> int:
        nonlocal shard, count, characters
        length = len(record.text) + len(record.raw or b"")
        if count == size or (count and characters + length > _LONG):
            shard, count, characters = shard + 1, 0, 0
        count, characters = count + 1, characters + length
        return shard

    for part, records in groupby(read_records(name, reading), place):
        yield Shard(f"{number:05d}-{part:05d}", list(records))
