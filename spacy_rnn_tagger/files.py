"""Files that appear whole or not at all."""

from pathlib import Path

PARTIAL = ".partial"  # ends the name of what is not complete


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name and rename it; its folder is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + PARTIAL)
    partial.write_bytes(content)
    partial.replace(path)
