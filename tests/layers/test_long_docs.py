"""Long docs: windows, sentences as context, and batches under a budget of tokens."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from spacy.training.iob_utils import biluo_tags_to_spans
from thinc.api import Linear, Model, with_array

from spacy_rnn_tagger.layers.windows import InWindows, find_windows
from spacy_rnn_tagger.models.architectures import build_lexeme_embed_v1, build_rnn_tagger_v1
from spacy_rnn_tagger.training.batchers import create_batch_by_tokens_v1, split_example
from tests.conftest import slopes


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 17, 18, 100])
@pytest.mark.parametrize(("max_length", "overlap"), [(10, 0), (10, 1), (10, 4), (0, 3)])
def test_windows_cover_a_doc_once_and_give_each_row_its_context(length, max_length, overlap):
    windows = find_windows(length, max_length, overlap)
    counted = [row for window in windows for row in range(window.first, window.last)]
    assert counted == list(range(length))
    for window in windows:
        assert 0 <= window.start <= window.first <= window.last <= window.end <= length
        assert not max_length or window.end - window.start <= max_length
        assert window.start in (0, window.first - overlap)
        assert window.end in (length, window.last + overlap)
    assert len(windows) == 1 or length > max_length


def tagger(**settings):
    embed = build_lexeme_embed_v1(width=8, rows=[50, 40, 30, 20], word_dropout=0.0)
    return build_rnn_tagger_v1(tok2vec=embed, hidden_width=4, nO=3, dropout=0.0, **settings)


def initialized(model, docs, source=None):
    model.initialize(X=docs)
    emissions = model.get_ref("emissions")
    emissions.set_param("W", np.random.default_rng(0).normal(size=(3, 8)).astype("f"))
    if source is not None:
        model.from_bytes(source.to_bytes())
    return model


def long_doc(nlp, length, sentence=None):
    rng = np.random.default_rng(length)
    words = [str(word) for word in rng.integers(0, 30, length)]
    starts = None if sentence is None else [i % sentence == 0 for i in range(length)]
    return Doc(nlp.vocab, words=words, sent_starts=starts)


def test_windows_are_their_rows_read_alone(nlp):
    doc = long_doc(nlp, 50)
    model = initialized(tagger(max_length=20, overlap=4), [doc])
    scores = model.predict([doc, doc[:7].as_doc()]).emissions
    for window in find_windows(50, 20, 4):
        alone = model.predict([doc[window.start : window.end].as_doc()]).emissions
        own = alone[window.first - window.start : window.last - window.start]
        np.testing.assert_allclose(scores[window.first : window.last], own, atol=1e-5)
    np.testing.assert_allclose(scores[50:], model.predict([doc[:7].as_doc()]).emissions, atol=1e-5)


def test_more_overlap_is_nearer_to_the_whole_doc(nlp):
    doc = long_doc(nlp, 400)
    whole = initialized(tagger(max_length=0), [doc])
    expected = whole.predict([doc]).emissions
    errors = []
    for overlap in (0, 4, 16, 45):
        model = initialized(tagger(max_length=100, overlap=overlap), [doc], whole)
        errors.append(np.abs(model.predict([doc]).emissions - expected).max())
    assert errors[0] > 1e-2
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-3


@pytest.mark.parametrize("settings", [{"max_length": 20, "overlap": 4}, {"context": "sentence"}])
def test_gradients_go_through_windows_and_sentences(nlp, settings):
    docs = [long_doc(nlp, 50, 7), long_doc(nlp, 5), long_doc(nlp, 0), long_doc(nlp, 24, 3)]
    model = initialized(tagger(**settings), docs)
    scores, backprop = model.begin_update(docs)
    weights = np.random.default_rng(1).normal(size=scores.emissions.shape).astype("f")

    def loss():
        return float((model.predict(docs).emissions.astype("d") * weights).sum())

    scores.emissions[:] = weights
    backprop(scores)
    rnn = model.get_ref("rnn")
    for node, name, at in [
        (rnn, "W_forward_0", (0, 0)),
        (rnn, "U_backward_0", (3, 1)),
        (model.get_ref("emissions"), "W", (2, 5)),
    ]:
        slope = slopes(node, name, at, loss, 1e-2)[0]
        assert node.get_grad(name)[at] == pytest.approx(slope, rel=2e-2, abs=2e-2)


def test_a_sentence_is_read_as_if_it_were_alone(nlp):
    doc = long_doc(nlp, 30, 7)
    model = initialized(tagger(context="sentence"), [doc])
    scores = model.predict([doc]).emissions
    alone = model.predict([sentence.as_doc() for sentence in doc.sents]).emissions
    np.testing.assert_allclose(scores, alone, atol=1e-5)
    # Decoding is over the doc: there is one, not five.
    assert model.predict([doc]).lengths == [30]
    # Without sentence starts, a doc is read as one.
    unset = Doc(nlp.vocab, words=[token.text for token in doc])
    whole = initialized(tagger(context="doc"), [doc], None)
    whole.from_bytes(tagger_bytes(model, whole))
    np.testing.assert_allclose(
        model.predict([unset]).emissions, whole.predict([unset]).emissions, atol=1e-5
    )
    assert np.abs(model.predict([unset]).emissions - scores).max() > 1e-3


def tagger_bytes(source, target):
    """Copy the weights of a model to one whose layers are put together in another way."""
    for name in ("rnn", "emissions", "output_layer"):
        target.get_ref(name).from_bytes(source.get_ref(name).to_bytes())
    target.get_ref("tok2vec").from_bytes(source.get_ref("tok2vec").to_bytes())
    return target.to_bytes()


@pytest.mark.parametrize(
    "settings",
    [{"max_length": -1}, {"max_length": 8, "overlap": 4}, {"overlap": -1}, {"context": "page"}],
)
def test_bad_settings_are_errors(settings):
    with pytest.raises(ValueError, match=r"max_length must|context must"):
        tagger(**settings)


def test_a_layer_in_windows_need_not_know_of_them():
    layer = with_array(Linear(2, 3))
    model = InWindows(layer, 5, 1)
    X = [np.ones((12, 3), dtype="f"), np.ones((2, 3), dtype="f")]
    model.initialize(X=X)
    for Y, y in zip(model.predict(X), layer.predict(X), strict=True):
        np.testing.assert_array_equal(Y, y)


def test_a_row_in_several_windows_has_the_gradient_of_all():
    """Each result is the sum of its window's rows, so each row is in the results of its windows."""
    ops = Linear(2, 3).ops

    def forward(model, parts, is_train):
        sums = [np.repeat(part.sum(0, keepdims=True), len(part), axis=0) for part in parts]

        def backprop(d_sums):
            return [np.repeat(d.sum(0, keepdims=True), len(d), axis=0) for d in d_sums]

        return sums, backprop

    layer = Model("sum_of_rows", forward, ops=ops)
    model = InWindows(layer, 8, 2)
    rng = np.random.default_rng(0)
    lengths = [29, 0, 5, 17]
    X, dY = ([rng.normal(size=(n, 3)).astype("f") for n in lengths] for _ in range(2))
    Y, backprop = model(X, is_train=True)
    for x, y, d_y, d_x in zip(X, Y, dY, backprop(dY), strict=True):
        expected_y, expected_dx = np.zeros_like(x), np.zeros_like(x)
        for window in find_windows(len(x), 8, 2):
            rows, counted = slice(window.start, window.end), slice(window.first, window.last)
            expected_y[counted] = x[rows].sum(0)
            expected_dx[rows] += d_y[counted].sum(0)
        np.testing.assert_allclose(y, expected_y, atol=1e-5)
        np.testing.assert_allclose(d_x, expected_dx, atol=1e-5)
    assert len(find_windows(29, 8, 2)) > 3


