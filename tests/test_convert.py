"""The inline form of annotated text, and its way to .spacy."""

import json

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.corpus import AnnotationError, line_to_doc, read_docs
from spacy_rnn_tagger.inline import parse_line

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
        ("[Delhi", "column 6: '\\[' is not closed"),
        ("Delhi](GPE)", "column 6: ']' without '\\['"),
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
    with pytest.raises(AnnotationError, match=r"news\.txt, line 4: column 7: "):
        list(read_docs(nlp, [path]))
    path.write_bytes(b"caf\xe9\n")
    with pytest.raises(AnnotationError, match=r"news\.txt: not UTF-8"):
        list(read_docs(nlp, [path]))


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
        "a.jsonl, line 1: 'in Delhi' (FAC, characters 0 to 99) does not align with the tokens "
        "'in' 'Delhi' in 'in Delhi'",
        "a.jsonl, line 1: 'Del' (GPE, characters 3 to 6) does not align with the tokens 'Delhi' "
        "in 'in Delhi'",
        "a.jsonl, line 2: 'York' (LOC, characters 4 to 8) overlaps 'New York City' (GPE) in "
        "'New York City'",
        "a.jsonl, line 2: 'City' (X, characters 9 to 13) overlaps 'New York City' (GPE) in "
        "'New York City'",
        "a.jsonl, line 4: a record must have a list of either 'entities' or 'spans'",
        "a.jsonl, line 5: a record must be an object with 'text'",
        "a.jsonl, line 6: an entity must have start, end and label, but got [0, 1]",
        found[7],
        "b.txt, line 1: 'Del' (GPE, characters 3 to 6) does not align with the tokens 'Delhi' in "
        "'in Delhi'",
        "b.txt, line 2: column 7: ']' must be followed by '(LABEL)'",
    ]
    assert found[7].startswith("a.jsonl, line 7: not JSON")
