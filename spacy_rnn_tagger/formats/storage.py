"""Files on this machine or, named by a URL, wherever fsspec reaches: S3, Google Cloud, HDFS."""

import glob
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit

import fsspec

from ..errors import Errors, described
from ..io import check_file as check_local
from ..io import suffix_of, write_whole

_BLOCK = 1 << 20
# The names that object stores give to the digest of an object's content.
_TAGS = ("ETag", "etag", "md5Hash", "content_md5", "crc32c")


def is_remote(name: str) -> bool:
    """Tell a URL from a path."""
    return "://" in name


@contextmanager
def errors_named(name: str) -> Iterator[None]:
    """Turn whatever a file system raises into an OSError that names the file.

    The file systems behind fsspec raise exceptions of their own. Some of them can't be pickled, and
    so would not come back from another process.

    Args:
        name: The file.

    Yields:
        Once, to read or write it.

    Raises:
        OSError: The file can't be read or written.
        ValueError: It has the wrong content, or fsspec doesn't know the protocol.
    """
    try:
        yield
    except FileNotFoundError as error:
        if error.filename is not None:
            raise
        raise FileNotFoundError(Errors.RNN206.format(path=name)) from error
    except (OSError, ValueError):
        raise
    except Exception as error:
        raise OSError(Errors.RNN106.format(name=name, reason=described(error))) from error


def walk(folder: Path) -> Iterator[Path]:
    """List all files below a folder in a fixed order, and follow links to folders.

    Args:
        folder: The folder.

    Yields:
        The files; those in a folder come before those in its subfolders.

    Raises:
        OSError: A folder can't be read.
    """

    def fail(error: OSError) -> None:
        raise error

    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=fail):
        folders.sort()
        if (real := Path(place).resolve()) in seen:  # a link back to a parent
            folders.clear()
            continue
        seen.add(real)
        yield from (path for name in sorted(names) if (path := Path(place, name)).is_file())


def find(pattern: str) -> list[str]:
    """List the files that a name refers to: a file, all files below a folder, or those of a glob.

    The name of an existing file or folder is never a glob, whatever characters it has.

    Args:
        pattern: A path or a URL.

    Returns:
        The names, sorted; none if nothing exists by that name.

    Raises:
        OSError: The file system can't be reached, or a folder can't be read.
    """
    if is_remote(pattern):
        with errors_named(pattern):
            return sorted(_find_remote(pattern))
    local = Path(pattern)
    if local.is_dir():
        return sorted(map(str, walk(local)))
    if local.is_file():
        return [pattern]
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path's can't begin with "/"
    return sorted(name for name in names if Path(name).is_file())


def _find_remote(pattern: str) -> list[str]:
    fs, path = _file_system(pattern)
    if is_folder(pattern):
        found = list(fs.find(path))
    elif fs.isfile(path):
        found = [path]
    elif glob.has_magic(urlsplit(path).path if _is_web(pattern) else path):
        matched = fs.glob(path, detail=True)
        found = [name for name, info in matched.items() if info["type"] == "file"]
    else:
        found = []
    return [fs.unstrip_protocol(name) for name in found]


def names_in(folder: str) -> list[str]:
    """List the files below a folder.

    Args:
        folder: A path or a URL.

    Returns:
        Their names relative to the folder, with slashes; none if there is no such folder.

    Raises:
        OSError: The file system can't be reached, or a folder can't be read.
    """
    if not is_folder(folder):
        return []
    if not is_remote(folder):
        return [path.relative_to(folder).as_posix() for path in walk(Path(folder))]
    with errors_named(folder):
        fs, path = _file_system(folder)
        fs.invalidate_cache()  # other processes write there too
        root = path.rstrip("/") + "/"
        return sorted(name.removeprefix(root) for name in fs.find(path))


def entries(folder: str) -> list[tuple[str, bool]]:
    """List the direct contents of a folder.

    Args:
        folder: A path or a URL.

    Returns:
        The name of each file or folder, sorted, and whether it is a file.

    Raises:
        OSError: The folder can't be read.
    """
    if not is_remote(folder):
        return [(str(path), path.is_file()) for path in sorted(Path(folder).iterdir())]
    with errors_named(folder):
        fs, path = _file_system(folder)
        found = fs.ls(path, detail=True)
        return sorted((fs.unstrip_protocol(i["name"]), i["type"] == "file") for i in found)


