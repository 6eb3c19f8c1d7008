"""Confidences, candidates and the n best analyses, against enumeration of all analyses of a doc."""

import itertools
import json
import pickle

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from spacy_rnn_tagger import confidence
from spacy_rnn_tagger.pipeline.span_groups import SPANS_KEY
from tests.conftest import TRAIN, eager, trained

SCHEMES = ["BIO", "BILUO", "IO"]
LABELS = ("A", "B")
WORDS = ["Red", "Fort", "\n", "of", "New", "Delhi"]


def places(spans):
    return [(span.start, span.end, span.label_) for span in spans]


def scored(doc, key=SPANS_KEY):
    group = doc.spans[key]
    return dict(zip(places(group), group.attrs["scores"].tolist(), strict=True))


def analyses(at, n):
    """All sets of entities of n words, from one on: no tags and no lattice are in this."""
    if at == n:
        yield ()
        return
    for rest in analyses(at + 1, n):
        yield rest
    for end in range(at + 1, n + 1):
        for label in LABELS:
            for rest in analyses(end, n):
                yield ((at, end, label), *rest)


def tags_of(entities, n, scheme):
    tags = ["O"] * n
    for start, end, label in entities:
        for i in range(start, end):
            prefix = "B" if i == start else "L" if i == end - 1 else "I"
            if scheme == "BILUO" and end == start + 1:
                prefix = "U"
            if scheme != "BILUO":
                prefix = "I" if scheme == "IO" else prefix.replace("L", "I")
            tags[i] = f"{prefix}-{label}"
    return tags


def enumerated(pipe, doc, presets=(), blocked=(), starts=()):
    """Probabilities of all analyses of a doc's words that are possible, from the model's scores."""
    words = [token.i for token in doc if not token.is_space]
    scores = pipe.model.predict([doc])
    number = {tag: i for i, tag in enumerate(pipe.tags.tags)}
    K, T = len(number), pipe.cfg["temperature"]
    transitions = np.zeros((K, K)) if scores.transitions is None else scores.transitions
    start, end = (np.zeros(K) if x is None else x for x in (scores.start, scores.end))
    place = {token: i for i, token in enumerate(words)}
    presets = {(place[s], place[e - 1] + 1, label) for s, e, label in presets}
    breaks = {place[i] for i in starts} | {x for s, e, _ in presets for x in (s, e)}
    found = {}
    for entities in analyses(0, len(words)):
        covered = {i for s, e, _ in entities for i in range(s, e)}
        if not presets <= set(entities) or covered & {place[i] for i in blocked}:
            continue
        if any(set(range(s + 1, e)) & {place[i] for i in starts} for s, e, _ in entities):
            continue
        if pipe.cfg["scheme"] == "IO" and any(
            a[1] == b[0] and a[2] == b[2] and b[0] not in breaks
            for a, b in itertools.pairwise(entities)
        ):
            continue  # the scheme can't say it
        ids = [number[tag] for tag in tags_of(entities, len(words), pipe.cfg["scheme"])]
        total = start[ids[0]] + end[ids[-1]]
        total += sum(scores.emissions[words[i], y] for i, y in enumerate(ids))
        total += sum(transitions[a, b] for a, b in itertools.pairwise(ids))
        own = [(words[s], words[e - 1] + 1, label) for s, e, label in entities]
        found[tuple(own)] = np.exp(float(total) / T)
    total = sum(found.values())
    return {entities: weight / total for entities, weight in found.items()}


