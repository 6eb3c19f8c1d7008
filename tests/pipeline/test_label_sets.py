"""Annotation of corpora that mark different labels: masks, losses, scores, other readers."""

import itertools
from typing import NamedTuple

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from thinc.api import NumpyOps

from spacy_rnn_tagger.crf.tag_scheme import SCHEMES, TagScheme
from spacy_rnn_tagger.pipeline.constraints import find_words
from spacy_rnn_tagger.pipeline.gold import allowed_tags
from spacy_rnn_tagger.pipeline.label_sets import (
    LABEL_SET_KEY,
    LabelSet,
    coarse_spans,
    get_label_set,
    set_label_set,
    unknown_spans,
)
from spacy_rnn_tagger.pipeline.losses import mask_loss
from spacy_rnn_tagger.pipeline.scorer import comparable, score_entities
from spacy_rnn_tagger.training.augmenters import create_entity_swap_v1
from spacy_rnn_tagger.training.batchers import split_example
from tests.conftest import eager, trained
from tests.pipeline.test_gold_and_losses import lattice_scores
from tests.pipeline.test_rnn_ner import found, network

LABELS = ("A", "B", "C")
COARSE = {"X": ("A", "B")}
SETS = {
    "one label": LabelSet.of(["A"]),
    "two labels": LabelSet.of(["A", "C"]),
    "all labels": LabelSet.of(LABELS),
    "coarse, all marked": LabelSet.of(None, COARSE),
    "coarse alone": LabelSet.of(["X"], COARSE),
    "coarse and precise": LabelSet.of(["X", "C"], COARSE),
    "coarse like one of its own": LabelSet.of(["A"], {"A": ("A", "C")}),
    "coarse for one": LabelSet.of(["X", "A"], {"X": ("B",)}),
}


class Told(NamedTuple):
    """What annotation says, apart from how docs hold it."""

    length: int
    entities: list  # start, end, labels of which it has one
    unknown: set  # words
    marked: set  # what a word outside of all that has not


def random_annotation(rng, label_set, length):
    """Draw annotation: as a doc's tags, with coarse labels, and what it means."""
    names = sorted({*label_set.coarse, *(label_set.labels or LABELS)} - {"X"})
    names += ["X"] * 2 if "X" in label_set.coarse else []
    tags, entities, unknown = [], [], set()
    while (start := len(tags)) < length:
        kind = rng.choice(["entity", "entity", "outside", "unknown"])
        if kind == "entity":
            n, name = rng.integers(1, min(length - start, 3) + 1), str(rng.choice(names))
            tags += [f"B-{name}"] + [f"I-{name}"] * (n - 1)
            entities.append((start, start + n, set(label_set.coarse.get(name, (name,)))))
        else:
            tags.append("O" if kind == "outside" else "")
            unknown |= {start} if kind == "unknown" else set()
    marked = set(LABELS) if label_set.labels is None else set(label_set.labels)
    return tags, Told(length, entities, unknown, marked)


def all_analyses(length, start=0):
    """List all sets of spans."""
    if start >= length:
        yield ()
        return
    yield from all_analyses(length, start + 1)
    for end in range(start + 1, length + 1):
        for label, later in itertools.product(LABELS, all_analyses(length, end)):
            yield ((start, end, label), *later)


def agrees(spans, told):
    for start, end, labels in told.entities:
        if not any((start, end, label) in spans for label in labels):
            return False
    annotated = {place for start, end, _ in told.entities for place in range(start, end)}
    return not any(
        label in told.marked and {*range(start, end)} - annotated - told.unknown
        for start, end, label in spans
        if not {*range(start, end)} & annotated
    )


def word_agrees(label, place, told):
    """Tell the same of a word's label alone, which is all that IO knows."""
    beside = []
    for start, end, labels in told.entities:
        if start <= place < end:
            return label in labels
        if place in (start - 1, end):
            beside.append(labels)
    if {label} in beside:  # the entity would be longer
        return False
    return place in told.unknown or label not in told.marked


