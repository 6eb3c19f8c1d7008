"""Label Studio's exports: JSON, JSON-MIN, and a task a line."""

import xml.etree.ElementTree as ET

import pytest

from spacy_rnn_tagger.formats.base import Role
from spacy_rnn_tagger.formats.record import AnnotationError
from spacy_rnn_tagger.formats.registry import by_name
from tests.formats.reading import SPANS, TEXT, converted, lines, spans_of, tags_of, write


def region(start, end, label, text=TEXT, **more):
    """A region as Label Studio 1.13 exports it."""
    return {
        "value": {"start": start, "end": end, "text": text[start:end], "labels": [label]},
        "id": f"r{start}",
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "origin": "manual",
        **more,
    }


def annotation(*regions, by=1, **more):
    return {
        "id": 10 + by,
        "completed_by": by,
        "result": list(regions),
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2024-05-01T10:00:00.000000Z",
        "updated_at": "2024-05-01T10:00:00.000000Z",
        "draft_created_at": None,
        "lead_time": 5.1,
        "prediction": {},
        "result_count": 0,
        "task": 1,
        **more,
    }


def annotation_by(by, *regions):
    return annotation(*regions) | {"completed_by": by}


def task(*annotations, number=1, **data):
    return {
        "id": number,
        "annotations": list(annotations),
        "file_upload": "a1b2-texts.txt",
        "drafts": [],
        "predictions": [],
        "data": data or {"text": TEXT},
        "meta": {},
        "project": 3,
        "inner_id": number,
        "total_annotations": len(annotations),
        "cancelled_annotations": 0,
    }


BOTH = [region(*span) for span in SPANS]


def minimal(number=1, by=1, label=None, **more):
    """An annotation as JSON-MIN has it."""
    own = {"text": TEXT, "id": number}
    if label is not None:
        own["label"] = label
    return own | {
        "annotator": by,
        "annotation_id": 10 * number + by,
        "created_at": "2024-05-01T10:00:00.000000Z",
        "updated_at": "2024-05-01T10:00:00.000000Z",
        "lead_time": 5.1,
        **more,
    }


@pytest.mark.parametrize(
    "name,content",
    [
        ("a.json", [task(annotation(*BOTH))]),
        ("a.json", [{**task(), "annotations": None, "completions": [annotation(*BOTH)]}]),
        ("a.jsonl", lines(task(annotation(*BOTH)), task(annotation(), text="Nobody.", number=2))),
        ("export", [task(annotation(*BOTH))]),
        ("a.json", task(annotation(*BOTH))),
        ("a.json", [minimal(label=[each["value"] for each in BOTH])]),
        ("a.jsonl", lines(minimal(label=[each["value"] for each in BOTH]), minimal(2))),
    ],
)
def test_exports(tmp_path, name, content):
    if isinstance(content, list) and "completions" in content[0]:
        del content[0]["annotations"]
    docs, found = converted(write(tmp_path / name, content))
    assert found.read_as.keys() == {"label-studio"}
    assert (docs[0].text, spans_of(docs[0])) == (TEXT, SPANS)
    assert [spans_of(doc) for doc in docs[1:]] == [[]] * (len(docs) - 1)
    assert "?" not in "".join(map(tags_of, docs))


def test_what_is_not_submitted_is_no_annotation(tmp_path):
    suggested = {**task(), "predictions": [{"model_version": "m", "result": BOTH, "score": 0.3}]}
    del suggested["annotations"]
    tasks = [
        task(annotation(region(0, 8, "X"), was_cancelled=True), annotation(*BOTH, by=2)),
        task(annotation(was_cancelled=True), number=2),
        task(number=3),
        suggested,
    ]
    docs, found = converted(write(tmp_path / "a.json", tasks))
    assert [spans_of(doc) for doc in docs] == [SPANS]
    assert found.left_out == {"cancelled": 2, "not annotated": 2}


def test_other_results_are_counted(tmp_path):
    other = [
        {"type": "choices", "from_name": "tone", "to_name": "text", "value": {"choices": ["dry"]}},
        {"type": "relation", "from_id": "r0", "to_id": "r15", "direction": "right"},
        {"type": "relation", "from_id": "r15", "to_id": "r0", "direction": "right"},
    ]
    _, found = converted(write(tmp_path / "a.json", [task(annotation(*BOTH, *other))]))
    assert found.ignored == {
        "Label Studio results of type 'choices'": 1,
        "Label Studio results of type 'relation'": 2,
    }