def cases(nlp):
    """Docs free, with sentence starts, blocked tokens and presets, and what to enumerate by."""
    free = Doc(nlp.vocab, words=WORDS)
    yield free, {}
    starts = Doc(nlp.vocab, words=WORDS)
    starts[4].is_sent_start = True
    yield starts, {"starts": [4]}
    blocked = Doc(nlp.vocab, words=WORDS)
    blocked.set_ents([], blocked=[blocked[1:2]], default="missing")
    yield blocked, {"blocked": [1]}
    preset = Doc(nlp.vocab, words=WORDS)
    preset.set_ents([Span(preset, 3, 5, label="A", kb_id="Q1")], default="missing")
    yield preset, {"presets": [(3, 5, "A")]}
    both = Doc(nlp.vocab, words=WORDS)
    both[1].is_sent_start = True
    both.set_ents([Span(both, 5, 6, label="B")], blocked=[both[3:4]], default="missing")
    yield both, {"presets": [(5, 6, "B")], "blocked": [3], "starts": [1]}


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_confidences_equal_enumeration(nlp, scheme, decoder, seed, temperature):
    config = {"model": {"decoder": decoder}, "scheme": scheme, "temperature": temperature}
    pipe = eager(nlp, labels=LABELS, seed=seed, candidates=1e-7, **config)
    for doc, known in cases(nlp):
        wanted = enumerated(pipe, doc, **known)
        analysed = pipe.n_best([doc], 10)[0]
        marginals = {}
        for entities, probability in wanted.items():
            for entity in entities:
                marginals[entity] = marginals.get(entity, 0.0) + probability
        pipe(doc)
        found = scored(doc)
        assert {key for key, p in marginals.items() if p > 2e-7} <= set(found)
        for key, p in found.items():
            assert p == pytest.approx(marginals[key], abs=1e-5)
        assert all(entity in found for entity in places(doc.ents))
        best = sorted(wanted.values(), reverse=True)[:10]
        assert [p for _, p in analysed] == pytest.approx(best, abs=1e-5)
        for entities, p in analysed:
            assert wanted[tuple(places(entities))] == pytest.approx(p, abs=1e-5)
        assert places(analysed[0].ents) == places(doc.ents)


def test_group_holds_the_entities_in_order(nlp):
    pipe = eager(nlp)
    doc = pipe(Doc(nlp.vocab, words=WORDS * 3))
    assert len(doc.ents) > 3
    assert places(doc.spans[SPANS_KEY]) == places(doc.ents)
    for ent, score in zip(doc.ents, doc.spans[SPANS_KEY].attrs["scores"], strict=True):
        assert confidence(ent) == score
        assert 0 < confidence(ent) < 1
    json.dumps(list(doc.spans[SPANS_KEY].attrs["scores"]))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_candidates_are_all_above_the_floor(nlp, scheme):
    pipe = eager(nlp, candidates=1e-6, scheme=scheme)
    every = scored(pipe(Doc(nlp.vocab, words=WORDS * 2)))
    for floor in (0.001, 0.05, 0.3, 1.0):
        pipe.cfg["candidates"] = floor
        doc = pipe(Doc(nlp.vocab, words=WORDS * 2))
        entities = set(places(doc.ents))
        likely = {place for place, p in every.items() if p >= floor}
        assert set(scored(doc)) == likely | entities
        assert all(p == pytest.approx(every[place]) for place, p in scored(doc).items())
    assert entities - likely, "the last floor is above them all; they stay"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_candidates_of_each_label_have_a_floor_of_their_own(nlp, scheme):
    """A label that is not named has its entities alone."""
    pipe = eager(nlp, candidates=1e-6, scheme=scheme)
    every = scored(pipe(Doc(nlp.vocab, words=WORDS * 2)))
    losing = {"FAC": 0, "GPE": 0}
    for floors in ({"FAC": 0.001, "GPE": 0.2}, {"FAC": 0.3, "GPE": 0.01}, {"GPE": 0.002}, {}):
        pipe.candidates = floors
        doc = pipe(Doc(nlp.vocab, words=WORDS * 2))
        entities = set(places(doc.ents))
        likely = {place for place, p in every.items() if p >= floors.get(place[2], np.inf)}
        assert set(scored(doc)) == likely | entities
        assert all(p == pytest.approx(every[place]) for place, p in scored(doc).items())
        for _, _, label in likely - entities:
            losing[label] += 1
    assert all(losing.values())


def test_candidates_of_a_label_that_training_does_not_find(nlp):
    with pytest.raises(ValueError, match="label of candidates must be one of .* but got 'NOPE'"):
        trained(nlp, steps=1, candidates={"NOPE": 0.1})


def test_confidence_of_candidates_of_one_place(nlp):
    """The labels need not be in the order of the alphabet."""
    doc = eager(nlp, labels=("GPE", "FAC", "A"), candidates=1e-6)(Doc(nlp.vocab, words=WORDS))
    group = doc.spans[SPANS_KEY]
    assert len({(span.start, span.end) for span in group}) < len(group)
    assert [confidence(span) for span in group] == group.attrs["scores"].tolist()


