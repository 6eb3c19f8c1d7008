"""Outcomes, calibration and figures, against spaCy's scorer, sampling and counting by hand."""

import random

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_rnn_tagger.evaluation import calibration as cal
from spacy_rnn_tagger.evaluation import figures
from spacy_rnn_tagger.evaluation.outcomes import DocOutcome, Mention, match
from spacy_rnn_tagger.evaluation.running import Found, find_component, find_entities, find_outcomes
from tests.conftest import eager, make_examples

WORDS = "We left Red Fort for New Delhi and Paris , then saw London Bridge at noon".split()  # noqa: SIM905
LABELS = ("FAC", "GPE")


def mention(start, end, label, confidence=None):
    return Mention(start, end, label, start, end, "x" * (end - start), confidence)


def outcome(gold, predicted, below=()):
    return DocOutcome("x" * 20, 20, list(gold), list(predicted), list(below))


def kinds(gold, predicted):
    pairs = match([mention(*m) for m in gold], [mention(*m) for m in predicted])
    return sorted(
        (o.kind, o.gold.span if o.gold else None, o.predicted.span if o.predicted else None)
        for o in pairs
    )


@pytest.mark.parametrize(
    "gold,predicted,wanted",
    [
        ([(0, 2, "A")], [(0, 2, "A")], [("correct", (0, 2, "A"), (0, 2, "A"))]),
        ([(0, 2, "A")], [(0, 1, "A")], [("boundary", (0, 2, "A"), (0, 1, "A"))]),
        ([(0, 2, "A")], [(0, 2, "B")], [("label", (0, 2, "A"), (0, 2, "B"))]),
        ([(0, 2, "A")], [(1, 3, "B")], [("label", (0, 2, "A"), (1, 3, "B"))]),
        ([(0, 2, "A")], [], [("missed", (0, 2, "A"), None)]),
        ([], [(0, 2, "A")], [("spurious", None, (0, 2, "A"))]),
        # The same label goes before the larger overlap, and each is in one pair only.
        (
            [(0, 5, "A")],
            [(0, 4, "B"), (4, 6, "A")],
            [("boundary", (0, 5, "A"), (4, 6, "A")), ("spurious", None, (0, 4, "B"))],
        ),
        (
            [(0, 3, "A"), (3, 6, "A")],
            [(1, 6, "A")],
            [("boundary", (3, 6, "A"), (1, 6, "A")), ("missed", (0, 3, "A"), None)],
        ),
        # What is correct is not paired with anything else.
        (
            [(0, 2, "A"), (2, 4, "A")],
            [(0, 2, "A"), (1, 4, "A")],
            [("boundary", (2, 4, "A"), (1, 4, "A")), ("correct", (0, 2, "A"), (0, 2, "A"))],
        ),
    ],
)
def test_kinds_of_errors(gold, predicted, wanted):
    assert kinds(gold, predicted) == sorted(wanted)


def random_examples(nlp, n, rng, *, retokenised=False):
    """Docs with random gold entities, some tokens of which are not annotated."""
    examples = []
    for _ in range(n):
        words = rng.choices(WORDS, k=rng.randint(4, 16))
        spaces = [rng.random() < 0.8 for _ in words]
        gold = Doc(nlp.vocab, words=words, spaces=spaces)
        spans, missing, at = [], [], 0
        while at < len(words):
            end = min(len(words), at + rng.randint(1, 3))
            if rng.random() < 0.3:
                spans.append(Span(gold, at, end, label=rng.choice([*LABELS, "LOC"])))
            elif rng.random() < 0.2:
                missing.append(gold[at:end])
            at = end
        gold.set_ents(spans, missing=missing, default="outside")
        other = nlp.make_doc(gold.text) if retokenised else Doc(nlp.vocab, words=words)
        examples.append(Example(other, gold))
    return examples


