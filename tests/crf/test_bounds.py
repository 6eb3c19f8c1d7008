"""Searches that leave out what can't win, against those that leave out nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_rnn_tagger.crf import viterbi as module
from spacy_rnn_tagger.crf.forward_backward import log_sums
from spacy_rnn_tagger.crf.lattice import Lattice
from spacy_rnn_tagger.crf.n_best import n_best_paths
from spacy_rnn_tagger.crf.packed_order import PackedOrder
from spacy_rnn_tagger.crf.tag_scheme import SCHEMES, TagScheme
from spacy_rnn_tagger.crf.viterbi import best_paths, viterbi


def random_lattice(seed, scheme, lengths, scale, *, whole_numbers=False, forbid=0.0):
    """Scores of a scheme's legal paths; the larger the scale, the surer is the network."""
    rng = np.random.default_rng(seed)
    N, K = sum(lengths), len(scheme.tags)

    def scores(*shape, factor=1.0):
        drawn = rng.normal(size=shape) * scale * factor
        return (drawn.round() if whole_numbers else drawn).astype("f")

    lattice = Lattice.of(scheme, scores(N, K), scores(K, K, factor=0.5), scores(K), scores(K))
    allowed = rng.random((N, K)) >= forbid
    allowed[:, 0] = True  # each doc has a path
    return lattice.restricted(allowed)


LATTICES = {
    "seed": st.integers(0, 10_000),
    "name": st.sampled_from(list(SCHEMES)),
    "n_labels": st.sampled_from([1, 2, 6]),
    "lengths": st.lists(st.sampled_from([0, 1, 2, 5, 30]), max_size=6),
    "scale": st.sampled_from([0.0, 0.3, 2.0, 10.0, 300.0]),
    "forbid": st.sampled_from([0.0, 0.4]),
}


@settings(max_examples=200, deadline=None)
@given(**LATTICES, narrow=st.sampled_from([1, 3, 8]))
def test_best_paths_are_those_of_the_search(seed, name, n_labels, lengths, scale, forbid, narrow):
    scheme = TagScheme(name, "ABCDEF"[:n_labels])
    lattice = random_lattice(seed, scheme, lengths, scale, forbid=forbid)
    order = PackedOrder(lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_NARROW", narrow)
        found = best_paths(lattice, order, log_sums(lattice, order))
    wanted = viterbi(lattice, order)
    scores = [lattice.path_scores(tags, order) for tags in (found, wanted)]
    np.testing.assert_allclose(*scores, rtol=1e-12, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(**LATTICES)
def test_of_equal_paths_both_choose_the_same(seed, name, n_labels, lengths, scale, forbid):
    # Sums of whole numbers are exact, so that equal paths are found equal.
    scheme = TagScheme(name, "ABCDEF"[:n_labels])
    scale = min(scale, 2.0)
    lattice = random_lattice(seed, scheme, lengths, scale, whole_numbers=True, forbid=forbid)
    order = PackedOrder(lengths)
    found = best_paths(lattice, order, log_sums(lattice, order))
    assert found.tolist() == viterbi(lattice, order).tolist()


def test_doc_without_a_path(monkeypatch):
    scheme = TagScheme("BIO", ["A"])
    lattice = random_lattice(0, scheme, [3, 2], 1.0)
    lattice.emissions[1] = -np.inf
    order = PackedOrder([3, 2])
    found = best_paths(lattice, order, log_sums(lattice, order))
    assert found[3:].tolist() == viterbi(lattice, order)[3:].tolist()


def test_sure_docs_are_not_searched(monkeypatch):
    scheme = TagScheme("BILUO", "ABCDEF")
    lattice = random_lattice(1, scheme, [20, 30], 300.0)
    order = PackedOrder([20, 30])
    wanted = viterbi(lattice, order).tolist()
    monkeypatch.setattr(module, "viterbi", None)
    monkeypatch.setattr(module, "_choose", None)
    assert best_paths(lattice, order, log_sums(lattice, order)).tolist() == wanted


@settings(max_examples=100, deadline=None)
@given(**{**LATTICES, "lengths": st.sampled_from([1, 2, 5, 12])}, n=st.sampled_from([1, 2, 5, 40]))
def test_n_best_paths_are_those_of_the_whole_lattice(
    seed, name, n_labels, lengths, scale, forbid, n
):
    scheme = TagScheme(name, "ABCDEF"[:n_labels])
    lattice = random_lattice(seed, scheme, [lengths], scale, forbid=forbid)
    order = PackedOrder([lengths])
    sums = log_sums(lattice, order)
    found = n_best_paths(lattice, n, sums.log_marginals(order), float(sums.log_partition[0]))
    wanted = n_best_paths(lattice, n)
    np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-12, atol=1e-9)
    own = [lattice.path_scores(tags, order)[0] for tags in found.tags]
    np.testing.assert_allclose(own, found.scores, rtol=1e-6, atol=1e-6)
    assert len({tuple(tags) for tags in found.tags.tolist()}) == len(found.tags)


def test_n_best_paths_of_a_sure_doc_look_at_few_tags(monkeypatch):
    from spacy_rnn_tagger.crf import n_best

    scheme = TagScheme("BILUO", "ABCDEF")
    lattice = random_lattice(3, scheme, [40], 10.0)
    order = PackedOrder([40])
    sums = log_sums(lattice, order)
    looked_at = []
    search = n_best._search
    monkeypatch.setattr(
        n_best, "_search", lambda *args: looked_at.append(args[2].sum()) or search(*args)
    )
    n_best_paths(lattice, 3, sums.log_marginals(order), float(sums.log_partition[0]))
    assert max(looked_at) < 0.25 * lattice.emissions.size
