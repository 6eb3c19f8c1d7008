"""The entropy of paths, and the posteriors of regions, against enumeration of all paths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_rnn_tagger.crf.entropy import path_entropies
from spacy_rnn_tagger.crf.forward_backward import log_sums
from spacy_rnn_tagger.crf.lattice import Lattice
from spacy_rnn_tagger.crf.packed_order import PackedOrder
from spacy_rnn_tagger.crf.regions import log_conditionals
from spacy_rnn_tagger.crf.tag_scheme import SCHEMES, TagScheme
from tests.crf.test_recursions import paths_of, random_lattice

LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=5)
SEEDS = st.integers(0, 10**6)


def starts_of(lengths):
    return (np.cumsum(lengths) - lengths).tolist()


def distribution(lattice, start, length):
    """The paths of a doc that are possible, with their probabilities."""
    found = [(path, score) for path, score in paths_of(lattice, start, length) if score > -np.inf]
    if not found:
        return {}
    scores = np.array([score for _, score in found])
    p = np.exp(scores - scores.max())
    return dict(zip((path for path, _ in found), (p / p.sum()).tolist(), strict=True))


def enumerated(lattice, lengths):
    found = []
    for start, length in zip(starts_of(lengths), lengths, strict=True):
        p = np.array(list(distribution(lattice, start, length).values())) if length else np.ones(1)
        p = p[p > 0]
        found.append(-(p * np.log(p)).sum())
    return found


@settings(max_examples=60, deadline=None)
@given(SEEDS, LENGTHS, st.integers(1, 4), st.sampled_from([0.0, 0.3]), st.sampled_from([0.3, 4.0]))
def test_entropies_equal_enumeration(seed, lengths, K, forbid, scale):
    lattice = random_lattice(np.random.default_rng(seed), sum(lengths), K, forbid, scale)
    found = path_entropies(lattice, PackedOrder(lengths))
    assert np.allclose(found, enumerated(lattice, lengths), atol=1e-9)
    assert (found >= 0).all()


def legal(rng, scheme, lengths, learned=True):
    tags = TagScheme(scheme, ["A"])
    K = len(tags.tags)
    scores = [rng.normal(size=shape) * 2 for shape in ((K, K), K, K)] if learned else []
    return Lattice.of(tags, rng.normal(size=(sum(lengths), K)) * 2, *scores)


@pytest.mark.parametrize("learned", [True, False])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_in_every_scheme(scheme, learned):
    lengths = [3, 0, 5, 1]
    lattice = legal(np.random.default_rng(7), scheme, lengths, learned)
    order = PackedOrder(lengths)
    wanted = enumerated(lattice, lengths)
    assert path_entropies(lattice, order) == pytest.approx(wanted, abs=1e-9)
    assert path_entropies(lattice, order, log_sums(lattice, order)) == pytest.approx(wanted)
    assert wanted[2] > 1


def test_known_entropies():
    """Of even paths, log of their number; of a certain path, and of none, zero."""
    zero = Lattice(np.zeros((7, 3)), np.zeros((3, 3)), np.zeros(3), np.zeros(3))
    found = path_entropies(zero, PackedOrder([4, 0, 3]))
    assert found == pytest.approx([4 * np.log(3), 0, 3 * np.log(3)])
    sure = zero._replace(emissions=np.where(np.arange(3) == 1, 0.0, -np.inf) + np.zeros((7, 3)))
    assert path_entropies(sure, PackedOrder([4, 3])).tolist() == [0, 0]
    none = zero._replace(transitions=np.full((3, 3), -np.inf))
    assert path_entropies(none, PackedOrder([4, 3])).tolist() == [0, 0]
    assert path_entropies(zero, PackedOrder([7])).dtype == np.float64
    assert path_entropies(zero._replace(emissions=np.zeros((0, 3))), PackedOrder([0])) == [0]


def test_long_docs_lose_no_digits():
    """log Z is near a million here; the entropy of each part is that of the part alone."""
    rng = np.random.default_rng(1)
    part = random_lattice(rng, 50, 4)
    part = part._replace(emissions=part.emissions + 100.0, start=np.zeros(4), end=np.zeros(4))
    # Between two parts all paths meet in one tag, and so the parts are independent.
    part.emissions[[0, -1]] = [100.0, -np.inf, -np.inf, -np.inf]
    whole = part._replace(emissions=np.tile(part.emissions, (200, 1)))
    [alone] = path_entropies(part, PackedOrder([50]))
    assert path_entropies(whole, PackedOrder([10_000])) == pytest.approx(200 * alone, rel=1e-9)


def test_scores_beyond_the_range_of_exponentials():
    """As in the recursions: the only way on is from a tag that is far below the best one."""
    emissions = np.array([[0.0, -900.0, -900.5], [0.0, 0.0, 0.0], [0.0, 1.0, 0.5]])
    transitions = np.array([[-np.inf, -np.inf, -np.inf], [0.0, 1.0, 0.3], [0.4, 0.0, 2.0]])
    lattice = Lattice(emissions, transitions, np.zeros(3), np.zeros(3))
    found = path_entropies(lattice, PackedOrder([3]))
    assert np.allclose(found, enumerated(lattice, [3]), atol=1e-9) and found[0] > 0.5


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.lists(st.integers(1, 5), min_size=1, max_size=4), st.sampled_from([0.0, 0.2]))
def test_regions_equal_enumeration(seed, lengths, forbid):
    rng = np.random.default_rng(seed)
    lattice = random_lattice(rng, sum(lengths), 3, forbid)
    allowed = rng.random((sum(lengths), 3)) < 0.6
    allowed[np.arange(sum(lengths)), rng.integers(3, size=sum(lengths))] = True
    regions = [
        (first + start, first + end, first, length)
        for first, length in zip(starts_of(lengths), lengths, strict=True)
        for start in range(length)
        for end in range(start + 1, length + 1)
    ]
    starts, ends = (np.array([region[i] for region in regions]) for i in (0, 1))
    found = log_conditionals(lattice, PackedOrder(lengths), allowed, starts, ends)
    for (start, end, first, length), log_p in zip(regions, found.tolist(), strict=True):
        both = outside = 0.0
        for path, p in distribution(lattice, first, length).items():
            fits = [allowed[first + i, tag] for i, tag in enumerate(path)]
            inside = all(fits[start - first : end - first])
            rest = all(fits[: start - first] + fits[end - first :])
            both += p * (inside and rest)
            outside += p * rest
        if outside:
            assert np.exp(log_p) == pytest.approx(both / outside, abs=1e-9)
        else:
            assert np.isnan(log_p)


def test_no_region():
    lattice = random_lattice(np.random.default_rng(0), 3, 2)
    none = np.zeros(0, dtype=int)
    allowed = np.ones((3, 2), dtype=bool)
    assert log_conditionals(lattice, PackedOrder([3]), allowed, none, none).shape == (0,)
