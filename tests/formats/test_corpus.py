"""The corpus in `assets/`: what its rules are, and that no split leaks into another."""

import re
from collections import Counter
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
PLACES = {"FAC", "GPE"}
# What the network learns to tell from places.
OTHERS = {
    *("PERSON", "ORG", "NORP", "LOC", "EVENT", "PRODUCT", "WORK_OF_ART", "LAW", "LANGUAGE"),
}
# Titles are outside of a person's name.
TITLES = {
    *("Mr", "Mrs", "Ms", "Dr", "Dr.", "Mr.", "Mrs.", "Prof", "Prof.", "Professor", "President"),
    *("Senator", "Governor", "Judge", "Justice", "Inspector", "Sergeant", "Bishop"),
}


def read(part):
    nlp = spacy.blank("en")
    return {split: list(read_docs(nlp, corpus_files(ASSETS / part / split))) for split in SPLITS}


@pytest.fixture(scope="module")
def sentences():
    """The docs of each split; this fails where markup does not parse or align."""
    return read("sentences")


@pytest.fixture(scope="module")
def passages():
    return read("passages")


@pytest.fixture(scope="module")
def everything(sentences, passages):
    return {split: sentences[split] + passages[split] for split in SPLITS}


def places_of(docs):
    return {ent.text.casefold() for doc in docs for ent in doc.ents if ent.label_ in PLACES}


def names_in_list(label):
    return (ASSETS / "names" / f"{label}.txt").read_text(encoding="utf-8").splitlines()


def test_size_genres_and_labels_of_sentences(sentences):
    assert sum(len(docs) for docs in sentences.values()) >= 11_900
    for split in SPLITS:
        assert {Path(file).stem for file in corpus_files(ASSETS / "sentences" / split)} == GENRES
        labels = {ent.label_ for doc in sentences[split] for ent in doc.ents}
        assert labels >= PLACES and labels <= PLACES | OTHERS
        assert {"PERSON", "ORG", "NORP"} <= labels
        without = sum(not places_of([doc]) for doc in sentences[split]) / len(sentences[split])
        assert 0.3 < without < 0.4
    assert {ent.label_ for doc in sentences["train"] for ent in doc.ents} == PLACES | OTHERS


def test_passages_are_many_and_dense_in_other_names(passages):
    assert len(passages["train"]) >= 2500
    for split, docs in passages.items():
        labels = Counter(ent.label_ for doc in docs for ent in doc.ents)
        assert labels.keys() == PLACES | OTHERS, split
        assert labels["PERSON"] + labels["ORG"] > labels["FAC"] + labels["GPE"]
        assert 0.1 < sum(not places_of([doc]) for doc in docs) / len(docs) < 0.45, split


def test_names_in_passages_are_many(passages):
    for label, least in (("PERSON", 4000), ("ORG", 3000)):
        named = Counter(
            name
            for doc in passages["train"]
            for name in {ent.text for ent in doc.ents if ent.label_ == label}
        )
        assert len(named) >= least
        # Only the famous are in more than a few passages.
        assert sum(count > 5 for count in named.values()) < 0.01 * len(named)


def test_persons_of_dev_and_test_are_unseen(passages):
    def persons(docs):
        return {e.text for doc in docs for e in doc.ents if e.label_ == "PERSON" and len(e) > 1}

    seen = persons(passages["train"])
    for split in ("dev", "test"):
        own = persons(passages[split])
        assert len(own & seen) < 0.1 * len(own), sorted(own & seen)


def test_lengths(sentences, passages):
    for docs in sentences.values():
        for doc in docs:
            assert 3 <= sum(not token.is_punct for token in doc) <= 45, doc.text
    for docs in passages.values():
        assert all(2 <= len(doc) <= 400 for doc in docs)
        assert sum(map(len, docs)) / len(docs) > 30


def test_writing(everything):
    texts = [doc.text for docs in everything.values() for doc in docs]
    assert sum(text.islower() for text in texts) >= 60
    assert sum(text.isupper() for text in texts) >= 20


def test_no_duplicates(everything):
    texts = [
        re.sub(r"\W+", " ", doc.text.casefold()) for docs in everything.values() for doc in docs
    ]
    assert [text for text, count in Counter(texts).items() if count > 1] == []


def test_articles_and_titles_are_outside(sentences, passages):
    for docs in sentences.values():
        for doc in docs:
            for ent in doc.ents:
                if ent.label_ in PLACES:
                    assert ent[0].lower_ not in ("the", "a", "an"), doc.text
                    assert ent[-1].text[-1].isalnum() or ent[-1].text == "'s", doc.text
    for docs in (*sentences.values(), *passages.values()):
        for doc in docs:
            for ent in doc.ents:
                if ent.label_ in ("PERSON", "GPE", "FAC", "LOC"):
                    assert ent[0].text not in ("the", "The"), doc.text
                if ent.label_ == "PERSON" and len(ent) > 1:
                    assert ent[0].text not in TITLES, doc.text


def test_half_of_the_places_in_sentences_are_unseen(sentences):
    """Names that training did not annotate occur nowhere in it, nor in the lists it swaps in."""
    seen = places_of(sentences["train"])
    text = "\n".join(doc.text.casefold() for doc in sentences["train"])
    listed = {name.casefold() for label in PLACES for name in names_in_list(label)}
    for split in ("dev", "test"):
        names = places_of(sentences[split])
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
