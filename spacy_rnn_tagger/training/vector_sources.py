"""Where word vectors come from: packages and files, each read as a stream of words and vectors.

A form of files is one function, from a path to `WordVectors`, and one line in `_READERS`.
"""

import errno
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np

from ..arrays import FloatArray
from ..io import NotUTF8Error, decompressed, raw_lines, skip_bom, suffix_of

_TABLE, _INDEX = ".npy", ".parquet"
_HEADER = re.compile(r"(\d+) (\d+)")
_NOT_THAT_FORM = "It is not in the form of winkNLP's embeddings."

# A word and its vector, (D,).
_Entry: TypeAlias = tuple[str, FloatArray]
_Opener: TypeAlias = Callable[[str], AbstractContextManager[IO[bytes]]]


class WordVectors(NamedTuple):
    """The vectors of a package or file.

    Attributes:
        size: The number of entries that the source declares, or None if it does not declare one.
        entries: Each word and its vector, (D,), in the order of the source. They are read while
            they are iterated over, once.
    """

    size: int | None
    entries: Iterable[_Entry]


def open_vectors(source: str | Path) -> WordVectors:
    """Find out what a source is, and begin to read it.

    Args:
        source: A file whose suffix is known, or the name of an installed package.

    Returns:
        Its vectors. Iterating over their entries raises the same errors as this function.

    Raises:
        ModuleNotFoundError: The extra that reads this form is not installed.
        OSError: There is no such file or package, or it can't be read.
        ValueError: It is broken, or not in a known form.
    """
    name, path = str(source), Path(source)
    if read := _READERS.get(suffix_of(name)):
        return read(path)
    if isinstance(source, str) and path.name == name and not path.exists():
        return _installed(name)
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, "No such file", name)
    raise ValueError(f"The name of a file with vectors must end in {_SUFFIXES}.")


@contextmanager
def naming(source: str | Path) -> Iterator[None]:
    """Raise whatever is wrong with the content of a source as a ValueError that names the source.

    Args:
        source: What is read.

    Yields:
        Once, to read it.

    Raises:
        ValueError: It is broken, or not in a known form.
    """
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        # EOFError and zlib.error: it was cut short.
        reason = f"It is not a package, or broken: {error}"
        raise ValueError(f"{source} was not read. {reason}") from error
    except ValueError as error:
        raise ValueError(f"{source} was not read. {error}") from error


def _installed(name: str) -> WordVectors:
    """Read an installed package through its list of files, without importing its code."""
    try:
        files = metadata.distribution(name).files or []
    except metadata.PackageNotFoundError:
        # Not the error itself: pip should not be recommended for a mistyped name.
        raise FileNotFoundError(
            f"There is no file and no installed package '{name}'. A package is named as for pip, "
            f"and the name of a file must end in {_SUFFIXES}."
        ) from None
    places = {str(file): Path(str(file.locate())) for file in files}
    return _table_and_index(places, lambda file: places[file].open("rb"))


def _wheel(path: Path) -> WordVectors:
    with zipfile.ZipFile(path) as archive:
        return _table_and_index(archive.namelist(), archive.open)


def _table_and_index(files: Iterable[str], opened: _Opener) -> WordVectors:
    """Read a package that has one NumPy table, and one Parquet index with the words of its rows.

    Args:
        files: The names of the package's files.
        opened: Opens one of them.

    Returns:
        The vectors in the order of the rows.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
        OSError: A file can't be read.
        ValueError: The package does not have that form, or a file is broken.
    """
    found = [[f for f in files if PurePosixPath(f).suffix == end] for end in (_TABLE, _INDEX)]
    if [len(each) for each in found] != [1, 1]:
        names = ", ".join(sorted(sum(found, []))) or "neither"
        raise ValueError(
            f"It must have one table ({_TABLE}) and one index of words ({_INDEX}), but has {names}."
        )
    [table_name], [index_name] = found
    with opened(index_name) as file:
        words, rows = _read_index(file.read())
    with opened(table_name) as file:
        try:
            table = np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as error:
            raise ValueError(f"Its table {table_name} is broken: {error}") from error
    if table.ndim != 2 or not table.shape[1] or not np.issubdtype(table.dtype, np.floating):
        kind = f"an array of {table.dtype} with the shape {table.shape}"
        raise ValueError(f"Its table must be a matrix of floating-point numbers, but is {kind}.")
    if len(table) != len(words):
        raise ValueError(f"Its table has {len(table):,} rows, but its index {len(words):,} words.")
    if rows is not None:
        if not np.array_equal(np.sort(rows), np.arange(len(table))):
            raise ValueError(
                f"The column of whole numbers in its index must hold each row from 0 to "
                f"{len(table) - 1:,} once."
            )
        order = np.argsort(rows)
        words = [words[i] for i in order]
    # A row of a table in Fortran's order is spread over the whole table.
    return WordVectors(len(table), zip(words, np.ascontiguousarray(table), strict=True))


