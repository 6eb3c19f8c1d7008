"""Labels that are learned, compete, and are not written: the setting `output_labels`."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_rnn_tagger import annotate, confidence
from spacy_rnn_tagger.pipeline.span_groups import confidences
from tests.bulk.annotated import rows
from tests.conftest import eager, make_examples
from tests.pipeline.test_confidence import SCHEMES, WORDS, cases, enumerated, places, scored

MANY = [*WORDS, "and", "left", "Lima", ",", "for", "Port", "Louis", ".", "We", "saw", "Oslo"]


def docs(nlp):
    """Docs free, with sentence starts, with blocked tokens, and with entities that are set."""
    return [Doc(nlp.vocab, words=MANY), *(doc for doc, _ in cases(nlp))]


def of_label(spans, label):
    return [place for place in spans if place[2] == label]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"threshold": 0.6},
        {"threshold": {"A": 0.6, "B": 0.2}},
        {"candidates": 0.01},
        {"candidates": 0.01, "threshold": 0.6},
        {"spans_key": None},
        {"spans_key": None, "threshold": 0.6},
        {"temperature": 2.5, "candidates": 0.01},
    ],
    ids=str,
)
@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_written_is_what_all_labels_give_without_the_others(nlp, scheme, decoder, settings):
    pipe = eager(nlp, labels=("A", "B"), scheme=scheme, model={"decoder": decoder}, **settings)
    key = settings.get("spans_key", "rnn_ner")
    every = [pipe(doc) for doc in docs(nlp)]
    preset = [set(places(doc.ents)) for doc in docs(nlp)]
    assert {ent.label_ for ent in every[0].ents} == {"A", "B"}
    for label, other in (("A", "B"), ("B", "A")):
        pipe.output_labels = [label]
        for doc, own, kept in zip(docs(nlp), every, preset, strict=True):
            pipe(doc)
            assert doc.has_annotation("ENT_IOB")
            wanted = [ent for ent in places(own.ents) if ent[2] == label or ent in kept]
            assert places(doc.ents) == wanted
            assert not of_label(set(places(doc.ents)) - kept, other)
            if key is None:
                assert not doc.spans
                continue
            group = {ent: p for ent, p in scored(own).items() if ent[2] == label or ent in kept}
            assert list(scored(doc)) == list(group)
            assert list(scored(doc).values()) == pytest.approx(list(group.values()), abs=1e-9)


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_posteriors_equal_enumeration_of_all_labels(nlp, scheme, decoder):
    """The other label takes its share of the probability, although it is not written."""
    config = {"scheme": scheme, "model": {"decoder": decoder}, "output_labels": ["B"]}
    pipe = eager(nlp, labels=("A", "B"), candidates=1e-7, **config)
    for doc, known in cases(nlp):
        marginals = {}
        for entities, probability in enumerated(pipe, doc, **known).items():
            for entity in entities:
                marginals[entity] = marginals.get(entity, 0.0) + probability
        preset = set(known.get("presets", ()))
        wanted = {e: p for e, p in marginals.items() if p > 2e-7 and (e[2] == "B" or e in preset)}
        assert len(wanted) < len(marginals)
        found = scored(pipe(doc))
        assert wanted.keys() <= found.keys()
        assert all(p == pytest.approx(marginals[entity], abs=1e-5) for entity, p in found.items())
        assert all(label == "B" for *_, label in found.keys() - preset)


def test_nothing_is_written_for_an_empty_list(nlp):
    pipe = eager(nlp, candidates=0.01, output_labels=[])
    doc = pipe(Doc(nlp.vocab, words=MANY))
    assert not doc.ents and not len(doc.spans["rnn_ner"])
    assert {token.ent_iob_ for token in doc} == {"O"}


def test_an_entity_that_was_set_keeps_its_silent_label(nlp):
    pipe = eager(nlp, output_labels=["GPE"])
    doc = Doc(nlp.vocab, words=MANY)
    doc.set_ents([Span(doc, 0, 2, "FAC"), Span(doc, 8, 9, "LAW")], default="missing")
    pipe(doc)
    others = [ent for ent in doc.ents if ent.label_ != "GPE"]
    assert places(others) == [(0, 2, "FAC"), (8, 9, "LAW")] and len(doc.ents) > 2
    assert [confidence(ent) for ent in others] == [1.0, 1.0]
    assert pipe.labels == ("FAC", "GPE", "LAW")


def test_the_n_best_analyses_have_all_labels(nlp):
    pipe = eager(nlp)
    [wanted] = pipe.n_best([Doc(nlp.vocab, words=MANY)], 20)
    pipe.output_labels = ["GPE"]
    [found] = pipe.n_best([Doc(nlp.vocab, words=MANY)], 20)
    assert {ent.label_ for ent in found[0].ents} == {"FAC", "GPE"}
    for ours, theirs in zip(found, wanted, strict=True):
        assert places(ours.ents) == places(theirs.ents)
        assert ours.probability == pytest.approx(theirs.probability)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("FAC", "output_labels must be a list of labels, or null for all labels, but got 'FAC'"),
        (7, "output_labels must be a list of labels, or null for all labels, but got 7"),
        ({"FAC": True}, "output_labels must be a list of labels, or null for all labels"),
        ([7], r"output_labels must be a list of labels, or null for all labels, but got \[7\]"),
        (["FAC", "PERSON"], "output_labels must be one of 'FAC', 'GPE', but got 'PERSON'"),
    ],
)
def test_what_is_no_list_of_its_labels_is_refused(nlp, value, message):
    pipe = eager(nlp, output_labels=["FAC"])
    for change in (
        lambda: setattr(pipe, "output_labels", value),
        lambda: pipe.cfg.__setitem__("output_labels", value),
        lambda: pipe.cfg.update(output_labels=value),
    ):
        with pytest.raises(ValueError, match=message):
            change()
    assert pipe.output_labels == ["FAC"]


def test_a_label_that_the_data_lacks_is_refused_when_labels_are_known(nlp, tmp_path):
    message = "output_labels must be one of 'FAC', 'GPE', but got 'PLACE'"
    pipe = nlp.add_pipe("rnn_ner", config={"output_labels": ["PLACE"]})
    assert pipe.output_labels == ["PLACE"]  # there are no labels yet
    with pytest.raises(ValueError, match=message):
        nlp.initialize(lambda: make_examples(nlp))
    pipe.output_labels = ["GPE"]
    nlp.initialize(lambda: make_examples(nlp))
    nlp.to_disk(tmp_path)
    settings = {"components": {"rnn_ner": {"output_labels": ["LAW"]}}}
    with pytest.raises(ValueError, match=message.replace("PLACE", "LAW")):
        spacy.load(tmp_path, config=settings)


def test_what_was_changed_in_place_is_checked_before_it_is_saved(nlp):
    pipe = eager(nlp, output_labels=["FAC"])
    pipe.output_labels.append("PLACE")
    with pytest.raises(ValueError, match="but got 'PLACE'"):
        pipe.to_bytes()


def test_a_label_that_is_added_is_silent_until_it_is_named(nlp):
    pipe = eager(nlp, output_labels=["FAC"])
    with pytest.raises(ValueError, match="but got 'LAW'"):
        pipe.output_labels = ["FAC", "LAW"]
    assert pipe.add_label("LAW") == 1
    doc = pipe(Doc(nlp.vocab, words=MANY))
    assert {ent.label_ for ent in doc.ents} == {"FAC"}
    pipe.output_labels = ["FAC", "LAW"]
    emissions = pipe.model.get_ref("emissions")
    bias = emissions.get_param("b").copy()
    bias[pipe.tags.tags.index("B-LAW")] += 50
    emissions.set_param("b", bias)
    assert {ent.label_ for ent in pipe(Doc(nlp.vocab, words=MANY)).ents} == {"LAW"}
    pipe.output_labels = ["FAC"]
    assert not pipe(Doc(nlp.vocab, words=MANY)).ents


def test_two_components_write_labels_of_their_own():
    """Where the first one is silent, the second one may find an entity."""
    nlp = spacy.blank("en")
    first = eager(nlp, name="first", output_labels=["FAC"])
    second = eager(nlp, name="second", seed=1, output_labels=["GPE"])
    alone = first(Doc(nlp.vocab, words=MANY))
    doc = second(first(Doc(nlp.vocab, words=MANY)))
    found = [ent for ent in doc.ents if ent.label_ == "GPE"]
    assert found and places(alone.ents) == of_label(places(doc.ents), "FAC")
    first.output_labels = None
    every = first(Doc(nlp.vocab, words=MANY))
    silent = {token.i for ent in every.ents if ent.label_ == "GPE" for token in ent}
    assert silent & {token.i for ent in found for token in ent}
    known = confidences(doc)
    assert all(0 < known[ent.start_char, ent.end_char, ent.label_] < 1 for ent in doc.ents)


def weights(pipe):
    return {
        (node.name, name): node.get_param(name).copy()
        for node in pipe.model.walk()
        for name in node.param_names
        if node.has_param(name)
    }


@pytest.mark.parametrize("step", ["update", "rehearse"])
def test_silent_labels_are_learned_all_the_same(step):
    """The weights after training do not depend on what is written."""
    after = []
    for output in (None, ["GPE"]):
        nlp = spacy.blank("en")
        pipe = eager(nlp, output_labels=output)
        optimizer = nlp.resume_training()
        optimizer.learn_rate = 0.05
        if step == "rehearse":  # from what it no longer is, back to what it was
            emissions = pipe.model.get_ref("emissions")
            emissions.set_param("b", emissions.get_param("b") + 0.1)
        before, losses = weights(pipe), {}
        getattr(nlp, step)(make_examples(nlp), sgd=optimizer, losses=losses)
        assert any(not np.array_equal(before[key], new) for key, new in weights(pipe).items())
        after.append((losses["rnn_ner"], weights(pipe)))
    (loss, ours), (other_loss, theirs) = after
    assert loss == pytest.approx(other_loss) and ours.keys() == theirs.keys()
    for key, array in ours.items():
        np.testing.assert_allclose(array, theirs[key], atol=1e-6)


def judged(nlp):
    """Examples with gold entities taken from predictions, for known counts.

    Returns:
        The examples, and the number of predicted entities of A. Of gold entities of A, three are
        found and one is taken for B; of B, one is found and one is taken for A.
    """
    pipe = nlp.get_pipe("rnn_ner")
    before, pipe.output_labels = pipe.output_labels, None
    texts = MANY * 3, MANY
    found = [pipe(Doc(nlp.vocab, words=words)) for words in texts]
    pipe.output_labels = before
    (a, b), (other_a, _) = [[of_label(places(doc.ents), label) for label in "AB"] for doc in found]
    gold = [[*a[:3], b[0], (*b[1][:2], "A")], [(*other_a[0][:2], "B")]]
    examples = []
    for words, entities in zip(texts, gold, strict=True):
        reference = Doc(nlp.vocab, words=words)
        reference.set_ents([Span(reference, *place) for place in sorted(entities)])
        examples.append(Example(Doc(nlp.vocab, words=words), reference))
    return examples, len(a) + len(other_a)


def test_scores_are_of_written_labels(nlp):
    """What `spacy train` selects by. Entities of other labels are not missed and not wrong."""
    eager(nlp, labels=("A", "B"), output_labels=["A"])
    examples, predicted = judged(nlp)
    scores = nlp.evaluate(examples)
    assert predicted > 4
    assert scores["ents_p"] == pytest.approx(3 / predicted)
    assert scores["ents_r"] == pytest.approx(3 / 4)
    assert scores["ents_f"] == pytest.approx(6 / (predicted + 4))
    assert scores["ents_per_type"].keys() == {"A"}
    nlp.get_pipe("rnn_ner").output_labels = None
    every = nlp.evaluate(judged(nlp)[0])
    assert every["ents_per_type"].keys() == {"A", "B"} and every["ents_r"] == pytest.approx(4 / 6)
    assert scores["ents_loss"] == pytest.approx(every["ents_loss"]), "the loss is of all labels"


def test_token_accuracy_is_of_written_labels(nlp):
    """By hand: four tokens, of which one is wrong, and one of a silent label counts as outside."""
    pipe = eager(nlp, labels=("A", "B"), output_labels=["A"])
    predicted, gold = (Doc(nlp.vocab, words=["w", "x", "y", "z"]) for _ in range(2))
    predicted.set_ents([Span(predicted, 0, 1, "A"), Span(predicted, 1, 2, "A")])
    gold.set_ents([Span(gold, 0, 1, "A"), Span(gold, 2, 4, "B")])
    scores = pipe.score([Example(predicted, gold)])
    assert scores["ents_token_acc"] == 3 / 4
    assert (scores["ents_p"], scores["ents_r"]) == (1 / 2, 1)
    assert places(gold.ents) == [(0, 1, "A"), (2, 4, "B")], "nothing is changed"
    assert len(predicted.ents) == 2
    pipe.output_labels = None
    scores = pipe.score([Example(predicted, gold)])
    assert (scores["ents_token_acc"], scores["ents_r"]) == (1 / 4, 1 / 2)


def test_tokens_without_annotation_stay_so_in_scores(nlp):
    pipe = eager(nlp, labels=("A", "B"), output_labels=["A"])
    predicted, gold = (Doc(nlp.vocab, words=["w", "x", "y", "z"]) for _ in range(2))
    predicted.set_ents([Span(predicted, 0, 1, "A"), Span(predicted, 3, 4, "A")])
    gold.set_ents([Span(gold, 0, 1, "A"), Span(gold, 1, 2, "B")], missing=[gold[2:4]])
    scores = pipe.score([Example(predicted, gold)])
    assert (scores["ents_p"], scores["ents_token_acc"]) == (1, 1)


def test_a_corpus_is_annotated_with_written_labels(nlp, tmp_path):
    eager(nlp, candidates=0.01, output_labels=["GPE"])
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "a.txt").write_text(" ".join(MANY).replace("\n", "x"), encoding="utf-8")
    annotate(tmp_path / "model", tmp_path / "a.txt", tmp_path / "out")
    [row] = rows(tmp_path / "out")
    assert {ent["label"] for ent in row["entities"]} == {"GPE"}
    nlp.get_pipe("rnn_ner").output_labels = None
    nlp.to_disk(tmp_path / "all")
    annotate(tmp_path / "all", tmp_path / "a.txt", tmp_path / "every")
    [every] = rows(tmp_path / "every")
    assert (
        row["entities"]
        == [ent for ent in every["entities"] if ent["label"] == "GPE"]
        != every["entities"]
    )


@pytest.mark.parametrize("where", ["config", "component"])
def test_an_exported_pipeline_writes_the_same_labels(nlp, tmp_path, where):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from spacy_rnn_tagger import export

    pipe = eager(nlp, candidates=0.01, output_labels=["GPE"] if where == "config" else None)
    pipe.output_labels = ["GPE"]
    export(nlp, tmp_path / "onnx")
    other = spacy.load(tmp_path / "onnx")
    assert other.get_pipe("rnn_ner").output_labels == ["GPE"]
    ours, theirs = (each(Doc(each.vocab, words=MANY)) for each in (nlp, other))
    assert {label for *_, label in scored(theirs)} == {"GPE"}
    assert places(theirs.ents) == places(ours.ents) != []
    assert scored(theirs) == pytest.approx(scored(ours), abs=1e-5)
