"""The records that failed, kept until the output is written."""

import tempfile
from collections.abc import Iterable

from ..bulk.outputs import error_line
from ..bulk.tagging import Tagged
from ..formats import storage
from ..formats.record import Record

_IN_MEMORY = 1 << 20  # bytes
_SHOWN = 3  # reasons


class Failures:
    """Records that failed. They are written to a temporary file, so that memory does not grow.

    Attributes:
        count: The number of records.
        reasons: The reasons for the first ones.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - kept
        self.count = 0
        self.reasons: list[str] = []

    def __enter__(self) -> "Failures":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the temporary file."""
        self._file.close()

    def add(self, failed: Iterable[Tagged]) -> None:
        """Add records that failed; those that did not are left out."""
        for each in failed:
            if each.error is not None:
                self.count += 1
                self._file.write(error_line(each))
                if len(self.reasons) < _SHOWN:
                    self.reasons.append(f"{_where(each.record)}: {each.error}")

    def write(self, name: str) -> None:
        """Write them as a file; remove one of an earlier run if there are none.

        Args:
            name: The file.

        Raises:
            OSError: It can't be written.
        """
        if not self.count:
            storage.remove(name)
            return
        self._file.seek(0)
        storage.write(name, self._file.read())


def _where(record: Record) -> str:
    return f"{record.source}, record {record.number}"
