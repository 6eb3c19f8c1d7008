"""The Thinc model as a whole: gradients, batches, dropout, shapes."""

import itertools

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Config, fix_random_seed, set_dropout_rate

from spacy_rnn_tagger.architectures import (
    build_lexeme_embed_v1,
    build_one_hot_embed_v1,
    build_rnn_encoder_v1,
    build_rnn_tagger_v1,
    build_word_embed_v1,
)
from spacy_rnn_tagger.layers.lattice import decode, loss_and_gradient
from spacy_rnn_tagger.layers.vocabulary import build_vocabularies
from spacy_rnn_tagger.tags import SCHEMES, TagScheme
from spacy_rnn_tagger.types import TagScores

from .conftest import make_examples

TEXTS = ["Red Fort is in Delhi .", "", "London", "we saw Łódź , Nuku'alofa and the M25 " * 3, "a b"]
EMBEDS = {
    "word": lambda: build_word_embed_v1(width=7, max_size=20),
    "one_hot": lambda: build_one_hot_embed_v1(max_size=12),
    "lexeme": lambda: build_lexeme_embed_v1(width=8, rows=[50, 40, 30, 20], word_dropout=0.0),
    "lexeme_chars": lambda: build_lexeme_embed_v1(width=8, attrs=["SHAPE"], rows=[9], char_width=4),
    "lexeme_vectors": lambda: build_lexeme_embed_v1(
        width=8, include_static_vectors=True, word_dropout=0.0
    ),
}


@pytest.fixture
def docs():
    nlp = spacy.blank("en")
    docs = [Doc(nlp.vocab, words=text.split()) for text in TEXTS]
    for word in ("London", "Delhi", "we"):
        nlp.vocab.set_vector(word, np.random.default_rng(len(word)).normal(size=5).astype("f"))
    return docs


def build(docs, embed="lexeme", K=5, **settings):
    model = build_rnn_tagger_v1(tok2vec=EMBEDS[embed](), hidden_width=6, nO=K, **settings)
    build_vocabularies(model, docs)
    model.initialize(X=docs)
    randomize(model)
    return model


def randomize(model):
    """Move every weight away from zero, so that nothing is hidden by symmetry."""
    rng = np.random.default_rng(0)
    for node in model.walk():
        for name in node.param_names:
            value = node.get_param(name)
            if name != "E" or node.name != "characters":
                node.set_param(name, value + rng.normal(size=value.shape).astype("f") * 0.3)


def emissions_of_docs(model, docs):
    scores = model.predict(docs)
    return np.split(scores.emissions, np.cumsum(scores.lengths)[:-1])


@pytest.mark.parametrize("embed", list(EMBEDS))
def test_scores_do_not_depend_on_the_batch(docs, embed):
    check_batches(build(docs, embed), docs)


@pytest.mark.parametrize(
    "cell,depth,bidirectional", itertools.product(["lstm", "gru", "elman"], [1, 2], [True, False])
)
def test_scores_do_not_depend_on_the_batch_in_any_network(docs, cell, depth, bidirectional):
    check_batches(build(docs, cell=cell, depth=depth, bidirectional=bidirectional), docs)


def check_batches(model, docs):
    together = emissions_of_docs(model, docs)
    reordered = emissions_of_docs(model, docs[::-1])[::-1]
    for doc, scores, other in zip(docs, together, reordered, strict=True):
        assert np.allclose(scores, emissions_of_docs(model, [doc])[0], atol=1e-5)
        assert np.allclose(scores, other, atol=1e-5)
    assert any(np.abs(scores).max() > 0.1 for scores in together if len(scores))


@pytest.mark.parametrize("batch", [[""], ["", "", ""], ["one"], ["", "one"]])
@pytest.mark.parametrize("embed", list(EMBEDS))
def test_small_batches(docs, embed, batch):
    model = build(docs, embed)
    batch = [Doc(docs[0].vocab, words=text.split()) for text in batch]
    scores, backprop = model.begin_update(batch)
    assert scores.emissions.shape == (sum(len(doc) for doc in batch), 5)
    if any(len(doc) for doc in batch):  # without a token the component does not train
        backprop(scores)


