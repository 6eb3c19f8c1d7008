"""Prodigy's answers: yes, no or ignored, about a text or about a span, of several people."""

import pytest
import spacy
from spacy.training import Example

from spacy_rnn_tagger.formats.record import AnnotationError
from tests.formats.reading import SPANS, TEXT, converted, lines, spans_of, tags_of, write

OBJECTS = [
    {"start": a, "end": b, "label": label, "token_start": 0, "token_end": 1, "input_hash": 3}
    for a, b, label in SPANS
]


def answer(spans, given="accept", **more):
    return {
        "text": TEXT,
        "_input_hash": -1234,
        "_task_hash": 99,
        "tokens": [{"text": "Red", "start": 0, "end": 3, "id": 0, "ws": True}],
        "_view_id": "ner_manual",
        "spans": spans,
        "answer": given,
        "_timestamp": 1700000000,
        **more,
    }


def binary(span, given, **more):
    return answer([span], given, _is_binary=True, _view_id="ner", **more)


def test_answers(tmp_path):
    source = write(
        tmp_path / "a.jsonl",
        lines(answer(OBJECTS), answer(OBJECTS, "reject"), answer([], "ignore"), answer([])),
    )
    docs, found = converted(source)
    assert found.read_as.keys() == {"prodigy"}
    assert [spans_of(doc) for doc in docs] == [SPANS, []]
    assert found.left_out == {"reject": 1, "ignore": 1}


def test_rejected_spans_are_kept_where_a_group_is_named(tmp_path):
    own = [OBJECTS[0] | {"answer": "reject", "label": "ORG"}, OBJECTS[1] | {"answer": "accept"}]
    source = write(
        tmp_path / "a.jsonl",
        lines(binary(OBJECTS[0], "accept"), binary(OBJECTS[1], "reject"), answer(own)),
    )
    docs, found = converted(source)
    assert [tags_of(doc) for doc in docs] == ["BI????", "??OOBO"]
    assert found.left_out == {"reject": 1} and found.rejected == 0
    assert not any(doc.spans for doc in docs)
    docs, found = converted(source, incorrect_spans_key="wrong")
    assert [tags_of(doc) for doc in docs] == ["BI????", "??????", "??OOBO"]
    wrong = [[(s.text, s.label_) for s in doc.spans.get("wrong", ())] for doc in docs]
    assert wrong == [[], [("Delhi", "GPE")], [("Red Fort", "ORG")]]
    assert found.left_out == {} and found.rejected == 2
    assert ", 2 rejected spans" in str(found)


def test_the_component_learns_from_them(tmp_path):
    """The group is what `incorrect_spans_key` reads."""
    source = write(tmp_path / "a.jsonl", lines(binary(OBJECTS[1], "reject")))
    [doc], _ = converted(source, incorrect_spans_key="wrong", allow_empty=False)
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("rnn_ner", config={"incorrect_spans_key": "wrong"})
    pipe.add_label("GPE")
    example = Example(nlp.make_doc(TEXT), doc)
    nlp.initialize()
    losses = nlp.update([example], losses={})
    assert losses["rnn_ner"] > 0


@pytest.mark.parametrize(
    "record",
    [
        answer(OBJECTS, "reject"),  # of all spans of a manual interface: which is wrong?
        answer(OBJECTS, "reject", _is_binary=True),  # two spans at once
        answer([], "ignore", _is_binary=True),
    ],
)
def test_what_says_nothing_about_a_span_is_left_out(tmp_path, record):
    source = write(tmp_path / "a.jsonl", lines(record, answer(OBJECTS)))
    docs, found = converted(source, incorrect_spans_key="wrong")
    assert len(docs) == 1 and found.left_out == {record["answer"]: 1}


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
@pytest.mark.parametrize("spans", [None, "absent"])
def test_spans_may_be_absent_if_there_are_none(tmp_path, suffix, spans):
    """One per line, whatever the file is called."""
    bare = answer(None, "accept")
    if spans == "absent":
        del bare["spans"]
    source = write(tmp_path / f"a.{suffix}", lines(bare, answer(OBJECTS), bare | {"answer": "no"}))
    docs, found = converted(source)
    assert found.read_as.keys() == {"prodigy" if suffix == "jsonl" else "spacy-json"}
    assert [tags_of(doc) for doc in docs] == ["OOOOOO", "BIOOBO"]
    assert found.left_out == {"no": 1}


