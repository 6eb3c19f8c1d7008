"""Spans that don't fit: misaligned, overlapping, or there twice."""

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.formats.docs import make_doc
from spacy_rnn_tagger.formats.placing import MISALIGNED, OVERLAPPING, Placement
from spacy_rnn_tagger.formats.record import AnnotationError
from tests.formats.reading import converted, lines, spans_of, tags_of, write

TEXT = "New York City Hall is old."


def placed(nlp, *spans, **how):
    notices = []
    doc = make_doc(nlp, TEXT, spans, how=Placement(**how), notices=notices)
    return doc, notices


@pytest.mark.parametrize(
    "misaligned,expected",
    [("missing", "OO??OOO"), ("expand", "OOBIOOO")],
)
@pytest.mark.parametrize("span", [(9, 17, "FAC"), (10, 18, "FAC"), (8, 19, "FAC")])
def test_misaligned(nlp, misaligned, expected, span):
    doc, [notice] = placed(nlp, span, misaligned=misaligned)
    assert tags_of(doc) == expected
    assert f"({span[2]}, characters {span[0]} to {span[1]}) does not align" in notice
    with pytest.raises(AnnotationError, match="does not align"):
        placed(nlp, span)


@pytest.mark.parametrize("span", [(-1, 3, "X"), (0, 99, "X"), (5, 5, "X"), (8, 3, "X")])
@pytest.mark.parametrize("misaligned", MISALIGNED)
def test_what_is_not_in_the_text_is_always_an_error(nlp, span, misaligned):
    with pytest.raises(AnnotationError, match="is empty or not within the text, which has 26"):
        placed(nlp, span, misaligned=misaligned)


@pytest.mark.parametrize(
    "overlapping,expected,said",
    [
        ("longest", [(0, 18, "FAC")], "overlaps 'New York City Hall' (FAC); the longest one"),
        ("first", [(9, 18, "ORG")], "overlaps 'City Hall' (ORG); the first one"),
        ("missing", [], "both left missing"),
    ],
)
def test_overlapping(nlp, overlapping, expected, said):
    doc, [notice] = placed(nlp, (9, 18, "ORG"), (0, 18, "FAC"), overlapping=overlapping)
    assert spans_of(doc) == expected and said in notice
    assert (
        tags_of(doc)
        == {"longest": "BIIIOOO", "first": "OOBIOOO", "missing": "????OOO"}[overlapping]
    )
    with pytest.raises(AnnotationError, match="overlaps 'New York City Hall'"):
        placed(nlp, (9, 18, "ORG"), (0, 18, "FAC"))


def test_spans_that_meet_only_when_expanded(nlp):
    spans = (0, 5, "GPE"), (5, 8, "FAC")
    with pytest.raises(AnnotationError, match="overlaps .* when expanded to tokens"):
        placed(nlp, *spans, misaligned="expand")
    doc, notices = placed(nlp, *spans, misaligned="expand", overlapping="first")
    assert spans_of(doc) == [(0, 8, "GPE")] and len(notices) == 3


@pytest.mark.parametrize("overlapping", OVERLAPPING)
def test_duplicates_are_dropped_and_reported(nlp, overlapping):
    doc, notices = placed(nlp, *[(0, 8, "GPE")] * 3, overlapping=overlapping)
    assert spans_of(doc) == [(0, 8, "GPE")]
    assert len(notices) == 2 and "appears twice; kept once" in notices[0]


def test_the_same_span_with_two_labels_overlaps(nlp):
    with pytest.raises(AnnotationError, match="overlaps 'New York' .FAC."):
        placed(nlp, (0, 8, "GPE"), (0, 8, "FAC"))
    doc, _ = placed(nlp, (0, 8, "GPE"), (0, 8, "FAC"), overlapping="longest")
    assert spans_of(doc) == [(0, 8, "GPE")]


ENGLISH = spacy.blank("en")
span = st.tuples(
    st.integers(0, len(TEXT) - 1), st.integers(1, 12), st.sampled_from(["A", "B", "?"])
).map(lambda each: (each[0], min(each[0] + each[1], len(TEXT)), each[2]))


@settings(deadline=None)
@given(
    st.lists(span, max_size=5),
    st.sampled_from(["missing", "expand"]),
    st.sampled_from(["missing", "longest", "first"]),
)
def test_nothing_is_lost_silently(spans, misaligned, overlapping):
    """Each span is an entity as it stands, or there is a line about it, and none is outside."""
    doc, notices = placed(ENGLISH, *spans, misaligned=misaligned, overlapping=overlapping)
    found = set(spans_of(doc))
    for start, end, label in spans:
        said = any(f"({label}, characters {start} to {end})" in notice for notice in notices)
        other = any(f"({label})" in notice for notice in notices)  # the other one of two
        assert (start, end, label) in found or label == "?" or said or other
        touched = doc.char_span(start, end, alignment_mode="expand")
        inside = TEXT[start:end].strip()
        if inside and overlapping != "first" and misaligned == "missing":
            assert any(token.ent_iob != 2 for token in touched)


def test_the_report_has_a_line_each(tmp_path):
    rows = [{"text": TEXT, "entities": [[9, 17, "FAC"], [0, 8, "GPE"], [0, 8, "GPE"]]}] * 15
    source, report = write(tmp_path / "a.jsonl", lines(*rows)), tmp_path / "report.txt"
    _, found = converted(source, misaligned="expand", report=report)
    assert len(found.notices) == 30
    written = report.read_text().splitlines()
    assert len(written) == 32 and written[1] == f"jsonl: {source}"
    assert written[2].startswith(f"{source}, line 1: 'New York' (GPE, characters 0 to 8) appears")
    out = tmp_path / "out.spacy"
    command = ["convert", str(source), str(out), "--misaligned", "expand"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0
    assert "30 notices; --report" in done.output
    assert "... and 10 more" in done.output


@pytest.mark.parametrize(
    "option", [{"misaligned": "x"}, {"overlapping": "x"}, {"resolve": "x"}, {"unit": "x"}]
)
def test_unknown_ways_are_refused(tmp_path, option):
    source = write(tmp_path / "a.txt", "[Lima](GPE)\n")
    [name] = option
    with pytest.raises(ValueError, match=f"{name} must be one of"):
        converted(source, **option)
