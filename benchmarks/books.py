"""Turn books into texts for a teacher: `python -m benchmarks.books FOLDER OUT.jsonl`.

Books are plain text with lines of a fixed width and blank lines between paragraphs, as Project
Gutenberg and LitBank's folder `original` have them. A record of the output is one or more whole
paragraphs of a book.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import typer

_LEAST = 100  # words in a record, except at a book's end
_BLANK = re.compile(r"\n\s*\n")


def records(text: str) -> Iterator[str]:
    """Join lines to paragraphs, and short paragraphs to records.

    Args:
        text: A book.

    Yields:
        The records in their order.
    """
    kept: list[str] = []
    size = 0
    for block in _BLANK.split(text):
        words = block.split()
        if not words:
            continue
        kept.append(" ".join(words))
        size += len(words)
        if size >= _LEAST:
            yield "\n\n".join(kept)
            kept, size = [], 0
    if kept:
        yield "\n\n".join(kept)


def main(
    folder: Path = typer.Argument(..., help="A folder of *.txt", exists=True, file_okay=False),
    output: Path = typer.Argument(..., help="The file to write, *.jsonl"),
) -> None:
    """Write the records of all books in a folder."""
    with output.open("w", encoding="utf-8") as file:
        for path in sorted(folder.glob("*.txt")):
            for text in records(path.read_text("utf-8", errors="replace")):
                file.write(json.dumps({"text": text, "book": path.stem}) + "\n")


if __name__ == "__main__":
    typer.run(main)
