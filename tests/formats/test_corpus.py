"""The corpus in `assets/`: what its rules are, and that no split leaks into another."""

import re
from pathlib import Path

import pytest
import spacy

from spacy_rnn_tagger.formats.corpus import corpus_files, read_docs

ASSETS = Path(__file__).parents[2] / "assets"
SPLITS = ("train", "dev", "test")
GENRES = {
    *("news", "travel", "history", "fiction", "chat", "reviews", "traffic", "sport"),
    *("business", "law", "letters", "posts", "headlines"),
}


@pytest.fixture(scope="module")
def corpus():
    """The docs of each split; this fails where markup does not parse or align."""
    nlp = spacy.blank("en")
    return {split: list(read_docs(nlp, corpus_files(ASSETS / split))) for split in SPLITS}


def names_of(docs):
    return {ent.text.casefold() for doc in docs for ent in doc.ents}


def names_in_list(label):
    return (ASSETS / "names" / f"{label}.txt").read_text(encoding="utf-8").splitlines()


def test_size_genres_and_labels(corpus):
    assert sum(len(docs) for docs in corpus.values()) >= 1600
    for split in SPLITS:
        assert {Path(file).stem for file in corpus_files(ASSETS / split)} == GENRES
        assert {ent.label_ for doc in corpus[split] for ent in doc.ents} == {"FAC", "GPE"}
        without = sum(not doc.ents for doc in corpus[split]) / len(corpus[split])
        assert 0.3 < without < 0.4


def test_lengths(corpus):
    for docs in corpus.values():
        for doc in docs:
            assert 3 <= sum(not token.is_punct for token in doc) <= 45, doc.text


def test_writing(corpus):
    texts = [doc.text for docs in corpus.values() for doc in docs]
    assert sum(text.islower() for text in texts) >= 30
    assert sum(text.isupper() for text in texts) >= 20


def test_no_duplicates(corpus):
    texts = [re.sub(r"\W+", " ", doc.text.casefold()) for docs in corpus.values() for doc in docs]
    assert len(texts) == len(set(texts))


def test_articles_are_outside(corpus):
    for docs in corpus.values():
        for doc in docs:
            for ent in doc.ents:
                assert ent[0].lower_ not in ("the", "a", "an"), doc.text
                assert ent[-1].text[-1].isalnum() or ent[-1].text == "'s", doc.text


def test_half_of_the_names_are_unseen(corpus):
    """Names that training did not annotate occur nowhere in it, nor in the lists it swaps in."""
    seen = names_of(corpus["train"])
    text = "\n".join(doc.text.casefold() for doc in corpus["train"])
    listed = {name.casefold() for label in ("FAC", "GPE") for name in names_in_list(label)}
    for split in ("dev", "test"):
        names = names_of(corpus[split])
        unseen = names - seen
        assert len(unseen) >= len(names) / 2
        assert not unseen & listed
        for name in unseen:
            assert not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text), name


@pytest.mark.parametrize("label,least", [("GPE", 1500), ("FAC", 800)])
def test_lists_of_names(label, least):
    names = names_in_list(label)
    assert len(names) >= least
    assert names == sorted(set(names))
    assert all(name == name.strip() and name for name in names)
