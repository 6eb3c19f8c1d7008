"""Text in users' files, and files that are written completely or not at all.

All readers of text use this module, so every command treats byte-order marks, compressed files and
suffixes in capitals in the same way.
"""

import gzip
import os
import secrets
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast
from urllib.parse import urlsplit

from .errors import Errors

PARTIAL = ".partial"  # ends the name of what is not complete
_BOM = b"\xef\xbb\xbf"
_GZIP = ".gz"


class NotUTF8Error(UnicodeDecodeError):
    """Text in an encoding other than UTF-8; the message says where."""

    def __init__(self, where: str, error: UnicodeDecodeError) -> None:
        super().__init__(error.encoding, error.object, error.start, error.end, error.reason)
        self.where = where

    def __str__(self) -> str:
        byte = self.object[self.start]
        return Errors.RNN202.format(where=self.where, byte=byte, reason=self.reason)

    def __reduce__(self) -> tuple[object, ...]:
        return NotUTF8Error, (self.where, UnicodeDecodeError(*self.args))


def not_utf8(error: UnicodeDecodeError) -> str:
    """Describe text in an encoding other than UTF-8, and what to do about it."""
    byte = error.object[error.start]
    return Errors.RNN202.format(where="This text", byte=byte, reason=error.reason)


def printable(name: str | Path) -> str:
    """Return a file's name in a printable form, because names on a disk need not be UTF-8."""
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def suffix_of(name: str | Path) -> str:
    """Return the suffix that says which format a file has, in lower case.

    Args:
        name: A path or a URL. The query of an HTTP address is ignored.

    Returns:
        ".jsonl" for `a.jsonl` and `A.JSONL.gz`: a compressed file has the suffix of its content. An
        empty string if there is no suffix.
    """
    return _decompressed_path(name).suffix.lower()


def stem_of(name: str | Path) -> str:
    """Return the name of a file without its folder and its suffix.

    Args:
        name: A path or a URL. The query of an HTTP address is ignored.

    Returns:
        "a.b" for `in/a.b.jsonl` and `in/a.b.jsonl.gz`.
    """
    return _decompressed_path(name).stem


def _decompressed_path(name: str | Path) -> PurePosixPath:
    """Return a file's path without the suffix of compression; backslashes separate folders too."""
    name = str(name)
    if name.lower().startswith(("http://", "https://")):
        name = urlsplit(name).path
    path = PurePosixPath(name.replace("\\", "/"))
    return path.with_suffix("") if path.suffix.lower() == _GZIP else path


def is_compressed(name: str | Path) -> bool:
    """Tell from its name whether a file is compressed."""
    path = urlsplit(str(name)).path if "://" in str(name) else str(name)
    return path.lower().endswith(_GZIP)


def decompressed(file: IO[bytes], name: str | Path) -> IO[bytes]:
    """Return the content of an open file, decompressed if its name ends in ".gz"."""
    return cast(IO[bytes], gzip.GzipFile(fileobj=file)) if is_compressed(name) else file


