"""Files on this machine or, named by a URL, wherever fsspec reaches: S3, Google Cloud, HDFS."""

import glob
from pathlib import Path
from typing import IO, Any

import fsspec

from ..files import write_whole


def is_remote(name: str) -> bool:
    """Tell a URL from a path."""
    return "://" in name


def find(pattern: str) -> list[str]:
    """List the files that a name means: itself, all below a folder, or those of a glob; sorted."""
    if is_remote(pattern):
        fs, path = _file_system(pattern)
        found = fs.find(path) if fs.isdir(path) else fs.glob(path) if _is_glob(path) else [path]
        return sorted(fs.unstrip_protocol(name) for name in found if fs.isfile(name))
    local = Path(pattern)
    if local.is_dir():
        return sorted(str(file) for file in local.rglob("*") if file.is_file())
    names = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path's can't begin with "/"
    return [pattern] if local.is_file() else sorted(n for n in names if Path(n).is_file())


def is_folder(name: str) -> bool:
    """Tell whether there is such a folder."""
    if is_remote(name):
        fs, path = _file_system(name)
        return bool(fs.isdir(path))
    return Path(name).is_dir()


def join(folder: str, name: str) -> str:
    """Name a file in a folder."""
    return f"{folder.rstrip('/')}/{name}" if is_remote(folder) else str(Path(folder) / name)


def size(name: str) -> int:
    """Count a file's bytes."""
    if is_remote(name):
        fs, path = _file_system(name)
        return int(fs.size(path))
    return Path(name).stat().st_size


def open_binary(name: str) -> IO[bytes]:
    """Open a file for reading; its lines end with a line feed."""
    if is_remote(name):
        fs, path = _file_system(name)
        return fs.open(path, "rb")
    return Path(name).open("rb")


def read(name: str) -> bytes:
    """Read a file."""
    with open_binary(name) as file:
        return file.read()


def write(name: str, content: bytes) -> None:
    """Write a file that is there as a whole or not at all."""
    if not is_remote(name):
        write_whole(Path(name), content)
        return
    fs, path = _file_system(name)
    fs.makedirs(fs._parent(path), exist_ok=True)  # nothing on an object store
    if "file" in fs.protocol:
        write_whole(Path(path), content)
    else:
        fs.pipe_file(path, content)  # an object appears when it is complete


def _file_system(name: str) -> tuple[Any, str]:
    fs, path = fsspec.core.url_to_fs(name)
    return fs, path


def _is_glob(path: str) -> bool:
    return any(character in path for character in "*?[")
