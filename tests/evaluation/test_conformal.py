"""The floors of candidates: coverage over many random splits, and what is said where it fails."""

import numpy as np
import pytest
import spacy
from scipy import stats
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_rnn_tagger import calibrate, report
from spacy_rnn_tagger.evaluation import conformal
from spacy_rnn_tagger.evaluation.calibrating import _divided
from spacy_rnn_tagger.evaluation.calibration import CalibrationError
from spacy_rnn_tagger.evaluation.conformal import (
    DOC,
    ENTITY,
    LOWEST,
    Evidence,
    collect_evidence,
    count_needed,
    cover,
    find_floor,
)
from spacy_rnn_tagger.evaluation.running import find_entities
from tests.conftest import eager

WORDS = "We left Red Fort for New Delhi and Paris , then saw London Bridge at noon".split()  # noqa: SIM905


def corrected_by(monkeypatch, m):
    """Change what the formula adds to the number of entities; 1 or the largest doc is right."""
    if m is not None:
        monkeypatch.setattr(conformal, "_largest", lambda docs, unit: m)


@pytest.mark.parametrize(("m", "is_right"), [(None, True), (0, False), (2, False)])
@pytest.mark.parametrize("draw", ["beta", "uniform"])
def test_coverage_of_a_new_entity_over_many_splits(monkeypatch, draw, m, is_right):
    """Of 30 entities the 28th largest is the floor: a new one reaches it with 28 in 31.

    Without the correction, it is the 27th; with one too much, the 29th.
    """
    corrected_by(monkeypatch, m)
    rng = np.random.default_rng(0)
    n, coverage, splits = 30, 0.9, 12_000
    size = splits, n + 1
    p = rng.beta(5, 1, size) if draw == "beta" else rng.random(size)
    docs = np.arange(n)
    hits = sum(own[n] >= find_floor(own[:n], docs, coverage, ENTITY) for own in p)
    interval = stats.binomtest(hits, splits).proportion_ci(0.999)
    assert (interval.low < 28 / 31 < interval.high) == is_right
    if is_right:
        assert interval.high > coverage and hits / splits > coverage - 0.002


def clustered(rng, n_docs, sizes):
    """Draw docs whose entities are nearly as hard as each other."""
    docs = np.repeat(np.arange(n_docs), rng.choice(sizes, n_docs))
    return np.clip(rng.random(n_docs)[docs] + 1e-4 * rng.random(len(docs)), 1e-3, 1), docs


@pytest.mark.parametrize(
    ("unit", "sizes", "low", "high"),
    [
        (DOC, [10], 0.9, 0.92),  # 198 of 210 entities are in 20 docs, and 20 of 22 is 0.91
        (ENTITY, [10], 0.85, 0.88),  # 190 of 210 are in 19 docs, and 19 of 22 is 0.86
        (DOC, [0, 1, 2, 12], 0.9, 1.0),
        (ENTITY, [0, 1, 2, 12], 0.8, 0.89),
    ],
)
def test_entities_of_a_doc_are_not_independent(unit, sizes, low, high):
    """Where the entities of a doc are alike, a floor by entities keeps less than it says."""
    rng = np.random.default_rng(1)
    missed = total = 0
    for _ in range(6000):
        p, docs = clustered(rng, 22, sizes)
        is_new = docs == 21
        floor = find_floor(p[~is_new], docs[~is_new], 0.9, unit)
        missed += (p[is_new] < (floor or 0.0)).sum()
        total += is_new.sum()
    assert low < 1 - missed / total < high