@contextmanager
def _damage_named(name: str | Path) -> Iterator[None]:
    """Raise OSError for a file that is truncated, or not compressed although its name says so."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise OSError(Errors.RNN201.format(name=name, reason=error)) from error


def raw_content(file: IO[bytes], name: str | Path) -> bytes:
    """Read an open file, decompressed if its name ends in ".gz", without the byte-order mark.

    Raises:
        OSError: The file can't be read, or is damaged.
    """
    with _damage_named(name):
        return decompressed(file, name).read().removeprefix(_BOM)


def raw_lines(file: IO[bytes], name: str | Path, *, split_cr: bool = True) -> Iterator[bytes]:
    """Read the lines of an open file, decompressed if its name ends in ".gz".

    Args:
        file: The file, open in binary mode.
        name: Its name.
        split_cr: Whether a carriage return alone ends a line too.

    Yields:
        The lines without their line ends, the first one without the byte-order mark.

    Raises:
        OSError: The file can't be read, or is damaged.
    """
    first = True
    with _damage_named(name):
        for raw in decompressed(file, name):
            line = raw.removesuffix(b"\n").removesuffix(b"\r")
            if first:
                line, first = line.removeprefix(_BOM), False
            if split_cr and b"\r" in line:
                yield from line.split(b"\r")
            else:
                yield line


def skip_bom(file: IO[bytes]) -> None:
    """Skip the byte-order mark of an open file, if it begins with one."""
    if file.read(len(_BOM)) != _BOM:
        file.seek(0)


def lines_of(file: IO[bytes], name: str | Path) -> Iterator[str]:
    """Read the lines of an open file in UTF-8, compressed or not.

    Args:
        file: The file, open in binary mode.
        name: Its name.

    Yields:
        The lines without their line ends: a line feed, a carriage return, or both.

    Raises:
        NotUTF8Error: The file is not UTF-8.
        OSError: The file can't be read, or is damaged.
    """
    for number, raw in enumerate(raw_lines(file, name), start=1):
        try:
            yield raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NotUTF8Error(f"{name}, line {number}", error) from None


def read_lines(path: Path) -> Iterator[str]:
    """Read the lines of a text file, as `lines_of` does.

    Args:
        path: The file.

    Yields:
        The lines without their line ends.

    Raises:
        NotUTF8Error: The file is not UTF-8.
        OSError: The file can't be read, or is damaged.
    """
    with path.open("rb") as file:
        yield from lines_of(file, path)


def read_text(path: Path) -> str:
    """Read a text file in UTF-8, compressed or not, without its byte-order mark.

    Raises:
        NotUTF8Error: The file is not UTF-8.
        OSError: The file can't be read, or is damaged.
    """
    with path.open("rb") as file:
        raw = raw_content(file, path)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        number = raw.count(b"\n", 0, error.start) + 1
        raise NotUTF8Error(f"{path}, line {number}", error) from None


def check_file(path: Path) -> None:
    """Check whether a path can name a file to write; call this before long work.

    Raises:
        OSError: It is a folder, or in a file.
    """
    if path.is_dir():
        raise IsADirectoryError(Errors.RNN203.format(path=path))
    _check_parents(path)


def check_folder(path: Path) -> None:
    """Check whether a path can name a folder to write; call this before long work.

    Raises:
        OSError: It is a file, or in one.
    """
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(Errors.RNN204.format(path=path))
    _check_parents(path)


def _check_parents(path: Path) -> None:
    for parent in path.absolute().parents:
        if parent.exists() and not parent.is_dir():
            raise NotADirectoryError(Errors.RNN205.format(path=path, parent=parent))


def write_whole(path: Path, content: bytes) -> None:
    """Write a file completely or not at all, and create its folder if necessary.

    It is written under another name and then renamed, so two writers never share an unfinished
    file, and a file that can't be finished is removed. A link stays a link, to the new file; a
    device is written to.

    Args:
        path: The file.
        content: Its content.

    Raises:
        OSError: The file can't be written.
    """
    check_file(path)
    path = path.resolve()
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(path)
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def folder_whole(path: Path) -> Iterator[Path]:
    """Provide a folder to write to, which is renamed when everything is written.

    A folder with the final name is replaced completely; the caller checks whether it may be. A
    folder that can't be finished is removed.

    Args:
        path: The final name.

    Yields:
        The folder to write to, which is empty.

    Raises:
        OSError: The folder can't be written.
    """
    check_folder(path)
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, former = _partial(path), _partial(path)
    try:
        partial.mkdir()
        yield partial
        if path.exists():
            path.rename(former)
        partial.rename(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        if former.exists() and not path.exists():
            former.rename(path)
        raise
    shutil.rmtree(former, ignore_errors=True)


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}{PARTIAL}")
