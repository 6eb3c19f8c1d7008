"""Text as users have it, and files that appear whole or not at all.

Every reader of text goes through here, so that a byte-order mark, a compressed file or a suffix in
capitals means the same in each command.
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

PARTIAL = ".partial"  # ends the name of what is not complete
_BOM = b"\xef\xbb\xbf"
_GZIP = ".gz"


class NotUTF8Error(UnicodeDecodeError):
    """Text in another encoding than UTF-8; the message says where."""

    def __init__(self, where: str, error: UnicodeDecodeError) -> None:
        super().__init__(error.encoding, error.object, error.start, error.end, error.reason)
        self.where = where

    def __str__(self) -> str:
        byte = self.object[self.start]
        return f"{self.where}: not UTF-8 (byte 0x{byte:02x}: {self.reason}); save it as UTF-8"

    def __reduce__(self) -> tuple[object, ...]:
        return NotUTF8Error, (self.where, UnicodeDecodeError(*self.args))


def suffix_of(name: str | Path) -> str:
    """Return what a file's name says of its form: ".jsonl" for `a.jsonl`, `A.JSONL.gz` and URLs.

    A compressed file has the suffix of what is in it. The query of an HTTP address is left out.
    """
    name = str(name)
    if name.lower().startswith(("http://", "https://")):
        name = urlsplit(name).path
    path = PurePosixPath(name.lower().replace("\\", "/"))
    return PurePosixPath(path.stem).suffix if path.suffix == _GZIP else path.suffix


def is_compressed(name: str | Path) -> bool:
    """Tell by its name whether a file is compressed."""
    path = urlsplit(str(name)).path if "://" in str(name) else str(name)
    return path.lower().endswith(_GZIP)


def decompressed(file: IO[bytes], name: str | Path) -> IO[bytes]:
    """Return the content of an open file, decompressed if its name ends in ".gz"."""
    return cast(IO[bytes], gzip.GzipFile(fileobj=file)) if is_compressed(name) else file


def raw_lines(file: IO[bytes], name: str | Path) -> Iterator[bytes]:
    """List the lines of an open file, decompressed, without the byte-order mark.

    Raises:
        OSError: The file is damaged.
    """
    first = True
    try:
        for line in decompressed(file, name):
            yield line.removeprefix(_BOM) if first else line
            first = False
    # No compressed file, or one that was cut short.
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise OSError(f"{name} is damaged: {error}") from error


def skip_bom(file: IO[bytes]) -> None:
    """Move an open file to behind its byte-order mark, if it begins with one."""
    if file.read(len(_BOM)) != _BOM:
        file.seek(0)


def lines_of(file: IO[bytes], name: str | Path) -> Iterator[str]:
    """Read the lines of an open file in UTF-8, compressed or not, without their line ends.

    Lines end with a line feed, a carriage return, or both.

    Raises:
        NotUTF8Error: The file is not UTF-8.
        OSError: The file can't be read, or is damaged.
    """
    for number, raw in enumerate(raw_lines(file, name), start=1):
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NotUTF8Error(f"{name}, line {number}", error) from None
        yield from line.removesuffix("\n").removesuffix("\r").split("\r")


def read_lines(path: Path) -> Iterator[str]:
    """Read the lines of a text file, as `lines_of` does.

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
        raw = b"".join(raw_lines(file, path))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        number = raw.count(b"\n", 0, error.start) + 1
        raise NotUTF8Error(f"{path}, line {number}", error) from None


def check_file(path: Path) -> None:
    """Raise OSError if a file can't be written here for its path alone; asked before long work."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file.")
    _check_parents(path)


def check_folder(path: Path) -> None:
    """Raise OSError if a folder can't be written here for its path alone."""
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"{path} is a file; name a folder.")
    _check_parents(path)


def _check_parents(path: Path) -> None:
    for parent in path.absolute().parents:
        if parent.exists() and not parent.is_dir():
            raise NotADirectoryError(f"{path}: {parent} is a file, and not a folder.")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name and rename it; its folder is made if it is not there.

    Two writers of one file don't meet in its unfinished form. What can't be finished is removed.
    A link stays a link, to the new file; a device is written to.

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
    """Give a folder to write to, which gets its name when all is written.

    A folder of that name is replaced as a whole; whether it may be is for the caller to check.
    What can't be finished is removed.

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
