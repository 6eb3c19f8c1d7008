"""The augmenter that swaps names."""

import gzip

import pytest
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_rnn_tagger.formats.corpus import line_to_doc
from spacy_rnn_tagger.training.augmenters import create_entity_swap_v1


@pytest.fixture
def names(tmp_path):
    (tmp_path / "gpe.txt").write_text("Côte d'Ivoire\n\n", encoding="utf-8")
    return {"GPE": str(tmp_path / "gpe.txt")}


def swapped(nlp, names, line):
    reference = line_to_doc(nlp, line)
    example = Example(nlp.make_doc(reference.text), reference)
    [result] = create_entity_swap_v1(names, level=1.0, per_entity=1.0)(nlp, example)
    assert result.predicted.text == result.reference.text
    assert [token.text for token in result.predicted] == [token.text for token in result.reference]
    assert [token.text for token in nlp.make_doc(result.reference.text)] == [
        token.text for token in result.reference
    ]
    return result.reference


@pytest.mark.parametrize(
    "line,text",
    [
        ("[Oslo](GPE), [Norway](GPE)!", "Côte d'Ivoire, Côte d'Ivoire!"),
        ("[OSLO](GPE) WINS", "CÔTE D'IVOIRE WINS"),
        ("in [oslo](GPE)", "in côte d'ivoire"),
        ("the [US](GPE) of old", "the Côte d'Ivoire of old"),
    ],
)
def test_names_take_the_place_and_writing_of_mentions(nlp, names, line, text):
    doc = swapped(nlp, names, line)
    assert doc.text == text
    assert {ent.text.casefold() for ent in doc.ents} == {"côte d'ivoire"}
    assert {ent.label_ for ent in doc.ents} == {"GPE"}


def test_labels_without_names_keep_their_mentions(nlp, names):
    doc = swapped(nlp, names, "The [Red Fort](FAC) is in [Delhi](GPE), [Amy Lee](PERSON) says.")
    assert [(ent.text, ent.label_) for ent in doc.ents] == [
        ("Red Fort", "FAC"),
        ("Côte d'Ivoire", "GPE"),
        ("Amy Lee", "PERSON"),
    ]


def test_missing_annotation_stays_missing(nlp, names):
    reference = Doc(nlp.vocab, words=["Oslo", "may", "be", "cold"])
    reference.set_ents([Span(reference, 0, 1, "GPE")], missing=[reference[2:3]])
    example = Example(nlp.make_doc(reference.text), reference)
    [result] = create_entity_swap_v1(names, level=1.0, per_entity=1.0)(nlp, example)
    assert result.get_aligned_ner()[-3:] == ["O", None, "O"]


def test_blocked_tokens_stay_blocked(nlp, names):
    """They count as missing; outside would be annotation that nobody made."""
    reference = Doc(nlp.vocab, words=["Oslo", "may", "be", "cold"])
    reference.set_ents([Span(reference, 0, 1, "GPE")], blocked=[reference[2:3]])
    example = Example(nlp.make_doc(reference.text), reference)
    [result] = create_entity_swap_v1(names, level=1.0, per_entity=1.0)(nlp, example)
    assert [token.ent_iob_ for token in result.reference][-3:] == ["O", "B", "O"]
    assert result.get_aligned_ner()[-3:] == example.get_aligned_ner()[-3:]


@pytest.mark.parametrize(
    "starts,expected",
    [
        (None, [None] * 5),
        ([True, False, True, False], [True, False, True, False, False]),
        ([True, None, True, None], [True, None, True, None, None]),
    ],
)
def test_sentence_starts(nlp, names, starts, expected):
    words, ents = ["Snow", ".", "Oslo", "froze"], ["O", "O", "B-GPE", "O"]
    reference = Doc(nlp.vocab, words=words, sent_starts=starts, ents=ents)
    example = Example(nlp.make_doc(reference.text), reference)
    [result] = create_entity_swap_v1(names, level=1.0, per_entity=1.0)(nlp, example)
    doc = result.reference
    assert [token.text for token in doc] == ["Snow", ".", "Côte", "d'Ivoire", "froze"]
    assert [token.is_sent_start for token in doc][1:] == expected[1:]
    assert doc.has_annotation("SENT_START") == (starts is not None)
    assert result.get_aligned_sent_starts() == [
        None if starts is None else start is True for start in expected
    ]


def test_sentence_starts_of_a_single_token(nlp, names):
    doc = swapped(nlp, names, "[Oslo](GPE)")
    assert len(doc) == 2 and not doc.has_annotation("SENT_START")


