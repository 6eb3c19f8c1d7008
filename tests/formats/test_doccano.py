"""doccano's exports: of all versions, with users and relations."""

import json

import pytest
import spacy

from spacy_rnn_tagger.formats.base import Reading, Role
from spacy_rnn_tagger.formats.record import AnnotationError, Record
from spacy_rnn_tagger.formats.registry import by_name
from tests.formats.reading import SPANS, TEXT, converted, lines, spans_of, tags_of, write

TUPLES = [list(span) for span in SPANS]
OBJECTS = [
    {"id": 7 + i, "label": label, "start_offset": start, "end_offset": end}
    for i, (start, end, label) in enumerate(SPANS)
]


@pytest.mark.parametrize(
    "record",
    [
        {"id": 1, "text": TEXT, "label": TUPLES, "Comments": []},
        {"id": 1, "text": TEXT, "labels": TUPLES, "meta": {}, "annotation_approver": None},
        {"id": 1, "text": TEXT, "entities": OBJECTS, "relations": [], "Comments": []},
        {"id": 1, "text": TEXT, "annotations": OBJECTS, "meta": {}},
    ],
)
def test_exports_of_all_versions(tmp_path, record):
    for name, content in [("all.jsonl", lines(record, record)), ("all.json", [record, record])]:
        docs, found = converted(write(tmp_path / name, content))
        assert found.read_as.keys() == {"doccano"}
        assert [spans_of(doc) for doc in docs] == [SPANS, SPANS]
        assert found.agreement is None


def test_relations_and_comments_are_counted(tmp_path):
    relation = {"id": 1, "from_id": 7, "to_id": 8, "type": "in"}
    record = {"id": 1, "text": TEXT, "entities": OBJECTS, "relations": [relation, relation]}
    _, found = converted(write(tmp_path / "a.jsonl", lines(record | {"Comments": ["sure?"]})))
    assert found.ignored == {"relation": 2, "comment": 1}


def test_users_in_one_file(tmp_path):
    by_users = [OBJECTS[0] | {"user": 1}, OBJECTS[1] | {"user": 1}, OBJECTS[1] | {"user": 2}]
    source = write(tmp_path / "a.jsonl", lines({"id": 1, "text": TEXT, "annotations": by_users}))
    [doc], found = converted(source)
    assert tags_of(doc) == "??OOBO"
    assert list(found.agreement.pairs) == [("1", "2")]


def test_a_file_for_each_user(tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    for name, labels in [("ann", TUPLES), ("ben", TUPLES[1:]), ("unknown", [])]:
        number = 2 if name == "unknown" else 1
        write(folder / f"{name}.jsonl", lines({"id": number, "text": TEXT, "label": labels}))
    docs, found = converted(folder)
    assert [tags_of(doc) for doc in docs] == ["??OOBO", "OOOOOO"]
    assert list(found.agreement.pairs) == [("ann", "ben")]


@pytest.mark.parametrize(
    "file,annotator",
    [
        ("ann.jsonl", "ann"),
        ("in/ann.smith.jsonl.gz", "ann.smith"),
        ("ann.jones@example.org.jsonl", "ann.jones@example.org"),
        ("C:\\x\\ann.jsonl", "ann"),
        ("C:\\x\\all.jsonl", None),
        ("s3://x/all.jsonl", None),
        ("https://example.org/in/ann.jsonl?key=a/b.c", "ann"),
    ],
)
def test_a_file_is_named_after_its_user(file, annotator):
    value = {"id": 1, "text": TEXT, "label": TUPLES}
    form = by_name("doccano", Role.ANNOTATED)
    [parsed] = form.parse(value, Reading(annotated=True), "line 1", form.survey(file, [value]))
    assert parsed.annotation.annotator == annotator


@pytest.mark.parametrize(
    "label,message",
    [
        ([[0, 8, 3]], "The label 3 is a number. Export labels as text"),
        (["news", [0, 8, "FAC"]], "'news' is a label of the whole text"),
        ([[0, 8]], "An entity must have start and end.* but got \\[0, 8\\]"),
    ],
)
def test_what_are_no_spans(tmp_path, label, message):
    good = {"id": 1, "text": TEXT, "label": TUPLES}
    source = write(tmp_path / "a.jsonl", lines(good, {"id": 2, "text": TEXT, "label": label}))
    with pytest.raises(AnnotationError, match=f"a.jsonl, line 2: .RNN1... {message}"):
        converted(source)


class TestEmoji:
    """Unless a project counts graphemes, doccano counts as JavaScript does (issue 2290)."""

    TEXT = "👨🏻‍🚒 firemen drive firetrucks"  # of six characters, four of them are pairs
    START = TEXT.index("firetrucks")

    def record(self, start, **more):
        return {"id": 1, "text": self.TEXT, "label": [[start, start + 10, "CAR"]], **more}

    def test_where_both_ways_may_be_meant(self, tmp_path):
        record = {"id": 1, "text": "🎉🎉 x y z", "label": [[5, 6, "X"]]}
        source = write(tmp_path / "a.jsonl", lines(record))
        [doc], found = converted(source)
        assert [ent.text for ent in doc.ents] == ["y"]
        assert "if they count UTF-16, pass --offsets utf-16" in found.notices[0]
        [doc], _ = converted(source, offsets="utf-16")
        assert [ent.text for ent in doc.ents] == ["x"]

    @pytest.mark.parametrize(
        "shift,settings,more",
        [
            (0, {}, {}),
            (3, {}, {}),
            (3, {"offsets": "utf-16"}, {}),
            (0, {"offsets": "characters"}, {}),
            (3, {}, {"offsets": "utf-16"}),  # of our own pre-annotation
        ],
    )
    def test_both_ways_to_count(self, tmp_path, shift, settings, more):
        assert sum(char > "\uffff" for char in self.TEXT) == 3
        source = write(tmp_path / "a.jsonl", lines(self.record(self.START + shift, **more)))
        [doc], found = converted(source, **settings)
        assert spans_of(doc) == [(self.START, self.START + 10, "CAR")]
        assert len(found.notices) == (not settings and not more)

    def test_all_lines_have_the_same_keys(self):
        """doccano makes NaN of what is missing in some, and then refuses the file."""
        form, nlp = by_name("doccano", Role.OUTPUT), spacy.blank("en")
        texts = [self.TEXT, "Nobody.", "\n"]
        rows = [form.row(Record("a", i, text), nlp(text)) for i, text in enumerate(texts)]
        keys = {tuple(json.loads(line)) for line in form.pack(rows).splitlines()}
        assert len(keys) == 1 and "offsets" in keys.pop()
        assert b"null" not in form.pack(rows)

    def test_an_export_of_version_1_8(self, tmp_path):
        """The metadata of our suggestions is beside the labels there."""
        own = {"confidences": [0.9], "source": "a", "record": 1, "meta": {}, "offsets": "utf-16"}
        label = [[self.START + 3, self.START + 13, "CAR"]]
        record = {"id": 19, "text": self.TEXT, **own, "label": label, "Comments": []}
        plain = {"id": 2, "text": TEXT, **own, "label": TUPLES, "Comments": []}
        docs, found = converted(write(tmp_path / "ann.jsonl", lines(plain, record)))
        assert [spans_of(doc) for doc in docs] == [SPANS, [(self.START, self.START + 10, "CAR")]]
        assert not found.notices and not found.ignored