def is_folder(name: str) -> bool:
    """Tell whether a folder exists."""
    if not is_remote(name):
        return Path(name).is_dir()
    if _is_web(name) and suffix_of(name):
        return False  # fsspec would fetch the whole file to look for links in it
    with errors_named(name):
        fs, path = _file_system(name)
        return bool(fs.isdir(path))


def is_file(name: str) -> bool:
    """Tell whether a file exists."""
    if not is_remote(name):
        return Path(name).is_file()
    with errors_named(name):
        fs, path = _file_system(name)
        return bool(fs.isfile(path))


def is_below(name: str, folder: str) -> bool:
    """Tell whether a file is in a folder or below it, however their names are written."""
    return address(folder) in address(name).parents


def address(name: str) -> PurePosixPath:
    """Return an absolute path that begins with the file system's name, for comparing."""
    if not is_remote(name):
        return PurePosixPath("file", *Path(name).resolve().parts[1:])
    fs, path = _file_system(name)
    if "file" in _protocols(fs):
        return address(path)
    return PurePosixPath(_protocols(fs)[0], path.lstrip("/"))


def join(folder: str, name: str) -> str:
    """Name a file in a folder."""
    return f"{folder.rstrip('/')}/{name}" if is_remote(folder) else str(Path(folder) / name)


def beside(file: str, name: str) -> str:
    """Name a file in the folder of another one, a path or a URL."""
    if not is_remote(file):
        return str(Path(file).with_name(name))
    before, slash, _ = file.rpartition("/")
    return f"{before}{slash}{name}"


def size(name: str) -> int:
    """Return a file's size in bytes; 0 if a server doesn't say."""
    if not is_remote(name):
        return Path(name).stat().st_size
    with errors_named(name):
        fs, path = _file_system(name)
        return int(fs.size(path) or 0)


def digest(file: IO[bytes]) -> str:
    """Hash the content of an open file."""
    hashed = hashlib.sha256()
    while block := file.read(_BLOCK):
        hashed.update(block)
    return hashed.hexdigest()


def fingerprint(name: str, budget: int) -> str:
    """Return a string that changes with a file's content.

    Args:
        name: The file.
        budget: The approximate number of bytes to read. In a longer file, blocks at equal distances
            are read. A remote file is not read, but some stores have a digest of it.

    Returns:
        A digest; empty for a remote file if the store has none.
    """
    if is_remote(name):
        with errors_named(name):
            fs, path = _file_system(name)
            if "file" in _protocols(fs):
                return fingerprint(path, budget)
            info = fs.info(path)
            return " ".join(str(info[tag]) for tag in _TAGS if tag in info)
    with Path(name).open("rb") as file:
        if (length := size(name)) <= budget:
            return digest(file)
        hashed = hashlib.sha256()
        for i in range(16):
            file.seek(i * (length - budget // 16) // 15)
            hashed.update(file.read(budget // 16))
        return hashed.hexdigest()


def open_binary(name: str) -> IO[bytes]:
    """Open a file for reading; its lines end with a line feed."""
    if not is_remote(name):
        return Path(name).open("rb")
    with errors_named(name):
        fs, path = _file_system(name)
        return fs.open(path, "rb")


def read(name: str) -> bytes:
    """Read a file."""
    with errors_named(name), open_binary(name) as file:
        return file.read()


def check_file(name: str) -> None:
    """Check before long work whether a file can be written under a name, if it is a path.

    Raises:
        OSError: The name is that of a folder, or a part of the path is a file.
    """
    if not is_remote(name):
        check_local(Path(name))


def write(name: str, content: bytes) -> None:
    """Write a file as a whole or not at all.

    Args:
        name: A path or a URL.
        content: The content.

    Raises:
        OSError: The file can't be written.
    """
    if not is_remote(name):
        write_whole(Path(name), content)
        return
    with errors_named(name):
        fs, path = _file_system(name)
        if "file" in _protocols(fs):
            write_whole(Path(path), content)
            return
        fs.makedirs(fs._parent(path), exist_ok=True)  # does nothing on an object store
        fs.pipe_file(path, content)  # an object appears when it is complete


def remove(name: str) -> None:
    """Remove a file, if it exists."""
    if not is_remote(name):
        Path(name).unlink(missing_ok=True)
        return
    with errors_named(name):
        fs, path = _file_system(name)
        if fs.exists(path):
            fs.rm_file(path)


def _file_system(name: str) -> tuple[Any, str]:
    fs, path = fsspec.core.url_to_fs(name)
    return fs, path


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _is_web(name: str) -> bool:
    return name.lower().startswith(("http://", "https://"))