def test_a_region_without_a_label_is_missing(tmp_path):
    bare = region(0, 8, "FAC")
    del bare["value"]["labels"]
    [doc], found = converted(
        write(tmp_path / "a.json", [task(annotation(bare, region(15, 20, "GPE")))])
    )
    assert tags_of(doc) == "??OOBO"
    [notice] = found.notices
    assert "a.json, record 1: a region without a label, 'Red Fort'" in notice


class TestTextsUnderAnyKey:
    @pytest.mark.parametrize(
        "data,more",
        [
            ({"body": TEXT, "title": "News"}, {"to_name": "body"}),
            ({"body": TEXT, "title": "News"}, {"to_name": "t", "source": "$body"}),
            ({"body": TEXT, "number": 3}, {"to_name": "t"}),
            ({"text": TEXT, "title": "News"}, {"to_name": "t"}),
            ({"body": TEXT, "title": "News"}, {"to_name": "t"}),  # by what regions quote
        ],
    )
    def test_they_are_found(self, tmp_path, data, more):
        regions = [region(*span, **more) for span in SPANS]
        [doc], _ = converted(write(tmp_path / "a.json", [task(annotation(*regions), **data)]))
        assert (doc.text, spans_of(doc)) == (TEXT, SPANS)

    def test_tasks_without_regions_follow_the_others(self, tmp_path):
        data = {"body": TEXT, "title": "News"}
        regions = [region(*span, to_name="body") for span in SPANS]
        tasks = [task(annotation(), number=1, **data), task(annotation(*regions), number=2, **data)]
        docs, _ = converted(write(tmp_path / "a.json", tasks))
        assert [doc.text for doc in docs] == [TEXT, TEXT]
        del tasks[1]
        with pytest.raises(AnnotationError, match="--text-column.* 'body', 'title'"):
            converted(write(tmp_path / "a.json", tasks))
        [doc], _ = converted(write(tmp_path / "a.json", tasks), text_column="body")
        assert doc.text == TEXT

    def test_two_texts_of_a_task_are_two_docs(self, tmp_path):
        data = {"title": "Delhi today", "body": TEXT}
        regions = [region(0, 5, "GPE", "Delhi today", to_name="title")]
        regions += [region(*span, to_name="body") for span in SPANS]
        docs, _ = converted(write(tmp_path / "a.json", [task(annotation(*regions), **data)]))
        assert [(doc.text, spans_of(doc)) for doc in docs] == [
            ("Delhi today", [(0, 5, "GPE")]),
            (TEXT, SPANS),
        ]

    def test_a_text_without_a_region_is_annotated_too(self, tmp_path):
        data = {"title": "Delhi today", "body": TEXT, "url": "x.org"}
        title = region(0, 5, "GPE", "Delhi today", to_name="title")
        body = [region(*span, to_name="body") for span in SPANS]
        tasks = [task(annotation_by(1, title), annotation_by(2, *body), **data)]
        docs, found = converted(write(tmp_path / "a.json", tasks))
        assert [doc.text for doc in docs] == ["Delhi today", TEXT]
        assert [tags_of(doc) for doc in docs] == ["?O", "??OO?O"]
        assert found.agreement.texts == 2


@pytest.mark.parametrize(
    "value",
    [
        {"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": 0, "endOffset": 8},
        {"start": "0", "end": "0", "startOffset": 0, "endOffset": 8},
    ],
)
def test_hypertext_is_refused(tmp_path, value):
    html = region(0, 8, "FAC") | {"value": value | {"labels": ["FAC"]}}
    with pytest.raises(AnnotationError, match="record 1: .*offsets don't refer to a text"):
        converted(write(tmp_path / "a.json", [task(annotation(html))]))
    html["type"] = "hypertextlabels"
    with pytest.raises(AnnotationError, match="Annotation of <HyperText>"):
        converted(write(tmp_path / "a.json", [task(annotation(html))]))


class TestEmoji:
    TEXT = "🎉🎉 in Delhi"

    def test_what_the_export_quotes_tells_how_it_counts(self, tmp_path):
        new = region(6, 11, "GPE", self.TEXT)
        old = new | {"value": new["value"] | {"start": 8, "end": 13}}
        tasks = [
            task(annotation(each), number=i, text=self.TEXT) for i, each in enumerate((new, old))
        ]
        docs, found = converted(write(tmp_path / "a.json", tasks))
        assert [spans_of(doc) for doc in docs] == [[(6, 11, "GPE")]] * 2
        [notice] = found.notices
        assert "record 2: 'Delhi' has offsets in UTF-16" in notice

    def test_or_the_user(self, tmp_path):
        old = region(8, 13, "GPE", self.TEXT)
        del old["value"]["text"]
        source = write(tmp_path / "a.json", [task(annotation(old), text=self.TEXT)])
        [doc], _ = converted(source, offsets="utf-16")
        assert spans_of(doc) == [(6, 11, "GPE")]
        with pytest.raises(AnnotationError, match="not within the text"):
            converted(source)

    def test_a_quote_that_fits_nothing_is_reported(self, tmp_path):
        odd = region(0, 8, "FAC")
        odd["value"]["text"] = "Taj Mahal"
        _, found = converted(write(tmp_path / "a.json", [task(annotation(odd))]))
        assert "the export says 'Taj Mahal', but its offsets mean 'Red Fort'" in found.notices[0]