def _read_index(content: bytes) -> tuple[list[str], Any]:
    """Read the words, and the number of each one's row, or None if they are in the rows' order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        index = pq.read_table(pa.BufferReader(content))
        columns = dict(zip(index.column_names, index.columns, strict=True))
        texts, numbers = (
            [name for name, column in columns.items() if is_kind(_values(column.type))]
            for is_kind in (_is_text, pa.types.is_integer)
        )
        if len(texts) != 1 or len(numbers) > 1:
            raise ValueError(
                "Its index must have one column of strings, the words, and at most one of whole "
                f"numbers, their rows, but has {', '.join(texts + numbers) or 'neither'}."
            )
        words = [word or "" for word in columns[texts[0]].to_pylist()]
        rows = np.asarray(columns[numbers[0]].to_pylist(), dtype=float) if numbers else None
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"Its index is broken: {error}") from error
    return words, rows


def _values(kind: Any) -> Any:
    """Return the type of a column's values, also if each distinct one is stored once."""
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _text(path: Path) -> WordVectors:
    """Read the text of word2vec, GloVe or fastText: a word and its numbers in each line.

    The first line may declare the number of words and their width. If it does not, the width is
    taken from it, so its word must have no space in it.
    """
    with path.open("rb") as file:
        first = next(_text_lines(file, path), "")
    if header := _HEADER.fullmatch(first):
        size, width = int(header[1]), int(header[2])
    else:
        size, width = None, first.count(" ")
    if width < 1:
        raise ValueError("Its first line must have a word and its numbers, separated by spaces.")
    return WordVectors(size, _text_entries(path, width, 1 if header else 0))


def _text_entries(path: Path, width: int, n_skipped: int) -> Iterator[_Entry]:
    with path.open("rb") as file:
        for number, line in enumerate(_text_lines(file, path), start=1):
            if number <= n_skipped or not line:
                continue
            # From the right: in GloVe's largest files, words have spaces in them.
            word, *numbers = line.rsplit(" ", width)
            try:
                vector = np.array(numbers, dtype="float32")
            except ValueError:
                raise ValueError(f"Line {number:,} has what is not a number.") from None
            start, _, end = word.rpartition(" ")
            if len(vector) != width or (start and _is_number(end)):  # too few, or too many
                raise ValueError(f"Line {number:,} must have a word and {width} numbers.")
            yield word, vector


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _text_lines(file: IO[bytes], path: Path) -> Iterator[str]:
    # Only a line feed ends a line: words from the web contain every other kind of white space.
    for number, raw in enumerate(raw_lines(file, path, split_cr=False), start=1):
        try:
            yield raw.decode("utf-8").replace("\t", " ").rstrip(" ")
        except UnicodeDecodeError as error:
            raise NotUTF8Error(f"Line {number:,}", error) from None


def _wink(package: Path) -> WordVectors:
    """Read winkNLP's embeddings: their npm package, or the JSON file in it."""
    size, width = (_read_number(package, key) for key in ("size", "dimensions"))
    return WordVectors(size, _wink_entries(package, width))


def _wink_entries(package: Path, width: int) -> Iterator[_Entry]:
    import ijson

    try:
        with _open_json(package) as file:
            for word, vector in ijson.kvitems(file, "vectors", use_float=True):
                yield word, _wink_vector(vector, width)
    except ijson.JSONError as error:
        raise ValueError(f"Its JSON is broken: {error}") from error


def _read_number(package: Path, key: str) -> int:
    import ijson

    try:
        with _open_json(package) as file:
            number = next(iter(ijson.items(file, key)), None)
    except ijson.JSONError as error:
        raise ValueError(f"Its JSON is broken: {error}") from error
    if not isinstance(number, int) or number < 1:
        raise ValueError(_NOT_THAT_FORM)
    return number


def _wink_vector(vector: Any, width: int) -> FloatArray:
    """Take a word's vector without what follows it: its norm and the word's index."""
    if not isinstance(vector, list) or len(vector) < width:
        raise ValueError(_NOT_THAT_FORM)
    try:
        row = np.array(vector[:width], dtype="float32")
    except (TypeError, ValueError) as error:
        raise ValueError(_NOT_THAT_FORM) from error
    if row.shape != (width,) or not np.isfinite(row).all():  # NumPy reads null as NaN
        raise ValueError(_NOT_THAT_FORM)
    return row


@contextmanager
def _open_json(package: Path) -> Iterator[IO[bytes]]:
    """Open the largest JSON file in a package without unpacking it to disk.

    Args:
        package: The package, or the JSON file itself.

    Yields:
        The open file, after its byte-order mark.

    Raises:
        OSError: The package can't be read.
        ValueError: There is no JSON file in it.
    """
    if suffix_of(package) == ".json":
        with package.open("rb") as raw, decompressed(raw, package) as file:
            skip_bom(file)
            yield file
        return
    with tarfile.open(package) as archive:
        members = [m for m in archive if m.isfile() and m.name.endswith(".json")]
        member = max(members, key=lambda m: m.size, default=None)
        content = None if member is None else archive.extractfile(member)
        if content is None:
            raise ValueError("There is no JSON file in it.")
        with content as file:
            skip_bom(file)
            yield file


_READERS: dict[str, Callable[[Path], WordVectors]] = {
    ".whl": _wheel,
    ".txt": _text,
    ".vec": _text,
    ".tgz": _wink,
    ".tar": _wink,
    ".json": _wink,
}
_SUFFIXES = ", ".join(_READERS)