def drawn_from(pipe, n, *, seed):
    """Annotate docs by drawing from the model, so that it is often wrong, as often as it says."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        words = rng.choice(WORDS, size=rng.integers(2, 5)).tolist()
        [analyses] = pipe.n_best([Doc(pipe.vocab, words=words)], 300)
        p = np.array([analysis.probability for analysis in analyses])
        drawn = analyses[rng.choice(len(p), p=p / p.sum())].ents
        gold = Doc(pipe.vocab, words=words)
        gold.set_ents([Span(gold, ent.start, ent.end, label=ent.label_) for ent in drawn])
        found.append(Example(Doc(pipe.vocab, words=words), gold))
    return found


@pytest.fixture(scope="module")
def drawn():
    nlp = spacy.blank("en")
    pipe = eager(nlp, temperature=3.0)
    examples = drawn_from(pipe, 300, seed=1)
    return nlp, examples


@pytest.mark.parametrize(("m", "is_right"), [(None, True), (0, False), (2, False)])
def test_coverage_of_a_pipeline_over_many_splits(drawn, monkeypatch, m, is_right):
    nlp, examples = drawn
    evidence = collect_evidence(find_entities(nlp, "rnn_ner", examples), 3.0, ["FAC", "GPE"])
    corrected_by(monkeypatch, m)
    rng = np.random.default_rng(2)
    n, coverage, splits = 30, 0.9, 6000
    for own in evidence.values():
        assert np.unique(own.entities).size > 40 and (own.entities < 1).mean() > 0.2
        hits = 0
        for _ in range(splits):
            *held_out, new = rng.permutation(len(own.entities))[: n + 1]
            floor = find_floor(own.entities[held_out], own.docs[held_out], coverage, ENTITY)
            hits += own.entities[new] >= floor
        interval = stats.binomtest(int(hits), splits).proportion_ci(0.999)
        assert (interval.low < 28 / 31 < interval.high) == is_right


def test_coverage_of_a_pipeline_over_many_splits_into_docs(drawn):
    nlp, examples = drawn
    evidence = collect_evidence(find_entities(nlp, "rnn_ner", examples), 3.0, ["FAC", "GPE"])
    rng = np.random.default_rng(3)
    for own in evidence.values():
        missed = total = 0
        for _ in range(1500):
            is_held_out = np.isin(own.docs, rng.permutation(len(examples))[:100])
            floor = find_floor(own.entities[is_held_out], own.docs[is_held_out], 0.8)
            missed += (own.entities[~is_held_out] < floor).sum()
            total += (~is_held_out).sum()
        assert 0.798 < 1 - missed / total < 0.88


def test_the_written_pipeline_offers_what_calibration_counted(drawn, tmp_path):
    """The counts of `calibrate`, those of `report`, and the group of the docs themselves."""
    nlp, examples = drawn
    nlp.get_pipe("rnn_ner").temperature = 1.0
    found = calibrate(nlp, examples, tmp_path / "out", coverage=0.8)
    assert found.coverage.keys() == {"FAC", "GPE"} and not any("cover" in n for n in found.notes)
    written = spacy.load(tmp_path / "out")
    pipe = written.get_pipe("rnn_ner")
    assert pipe.candidates == {label: own.floor for label, own in found.coverage.items()}
    assert all(LOWEST < floor < 0.5 for floor in pipe.candidates.values())
    first, part = _divided(examples)
    assert len(part) == 2 * len(first) == 200
    # Floors must not come from the docs that the temperature was fitted to.
    nlp.get_pipe("rnn_ner").cfg.update(temperature=1.0, candidates=None)
    assert calibrate(nlp, first).temperature == found.temperature
    assert calibrate(nlp, examples).temperature != found.temperature
    rows = {row["label"]: row for row in report(written, part)["coverage"]}
    docs = [written(Doc(nlp.vocab, words=[token.text for token in eg.x])) for eg in part]
    for label, own in found.coverage.items():
        row = rows[label]
        assert own.holds and 0.8 <= own.covered / own.entities < 0.95
        assert (row["gold"], row["covered"]) == (own.entities, own.covered)
        assert (row["candidates"], row["floor"]) == (own.candidates, own.floor)
        assert row["per_entity"] == own.per_entity > 1
        assert row["per_1000_tokens"] == pytest.approx(own.per_1000_tokens)
        assert row["interval"][0] < row["coverage"] < row["interval"][1]
        offered = [
            {(span.start, span.end) for span in doc.spans["rnn_ner"] if span.label_ == label}
            for doc in docs
        ]
        gold = [{(e.start, e.end) for e in eg.y.ents if e.label_ == label} for eg in part]
        assert sum(len(a & b) for a, b in zip(offered, gold, strict=True)) == own.covered
        assert sum(map(len, offered)) == own.candidates
    nlp.get_pipe("rnn_ner").cfg.update(temperature=3.0, candidates=None)


def test_the_floor_is_the_kth_largest():
    rng = np.random.default_rng(0)
    for n in (19, 20, 39, 100, 230):
        p = rng.random(n)
        for coverage in (0.5, 0.8, 0.9, 0.95):
            # In integers: 20 parts of coverage.
            rank = -(-round(20 * coverage) * (n + 1) // 20)
            floor = find_floor(p, np.arange(n), coverage, ENTITY)
            assert (p >= floor).sum() == rank and floor == pytest.approx(sorted(p)[n - rank], 1e-3)


def test_how_many_are_needed():
    for coverage, needed in ((0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)):
        docs = np.arange(needed)
        p = np.linspace(0.1, 1, needed)
        assert count_needed(docs, coverage) == needed
        assert find_floor(p, docs, coverage) == pytest.approx(0.1, rel=1e-3)
        assert find_floor(p[1:], docs[1:], coverage) is None
        # Of docs with three entities each, three times as many.
        docs = np.repeat(docs, 3)
        assert count_needed(docs, coverage) == 3 * needed
        assert find_floor(np.repeat(p, 3), docs, coverage) == pytest.approx(0.1, rel=1e-3)
        assert find_floor(np.repeat(p, 3)[3:], docs[3:], coverage) is None
    assert find_floor(np.zeros(0), np.zeros(0, dtype=int), 0.9) is None


def test_a_floor_is_never_above_what_it_comes_from():
    for value in (1.0, 0.5, 0.123456789, 1e-3, 0.99999):
        floor = find_floor(np.full(30, value), np.arange(30), 0.9)
        assert value * 0.998 < floor < value


def test_entities_that_cannot_be_found():
    """Their conformity is zero; too many of them, and no floor keeps the coverage."""
    p = np.linspace(0.2, 0.9, 40)
    p[:8] = 0.0
    spans = np.array([0.05, 0.3, 0.00005])
    own = cover(Evidence(p, np.arange(40), spans, 500), 0.95)
    assert (own.holds, own.floor, own.covered, own.candidates) == (False, LOWEST, 32, 2)
    assert (own.needed, own.entities, own.docs) == (19, 40, 40)
    assert (own.per_entity, own.per_1000_tokens) == (2 / 40, 4.0)
    assert cover(Evidence(p, np.arange(40), spans, 500), 0.75).holds


def test_misaligned_and_preset_entities():
    """An entity within a token is never a candidate; one that was set before always is."""
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "New Delhi"}])
    eager(nlp)
    gold = Doc(
        nlp.vocab, words=["Red", "Fort", "New", "Delhi", "no", "on"], spaces=[1, 1, 1, 1, 0, 0]
    )
    gold.set_ents([Span(gold, 2, 4, "GPE"), Span(gold, 4, 5, "FAC")])
    examples = [Example(nlp.make_doc("Red Fort New Delhi noon"), gold)]
    evidence = collect_evidence(find_entities(nlp, "rnn_ner", examples), 1.0, ["FAC", "GPE"])
    assert evidence["GPE"].entities.tolist() == [1.0]
    assert evidence["FAC"].entities.tolist() == [0.0]
    assert evidence["FAC"].n_tokens == 6


class TestTooFew:
    def test_labels_of_which_there_are_too_few(self, drawn):
        nlp, examples = drawn
        examples = [Example(eg.x.copy(), eg.y.copy()) for eg in examples]
        _, part = _divided(examples)
        kept = 0
        for eg in part:
            ents = [e for e in eg.y.ents if e.label_ == "GPE" or kept < 5]
            kept += sum(e.label_ == "FAC" for e in ents)
            eg.y.set_ents(ents)
        pipe = nlp.get_pipe("rnn_ner")
        pipe.cfg.update(candidates=None, temperature=3.0)
        found = calibrate(nlp, examples, coverage=0.9)
        assert found.coverage["GPE"].holds and not found.coverage["FAC"].holds
        assert pipe.candidates["FAC"] == LOWEST < pipe.candidates["GPE"]
        [note] = [note for note in found.notes if "not ensured" in note]
        own = found.coverage["FAC"]
        assert f"FAC has {own.entities} entities in {own.docs} docs, but needs" in note
        assert f"needs {own.needed}." in note and "GPE" not in note
        pipe.cfg.update(candidates=None, temperature=3.0)

    def test_no_label_allows_it(self, drawn, tmp_path):
        nlp, examples = drawn
        before = dict(nlp.get_pipe("rnn_ner").cfg)
        with pytest.raises(CalibrationError, match="0.999 can't be kept for any label: FAC has"):
            calibrate(nlp, examples, tmp_path / "out", coverage=0.999)
        assert not (tmp_path / "out").exists() and nlp.get_pipe("rnn_ner").cfg == before


@pytest.mark.parametrize("coverage", [0, 1, -0.5, float("nan"), "all", True])
def test_a_coverage_that_does_not_serve(drawn, coverage):
    with pytest.raises(ValueError, match="coverage must be a number above 0 and below 1"):
        calibrate(*drawn, coverage=coverage)


def test_settings_that_do_not_serve(drawn):
    nlp, examples = drawn
    with pytest.raises(ValueError, match="coverage_unit must be one of 'doc', 'entity'"):
        calibrate(nlp, examples, coverage=0.9, coverage_unit="token")
    pipe = nlp.get_pipe("rnn_ner")
    pipe.spans_key = None
    with pytest.raises(ValueError, match="spans_key of component 'rnn_ner' is None"):
        calibrate(nlp, examples, coverage=0.9)
    pipe.spans_key = "rnn_ner"


def test_floors_of_before(drawn):
    """They stay for labels of which the data says nothing, and a note names these."""
    nlp, examples = drawn
    pipe = nlp.get_pipe("rnn_ner")
    pipe.cfg.update(candidates={"FAC": 0.25}, temperature=3.0)
    gold = [Example(eg.x.copy(), eg.y.copy()) for eg in examples]
    for eg in gold:
        eg.y.set_ents([ent for ent in eg.y.ents if ent.label_ == "GPE"])
    found = calibrate(nlp, gold, coverage=0.8)
    assert found.coverage.keys() == {"GPE"}
    assert pipe.candidates == {"FAC": 0.25, "GPE": found.coverage["GPE"].floor}
    unchanged = "These floors of candidates are unchanged; they were set for the former confidences"
    assert [n for n in found.notes if "floors" in n] == [f"{unchanged}: FAC."]
    found = calibrate(nlp, gold)
    assert found.coverage == {}
    assert [n for n in found.notes if "floors" in n] == [f"{unchanged}: FAC, GPE."]
    found = calibrate(nlp, examples, coverage=0.8)
    assert found.coverage.keys() == {"FAC", "GPE"}
    assert not any("floors" in n for n in found.notes)
    pipe.cfg.update(candidates=None, temperature=3.0)
