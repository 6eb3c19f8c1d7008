"""Plain text: one text per line, or one per file."""

from collections.abc import Iterator

from .base import Reading, Role
from .lines import LineFormat, Parsed
from .record import Record


class Text(LineFormat):
    """`Red Fort is in Delhi.`"""

    name = "text"
    suffixes = (".txt",)
    roles = frozenset({Role.TEXTS})

    def records(self, source: str, reading: Reading) -> Iterator[Record]:
        """Read a record from each line that is not blank, or the whole file as one record."""
        read = self.whole_record if reading.whole else super().records
        yield from read(source, reading)

    def parse(self, line: str, reading: Reading) -> Parsed:
        """Return the line."""
        return line, {}, None
