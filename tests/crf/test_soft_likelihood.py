"""Losses of soft annotation, against enumeration of all analyses or paths of small docs."""

import itertools

import numpy as np
import pytest
from thinc.api import NumpyOps

from spacy_rnn_tagger.crf.forward_backward import forward_backward
from spacy_rnn_tagger.crf.packed_order import PackedOrder
from spacy_rnn_tagger.crf.soft_likelihood import SoftSpans, SoftTags
from spacy_rnn_tagger.crf.tag_scheme import SCHEMES, Spans, TagScheme
from spacy_rnn_tagger.pipeline.losses import mask_loss, soft_loss
from spacy_rnn_tagger.types import TagScores
from tests.pipeline.test_gold_and_losses import all_paths, check_gradient, lattice_scores
from tests.pipeline.test_label_sets import all_analyses, written

LABELS = ("A", "B", "C")
OPS = NumpyOps()
SCHEME = pytest.mark.parametrize("scheme", list(SCHEMES))
DECODER = pytest.mark.parametrize("decoder", ["crf", "softmax"])


def soft_of(posteriors, lengths, unknown=()):
    """Make soft annotation of {(doc, start, end, label): posterior}."""
    offsets = np.cumsum([0, *lengths])
    rows = [
        (offsets[d] + start, offsets[d] + end, LABELS.index(label))
        for d, start, end, label in posteriors
    ]
    spans = Spans(*np.array(rows, dtype=np.int64).reshape(-1, 3).T)
    known = np.ones(sum(lengths), dtype=bool)
    known[list(unknown)] = False
    return SoftSpans(spans, np.array([*posteriors.values()], dtype=float), known)


def tags_of(soft, tags, lengths):
    return SoftTags(soft, tags, PackedOrder(lengths))


