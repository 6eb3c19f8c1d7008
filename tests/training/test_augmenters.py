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
