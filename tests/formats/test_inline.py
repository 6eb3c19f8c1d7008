"""The inline form: what is written is read back, and what is malformed is explained."""

import io
import sys

import pytest
import spacy
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from spacy.tokens import DocBin, Span
from typer.testing import CliRunner

from spacy_rnn_tagger.cli import app, tag
from spacy_rnn_tagger.formats.inline import format_line, parse_line
from spacy_rnn_tagger.training.converting import convert

ODD = "[]()\\\t\n\r\v\f\x00\x1b\x1c\x7f\x85\xa0\u200b\u2028\u2029\ufeff\u3000 u0041é🏰"
chars = st.one_of(st.sampled_from(ODD), st.characters(exclude_categories=["Cs"]))
texts = st.one_of(
    st.text(chars, max_size=30),
    st.lists(st.sampled_from(["Red", "[Fort]", " ", "  ", "\\u0041", "(GPE)", *ODD])).map("".join),
)
labels = st.text(chars, min_size=1, max_size=8)


def cut(data, n):
    """Draw spans that don't overlap over n places."""
    bounds = data.draw(st.lists(st.integers(0, n), unique=True, max_size=8).map(sorted))
    return list(zip(bounds[::2], bounds[1::2], strict=False))


@settings(max_examples=400, deadline=None)
@given(st.data(), texts)
@example(None, "")
def test_what_is_written_is_read_back(data, text):
    spans = [(*span, data.draw(labels)) for span in cut(data, len(text))] if data else []
    line = format_line(text, reversed(spans))
    assert parse_line(line) == (text, spans)
    # It is one line to whatever reads lines, and editors and readers may strip it.
    assert len(line.splitlines()) == bool(line)
    assert line.strip() == line and "\ufeff" not in line


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("[]()\\u0041 aG\t"), max_size=14))
def test_what_is_read_is_written_and_read_back(line):
    """Reading never fails but with a column; what it takes has one canonical writing."""
    try:
        text, spans = parse_line(line)
    except ValueError as error:
        column = int(str(error).partition("Column ")[2].partition(":")[0])
        assert 1 <= column <= len(line)
    else:
        assert parse_line(format_line(text, spans)) == (text, spans)


@pytest.mark.parametrize(
    "line,text,spans",
    [
        (r"C:\dir \(x) \u12 \ua", r"C:\dir \(x) \u12 \ua", []),
        (r"a\u0009b\u000Ac", "a\tb\nc", []),
        (r"\\u0041 \u0041", r"\u0041 A", []),
        (r"[Red \[old\] Fort](FAC)", "Red [old] Fort", [(0, 14, "FAC")]),
        ("[Red Fort](tourist site)", "Red Fort", [(0, 8, "tourist site")]),
        (r"[x](a\(b\)\[c\]\\d\e\u0020)", "x", [(0, 1, r"a(b)[c]\d\e ")]),
        (r"[\u0020x\u0020](A)", " x ", [(0, 3, "A")]),
        ("[a](A)[b](B)(c)", "ab(c)", [(0, 1, "A"), (1, 2, "B")]),
        (" a\t ", " a\t ", []),
    ],
)
def test_grammar(line, text, spans):
    assert parse_line(line) == (text, spans)


@pytest.mark.parametrize(
    "line,message",
    [
        (r"a [x](\ud83c)", r"Column 7: '\\ud83c' is half of a character"),
        (r"\uDFFF", "Column 1: .* is half of a character"),
        ("[x]( A)", "Column 3: .* nor begin or end with a space"),
        ("[x]()", "Column 3: .* must not be empty"),
        ("[x](A\tB)", r"Column 6: '\\t' in a label.*, write '\\u0009'"),
        ("[x](A[B)", r"Column 6: '\[' in a label.*, write '\\\['"),
        ("[x](A", "Column 3: .* but '\\(' is not closed"),
        ("ab [x", "Column 5: '\\[' is not closed; it is in column 4"),
        ("[\tx](A)", "nor begin or end with a space"),
    ],
)
def test_errors_say_where_and_what_to_do(line, message):
    with pytest.raises(ValueError, match=message):
        parse_line(line)