def test_span_groups(nlp, names):
    words = ["not", "Ada", "in", "New", "York", "or", "Red", "Fort"]
    reference = Doc(nlp.vocab, words=words)
    reference.ents = [
        Span(reference, 3, 5, "GPE", kb_id="Q60", span_id="city"),
        Span(reference, 6, 8, "FAC", kb_id="Q45957", span_id="fort"),
    ]
    reference.spans["wrong"] = [
        Span(reference, 0, 2, "PERSON", kb_id="Q7259", span_id="ada"),
        Span(reference, 2, 4, "GPE"),  # ends within a mention that is replaced
        Span(reference, 4, 5, "GPE"),
        Span(reference, 3, 5, "FAC", kb_id="Q60"),
        Span(reference, 2, 7, "O", span_id="x"),
        Span(reference, 6, 7, "FAC"),
    ]
    reference.spans["wrong"].attrs["scores"] = [0.1] * 6
    reference.spans["none"] = []
    example = Example(nlp.make_doc(reference.text), reference)
    [result] = create_entity_swap_v1(names, level=1.0, per_entity=1.0)(nlp, example)
    doc = result.reference
    assert [(e.text, e.label_, e.kb_id_, e.id_) for e in doc.ents] == [
        ("Côte d'Ivoire", "GPE", "", ""),
        ("Red Fort", "FAC", "Q45957", "fort"),
    ]
    assert [(s.text, s.label_, s.kb_id_, s.id_) for s in doc.spans["wrong"]] == [
        ("not Ada", "PERSON", "Q7259", "ada"),
        ("Côte d'Ivoire", "FAC", "", ""),
        ("in Côte d'Ivoire or Red", "O", "", ""),
        ("Red", "FAC", "", ""),
    ]
    assert not doc.spans["wrong"].attrs and len(doc.spans["none"]) == 0


def test_incorrect_spans_teach(nlp, names):
    """A doc that was changed taught nothing of them."""
    pipe = nlp.add_pipe("rnn_ner", config={"incorrect_spans_key": "wrong"})
    for label in ("GPE", "PERSON"):
        pipe.add_label(label)
    nlp.initialize()
    reference = line_to_doc(nlp, "[Oslo](GPE) saw [Ada](?)")
    example = Example(nlp.make_doc(reference.text), reference)
    losses = []
    for spans in ([], [Span(reference, 2, 3, "PERSON")]):
        reference.spans["wrong"] = spans
        [result] = create_entity_swap_v1(names, level=1.0, per_entity=1.0)(nlp, example)
        losses.append(pipe.get_loss([result], pipe.model.predict([result.x]))[0])
    assert losses[1] > losses[0] + 0.01


def test_shares(nlp, names):
    reference = line_to_doc(nlp, "[Oslo](GPE) is cold.")
    example = Example(nlp.make_doc(reference.text), reference)
    for level, per_entity, share in ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.5, 0.5, 0.25)):
        augment = create_entity_swap_v1(names, level=level, per_entity=per_entity)
        results = [next(augment(nlp, example)) for _ in range(1000)]
        changed = sum(result is not example for result in results) / len(results)
        assert changed == pytest.approx(share, abs=0.06)


def test_names_as_editors_write_them(nlp, tmp_path):
    """Without the byte-order mark, a name a line: not where Unicode would break one."""
    content = "\ufeffCôte\u2028d'Ivoire\r\n".encode()
    (tmp_path / "GPE.TXT.GZ").write_bytes(gzip.compress(content))
    doc = swapped(nlp, {"GPE": str(tmp_path / "GPE.TXT.GZ")}, "in [Oslo](GPE)")
    assert doc.text == "in Côte\u2028d'Ivoire"
    (tmp_path / "latin.txt").write_bytes("Oslo\nCôte".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.txt, line 2: not UTF-8"):
        create_entity_swap_v1({"GPE": str(tmp_path / "latin.txt")})


def test_bad_settings_are_errors(names, tmp_path):
    with pytest.raises(ValueError, match="level must be a number from 0 to 1, but got 2"):
        create_entity_swap_v1(names, level=2)
    with pytest.raises(FileNotFoundError, match="missing.txt with names for the label 'FAC'"):
        create_entity_swap_v1({"FAC": str(tmp_path / "missing.txt")})
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ValueError, match="is empty"):
        create_entity_swap_v1({"FAC": str(tmp_path / "empty.txt")})
