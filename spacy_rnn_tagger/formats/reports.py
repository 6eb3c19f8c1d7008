"""What commands write about data, which may lie beside the data and is not read as data."""

import gzip
from collections.abc import Iterable

from ..io import is_compressed
from . import storage
from .sample import Sample

ERRORS_SUFFIX = ".errors.jsonl"  # of a file with the records that failed
_FIRST = "Report of spacy rnn convert. Files that begin with this line are not read as data."


def write_report(name: str, lines: Iterable[str]) -> None:
    """Write the report of `convert`.

    Args:
        name: The file, a path or a URL. It is compressed if its name ends in ".gz".
        lines: Its lines.

    Raises:
        OSError: The file can't be written.
    """
    content = "".join(f"{line}\n" for line in (_FIRST, *lines)).encode()
    storage.write(name, gzip.compress(content, mtime=0) if is_compressed(name) else content)


def is_report(name: str) -> bool:
    """Tell a report, and a file of records that failed, from other files.

    Raises:
        OSError: The file can't be read, or is damaged.
    """
    return name.endswith(ERRORS_SUFFIX) or Sample.of(name).raw.startswith(_FIRST.encode())
