"""The loss of spans that are known to be incorrect, in docs too long to list their paths.

(By enumeration of paths, it is tested in `test_exact_numerics`.)
"""

import tracemalloc

import numpy as np
import pytest

from spacy_rnn_tagger.crf.lattice import Lattice
from spacy_rnn_tagger.crf.likelihood import IncorrectSpan, incorrect_span_loss
from spacy_rnn_tagger.crf.packed_order import PackedOrder
from spacy_rnn_tagger.crf.posteriors import span_posteriors
from spacy_rnn_tagger.crf.tag_scheme import SCHEMES, Spans, TagScheme


def random_lattice(rng, scheme, n_words, scale=1.0, decoder="crf"):
    K = len(scheme.tags)
    shapes = [(n_words, K), (K, K), (K,), (K,)]
    arrays = [rng.normal(size=shape) * scale for shape in shapes]
    return Lattice.of(scheme, *(arrays if decoder == "crf" else arrays[:1]))


def random_spans(rng, lengths, n_labels, n):
    for doc in rng.choice(np.flatnonzero(lengths), n).tolist():
        start = int(rng.integers(lengths[doc]))
        end = int(rng.integers(start, min(start + 5, lengths[doc]))) + 1
        yield IncorrectSpan(doc, start, end, f"L{rng.integers(n_labels)}")


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("scheme", list(SCHEMES))
@pytest.mark.parametrize("n_labels", [3, 310])  # with many, transitions are listed
def test_loss_and_gradient_by_posteriors(scheme, n_labels, decoder):
    """Of a random direction in which all scores change; at the edges of docs as well."""
    rng = np.random.default_rng(0)
    lengths = [40, 0, 1, 9, 25]
    scheme = TagScheme(scheme, [f"L{i}" for i in range(n_labels)])
    lattice = random_lattice(rng, scheme, sum(lengths), decoder=decoder)
    spans = [
        *random_spans(rng, [40, 0, 1, 0, 25], n_labels, 20),
        IncorrectSpan(0, 0, 3, "L1"),
        IncorrectSpan(0, 36, 40, "L2"),
        IncorrectSpan(4, 0, 25, "L0"),
    ]
    places = np.array([(s.start, s.end, int(s.label[1:])) for s in spans])
    places[:, :2] += (np.cumsum(lengths) - lengths)[[span.doc for span in spans], None]
    order = PackedOrder(lengths)
    breaks = np.zeros(order.n_tokens, dtype=bool)
    breaks[order.first] = True

    def expected(own):
        p = span_posteriors(own, order, scheme, breaks, Spans(*places.T))
        return -np.log1p(-p).sum()

    loss, gradient = incorrect_span_loss(lattice, lengths, scheme, spans)
    assert loss == pytest.approx(expected(lattice), rel=1e-9)
    assert (gradient.emissions[41 : 41 + 9] == 0).all()
    step = [1e-4 * rng.normal(size=scores.shape) for scores in lattice]
    up, down = (
        Lattice(*(s + sign * d for s, d in zip(lattice, step, strict=True))) for sign in (1, -1)
    )
    slope = sum((d * own).sum() for d, own in zip(step, gradient, strict=True))
    assert slope == pytest.approx((expected(up) - expected(down)) / 2, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_gradients_add_up(scheme):
    """Each path has one tag at each word, so nothing is gained or lost on the way through a doc."""
    rng = np.random.default_rng(1)
    scheme = TagScheme(scheme, ["L0", "L1"])
    for scale in (1.0, 40.0, 2000.0):
        lattice = random_lattice(rng, scheme, 3000, scale)
        spans = [*random_spans(rng, [3000], 2, 30), IncorrectSpan(0, 50, 60, "O")]
        loss, gradient = incorrect_span_loss(lattice, [3000], scheme, spans)
        assert np.isfinite(loss)
        np.testing.assert_allclose(gradient.emissions.sum(axis=1), 0, atol=1e-9)
        sums = [array.sum() for array in gradient[1:]]
        np.testing.assert_allclose(sums, 0, atol=1e-7)


def test_spans_take_no_memory_for_the_rest_of_their_doc():
    """Each took a copy of its doc for every word that it has: 16 GB for 100 in 10,000 words."""
    rng = np.random.default_rng(2)
    scheme = TagScheme("BILUO", ["L0", "L1", "L2"])
    lattice = random_lattice(rng, scheme, 500)
    peaks = []
    for n in (1, 40):
        spans = [IncorrectSpan(0, 12 * i, 12 * i + 3, "L1") for i in range(n)]
        incorrect_span_loss(lattice, [500], scheme, spans)
        tracemalloc.start()
        incorrect_span_loss(lattice, [500], scheme, spans)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]
