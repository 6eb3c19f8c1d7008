"""The embeds: vocabularies, word dropout, distinct words, vectors."""

import copy
from collections import Counter

import numpy as np
import pytest
import srsly
from spacy.tokens import Doc
from spacy.vectors import Vectors

from spacy_rnn_tagger.models.architectures import build_lexeme_embed_v1, build_rnn_encoder_v1
from spacy_rnn_tagger.models.vocabulary_embeds import build_one_hot_embed_v1, build_word_embed_v1
from tests.conftest import EMBEDS


@pytest.mark.parametrize("embed", ["word", "one_hot"])
def test_vocabulary(docs, embed):
    layer = EMBEDS[embed]()
    layer.initialize(X=docs)
    frequent = Doc(docs[0].vocab, words=["saw", "and"])
    unknown = Doc(docs[0].vocab, words=["zzz", "yyy"])
    rows = layer.predict([frequent, unknown])
    assert np.array_equal(rows[1][0], rows[1][1])
    assert not np.array_equal(rows[0][0], rows[1][0])
    assert not np.array_equal(rows[0][0], rows[0][1])


def test_word_dropout_takes_words_for_unknown(docs):
    layer = build_one_hot_embed_v1(max_size=30, word_dropout=0.5)
    layer.initialize(X=docs)
    unknown = np.concatenate(layer(docs * 20, is_train=True)[0])[:, 0].mean()
    assert 0.35 < unknown < 0.65
    assert np.concatenate(layer.predict(docs))[:, 0].sum() == 0


def test_rare_words_and_words_beyond_the_table_are_unknown(docs):
    layer = build_word_embed_v1(width=2, max_size=3, min_freq=2)
    layer.initialize(X=docs)
    hashes = vocabulary(layer)
    assert len(hashes) == 2
    counts = {}
    for doc in docs:
        for token in doc:
            counts[token.norm] = counts.get(token.norm, 0) + 1
    assert all(counts[int(word)] == max(counts.values()) for word in hashes)


def test_rows_of_words_survive_copies_and_saving(docs):
    """Rows are by frequency, hashes in any order: the index has to be that of the words."""

    def rows(model):
        return [array.argmax(axis=1).tolist() for array in model.predict(docs) if len(array)]

    layer = build_one_hot_embed_v1(max_size=30)
    other = build_one_hot_embed_v1(max_size=30)
    for model in (layer, other):
        assert not any(map(any, rows(model)))  # no word is known
    layer.initialize(X=docs)
    other.initialize(X=docs[:1])
    wanted = rows(layer)
    counts = Counter(token.norm for doc in docs for token in doc)
    most = [counts[norm] for norm in vocabulary(layer).tolist()]
    assert most == sorted(counts.values(), reverse=True)
    listed = {int(norm): row for row, norm in enumerate(vocabulary(layer), start=1)}
    assert wanted == [[listed[token.norm] for token in doc] for doc in docs if len(doc)]
    assert rows(other) != wanted
    assert rows(other.from_bytes(layer.to_bytes())) == wanted
    assert rows(layer.copy()) == rows(copy.deepcopy(layer)) == wanted


def test_words_are_saved_as_an_array(docs):
    """Files of version 0.1 have None where no words are known."""
    layer = build_word_embed_v1(width=2, max_size=30)
    layer.initialize(X=docs)
    saved = layer.to_dict()
    [attrs] = [attrs for attrs in saved["attrs"] if "words" in attrs]
    assert np.array_equal(srsly.msgpack_loads(attrs["words"]), vocabulary(layer))
    attrs["words"] = srsly.msgpack_dumps(None)
    assert len(vocabulary(layer.from_dict(saved))) == 0


def vocabulary(layer):
    [node] = [node for node in layer.walk() if node.name == "vocabulary"]
    return node.attrs["words"].hashes


def test_lexeme_embed_computes_a_word_once(docs):
    """The rows of equal words are the same numbers; a NORM of its own makes another word."""
    model = EMBEDS["lexeme"]()
    model.initialize(X=docs)
    doc = Doc(docs[0].vocab, words=["a", "b", "a"])
    [rows] = model.predict([doc])
    assert np.array_equal(rows[0], rows[2]) and not np.array_equal(rows[0], rows[1])
    doc[2].norm_ = "something else"
    [rows] = model.predict([doc])
    assert not np.array_equal(rows[0], rows[2])


def test_word_dropout_hides_all_but_the_shape(nlp):
    """In training some words become one word of their shape; in prediction none does."""
    model = build_lexeme_embed_v1(width=8, word_dropout=0.5)
    doc = Doc(nlp.vocab, words=[f"{a}{b}{c}x" for a in "abcdef" for b in "klmno" for c in "uvw"])
    model.initialize(X=[doc])
    assert len(np.unique(model.predict([doc])[0], axis=0)) == len(doc)
    [rows], _ = model([doc], is_train=True)
    hidden = len(doc) + 1 - len(np.unique(rows, axis=0))
    assert 0.3 < hidden / len(doc) < 0.7


def test_words_that_collide_in_one_table_do_not_in_the_next(nlp):
    """A table of six rows has 126 sums of four; two that hash differently have thousands."""
    doc = Doc(
        nlp.vocab, words=[f"{a}{b}{c}" for a in "abcdefgh" for b in "klmno" for c in "uvwxyz"]
    )
    found = []
    for attrs in (["NORM"], ["NORM", "LOWER"], ["NORM", "LOWER", "ORTH"]):  # of the same values
        model = build_lexeme_embed_v1(width=8, attrs=attrs, rows=[6] * len(attrs), word_dropout=0.0)
        model.initialize(X=[doc])
        # The order in which rows are added up is no difference.
        found.append(len(np.unique(model.predict([doc])[0].round(4), axis=0)))
    assert found[0] <= 126
    assert found[1] > 0.9 * len(doc)
    assert found[2] > 0.98 * len(doc)


def test_missing_vectors_are_an_error(nlp):
    model = EMBEDS["lexeme_vectors"]()
    with pytest.raises(ValueError, match="E896"):
        model.initialize(X=[nlp.make_doc("no vectors here")])


def test_a_word_without_a_vector_has_zeros(nlp):
    """Not the vector of the table's last row."""
    table = np.ones((1, 3), dtype="f")
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=table, keys=["known"])
    doc = Doc(nlp.vocab, words=["known", "other"])
    model = build_lexeme_embed_v1(width=8, include_static_vectors=True)
    model.initialize(X=[doc])
    before = model.predict([doc])[0]
    nlp.vocab.vectors.data[:] = 2
    after = model.predict([doc])[0]
    assert not np.allclose(before[0], after[0])
    assert np.array_equal(before[1], after[1])


@pytest.mark.parametrize(
    "make,message",
    [
        (lambda: build_word_embed_v1(width=0), "width must be"),
        (lambda: build_word_embed_v1(width=1, max_size=0), "max_size must be"),
        (lambda: build_word_embed_v1(width=1, attr="SHAPES"), "attr must be one of"),
        (lambda: build_lexeme_embed_v1(width=0), "width must be"),
        (lambda: build_lexeme_embed_v1(attrs=["NORM"], rows=[1, 2]), "same length"),
        (lambda: build_lexeme_embed_v1(attrs=["TAG"], rows=[1]), "attrs must be one of"),
        (lambda: build_lexeme_embed_v1(attrs=["NORM"], rows=[0]), "rows must be"),
        (lambda: build_lexeme_embed_v1(word_dropout=1.5), "word_dropout must be at least 0"),
        (lambda: build_rnn_encoder_v1(cell="x"), "cell must be one of"),
    ],
)
def test_bad_embeds_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
