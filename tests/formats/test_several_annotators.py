"""Several annotations of one text: agreement, and what becomes of disagreement."""

import re

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn_tagger.formats.agreement import Agreement, Pair
from spacy_rnn_tagger.formats.findings import Annotated
from spacy_rnn_tagger.formats.resolving import RESOLVE, Resolver
from tests.formats.reading import converted, lines, spans_of, tags_of, write

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


def resolved(how, *docs, names="abcdef", complete=True):
    resolver = Resolver(how)
    found = [
        Annotated(doc, f"f, record {i}", "f", name, "task 1", complete)
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


def test_the_first_leaves_to_others_what_it_does_not_know():
    doc, resolver = resolved("first", doc_of("BO??O?"), doc_of("OO?BO?"), doc_of("BIBOBO"))
    assert tags_of(doc) == "BOBBOO"
    assert [line.partition(": ")[2] for line in resolver.notices] == [
        "'a' (X) by a, not by b, c: kept",
        "'a b' (X) by c, not by a, b: dropped",
        "'d' (X) by b, not by c: kept",
        "'e' (X) by c, not by a, b: dropped",
    ]
    doc, resolver = resolved("first", doc_of("O??"), doc_of("BI?"))
    assert tags_of(doc) == "O??" and len(resolver.notices) == 1


@pytest.mark.parametrize("how", RESOLVE)
def test_answers_of_one_annotator_add_up(how):
    docs = doc_of("B?????"), doc_of("???BI?"), doc_of("B?????")
    doc, resolver = resolved(how, *docs, names="aaa", complete=False)
    assert tags_of(doc) == "B??BI?"
    assert resolver.agreement.texts == 0 and not resolver.notices


@pytest.mark.parametrize(
    "how,expected", [(None, "?OO"), ("first", "OOO"), ("majority", "BOO"), ("union", "BOO")]
)
def test_who_annotates_a_text_twice_counts_twice(how, expected):
    """Also without `--resolve`: a tool says that it is the same text."""
    doc, resolver = resolved(how, doc_of("OOO"), doc_of("BOO"), doc_of("BOO"), names="aab")
    assert tags_of(doc) == expected
    assert list(resolver.agreement.pairs) == [("a", "a (2)"), ("a", "b"), ("a (2)", "b")]
    assert resolver.notices[0].startswith("f, record 0: 'a' (X) by a (2), b, not by a: ")


@pytest.mark.parametrize("second", ["O??", "BI?", "??B"])
def test_who_contradicts_an_answer_counts_twice(second):
    docs = doc_of("B?O"), doc_of(second, "X"), doc_of("BOO")
    doc, resolver = resolved(None, *docs, names="aab", complete=False)
    assert len(resolver.agreement.pairs) == 3
    assert "by a (2)" in "".join(resolver.notices)


def test_names_differ_whatever_they_are():
    names = ["a", "a", "a (2)", "a (2)", "a"]
    docs = [doc_of("BO"[i % 2]) for i in range(5)]
    _, resolver = resolved("missing", *docs, names=names)
    found = {name for pair in resolver.agreement.pairs for name in pair}
    assert found == {"a", "a (2)", "a (2) (2)", "a (2) (3)", "a (3)"}


@given(st.sampled_from(RESOLVE), st.data())
def test_no_span_is_lost_without_a_notice(how, data):
    """A doc is a run of B, I, O and "?", by one of two annotators or by nobody in particular."""
    runs = st.text("BIO?", min_size=4, max_size=4).map(
        lambda tags: re.sub("(?<![BI])I|^I", "B", tags)
    )
    many = st.tuples(runs, st.sampled_from(["a", "b", None]), st.booleans())
    given = [
        Annotated(doc_of(tags, "XY"), "f", "f", name, "task 1", complete)
        for tags, name, complete in data.draw(st.lists(many, min_size=1, max_size=4))
    ]
    before = {(ent.text, ent.label_) for each in given for ent in each.doc.ents}
    resolver = Resolver(how)
    [doc] = resolver(given)
    lost = before - {(ent.text, ent.label_) for ent in doc.ents}
    assert lost == {
        (text, label)
        for text, label in lost
        if any(f"{text!r} ({label})" in notice for notice in resolver.notices)
    }
    assert {(ent.text, ent.label_) for ent in doc.ents} <= before


def rejecting(start, end, label, doc):
    doc.spans["no"] = [spacy.tokens.Span(doc, start, end, label=label)]
    return doc


@pytest.mark.parametrize(
    "how,names,tags,rejected",
    [
        ("missing", "ab", "?O?", 0),
        ("first", "ab", "BO?", 0),
        ("majority", "ab", "?O?", 0),
        ("union", "ab", "BO?", 0),
        ("first", "ba", "?O?", 1),
        ("missing", "aa", "?O?", 0),  # who thinks twice
    ],
)
def test_a_rejection_is_a_say(how, names, tags, rejected):
    docs = [doc_of("BO?"), rejecting(0, 1, "X", doc_of("???"))]
    if names == "ba":
        docs.reverse()
    resolver = Resolver(how, "no")
    given = [
        Annotated(doc, "f", "f", name, "task 1", complete=False)
        for doc, name in zip(docs, names, strict=True)
    ]
    [doc] = resolver(given)
    assert tags_of(doc) == tags and len(doc.spans.get("no", ())) == rejected
    [notice] = resolver.notices
    other = "b" if names != "aa" else "a (2)"
    assert notice.startswith(f"f: 'a' (X) by a, not by {other}: ")


def test_a_rejection_that_nobody_contradicts_is_kept():
    docs = [doc_of("BO?"), rejecting(0, 1, "Y", doc_of("???"))]
    resolver = Resolver(None, "no")
    given = [
        Annotated(each, "f", "f", name, "task 1") for each, name in zip(docs, "ab", strict=True)
    ]
    [doc] = resolver(given)
    assert tags_of(doc) == "BO?" and not resolver.notices
    assert [(span.start, span.end, span.label_) for span in doc.spans["no"]] == [(0, 1, "Y")]


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


@pytest.mark.parametrize("name", ["a.jsonl", "a (1).jsonl"])
def test_annotations_without_a_name_are_several_whatever_the_file_is_called(tmp_path, name):
    text, delhi, lima = "Delhi and Lima.", [0, 5, "GPE"], [10, 14, "GPE"]
    records = [{"text": text, "entities": each} for each in ([delhi], [delhi, lima])]
    source = write(tmp_path / name, lines(*records))
    [doc], found = converted(source, resolve="union")
    assert len(spans_of(doc)) == 2 and len(found.notices) == 1
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