@pytest.mark.parametrize("retokenised", [False, True])
@pytest.mark.parametrize("threshold", [0.0, 0.9])
def test_scores_are_those_of_spacy(nlp, retokenised, threshold):
    """Precision, recall and F of all and of each label, with tokens that differ or are missing."""
    eager(nlp, labels=LABELS, threshold=threshold)
    wanted = nlp.evaluate(random_examples(nlp, 60, random.Random(3), retokenised=retokenised))
    examples = random_examples(nlp, 60, random.Random(3), retokenised=retokenised)
    docs = find_outcomes(nlp, "rnn_ner", examples)
    rows = {row["label"]: row for row in figures.scores(docs, [*LABELS, "LOC"], seed=0)}
    assert 0 < wanted["ents_f"] < 1
    for label in (figures.ALL, *LABELS, "LOC"):
        theirs = wanted["ents_per_type"].get(label, {key: wanted[f"ents_{key}"] for key in "prf"})
        assert [rows[label][key] for key in "prf"] == pytest.approx([theirs[key] for key in "prf"])
        for key in "prf":
            low, high = rows[label][f"{key}_interval"]
            assert 0 <= low <= rows[label][key] <= high <= 1
    assert rows["all"]["f_interval"][0] < rows["all"]["f_interval"][1]


def test_outcomes_carry_the_models_confidences(nlp):
    """Of gold ones and predicted ones; what is below the threshold is kept apart."""
    pipe = eager(nlp, labels=LABELS, threshold=0.9)
    example = Example(Doc(nlp.vocab, words=WORDS), Doc(nlp.vocab, words=WORDS))
    gold = Span(example.reference, 2, 4, label="FAC")
    example.reference.set_ents([gold, Span(example.reference, 0, 1, label="LOC")])
    pipe.cfg["candidates"] = 1e-7
    doc = pipe(Doc(nlp.vocab, words=WORDS))
    every = {
        (span.start, span.end, span.label_): p
        for span, p in zip(doc.spans["rnn_ner"], doc.spans["rnn_ner"].attrs["scores"], strict=True)
    }
    [found] = find_outcomes(nlp, "rnn_ner", [example])
    assert [m.span for m in found.gold] == [(0, 1, "LOC"), (2, 4, "FAC")]
    assert [m.confidence for m in found.gold] == pytest.approx([0.0, every[2, 4, "FAC"]])
    assert found.predicted and found.below
    assert all(m.confidence == pytest.approx(every[m.span]) for m in found.predicted)
    assert all(m.confidence < 0.9 for m in found.below)
    assert pipe.cfg["candidates"] == 1e-7 and pipe.cfg["spans_key"] == "rnn_ner"
    assert list(example.predicted.spans) == []


def test_a_pipeline_without_the_component_has_no_confidences(nlp):
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "Paris"}])
    assert find_component(nlp) is None
    examples = random_examples(nlp, 20, random.Random(1))
    docs = find_outcomes(nlp, None, examples)
    assert any(doc.predicted for doc in docs)
    measured = figures.measure(docs, (), 0.0, None)
    assert measured["calibration"] is None and measured["precision_recall"] is None
    assert figures.costliest(docs, 3)[0][1] == max(len(doc.errors) for doc in docs)


def test_entities_of_other_components_have_no_confidence(nlp):
    eager(nlp, labels=LABELS)
    ruler = nlp.add_pipe("entity_ruler", config={"overwrite_ents": True})
    ruler.add_patterns([{"label": "GPE", "pattern": "Paris"}])
    examples = random_examples(nlp, 20, random.Random(1))
    own = [
        m.confidence
        for doc in find_outcomes(nlp, "rnn_ner", examples)
        for m in doc.predicted
        if m.text == "Paris" and m.label == "GPE"
    ]
    assert None in own


def test_the_component_is_found(nlp):
    eager(nlp, name="one")
    assert find_component(nlp) == "one"
    eager(nlp, name="two")
    assert find_component(nlp, "two") == "two"
    with pytest.raises(ValueError, match=r"several components rnn_ner: 'one', 'two'"):
        find_component(nlp)
    with pytest.raises(ValueError, match="'three' is not a component rnn_ner"):
        find_component(nlp, "three")


