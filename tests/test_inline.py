"""The inline form of annotated text, and its way to .spacy."""

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.inline import InlineError, line_to_doc, parse_line, read_docs

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
        ("in [Del](GPE)hi", "'Del' does not align with the tokens"),
    ],
)
def test_malformed_lines_are_errors(nlp, line, message):
    with pytest.raises(InlineError, match=message):
        line_to_doc(nlp, line)


def test_read_docs_names_file_and_line(nlp, tmp_path):
    path = tmp_path / "news.txt"
    path.write_text(GOOD + "[Delhi](GPE\n", encoding="utf-8")
    with pytest.raises(InlineError, match=r"news\.txt, line 4: column 7: "):
        list(read_docs(nlp, [path]))
    path.write_bytes(b"caf\xe9\n")
    with pytest.raises(InlineError, match=r"news\.txt: not UTF-8"):
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
