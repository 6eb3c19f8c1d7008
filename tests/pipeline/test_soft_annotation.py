"""Soft annotation: the group, what becomes of it on its way, and what the component learns."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.training import Corpus, Example

from spacy_rnn_tagger.crf.likelihood import IncorrectSpan
from spacy_rnn_tagger.crf.tag_scheme import SCHEMES, TagScheme
from spacy_rnn_tagger.pipeline import soft_annotation
from spacy_rnn_tagger.pipeline.constraints import find_words
from spacy_rnn_tagger.pipeline.gold import find_soft, soft_spans
from spacy_rnn_tagger.pipeline.label_sets import LabelSet, set_label_set
from spacy_rnn_tagger.pipeline.losses import incorrect_loss
from spacy_rnn_tagger.pipeline.soft_annotation import (
    POSTERIORS_KEY,
    get_posteriors,
    posterior_labels,
    set_posteriors,
)
from spacy_rnn_tagger.pipeline.span_groups import spans_with_confidence
from spacy_rnn_tagger.training.augmenters import create_entity_swap_v1
from spacy_rnn_tagger.training.batchers import split_example
from spacy_rnn_tagger.training.readers import create_mixed_corpus_v1
from tests.conftest import TRAIN, eager, make_examples, trained
from tests.pipeline.test_rnn_ner import network

LABELS = ("A", "B")
DECODER = pytest.mark.parametrize("decoder", ["crf", "softmax"])
SCHEME = pytest.mark.parametrize("scheme", list(SCHEMES))


def soft_doc(nlp, words, posteriors, ents=(), spaces=None):
    """Make a doc of {(start, end, label): posterior}."""
    doc = Doc(nlp.vocab, words=words, spaces=spaces)
    doc.set_ents([Span(doc, *place) for place in ents])
    set_posteriors(doc, [Span(doc, *place) for place in posteriors], posteriors.values())
    return doc


def content(doc):
    soft = get_posteriors(doc)
    places = [(span.start, span.end, span.label_) for span in soft.spans]
    return dict(zip(places, soft.scores.tolist(), strict=True))


POSTERIORS = {(0, 2, "A"): 0.625, (0, 1, "A"): 0.25, (1, 3, "B"): 0.125, (4, 5, "B"): 1.0}


@pytest.fixture
def doc(nlp):
    return soft_doc(nlp, list("abcde"), POSTERIORS, [(0, 2, "A"), (4, 5, "B")])


class TestGroup:
    def test_what_is_written_is_read(self, nlp, doc):
        assert content(doc) == POSTERIORS
        assert posterior_labels(doc) == {"A", "B"}
        bare = Doc(nlp.vocab, words=["a"])
        assert get_posteriors(bare) is None and posterior_labels(bare) == set()

    def test_copies_and_files(self, nlp, doc, tmp_path):
        nothing = soft_doc(nlp, ["a"], {})
        DocBin(docs=[doc, nothing]).to_disk(tmp_path / "x.spacy")
        vocab = spacy.blank("en").vocab
        read, read_nothing = DocBin().from_disk(tmp_path / "x.spacy").get_docs(vocab)
        assert content(read) == content(doc.copy()) == POSTERIORS
        assert content(Doc(vocab).from_bytes(doc.to_bytes())) == POSTERIORS
        # It says that there is no entity, which is not the same as no group.
        assert content(read_nothing) == content(nothing.copy()) == {}

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_processes(self, nlp, doc):
        docs = list(nlp.pipe([doc.copy(), doc.copy()], n_process=2, batch_size=1))
        assert [content(own) for own in docs] == [POSTERIORS] * 2

    def test_without_attributes_it_is_not_read(self, doc):
        joined = Doc.from_docs([doc])
        assert POSTERIORS_KEY in joined.spans
        for other in (joined, doc[:].as_doc()):
            assert get_posteriors(other) is None
            assert len(other.ents) == 2

    @pytest.mark.parametrize(
        "scores,message",
        [
            ([0.5], "scores: 1, spans: 2"),
            ([0.5, 0.5, 0.5], "scores: 3, spans: 2"),
            ([0.5, 1.5], r"from 0 to 1, but got 1\.5 for 'b' \(B\)"),
            ([-0.25, 0.5], r"from 0 to 1, but got -0\.25 for 'a' \(A\)"),
            ([0.5, float("nan")], r"from 0 to 1, but got nan for 'b'"),
        ],
    )
    def test_what_is_no_probability_is_an_error(self, nlp, scores, message):
        doc = Doc(nlp.vocab, words=["a", "b"], ents=["O", "O"])
        spans = [Span(doc, 0, 1, "A"), Span(doc, 1, 2, "B")]
        with pytest.raises(ValueError, match=message):
            set_posteriors(doc, spans, scores)
        doc.spans[POSTERIORS_KEY] = SpanGroup(doc, attrs={"scores": scores}, spans=spans)
        nlp = trained(spacy.blank("en"), steps=1)
        with pytest.raises(ValueError, match=message):
            nlp.update([Example(Doc(nlp.vocab, words=["a", "b"]), doc)])
        with pytest.raises(ValueError, match=message):  # before training starts
            nlp.initialize(lambda: [Example(Doc(nlp.vocab, words=["a", "b"]), doc)])

    def test_a_mean_that_is_rounded_is_none(self, nlp):
        doc = soft_doc(nlp, ["a"], {(0, 1, "A"): 1 + 1e-7})
        assert content(doc) == {(0, 1, "A"): 1.0}


class TestOnItsWay:
    def test_readers(self, nlp, doc, tmp_path):
        nothing = soft_doc(nlp, ["x", "y"], {})
        DocBin(docs=[doc, nothing]).to_disk(tmp_path / "x.spacy")
        settings = {"x": {"path": str(tmp_path / "x.spacy")}}
        for reader in (Corpus(tmp_path / "x.spacy"), create_mixed_corpus_v1(corpora=settings)):
            first, second = reader(spacy.blank("en"))
            assert content(first.reference) == POSTERIORS
            assert content(second.reference) == {}
            soft = find_soft([first, second], TagScheme("BIO", LABELS))
            assert [len(own.scores) for own in soft] == [4, 0]

    def read(self, nlp, doc, tmp_path, **settings):
        DocBin(docs=[doc]).to_disk(tmp_path / "x.spacy")
        corpora = {"x": {"path": str(tmp_path / "x.spacy"), **settings}}
        [example] = create_mixed_corpus_v1(corpora=corpora)(nlp)
        return example

    def test_renamed_labels(self, nlp, doc, tmp_path):
        example = self.read(nlp, doc, tmp_path, rename={"A": "C"})
        renamed = {(s, e, "C" if label == "A" else label): p for (s, e, label), p in doc_items(doc)}
        assert content(example.reference) == renamed

    @pytest.mark.parametrize("settings", [{"rename": {"B": "?"}}, {"labels": ["A"]}])
    def test_labels_that_are_not_to_be_learned(self, nlp, doc, tmp_path, settings):
        """Where they are likely enough, nothing is known; a coarse label is none to be learned."""
        example = self.read(nlp, doc, tmp_path, **settings)
        expected = {(0, 2, "A"): 0.625, (0, 1, "A"): 0.25}
        lost = {(i, i + 1, ""): 1.0 for i in (1, 2, 4)}
        assert content(example.reference) == {**expected, **lost}
        assert posterior_labels(example.reference) == {"A"}
        known = known_words(example, TagScheme("BIO", ["A"]))
        assert known == [True, False, False, True, False]

    def test_coarse_labels(self, nlp, doc, tmp_path):
        coarse = {"coarse": {"B": ["C", "D"]}}
        example = self.read(nlp, doc, tmp_path, **coarse)
        assert posterior_labels(example.reference) == {"A"}
        assert known_words(example, TagScheme("BIO", "ACD")) == [True, False, False, True, False]

    def test_parts_of_a_long_doc(self, nlp, doc):
        example = Example(Doc(nlp.vocab, words=list("abcde")), doc)
        parts = list(split_example(example, 3))
        assert [content(part.reference) for part in parts] == [
            {place: p for place, p in POSTERIORS.items() if place[0] < 3},
            {(1, 2, "B"): 1.0},
        ]

    def test_swapped_names(self, nlp, tmp_path):
        (tmp_path / "a.txt").write_text("Port of Spain\n")
        swap = create_entity_swap_v1({"A": str(tmp_path / "a.txt")}, level=1.0, per_entity=1.0)
        posteriors = {
            (0, 3, "B"): 0.125,
            (1, 3, "A"): 0.5,
            (2, 3, "A"): 0.25,
            (1, 2, "A"): 0.0625,
            (3, 5, "B"): 0.25,
        }
        words = ["the", "Red", "Fort", "in", "Delhi"]
        doc = soft_doc(nlp, words, posteriors, [(1, 3, "A")])
        [swapped] = swap(nlp, Example(nlp.make_doc(doc.text), doc))
        assert swapped.reference.text.split() == ["the", "Port", "of", "Spain", "in", "Delhi"]
        expected = {(0, 4, "B"): 0.125, (1, 4, "A"): 0.5, (4, 6, "B"): 0.25}
        assert content(swapped.reference) == expected


def doc_items(doc):
    return content(doc).items()


def words_of(example, tags):
    soft = find_soft([example], tags)
    return soft_spans([example], soft, find_words([example.predicted]), tags)


def known_words(example, tags):
    return words_of(example, tags).known.tolist()


def found_spans(example, tags=None):
    tags = tags or TagScheme("BIO", LABELS)
    spans, posteriors, known = words_of(example, tags)
    rows = zip(*(array.tolist() for array in spans), posteriors.tolist(), strict=True)
    return {(s, e, tags.labels[label]): p for s, e, label, p in rows}, known.tolist()


class TestWords:
    def example(self, nlp, doc, words=None, spaces=None):
        words = words or [token.text for token in doc]
        return Example(Doc(nlp.vocab, words=words, spaces=spaces), doc)

    def test_whitespace(self, nlp):
        words = [" ", "a", "\n", "b", " ", "c", " "]
        posteriors = {
            (0, 2, "A"): 0.25,
            (1, 4, "B"): 0.5,
            (3, 5, "A"): 0.125,
            (4, 5, "A"): 0.75,
            (5, 7, "B"): 1.0,
        }
        expected = {(0, 1, "A"): 0.25, (0, 2, "B"): 0.5, (1, 2, "A"): 0.125, (2, 3, "B"): 1.0}
        doc = soft_doc(nlp, words, posteriors)
        assert found_spans(self.example(nlp, doc)) == (expected, [True] * 3)

    def test_missing_annotation(self, nlp, doc):
        doc.set_ents([], missing=[doc[2:4]], default="unmodified")
        assert found_spans(self.example(nlp, doc))[1] == [True, True, False, False, True]
        doc.set_ents([], blocked=[doc[2:4]], default="outside")
        assert found_spans(self.example(nlp, doc))[1] == [True, True, False, False, True]
        bare = Doc(nlp.vocab, words=["a", "b"])
        set_posteriors(bare, [Span(bare, 0, 1, "A")], [0.5])
        assert found_spans(self.example(nlp, bare))[1] == [False, False]

    def test_spans_without_a_label(self, nlp):
        doc = soft_doc(nlp, list("abc"), {(0, 2, "A"): 0.5, (1, 2, ""): 0.0, (2, 3, "B"): 0.0})
        assert found_spans(self.example(nlp, doc)) == ({(0, 2, "A"): 0.5}, [True, False, True])

    def test_other_tokens(self, nlp):
        """What is aligned is found; of words that other spans touch, nothing is known."""
        words, spaces = ["New", "York", "is", "bi", "g", "."], [0, 1, 1, 0, 0, 0]
        posteriors = {(0, 2, "A"): 0.5, (3, 5, "B"): 0.25, (2, 3, "A"): 0.125}
        doc = soft_doc(nlp, words, posteriors, spaces=list(map(bool, spaces)))
        words, spaces = ["NewYork", "i", "s", "big", "."], [True, False, True, False, False]
        example = self.example(nlp, doc, words, spaces)
        expected = {(0, 1, "A"): 0.5, (3, 4, "B"): 0.25, (1, 3, "A"): 0.125}
        assert found_spans(example) == (expected, [True] * 5)
        posteriors = {(1, 3, "A"): 0.5, (3, 4, "B"): 0.25, (5, 6, "B"): 0.5}
        doc = soft_doc(nlp, [t.text for t in doc], posteriors, spaces=[0, 1, 1, 0, 0, 0])
        example = self.example(nlp, doc, words, spaces)
        assert found_spans(example) == ({(4, 5, "B"): 0.5}, [False] * 4 + [True])

    def test_other_whitespace(self, nlp):
        doc = soft_doc(nlp, ["a", "\n\n", "b", " "], {(0, 3, "A"): 0.5, (1, 2, "B"): 0.5})
        example = self.example(nlp, doc, ["a", "b"], [True, False])
        assert found_spans(example) == ({(0, 2, "A"): 0.5}, [True, True])
        plain = soft_doc(nlp, ["a", "b"], {(0, 2, "A"): 0.5, (1, 2, "B"): 0.25}, spaces=[0, 0])
        example = self.example(nlp, plain, [" ", "a", "\n\n", "b"])
        assert found_spans(example) == ({(0, 2, "A"): 0.5, (1, 2, "B"): 0.25}, [True, True])

    def test_alignment_is_that_of_spacy(self, nlp):
        """On random tokens of a text, of which both docs have their own."""
        rng = np.random.default_rng(0)
        text = "abcdefgh"
        tags = TagScheme("BIO", LABELS)
        n_lost = 0
        for _ in range(60):
            cuts = [np.flatnonzero(rng.random(len(text)) < 0.7) for _ in range(2)]
            own, other = ([w for w in split_at(text, cut) if w] for cut in cuts)
            spans = {
                (int(s), int(s + n), "A"): 0.01
                for s, n in zip(rng.integers(0, len(own), 3), rng.integers(1, 4, 3), strict=True)
                if s + n <= len(own)
            }
            doc = soft_doc(nlp, own, spans, spaces=[False] * len(own))
            example = self.example(nlp, doc, other, [False] * len(other))
            aligned = example.get_aligned_spans_y2x(list(doc.spans[POSTERIORS_KEY]), True)
            ours, known = found_spans(example, tags)
            assert set(ours) == {(span.start, span.end, span.label_) for span in aligned}
            n_lost += len(aligned) < len(spans)
            assert all(known) == (len(aligned) == len(spans))
        assert 0 < n_lost < 60

    def test_a_label_that_is_not_known(self, nlp, doc):
        with pytest.raises(KeyError, match="B"):
            words_of(self.example(nlp, doc), TagScheme("BIO", ["A"]))

    def test_another_vocab(self, nlp):
        vocab = spacy.blank("en").vocab
        doc = Doc(vocab, words=["New", "York"], spaces=[False, False], ents=["O", "O"])
        set_posteriors(doc, [Span(doc, 0, 2, "PLACE_OF_ANY_KIND")], [0.5])
        tags = TagScheme("BIO", ["PLACE_OF_ANY_KIND"])
        example = self.example(spacy.blank("en"), doc, ["NewYork"], [False])
        assert found_spans(example, tags) == ({(0, 1, "PLACE_OF_ANY_KIND"): 0.5}, [True])

    def test_label_sets(self, nlp, doc):
        """If a label of the network was not marked, posteriors say nothing of it."""
        set_label_set(doc, LabelSet.of(["A", "B"]))
        example = self.example(nlp, doc)
        assert find_soft([example], TagScheme("BIO", "ABC")) == [None]
        assert found_spans(example) == (POSTERIORS, [True] * 5)


def split_at(text, cuts):
    bounds = [0, *cuts.tolist(), len(text)]
    return [text[a:b] for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def gradients(pipe, examples):
    scores = pipe.model.predict([example.predicted for example in examples])
    loss, gradient = pipe.get_loss(examples, scores)
    return loss, gradient.arrays()


def hard_and_soft(nlp):
    """Make the same annotation as entities, and as posteriors of 1."""
    examples = [[], []]
    for text, ents in [*TRAIN, ("", []), (" ", []), ("Delhi", [(0, 5, "GPE")]), ("so", [])]:
        for kind in (0, 1):
            reference = nlp.make_doc(text)
            spans = [reference.char_span(*ent[:2], label=ent[2]) for ent in ents]
            reference.set_ents([] if kind else spans)
            if kind:
                set_posteriors(reference, spans, [1.0] * len(spans))
            examples[kind].append(Example(nlp.make_doc(text), reference))
    return examples


@SCHEME
@DECODER
def test_posteriors_of_one_teach_what_entities_do(nlp, scheme, decoder):
    pipe = eager(nlp, scheme=scheme, model={"decoder": decoder})
    hard, soft = hard_and_soft(nlp)
    mixed = [(hard, soft)[i % 2][i] for i in range(len(hard))]
    expected, arrays = gradients(pipe, hard)
    assert expected > 0.1
    for examples in (soft, mixed):
        loss, own = gradients(pipe, examples)
        assert loss == pytest.approx(expected, rel=1e-5)
        for ours, theirs in zip(own, arrays, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


@DECODER
def test_a_mixed_batch_is_the_mean_of_its_docs(nlp, decoder):
    pipe = eager(nlp, LABELS, model={"decoder": decoder})
    soft = soft_doc(nlp, list("abcde"), POSTERIORS)
    hard = Doc(nlp.vocab, words=list("xyz"), ents=["B-A", "I-A", ""])
    docs = [hard, soft, Doc(nlp.vocab), soft_doc(nlp, [" ", "b"], {(0, 2, "B"): 0.5})]
    examples = [Example(Doc(nlp.vocab, words=[t.text for t in own]), own) for own in docs]
    alone = [gradients(pipe, [example]) for example in examples]
    loss, arrays = gradients(pipe, examples)
    assert loss == pytest.approx(sum(own for own, _ in alone) / 4, rel=1e-5)
    emissions = np.concatenate([own[0] for _, own in alone]) / 4
    np.testing.assert_allclose(arrays[0], emissions, atol=1e-6)
    for i, array in enumerate(arrays[1:], 1):
        np.testing.assert_allclose(array, sum(own[i] for _, own in alone) / 4, atol=1e-6)


@DECODER
def test_docs_without_words(nlp, decoder):
    pipe = eager(nlp, LABELS, model={"decoder": decoder})
    docs = [soft_doc(nlp, [], {}), soft_doc(nlp, [" ", "\n"], {(0, 2, "A"): 0.5})]
    examples = [Example(Doc(nlp.vocab, words=[t.text for t in own]), own) for own in docs]
    loss, arrays = gradients(pipe, examples)
    assert loss == 0 and not any(array.any() for array in arrays)


@DECODER
def test_missing_words_have_no_gradient(nlp, decoder):
    pipe = eager(nlp, LABELS, model={"decoder": decoder})
    doc = soft_doc(nlp, list("abcde"), POSTERIORS)
    doc.set_ents([], missing=[doc[1:2], doc[4:]], default="unmodified")
    _, [emissions, *_] = gradients(pipe, [Example(Doc(nlp.vocab, words=list("abcde")), doc)])
    assert emissions.any(axis=1).tolist() == [True, False, True, True, False]
    doc.set_ents([], default="missing")
    loss, arrays = gradients(pipe, [Example(Doc(nlp.vocab, words=list("abcde")), doc)])
    assert loss == 0 and not any(array.any() for array in arrays)


def test_scores_that_are_not_finite(nlp, doc):
    pipe = eager(nlp, LABELS)
    scores = pipe.model.predict([Doc(nlp.vocab, words=list("abcde"))])
    scores.emissions[0, 0] = np.nan
    with pytest.raises(ValueError, match="E940"):
        pipe.get_loss([Example(Doc(nlp.vocab, words=list("abcde")), doc)], scores)


@DECODER
def test_incorrect_spans_beside_soft_annotation(nlp, decoder):
    pipe = eager(nlp, LABELS, model={"decoder": decoder}, incorrect_spans_key="wrong")
    doc = soft_doc(nlp, list("abc"), {(0, 1, "A"): 0.5})
    example = Example(Doc(nlp.vocab, words=list("abc")), doc)
    scores = pipe.model.predict([example.predicted])
    for array in scores.arrays():
        array *= 0.01
    loss, gradient = pipe.get_loss([example], scores)
    wrong = IncorrectSpan(0, 1, 3, "B")
    extra, d_extra = incorrect_loss(pipe.model.ops, scores, pipe.tags, [wrong])
    doc.spans["wrong"] = [Span(doc, 1, 3, "B")]
    both, d_both = pipe.get_loss([example], scores)
    assert extra > 0.01
    assert both == pytest.approx(loss + extra, rel=1e-6)
    expected = gradient.emissions + d_extra.emissions
    np.testing.assert_allclose(d_both.emissions, expected, atol=1e-6)
    doc.ents = [Span(doc, 1, 3, "B")]
    with pytest.raises(ValueError, match="E868"):
        pipe.get_loss([example], scores)


def soft_examples(nlp, data=TRAIN, p=0.75):
    """Make examples whose labels are in the groups only."""
    examples = []
    for text, ents in data:
        doc = nlp.make_doc(text)
        doc.set_ents([])
        spans = [doc.char_span(*ent[:2], label=ent[2]) for ent in ents]
        set_posteriors(doc, spans, [p] * len(spans))
        examples.append(Example(nlp.make_doc(text), doc))
    return examples


@DECODER
@SCHEME
def test_a_student_learns_labels_and_posteriors(nlp, scheme, decoder):
    settings = {"model": network(decoder=decoder), "scheme": scheme, "candidates": 0.01}
    pipe = nlp.add_pipe("rnn_ner", config=settings)
    optimizer = nlp.initialize(lambda: soft_examples(nlp))
    assert pipe.labels == ("FAC", "GPE")
    optimizer.learn_rate = 0.01
    before = nlp.evaluate(soft_examples(nlp))["ents_loss"]
    for _ in range(160):
        losses = nlp.update(soft_examples(nlp), sgd=optimizer, losses={})
    after = nlp.evaluate(soft_examples(nlp))["ents_loss"]
    assert losses["rnn_ner"] < before / 20 and 0 <= after < before / 20
    # A lone word has one tag, of which softmax too knows the posterior.
    doc = nlp("We left Paris for the Eiffel Tower")
    scores = {span.text: p for span, p in spans_with_confidence(doc)}
    assert scores["Paris"] == pytest.approx(0.75, abs=0.1)
    if decoder == "crf":
        assert scores["Eiffel Tower"] == pytest.approx(0.75, abs=0.1)


def test_a_step_checks_the_scores_once(nlp, doc, monkeypatch):
    """They were also read and checked where only labels are wanted."""
    seen, read = [], soft_annotation._read
    monkeypatch.setattr(soft_annotation, "_read", lambda group: seen.append(1) or read(group))
    eager(nlp, LABELS)
    nlp.update([Example(Doc(nlp.vocab, words=list("abcde")), doc)])
    assert len(seen) == 1


def test_update_meets_labels_of_groups(nlp):
    trained(nlp, steps=1)
    pipe = nlp.get_pipe("rnn_ner")
    examples = soft_examples(nlp, [("Red Fort", [(0, 8, "CASTLE")])])
    # An unknown label has no score, as with entities.
    assert "ents_loss" not in nlp.evaluate(examples)
    with pytest.raises(KeyError, match="CASTLE"):
        gradients(pipe, examples)
    nlp.update(examples)
    assert pipe.labels == ("FAC", "GPE", "CASTLE")
    assert np.isfinite(nlp.evaluate(examples)["ents_loss"])


def test_negated_label_is_an_error(nlp):
    pipe = nlp.add_pipe("rnn_ner")
    examples = soft_examples(nlp, [("Red Fort", [(0, 8, "!FAC")])])
    with pytest.raises(ValueError, match="E869"):
        pipe.initialize(lambda: examples, nlp=nlp)


@DECODER
def test_from_a_teacher_to_a_student(nlp, decoder, tmp_path):
    teacher = trained(nlp, steps=6, candidates=0.001, model=network(decoder=decoder))
    docs = list(teacher.pipe(text for text, _ in TRAIN))
    for doc in docs:
        group = doc.spans.pop("rnn_ner")
        set_posteriors(doc, group, group.attrs["scores"])
    assert any(0.05 < p < 0.95 for doc in docs for p in get_posteriors(doc).scores)
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    other = spacy.blank("en")
    pipe = other.add_pipe("rnn_ner", config={"model": network(decoder=decoder)})
    reader = Corpus(tmp_path / "train.spacy")
    optimizer = other.initialize(lambda: reader(other))
    assert set(pipe.labels) == {"FAC", "GPE"}
    optimizer.learn_rate = 0.01

    def distance():
        inference = pipe.infer([other.make_doc(doc.text) for doc in docs])
        spans = [[(s.start, s.end, s.label_) for s in get_posteriors(doc).spans] for doc in docs]
        p = np.concatenate(inference.posteriors_of(spans))
        return np.abs(p - np.concatenate([get_posteriors(doc).scores for doc in docs])).mean()

    far, losses = distance(), []
    for _ in range(60):
        losses.append(other.update(list(reader(other)), sgd=optimizer, losses={})["rnn_ner"])
    assert 0 <= losses[-1] < losses[0] / 5
    assert distance() < far / 2


def test_hard_examples_are_as_before(nlp):
    """No doc with a group: nothing of this module has a say."""
    pipe = eager(nlp)
    examples = make_examples(nlp)
    assert find_soft(examples, pipe.tags) == [None] * len(examples)
    assert gradients(pipe, examples)[0] > 0