def test_candidates_leave_out_punctuation(nlp):
    pipe = eager(nlp, candidates=1e-9)
    doc = pipe(Doc(nlp.vocab, words=["Red", ",", ".", "Fort"]))
    assert all(any(not token.is_punct for token in span) for span in doc.spans[SPANS_KEY])
    assert any(token.is_punct for span in doc.spans[SPANS_KEY] for token in span)


def test_n_best_of_a_long_doc_is_ordered_distinct_and_sums_to_less_than_one(nlp):
    pipe = eager(nlp)
    [found] = pipe.n_best([Doc(nlp.vocab, words=WORDS * 20)], 50)
    p = [analysis.probability for analysis in found]
    assert len(p) == 50 and p == sorted(p, reverse=True) and 0 < sum(p) < 1
    assert len({tuple(places(analysis.ents)) for analysis in found}) == 50


@pytest.mark.parametrize("n", [0, 1.5, True, None])
def test_n_best_of_what_is_no_number(nlp, n):
    pipe = eager(nlp)
    for docs in ([], [nlp.make_doc("Red Fort")]):
        with pytest.raises(ValueError, match="n must be a whole number of 1 or more, but got"):
            pipe.n_best(docs, n)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_n_best_of_a_batch_is_that_of_each_doc(nlp, scheme):
    pipe = eager(nlp, scheme=scheme)
    docs = [Doc(nlp.vocab, words=WORDS[i:]) for i in range(4)]
    docs[1][3].is_sent_start = docs[3][1].is_sent_start = True
    together = pipe.n_best(docs, 20)
    for doc, found in zip(docs, together, strict=True):
        [alone] = pipe.n_best([doc], 20)
        assert [places(ents) for ents, _ in found] == [places(ents) for ents, _ in alone]
        assert [p for _, p in found] == pytest.approx([p for _, p in alone], abs=1e-6)


def test_n_best_of_a_doc_with_few_analyses(nlp):
    """There are fewer than n; all together are certain."""
    pipe = eager(nlp, labels=("A",))
    docs = [Doc(nlp.vocab, words=words) for words in (["Red"], [], [" "], ["Red", "Fort"])]
    found = pipe.n_best(docs, 100)
    assert [len(analyses) for analyses in found] == [2, 1, 1, 5]
    for analyses in found:
        assert sum(p for _, p in analyses) == pytest.approx(1)
    assert found[1] == [((), 1.0)]
    assert pipe.n_best([], 3) == []


def test_n_best_wants_a_number(nlp):
    with pytest.raises(ValueError, match="n must be a whole number of 1 or more, but got 0"):
        eager(nlp).n_best([nlp.make_doc("Delhi")], 0)


def test_without_labels(nlp):
    pipe = nlp.add_pipe("rnn_ner")
    nlp.initialize()
    assert pipe.n_best([nlp.make_doc("Delhi")], 3) == [[((), 1.0)]]
    assert scored(nlp("Delhi")) == {}


def test_presets_are_certain_and_keep_their_ids(nlp):
    pipe = eager(nlp)
    doc = Doc(nlp.vocab, words=WORDS)
    preset = Span(doc, 0, 2, label="FAC", kb_id="Q45957", span_id="fort")
    doc.set_ents([preset], default="missing")
    pipe(doc)
    [fort] = [span for span in doc.spans[SPANS_KEY] if span.start == 0]
    assert (fort.kb_id_, fort.id_) == ("Q45957", "fort")
    assert confidence(doc.ents[0]) == 1.0


def test_a_second_component_keeps_what_the_first_is_sure_of(nlp):
    eager(nlp, labels=("FAC",), seed=1, name="first")
    eager(nlp, labels=("GPE",), seed=2, name="second")
    doc = Doc(nlp.vocab, words=["We", "left", *WORDS, "for", "Paris", ",", "then", "home"])
    first = scored(nlp.get_pipe("first")(doc))
    both = scored(nlp.get_pipe("second")(doc))
    assert first.items() <= both.items() and len(both) > len(first)
    # So tagging a doc twice changes nothing.
    assert scored(nlp.get_pipe("second")(doc)) == both


