"""Schemes and spans, against a definition by regular expressions."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn_tagger.crf.tag_scheme import MISSING, SCHEMES, TagScheme

LABELS = ("FAC", "GPE")
# A whole sequence, its tags written one after the other with a blank between them.
GRAMMAR = {
    "BIO": r"(O |B-(\w+) (I-\2 )*)*",
    "BILUO": r"(O |U-\w+ |B-(\w+) (I-\2 )*L-\2 )*",
    "IO": r"(O |I-\w+ )*",
}


def is_legal(scheme, path):
    steps = itertools.pairwise(path)
    legal = scheme.legal_start[path[0]] and scheme.legal_end[path[-1]]
    return legal and all(scheme.legal_transitions[a, b] for a, b in steps)


@pytest.mark.parametrize("name", list(SCHEMES))
@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_legal_sequences_are_those_of_the_grammar(name, length):
    scheme = TagScheme(name, LABELS)
    for path in itertools.product(range(len(scheme.tags)), repeat=length):
        text = "".join(scheme.tags[tag] + " " for tag in path)
        assert is_legal(scheme, path) == bool(re.fullmatch(GRAMMAR[name], text)), text


@st.composite
def docs_with_spans(draw, touching):
    docs = []
    for length in draw(st.lists(st.integers(0, 9), max_size=5)):
        spans, at = [], 0
        while at < length:
            start = draw(st.integers(at, length))
            end = draw(st.integers(start, length))
            if end > start:
                spans.append((start, end, draw(st.sampled_from(LABELS))))
            at = max(end, at + 1) + (0 if touching else 1)
        docs.append((length, spans))
    return docs


def biluo(length, spans):
    tags = ["O"] * length
    for start, end, label in spans:
        tags[start:end] = [f"I-{label}"] * (end - start)
        tags[end - 1] = f"L-{label}"
        tags[start] = f"B-{label}" if end - start > 1 else f"U-{label}"
    return tags


def numbers(scheme, tags):
    """Number spaCy's tags, whose prefixes are those of BILUO, in another scheme."""
    prefix = {"BIO": {"L": "I", "U": "B"}, "BILUO": {}, "IO": dict.fromkeys("BLU", "I")}
    own = prefix[scheme.scheme]
    return np.array([scheme.tags.index(own.get(tag[0], tag[0]) + tag[1:]) for tag in tags], int)


@pytest.mark.parametrize("name", list(SCHEMES))
def test_entity_tags_are_spacys(name):
    @given(docs_with_spans(touching=True))
    def check(docs):
        scheme = TagScheme(name, LABELS)
        words = [
            (entity, LABELS.index(label), tag)
            for doc, (length, spans) in enumerate(docs)
            for i, (start, end, label) in enumerate(spans)
            for entity, tag in zip(
                [100 * doc + i] * (end - start), biluo(length, spans)[start:end], strict=True
            )
        ]
        entities, labels, tags = zip(*words, strict=True) if words else ((), (), ())
        found = scheme.entity_tags(np.array(entities, dtype=int), np.array(labels, dtype=int))
        assert found.tolist() == numbers(scheme, tags).tolist()

    check()


@pytest.mark.parametrize("name", list(SCHEMES))
def test_spans_survive_the_tags(name):
    # In IO neighbours of one label can't be told apart.
    @given(docs_with_spans(touching=name != "IO"))
    def check(docs):
        scheme = TagScheme(name, LABELS)
        ids = numbers(scheme, [tag for length, spans in docs for tag in biluo(length, spans)])
        assert read(scheme, ids, [length for length, _ in docs]) == [spans for _, spans in docs]

    check()


def read(scheme, ids, lengths):
    """Read the spans of docs, as (start, end, label) in each doc."""
    starts = np.cumsum([0, *lengths])
    breaks = np.isin(np.arange(len(ids)), starts)
    spans = list(zip(*(array.tolist() for array in scheme.spans(ids, breaks)), strict=True))
    return [
        [(s - begin, e - begin, scheme.labels[n]) for s, e, n in spans if begin <= s < end]
        for begin, end in itertools.pairwise(starts.tolist())
    ]


def test_a_break_ends_an_entity():
    for name in SCHEMES:
        scheme = TagScheme(name, LABELS)
        ids = numbers(scheme, ["B-GPE", "L-GPE", "B-GPE", "L-GPE"])
        breaks = np.array([True, False, True, False])
        assert [array.tolist() for array in scheme.spans(ids, breaks)][:2] == [[0, 2], [2, 4]]


def test_missing_annotation_allows_every_tag():
    scheme = TagScheme("BIO", LABELS)
    ids = np.array([0, MISSING, MISSING, scheme.tags.index("B-GPE")])
    assert scheme.mask(ids).sum(axis=1).tolist() == [1, 5, 5, 1]


def test_added_labels_keep_the_numbers_of_the_others():
    for name in SCHEMES:
        few, more = TagScheme(name, LABELS), TagScheme(name, (*LABELS, "ORG"))
        assert more.tags[: len(few.tags)] == few.tags


def test_unknown_scheme_is_named():
    with pytest.raises(
        ValueError, match="scheme must be one of 'BIO', 'BILUO', 'IO', but got 'BIOES'"
    ):
        TagScheme("BIOES", LABELS)


def test_no_labels():
    scheme = TagScheme("BILUO", ())
    assert scheme.tags == ("O",)
    assert read(scheme, np.zeros(3, dtype=int), [3, 0]) == [[], []]