@pytest.mark.parametrize(
    "more,readable",
    [
        ({"_view_id": "classification", "label": "NEWS"}, False),
        ({"_view_id": "choice", "options": [{"id": 1}], "accept": [1]}, False),
        ({"_view_id": "ner_manual", "label": "NEWS"}, True),  # of the file that was annotated
        ({"_view_id": "blocks"}, True),
        ({"spans": 3}, False),
    ],
)
def test_answers_to_other_questions_say_nothing_about_spans(tmp_path, more, readable):
    bare = answer(None)
    del bare["spans"]
    source = write(tmp_path / "a.jsonl", lines(answer(OBJECTS), bare | more))
    if readable:
        assert [tags_of(doc) for doc in converted(source)[0]] == ["BIOOBO", "OOOOOO"]
    else:
        with pytest.raises(AnnotationError, match="line 2: .RNN117. A record must have a list"):
            converted(source)


@pytest.mark.parametrize(
    "more,tags,rejected",
    [
        ({"_view_id": "ner"}, "BI????", 1),  # before Prodigy wrote the key
        ({"_view_id": "ner", "_is_binary": True}, "BI????", 1),
        ({"_view_id": "ner_manual", "_is_binary": True}, "BI????", 1),
        ({"_view_id": "ner", "_is_binary": False}, "BIOOOO", 0),
        ({"_view_id": "ner_manual"}, "BIOOOO", 0),
        ({"_view_id": None}, "BIOOOO", 0),
    ],
)
def test_acceptance_and_rejection_agree_on_what_was_asked(tmp_path, more, tags, rejected):
    both = [answer(OBJECTS[:1], given, **more) for given in ("accept", "reject")]
    docs, found = converted(write(tmp_path / "a.jsonl", lines(*both)), incorrect_spans_key="wrong")
    assert tags_of(docs[0]) == tags
    assert (found.rejected, found.left_out) == (rejected, {} if rejected else {"reject": 1})


def test_a_rejected_span_that_is_accepted_too_is_no_error_later(tmp_path):
    own = [OBJECTS[0], OBJECTS[0] | {"answer": "reject"}]
    [doc], found = converted(
        write(tmp_path / "a.jsonl", lines(answer(own))), incorrect_spans_key="wrong"
    )
    assert not doc.spans and spans_of(doc) == [SPANS[0]]
    assert "rejected 'Red Fort' (FAC, characters 0 to 8) is accepted as well" in found.notices[0]


def test_several_annotators(tmp_path):
    source = write(
        tmp_path / "a.jsonl",
        lines(
            answer(OBJECTS, _annotator_id="news-ann", _session_id="news-ann"),
            answer(OBJECTS[1:], _annotator_id="news-ben", _session_id="news-ben"),
        ),
    )
    [doc], found = converted(source)
    assert tags_of(doc) == "??OOBO"
    assert list(found.agreement.pairs) == [("news-ann", "news-ben")]


def test_spans_that_one_annotator_was_asked_alone_are_one_voice(tmp_path):
    rows = [
        *(binary(each, "accept", _annotator_id="ann") for each in OBJECTS),
        *(binary(each, "accept", _annotator_id="ben") for each in OBJECTS),
    ]
    [doc], found = converted(write(tmp_path / "a.jsonl", lines(*rows)))
    assert tags_of(doc) == "BI??B?"
    assert found.agreement.pairs["ann", "ben"].spans == 4 and found.agreement.f == 1


def test_one_annotator_again_is_another_doc_as_ever(tmp_path):
    rows = [binary(each, "accept", _annotator_id="ann") for each in OBJECTS]
    docs, _ = converted(write(tmp_path / "a.jsonl", lines(*rows)))
    assert [tags_of(doc) for doc in docs] == ["BI????", "????B?"]
    [doc], _ = converted(write(tmp_path / "a.jsonl", lines(*rows)), resolve="missing")
    assert tags_of(doc) == "BI??B?"


@pytest.mark.parametrize("how", ["missing", "first", "majority", "union"])
def test_no_answer_of_one_annotator_is_dropped(tmp_path, how):
    rows = [binary(each, "accept", _annotator_id="ann") for each in OBJECTS]
    for own in (rows, [row | {"_annotator_id": None} for row in rows]):
        [doc], found = converted(write(tmp_path / "a.jsonl", lines(*own)), resolve=how)
        assert tags_of(doc) == "BI??B?" and not found.notices


@pytest.mark.parametrize("how,tags", [(None, "OOOO?O"), ("majority", "OOOOBO")])
def test_a_text_that_one_annotated_again(tmp_path, how, tags):
    rows = [
        answer(OBJECTS[1:] * n, _annotator_id=name) for name, n in [("a", 0), ("a", 1), ("b", 1)]
    ]
    [doc], found = converted(write(tmp_path / "a.jsonl", lines(*rows)), resolve=how)
    assert tags_of(doc) == tags
    [notice] = found.notices
    assert "line 1: 'Delhi' (GPE) by a (2), b, not by a: " in notice
