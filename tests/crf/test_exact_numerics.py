"""Losses, gradients and probabilities by value, against exact sums over paths.

Scores reach a few thousand, where exp() of their differences is far outside of what a double holds.
The sums are of decimal numbers with forty digits and an exponent without a practical limit.
"""

import itertools
from decimal import Decimal, localcontext

import numpy as np
import pytest
from thinc.api import NumpyOps

from spacy_rnn_tagger.crf import forward_backward as crf
from spacy_rnn_tagger.crf.forward_backward import forward_backward, log_sums
from spacy_rnn_tagger.crf.lattice import Lattice
from spacy_rnn_tagger.crf.likelihood import IncorrectSpan
from spacy_rnn_tagger.crf.n_best import n_best_paths
from spacy_rnn_tagger.crf.packed_order import PackedOrder
from spacy_rnn_tagger.crf.posteriors import span_posteriors
from spacy_rnn_tagger.crf.tag_scheme import SCHEMES, Spans, TagScheme
from spacy_rnn_tagger.pipeline.losses import divergence_loss, incorrect_loss, mask_loss
from spacy_rnn_tagger.types import TagScores
from tests.crf.lattices import decode, lattice_of, posteriors_of

OPS = NumpyOps()
LENGTHS = [4, 0, 1, 5, 2]
LOSS = {"rel": 1e-6, "abs": 1e-9}
GRADIENT = 1e-6
# How large scores are: of one size, or of sizes far apart.
SIZES = {"small": [1.0], "hundreds": [300.0], "thousands": [2500.0], "mixed": [0.5, 30.0, 3000.0]}
CASES = pytest.mark.parametrize(
    "scheme,decoder,sizes,seed",
    [
        *itertools.product(SCHEMES, ["crf", "softmax"], SIZES, [0]),
        *itertools.product(SCHEMES, ["crf", "softmax"], ["thousands", "mixed"], [1, 2]),
    ],
)


@pytest.fixture(autouse=True)
def digits():
    with localcontext() as context:
        context.prec = 40
        yield


def scores_of(rng, scheme, decoder, sizes, lengths=LENGTHS):
    K, N = len(scheme.tags), sum(lengths)

    def values(*shape):
        return (rng.normal(size=shape) * rng.choice(SIZES[sizes], shape)).astype("f")

    learned = [values(K, K), values(K), values(K)] if decoder == "crf" else []
    return TagScores(values(N, K), lengths, *learned)


def rows_of(lengths):
    return [slice(end - n, end) for end, n in zip(np.cumsum(lengths), lengths, strict=True)]


def paths_of(lattice, rows):
    """List the paths of one doc that have no score of minus infinity, each with its exact score."""
    E, T, S, F = (
        [[Decimal(x) for x in row] if isinstance(row, list) else Decimal(row) for row in array]
        for array in (lattice.emissions[rows].tolist(), *(array.tolist() for array in lattice[1:]))
    )
    K = len(S)
    paths = [((y,), S[y] + E[0][y]) for y in range(K)] if E else [((), Decimal(0))]
    for emissions in E[1:]:
        paths = [
            ((*path, y), score + T[path[-1]][y] + emissions[y])
            for path, score in paths
            if score.is_finite()
            for y in range(K)
        ]
    paths = [(path, score + F[path[-1]] if path else score) for path, score in paths]
    return [(path, score) for path, score in paths if score.is_finite()]


def total_of(paths):
    return sum((score.exp() for _, score in paths), Decimal(0))


def uses_of(paths, total, length, K):
    """Compute the expected uses of emissions, transitions, start and end."""
    tags, transitions, start, end = (np.zeros(s) for s in ((length, K), (K, K), K, K))
    for path, score in paths:
        p = float(score.exp() / total)
        if path:
            tags[range(length), path] += p
            start[path[0]] += p
            end[path[-1]] += p
        for before, after in itertools.pairwise(path):
            transitions[before, after] += p
    return tags, transitions, start, end