@pytest.mark.parametrize("threshold", [0.94, {"FAC": 0.94}, {"FAC": 0.7, "GPE": 0.99}])
def test_what_is_below_the_threshold_stays_in_the_group(nlp, threshold):
    pipe = eager(nlp)
    free = scored(pipe(Doc(nlp.vocab, words=WORDS * 4)))
    pipe.cfg["threshold"] = threshold
    doc = pipe(Doc(nlp.vocab, words=WORDS * 4))
    assert scored(doc) == free
    least = threshold if isinstance(threshold, dict) else dict.fromkeys(pipe.labels, threshold)
    wanted = [place for place, p in free.items() if p >= least.get(place[2], 0.0)]
    assert places(doc.ents) == wanted
    assert 0 < len(wanted) < len(free)


def test_threshold_of_each_label_in_a_config(nlp, tmp_path):
    config = {"threshold": {"FAC": 0.25, "GPE": 0.75}, "candidates": 0.1, "temperature": 1.5}
    trained(nlp, steps=1, **config).to_disk(tmp_path / "model")
    text = (tmp_path / "model" / "config.cfg").read_text()
    assert "[components.rnn_ner.threshold]" in text
    cfg = spacy.load(tmp_path / "model").get_pipe("rnn_ner").cfg
    assert {key: cfg[key] for key in config} == config