def test_calibration_error_by_hand():
    p = np.array([0.05, 0.15, 0.15, 0.95, 1.0])
    correct = np.array([False, True, False, True, False])
    # Bins: {0.05}, {0.15, 0.15}, {0.95, 1.0}.
    wanted = (1 * abs(0.05 - 0) + 2 * abs(0.15 - 0.5) + 2 * abs(0.975 - 0.5)) / 5
    assert cal.expected_calibration_error(p, correct) == pytest.approx(wanted)
    bins = cal.reliability(p, correct)
    assert [row["count"] for row in bins] == [1, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    assert bins[1]["confidence"] == pytest.approx(0.15) and bins[1]["precision"] == 0.5
    assert bins[5]["confidence"] is None


def test_calibration_error_by_chance_is_that_of_a_calibrated_model():
    rng = np.random.default_rng(0)
    p = rng.random(200)
    drawn = [cal.expected_calibration_error(p, rng.random(200) < p) for _ in range(500)]
    assert cal.error_by_chance(p) == pytest.approx(np.mean(drawn), rel=0.05)
    # Of certain ones nothing is left to chance.
    assert cal.error_by_chance(np.ones(10)) == 0


@pytest.mark.parametrize("true", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("scheme,decoder", [("BIO", "crf"), ("BILUO", "softmax"), ("IO", "crf")])
def test_the_temperature_of_the_world_is_found(nlp, scheme, decoder, true):
    """Annotation is drawn from the model at a temperature; calibration finds that temperature."""
    pipe = eager(nlp, labels=LABELS, scheme=scheme, model={"decoder": decoder}, temperature=true)
    rng = np.random.default_rng(1)
    examples = []
    for _ in range(500):
        words = rng.choice(WORDS, size=3).tolist()
        [analyses] = pipe.n_best([Doc(nlp.vocab, words=words)], 1000)
        p = np.array([analysis.probability for analysis in analyses])
        assert p.sum() == pytest.approx(1, abs=1e-5)
        drawn = analyses[rng.choice(len(p), p=p / p.sum())].ents
        gold = Doc(nlp.vocab, words=words)
        gold.set_ents([Span(gold, ent.start, ent.end, label=ent.label_) for ent in drawn])
        examples.append(Example(Doc(nlp.vocab, words=words), gold))
    pipe.cfg["temperature"] = 1.0
    batches = list(find_entities(nlp, "rnn_ner", examples))
    assert cal.fit_temperature(batches) == pytest.approx(true, rel=0.2)


def fake(p, correct):
    """Stand in for what was found in a batch: only the numbers matter."""
    return Found(None, None, np.array(correct, dtype=bool)), np.array(p)


@pytest.mark.parametrize(
    "correct,message",
    [
        ([True] * 19, "the model finds 19 in the data, but 20 are needed"),
        ([], "the model finds 0"),
        ([True] * 20, "All 20 entities that the model finds in the data are right"),
        ([False] * 20, "All 20 entities that the model finds in the data are wrong"),
    ],
)
def test_what_no_temperature_can_be_fitted_to(correct, message):
    with pytest.raises(cal.CalibrationError, match=message):
        cal.fit_temperature([Found(None, None, np.array(correct, dtype=bool))])


@pytest.mark.parametrize("seed", range(5))
def test_threshold_for_a_precision_is_the_lowest_that_reaches_it(seed):
    rng = np.random.default_rng(seed)
    p = rng.random(120).round(2)  # some are equal
    correct = rng.random(120) < p
    found = cal.threshold_for("FAC", 0.8, p, correct)
    kept = p >= found.threshold
    assert correct[kept].mean() == pytest.approx(found.precision) and found.precision >= 0.8
    assert (found.kept, found.correct, found.found) == (kept.sum(), correct[kept].sum(), 120)
    assert found.low < found.precision < found.high
    for threshold in np.unique(p):
        more = p >= threshold
        if more.sum() > kept.sum():
            assert correct[more].mean() < 0.8


def test_a_precision_that_all_entities_have_needs_no_threshold():
    found = cal.threshold_for("FAC", 0.5, np.linspace(0.1, 1, 30), np.ones(30, dtype=bool))
    assert found.threshold == 0 and found.kept == 30


def test_no_threshold_reaches_a_precision():
    p, correct = np.linspace(0.1, 1, 40), np.arange(40) % 2 == 1
    with pytest.raises(cal.CalibrationError, match="No threshold reaches a precision of 0.9 for X"):
        cal.threshold_for("X", 0.9, p, correct)
    # The few likeliest alone would be luck.
    lucky = np.arange(40) >= 35
    with pytest.raises(cal.CalibrationError, match="on 20 entities or more is 0.250"):
        cal.threshold_for("X", 0.9, p, lucky)
    with pytest.raises(cal.CalibrationError, match="Too few entities to calibrate X: .* finds 19"):
        cal.threshold_for("X", 0.5, p[:19], correct[:19])


DOCS = [
    outcome(
        [mention(0, 1, "A", 0.9), mention(2, 4, "A", 0.2), mention(6, 8, "B", 0.1)],
        [mention(0, 1, "A", 0.9), mention(2, 3, "A", 0.6), mention(6, 8, "A", 0.7)],
        [mention(10, 11, "B", 0.4)],
    ),
    outcome([mention(3, 9, "B", 0.5)], [], [mention(3, 9, "B", 0.5)]),
    outcome([mention(0, 1, "A", 0.95)], [mention(0, 1, "A", 0.95), mention(5, 6, "B", 0.8)]),
]


def test_counts_of_errors_and_confusion():
    rows = {row["label"]: row for row in figures.errors(DOCS, ["A", "B"])}
    assert rows["all"] == {
        "label": "all",
        "boundary": 1,
        "label_error": 1,
        "missed": 1,
        "spurious": 1,
    }
    assert (rows["A"]["boundary"], rows["B"]["label_error"]) == (1, 1)
    found = figures.confusion(DOCS, ["A", "B"])
    assert found == {"labels": ["A", "B", "none"], "counts": [[3, 0, 0], [1, 0, 1], [0, 1, 0]]}


def test_calibration_counts_what_is_below_the_threshold():
    rows = {row["label"]: row for row in figures.calibration(DOCS, ["A", "B"])["scores"]}
    assert rows["all"]["count"] == 7
    assert rows["all"]["precision"] == pytest.approx(3 / 7)
    assert rows["B"]["confidence"] == pytest.approx((0.4 + 0.5 + 0.8) / 3)


def test_precision_over_recall():
    found = {row["label"]: row for row in figures.precision_recall(DOCS, ["A", "B"], {"B": 0.6})}
    everything = found["all"]
    assert everything["threshold"] == [0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    right = np.array([1, 2, 2, 2, 2, 3, 3])
    assert everything["recall"] == pytest.approx(right / 5)
    assert everything["precision"] == pytest.approx(right / np.arange(1, 8))
    assert everything["today"] == {"threshold": None, "precision": 2 / 5, "recall": 2 / 5}
    assert found["B"]["today"] == {"threshold": 0.6, "precision": 0.0, "recall": 0.0}
    assert found["A"]["today"]["threshold"] == 0.0


def test_length_and_seen_names():
    rows = {row["group"]: row for row in figures.measure(DOCS, (), 0.0, {("x", "A")})["by_length"]}
    assert [rows[key]["gold"] for key in ("1", "2", "3", "4", "5+")] == [2, 2, 0, 0, 1]
    assert (rows["1"]["predicted"], rows["1"]["correct"]) == (4, 2)
    seen, unseen = figures.by_seen(DOCS, {("x", "A")})
    assert (seen["gold"], seen["predicted"], seen["correct"]) == (2, 3, 2)
    assert seen["f"] == pytest.approx(2 * 2 / 5)
    assert (unseen["gold"], unseen["predicted"], unseen["correct"]) == (3, 2, 0)


def test_cost_of_errors():
    costs = dict(figures.costliest(DOCS, 10))
    assert costs[0] == pytest.approx(-np.log(0.2 * 0.4) - np.log(0.1 * 0.3))
    assert costs[1] == pytest.approx(-np.log(0.5))
    assert costs[2] == pytest.approx(-np.log(0.2))
    assert [number for number, _ in figures.costliest(DOCS, 2)] == [0, 2]


def test_the_interval_is_that_of_a_plain_bootstrap():
    rng = np.random.default_rng(0)
    docs = []
    for _ in range(80):
        gold = [mention(i, i + 1, "A") for i in range(rng.integers(1, 4))]
        kept = [m for m in gold if rng.random() < 0.6]
        docs.append(outcome(gold, kept + [mention(9, 10, "A")] * int(rng.random() < 0.3)))
    [row, _] = figures.scores(docs, ["A"], seed=0)
    counts = np.array(
        [
            (sum(o.kind == "correct" for o in d.outcomes), len(d.predicted), len(d.gold))
            for d in docs
        ]
    )
    values = []
    for _ in range(4000):
        c, p, g = counts[rng.integers(0, len(docs), len(docs))].sum(axis=0)
        values.append(2 * c / (p + g))
    assert row["f_interval"] == pytest.approx(np.percentile(values, [2.5, 97.5]), abs=0.015)


def test_comparison_of_equal_and_of_different_pipelines():
    rng = np.random.default_rng(0)
    gold = [[mention(0, 1, "A"), mention(2, 3, "A")] for _ in range(60)]

    def pipeline(share):
        return [outcome(own, [m for m in own if rng.random() < share]) for own in gold]

    good, alike, bad = pipeline(0.8), pipeline(0.8), pipeline(0.4)
    [same, _] = figures.compare(good, good, ["A"])
    assert (same["difference"], same["p_value"]) == (0, 1)
    assert (same["only_ours"], same["only_theirs"]) == (0, 0)
    [row, _] = figures.compare(good, bad, ["A"])
    assert row["difference"] == pytest.approx(row["ours"] - row["theirs"]) and row["ours"] > 0.8
    assert row["p_value"] < 0.01 and row["interval"][0] > 0
    assert row["only_ours"] > row["only_theirs"] > 0
    [row, _] = figures.compare(good, alike, ["A"])
    assert row["p_value"] > 0.05 and row["interval"][0] < 0 < row["interval"][1]


def test_p_value_equals_enumeration_of_all_exchanges():
    """With five docs there are 32 ways to exchange them, and SciPy takes them all."""
    gold = [[mention(j, j + 1, "A") for j in range(i + 1)] for i in range(5)]
    ours = [outcome(own, own[: (3 * i) % 4]) for i, own in enumerate(gold)]
    wrong = mention(15, 17, "A")
    theirs = [outcome(own, [*own[: i % 3], *[wrong] * (i % 2)]) for i, own in enumerate(gold)]

    def f(docs):
        correct = sum(o.kind == "correct" for doc in docs for o in doc.outcomes)
        return 2 * correct / (sum(len(doc.predicted) for doc in docs) + 15)

    differences = []
    for number in range(32):
        swap = [bool(number >> i & 1) for i in range(5)]
        some = [b if s else a for a, b, s in zip(ours, theirs, swap, strict=True)]
        others = [a if s else b for a, b, s in zip(ours, theirs, swap, strict=True)]
        differences.append(f(some) - f(others))
    observed = f(ours) - f(theirs)
    share = np.mean([d >= observed - 1e-9 for d in differences])
    [row, _] = figures.compare(ours, theirs, ["A"])
    assert row["p_value"] == pytest.approx(min(1, 2 * share))


def test_a_single_doc_has_no_interval():
    [row] = figures.scores(DOCS[:1], [], seed=0)
    assert row["f_interval"] is None and row["f"] == pytest.approx(1 / 3)
    [row] = figures.compare(DOCS[:1], DOCS[:1], [])
    assert row["p_value"] is None and row["interval"] is None


def test_blank_pipelines_are_refused_by_name_only(nlp):
    assert find_component(spacy.blank("en")) is None
    with pytest.raises(ValueError, match="not a component rnn_ner"):
        find_component(nlp, "ner")


def test_components_around_it_do_their_work(nlp):
    """A shared tok2vec, sentence starts and rules before it, more rules after it."""
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}
    nlp.add_pipe("tok2vec")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("entity_ruler", name="before")
    nlp.add_pipe("rnn_ner", config={"model": {"tok2vec": listener}})
    nlp.add_pipe("entity_ruler", name="after")
    optimizer = nlp.initialize(lambda: make_examples(nlp))
    optimizer.learn_rate = 0.01
    for _ in range(25):
        nlp.update(make_examples(nlp), sgd=optimizer)
    nlp.get_pipe("before").add_patterns([{"label": "FAC", "pattern": "Nobody"}])
    nlp.get_pipe("after").add_patterns([{"label": "GPE", "pattern": "west"}])
    wanted = nlp.evaluate(make_examples(nlp))
    docs = find_outcomes(nlp, "rnn_ner", make_examples(nlp))
    assert figures.scores(docs, [], seed=0)[0]["f"] == pytest.approx(wanted["ents_f"])
    by_name = {m.text: m.confidence for doc in docs for m in doc.predicted}
    assert by_name["Nobody"] == 1.0 and by_name["west"] is None
    # What calibration is fitted to is what the component finds.
    found = list(find_entities(nlp, "rnn_ner", make_examples(nlp)))
    p = np.sort(cal.posteriors(found, 1.0))
    own = [m.confidence for doc in docs for m in (*doc.predicted, *doc.below)]
    assert len(p) > 4
    assert p == pytest.approx(sorted(x for x in own if x is not None and x < 1.0), abs=1e-6)
