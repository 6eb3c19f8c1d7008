"""BRAT's standoff files."""

import pytest

from spacy_rnn_tagger.formats.record import AnnotationError
from tests.formats.reading import SPANS, TEXT, converted, spans_of, tags_of, write

ANN = "T1\tFAC 0 8\tRed Fort\nT2\tGPE 15 20\tDelhi\n"


def pair(folder, name="doc", text=TEXT, ann=ANN):
    folder.mkdir(exist_ok=True)
    write(folder / f"{name}.txt", text if isinstance(text, bytes) else text.encode())
    return write(folder / f"{name}.ann", ann if isinstance(ann, bytes) else ann.encode())


def test_a_folder_of_pairs(tmp_path):
    folder = tmp_path / "in"
    pair(folder, "a")
    pair(folder, "b", "Nobody came.", "")
    write(folder / "annotation.conf", "[entities]\nFAC\n")
    write(folder / "lone.txt", "Nobody has annotated this.")
    notes = []
    docs, found = converted(folder, notify=notes.append)
    assert [(doc.text, spans_of(doc)) for doc in docs] == [(TEXT, SPANS), ("Nobody came.", [])]
    assert [name.rpartition("/")[2] for name in found.read_as["brat"]] == ["a.ann", "b.ann"]
    assert "annotation.conf, lone.txt." in notes[0]


@pytest.mark.parametrize("named", ["doc.ann", "doc.txt"])
def test_either_file_of_a_pair(tmp_path, named):
    pair(tmp_path)
    [doc], _ = converted(tmp_path / named)
    assert (doc.text, spans_of(doc)) == (TEXT, SPANS)


def test_other_lines_are_counted(tmp_path):
    more = (
        "T3\tIs 9 11\tis\nE1\tIs:T3 Place:T1\nR1\tIn Arg1:T1 Arg2:T2\t\n*\tEquiv T1 T2\n"
        "A1\tOld T1\nM1\tNegation E1\nN1\tReference T2 Wikipedia:1353\tDelhi\n"
        "#1\tAnnotatorNotes T1\tsure?\n"
    )
    [doc], found = converted(pair(tmp_path, ann=ANN + more))
    assert spans_of(doc) == [SPANS[0], (9, 11, "Is"), SPANS[1]]
    assert found.ignored == {
        "BRAT event": 1,
        "BRAT relation": 2,
        "BRAT attribute": 2,
        "BRAT normalization": 1,
        "BRAT note": 1,
    }


def test_spans_that_are_not_contiguous_are_missing(tmp_path):
    text = "North and South America"
    ann = "T1\tLOC 0 5;16 23\tNorth America\nT2\tLOC 10 23\tSouth America\n"
    source = pair(tmp_path, text=text, ann=ann.splitlines()[0])
    [doc], found = converted(source)
    assert tags_of(doc) == "?OO?"
    assert "'North America' (LOC) is discontinuous; left missing" in found.notices[0]
    [doc], _ = converted(pair(tmp_path, text=text, ann=ann), overlapping="longest")
    assert tags_of(doc) == "?OBI"


def test_a_span_over_two_lines_is_one(tmp_path):
    text = "in New\nYork"
    [doc], _ = converted(pair(tmp_path, text=text, ann="T1\tGPE 3 6;7 11\tNew York\n"))
    assert spans_of(doc) == [(3, 11, "GPE")]


def test_offsets_are_characters(tmp_path):
    text = "🎉 Łódź — Delhi"
    start = text.index("Delhi")
    source = pair(tmp_path, text=text, ann=f"T1\tGPE {start} {start + 5}\tDelhi\n")
    [doc], _ = converted(source)
    assert spans_of(doc) == [(start, start + 5, "GPE")]


@pytest.mark.parametrize("start", [8, 7])
def test_line_ends_of_either_kind(tmp_path, start):
    """Offsets may have been counted before an editor changed the line ends."""
    text = b"We saw\r\nDelhi"
    [doc], _ = converted(pair(tmp_path, text=text, ann=f"T1\tGPE {start} {start + 5}\tDelhi\n"))
    assert [ent.text for ent in doc.ents] == ["Delhi"]


@pytest.mark.parametrize(
    "ann,message",
    [
        ("T1\tFAC 0 8\tTaj Mahal\n", "doc.ann, line 1: .* FAC is 'Taj Mahal', .* mean 'Red Fort'"),
        (ANN + "T3\tFAC 0 99\tx\n", "doc.ann, line 3: .* FAC has the offsets 0 to 99, .* 21 char"),
        ("T1\tFAC 8 0\tRed Fort\n", "doc.ann, line 1: .* FAC has the offsets 8 to 0"),
        ("T1\tFAC 0 8\tRed Fort\nT2\tGPE 15\n", "doc.ann, line 2: .* A line must look like"),
        ("T1\tFAC -1 8\tRed Fort\n", "A line must look like|not in a known format"),
        (ANN.encode() + b"#1\tcaf\xe9\n", "doc.ann, line 3: .*not UTF-8"),
    ],
)
def test_what_is_wrong(tmp_path, ann, message):
    source = pair(tmp_path, ann=ann)
    with pytest.raises(AnnotationError, match=message):
        converted(source, format="brat")


def test_missing_or_damaged_texts(tmp_path):
    source = pair(tmp_path, text=b"caf\xe9")
    with pytest.raises(AnnotationError, match=r"doc.ann, .*doc.txt, line 1: .*not UTF-8"):
        converted(source)
    (tmp_path / "doc.txt").unlink()
    with pytest.raises(AnnotationError, match=r"doc.ann, line 1: .* There is no .*doc.txt"):
        converted(source)