def random_analyses(rng, length, kind):
    """Draw a teacher: some analyses of a doc and their probabilities.

    Args:
        kind: "apart" for entities of which none ends where any analysis begins one, "certain" for
            entities in a row that are in all analyses, "any" for whatever comes.
    """
    analyses = list(all_analyses(length))
    if kind == "apart":
        # No border is both an end and a beginning, unless an entity crosses it.
        begins = {i for i in range(length) if rng.random() < 0.5}
        analyses = [
            spans
            for spans in analyses
            if all(start in begins and end not in begins for start, end, _ in spans)
        ]
    if kind == "certain":
        middle = [(length // 2 - 1, length // 2, "A"), (length // 2, length // 2 + 1, "B")]
        analyses = [spans for spans in analyses if set(middle) <= set(spans)]
    own = rng.choice(len(analyses), min(len(analyses), 30), replace=False)
    p = rng.dirichlet(np.full(len(own), 0.5))
    return [(analyses[i], float(value)) for i, value in zip(own, p, strict=True)]


def posteriors_of(analyses, doc=0):
    found = {}
    for spans, p in analyses:
        for span in spans:
            own = (doc, *span)
            found[own] = found.get(own, 0.0) + p
    return found


def expectations(analyses, length, tags):
    """Compute tag marginals and expected transitions, analysis by analysis."""
    number = {tag: i for i, tag in enumerate(tags.tags)}
    K = len(number)
    marginals, transitions = np.zeros((length, K)), np.zeros((K, K))
    for spans, p in analyses:
        row = written(spans, length, tags.scheme)
        ids = [number[tag.replace("B-", "I-") if tags.scheme == "IO" else tag] for tag in row]
        for i, tag in enumerate(ids):
            marginals[i, tag] += p
        for pair in itertools.pairwise(ids):
            transitions[pair] += p
    return marginals, transitions


@SCHEME
@pytest.mark.parametrize("kind", ["apart", "certain", "any"])
def test_expectations_by_enumeration_of_analyses(scheme, kind):
    """Tags always; transitions wherever posteriors of spans determine them."""
    tags = TagScheme(scheme, LABELS)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        lengths = [int(rng.integers(2, 5)), 1, 0, 4]
        docs = [random_analyses(rng, n, kind if n > 1 else "any") for n in lengths]
        posteriors = {}
        for i, analyses in enumerate(docs):
            posteriors |= posteriors_of(analyses, i)
        found = tags_of(soft_of(posteriors, lengths), tags, lengths)
        expected = [expectations(*own, tags) for own in zip(docs, lengths, strict=True)]
        np.testing.assert_allclose(found.tags, np.concatenate([e[0] for e in expected]), atol=1e-12)
        if kind == "apart":
            transitions = sum(e[1] for e in expected)
            np.testing.assert_allclose(found.transitions, transitions, atol=1e-12)
        assert found.transitions.sum() == pytest.approx(sum(max(n - 1, 0) for n in lengths))


@pytest.mark.parametrize("scheme", ["BIO", "BILUO"])
def test_two_entities_in_a_row(scheme):
    """Certain ones are exact, and in doubt, an end and a beginning are independent."""
    tags = TagScheme(scheme, LABELS)
    alone_a, alone_b = tags.tags.index("U-A" if scheme == "BILUO" else "B-A"), tags.roles[1, 0]
    sure = tags_of(soft_of({(0, 0, 1, "A"): 1.0, (0, 1, 2, "B"): 1.0}, [2]), tags, [2])
    assert sure.transitions[alone_a, alone_b] == 1.0 == sure.transitions.sum()
    doubt = {(0, 0, 1, "A"): 0.5, (0, 1, 2, "B"): 0.3, (0, 0, 2, "C"): 0.2}
    found = tags_of(soft_of(doubt, [2]), tags, [2]).transitions
    assert found[alone_a, alone_b] == pytest.approx(0.5 * 0.3 / 0.8)
    assert found[alone_a, 0] == pytest.approx(0.5 * 0.5 / 0.8)
    assert found[0, 0] == pytest.approx(0.3 * 0.5 / 0.8)
    assert found[tags.roles[2, 1], tags.roles[2, 3]] == 0.2


def test_two_entities_in_a_row_are_one_in_io():
    tags = TagScheme("IO", LABELS)
    posteriors = {(0, 0, 1, "A"): 0.6, (0, 1, 2, "A"): 0.6, (0, 0, 2, "A"): 0.2}
    found = tags_of(soft_of(posteriors, [2]), tags, [2])
    assert found.transitions[1, 1] == pytest.approx(0.2 + 0.6 * 0.6 / 0.8)
    assert found.tags[:, :2] == pytest.approx(np.array([[0.2, 0.8], [0.2, 0.8]]))


def entities_of(path, tags):
    breaks = np.arange(len(path)) == 0
    return [
        (start, end, tags.labels[label])
        for start, end, label in zip(*tags.spans(np.array(path), breaks), strict=True)
    ]


def teacher_of(scores, tags):
    """Compute the posteriors of all spans of a teacher lattice, path by path."""
    found, start = {}, 0
    for doc, length in enumerate(scores.lengths):
        if length:
            paths, p = all_paths(scores, tags, start, length)
            analyses = [(entities_of(path, tags), own) for path, own in zip(paths, p, strict=True)]
            found |= posteriors_of(analyses, doc)
        start += length
    return found


@SCHEME
@DECODER
def test_expectations_of_a_teacher_lattice(scheme, decoder):
    """Softmax's transitions are exact as well: it has no preference at a border."""
    tags = TagScheme(scheme, LABELS[:2])
    lengths = [3, 1, 4] if scheme != "BILUO" else [3, 1, 2]
    scores = lattice_scores(decoder, len(tags.tags), lengths, seed=3)
    found = tags_of(soft_of(teacher_of(scores, tags), lengths), tags, lengths)
    exact = forward_backward(scores.lattice(tags), PackedOrder(lengths))
    np.testing.assert_allclose(found.tags, exact.tags, atol=1e-9)
    if decoder == "softmax" and scheme != "IO":
        np.testing.assert_allclose(found.transitions, exact.transitions, atol=1e-9)


def chain_of(posteriors, doc, length, tags):
    """Build the teacher's Markov chain of a doc, span by span: P(tags at each border)."""
    K = len(tags.tags)
    alone, first, inside, last = tags.roles.T
    pairs = np.zeros((length - 1, K, K))
    ends, begins = np.zeros((length + 1, K)), np.zeros((length + 1, K))
    mass = np.zeros(length)
    for (own, start, end, label), p in posteriors.items():
        if own != doc:
            continue
        n = tags.labels.index(label)
        row = [first[n], *[inside[n]] * (end - start - 2), last[n]]
        row = row if end - start > 1 else [alone[n]]
        mass[start:end] += p
        begins[start, row[0]] += p
        ends[end, row[-1]] += p
        for i, pair in enumerate(itertools.pairwise(row)):
            pairs[(start + i, *pair)] += p
    for i in range(1, length):
        crossing = pairs[i - 1].sum()
        before, after = ends[i].copy(), begins[i].copy()
        before[0], after[0] = 1 - mass[i - 1], 1 - mass[i]
        if crossing < 1 - 1e-12:
            pairs[i - 1] += np.outer(before, after) / (1 - crossing)
    marginals = np.zeros((length, K))
    for i in range(length):
        marginals[i] = pairs[i].sum(1) if i < length - 1 else pairs[i - 1].sum(0)
    return pairs, marginals


def divergence_of(posteriors, doc, length, tags, scores, offset):
    """Compute the divergence path by path."""
    pairs, marginals = chain_of(posteriors, doc, length, tags)
    total = 0.0
    for path, p in zip(*all_paths(scores, tags, offset, length), strict=True):
        q = marginals[0, path[0]]
        for i, pair in enumerate(itertools.pairwise(path)):
            q = q and q * pairs[(i, *pair)] / marginals[i, pair[0]]
        total += q * np.log(q / p) if q else 0.0
    return total


CERTAIN = {(0, 0, 2, "A"): 1.0, (0, 2, 3, "B"): 1.0, (1, 1, 2, "A"): 1.0}
DOUBT = {
    (0, 0, 2, "A"): 0.5,
    (0, 0, 2, "B"): 0.125,
    (0, 0, 1, "A"): 0.125,
    (0, 1, 2, "A"): 0.0625,
    (0, 1, 3, "B"): 0.0625,
    (0, 2, 3, "B"): 0.5,
    (1, 0, 1, "A"): 0.25,
    (1, 1, 2, "A"): 0.25,
}


@SCHEME
@pytest.mark.parametrize("posteriors", [CERTAIN, DOUBT, {}], ids=["certain", "doubt", "outside"])
def test_path_loss_by_enumeration(scheme, posteriors):
    tags = TagScheme(scheme, LABELS[:2])
    lengths = [3, 2]
    scores = lattice_scores("crf", len(tags.tags), lengths)
    soft = soft_of(posteriors, lengths)
    expected = divergence_of(posteriors, 0, 3, tags, scores, 0)
    expected += divergence_of(posteriors, 1, 2, tags, scores, 3)
    loss, gradient = soft_loss(OPS, scores, tags, soft)
    assert loss == pytest.approx(expected, rel=1e-5)
    check_gradient(scores, gradient, lambda: soft_loss(OPS, scores, tags, soft)[0])


@SCHEME
def test_token_loss_by_enumeration(scheme):
    tags = TagScheme(scheme, LABELS[:2])
    lengths = [3, 2]
    scores = lattice_scores("softmax", len(tags.tags), lengths)
    soft = soft_of(DOUBT, lengths)
    q = np.concatenate([chain_of(DOUBT, doc, n, tags)[1] for doc, n in enumerate(lengths)])
    p = np.exp(scores.emissions.astype(float))
    p /= p.sum(axis=1, keepdims=True)
    used = q > 0
    loss, gradient = soft_loss(OPS, scores, tags, soft)
    assert loss == pytest.approx((q[used] * np.log(q[used] / p[used])).sum(), rel=1e-5)
    check_gradient(scores, gradient, lambda: soft_loss(OPS, scores, tags, soft)[0])


@SCHEME
@DECODER
def test_certain_spans_are_hard_annotation(scheme, decoder):
    tags = TagScheme(scheme, LABELS)
    lengths = [3, 0, 2, 1]
    posteriors = {(0, 0, 2, "C"): 1.0, (0, 2, 3, "B"): 1.0, (2, 1, 2, "A"): 1.0}
    scores = lattice_scores(decoder, len(tags.tags), lengths)
    ids = np.zeros(6, dtype=int)
    alone, first, _, last = tags.roles.T
    ids[[0, 1, 2, 4]] = first[2], last[2], alone[1], alone[0]
    hard, d_hard = mask_loss(OPS, scores, tags, tags.mask(ids))
    loss, gradient = soft_loss(OPS, scores, tags, soft_of(posteriors, lengths))
    assert loss == pytest.approx(hard, rel=1e-6)
    for ours, theirs in zip(gradient.arrays(), d_hard.arrays(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("scheme", ["BIO", "BILUO"])
def test_a_student_learns_the_posteriors_of_its_teacher(scheme):
    """Emissions and transitions are free, and the descent begins from nothing."""
    tags = TagScheme(scheme, LABELS[:2])
    lengths = [3, 2]
    teacher = teacher_of(lattice_scores("softmax", len(tags.tags), lengths, seed=5), tags)
    K = len(tags.tags)
    shapes = ((5, K), (K, K), (K,), (K,))
    student = TagScores(np.zeros(shapes[0]), lengths, *(np.zeros(s) for s in shapes[1:]))
    soft = soft_of(teacher, lengths)
    before = soft_loss(OPS, student, tags, soft)[0]
    for _ in range(3000):
        loss, gradient = soft_loss(OPS, student, tags, soft)
        for array, slope in zip(student.arrays(), gradient.arrays(), strict=True):
            array -= slope
    learned = teacher_of(student, tags)
    assert 0 <= loss < 1e-5 < before
    assert learned.keys() == teacher.keys()
    assert max(abs(learned[span] - p) for span, p in teacher.items()) < 2e-3


@SCHEME
@DECODER
def test_words_of_which_nothing_is_known(scheme, decoder):
    """They have no gradient. For the CRF, the loss is that of the runs between them."""
    tags = TagScheme(scheme, LABELS[:1])
    K, lengths, unknown = len(tags.tags), [6, 1, 3], [0, 3, 6, 9]
    posteriors = {
        (0, 1, 3, "A"): 0.5,
        (0, 2, 5, "A"): 0.25,  # through a word that is not known
        (0, 5, 6, "A"): 0.5,
        (1, 0, 1, "A"): 0.5,
        (2, 0, 2, "A"): 0.75,
    }
    scores = lattice_scores(decoder, K, lengths)
    loss, gradient = soft_loss(OPS, scores, tags, soft_of(posteriors, lengths, unknown))
    assert not gradient.emissions[unknown].any()
    expected_loss, d_emissions, d_transitions = 0.0, np.zeros((10, K)), np.zeros((K, K))
    runs = [(0, 0, 1), (0, 0, 4), (2, 7, 0)]  # of two words each: the doc, its row, and the place
    for doc, offset, i in runs:
        pairs = chain_of(posteriors, doc, lengths[doc], tags)[0][i]
        if decoder == "crf":
            p = np.zeros((K, K))
            for path, own in zip(*all_paths(scores, tags, offset, lengths[doc]), strict=True):
                p[path[i], path[i + 1]] += own
            used = pairs > 0
            expected_loss += (pairs[used] * np.log(pairs[used] / p[used])).sum()
            of_words = [p.sum(axis=1), p.sum(axis=0)]
            d_transitions += p - pairs
        else:
            of_words = np.exp(scores.emissions[offset + i : offset + i + 2].astype(float))
            of_words /= of_words.sum(axis=1, keepdims=True)
        for own, p, q in zip((0, 1), of_words, [pairs.sum(axis=1), pairs.sum(axis=0)], strict=True):
            d_emissions[offset + i + own] = p - q
            if decoder == "softmax":
                expected_loss += (q[q > 0] * np.log(q[q > 0] / p[q > 0])).sum()
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    np.testing.assert_allclose(gradient.emissions, d_emissions, atol=1e-6)
    if decoder == "crf":
        np.testing.assert_allclose(gradient.transitions, d_transitions, atol=1e-6)
        # The first words of two docs are not known, and the last of two.
        np.testing.assert_allclose(gradient.start, d_emissions[7], atol=1e-6)
        np.testing.assert_allclose(gradient.end, d_emissions[5], atol=1e-6)


def test_nothing_known_teaches_nothing():
    tags = TagScheme("BILUO", LABELS)
    for decoder in ("crf", "softmax"):
        scores = lattice_scores(decoder, len(tags.tags), [2, 1])
        soft = soft_of({(0, 0, 1, "A"): 0.5}, [2, 1], unknown=[0, 1, 2])
        loss, gradient = soft_loss(OPS, scores, tags, soft)
        assert loss == 0
        assert not any(array.any() for array in gradient.arrays())


@SCHEME
def test_posteriors_of_more_than_one(scheme):
    """As spans of a mean of truncated lists: nothing is negative, and what begins also ends."""
    tags = TagScheme(scheme, LABELS)
    lengths = [4]
    posteriors = {(0, 0, 2, "A"): 0.75, (0, 1, 4, "B"): 0.75, (0, 3, 4, "C"): 0.25}
    found = tags_of(soft_of(posteriors, lengths), tags, lengths)
    assert (found.tags >= 0).all()
    np.testing.assert_allclose(found.tags.sum(axis=1), 1.0, atol=1e-12)
    assert found.transitions.sum() == pytest.approx(3)
    scaled = {(0, 0, 2, "A"): 0.5, (0, 1, 4, "B"): 0.5, (0, 3, 4, "C"): 0.25}
    expected = tags_of(soft_of(scaled, lengths), tags, lengths)
    np.testing.assert_allclose(found.transitions, expected.transitions, atol=1e-12)
    scores = lattice_scores("crf", len(tags.tags), lengths)
    assert soft_loss(OPS, scores, tags, soft_of(posteriors, lengths))[0] > 0
    # Rounding leaves no more than this of "O", and nothing below.
    values = np.random.default_rng(0).uniform(0.4, 1.0, (500, len(LABELS)))
    full = {
        (doc, 0, 1, own): p
        for doc, row in enumerate(values)
        for own, p in zip(LABELS, row, strict=True)
    }
    rows = tags_of(soft_of(full, [1] * 500), tags, [1] * 500).tags
    assert (rows >= 0).all() and rows[:, 0].max() < 1e-12


def test_scores_far_apart_are_finite():
    tags = TagScheme("BILUO", LABELS)
    scores = lattice_scores("crf", len(tags.tags), [3, 2])
    for array in scores.arrays():
        array *= 1000
    loss, gradient = soft_loss(OPS, scores, tags, soft_of(DOUBT, [3, 2], unknown=[1]))
    assert np.isfinite(loss)
    assert all(np.isfinite(array).all() for array in gradient.arrays())