def test_switched_off_there_is_no_group_and_no_cost(nlp, monkeypatch):
    pipe = eager(nlp, spans_key=None)

    def forbidden(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr("spacy_rnn_tagger.crf.posteriors.log_sums", forbidden)
    doc = pipe(Doc(nlp.vocab, words=WORDS))
    assert doc.ents and not doc.spans
    with pytest.raises(KeyError, match="has no scores"):
        confidence(doc.ents[0])


def test_a_key_of_ones_own(nlp):
    pipe = eager(nlp, spans_key="places")
    doc = pipe(Doc(nlp.vocab, words=WORDS))
    assert list(doc.spans) == ["places"]
    assert confidence(doc.ents[0], "places") == scored(doc, "places")[places(doc.ents)[0]]


def test_a_span_that_is_not_in_the_group(nlp):
    doc = eager(nlp)(Doc(nlp.vocab, words=WORDS))
    with pytest.raises(KeyError, match=r"'Red Fort' \(XYZ\) is not in doc.spans\['rnn_ner'\]"):
        confidence(Span(doc, 0, 2, label="XYZ"))


@pytest.mark.parametrize(
    "config,message",
    [
        ({"candidates": 0.0}, "candidates must be a number above 0"),
        ({"candidates": 1.5}, "candidates must be a number above 0"),
        ({"candidates": 0.1, "spans_key": None}, "candidates is set, but spans_key is None"),
        ({"temperature": 0.0}, "temperature must be a number from 1e-100"),
        ({"temperature": 1e-300}, "temperature must be a number from 1e-100"),
        ({"temperature": 1e300}, "temperature must be a number from 1e-100"),
        ({"threshold": 1.5}, "threshold must be a number from 0 to 1, but got 1.5"),
        ({"threshold": {"FAC": -1.0}}, "'FAC' must be a number from 0 to 1, but got -1.0"),
    ],
)
def test_settings_out_of_range(nlp, config, message):
    with pytest.raises(ValueError, match=message):
        nlp.add_pipe("rnn_ner", config=config)


def test_threshold_for_a_label_that_there_is_not(nlp):
    with pytest.raises(ValueError, match="label of a threshold must be one of 'FAC', 'GPE'"):
        eager(nlp, threshold={"FACT": 0.5})


def test_temperature_changes_confidence_and_no_entity(nlp):
    pipe = eager(nlp)
    cold = pipe(Doc(nlp.vocab, words=WORDS * 4))
    pipe.cfg["temperature"] = 3.0
    warm = pipe(Doc(nlp.vocab, words=WORDS * 4))
    assert places(cold.ents) == places(warm.ents)
    assert scored(cold) != scored(warm)
    assert sum(scored(warm).values()) < sum(scored(cold).values())


def test_posteriors_of_any_span(nlp):
    pipe = eager(nlp, candidates=1e-7)
    docs = [Doc(nlp.vocab, words=words) for words in (WORDS, [], [" "], WORDS[:2])]
    inference = pipe.infer(docs)
    # Whitespace at an end is not of the span; alone it never is one.
    spans = [[(1, 2, "FAC"), (1, 3, "FAC"), (2, 4, "GPE")], [], [(0, 1, "GPE")], [(0, 2, "GPE")]]
    first, second, third, fourth = inference.posteriors_of(spans)
    # In one batch, as above: a doc's scores are those of another batch to rounding only.
    pipe.set_annotations(docs, pipe.predict(docs))
    assert first[0] == first[1] == pytest.approx(scored(docs[0])[1, 2, "FAC"])
    assert first[2] == pytest.approx(scored(docs[0])[3, 4, "GPE"])
    assert (len(second), third.tolist()) == (0, [0.0])
    assert fourth[0] == pytest.approx(scored(docs[3])[0, 2, "GPE"])
    with pytest.raises(ValueError, match="label must be one of 'FAC', 'GPE', but got 'LOC'"):
        inference.posteriors_of([[(0, 1, "LOC")], [], [], []])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_span_across_a_sentence_start_is_impossible(nlp, scheme):
    pipe = eager(nlp, scheme=scheme)
    doc = Doc(nlp.vocab, words=WORDS)
    doc[4].is_sent_start = True
    [p] = pipe.infer([doc]).posteriors_of([[(3, 5, "GPE"), (3, 4, "GPE"), (4, 5, "GPE")]])
    assert p[0] == 0 and (p[1:] > 0).all()


def copy_by_bytes(nlp, doc):
    return Doc(nlp.vocab).from_bytes(doc.to_bytes())


def copy_by_docbin(nlp, doc):
    return next(DocBin().from_bytes(DocBin(docs=[doc]).to_bytes()).get_docs(nlp.vocab))


@pytest.mark.parametrize(
    "copy",
    [
        copy_by_bytes,
        copy_by_docbin,
        lambda nlp, doc: doc.copy(),
        lambda nlp, doc: pickle.loads(pickle.dumps(doc)),
    ],
    ids=["bytes", "DocBin", "copy", "pickle"],
)
def test_scores_survive(nlp, copy):
    doc = eager(nlp, candidates=0.01)(Doc(nlp.vocab, words=WORDS * 2))
    other = copy(nlp, doc)
    assert scored(other) == scored(doc) and len(scored(doc)) > len(doc.ents)
    assert [confidence(ent) for ent in other.ents] == [confidence(ent) for ent in doc.ents]


def test_scores_survive_processes(nlp):
    trained(nlp)
    texts = [text for text, _ in TRAIN] * 4
    alone = [scored(doc) for doc in nlp.pipe(texts)]
    apart = [scored(doc) for doc in nlp.pipe(texts, n_process=2, batch_size=3)]
    assert any(alone)
    for one, other in zip(alone, apart, strict=True):
        assert list(one) == list(other)
        assert list(one.values()) == pytest.approx(list(other.values()), abs=1e-5)


def test_a_merged_doc_says_that_its_scores_are_gone(nlp):
    docs = list(eager(nlp).pipe([Doc(nlp.vocab, words=WORDS) for _ in range(2)]))
    merged = Doc.from_docs(docs)
    assert len(merged.ents) == 2 * len(docs[0].ents)
    with pytest.raises(KeyError, match="from_docs"):
        confidence(merged.ents[0])


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_doubts_about_docs_equal_enumeration(nlp, scheme, decoder, temperature):
    config = {"model": {"decoder": decoder}, "scheme": scheme, "temperature": temperature}
    pipe = eager(nlp, labels=LABELS, **config)
    for doc, known in cases(nlp):
        wanted = np.array(sorted(enumerated(pipe, doc, **known).values(), reverse=True))
        inference = pipe.infer([doc, Doc(nlp.vocab)])
        entropy = -(wanted * np.log(wanted)).sum()
        assert inference.entropies() == pytest.approx([entropy, 0], abs=1e-5)
        assert np.exp(inference.log_best()) == pytest.approx([wanted[0], 1], abs=1e-5)