# Batches


def annotated(nlp, length, sentence=None, seed=0):
    """A doc with entities, missing annotation, an incorrect span and scores, all over it."""
    rng = np.random.default_rng(seed)
    doc = long_doc(nlp, length, sentence)
    tags, at = [], 0
    while at < length:
        kind, size = rng.choice(["O", "-", "U", "B"]), int(rng.integers(2, 5))
        if kind != "B" or at + size > length:
            tags.append(f"U-{'FG'[at % 2]}" if kind == "U" else "O" if kind == "B" else kind)
            at += 1
        else:
            tags += ["B-F", *["I-F"] * (size - 2), "L-F"]
            at += size
    missing = [doc[i : i + 1] for i, tag in enumerate(tags) if tag == "-"]
    doc.set_ents(biluo_tags_to_spans(doc, tags), missing=missing, default="outside")
    spans = [Span(doc, i, i + 2, "F", span_id=f"s{i}") for i in range(0, length - 2, 9)]
    scores = np.arange(len(spans)) / 100
    doc.spans["wrong"] = SpanGroup(doc, name="wrong", spans=spans, attrs={"scores": scores})
    doc.cats = {"letter": 1.0}
    return doc


def facts(docs):
    """All annotation of docs, one after the other, with places in the whole."""
    found, offset = [], 0
    for doc in docs:
        found += [
            (offset + t.i, t.text, t.ent_iob_, t.ent_type_, t.is_sent_start is True) for t in doc
        ]
        found += [
            (offset + s.start, offset + s.end, s.label_, s.id_, score)
            for s, score in zip(
                doc.spans["wrong"], doc.spans["wrong"].attrs["scores"].tolist(), strict=True
            )
        ]
        offset += len(doc)
    return sorted(found, key=str)