def written(spans, length, scheme):
    tags = ["O"] * length
    for start, end, label in spans:
        if scheme == "BILUO" and end - start == 1:
            tags[start] = f"U-{label}"
            continue
        tags[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
        if scheme == "BILUO":
            tags[end - 1] = f"L-{label}"
    return tags


def all_paths(told, scheme):
    """List the tags of every analysis, and whether annotation agrees with it."""
    if scheme == "IO":
        for labels in itertools.product([None, *LABELS], repeat=told.length):
            agree = all(word_agrees(label, i, told) for i, label in enumerate(labels))
            yield ["O" if label is None else f"I-{label}" for label in labels], agree
    else:
        for spans in all_analyses(told.length):
            yield written(spans, told.length, scheme), agrees(spans, told)


def expected_of_paths(scores, tags, everything):
    """Compute loss and gradient of a CRF, path by path."""
    number = {tag: i for i, tag in enumerate(tags.tags)}
    E, T, S, F = (np.array(array, dtype=float) for array in scores.arrays())
    gradient = [np.zeros_like(array) for array in (E, T, S, F)]
    loss, first = 0.0, 0
    for told in everything:
        paths, agree = zip(*all_paths(told, tags.scheme), strict=True)
        ids = np.array([[number[tag] for tag in path] for path in paths])
        totals = S[ids[:, 0]] + F[ids[:, -1]]
        totals += sum(E[first + i, ids[:, i]] for i in range(told.length))
        totals += sum(T[ids[:, i], ids[:, i + 1]] for i in range(told.length - 1))
        free = np.exp(totals)
        gold = free * np.array(agree)
        loss += np.log(free.sum()) - np.log(gold.sum())
        weights = free / free.sum() - gold / gold.sum()
        for i in range(told.length):
            np.add.at(gradient[0][first + i], ids[:, i], weights)
        for i in range(told.length - 1):
            np.add.at(gradient[1], (ids[:, i], ids[:, i + 1]), weights)
        np.add.at(gradient[2], ids[:, 0], weights)
        np.add.at(gradient[3], ids[:, -1], weights)
        first += told.length
    return loss, gradient


def tags_of_word(place, told, scheme):
    """List what a word may be for softmax, which learns each by itself."""
    for start, end, labels in told.entities:
        if start <= place < end:
            return {
                tag
                for label in labels
                if (tag := written([(start, end, label)], told.length, scheme)[place])
            }
    if scheme == "IO":
        return {"O", *(f"I-{label}" for label in LABELS if word_agrees(label, place, told))}
    follows = any(end == place for _, end, _ in told.entities)
    prefixes = {"BILUO": "BU" if follows else "BILU", "BIO": "B" if follows else "BI"}
    labels = [own for own in LABELS if place in told.unknown or own not in told.marked]
    return {"O", *(f"{prefix}-{label}" for label in labels for prefix in prefixes[scheme])}


def expected_of_words(scores, tags, everything):
    p = np.exp(scores.emissions.astype(float))
    p /= p.sum(axis=1, keepdims=True)
    rows = [tags_of_word(i, told, tags.scheme) for told in everything for i in range(told.length)]
    if tags.scheme == "IO":
        rows = [{tag.replace("B-", "I-") for tag in row} for row in rows]
    gold = p * np.array([[tag in row for tag in tags.tags] for row in rows])
    loss = -np.log(gold.sum(axis=1)).sum()
    return loss, [p - gold / gold.sum(axis=1, keepdims=True)]


def annotated(nlp, ents, label_set, words=None):
    doc = Doc(nlp.vocab, words=words or [f"w{i}" for i in range(len(ents))], ents=ents)
    if not any(ents):  # spaCy takes this for no annotation, and then for outside
        doc.set_ents([], default="missing")
    set_label_set(doc, label_set)
    return doc


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("scheme", list(SCHEMES))
@pytest.mark.parametrize("name", list(SETS))
def test_loss_and_gradient_by_enumeration(nlp, name, scheme, decoder):
    rng = np.random.default_rng(0)
    label_set, tags = SETS[name], TagScheme(scheme, LABELS)
    for seed in range(6):
        lengths = [4, 3, 1, 2, 4]
        drawn = [random_annotation(rng, label_set, length) for length in lengths]
        docs = [annotated(nlp, ents, label_set) for ents, _ in drawn]
        # Beside them in the batch, a doc of a corpus that marks everything.
        docs.append(Doc(nlp.vocab, words=["a", "b"], ents=["B-C", "O"]))
        told = [own for _, own in drawn] + [Told(2, [(0, 1, {"C"})], set(), set(LABELS))]
        scores = lattice_scores(decoder, len(tags.tags), [*lengths, 2], seed)
        examples = [Example(Doc(nlp.vocab, words=[t.text for t in doc]), doc) for doc in docs]
        allowed = allowed_tags(examples, find_words([eg.x for eg in examples]), tags)
        loss, gradient = mask_loss(NumpyOps(), scores, tags, allowed)
        expected = expected_of_paths if decoder == "crf" else expected_of_words
        expected_loss, arrays = expected(scores, tags, told)
        assert loss == pytest.approx(expected_loss, rel=1e-5)
        for ours, theirs in zip(gradient.arrays(), arrays, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_the_components_loss_is_that_of_the_mask(nlp, decoder):
    """With whitespace, an empty doc, and other tokens than the reference has."""
    pipe = eager(nlp, LABELS, model={"decoder": decoder})
    label_set = SETS["coarse and precise"]
    words = ["no", "\n", "un", "it", "y", "here"]
    reference = Doc(
        nlp.vocab,
        words=words,
        spaces=[False, False, False, False, True, False],
        ents=["O", "O", "B-X", "I-X", "I-X", ""],
    )
    set_label_set(reference, label_set)
    predicted = Doc(
        nlp.vocab, ["no", "\n", "unity", "he", "re"], [False, False, True, False, False]
    )
    empty = Doc(nlp.vocab)
    set_label_set(empty, label_set)
    examples = [Example(predicted, reference), Example(Doc(nlp.vocab), empty)]
    told = [Told(4, [(1, 2, {"A", "B"})], {2, 3}, {"A", "B", "C"})]
    scores = pipe.model.predict([predicted, empty])
    words_only = scores.select(np.array([0, 2, 3, 4]), [4])
    expected = expected_of_paths if decoder == "crf" else expected_of_words
    loss, arrays = expected(words_only, pipe.tags, told)
    ours, gradient = pipe.get_loss(examples, scores)
    assert ours == pytest.approx(loss / 2, rel=1e-4)
    np.testing.assert_allclose(gradient.emissions[[0, 2, 3, 4]], arrays[0] / 2, atol=1e-5)
    assert not gradient.emissions[1].any()


def mask_of(nlp, reference, words, spaces=None, scheme="BILUO"):
    example = Example(Doc(nlp.vocab, words=words, spaces=spaces), reference)
    tags = TagScheme(scheme, LABELS)
    rows = allowed_tags([example], find_words([example.x]), tags)
    return ["*" if row.all() else "|".join(np.array(tags.tags)[row]) for row in rows]


class TestMask:
    BC = "O|B-B|I-B|L-B|U-B|B-C|I-C|L-C|U-C"
    BC_AFTER = "O|B-B|U-B|B-C|U-C"

    def test_of_all_labels_is_that_of_a_doc_without_label_set(self, nlp):
        ents = ["O", "B-A", "I-A", "B-B", "O", "O", "B-C"]
        plain = Doc(nlp.vocab, words=list("abcdefg"), ents=ents)
        marked = annotated(nlp, ents, LabelSet.of(LABELS), list("abcdefg"))
        for scheme in SCHEMES:
            words = list("abcdefg")
            assert mask_of(nlp, marked, words, scheme=scheme) == mask_of(
                nlp, plain, words, scheme=scheme
            )

    def test_outside_is_none_of_what_was_marked(self, nlp):
        doc = annotated(nlp, ["O", "B-A", "O", "O", ""], LabelSet.of(["A"]), list("abcde"))
        expected = [self.BC, "U-A", self.BC_AFTER, self.BC, "*"]
        assert mask_of(nlp, doc, list("abcde")) == expected

    def test_whitespace(self, nlp):
        words = [" ", "a", " ", "b", " ", "c"]
        doc = annotated(nlp, ["B-X", "I-X", "I-X", "I-X", "I-X", "O"], SETS["coarse alone"], words)
        expected = ["B-A|B-B", "L-A|L-B", "O|B-C|U-C"]
        assert mask_of(nlp, doc, words) == expected
        doc = annotated(nlp, ["B-X", "O"], SETS["coarse alone"], [" ", "a"])
        assert mask_of(nlp, doc, [" ", "a"]) == ["O|B-C|I-C|L-C|U-C"]

    def test_tokens_split_and_merged(self, nlp):
        label_set = LabelSet.of(["A", "X"], {"X": ("B",)})
        words, spaces = ["New", "York", "is", "bi", "g"], [False, True, True, False, False]
        doc = Doc(nlp.vocab, words=words, spaces=spaces, ents=["B-X", "I-X", "O", "O", "O"])
        set_label_set(doc, label_set)
        merged = mask_of(nlp, doc, ["NewYork", "is", "big"], [True, True, False])
        assert merged == ["U-B", "O|B-C|U-C", "O|B-C|I-C|L-C|U-C"]
        split = mask_of(
            nlp, doc, ["N", "ewYork", "i", "s", "big"], [False, True, False, True, False]
        )
        assert split[:2] == ["B-B", "L-B"]
        assert split[2:] == ["O|B-C|U-C", "O|B-C|I-C|L-C|U-C", "O|B-C|I-C|L-C|U-C"]

    @pytest.mark.parametrize("label", ["A", "X"])
    def test_an_entity_that_is_not_aligned_is_open(self, nlp, label):
        words, spaces = ["New", "York", "is"], [False, True, False]
        ents = ["O", f"B-{label}", "O"]
        doc = Doc(nlp.vocab, words=words, spaces=spaces, ents=ents)
        set_label_set(doc, LabelSet.of(["A", "X"], {"X": ("B",)}))
        assert mask_of(nlp, doc, ["NewYork", "is"], [True, False]) == ["*", "O|B-C|I-C|L-C|U-C"]

    def test_blocked_and_unmarked_entities_are_missing(self, nlp):
        doc = Doc(nlp.vocab, words=list("abc"), ents=["O", "B-B", "O"])
        doc.set_ents([], blocked=[doc[:1]], default="unmodified")
        set_label_set(doc, LabelSet.of(["A"]))
        assert mask_of(nlp, doc, list("abc")) == ["*", "*", self.BC]
        assert not doc.ents

    def test_a_coarse_label_of_labels_that_are_not_known(self, nlp):
        """They cannot be learned; in training the component adds them first."""
        label_set = LabelSet.of(["X"], {"X": ("D", "A")})
        doc = annotated(nlp, ["B-X", "O"], label_set, list("ab"))
        assert mask_of(nlp, doc, list("ab")) == ["U-A", self.BC_AFTER]
        doc = annotated(nlp, ["B-X", "O"], LabelSet.of(["X"], {"X": ("D",)}), list("ab"))
        assert mask_of(nlp, doc, list("ab")) == ["*", "*"]

    def test_of_another_vocab(self, nlp):
        vocab = spacy.blank("en").vocab
        ents = ["B-PLACE_OF_ANY_KIND", "I-PLACE_OF_ANY_KIND"]
        doc = Doc(vocab, words=["New", "York"], spaces=[False, False], ents=ents)
        set_label_set(doc, LabelSet.of(None, {"PLACE_OF_ANY_KIND": ["A", "B"]}))
        assert mask_of(spacy.blank("en"), doc, ["NewYork"], [False]) == ["U-A|U-B"]

    def test_without_its_group_a_doc_is_safe(self, nlp):
        ents = ["O", "B-C", "B-X", "O", ""]
        doc = annotated(nlp, ents, SETS["coarse and precise"], list("abcde"))
        bare = doc.copy()
        del bare.spans[LABEL_SET_KEY]
        joined = Doc.from_docs([doc])  # spaCy keeps spans here, and loses attributes
        after = "O|B-A|U-A|B-B|U-B|B-C|U-C"
        for other in (bare, joined, doc[:].as_doc()):
            assert get_label_set(other) is None and not coarse_spans(other)
            assert mask_of(nlp, other, list("abcde")) == ["*", "U-C", after, "*", "*"]
        all_marked = annotated(nlp, ents, SETS["coarse, all marked"], list("abcde"))
        del all_marked.spans[LABEL_SET_KEY]
        assert mask_of(nlp, all_marked, list("abcde")) == ["O", "U-C", after, "O", "*"]


def group_of(doc):
    label_set = get_label_set(doc)
    spans = [(s.start_char, s.end_char, s.label_) for s in doc.spans[LABEL_SET_KEY]]
    return label_set, spans, [token.ent_iob_ for token in doc]


class TestGroup:
    @pytest.fixture
    def doc(self, nlp):
        ents = ["O", "B-C", "B-X", "I-X", "O", ""]
        return annotated(nlp, ents, SETS["coarse and precise"], list("abcdef"))

    def test_copies_and_files(self, nlp, doc, tmp_path):
        expected = group_of(doc)
        assert expected[0] == SETS["coarse and precise"]
        assert expected[1] == [(4, 7, "X"), (10, 11, "")]
        assert group_of(doc.copy()) == expected
        vocab = spacy.blank("en").vocab
        assert group_of(Doc(vocab).from_bytes(doc.to_bytes())) == expected
        DocBin(docs=[doc]).to_disk(tmp_path / "x.spacy")
        [read] = DocBin().from_disk(tmp_path / "x.spacy").get_docs(vocab)
        assert group_of(read) == expected

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_processes(self, nlp, doc):
        expected = group_of(doc)
        docs = list(nlp.pipe([doc.copy(), doc.copy(), doc.copy()], n_process=2, batch_size=1))
        assert [group_of(own) for own in docs] == [expected] * 3

    def test_parts_of_a_long_doc(self, nlp, doc):
        example = Example(Doc(nlp.vocab, words=list("abcdef")), doc)
        whole = mask_of(nlp, doc, list("abcdef"))
        for longest in (1, 2, 3):
            parts = list(split_example(example, longest))
            assert len(parts) > 1
            masks = [mask_of(nlp, part.y, [token.text for token in part.x]) for part in parts]
            assert [row for mask in masks for row in mask] == whole
            assert all(get_label_set(part.y) == get_label_set(doc) for part in parts)

    def test_swapped_names(self, nlp, tmp_path):
        (tmp_path / "c.txt").write_text("Port of Spain\n")
        swap = create_entity_swap_v1({"C": str(tmp_path / "c.txt")}, level=1.0, per_entity=1.0)
        words = ["in", "Rome", "and", "Oslo", "or", "Lima"]
        ents = ["", "B-C", "O", "B-X", "O", "B-C"]
        doc = annotated(nlp, ents, SETS["coarse and precise"], words)
        [swapped] = swap(nlp, Example(nlp.make_doc(doc.text), doc))
        assert swapped.y.text.strip() == "in Port of Spain and Oslo or Port of Spain"
        assert [(s.text, s.label_) for s in coarse_spans(swapped.y)] == [("Oslo", "X")]
        assert [s.text for s in unknown_spans(swapped.y)] == ["in"]
        words = [token.text for token in swapped.x]
        assert mask_of(nlp, swapped.y, words) == [
            "*", "B-C", "I-C", "L-C", "O", "U-A|U-B", "O", "B-C", "I-C", "L-C"
        ]  # fmt: skip
        assert get_label_set(swapped.y) == get_label_set(doc)

    def test_no_swap_and_no_group(self, nlp, tmp_path):
        (tmp_path / "c.txt").write_text("Port of Spain\n")
        swap = create_entity_swap_v1({"C": str(tmp_path / "c.txt")}, level=1.0, per_entity=1.0)
        doc = Doc(nlp.vocab, words=["Rome"], ents=["B-C"])
        [swapped] = swap(nlp, Example(nlp.make_doc(doc.text), doc))
        assert LABEL_SET_KEY not in swapped.y.spans


# Two corpora of the same sentences, whose annotators marked different labels.
PEOPLE = [("Ada left Oslo", [(0, 3, "A")]), ("Eve saw Rome", [(0, 3, "A")])]
PLACES = [("Ada left Oslo", [(9, 13, "X")]), ("Eve saw Rome", [(8, 12, "X")])]
PRECISE = [("Ada left Oslo", [(9, 13, "C")])]


def disagreeing(nlp):
    examples = []
    for data, label_set in (
        (PEOPLE, LabelSet.of(["A"])),
        (PLACES, LabelSet.of(["X"], {"X": ("B", "C")})),
        (PRECISE, LabelSet.of(["C"])),
    ):
        for text, ents in data:
            example = Example.from_dict(nlp.make_doc(text), {"entities": ents})
            set_label_set(example.reference, label_set)
            examples.append(example)
    return examples


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_learns_from_corpora_that_disagree(nlp, scheme, decoder):
    pipe = nlp.add_pipe("rnn_ner", config={"model": network(decoder=decoder), "scheme": scheme})
    optimizer = nlp.initialize(lambda: disagreeing(nlp))
    assert pipe.labels == ("A", "B", "C")
    optimizer.learn_rate = 0.01
    for _ in range(60):
        losses = nlp.update(disagreeing(nlp), sgd=optimizer, losses={})
    assert losses["rnn_ner"] < 0.5
    assert found(nlp("Ada left Oslo")) == [(0, 3, "A"), (9, 13, "C")]
    first, second = found(nlp("Eve saw Rome"))
    assert first == (0, 3, "A") and second[:2] == (8, 12) and second[2] in "BC"


def test_update_meets_new_labels(nlp):
    trained(nlp, steps=1)
    nlp.update(disagreeing(nlp)[2:3])
    assert nlp.get_pipe("rnn_ner").labels == ("FAC", "GPE", "B", "C")


def test_misaligned_coarse_entities_are_reported(nlp):
    pipe = nlp.add_pipe("rnn_ner")
    words, spaces = ["in", "Del", "hi"], [True, False, False]
    doc = Doc(nlp.vocab, words=words, spaces=spaces, ents=["O", "B-X", "O"])
    set_label_set(doc, SETS["coarse alone"])
    with pytest.warns(UserWarning, match=r"'Del' \(X"):
        pipe.initialize(lambda: [Example(nlp.make_doc(doc.text), doc)], nlp=nlp)


def test_spacys_ner_is_not_misled(nlp):
    """Where annotators of places say nothing of "Ada", neither does the gold of spaCy's `ner`."""
    ner = nlp.add_pipe("ner")
    optimizer = nlp.initialize(lambda: disagreeing(nlp))
    assert set(ner.labels) == {"A", "C"}
    assert disagreeing(nlp)[2].get_aligned_ner() == [None, None, None]
    assert disagreeing(nlp)[4].get_aligned_ner() == [None, None, "U-C"]
    for _ in range(40):
        losses = nlp.update(disagreeing(nlp), sgd=optimizer, losses={})
    assert np.isfinite(losses["ner"])
    assert (0, 3, "A") in found(nlp("Ada left Oslo"))
    assert (9, 13, "C") in found(nlp("Ada left Oslo"))


def predicted(nlp, words, ents):
    return Doc(nlp.vocab, words=words, ents=ents)


class TestComparable:
    """Figures counted by hand: (found and right, found and wrong, missed)."""

    WORDS = list("abcdef")

    def counts(self, nlp, label_set, gold, guess, labels=None):
        reference = Doc(nlp.vocab, words=self.WORDS, ents=gold)
        if label_set is not None:
            set_label_set(reference, label_set)
        before = reference.to_bytes()
        example = Example(Doc(spacy.blank("en").vocab, words=self.WORDS, ents=guess), reference)
        guessed = example.x.to_bytes()
        scores = score_entities([comparable(example, labels)])
        # What was there is unchanged.
        assert reference.to_bytes() == before and example.x.to_bytes() == guessed
        p, r = scores["ents_p"], scores["ents_r"]
        return None if p is None else (round(p, 3), round(r, 3)), scores["ents_token_acc"]

    def test_partial_labels(self, nlp):
        gold = ["B-A", "O", "O", "", "B-A", "O"]
        guess = ["B-A", "B-A", "B-B", "B-A", "B-C", "B-C"]
        # a is right, b is wrong, c and f are not A, nobody knows d, e is missed.
        found, accuracy = self.counts(nlp, LabelSet.of(["A"]), gold, guess)
        assert found == (0.5, 0.5)
        assert accuracy == pytest.approx(3 / 5)  # a, c and f of all but d

    def test_coarse_labels(self, nlp):
        gold = ["B-X", "I-X", "B-X", "B-X", "B-X", "B-C"]
        guess = ["B-B", "I-B", "B-C", "O", "B-A", "B-C"]
        # Of four X, "a b" and e are A or B; c is C; d is missed. f is right.
        for name in ("coarse, all marked", "coarse and precise"):
            found, _ = self.counts(nlp, SETS[name], gold, guess)
            assert found == (0.75, 0.6)

    def test_coarse_borders(self, nlp):
        gold, guess = ["B-X", "I-X", "O", "O", "O", "O"], ["B-A", "O", "O", "O", "O", "O"]
        assert self.counts(nlp, SETS["coarse alone"], gold, guess)[0] == (0.0, 0.0)

    def test_output_labels(self, nlp):
        gold = ["B-A", "B-B", "O", "B-B", "B-A", "O"]
        guess = ["B-A", "B-A", "B-A", "B-B", "O", "B-B"]
        # a right; b and c wrong; e missed. B counts neither way.
        assert self.counts(nlp, None, gold, guess, ["A"])[0] == (0.333, 0.5)

    def test_output_labels_and_missing_annotation(self, nlp):
        gold = ["B-A", "B-B", "", "O", "O", "O"]
        guess = ["B-A", "B-B", "B-A", "O", "B-A", "O"]
        found, accuracy = self.counts(nlp, None, gold, guess, ["A"])
        assert found == (0.5, 1.0) and accuracy == pytest.approx(4 / 5)

    def test_output_labels_of_coarse_labels(self, nlp):
        """An entity that may have a silent label need not have been found."""
        gold = ["B-X", "B-X", "B-X", "B-X", "B-X", "I-X"]
        guess = ["B-A", "O", "B-C", "B-B", "B-A", "O"]
        # c is certainly no C, and e alone no A. a may be right, b and d may be B.
        found, _ = self.counts(nlp, SETS["coarse and precise"], gold, guess, ["A", "C"])
        assert found == (0.0, 0.0)
        gold, guess = ["B-X", "O", "B-C", "O", "O", "O"], ["B-A", "O", "B-C", "O", "O", "O"]
        found, _ = self.counts(nlp, SETS["coarse and precise"], gold, guess, ["A", "C"])
        assert found == (1.0, 1.0)

    def test_what_needs_no_reduction_is_not_copied(self, nlp):
        words, ents = list("ab"), ["B-A", "O"]
        example = Example(predicted(nlp, words, ents), Doc(nlp.vocab, words=words, ents=ents))
        assert comparable(example) is example
        assert comparable(example, ["A", "B"]) is example
        assert comparable(example, ["B"]) is not example
        set_label_set(example.reference, LabelSet.of(["A"]))
        reduced = comparable(example)
        assert reduced.x is example.x and reduced.y is not example.y

    def test_other_tokens(self, nlp):
        reference = Doc(
            nlp.vocab, ["New", "York", "is"], [False, True, False], ents=["B-X", "I-X", "O"]
        )
        set_label_set(reference, SETS["coarse alone"])
        guess = Doc(nlp.vocab, ["NewYork", "is"], [True, False], ents=["B-B", "B-A"])
        scores = score_entities([comparable(Example(guess, reference))])
        assert (scores["ents_p"], scores["ents_r"]) == (0.5, 1.0)
        assert scores["ents_per_type"]["B"]["f"] == 1.0

    def test_nothing_that_counts(self, nlp):
        gold, guess = ["O"] * 6, ["B-C"] * 6
        found, accuracy = self.counts(nlp, LabelSet.of(["A"]), gold, guess)
        assert found is None and accuracy == 1.0

    def test_the_component_scores_so(self, nlp):
        pipe = eager(nlp, LABELS, output_labels=["A", "B", "C"])
        reference = annotated(nlp, ["O", "B-X", "O"], SETS["coarse alone"], list("abc"))
        guess = predicted(nlp, list("abc"), ["B-C", "B-B", "O"])
        scores = pipe.score([Example(guess, reference)])
        assert (scores["ents_p"], scores["ents_r"]) == (1.0, 1.0)
        assert np.isfinite(scores["ents_loss"])
