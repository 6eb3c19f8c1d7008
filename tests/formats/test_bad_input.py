"""Broken files of each format: one report with file and place, exit status 1, nothing written."""

import gzip
import json
import re

import pytest
from typer.testing import CliRunner

from spacy_rnn_tagger.cli import app
from tests.formats.reading import SPANS, TEXT, write
from tests.formats.test_recognising import DOCCANO, OBJECTS, PRODIGY, ROWS, TASK

TASKS = json.dumps([TASK, TASK], indent=1)


def lines(*values):
    return "".join(json.dumps(value) + "\n" for value in values)


def changed(value, **changes):
    """Copy a task with other values in its first region."""
    task = json.loads(json.dumps(value))
    task["annotations"][0]["result"][0]["value"].update(changes)
    return task


def doccano(*label):
    return lines(DOCCANO, DOCCANO | {"label": [list(label)]})


def prodigy(**changes):
    return lines(PRODIGY, PRODIGY | {"spans": [OBJECTS[0] | changes]})


CASES = {
    # Cut.
    "cut label-studio": ("a.json", TASKS[:-40], "a.json, line "),
    "cut in the first record": ("a.json", TASKS[:60], "a.json"),
    "cut label-studio lines": (
        "a.jsonl",
        lines(TASK, TASK)[:-9],
        "a.jsonl, line 2: .RNN113. Not JSON",
    ),
    "cut doccano": ("a.jsonl", lines(DOCCANO, DOCCANO)[:-9], "a.jsonl, line 2: .RNN113. Not JSON"),
    "cut prodigy": ("a.jsonl", lines(PRODIGY, PRODIGY)[:-9], "a.jsonl, line 2: .RNN113. Not JSON"),
    "cut conll": (
        "a.conll",
        ROWS + "Delhi",
        "a.conll, line 7: .RNN139. A line must have two columns",
    ),
    "cut gzip": ("a.jsonl.gz", gzip.compress(lines(DOCCANO).encode())[:-4], "is damaged"),
    # Wrong types.
    "a list of numbers": ("a.json", [1, 2], "not in a known format"),
    "annotations of another type": (
        "a.json",
        [TASK, TASK | {"annotations": 3}],
        "record 2: .RNN119. 'annotations' must be a list of objects, but got 3",
    ),
    "result of another type": (
        "a.json",
        [TASK, TASK | {"annotations": [{"result": "x"}]}],
        "record 2: .RNN119. 'result' must be a list of objects",
    ),
    "a region without a value": (
        "a.json",
        [TASK, TASK | {"annotations": [{"result": [{"type": "labels"}]}]}],
        "record 2: .RNN154. A region must have a 'value'",
    ),
    "labels of another type": ("a.json", [changed(TASK, labels="FAC")], "'labels' must be a list"),
    "a label of another type": ("a.json", [changed(TASK, labels=[3])], "An entity must have start"),
    "no text": (
        "a.json",
        [TASK, TASK | {"data": {"n": 3}}],
        "record 2: .RNN155. Which key of the data",
    ),
    "text of another type": (
        "a.jsonl",
        lines(DOCCANO, DOCCANO | {"text": 3}),
        "line 2: .RNN115. A record must be an object with 'text'",
    ),
    # Offsets.
    "beyond, label-studio": ("a.json", [changed(TASK, end=99)], "characters 0 to 99"),
    "beyond, doccano": ("a.jsonl", doccano(0, 99, "X"), "line 2: .*characters 0 to 99"),
    "beyond, prodigy": ("a.jsonl", prodigy(end=99), "line 2: .*characters 0 to 99"),
    "beyond, pairs": ("a.json", [[TEXT, {"entities": [[0, 99, "X"]]}]], "record 1: .*0 to 99"),
    "negative, label-studio": ("a.json", [changed(TASK, start=-2)], "characters -2 to 8"),
    "negative, doccano": ("a.jsonl", doccano(-2, 8, "X"), "line 2: .*characters -2 to 8"),
    "negative, prodigy": ("a.jsonl", prodigy(start=-2), "line 2: .*characters -2 to 8"),
    "float, label-studio": ("a.json", [changed(TASK, start=0.0)], "An entity must have start"),
    "float, doccano": (
        "a.jsonl",
        doccano(0.0, 8, "X"),
        "line 2: .RNN120. An entity must have start",
    ),
    "float, prodigy": ("a.jsonl", prodigy(start=0.0), "line 2: .RNN120. An entity must have start"),
    "string, label-studio": ("a.json", [changed(TASK, start="0")], "An entity must have start"),
    "boolean, doccano": (
        "a.jsonl",
        doccano(True, 8, "X"),
        "line 2: .RNN120. An entity must have start",
    ),
    "null, prodigy": ("a.jsonl", prodigy(start=None), "line 2: .RNN120. An entity must have start"),
    "huge, doccano": (
        "a.jsonl",
        doccano(0, 10**30, "X"),
        "line 2: .*is empty or not within the text",
    ),
    "not a number, label-studio": ("a.json", [changed(TASK, end=float("nan"))], "must have start"),
    # Encodings.
    "latin-1 json": (
        "a.json",
        TASKS.replace("Red", "Réd").encode("latin-1"),
        "line 5: .RNN202. This text: not UTF-8",
    ),
    "latin-1 lines": (
        "a.jsonl",
        lines(DOCCANO).encode()
        + json.dumps(DOCCANO, ensure_ascii=False).encode().replace(b"R", b"\xe9"),
        "line 2: .RNN202. This text: not UTF-8",
    ),
    "latin-1 columns": (
        "a.conll",
        ROWS.encode() + b"caf\xe9 O\n",
        "line 7: .RNN202. This text: not UTF-8",
    ),
    "utf-16": ("a.json", TASKS.encode("utf-16"), "a.json"),
    "half of a character": ("a.jsonl", doccano(0, 8, "\ud800"), "A label has half of a character"),
    "half of a character in a text": (
        "a.json",
        [TASK | {"data": {"text": "\ud800" + TEXT}}],
        "has half of a character",
    ),
    # Empty.
    **{
        f"empty {suffix}": (f"a{suffix}", "", "a")
        for suffix in (".txt", ".json", ".jsonl", ".conll", ".ann", ".spacy")
    },
    "an empty array": ("a.json", "[]", "a.json"),
    "null": ("a.json", "null", "a.json"),
    # Mixed.
    "mixed tasks": ("a.json", [TASK, 3], "record 2: .RNN152. A task must be an object, but got 3"),
    "mixed columns": ("a.conll", ROWS + "just a line of text\n", "a.conll"),
    "mixed pairs": (
        "a.json",
        [[TEXT, {"entities": SPANS}], {"a": 1}],
        "record 2: .* A record must",
    ),
    "deep": ("a.json", "[" * 100_000, "a.json"),
}


