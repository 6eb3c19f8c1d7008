"""The inline form of annotated text, and its way to .spacy."""

import errno
import gzip
import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from spacy.training import Example
from typer.testing import CliRunner

from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.formats.corpus import corpus_files, find_corpus, line_to_doc, read_docs
from spacy_rnn_tagger.formats.docs import make_doc
from spacy_rnn_tagger.formats.inline import parse_line
from spacy_rnn_tagger.formats.record import AnnotationError
from spacy_rnn_tagger.formats.reports import ERRORS_SUFFIX
from spacy_rnn_tagger.training.converting import Converted, convert

GOOD = "[Red Fort](FAC) is in [Delhi](GPE).\n\nNo names, but \\[brackets\\] (and these).\n"


def test_parse_line():
    text, spans = parse_line("[Red Fort](FAC) is in [Delhi](GPE).")
    assert text == "Red Fort is in Delhi."
    assert spans == [(0, 8, "FAC"), (15, 20, "GPE")]
    assert parse_line(r"a \[b\] c\\d") == (r"a [b] c\d", [])


@pytest.mark.parametrize(
    "line,message",
    [
        ("[Delhi](GPE", "must be followed by"),
        ("[Delhi] (GPE)", "must be followed by"),
        ("[Delhi]()", "must be followed by"),
        ("[Delhi", "Column 6: '\\[' is not closed"),
        ("Delhi](GPE)", "Column 6: ']' without '\\['"),
        ("[Red [Fort](FAC)](FAC)", "can't be nested"),
        ("[](GPE)", "must not be empty"),
        ("[ Delhi](GPE)", "must not be empty, nor begin or end with a space, but got ' Delhi'"),
        ("in [Del](GPE)hi", "'Del' .* does not align with the tokens 'Delhi'"),
    ],
)
def test_malformed_lines_are_errors(nlp, line, message):
    with pytest.raises(AnnotationError, match=message):
        line_to_doc(nlp, line)


def test_read_docs_names_file_and_line(nlp, tmp_path):
    path = tmp_path / "news.txt"
    path.write_text(GOOD + "[Delhi](GPE\n", encoding="utf-8")
    with pytest.raises(AnnotationError, match=r"news\.txt, line 4: .RNN127. Column 7: "):
        list(read_docs(nlp, [path]))
    path.write_bytes(b"caf\xe9\n")
    with pytest.raises(
        AnnotationError, match=r"news\.txt, line 1: .RNN202. .*not UTF-8 \(byte 0xe9"
    ):
        list(read_docs(nlp, [path]))


def run(*args, code=0):
    result = CliRunner().invoke(app, ["convert", *map(str, args)])
    assert result.exit_code == code, result.output
    return result.output


def docs_in(path):
    return list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))


def ents_in(path):
    return [[(ent.text, ent.label_) for ent in doc.ents] for doc in docs_in(path)]


def test_convert(tmp_path):
    source, target = tmp_path / "in", tmp_path / "out" / "train.spacy"
    source.mkdir()
    (source / "b.txt").write_text("[Oslo](GPE) again.\n", encoding="utf-8")
    (source / "a.txt").write_text(GOOD, encoding="utf-8")
    result = CliRunner().invoke(app, ["convert", str(source), str(target)])
    assert result.exit_code == 0, result.output
    docs = list(DocBin().from_disk(target).get_docs(spacy.blank("en").vocab))
    assert [[(ent.text, ent.label_) for ent in doc.ents] for doc in docs] == [
        [("Red Fort", "FAC"), ("Delhi", "GPE")],
        [],
        [("Oslo", "GPE")],
    ]
    assert docs[1].text == "No names, but [brackets] (and these)."
    # Tokens outside of entities are annotated as such, not as missing.
    assert {token.ent_iob_ for token in docs[1]} == {"O"}


