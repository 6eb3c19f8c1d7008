"""Loss, gradient and decoding on the tag lattice, against enumeration of all paths."""

import itertools

import numpy as np
import pytest
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from spacy_rnn_tagger.crf.tag_scheme import SCHEMES, Spans, TagScheme
from spacy_rnn_tagger.models.architectures import build_lexeme_embed_v1
from spacy_rnn_tagger.pipeline.losses import annotation_loss, mask_loss, tutor_loss
from spacy_rnn_tagger.types import TagScores
from tests.crf.lattices import decode, posteriors_of


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
    loss, gradient = mask_loss(ops, TagScores(arrays[0], lengths, *arrays[1:]), tags, allowed)
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
    with pytest.raises(ValueError, match="contradicts the tagging scheme"):
        mask_loss(build_lexeme_embed_v1(width=2).ops, scores, tags, allowed)


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_span_posteriors_equal_enumeration(decoder, scheme):
    """With sentence starts and tags that are not allowed, over all spans of random lattices."""
    tags = TagScheme(scheme, ("A", "B"))
    K = len(tags.tags)
    rng = np.random.default_rng(7)
    for _ in range(5):
        lengths = [3, 0, 1, 4]
        shapes = ((8, K), (K, K), (K,), (K,))
        arrays = [(rng.normal(size=shape) * 3).astype("f") for shape in shapes]
        breaks = rng.random(8) < 0.2
        breaks[[0, 3, 4]] = True
        allowed = rng.random((8, K)) < 0.9
        allowed[:, 0] = True
        allowed[np.ix_(breaks, tags.continues)] = False
        if decoder == "softmax":
            arrays = arrays[:1]
        E, *learned = (array.astype(float) for array in arrays)
        T, S, F = learned or (np.zeros((K, K)), np.zeros(K), np.zeros(K))
        expected, total = {}, {}
        for start, length in ((0, 3), (3, 1), (4, 4)):
            weights = []
            for path in itertools.product(range(K), repeat=length):
                legal = tags.legal_start[path[0]] and tags.legal_end[path[-1]]
                legal &= all(tags.legal_transitions[a, b] for a, b in itertools.pairwise(path))
                if not legal or not all(allowed[start + t, y] for t, y in enumerate(path)):
                    continue
                score = S[path[0]] + F[path[-1]] + sum(E[start + t, y] for t, y in enumerate(path))
                weight = np.exp(score + sum(T[a, b] for a, b in itertools.pairwise(path)))
                weights.append(weight)
                own = tags.spans(np.array(path), breaks[start : start + length])
                for first, end, label in zip(*own, strict=True):
                    key = (start + first, start + end, label)
                    expected[key] = expected.get(key, 0.0) + weight
            for end in range(start, start + length):
                total[end] = sum(weights)
        spans = [
            (first, end, label)
            for start, length in ((0, 3), (3, 1), (4, 4))
            for first, end in itertools.combinations(range(start, start + length + 1), 2)
            if not breaks[first + 1 : end].any()
            for label in (0, 1)
        ]
        scores = TagScores(arrays[0], lengths, *arrays[1:])
        found = posteriors_of(scores, tags, breaks, allowed).of(Spans(*np.array(spans).T))
        wanted = [expected.get(span, 0.0) / total[span[0]] for span in spans]
        assert np.allclose(found, wanted, atol=1e-6)
        posteriors = posteriors_of(scores, tags, breaks, allowed)
        for floor in (0.01, 0.1, 0.2, 0.4):
            likely = set(
                zip(*(column.tolist() for column in posteriors.likely(floor)), strict=True)
            )
            assert likely == {span for span, p in zip(spans, wanted, strict=True) if p >= floor}


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("kind", ["annotation", "incorrect", "tutor"])
@pytest.mark.parametrize("space", [" ", "x"])
def test_losses_are_means_over_docs(nlp, decoder, kind, space):
    """A batch has the mean of its docs' losses and of their gradients, by whitespace or without."""
    tags = TagScheme("BIO", ("A", "B"))
    rng = np.random.default_rng(11)
    ops = build_lexeme_embed_v1(width=2).ops
    words = [["a", space, "b", "c"], ["d"], ["e", "f", space], ["g", "h"]]
    examples = []
    for own in words:
        reference = Doc(nlp.vocab, words=own)
        reference.set_ents([Span(reference, 0, 1, "A")])
        if len(own) > 2 and kind == "incorrect":
            span = Span(reference, 2, 3, "B")
            reference.spans["wrong"] = SpanGroup(reference, name="wrong", spans=[span])
        examples.append(Example(Doc(nlp.vocab, words=own), reference))
    lengths = [len(own) for own in words]
    shapes = [(sum(lengths), 5), *([(5, 5), (5,), (5,)] if decoder == "crf" else [])]

    def random_scores():
        emissions, *learned = (rng.normal(size=shape).astype("f") for shape in shapes)
        return TagScores(emissions, lengths, *learned)

    scores, tutor = random_scores(), random_scores()

    def of(docs):
        rows = np.concatenate([np.arange(sum(lengths))[own] for own in (bounds[i] for i in docs)])
        own = [lengths[i] for i in docs]
        mine, theirs = (each.select(rows, own) for each in (scores, tutor))
        chosen = [examples[i] for i in docs]
        if kind == "tutor":
            return tutor_loss(ops, mine, tags, [eg.predicted for eg in chosen], theirs)
        return annotation_loss(ops, mine, tags, chosen, "wrong" if kind == "incorrect" else None)

    ends = np.cumsum(lengths)
    bounds = [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
    loss, gradient = of(range(4))
    alone = [of([i]) for i in range(4)]
    assert loss > 0
    assert loss == pytest.approx(np.mean([value for value, _ in alone]), rel=1e-6)
    expected = [np.concatenate([d.emissions for _, d in alone]) / 4]
    expected += [sum(own) / 4 for own in zip(*(d.arrays()[1:] for _, d in alone), strict=True)]
    for ours, theirs in zip(gradient.arrays(), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
        assert np.abs(theirs).max() > 1e-3
