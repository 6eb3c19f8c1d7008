"""The pretraining objective: what it may read, its loss, its gradient, and spaCy's command."""

import numpy as np
import pytest
import spacy
from spacy.ml.models.multi_task import create_pretrain_characters
from spacy.tokens import Doc
from spacy.training.pretrain import create_pretraining_model
from thinc.api import fix_random_seed

from spacy_rnn_tagger.layers.language_model import words_loss
from spacy_rnn_tagger.layers.vocabulary import build_vocabularies
from spacy_rnn_tagger.models.architectures import (
    build_lexeme_embed_v1,
    build_pretrain_words_v1,
    build_rnn_encoder_v1,
    build_rnn_tagger_v1,
)
from tests.conftest import slopes

TEXTS = ["Red Fort is in Delhi .", "we went to the fort", "Oslo"]


@pytest.fixture
def docs():
    vocab = spacy.blank("en").vocab
    return [Doc(vocab, words=text.split()) for text in TEXTS]


def objective(docs, **model):
    fix_random_seed(1)
    settings = {"hidden_width": 6, "dropout": 0.5, **model}
    embed = build_lexeme_embed_v1(width=8, rows=[50] * 4, word_dropout=0.5)
    encoder = build_rnn_tagger_v1(tok2vec=embed, **settings).get_ref("encoder")
    encoder.initialize(X=docs)
    lm = build_pretrain_words_v1(hidden_width=7, rows=40)(docs[0].vocab, encoder)
    lm.initialize(X=docs)
    return lm


@pytest.mark.parametrize("bidirectional", [True, False])
def test_a_word_is_not_read_where_it_is_predicted(docs, bidirectional):
    """Exchange two words of a batch: only scores elsewhere may change."""
    lm = objective(docs, bidirectional=bidirectional)
    words = [token.text for token in docs[0]]
    swapped = Doc(docs[0].vocab, words=[*words[:2], "was", *words[3:]])
    # All words are in both batches, so that the columns stay.
    rest = [Doc(docs[0].vocab, words=["was", "is"]), *docs[1:]]
    before, after = lm.predict([docs[0], *rest]), lm.predict([swapped, *rest])
    changed = np.abs(before - after).max(axis=1) > 1e-6
    assert not changed[2]
    assert changed[3:6].all()
    assert changed[:2].all() == bidirectional and changed[:2].any() == bidirectional
    assert not changed[6:].any()


def test_loss_is_the_cross_entropy_of_words_with_something_around_them():
    vocab = spacy.blank("en").vocab
    docs = [Doc(vocab, words=["a", "\n", "b"]), Doc(vocab, words=["b"])]
    norms = sorted({token.norm for doc in docs for token in doc})
    scores = np.random.default_rng(0).normal(size=(4, 3)).astype("f")
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    at = [norms.index(token.norm) for doc in docs for token in doc]
    expected = -np.mean([np.log(p[row, at[row]]) for row in (0, 2)])
    loss, gradient = words_loss(None, docs, scores.copy())
    assert loss == pytest.approx(expected, abs=1e-6)
    for row in range(4):
        for column in range(3):
            values = []
            for shift in (1e-2, -1e-2):
                moved = scores.copy()
                moved[row, column] += shift
                values.append(words_loss(None, docs, moved)[0])
            slope = (values[0] - values[1]) / 2e-2
            assert gradient[row, column] == pytest.approx(slope, abs=1e-4)


def test_gradients(docs):
    lm = objective(docs)
    scores, backprop = lm.begin_update(docs)
    backprop(words_loss(lm.ops, docs, scores)[1])
    rng = np.random.default_rng(2)

    def loss():
        return words_loss(lm.ops, docs, lm.predict(docs))[0]

    checked = 0
    for node in lm.walk():
        for name in node.param_names:
            grad = node.get_grad(name)
            for flat in {*np.argsort(-np.abs(grad).ravel())[:2].tolist(), rng.integers(grad.size)}:
                at = np.unravel_index(flat, grad.shape)
                found = slopes(node, name, at, loss, 1e-2)
                assert any(grad[at] == pytest.approx(slope, 0.1, 5e-3) for slope in found), (
                    f"{name} of {node.name}: {grad[at]}, but by differences {found}"
                )
                checked += 1
    assert checked > 20


def test_rates_of_training_stay_with_the_weights(docs):
    """They don't apply, but are still there to be saved."""
    lm = objective(docs)
    first, second = (lm.begin_update(docs)[0] for _ in range(2))
    assert np.array_equal(first, second)
    rates = [
        node.attrs[name]
        for node in lm.walk()
        for name in ("dropout", "word_dropout")
        if name in node.attrs
    ]
    assert sorted(rate for rate in rates if rate) == [0.5, 0.5]


@pytest.mark.parametrize(
    "encoder,message",
    [
        (lambda: build_lexeme_embed_v1(width=8), "needs a recurrent layer"),
        (lambda: build_rnn_encoder_v1(depth=2), "have read the word to predict"),
    ],
)
def test_layers_that_it_cannot_train(encoder, message):
    with pytest.raises(ValueError, match=message):
        build_pretrain_words_v1()(spacy.blank("en").vocab, encoder())


@pytest.mark.parametrize("embed", ["WordEmbed.v1", "OneHotEmbed.v1"])
@pytest.mark.parametrize(
    "objective",
    [build_pretrain_words_v1(), create_pretrain_characters(3, 8, 2)],
    ids=["ours", "spaCy's"],
)
def test_spacy_pretrain_does_not_collect_a_vocabulary(embed, objective):
    """Its only doc would be saved as the vocabulary, and training would load it."""
    nlp = spacy.blank("en")
    tok2vec = {"@architectures": f"spacy_rnn_tagger.{embed}", "width": 4, "max_size": 20}
    pipe = nlp.add_pipe("rnn_ner", config={"model": {"hidden_width": 4, "tok2vec": tok2vec}})
    settings = {"component": "rnn_ner", "layer": "encoder", "objective": objective, "dropout": 0.2}
    with pytest.raises(RuntimeError, match="RNN030.*LexemeEmbed"):
        create_pretraining_model(nlp, settings)
    # A vocabulary from the docs of the component stays.
    docs = [nlp.make_doc(text) for text in TEXTS]
    build_vocabularies(pipe.model, docs)
    model = create_pretraining_model(nlp, settings)
    words = [list(node.attrs["words"].hashes) for node in model.walk() if node.name == "vocabulary"]
    assert len(words) == 1
    assert set(words[0]) == {token.norm for doc in docs for token in doc}


@pytest.mark.parametrize("setting", ["hidden_width", "rows"])
def test_bad_setting(setting):
    with pytest.raises(ValueError, match=setting):
        build_pretrain_words_v1(**{setting: 0})
