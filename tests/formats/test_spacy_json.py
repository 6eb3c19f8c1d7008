"""JSON of spaCy v2: its own format, pairs, and objects in an array."""

import json

import pytest
import spacy
from spacy.training import docs_to_json
from spacy.training.converters import json_to_docs

from spacy_rnn_tagger.formats.record import AnnotationError
from tests.formats.reading import SPANS, TEXT, converted, lines, spans_of, tags_of, write


def v2(raw=TEXT, words=("Red", "Fort", "is", "in", "Delhi", "."), tags="B-FAC L-FAC O O U-GPE O"):
    tokens = [
        {"id": i, "orth": word, "ner": tag, "tag": "X", "head": 0, "dep": "ROOT"}
        for i, (word, tag) in enumerate(zip(words, tags.split(), strict=True))
    ]
    paragraph = {"sentences": [{"tokens": tokens, "brackets": []}], "cats": []}
    return {"id": 0, "paragraphs": [paragraph | ({"raw": raw} if raw else {})]}


def test_paragraphs(tmp_path):
    for content in ([v2(), v2(None)], lines(v2(), v2(None))):
        docs, found = converted(write(tmp_path / "a.json", content))
        assert found.read_as.keys() == {"spacy-json"}
        assert docs[0].text == TEXT and spans_of(docs[0]) == SPANS
        assert docs[1].has_unknown_spaces
        assert [(ent.text, ent.label_) for ent in docs[1].ents] == [
            ("Red Fort", "FAC"),
            ("Delhi", "GPE"),
        ]
        assert list(map(tags_of, docs)) == ["BIOOBO"] * 2


def test_as_spacy_itself_writes_and_reads_it(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    docs = [nlp(text) for text in (TEXT, "Delhi.  Red Fort\nis in Delhi again. ")]
    docs[0].set_ents([docs[0].char_span(*span[:2], label=span[2]) for span in SPANS])
    late = [docs[1].char_span(0, 5, label="GPE"), docs[1].char_span(8, 16, label="FAC")]
    docs[1].set_ents(late, default="outside")  # behind two spaces
    content = [docs_to_json(docs, 0)]
    ours, _ = converted(write(tmp_path / "a.json", content))
    theirs = list(json_to_docs(json.dumps(content)))
    for doc, own, other in zip(docs, ours, theirs, strict=True):
        assert own.text == doc.text == other.text
        assert spans_of(own) == spans_of(doc) == spans_of(other)


def test_tokens_without_tags_are_missing(tmp_path):
    [doc], _ = converted(write(tmp_path / "a.json", [v2(tags="B-FAC L-FAC - O U-GPE -")]))
    assert tags_of(doc) == "BI?OB?"
    document = v2()
    for token in document["paragraphs"][0]["sentences"][0]["tokens"]:
        del token["ner"]
    docs, found = converted(write(tmp_path / "a.json", [document, v2()]))
    assert len(docs) == 1 and found.left_out == {"not annotated": 1}


def test_training_data_of_its_examples(tmp_path):
    pairs = [[TEXT, {"entities": SPANS}], ["Nobody came.", {"entities": [], "cats": {"x": 1.0}}]]
    for name, content in [("a.json", pairs), ("a.jsonl", lines(*pairs)), ("a.json", pairs[0])]:
        docs, found = converted(write(tmp_path / name, content))
        assert found.read_as.keys() == {"spacy-json"}
        assert spans_of(docs[0]) == SPANS
    _, found = converted(write(tmp_path / "a.json", pairs))
    assert found.ignored == {"'cats' of a text": 1}


def test_objects_in_an_array(tmp_path):
    rows = [
        {"text": TEXT, "entities": SPANS},
        {"text": TEXT, "spans": [], "answer": "reject"},
        {"text": TEXT, "spans": [dict(zip(("start", "end", "label"), SPANS[0], strict=True))]},
    ]
    docs, found = converted(write(tmp_path / "a.json", rows))
    assert list(map(spans_of, docs)) == [SPANS, SPANS[:1]]
    assert found.left_out == {"reject": 1}


@pytest.mark.parametrize(
    "content,message",
    [
        ([v2(tags="B-FAC L-FAC O O X O")], "record 1, paragraph 1: .* 'X' is not a tag"),
        (
            [v2(), v2(raw="Other words.")],
            "record 2, paragraph 1: .* The tokens don't make up 'raw'",
        ),
        ([v2(), {"paragraphs": [{"sentences": [{"tokens": [{"ner": "O"}]}]}]}], "must have 'orth'"),
        ([v2(), {"paragraphs": 3}], "record 2: .* 'paragraphs' must be a list of objects"),
        ([v2(), {"paragraphs": [{}]}], "must have sentences with tokens"),
        (
            [[TEXT, {"entities": []}], [TEXT, {"entities": 3}]],
            "record 2: .* 'entities' must be a",
        ),
        ([[TEXT, {"entities": [[0, 8.0, "FAC"]]}]], r"record 1: .* but got \[0, 8.0, 'FAC'\]"),
        ([[TEXT, {"entities": []}], 3], "record 2: .* A record must be"),
    ],
)
def test_what_is_wrong(tmp_path, content, message):
    with pytest.raises(AnnotationError, match=message):
        converted(write(tmp_path / "a.json", content))


def test_whitespace_that_is_no_token(tmp_path):
    """Version 2 left whitespace to the text; version 3 has tokens of it."""
    raw = "Red Fort  is in\n\nDelhi."
    [doc], _ = converted(write(tmp_path / "a.json", [v2(raw)]))
    assert doc.text == raw
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Red Fort", "FAC"), ("Delhi", "GPE")]
