"""The Thinc model as a whole: gradients, batches, dropout, shapes."""

import itertools

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.util import registry
from thinc.api import Config, fix_random_seed, list2ragged, set_dropout_rate

from spacy_rnn_tagger.crf.tag_scheme import TagScheme
from spacy_rnn_tagger.layers.vocabulary import build_vocabularies
from spacy_rnn_tagger.models.architectures import build_rnn_encoder_v1, build_rnn_tagger_v1
from spacy_rnn_tagger.pipeline.losses import mask_loss
from spacy_rnn_tagger.types import TagScores
from tests.conftest import EMBEDS, TRAIN, eager, make_examples, slopes, trained
from tests.crf.lattices import decode


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
        return mask_loss(model.ops, model.predict(docs), scheme, allowed)[0]

    scores, backprop = model.begin_update(docs)
    _, gradient = mask_loss(model.ops, scores, scheme, allowed)
    backprop(gradient)
    checked = 0
    for node in model.walk():
        for name in node.param_names:
            grad = node.get_grad(name)
            # The largest entries of the gradient, and of the rest a few.
            largest = np.argsort(-np.abs(grad).ravel())[:3]
            for flat in {*largest.tolist(), *rng.integers(0, grad.size, 2).tolist()}:
                at = np.unravel_index(flat, grad.shape)
                if node.name == "characters" and name == "E" and at[0] == 0:
                    continue  # the padding's row is no parameter
                # Maxima have kinks, which a wide step meets; single precision blurs a narrow one.
                found = []
                for eps in (1e-2, 3e-2, 3e-3):
                    found += slopes(node, name, at, loss, eps)
                    if any(grad[at] == pytest.approx(slope, 0.1, 0.02) for slope in found):
                        break
                else:
                    pytest.fail(f"{name} of {node.name}: {grad[at]}, but by differences {found}")
                checked += 1
    assert checked > 20


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


@pytest.mark.parametrize("method", ["update", "rehearse"])
def test_training_drops_at_the_rate_it_is_given(nlp, method):
    """Without a rate, a step is the same by any seed; and no rate outlasts its step."""
    tok2vec = {"width": 8, "rows": [50] * 4, "word_dropout": 0.0}
    pipe = eager(nlp, model={"tok2vec": tok2vec})
    if method == "rehearse":
        nlp.resume_training()
        emissions = pipe.model.get_ref("emissions")
        emissions.set_param("W", emissions.get_param("W") + 1)

    def loss(drop, seed):
        fix_random_seed(seed)
        losses = {}
        getattr(pipe, method)(make_examples(nlp), drop=drop, losses=losses)
        return losses["rnn_ner"]

    first = loss(0.0, 1)
    assert first > 0
    assert loss(0.0, 2) == pytest.approx(first, rel=1e-6)
    assert abs(loss(0.5, 1) - first) > 1e-3 * first
    assert abs(loss(0.5, 1) - loss(0.5, 2)) > 1e-3 * first
    assert loss(0.0, 3) == pytest.approx(first, rel=1e-6)


def test_dropout_keeps_the_share_it_says(docs):
    model = build(docs, dropout=0.25)
    rnn = model.get_ref("rnn")
    X = list2ragged().predict(model.get_ref("tok2vec").predict(docs))
    zero = [float((rnn(X, is_train=True)[0].dataXd == 0).mean()) for _ in range(60)]
    assert np.mean(zero) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("has_instructions", [True, False])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_mixed_precision_on_a_cpu(docs, cell, has_instructions, monkeypatch):
    # Without such instructions torch computes the same, slowly.
    name = "_is_avx512_bf16_supported"
    monkeypatch.setattr(torch.cpu, name, lambda: has_instructions, raising=False)
    model = build(docs, cell=cell, dropout=0.0)
    predicted, learned = [], []
    for model.get_ref("rnn").attrs["mixed_precision"] in (False, True):
        fix_random_seed(0)
        predicted.append(model.predict(docs).emissions)
        learned.append(model.begin_update(docs)[0].emissions)
    wide, narrow = predicted
    assert np.array_equal(wide, narrow) != (cell == "lstm" and has_instructions)
    assert np.linalg.norm(wide - narrow) < 0.02 * np.linalg.norm(wide)
    assert np.array_equal(*learned)


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


def test_scoring_goes_by_batches(nlp, monkeypatch):
    """The dev set was one batch: 2.5 GB for 200,000 tokens. The loss is the mean over all docs."""
    pipe = eager(nlp)
    examples = make_examples(nlp) * 8
    whole = pipe.score(examples)["ents_loss"]
    sizes = []
    predict = type(pipe.model).predict

    def counted(model, docs):
        if model is pipe.model:
            sizes.append(sum(map(len, docs)))
        return predict(model, docs)

    monkeypatch.setattr(type(pipe.model), "predict", counted)
    monkeypatch.setattr("spacy_rnn_tagger.pipeline.rnn_ner._SCORED", 30)
    assert pipe.score(examples)["ents_loss"] == pytest.approx(whole, rel=1e-5)
    assert len(sizes) > 5 and max(sizes) <= 36
    assert sum(sizes) == sum(len(example.predicted) for example in examples)


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
@pytest.mark.parametrize("size", ["random and large", "trained"])
def test_a_doc_has_the_same_scores_in_any_batch(nlp, cell, size):
    """To rounding: a millionth of the largest score, and of a trained network's probabilities."""
    model = {"cell": cell, "hidden_width": 64, "depth": 2}
    if size == "trained":
        pipe = trained(nlp, model=model).get_pipe("rnn_ner")
    else:
        pipe = eager(nlp, model=model)
    rng = np.random.default_rng(0)
    words = [word for text, _ in TRAIN for word in text.split()]
    sizes = (1, 3, 40, 200, 7, 90)
    docs = [Doc(nlp.vocab, words=rng.choice(words, n).tolist()) for n in sizes]
    alone = [pipe.model.predict([doc]).emissions for doc in docs]
    confidences = [_confidences(pipe, [doc])[0] for doc in docs]
    assert max(map(len, confidences)) > 20
    for order in (range(6), rng.permutation(6), [*range(6), *range(6)]):
        batch = [docs[i] for i in order]
        together = np.split(pipe.model.predict(batch).emissions, np.cumsum([len(d) for d in batch]))
        for i, scores in zip(order, together, strict=False):
            assert np.abs(scores - alone[i]).max() <= 1e-6 * np.abs(alone[i]).max()
        for i, found in zip(order, _confidences(pipe, batch), strict=True):
            assert found.keys() == confidences[i].keys()
            if size == "trained":
                assert all(abs(p - confidences[i][place]) < 1e-6 for place, p in found.items())


def _confidences(pipe, docs):
    return [dict(zip(p.scored, p.confidences, strict=True)) for p in pipe.predict(docs)]
