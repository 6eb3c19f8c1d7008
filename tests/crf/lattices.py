"""The lattice of scores, for tests: what `Inference` builds of them."""

from spacy_rnn_tagger.crf.packed_order import PackedOrder
from spacy_rnn_tagger.crf.posteriors import SpanPosteriors
from spacy_rnn_tagger.crf.viterbi import viterbi


def lattice_of(scores, scheme, allowed=None):
    return scores.lattice(scheme).restricted(allowed)


def posteriors_of(scores, scheme, breaks, allowed=None):
    lattice = lattice_of(scores, scheme, allowed)
    return SpanPosteriors(lattice, PackedOrder(scores.lengths), scheme, breaks)


def decode(scores, scheme, allowed=None):
    return viterbi(lattice_of(scores, scheme, allowed), PackedOrder(scores.lengths))