@pytest.mark.parametrize(
    "embed,decoder,cell",
    [
        *itertools.product(EMBEDS, ["crf"], ["lstm"]),
        ("lexeme", "softmax", "lstm"),
        ("lexeme", "crf", "gru"),
        ("word", "softmax", "elman"),
    ],
)
def test_gradients_through_the_whole_model(docs, embed, decoder, cell):
    model = build(docs, embed, decoder=decoder, cell=cell, dropout=0.0)
    scheme = TagScheme("BIO", ("FAC", "GPE"))
    rng = np.random.default_rng(4)
    lengths = [len(doc) for doc in docs]
    # A legal path a doc, and some tokens without annotation.
    random_scores = TagScores(rng.normal(size=(sum(lengths), 5)).astype("f"), lengths)
    ids = decode(random_scores, scheme)
    ids[rng.random(len(ids)) < 0.3] = -1
    allowed = scheme.mask(ids)

    def loss():
        return loss_and_gradient(model.ops, model.predict(docs), scheme, allowed)[0]

    scores, backprop = model.begin_update(docs)
    _, gradient = loss_and_gradient(model.ops, scores, scheme, allowed)
    backprop(gradient)
    checked = 0
    for node in model.walk():
        for name in node.param_names:
            param, grad = node.get_param(name).copy(), node.get_grad(name)
            # The largest entries of the gradient, and of the rest a few.
            largest = np.argsort(-np.abs(grad).ravel())[:3]
            for flat in {*largest.tolist(), *rng.integers(0, grad.size, 2).tolist()}:
                at = np.unravel_index(flat, grad.shape)
                if node.name == "characters" and name == "E" and at[0] == 0:
                    continue  # the padding's row is no parameter
                # Maxima have kinks, which a wide step meets; single precision blurs a narrow one.
                slopes = []
                for eps in (1e-2, 3e-2, 3e-3):
                    values = []
                    for shift in (eps, -eps):
                        moved = param.copy()
                        moved[at] += shift
                        node.set_param(name, moved)
                        values.append(loss())
                    node.set_param(name, param)
                    slopes.append(pytest.approx((values[0] - values[1]) / (2 * eps), 0.1, 0.02))
                    if grad[at] == slopes[-1]:
                        break
                else:
                    pytest.fail(f"{name} of {node.name}: {grad[at]}, but by differences {slopes}")
                checked += 1
    assert checked > 20


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_loss_and_gradient_equal_enumeration(decoder, scheme):
    """-log P(gold) over all legal paths, with one token unannotated and one half annotated."""
    tags = TagScheme(scheme, ("A", "B"))
    K, lengths = len(tags.tags), [3, 1, 0, 2]
    rng = np.random.default_rng(5)
    E = rng.normal(size=(6, K))
    learned = [rng.normal(size=shape) for shape in ((K, K), (K,), (K,))]
    if decoder == "softmax":
        learned = [np.zeros_like(array) for array in learned]
    allowed = np.zeros((6, K), dtype=bool)
    allowed[:, 0] = True
    allowed[1] = True
    allowed[4, :2] = True
    # A half-annotated token may leave no legal path: keep a path of "O" open everywhere.

    def enumerated(E, T, S, F):
        total = 0.0
        for start, length in ((0, 3), (3, 1), (4, 2)):
            free, gold = [], []
            for path in itertools.product(range(K), repeat=length):
                legal = tags.legal_start[path[0]] and tags.legal_end[path[-1]]
                legal &= all(tags.legal_transitions[a, b] for a, b in itertools.pairwise(path))
                if decoder == "crf" and not legal:
                    continue
                score = S[path[0]] + F[path[-1]] + sum(E[start + t, y] for t, y in enumerate(path))
                score += sum(T[a, b] for a, b in itertools.pairwise(path))
                free.append(score)
                if all(allowed[start + t, y] for t, y in enumerate(path)):
                    gold.append(score)
            total += np.logaddexp.reduce(free) - np.logaddexp.reduce(gold)
        return total

    ops = build_lexeme_embed_v1(width=2).ops
    arrays = [array.astype("f") for array in ([E, *learned] if decoder == "crf" else [E])]
    loss, gradient = loss_and_gradient(
        ops, TagScores(arrays[0], lengths, *arrays[1:]), tags, allowed
    )
    assert loss == pytest.approx(enumerated(E, *learned), rel=1e-5)
    got = [gradient.emissions, gradient.transitions, gradient.start, gradient.end][: len(arrays)]
    sources = [E, *learned][: len(arrays)]
    for source, ours in zip(sources, got, strict=True):
        for flat in range(source.size):
            at = np.unravel_index(flat, source.shape)
            old = source[at]
            source[at] = old + 1e-5
            up = enumerated(E, *learned)
            source[at] = old - 1e-5
            down = enumerated(E, *learned)
            source[at] = old
            assert ours[at] == pytest.approx((up - down) / 2e-5, abs=1e-4)


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_no_decoder_emits_an_illegal_sequence(decoder, scheme):
    tags = TagScheme(scheme, ("A", "B", "C"))
    K = len(tags.tags)
    rng = np.random.default_rng(6)
    for _ in range(30):
        lengths = rng.integers(0, 12, size=4).tolist()
        shapes = ((sum(lengths), K), (K, K), (K,), (K,))
        arrays = [(rng.normal(size=shape) * 5).astype("f") for shape in shapes]
        if decoder == "softmax":
            arrays = arrays[:1]
        path = decode(TagScores(arrays[0], lengths, *arrays[1:]), tags)
        for doc in np.split(path, np.cumsum(lengths)[:-1]):
            if len(doc):
                assert tags.legal_start[doc[0]] and tags.legal_end[doc[-1]]
                assert all(tags.legal_transitions[a, b] for a, b in itertools.pairwise(doc))


