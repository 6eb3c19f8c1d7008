"""Which format a file has: by its content, by its suffix, or named; and what is ambiguous."""

import gzip
import json

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.formats import storage
from spacy_rnn_tagger.formats.base import Role
from spacy_rnn_tagger.formats.record import AnnotationError
from spacy_rnn_tagger.formats.registry import recognised
from spacy_rnn_tagger.formats.sample import Sample
from tests.formats.reading import SPANS, TEXT, converted, lines, spans_of, write

REGIONS = [
    {
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "value": {"start": a, "end": b, "text": TEXT[a:b], "labels": [label]},
    }
    for a, b, label in SPANS
]
TASK = {"id": 1, "data": {"text": TEXT}, "annotations": [{"completed_by": 1, "result": REGIONS}]}
OBJECTS = [dict(zip(("start", "end", "label"), span, strict=True)) for span in SPANS]
DOCCANO = {"id": 1, "text": TEXT, "label": SPANS}
OFFSETS = [{"start_offset": a, "end_offset": b, "label": label} for a, b, label in SPANS]
PRODIGY = {"text": TEXT, "spans": OBJECTS, "answer": "accept", "_input_hash": 1}
ROWS = "Red B-FAC\nFort I-FAC\nis O\nin O\nDelhi B-GPE\n. O\n"
# A file of each format: its suffix, its content and what it is.
FILES = [
    (".json", json.dumps([TASK]), "label-studio"),
    (".json", json.dumps([TASK], indent=2), "label-studio"),
    (".jsonl", lines(TASK, TASK | {"id": 2}), "label-studio"),
    (".jsonl", lines(DOCCANO), "doccano"),
    (".jsonl", lines(PRODIGY, PRODIGY), "prodigy"),
    (".jsonl", lines({"text": TEXT, "entities": SPANS}), "jsonl"),
    (".json", json.dumps([{"text": TEXT, "entities": SPANS}]), "spacy-json"),
    (".json", json.dumps([[TEXT, {"entities": SPANS}]]), "spacy-json"),
    (".jsonl", lines([TEXT, {"entities": SPANS}]), "spacy-json"),
    (".txt", ROWS, "conll"),
    (".conll", "-DOCSTART- -X- O O\n\n" + ROWS, "conll"),
    (".txt", "[Red Fort](FAC) is in [Delhi](GPE).\n", "inline"),
]


@pytest.mark.parametrize("suffix,content,name", FILES)
@pytest.mark.parametrize("compressed", [False, True])
def test_the_content_says_it(tmp_path, suffix, content, name, compressed):
    for path in (tmp_path / f"a{suffix}", tmp_path / "export"):
        data = content.encode()
        if compressed:
            path = path.with_name(path.name + ".gz")
            data = gzip.compress(data)
        found = recognised(str(write(path, data)), Role.ANNOTATED)
        assert found is not None and found.name == name
        [doc, *_], found = converted(path)
        assert found.read_as == {name: [str(path)]}
        assert [(ent.text, ent.label_) for ent in doc.ents] == [
            ("Red Fort", "FAC"),
            ("Delhi", "GPE"),
        ]


def test_a_long_first_record_is_no_obstacle(tmp_path):
    long = {**TASK, "data": {"text": TEXT, "more": "x" * (3 << 20)}}
    for value in ([long, TASK], long):
        path = write(tmp_path / "a.json", value)
        assert recognised(str(path), Role.ANNOTATED).name == "label-studio"


@pytest.mark.parametrize(
    "name,content,candidates",
    [
        ("a.jsonl", lines({"text": TEXT, "label": SPANS, "entities": SPANS}), "jsonl or doccano"),
        ("a.jsonl", lines(DOCCANO, PRODIGY), "doccano or prodigy"),
        ("a.json", json.dumps([TASK, DOCCANO]), "label-studio or doccano"),
    ],
)
def test_ambiguous_content_is_an_error_that_lists_the_candidates(
    tmp_path, name, content, candidates
):
    path = write(tmp_path / name, content)
    with pytest.raises(AnnotationError, match=f"may be {candidates}. Choose .* --format"):
        converted(path)