class Expected:
    """The exact sum of signed log-sums over paths, and its gradient."""

    def __init__(self, K, lengths):
        self.value = Decimal(0)
        self.rows = rows_of(lengths)
        self.tags = np.zeros((sum(lengths), K))
        self.learned = [np.zeros((K, K)), np.zeros(K), np.zeros(K)]

    def add(self, doc, paths, sign):
        total = total_of(paths)
        self.value += sign * total.ln()
        rows = self.rows[doc]
        tags, *learned = uses_of(paths, total, rows.stop - rows.start, self.tags.shape[1])
        self.tags[rows] += sign * tags
        for mine, other in zip(self.learned, learned, strict=True):
            mine += sign * other

    def check(self, loss, gradient):
        assert loss == pytest.approx(float(self.value), **LOSS)
        arrays = gradient.arrays()
        expected = [self.tags, *self.learned][: len(arrays)]
        for ours, exact in zip(arrays, expected, strict=True):
            np.testing.assert_allclose(ours, exact, rtol=0, atol=GRADIENT)


def gold_masks(rng, scheme, lengths):
    """Allow the tags of a legal path; at some words all tags, at some "O" as well."""
    random = TagScores(rng.normal(size=(sum(lengths), len(scheme.tags))).astype("f"), lengths)
    ids = decode(random, scheme)
    ids[rng.random(len(ids)) < 0.3] = -1
    allowed = scheme.mask(ids)
    allowed[rng.random(len(ids)) < 0.2, 0] = True
    return allowed


def restricted(lattice, allowed):
    return lattice._replace(emissions=np.where(allowed, lattice.emissions, -np.inf))


@CASES
def test_loss_and_gradient(scheme, decoder, sizes, seed):
    rng = np.random.default_rng(seed)
    scheme = TagScheme(scheme, ("A", "B"))
    scores, allowed = scores_of(rng, scheme, decoder, sizes), gold_masks(rng, scheme, LENGTHS)
    expected = Expected(len(scheme.tags), LENGTHS)
    if decoder == "crf":
        lattice = lattice_of(scores, scheme)
        for doc, rows in enumerate(rows_of(LENGTHS)):
            expected.add(doc, paths_of(lattice, rows), 1)
            expected.add(doc, paths_of(restricted(lattice, allowed), rows), -1)
    else:  # each word by itself: docs of one word without transitions
        zero = np.zeros(len(scheme.tags))
        lattice = Lattice(scores.emissions, np.zeros((len(zero), len(zero))), zero, zero)
        expected = Expected(len(zero), [1] * len(allowed))
        for word, rows in enumerate(expected.rows):
            expected.add(word, paths_of(lattice, rows), 1)
            expected.add(word, paths_of(restricted(lattice, allowed), rows), -1)
    expected.check(*mask_loss(OPS, scores, scheme, allowed))


def has_span(path, span, scheme):
    """Read a path's entities off its tags' names."""
    names = [scheme.tags[y] for y in path]
    if span.label == "O":
        return all(name == "O" for name in names[span.start : span.end])
    entities, start = [], None
    for i, name in enumerate([*names, "O"]):
        prefix, _, label = name.partition("-")
        goes_on = i and label and names[i - 1].partition("-")[2] == label
        goes_on = goes_on and (prefix in "IL") and start is not None
        if start is not None and not goes_on:
            entities.append((start, i, names[start].partition("-")[2]))
            start = None
        if label and start is None:
            start = i
    return (span.start, span.end, span.label) in entities


@CASES
def test_loss_of_incorrect_spans(scheme, decoder, sizes, seed):
    rng = np.random.default_rng(seed)
    scheme = TagScheme(scheme, ("A", "B"))
    scores = scores_of(rng, scheme, decoder, sizes)
    spans = [
        IncorrectSpan(0, 1, 3, "A"),
        IncorrectSpan(0, 0, 1, "B"),
        IncorrectSpan(2, 0, 1, "O"),
        IncorrectSpan(3, 2, 5, "B"),
        IncorrectSpan(3, 0, 5, "A"),
        IncorrectSpan(4, 1, 2, "A"),
    ]
    expected = Expected(len(scheme.tags), LENGTHS)
    lattice = lattice_of(scores, scheme)
    for span in spans:
        paths = paths_of(lattice, rows_of(LENGTHS)[span.doc])
        others = [(path, score) for path, score in paths if not has_span(path, span, scheme)]
        assert 0 < len(others) < len(paths)
        expected.add(span.doc, paths, 1)
        expected.add(span.doc, others, -1)
    expected.check(*incorrect_loss(OPS, scores, scheme, spans))