def test_contradictory_annotation_is_an_error():
    tags = TagScheme("BIO", ("A",))
    allowed = np.array([[False, False, True]])  # a doc can't begin inside of an entity
    scores = TagScores(
        *(np.zeros(s, "f") for s in ((1, 3),)),
        [1],
        *(np.zeros(s, "f") for s in ((3, 3), (3,), (3,))),
    )
    with pytest.raises(ValueError, match="contradicts the scheme 'BIO'"):
        loss_and_gradient(build_lexeme_embed_v1(width=2).ops, scores, tags, allowed)


def test_dropout_in_training_only(docs):
    model = build(docs, dropout=0.5)
    predicted = model.predict(docs).emissions
    assert np.array_equal(predicted, model.predict(docs).emissions)
    first, second = (model.begin_update(docs)[0].emissions for _ in range(2))
    assert not np.allclose(first, second)
    assert not np.allclose(first, predicted)


def test_the_rate_of_update_is_honoured(docs):
    model = build(docs, dropout=0.0)
    predicted = model.predict(docs).emissions
    assert np.allclose(model.begin_update(docs)[0].emissions, predicted, atol=1e-6)
    set_dropout_rate(model, 0.5)
    assert not np.allclose(model.begin_update(docs)[0].emissions, predicted)
    assert np.array_equal(model.predict(docs).emissions, predicted)
    set_dropout_rate(model, 0.0)
    assert np.allclose(model.begin_update(docs)[0].emissions, predicted, atol=1e-6)


def test_dropout_keeps_the_share_it_says(docs):
    model = build(docs, dropout=0.25)
    rnn = model.get_ref("rnn")
    X = model.layers[1].predict(model.layers[0].predict(docs))
    zero = [float((rnn(X, is_train=True)[0].dataXd == 0).mean()) for _ in range(60)]
    assert np.mean(zero) == pytest.approx(0.25, abs=0.03)


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
    [node] = [node for node in layer.walk() if node.name == "vocabulary"]
    assert len(node.attrs["words"]) == 2
    counts = {}
    for doc in docs:
        for token in doc:
            counts[token.norm] = counts.get(token.norm, 0) + 1
    assert all(counts[int(word)] == max(counts.values()) for word in node.attrs["words"])


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


def test_missing_vectors_are_an_error(nlp):
    model = EMBEDS["lexeme_vectors"]()
    with pytest.raises(ValueError, match="E896"):
        model.initialize(X=[nlp.make_doc("no vectors here")])


@pytest.mark.parametrize(
    "settings,message",
    [
        ({"cell": "rnn"}, "cell must be one of 'lstm', 'gru', 'elman', but got 'rnn'"),
        ({"decoder": "argmax"}, "decoder must be one of 'crf', 'softmax', but got 'argmax'"),
        ({"hidden_width": 0}, "hidden_width must be a whole number of 1 or more, but got 0"),
        ({"depth": 0}, "depth must be a whole number of 1 or more, but got 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, but got 1.0"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        build_rnn_tagger_v1(tok2vec=EMBEDS["word"](), **settings)


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


def test_encoder_declares_its_width():
    assert build_rnn_encoder_v1(hidden_width=5).get_dim("nO") == 10
    assert build_rnn_encoder_v1(hidden_width=5, bidirectional=False).get_dim("nO") == 5


def test_architectures_are_registered():
    for name in ("RNNTagger", "RNNEncoder", "WordEmbed", "OneHotEmbed", "LexemeEmbed"):
        assert registry.architectures.get(f"spacy_rnn_tagger.{name}.v1")


def test_a_width_that_differs_is_no_error(nlp):
    config = Config().from_str(
        """
        [model]
        @architectures = "spacy_rnn_tagger.RNNTagger.v1"
        hidden_width = 9
        [model.tok2vec]
        @architectures = "spacy.HashEmbedCNN.v2"
        pretrained_vectors = null
        width = 17
        depth = 1
        embed_size = 50
        window_size = 1
        maxout_pieces = 2
        subword_features = true
        """
    )
    nlp.add_pipe("rnn_ner", config=config)
    nlp.initialize(lambda: make_examples(nlp))
    assert nlp.get_pipe("rnn_ner").model.get_ref("rnn").get_dim("nI") == 17


def test_same_seed_same_weights():
    def weights():
        fix_random_seed(7)
        nlp = spacy.blank("en")
        nlp.add_pipe("rnn_ner")
        optimizer = nlp.initialize(lambda: make_examples(nlp))
        for _ in range(3):
            nlp.update(make_examples(nlp), sgd=optimizer, drop=0.2)
        return nlp.get_pipe("rnn_ner").model.to_bytes()

    assert weights() == weights()