@pytest.mark.parametrize("case", CASES)
def test_broken_files(tmp_path, case):
    name, content, message = CASES[case]
    source, out = write(tmp_path / name, content), tmp_path / "out.spacy"
    out.write_bytes(b"what was there")
    report = tmp_path / "report.txt"
    before = sorted(tmp_path.iterdir())
    done = CliRunner().invoke(app, ["convert", str(source), str(out), "--report", str(report)])
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit), done.exception
    title, *found = done.output.splitlines()
    assert title == "✘ Nothing was written"
    assert name in found[0]
    assert re.search(message, done.output), done.output
    assert all(len(line) < 600 for line in found)
    assert out.read_bytes() == b"what was there" and sorted(tmp_path.iterdir()) == before


def test_all_problems_of_all_files_are_in_one_report(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "a.json", [changed(TASK, end=99), TASK, changed(TASK, start=1.5)])
    write(folder / "b.jsonl", doccano(0, 7, "X"))
    write(folder / "c.conll", ROWS + "Delhi O-GPE\n" + "x B-GPE\n")
    done = CliRunner().invoke(app, ["convert", str(folder), str(tmp_path / "out.spacy"), "-f", "x"])
    assert "format must be one of" in done.output
    done = CliRunner().invoke(app, ["convert", str(folder), str(tmp_path / "out.spacy")])
    found = [
        line.removeprefix(f"{folder}/").partition(": ")[0] for line in done.output.splitlines()
    ]
    assert (
        "a.json, record 1" in found and "a.json, record 3" in found and "b.jsonl, line 2" in found
    )