@CASES
def test_divergence_from_a_tutor(scheme, decoder, sizes, seed):
    rng = np.random.default_rng(seed)
    scheme = TagScheme(scheme, ("A", "B"))
    scores, tutor = (scores_of(rng, scheme, decoder, sizes) for _ in range(2))
    lengths = LENGTHS
    lattices = [lattice_of(each, scheme) for each in (scores, tutor)]
    if decoder == "softmax":
        zero = np.zeros(len(scheme.tags))
        free = Lattice(zero, np.zeros((len(zero), len(zero))), zero, zero)
        lattices = [free._replace(emissions=each.emissions) for each in (scores, tutor)]
        lengths = [1] * sum(LENGTHS)
    expected = Expected(len(scheme.tags), lengths)
    divergence = Decimal(0)
    for doc, rows in enumerate(rows_of(lengths)):
        ours, theirs = (paths_of(lattice, rows) for lattice in lattices)
        expected.add(doc, ours, 1)
        expected.add(doc, theirs, -1)
        log_q, log_p = total_of(ours).ln(), total_of(theirs).ln()
        for (path, q), (same, p) in zip(ours, theirs, strict=True):
            assert path == same
            divergence += (p - log_p).exp() * (p - log_p - q + log_q)
    expected.value = divergence
    expected.check(*divergence_loss(OPS, scores, tutor, scheme))


def constraints(rng, scheme, lengths, constrained):
    """Break entities at each doc's start, and maybe elsewhere; forbid some tags, or none."""
    N = sum(lengths)
    breaks = np.zeros(N, dtype=bool)
    breaks[[rows.start for rows in rows_of(lengths) if rows.stop > rows.start]] = True
    if not constrained:
        return breaks, None
    breaks |= rng.random(N) < 0.2
    allowed = rng.random((N, len(scheme.tags))) < 0.8
    allowed[:, 0] = True
    allowed[np.ix_(breaks, scheme.continues)] = False
    return breaks, allowed