RELATIONS = {"relations": [], "Comments": []}
TAGGED = [{"start": a, "end": b, "text": TEXT[a:b], "labels": [x]} for a, b, x in SPANS]
MINIMAL = {"id": 1, "text": TEXT, "annotator": 1, "annotation_id": 7, "lead_time": 2.5}
BARE = MINIMAL | {"id": 2, "text": "-"}
BARE_TASK = {"id": 2, "data": {"text": "-"}, "file_upload": "a", "annotations": [{"result": []}]}


@pytest.mark.parametrize("n", [1, 60])  # more than a sample has
@pytest.mark.parametrize(
    "empty,full,name",
    [
        (
            {"text": "-", "entities": [], **RELATIONS},
            {"text": TEXT, "entities": OFFSETS},
            "doccano",
        ),
        ({"text": "-", "annotations": []}, {"text": TEXT, "annotations": OFFSETS}, "doccano"),
        ({"text": "-", "label": []}, {"text": TEXT, "label": SPANS}, "doccano"),
        ({"text": "-", "entities": []}, {"text": TEXT, "entities": SPANS}, "jsonl"),
        ({"text": "-", "spans": [], "answer": "accept"}, PRODIGY, "prodigy"),
        (BARE, MINIMAL | {"entities": TAGGED}, "label-studio"),
        (BARE, MINIMAL | {"spans": TAGGED}, "label-studio"),
        (BARE | {"label": []}, MINIMAL | {"label": TAGGED}, "label-studio"),
        (BARE_TASK, TASK, "label-studio"),
    ],
)
def test_texts_without_entities_decide_nothing(tmp_path, n, empty, full, name):
    names = {"jsonl": name, "json": "spacy-json" if name in ("jsonl", "prodigy") else name}
    for suffix, content in [("jsonl", lines), ("json", lambda *records: json.dumps(records))]:
        for records in ([empty] * n + [full], [full] + [empty] * n, [empty] * n):
            docs, found = converted(write(tmp_path / f"a.{suffix}", content(*records)))
            assert found.read_as.keys() == {names[suffix]}
            assert max(map(spans_of, docs)) == (SPANS if full in records else [])


def test_own_records_may_have_relations(tmp_path):
    records = [{"text": TEXT, "entities": each, **RELATIONS} for each in ([], SPANS)]
    docs, found = converted(write(tmp_path / "a.jsonl", lines(*records)))
    assert found.read_as.keys() == {"jsonl"} and spans_of(docs[1]) == SPANS


def test_lines_of_answers_are_read_whatever_their_file_is_called(tmp_path):
    for name in ("a.jsonl", "a.json", "a"):
        docs, _ = converted(write(tmp_path / name, lines(PRODIGY, PRODIGY)))
        assert list(map(spans_of, docs)) == [SPANS, SPANS]


@pytest.mark.parametrize(
    "value",
    [
        {"name": "x", "spans": 3},
        {"question": "Who?", "answer": "Me."},
        {"info": {}, "images": [], "annotations": []},
        {"entities": []},
        {"version": "3.1", "entities": ["city"]},
    ],
)
def test_other_json_in_a_folder_is_not_read(tmp_path, value):
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "a.txt", "[Lima](GPE)\n")
    write(folder / "b.json", value)
    notes = []
    docs, _ = converted(folder, notify=notes.append)
    assert len(docs) == 1 and "b.json" in notes[0]


