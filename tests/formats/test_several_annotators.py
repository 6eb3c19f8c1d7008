"""Several annotations of one text: agreement, and what becomes of disagreement."""

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn_tagger.formats.agreement import Agreement, Pair
from spacy_rnn_tagger.formats.findings import Annotated
from spacy_rnn_tagger.formats.resolving import RESOLVE, Resolver
from tests.formats.reading import converted, tags_of, write

VOCAB = spacy.blank("en").vocab
WORDS = ["a", "b", "c", "d", "e", "f"]


def doc_of(tags, labels="X"):
    """Build a doc from B, I, O and "?", its entities labelled in their order."""
    doc = spacy.tokens.Doc(VOCAB, words=WORDS[: len(tags)])
    spans, names = [], iter(labels * len(tags))
    for i, tag in enumerate(tags):
        if tag == "B":
            end = i + 1
            while end < len(tags) and tags[end] == "I":
                end += 1
            spans.append(spacy.tokens.Span(doc, i, end, label=next(names)))
    outside = [doc[i : i + 1] for i, tag in enumerate(tags) if tag == "O"]
    doc.set_ents(spans, outside=outside, default="missing")
    assert tags_of(doc) == tags
    return doc


def resolved(how, *docs, names="abcdef"):
    resolver = Resolver(how)
    found = [
        Annotated(doc, f"f, record {i}", "f", name, "task 1")
        for i, (doc, name) in enumerate(zip(docs, names, strict=False))
    ]
    [doc] = resolver(found)
    return doc, resolver


@pytest.mark.parametrize(
    "how,expected",
    [
        ("missing", "?????O"),
        ("first", "BIOOBO"),
        ("majority", "BIO??O"),
        ("union", "BIBIBO"),  # of two spans with as many votes, the longer and earlier one
    ],
)
def test_ways_to_resolve(how, expected):
    docs = [doc_of("BIOOBO"), doc_of("BIOBIO"), doc_of("OOBIOO")]
    doc, _ = resolved(how, *docs)
    assert tags_of(doc) == expected


def test_what_all_say_stays_and_labels_count():
    doc, resolver = resolved(None, doc_of("BIOBO", "XY"), doc_of("BIOBO", "XZ"))
    assert tags_of(doc) == "BIO?O"
    assert resolver.agreement.texts == resolver.agreement.disagreed == 1
    assert resolver.notices == [
        "f, record 0: 'd' (Y) by a, not by b: left missing",
        "f, record 0: 'd' (Z) by b, not by a: left missing",
    ]


def test_agreement_leaves_no_notice():
    doc, resolver = resolved("missing", doc_of("BIOBO"), doc_of("BIOBO"))
    assert tags_of(doc) == "BIOBO" and not resolver.notices
    assert resolver.agreement.disagreed == 0


@pytest.mark.parametrize("how", RESOLVE)
def test_who_knows_nothing_has_no_say(how):
    doc, resolver = resolved(how, doc_of("BIOBO"), doc_of("??O??"), doc_of("?????"))
    assert tags_of(doc) == "BIOBO" and not resolver.notices


@pytest.mark.parametrize("how", RESOLVE)
def test_what_nobody_knows_stays_missing(how):
    doc, _ = resolved(how, doc_of("BO?"), doc_of("BO?"))
    assert tags_of(doc) == "BO?"


def test_a_tie_is_missing():
    doc, _ = resolved("majority", doc_of("BO"), doc_of("OO"))
    assert tags_of(doc) == "?O"


def test_without_a_say_so_the_same_text_again_is_another_doc(tmp_path):
    source = write(tmp_path / "a.txt", "[Oslo](GPE) now\nOslo now\n[Oslo](FAC) then\n")
    docs, found = converted(source)
    assert len(docs) == 3 and found.agreement is None
    docs, found = converted(source, resolve="missing")
    assert [tags_of(doc) for doc in docs] == ["?O", "BO"]
    assert found.agreement.texts == 1
    assert list(found.agreement.pairs) == [(str(source), f"{source} (2)")]


def test_files_are_annotators_where_there_are_no_names(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "ann.txt", "[Oslo](GPE) now\n[Lima](GPE) then\n")
    write(folder / "ben.txt", "[Oslo](GPE) now\nLima then\n")
    docs, found = converted(folder, resolve="majority")
    assert [tags_of(doc) for doc in docs] == ["BO", "?O"]
    [(first, second)] = found.agreement.pairs
    assert (first[-7:], second[-7:]) == ("ann.txt", "ben.txt")
    [line] = found.agreement.lines()
    assert line == (
        "2 texts have several annotators, who disagree on 1: kappa over tokens 0.500, "
        "F over spans 0.667"
    )


class TestAgreement:
    def test_cohens_kappa_of_a_textbook(self):
        """50 proposals: 20 both yes, 15 both no, 5 and 10 split: kappa 0.4."""
        pair = Pair()
        pair.labels.update({("y", "y"): 20, ("y", "n"): 5, ("n", "y"): 10, ("n", "n"): 15})
        assert pair.kappa == pytest.approx(0.4)

    @given(st.data())
    def test_kappa_of_a_matrix(self, data):
        """Against the formula on NumPy's confusion matrix."""
        n = data.draw(st.integers(1, 12))
        first, second = (
            data.draw(st.lists(st.sampled_from(["", "X", "Y"]), min_size=n, max_size=n))
            for _ in range(2)
        )
        agreement = Agreement()
        agreement.add({"a": first, "b": second}, {"a": set(), "b": set()})
        names = ["", "X", "Y"]
        matrix = np.zeros((3, 3))
        for a, b in zip(first, second, strict=True):
            matrix[names.index(a), names.index(b)] += 1 / n
        chance = float(matrix.sum(0) @ matrix.sum(1))
        if chance > 1 - 1e-12:
            assert agreement.kappa is None
        else:
            expected = (np.trace(matrix) - chance) / (1 - chance)
            assert agreement.kappa == pytest.approx(expected)

    def test_f_over_spans_that_both_know(self):
        _, resolver = resolved("missing", doc_of("BIOBO?"), doc_of("BIOOOB"))
        pair = resolver.agreement.pairs["a", "b"]
        assert pair.f == pytest.approx(2 * 1 / (2 + 1))
        assert pair.labels.total() == 5

    def test_means_of_pairs(self):
        docs = doc_of("BIOBOO"), doc_of("BIOBOO"), doc_of("OOOOOB")
        _, resolver = resolved("missing", *docs)
        agreement = resolver.agreement
        assert [pair.f for pair in agreement.pairs.values()] == [1, 0, 0]
        assert agreement.f == pytest.approx(1 / 3)
        assert len(agreement.lines()) == 4
        assert agreement.lines()[1].startswith("a and b, 1 text: kappa over tokens 1.000")