@CASES
@pytest.mark.parametrize("constrained", [False, True])
def test_marginals_and_posteriors_of_spans(scheme, decoder, sizes, seed, constrained):
    rng = np.random.default_rng(seed)
    scheme = TagScheme(scheme, ("A", "B"))
    scores = scores_of(rng, scheme, decoder, sizes)
    breaks, allowed = constraints(rng, scheme, LENGTHS, constrained)
    lattice = lattice_of(scores, scheme, allowed)
    wanted, exact = {}, Expected(len(scheme.tags), LENGTHS)
    log_partition = []
    for doc, rows in enumerate(rows_of(LENGTHS)):
        paths = paths_of(lattice, rows)
        total = total_of(paths)
        log_partition.append(float(total.ln()))
        exact.add(doc, paths, 1)
        for first, end in itertools.combinations(range(rows.start, rows.stop + 1), 2):
            for label in range(2) if not breaks[first + 1 : end].any() else ():
                wanted[first, end, label] = 0.0
        for path, score in paths:
            for span in zip(*scheme.spans(np.array(path, dtype=int), breaks[rows]), strict=True):
                first, end, label = (int(x) for x in span)
                p = float(score.exp() / total)
                wanted[first + rows.start, end + rows.start, label] += p
    found = forward_backward(lattice, PackedOrder(LENGTHS))
    np.testing.assert_allclose(found.log_partition, log_partition, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(found.tags, exact.tags, rtol=0, atol=1e-9)
    for ours, theirs in zip(found[2:], exact.learned, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
    spans = Spans(*np.array(list(wanted)).T)
    p = span_posteriors(lattice, PackedOrder(scores.lengths), scheme, breaks, spans)
    np.testing.assert_allclose(p, list(wanted.values()), rtol=0, atol=1e-9)
    for floor in (1e-6, 0.11, 0.45):
        likely = posteriors_of(scores, scheme, breaks, allowed).likely(floor)
        likely = set(zip(*(column.tolist() for column in likely), strict=True))
        assert likely == {span for span, p in wanted.items() if p >= floor}


@CASES
@pytest.mark.parametrize("constrained", [False, True])
def test_the_best_paths_and_their_probabilities(scheme, decoder, sizes, seed, constrained):
    rng = np.random.default_rng(seed)
    scheme = TagScheme(scheme, ("A", "B"))
    scores = scores_of(rng, scheme, decoder, sizes)
    allowed = constraints(rng, scheme, LENGTHS, constrained)[1]
    lattice = lattice_of(scores, scheme, allowed)
    log_partition = log_sums(lattice, PackedOrder(LENGTHS)).log_partition
    best = decode(scores, scheme, allowed)
    for doc, rows in enumerate(rows_of(LENGTHS)):
        if rows.start == rows.stop:
            continue
        paths = sorted(paths_of(lattice, rows), key=lambda item: -item[1])
        found = n_best_paths(lattice._replace(emissions=lattice.emissions[rows]), 5)
        assert [tuple(path) for path in found.tags.tolist()] == [path for path, _ in paths[:5]]
        total = total_of(paths)
        p = np.exp(found.scores - log_partition[doc])
        exact = [float(score.exp() / total) for _, score in paths[:5]]
        np.testing.assert_allclose(p, exact, rtol=0, atol=1e-9)
        assert tuple(best[rows]) == paths[0][0]


def test_a_path_far_below_the_best_states_counts():
    """The first tag scores 2,400 and leads nowhere; the second is 1,600 lower and leads on."""
    no = -np.inf
    lattice = Lattice(
        np.array([[2400.0, 800.0], [0.0, 0.0]]),
        np.array([[no, no], [0.0, 1.0]]),
        np.zeros(2),
        np.zeros(2),
    )
    alpha, beta, log_partition = log_sums(lattice, PackedOrder([2]))
    exact = 800 + np.log(1 + np.e)
    np.testing.assert_allclose(alpha, [[2400, 800], [800, 801]], rtol=1e-14)
    np.testing.assert_allclose(beta, [[no, np.log(1 + np.e)], [0, 0]], rtol=1e-14)
    assert log_partition == pytest.approx(exact, rel=1e-14)


def between(gap):
    """The only path, of one doc, is `gap` below the best state, by state and by transition."""
    no = -np.inf
    state = Lattice(
        np.array([[0.0, -gap, -gap - 1], [0.0, 0.0, 0.0]]),
        np.array([[no, no, no], [0.0, no, no], [0.0, no, no]]),
        np.zeros(3),
        np.zeros(3),
    )
    transition = Lattice(
        np.array([[no, 0.0, -1.0], [0.0, 0.0, 0.0]]),
        np.array([[0.0, no, no], [-gap, no, no], [-gap, no, no]]),
        np.zeros(3),
        np.zeros(3),
    )
    half = Lattice(
        np.array([[0.0, -gap / 2, -gap / 2 - 1], [0.0, 0.0, 0.0]]),
        np.array([[no, 0.0, no], [-gap / 2, no, no], [-gap / 2, no, no]]),
        np.zeros(3),
        np.array([0.0, no, no]),
    )
    return [state, transition, half]


@pytest.mark.parametrize("gap", [600, 690, 699.5, 700.5, 708, 715, 735, 744, 746, 760, 1500, 3e4])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_no_digit_is_lost_where_doubles_end(gap, which):
    """Below exp(-708) a double loses digits one by one, before it is zero below exp(-745)."""
    found = forward_backward(between(gap)[which], PackedOrder([2]))
    assert found.log_partition[0] + gap == pytest.approx(np.log(1 + np.exp(-1)), rel=1e-10)
    p = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(found.tags, [[0, p, 1 - p], [1, 0, 0]], rtol=0, atol=1e-10)
    expected = [[0, 0, 0], [p, 0, 0], [1 - p, 0, 0]]
    np.testing.assert_allclose(found.transitions, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("table", [1, 20, 1 << 20])
def test_tables_of_any_size_give_the_same(table, monkeypatch):
    rng = np.random.default_rng(3)
    lattice = Lattice(*(rng.normal(size=s) * 2000 for s in ((300, 4), (4, 4), 4, 4)))
    lattice.transitions[rng.random((4, 4)) < 0.3] = -np.inf
    steps = PackedOrder([120, 0, 80, 100])
    whole = forward_backward(lattice, steps)
    monkeypatch.setattr(crf, "_TABLE", table)
    for ours, theirs in zip(forward_backward(lattice, steps), whole, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8)


def test_ordinary_batches_take_the_fast_way(monkeypatch):
    """Constraints forbid most tags, which is no reason to look closer."""
    rng = np.random.default_rng(4)
    monkeypatch.setattr(crf, "_exact", None)  # it would fail
    for name in SCHEMES:
        scheme = TagScheme(name, [f"L{i}" for i in range(6)])
        for sizes in ("small", "hundreds"):
            lengths = [30, 0, 1, 12, 7]
            scores = scores_of(rng, scheme, "crf", "small", lengths)
            if sizes == "hundreds":
                scores.emissions *= 30
            mask_loss(OPS, scores, scheme, gold_masks(rng, scheme, lengths))
            _, allowed = constraints(rng, scheme, lengths, True)
            log_sums(lattice_of(scores, scheme, allowed), PackedOrder(lengths))


def test_only_docs_that_need_it_are_computed_again(monkeypatch):
    rng = np.random.default_rng(5)
    seen, exact = [], crf._exact

    def spy(lattice, steps):
        seen.append((len(lattice.emissions), steps.n_docs))
        return exact(lattice, steps)

    monkeypatch.setattr(crf, "_exact", spy)
    lattice = Lattice(*(rng.normal(size=s) for s in ((60, 4), (4, 4), 4, 4)))
    lattice.emissions[25:40] *= 3000
    lengths = [20, 30, 0, 10]
    together = log_sums(lattice, PackedOrder(lengths))
    assert seen == [(30, 1)]
    for rows in rows_of(lengths):
        alone = log_sums(
            lattice._replace(emissions=lattice.emissions[rows]),
            PackedOrder([rows.stop - rows.start]),
        )
        np.testing.assert_allclose(together.alpha[rows], alone.alpha, rtol=1e-12)
        np.testing.assert_allclose(together.beta[rows], alone.beta, rtol=1e-12)


def test_posteriors_do_not_drift_in_a_long_doc():
    """Those of spans a hundred words away from a part's ends are those of the whole doc."""
    scheme, N = TagScheme("BIO", ("A", "B")), 100_000
    rng = np.random.default_rng(6)
    scores = scores_of(rng, scheme, "crf", "small", [N])
    scores.emissions *= 5
    breaks = np.arange(N) == 0
    posteriors = posteriors_of(scores, scheme, breaks)
    for at in (1000, N // 2, N - 1000):
        rows = np.arange(at - 150, at + 150)
        part = posteriors_of(scores.select(rows, [300]), scheme, np.arange(300) == 0)
        starts, lengths, labels = np.indices((100, 3, 2)).reshape(3, -1)
        spans = Spans(starts + 100, starts + lengths + 101, labels)
        moved = Spans(spans.starts + rows[0], spans.ends + rows[0], labels)
        p = part.of(spans)
        assert (p > 0.1).sum() > 10
        np.testing.assert_allclose(posteriors.of(moved), p, rtol=0, atol=5e-10)


def test_a_doc_without_a_path_has_no_span():
    scheme = TagScheme("BIO", ("A",))
    scores = TagScores(np.zeros((2, 3), "f"), [2])
    allowed = np.array([[True, False, False], [False, False, True]])  # "O", then "I-A"
    breaks = np.array([True, False])
    spans = Spans(*np.array([[0, 1, 0], [1, 2, 0], [0, 2, 0]]).T)
    posteriors = posteriors_of(scores, scheme, breaks, allowed)
    assert posteriors.of(spans).tolist() == [0, 0, 0]
    assert len(posteriors.likely(0.01).starts) == 0


@pytest.mark.parametrize("array", ["emissions", "transitions", "start", "end"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_an_error(array, value):
    scheme = TagScheme("BIO", ("A",))
    scores = TagScores(
        *(np.zeros(s, "f") for s in [(2, 3)]), [2], *(np.zeros(s, "f") for s in [(3, 3), 3, 3])
    )
    getattr(scores, array)[..., 0] = value
    with pytest.raises(ValueError, match="E940"):
        mask_loss(OPS, scores, scheme, np.ones((2, 3), dtype=bool))