@pytest.mark.parametrize(
    "spans",
    [[(0, 3, "A"), (2, 4, "B")], [(1, 1, "A")], [(3, 9, "A")], [(-1, 2, "A")], [(0, 2, "")]],
    ids=["overlap", "empty", "beyond", "before", "no label"],
)
def test_spans_that_cannot_be_written(spans):
    with pytest.raises(ValueError, match="A span must have a label, lie in the text"):
        format_line("Red Fort", spans)


class Tagged:
    """A pipeline that was run already."""

    def __init__(self, docs):
        self.docs = docs

    def pipe(self, texts):
        for text, doc in zip(texts, self.docs, strict=True):
            assert text == doc.text  # the command leaves texts as they are
            yield doc


def in_command(nlp, texts, monkeypatch):
    """Call `rnn tag` on a pipeline, with the texts as its arguments."""
    monkeypatch.setattr(tag, "load", lambda model: nlp)
    result = CliRunner().invoke(app, ["tag", "model", "--", *texts])
    assert result.exit_code == 0, result.output
    return result.stdout_bytes


@pytest.mark.slow
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data(), st.lists(texts.filter(str.strip), min_size=1, max_size=3))
def test_tag_then_convert(monkeypatch, tmp_path, data, texts):
    nlp = spacy.blank("en")
    wanted = []
    for text in texts:
        doc = nlp.make_doc(text)
        spans = [(*span, data.draw(labels)) for span in cut(data, len(doc))]
        doc.set_ents([Span(doc, start, end, label) for start, end, label in spans])
        wanted.append(doc)
    tagged = Tagged(wanted)
    (tmp_path / "tagged.txt").write_bytes(in_command(tagged, texts, monkeypatch))
    counts = convert(
        tmp_path / "tagged.txt", tmp_path / "tagged.spacy", lang="en", allow_empty=True
    )
    docs = list(DocBin().from_disk(tmp_path / "tagged.spacy").get_docs(spacy.blank("en").vocab))
    assert counts.docs == len(docs)
    assert [doc.text for doc in docs] == texts
    assert [places(doc) for doc in docs] == [places(doc) for doc in wanted]


def places(doc):
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


@pytest.fixture
def towns():
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "A TOWN", "pattern": "Delhi"}])
    return nlp


def test_one_way_to_read_texts(towns, monkeypatch, tmp_path):
    """A file and standard input are the same lines: BOM, CRLF, odd separators, edges."""
    content = "\ufeff Delhi \r\n\r\nDelhi\u2028and\x0b[sic]\r\nDelhi\t".encode()
    lines = [
        r"\u0020[Delhi](A TOWN)\u0020",
        r"[Delhi](A TOWN)\u2028and\u000b\[sic\]",
        r"[Delhi](A TOWN)\u0009",
    ]
    monkeypatch.setattr(tag, "load", lambda model: towns)
    (tmp_path / "texts.txt").write_bytes(content)
    result = CliRunner().invoke(app, ["tag", "model", "--file", str(tmp_path / "texts.txt")])
    assert result.stdout.splitlines() == lines
    assert CliRunner().invoke(app, ["tag", "model"], input=content).stdout.splitlines() == lines


def test_colours_are_for_a_terminal(towns, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(tag, "load", lambda model: towns)
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    tag.tag_cli("model", ["in Delhi \x1b[1m"], None)
    marked = "\x1b[1m[Delhi]\x1b[0m\x1b[36m(A TOWN)\x1b[0m"
    assert screen.getvalue() == f"in {marked} \\u001b\\[1m\n"
    screen.truncate(0)
    screen.seek(0)
    monkeypatch.setenv("NO_COLOR", "1")
    tag.tag_cli("model", ["in Delhi"], None)
    assert screen.getvalue() == "in [Delhi](A TOWN)\n"