def test_convert_leaves_nothing_half_written(tmp_path):
    source, target = tmp_path / "in.txt", tmp_path / "train.spacy"
    source.write_text(GOOD + "[Delhi](GPE\n", encoding="utf-8")
    target.write_bytes(b"what was there")
    result = CliRunner().invoke(app, ["convert", str(source), str(target)])
    assert result.exit_code == 1
    assert target.read_bytes() == b"what was there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "train.spacy"]


@pytest.mark.parametrize("content", [None, "", "\n\n"])
def test_convert_without_input_is_an_error(tmp_path, content):
    if content is not None:
        (tmp_path / "in.txt").write_text(content)
    result = CliRunner().invoke(
        app, ["convert", str(tmp_path / "in.txt"), str(tmp_path / "out.spacy")]
    )
    assert result.exit_code == 1
    assert not (tmp_path / "out.spacy").exists()


def records(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_convert_offsets(tmp_path):
    """spaCy's tuples and Prodigy's objects; what an annotator did not accept is left out."""
    source, target = tmp_path / "in.jsonl", tmp_path / "train.spacy"
    span = {"start": 15, "end": 20, "label": "GPE", "token_start": 4}
    text = "Red Fort is in Delhi."
    source.write_text(
        records(
            {"text": text, "entities": [[15, 20, "GPE"], [0, 8, "FAC"]]},
            {"text": text, "spans": [span], "answer": "accept"},
            {"text": text, "spans": [], "answer": "reject"},
            {"text": "Nobody came.", "spans": []},
        )
    )
    result = CliRunner().invoke(app, ["convert", str(source), str(target)])
    assert result.exit_code == 0, result.output
    docs = list(DocBin().from_disk(target).get_docs(spacy.blank("en").vocab))
    assert [[(ent.text, ent.label_) for ent in doc.ents] for doc in docs] == [
        [("Red Fort", "FAC"), ("Delhi", "GPE")],
        [("Delhi", "GPE")],
        [],
    ]


def test_all_that_is_wrong_is_told_at_once(nlp, tmp_path):
    jsonl, txt = tmp_path / "a.jsonl", tmp_path / "b.txt"
    jsonl.write_text(
        records(
            {"text": "in Delhi", "entities": [[3, 6, "GPE"], [0, 99, "FAC"]]},
            {"text": "New York City", "entities": [[0, 13, "GPE"], [4, 8, "LOC"], [9, 13, "X"]]},
            {"text": "fine", "entities": []},
            {"text": "unannotated"},
            {"entities": []},
            {"text": "a", "entities": [[0, 1]]},
        )
        + "{\n"
    )
    txt.write_text("in [Del](GPE)hi\n[Delhi](GPE\n")
    with pytest.raises(AnnotationError) as caught:
        list(read_docs(nlp, [jsonl, txt]))
    found = [line.replace(f"{tmp_path}/", "") for line in str(caught.value).splitlines()]
    assert found == [
        "a.jsonl, line 1: [RNN133] 'in Delhi' (FAC, characters 0 to 99) is empty or not within the "
        "text, which has 8 characters: 'in Delhi'.",
        "a.jsonl, line 1: [RNN132] 'Del' (GPE, characters 3 to 6) does not align with the tokens "
        "'Delhi' in 'in Delhi'. Correct the offsets, or choose a treatment with --misaligned.",
        "a.jsonl, line 2: [RNN134] 'York' (LOC, characters 4 to 8) overlaps 'New York City' (GPE) "
        "in 'New York City'. Remove one of them, or choose a treatment with --overlapping.",
        "a.jsonl, line 2: [RNN134] 'City' (X, characters 9 to 13) overlaps 'New York City' (GPE) "
        "in 'New York City'. Remove one of them, or choose a treatment with --overlapping.",
        "a.jsonl, line 4: [RNN117] A record must have a list in one of 'entities', 'spans', but "
        "has none.",
        "a.jsonl, line 5: [RNN115] A record must be an object with 'text', a string, but got "
        "{'entities': []}.",
        "a.jsonl, line 6: [RNN120] An entity must have start and end, which are whole numbers, and "
        "a label, but got [0, 1].",
        found[7],
        "b.txt, line 1: [RNN132] 'Del' (GPE, characters 3 to 6) does not align with the tokens "
        "'Delhi' in 'in Delhi'. Correct the offsets, or choose a treatment with --misaligned.",
        "b.txt, line 2: [RNN127] Column 7: ']' must be followed by '(LABEL)', but '(' is not "
        "closed.",
    ]
    assert found[7].startswith("a.jsonl, line 7: [RNN113] Not JSON")


@pytest.mark.parametrize("name", ["in.csv", "in.dat", "in", "in.md"])
def test_unknown_forms_are_refused(tmp_path, name):
    (tmp_path / name).write_text("name,label\nRed Fort,FAC\n")
    output = run(tmp_path / name, tmp_path / "out.spacy", code=1)
    assert (
        "no format recognises its content, and its name doesn't end in .txt, .jsonl, .json"
        in output
    )
    assert "--format" in output
    assert not (tmp_path / "out.spacy").exists()


@pytest.mark.parametrize(
    "name,message",
    [
        ("in.csv.gz", "in.csv.gz is damaged"),
        ("in.gz", "in.gz is damaged"),
        ("in.SPACY", "in.SPACY can't be read as spaCy's binary format"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, message):
    (tmp_path / name).write_text("Red Fort")
    assert message in run(tmp_path / name, tmp_path / "out.spacy", code=1)
    assert not (tmp_path / "out.spacy").exists()


def test_forms_by_suffix_in_any_case_compressed_or_not(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    record = json.dumps({"text": "Red Fort", "entities": [[0, 8, "FAC"]]}) + "\n"
    (source / "A.TXT").write_text("[Oslo](GPE)\n")
    (source / "b.Jsonl").write_text(record)
    (source / "c.txt.gz").write_bytes(gzip.compress(b"[Lima](GPE)\n"))
    (source / "D.JSONL.GZ").write_bytes(gzip.compress(record.encode()))
    for name in ("notes.md", "x.conll", "old.spacy"):
        (source / name).write_text("?")
    (source / "sub.txt").mkdir()
    output = run(source, source / "old.spacy")
    # In the order of their names, capitals first.
    towns, fort = ([("Oslo", "GPE")], [("Lima", "GPE")]), [("Red Fort", "FAC")]
    assert ents_in(source / "old.spacy") == [towns[0], fort, fort, towns[1]]
    assert f"Not read in {source}: notes.md, sub.txt/, x.conll." in output


def test_a_folder_without_anything_known(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    assert "is empty, but must hold files" in run(source, tmp_path / "out.spacy", code=1)
    for number in range(7):
        (source / f"{number}.xml").write_text("<FAC>Red Fort</FAC>\n")
    output = run(source, tmp_path / "out.spacy", code=1)
    assert "It holds 0.xml, 1.xml, 2.xml, 3.xml, 4.xml, 2 more" in output


def test_no_entity_at_all_is_an_error_unless_expected(tmp_path):
    (tmp_path / "in.txt").write_text("Red Fort is in Delhi.\n")
    output = run(tmp_path / "in.txt", tmp_path / "out.spacy", code=1)
    assert "1 doc, 6 tokens, no entities" in output and "--allow-empty" in output
    assert not (tmp_path / "out.spacy").exists()
    run(tmp_path / "in.txt", tmp_path / "out.spacy", "--allow-empty")
    assert ents_in(tmp_path / "out.spacy") == [[]]


def test_the_result_says_what_was_written(tmp_path):
    (tmp_path / "in.jsonl").write_text(
        records(
            {"text": "Red Fort is in Delhi.", "entities": [[0, 8, "FAC"], [15, 20, "GPE"]]},
            {"text": "Lima", "spans": [{"start": 0, "end": 4, "label": "GPE"}]},
            {"text": "x", "answer": "reject"},
            {"text": "x", "spans": [], "answer": "ignore"},
            {"text": "x", "spans": [], "answer": "reject"},
        )
    )
    found = convert(tmp_path / "in.jsonl", tmp_path / "out.spacy", lang="en")
    assert found == Converted(2, 7, {"FAC": 1, "GPE": 2}, {"reject": 2, "ignore": 1})
    output = " ".join(run(tmp_path / "in.jsonl", tmp_path / "out.spacy").split())
    assert "2 docs, 7 tokens, entities: FAC 1, GPE 2 (records left out" in output
    assert "reject 2, ignore 1" in output


@pytest.mark.parametrize("form", ["txt", "jsonl"])
@pytest.mark.parametrize("compressed", [False, True])
def test_text_as_editors_write_it(tmp_path, form, compressed):
    """A byte-order mark and CRLF are no part of the text, whether compressed or not."""
    lines = ["[Delhi](GPE) it is", "[Lima](GPE) too "]
    if form == "jsonl":
        rows = [{"text": "Delhi it is", "entities": [[0, 5, "GPE"]]}]
        rows += [{"text": "Lima too ", "entities": [[0, 4, "GPE"]]}]
        lines = [json.dumps(row) for row in rows]
    content = ("\ufeff" + "\r\n".join(lines)).encode()
    path = tmp_path / f"in.{form}{'.gz' if compressed else ''}"
    path.write_bytes(gzip.compress(content) if compressed else content)
    run(path, tmp_path / "out.spacy")
    assert [doc.text for doc in docs_in(tmp_path / "out.spacy")] == ["Delhi it is", "Lima too "]


@pytest.mark.parametrize("name", ["report.txt", "report.txt.gz"])
def test_a_report_beside_the_data_is_no_data(tmp_path, name):
    source, report = tmp_path / "in", tmp_path / "in" / name
    source.mkdir()
    data = source / "a.jsonl"
    data.write_text(records({"text": "Oslo or Lima", "entities": [[0, 4, "GPE"], [8, 11, "GPE"]]}))
    notes = []
    for _ in range(2):
        found = convert(
            source,
            tmp_path / "out.spacy",
            misaligned="missing",
            report=report,
            notify=notes.append,
        )
        assert found.docs == 1 and found.read_as == {"jsonl": [str(data)]} and not notes
    written = report.read_bytes()
    assert b"'Lim'" in (gzip.decompress(written) if name.endswith(".gz") else written)
    assert corpus_files(source) == [str(data)]
    assert "report.txt" in find_corpus(source).unread_note(source)
    with pytest.raises(FileNotFoundError, match="report.txt"):
        find_corpus(source, format="inline")


def test_records_on_which_a_pipeline_failed_are_no_data(tmp_path):
    """`select` writes them beside its tasks."""
    data = tmp_path / "tasks.jsonl"
    data.write_text(records({"text": "Oslo", "entities": [[0, 4, "GPE"]]}))
    errors = tmp_path / f"tasks.jsonl{ERRORS_SUFFIX}"
    errors.write_text(records({"source": "a.txt", "record": 1, "error": "too long"}))
    assert corpus_files(tmp_path) == [str(data)]
    assert errors.name in find_corpus(tmp_path).unread_note(tmp_path)


@pytest.mark.parametrize("name", ["in/a.jsonl", "in/b.txt", "in/b.ann", "out.spacy"])
def test_a_report_replaces_no_data(tmp_path, name):
    source, report = tmp_path / "in", tmp_path / name
    source.mkdir()
    (source / "a.jsonl").write_text(records({"text": "Oslo", "entities": [[0, 4, "GPE"]]}))
    (source / "b.txt").write_text("in Lima")
    (source / "b.ann").write_text("T1\tGPE 3 7\tLima\n")
    (tmp_path / "out.spacy").write_bytes(b"what was there")
    before = report.read_bytes()
    with pytest.raises(ValueError, match="would replace the input or the output"):
        convert(source, tmp_path / "out.spacy", report=report)
    if name == "in/a.jsonl":
        with pytest.raises(ValueError, match="would replace the input or the output"):
            convert(report, tmp_path / "out.spacy", report=source / ".." / name)
    assert report.read_bytes() == before


def test_binary_answers_say_nothing_of_the_rest(nlp, tmp_path):
    """Of what Prodigy's `ner.teach` asks, yes is about the spans that it showed."""
    text = "Red Fort is in Delhi."
    span = {"start": 15, "end": 20, "label": "GPE"}
    (tmp_path / "in.jsonl").write_text(
        records(
            {"text": text, "spans": [span], "_is_binary": True, "answer": "accept"},
            {"text": text, "spans": [span], "_is_binary": False, "answer": "accept"},
            {"text": text, "spans": [span], "_is_binary": True, "answer": "reject"},
        )
    )
    run(tmp_path / "in.jsonl", tmp_path / "out.spacy")
    docs = docs_in(tmp_path / "out.spacy")
    assert [[token.ent_iob_ for token in doc] for doc in docs] == [
        ["", "", "", "", "B", ""],
        ["O", "O", "O", "O", "B", "O"],
    ]
    aligned = [Example(nlp.make_doc(text), doc).get_aligned_ner() for doc in docs]
    assert aligned == [
        [None, None, None, None, "U-GPE", None],
        ["O", "O", "O", "O", "U-GPE", "O"],
    ]


def test_spans_with_an_answer_of_their_own(tmp_path):
    """A rejected span is no such entity, and what its tokens are is not known."""
    spans = [
        {"start": 0, "end": 8, "label": "GPE", "answer": "reject"},
        {"start": 15, "end": 20, "label": "GPE", "answer": "accept"},
    ]
    (tmp_path / "in.jsonl").write_text(records({"text": "Red Fort is in Delhi.", "spans": spans}))
    run(tmp_path / "in.jsonl", tmp_path / "out.spacy")
    [doc] = docs_in(tmp_path / "out.spacy")
    assert [token.ent_iob_ for token in doc] == ["", "", "O", "O", "B", "O"]


def test_halves_of_characters_are_refused_where_they_are(tmp_path):
    lines = [r'{"text": "a\ud800", "spans": []}', r'{"text": "a", "spans": [[0, 1, "\ud800"]]}']
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    output = run(tmp_path / "in.jsonl", tmp_path / "out.spacy", code=1)
    assert r"line 1: [RNN121] 'text' has half of a character, \ud800, at its character 1" in output
    assert r"line 2: [RNN121] A label has half of a character, \ud800, at its character 0" in output


def test_messages_of_many_problems_are_short(nlp, tmp_path):
    """A line each, an excerpt around each, the first ones only."""
    text = "Delhi " * 3000
    spans = [[6 * i + 1, 6 * i + 4, "GPE"] for i in range(3000)]
    with pytest.raises(AnnotationError) as caught:
        make_doc(nlp, text, [tuple(span) for span in spans])
    lines = str(caught.value).splitlines()
    assert len(lines) == 21 and lines[-1] == "... and 2,980 more"
    assert max(map(len, lines)) < 250
    assert lines[10].startswith(
        "[RNN132] 'elh' (GPE, characters 61 to 64) does not align with the tokens"
    )
    assert f"in '...{text[21:104]}...'" in lines[10]
    (tmp_path / "in.jsonl").write_text(
        records(
            {"text": text, "entities": [[1, 17999, "GPE"], [0, 10**9, "A"], [5, 2, "B"]]},
            {"text": text, "entities": [[0, 5, "A"], [0, 17999, "A"]]},
            {"text": text, "entities": [{"start": text}]},
        )
        + "[" * 20_000
    )
    output = run(tmp_path / "in.jsonl", tmp_path / "out.spacy", code=1)
    lines = output.splitlines()
    # Each problem has its own line, under the title.
    assert [line.partition(", line ")[2][:1] for line in lines[1:]] == [
        "1",
        "1",
        "1",
        "2",
        "3",
        "4",
    ]
    assert max(map(len, lines)) < 600


def no_space(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_cannot_be_written(tmp_path, monkeypatch):
    source, there = tmp_path / "in.txt", tmp_path / "there.spacy"
    source.write_text(GOOD)
    there.mkdir()
    before = sorted(tmp_path.iterdir())
    assert f"{there} is a folder. Name a file" in run(source, there, code=1)
    assert "is a file and not a folder" in run(source, source / "out.spacy", code=1)
    assert "must end in .spacy" in run(source, source, code=1)
    assert "Can't import language xyz" in run(source, tmp_path / "o.spacy", "-l", "xyz", code=1)
    monkeypatch.setattr(Path, "write_bytes", no_space)
    assert "No space left on device" in run(source, tmp_path / "o.spacy", code=1)
    assert sorted(tmp_path.iterdir()) == before and source.read_text() == GOOD


def test_some_labels_only(nlp, tmp_path):
    (tmp_path / "in.txt").write_text("[Red Fort](FAC) is in [Delhi](GPE), said [Iyer](PERSON).\n")
    output = tmp_path / "out.spacy"
    done = CliRunner().invoke(
        app, ["convert", str(tmp_path / "in.txt"), str(output), "--labels", "GPE, FAC"]
    )
    assert done.exit_code == 0 and "entities: FAC 1, GPE 1" in done.output
    [doc] = DocBin().from_disk(output).get_docs(nlp.vocab)
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Red Fort", "FAC"), ("Delhi", "GPE")]
    assert [token.ent_iob_ for token in doc if token.text == "Iyer"] == ["O"]


def test_question_marks_are_missing_annotation(nlp, tmp_path):
    """What nobody knows is no entity, in either form, and the summary counts it."""
    text = "Lagos is near Lekki Phase One."
    spans = [[0, 5, "?"], [14, 29, "?"]]
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_text("[Lagos](?) is near [Lekki Phase One](?).\n[Oslo](GPE) too\n")
    (folder / "b.jsonl").write_text(
        records(
            {"text": text, "entities": spans},
            {"text": text, "spans": [{"start": 0, "end": 5, "label": "?"}], "answer": "accept"},
            {"text": "Oslo", "entities": [[0, 4, "GPE"]]},
        )
    )
    found = convert(folder, tmp_path / "out.spacy")
    assert found == Converted(5, 24, {"GPE": 2}, {}, missing=5)
    assert str(found) == "5 docs, 24 tokens, entities: GPE 2, 5 spans left missing"
    docs = docs_in(tmp_path / "out.spacy")
    both = ["", "O", "O", "", "", "", "O"]
    one = ["", "O", "O", "O", "O", "O", "O"]
    expected = [both, ["B", "O"], both, one, ["B"]]
    assert [[token.ent_iob_ for token in doc] for doc in docs] == expected


def test_question_marks_are_checked_as_entities_are(tmp_path):
    row = {"text": "in Oslo", "entities": [[3, 6, "?"], [3, 7, "GPE"]]}
    (tmp_path / "in.jsonl").write_text(records(row))
    with pytest.raises(AnnotationError) as caught:
        convert(tmp_path / "in.jsonl", tmp_path / "out.spacy")
    first, second = caught.value.args
    assert "'Osl' (?, characters 3 to 6) does not align" in first
    assert "'Oslo' (GPE, characters 3 to 7) overlaps 'Osl' (?)" in second


def test_docs_of_question_marks_alone(tmp_path):
    (tmp_path / "in.txt").write_text("[Lagos](?)\n")
    with pytest.raises(AnnotationError, match="no entities, 1 span left missing"):
        convert(tmp_path / "in.txt", tmp_path / "out.spacy")
    convert(tmp_path / "in.txt", tmp_path / "out.spacy", allow_empty=True)
    [doc] = docs_in(tmp_path / "out.spacy")
    assert [token.ent_iob for token in doc] == [0]