@pytest.mark.parametrize(
    "suffix,record",
    [
        ("jsonl", {"entities": SPANS}),
        ("jsonl", {"spans": OBJECTS}),
        ("jsonl", {"spans": OBJECTS, "answer": "accept", "_input_hash": 1}),
        ("jsonl", {"label": SPANS}),
        ("json", {"entities": SPANS}),
        ("json", {"spans": OBJECTS, "answer": "accept"}),
    ],
)
@pytest.mark.parametrize("more", [{}, {"text": "A headline"}])
def test_the_key_of_the_text_can_be_named(tmp_path, suffix, record, more):
    record = {**more, "body": TEXT, **record}
    content = json.dumps([record, record]) if suffix == "json" else lines(record, record)
    source = write(tmp_path / f"a.{suffix}", content)
    docs, _ = converted(source, text_column="body")
    assert [(doc.text, spans_of(doc)) for doc in docs] == [(TEXT, SPANS)] * 2
    with pytest.raises(AnnotationError, match="1: .RNN115. A record must be an object with 'head'"):
        converted(source, text_column="head")


def test_a_format_can_be_named(tmp_path):
    path = write(tmp_path / "a.jsonl", lines({"text": TEXT, "label": SPANS[:1], "spans": OBJECTS}))
    for name, expected in [("doccano", SPANS[:1]), ("jsonl", SPANS), ("prodigy", SPANS)]:
        [doc], found = converted(path, format=name)
        assert spans_of(doc) == expected and found.read_as.keys() == {name}
    with pytest.raises(ValueError, match="format must be one of .*'brat', 'spacy-json'"):
        converted(path, format="xml")
    with pytest.raises(ValueError, match="format must be one of"):
        converted(path, format="parquet")


def test_a_folder_of_many_formats(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for i, (suffix, content, _) in enumerate(FILES):
        write(folder / f"{i:02}{suffix}", content)
    write(folder / "settings.json", {"a": 1})
    notes = []
    docs, found = converted(folder, notify=notes.append)
    assert len(docs) == len(FILES) + 2
    assert {n for n, files in found.read_as.items() for _ in files} == {f[2] for f in FILES}
    assert "Not read in" in notes[0] and "settings.json. A file's name must end in" in notes[0]
    for name in ("11.txt", "settings.json"):
        (folder / name).unlink()
    docs, found = converted(folder, format="conll", notify=notes.append)
    assert [name.rpartition("/")[2] for name in found.read_as["conll"]] == ["09.txt", "10.conll"]
    assert len(docs) == 2 and "00.json" in notes[1]


def test_a_folder_is_listed_once(tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "a.txt", "[Lima](GPE)\n")
    write(folder / "b.md", "?")
    listed = []
    entries = storage.entries
    monkeypatch.setattr(storage, "entries", lambda name: listed.append(name) or entries(name))
    converted(folder)
    assert listed == [str(folder)]


def test_binary_files_are_read_when_they_are_named(tmp_path):
    nlp = spacy.blank("en")
    doc = nlp.make_doc(TEXT)
    doc.set_ents([doc.char_span(0, 8, label="FAC")], default="missing")
    path = tmp_path / "a.spacy"
    DocBin(docs=[doc], store_user_data=True).to_disk(path)
    [read], found = converted(path)
    assert found.read_as.keys() == {"docbin"} and spans_of(read) == SPANS[:1]
    assert [token.ent_iob for token in read] == [3, 1, 0, 0, 0, 0]


def test_a_sample_ends_with_a_whole_line(tmp_path):
    path = write(tmp_path / "a.conll", ROWS * 60_000)
    sample = Sample.of(str(path))
    assert not sample.whole and set(sample.lines) == set(ROWS.splitlines())


@pytest.mark.parametrize("suffix,content,name", FILES)
def test_the_command_says_what_it_read(tmp_path, suffix, content, name):
    path = write(tmp_path / f"a{suffix}", content)
    done = CliRunner().invoke(app, ["convert", str(path), str(tmp_path / "out.spacy")])
    assert done.exit_code == 0, done.output
    assert f"Read as {name}: {path}" in done.output
