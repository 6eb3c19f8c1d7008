"""How a shard is written: its docs in a format, and the records that failed."""

import base64
from collections.abc import Collection, Sequence
from typing import Any

from ..formats import storage
from ..formats.base import Format, Role, Writing
from ..formats.jsonl import to_json
from ..formats.registry import by_name
from .tagging import Tagged


def write_shard(
    folder: str, name: str, form: str, tagged: Sequence[Tagged], writing: Writing | None = None
) -> None:
    """Write the records that failed and then the shard, so that a shard is never incomplete.

    Args:
        folder: The folder for the shards.
        name: The shard's name.
        form: The name of a format.
        tagged: The results of its records. Those that can't be written are marked as failed.
        writing: The options of the format.

    Raises:
        OSError: A file can't be written.
    """
    files = _packed(by_name(form, Role.OUTPUT).configured(writing or Writing()), name, tagged)
    errors = storage.join(folder, errors_name(name))
    if failed := [each for each in tagged if each.error is not None]:
        storage.write(errors, b"".join(map(error_line, failed)))
    else:
        storage.remove(errors)  # of a run that was killed before it wrote the shard
    for file, content in files.items():
        storage.write(storage.join(folder, file), content)


def write_extras(
    folder: str, form: str, labels: Sequence[str], writing: Writing, there: Collection[str]
) -> None:
    """Write what an annotation tool needs to import the shards, and is not there yet.

    Args:
        folder: The folder for the shards.
        form: The name of a format.
        labels: The labels that entities may have.
        writing: The options of the format.
        there: The files in the folder. They stay as they are, since users may edit them.

    Raises:
        OSError: A file can't be written.
    """
    for file, content in by_name(form, Role.OUTPUT).configured(writing).extras(labels).items():
        if file not in there:  # a run may have been killed before it wrote the file
            storage.write(storage.join(folder, file), content)


def shard_name(name: str, form: str) -> str:
    """Name the file whose presence says that a shard is complete."""
    return by_name(form, Role.OUTPUT).file_name(_stem(name))


def errors_name(name: str) -> str:
    """Name the file of a shard's failed records."""
    return f"errors/{_stem(name)}.jsonl"


def _stem(name: str) -> str:
    return f"part-{name}"


def _packed(form: Format, name: str, tagged: Sequence[Tagged]) -> dict[str, bytes]:
    """Turn results into the content of files, without the results for which this fails."""
    rows: list[tuple[Tagged, Any]] = []
    for each in tagged:
        if each.doc is not None:
            try:
                rows.append((each, form.row(each.record, each.doc)))
            except Exception as error:
                each.fail(error)
    stem = _stem(name)
    try:
        return form.files(stem, [row for _, row in rows])
    except Exception:
        for each, row in rows:
            try:
                form.files(stem, [row])
            except Exception as error:
                each.fail(error)
    return form.files(stem, [row for each, row in rows if each.error is None])


def error_line(tagged: Tagged) -> bytes:
    """Write a record that failed, with the reason, as a line of JSON."""
    record = tagged.record
    row = {
        "source": record.source,
        "record": record.number,
        "error": tagged.error,
        "text": record.text,
        "meta": record.meta,
    }
    if record.raw is not None:
        try:
            row["raw"] = record.raw.decode("utf-8")
        except UnicodeDecodeError:
            row["raw_base64"] = base64.b64encode(record.raw).decode()
    return to_json(row).encode() + b"\n"