@pytest.mark.parametrize("sentence", [None, 7, 40])
@pytest.mark.parametrize("max_length", [10, 16, 64])
def test_a_split_loses_nothing(nlp, sentence, max_length):
    reference = annotated(nlp, 200, sentence)
    predicted = Doc(nlp.vocab, words=[token.text for token in reference])
    parts = list(split_example(Example(predicted, reference), max_length))
    assert len(parts) > 1
    assert all(len(part.predicted) <= max_length for part in parts)
    assert "".join(part.predicted.text_with_ws for part in parts) == predicted.text_with_ws
    whole, found = facts([reference]), facts([part.reference for part in parts])
    # A part's first token need not be called a sentence start; the parts say so.
    assert [fact[:4] for fact in found] == [fact[:4] for fact in whole]
    assert all(part.reference.cats == {"letter": 1.0} for part in parts)


def test_parts_begin_with_sentences(nlp):
    reference = long_doc(nlp, 100, 7)
    predicted = Doc(nlp.vocab, words=[token.text for token in reference])
    parts = list(split_example(Example(predicted, reference), 20))
    assert [len(part.predicted) for part in parts] == [14] * 6 + [16]
    # Sentences that the pipeline has set count as well.
    parts = list(split_example(Example(reference, predicted), 20))
    assert [len(part.predicted) for part in parts] == [14] * 6 + [16]


def test_docs_of_different_tokens_are_parted_where_both_can_be(nlp):
    words = ["a", "bc", "d", "ef"] * 10
    predicted = Doc(nlp.vocab, words=words, spaces=[False] * 40)
    other = ["ab", "c", "def"] * 10
    reference = Doc(nlp.vocab, words=other, spaces=[False] * 30)
    reference.set_ents([Span(reference, 3 * i + 2, 3 * i + 3, "F") for i in range(10)])
    parts = list(split_example(Example(predicted, reference), 10))
    assert [part.predicted.text for part in parts] == [part.reference.text for part in parts]
    assert sum(len(part.reference.ents) for part in parts) == 10
    assert max(len(part.predicted) for part in parts) <= 10


def test_a_span_longer_than_a_batch_stays_whole(nlp):
    reference = long_doc(nlp, 40)
    reference.set_ents([Span(reference, 5, 30, "F")])
    predicted = Doc(nlp.vocab, words=[token.text for token in reference])
    parts = list(split_example(Example(predicted, reference), 10))
    assert [len(part.predicted) for part in parts] == [5, 25, 10]
    assert [ent.text for part in parts for ent in part.reference.ents] == [reference.ents[0].text]


def test_batches_keep_to_their_budget(nlp):
    docs = [annotated(nlp, length, 6, length) for length in (5, 300, 40, 0, 90)]
    examples = [Example(Doc(nlp.vocab, words=[t.text for t in doc]), doc) for doc in docs]
    batches = list(create_batch_by_tokens_v1(size=50)(examples))
    sizes = [sum(len(eg.predicted) for eg in batch) for batch in batches]
    assert sum(sizes) == 435
    assert max(sizes) <= 60
    schedule = create_batch_by_tokens_v1(size=iter([20.0, 30.0, *[40.0] * 99]))
    sizes = [sum(len(eg.predicted) for eg in batch) for batch in schedule(examples)]
    assert sum(sizes) == 435
    assert max(sizes) <= 48
    with pytest.raises(ValueError, match="size must be"):
        create_batch_by_tokens_v1(size=0)
    with pytest.raises(ValueError, match="tolerance must be"):
        create_batch_by_tokens_v1(size=10, tolerance=-1)


def test_training_from_a_config_takes_one_long_doc(nlp):
    """Batches of a budget in `nlp.update`: the component learns from every part."""
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_ner")
    words = [
        "Red",
        "Fort",
        "is",
        "in",
        "Delhi",
        ".",
        "Nobody",
        "came",
        "from",
        "Lima",
        "to",
        "us",
        ".",
    ] * 40
    doc = Doc(nlp.vocab, words=words)
    doc.set_ents(
        [Span(doc, i, i + 1, "GPE") for i, w in enumerate(words) if w in ("Delhi", "Lima")]
    )
    examples = [Example(Doc(nlp.vocab, words=words), doc)]
    sgd = nlp.initialize(lambda: examples)
    batch = create_batch_by_tokens_v1(size=100)
    for _ in range(15):
        for part in batch(examples):
            nlp.update(part, sgd=sgd)
    assert {ent.text for ent in nlp(Doc(nlp.vocab, words=words)).ents} == {"Delhi", "Lima"}