def test_several_annotators_of_a_task(tmp_path):
    email = {"id": 2, "email": "ben@example.org", "first_name": "", "last_name": ""}
    tasks = [task(annotation_by(1, *BOTH), annotation_by(email, BOTH[1], region(0, 8, "LOC")))]
    [doc], found = converted(write(tmp_path / "a.json", tasks))
    assert tags_of(doc) == "??OOBO"
    assert [line.split("record 1: ")[1] for line in found.notices] == [
        "'Red Fort' (FAC) by 1, not by ben@example.org: left missing",
        "'Red Fort' (LOC) by ben@example.org, not by 1: left missing",
    ]


def test_several_annotators_in_json_min(tmp_path):
    values = [each["value"] for each in BOTH]
    rows = [minimal(1, 1, values), minimal(1, 2, values[1:]), minimal(2, 1, values)]
    docs, found = converted(write(tmp_path / "a.json", rows))
    assert [tags_of(doc) for doc in docs] == ["??OOBO", "BIOOBO"]
    assert found.agreement.texts == 1


def test_who_annotates_a_task_twice_counts_twice(tmp_path):
    values = [each["value"] for each in BOTH]
    tasks = [task(annotation_by(1, *BOTH), annotation_by(1, BOTH[0]))]
    rows = [minimal(1, 1, values), minimal(1, 1, values[:1])]
    for content in (tasks, rows):
        [doc], found = converted(write(tmp_path / "a.json", content))
        assert tags_of(doc) == "BIOO?O"
        assert list(found.agreement.pairs) == [("1", "1 (2)")]


def test_the_same_text_in_two_tasks_can_be_resolved(tmp_path):
    """Each was annotated twice, by one and the same."""
    tasks = [task(annotation_by(1, *BOTH), annotation_by(1, *BOTH[:n]), number=n) for n in (1, 2)]
    [doc], found = converted(write(tmp_path / "a.json", tasks), resolve="missing")
    assert tags_of(doc) == "BIOO?O"
    assert "'Delhi' (GPE) by 1, 1 (3), 1 (4), not by 1 (2): left missing" in found.notices[0]


def test_the_same_export_twice_stays_two_docs(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.json", "b.json"):
        write(folder / name, [task(annotation_by(1, *BOTH))])
    docs, found = converted(folder)
    assert len(docs) == 2 and found.agreement is None


def test_the_same_text_in_two_tasks_stays_two_docs(tmp_path):
    tasks = [task(annotation_by(by, *BOTH), number=by) for by in (1, 2)]
    docs, found = converted(write(tmp_path / "a.json", tasks))
    assert len(docs) == 2 and found.agreement is None


@pytest.mark.parametrize("labels", [["FAC", "GPE"], []])
def test_a_configuration_has_a_label(labels):
    """Label Studio refuses one without; from raw text, `select` knows none."""
    [content] = by_name("label-studio", Role.OUTPUT).extras(labels).values()
    view = ET.fromstring(content)
    assert [label.get("value") for label in view.iter("Label")] == (labels or ["LABEL"])


def test_an_export_of_version_1_23(tmp_path):
    """An annotation of a suggestion that a person took over and added to, as it was exported."""
    text = "\N{PARTY POPPER}\N{PARTY POPPER} We are in Lima with the brigade."
    shared = {"from_name": "label", "to_name": "text", "type": "labels"}
    suggested = region(13, 17, "GPE", text) | shared | {"origin": "prediction", "score": 0.997599}
    added = region(27, 34, "FAC", text) | shared | {"origin": "manual"}
    exported = annotation(suggested, added, last_action=None, parent_prediction=19)
    prediction = {"id": 19, "model_version": "en_places-1", "score": 0.6, "result": [suggested]}
    data = {"text": text, "source": "texts.jsonl", "record": 19, "meta": {"id": 18}}
    tasks = [task(exported, **data) | {"predictions": [prediction]}]
    [doc], found = converted(write(tmp_path / "a.json", tasks))
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Lima", "GPE"), ("brigade", "FAC")]
    assert not found.notices and not found.ignored
