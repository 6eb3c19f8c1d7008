"""Annotation as it comes: missing, partial, misaligned, negative; and what the loss makes of it."""

import itertools
import warnings

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_rnn_tagger.crf.likelihood import IncorrectSpan
from spacy_rnn_tagger.crf.tag_scheme import SCHEMES, TagScheme
from spacy_rnn_tagger.pipeline.constraints import find_words
from spacy_rnn_tagger.pipeline.gold import allowed_tags, survey
from spacy_rnn_tagger.pipeline.label_sets import LabelSet, set_label_set
from spacy_rnn_tagger.pipeline.losses import divergence_loss, incorrect_loss
from spacy_rnn_tagger.types import TagScores
from tests.conftest import TRAIN, eager, make_examples, trained
from tests.pipeline.test_rnn_ner import found, network

LABELS = ("A", "B")


def allowed(doc, reference=None, scheme="BILUO"):
    """For each word the tags that annotation leaves open; "*" for all."""
    example = Example(Doc(doc.vocab, words=[t.text for t in doc]), reference or doc)
    tags = TagScheme(scheme, LABELS)
    rows = allowed_tags([example], find_words([example.x]), tags)
    return ["*" if row.all() else "|".join(np.array(tags.tags)[row]) for row in rows]


class TestAllowed:
    def test_all_kinds_of_token(self, nlp):
        ents = ["O", "B-A", "I-A", "", "B-B", "O"]
        doc = Doc(nlp.vocab, words=list("abcdef"), ents=ents)
        assert allowed(doc) == ["O", "B-A", "L-A", "O|B-A|U-A|B-B|U-B", "U-B", "O"]

    def test_blocked_is_no_annotation(self, nlp):
        """As with spaCy's `ner`: blocking is for prediction."""
        doc = Doc(nlp.vocab, words=list("abc"))
        doc.set_ents([], blocked=[doc[1:2]], default="outside")
        assert allowed(doc) == ["O", "*", "O"]

    def test_without_annotation_all_is_open(self, nlp):
        assert allowed(Doc(nlp.vocab, words=list("abc"))) == ["*"] * 3

    @pytest.mark.parametrize(
        "scheme,expected",
        [
            ("BILUO", ["*", "B-A", "L-A", "O|B-A|U-A|B-B|U-B", "U-B", "O|B-A|U-A|B-B|U-B"]),
            ("BIO", ["*", "B-A", "I-A", "O|B-A|B-B", "B-B", "O|B-A|B-B"]),
            ("IO", ["O|I-B", "I-A", "I-A", "O", "I-B", "O|I-A"]),
        ],
    )
    def test_open_words_beside_entities(self, nlp, scheme, expected):
        """They are in no entity that grows; whitespace between them changes nothing."""
        ents = ["", "B-A", "I-A", "", "B-B", ""]
        assert allowed(Doc(nlp.vocab, words=list("abcdef"), ents=ents), scheme=scheme) == expected
        words, ents = list("a bc d e f"), ["", "", "B-A", "I-A", "", "", "", "B-B", "", ""]
        assert allowed(Doc(nlp.vocab, words=words, ents=ents), scheme=scheme) == expected

    @pytest.mark.parametrize("scheme", list(SCHEMES))
    def test_the_word_after_is_one_of_the_doc(self, nlp, scheme):
        rows = [["", "B-A"], [], ["", "B-A"], [""]]
        docs = [Doc(nlp.vocab, words=["w"] * len(ents), ents=ents) for ents in rows]
        docs[-1].set_ents([], default="missing")
        examples = [Example(Doc(nlp.vocab, words=[t.text for t in doc]), doc) for doc in docs]
        tags = TagScheme(scheme, LABELS)
        mask = allowed_tags(examples, find_words([eg.x for eg in examples]), tags)
        assert mask[[2, 4]].all() == (scheme != "IO") and mask[4].all()

    @pytest.mark.parametrize(
        "words,ents,expected",
        [
            ([" ", "a", "b"], ["B-A", "I-A", "O"], ["U-A", "O"]),
            (["a", "b", " "], ["B-A", "I-A", "I-A"], ["B-A", "L-A"]),
            (["a", " ", "b"], ["B-A", "I-A", "I-A"], ["B-A", "L-A"]),
            ([" ", "a", " "], ["B-A", "I-A", "I-A"], ["U-A"]),
            ([" ", " ", "a", "b"], ["B-A", "I-A", "I-A", "I-A"], ["B-A", "L-A"]),
            ([" ", "a"], ["B-A", "O"], ["O"]),
            ([" ", " ", "a"], ["B-A", "I-A", "B-B"], ["U-B"]),
        ],
    )
    def test_whitespace_is_left_out(self, nlp, words, ents, expected):
        assert allowed(Doc(nlp.vocab, words=words, ents=ents)) == expected

    def test_other_tokens_than_the_references(self, nlp):
        """What is not aligned is open, and all around it keeps its annotation."""
        predicted = Doc(nlp.vocab, words=["NewYork", "is", "big"], spaces=[True, True, False])
        reference = Doc(
            nlp.vocab,
            words=["New", "York", "is", "big"],
            spaces=[False, True, True, False],
            ents=["O", "B-A", "O", "O"],
        )
        assert allowed(predicted, reference)[0] == "*"
        assert allowed(predicted, reference)[1:] == ["O", "O"]


def lattice_scores(decoder, K, lengths, seed=0):
    rng = np.random.default_rng(seed)
    shapes = ((sum(lengths), K), (K, K), (K,), (K,))
    arrays = [rng.normal(size=shape).astype("f") for shape in shapes]
    return TagScores(arrays[0], lengths, *(arrays[1:] if decoder == "crf" else []))


def all_paths(scores, tags, start, length):
    """Each legal path of a doc and its probability among the legal ones."""
    K = len(tags.tags)
    E = scores.emissions.astype(float)
    T, S, F = np.zeros((K, K)), np.zeros(K), np.zeros(K)
    if scores.transitions is not None:
        T, S, F = (a.astype(float) for a in (scores.transitions, scores.start, scores.end))
    paths, totals = [], []
    for path in itertools.product(range(K), repeat=length):
        legal = tags.legal_start[path[0]] and tags.legal_end[path[-1]]
        if legal and all(tags.legal_transitions[a, b] for a, b in itertools.pairwise(path)):
            paths.append(path)
            totals.append(
                S[path[0]]
                + F[path[-1]]
                + sum(E[start + t, y] for t, y in enumerate(path))
                + sum(T[a, b] for a, b in itertools.pairwise(path))
            )
    weights = np.exp(np.array(totals) - max(totals))
    return paths, weights / weights.sum()


def check_gradient(scores, gradient, loss, step=1e-2, tolerance=2e-3):
    """Compare each entry with central differences of the loss."""
    for array, ours in zip(scores.arrays(), gradient.arrays(), strict=True):
        for at in np.ndindex(array.shape):
            old = array[at]
            array[at] = old + step
            up = loss()
            array[at] = old - step
            down = loss()
            array[at] = old
            assert ours[at] == pytest.approx((up - down) / (2 * step), abs=tolerance)


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_loss_of_incorrect_spans(nlp, decoder, scheme):
    """-log(1 - P(span)), by enumeration, and its gradient, by differences."""
    tags = TagScheme(scheme, LABELS)
    scores = lattice_scores(decoder, len(tags.tags), [3, 2])
    ops = spacy.blank("en").add_pipe("rnn_ner").model.ops
    wrong = [
        IncorrectSpan(0, 0, 2, "A"),
        IncorrectSpan(0, 1, 3, "B"),
        IncorrectSpan(0, 1, 2, "O"),
        IncorrectSpan(1, 1, 2, "A"),
    ]
    docs = [all_paths(scores, tags, 0, 3), all_paths(scores, tags, 3, 2)]
    expected = 0.0
    for span in wrong:
        p = 0.0
        for path, probability in zip(*docs[span.doc], strict=True):
            breaks = np.arange(len(path)) == 0
            entities = list(zip(*tags.spans(np.array(path), breaks), strict=True))
            if span.label == "O":
                p += probability * (not any(path[span.start : span.end]))
            else:
                label = LABELS.index(span.label)
                p += probability * ((span.start, span.end, label) in entities)
        expected -= np.log(1 - p)
    loss, gradient = incorrect_loss(ops, scores, tags, wrong)
    assert loss == pytest.approx(expected, rel=1e-5)
    check_gradient(scores, gradient, lambda: incorrect_loss(ops, scores, tags, wrong)[0])


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_divergence_from_a_tutor_with_fewer_labels(nlp, decoder):
    """By enumeration of the paths through the tags that both know, and by differences."""
    tags = TagScheme("BIO", LABELS)
    scores = lattice_scores(decoder, 5, [3, 1], seed=1)
    tutor = lattice_scores(decoder, 3, [3, 1], seed=2)
    ops = spacy.blank("en").add_pipe("rnn_ner").model.ops
    known = TagScores(scores.emissions[:, :3], scores.lengths)
    if decoder == "crf":
        known.transitions = scores.transitions[:3, :3]
        known.start, known.end = scores.start[:3], scores.end[:3]
    expected = 0.0
    for start, length in ((0, 3), (3, 1)):
        if decoder == "crf":
            _, p = all_paths(tutor, tags.first(3), start, length)
            _, q = all_paths(known, tags.first(3), start, length)
            expected += (p * np.log(p / q)).sum()
        else:
            for t in range(start, start + length):
                p, q = (np.exp(x.emissions[t].astype(float)) for x in (tutor, known))
                p, q = p / p.sum(), q / q.sum()
                expected += (p * np.log(p / q)).sum()
    loss, gradient = divergence_loss(ops, scores, tutor, tags)
    assert loss == pytest.approx(expected, rel=1e-5)
    check_gradient(scores, gradient, lambda: divergence_loss(ops, scores, tutor, tags)[0])


# Entities and words outside of all entities; the other words of four are missing.
PARTIAL = [
    ([(0, 2, "A")], []),
    ([(2, 4, "A")], [0]),
    ([(1, 2, "B")], []),
    ([(1, 3, "A")], [3]),
    ([(0, 1, "A"), (1, 2, "A")], []),
    ([(1, 2, "A"), (2, 3, "B")], []),
    ([(0, 1, "A"), (2, 3, "A")], []),
    ([(0, 1, "B"), (3, 4, "A")], []),
    ([(0, 4, "A")], []),
    ([], [1]),
    ([], []),
]


def merged(entities):
    """Join entities of a label that follow each other: IO does not tell them apart."""
    found = []
    for start, end, label in entities:
        if found and found[-1][1:] == (start, label):
            start = found.pop()[0]
        found.append((start, end, label))
    return found


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_loss_of_partial_annotation(nlp, scheme):
    """-log P(gold | doc), where P sums the paths whose entities include the gold ones, as such."""
    pipe = eager(nlp, LABELS, scheme=scheme)
    tags, words = pipe.tags, list("abcd")
    scores = lattice_scores("crf", len(tags.tags), [4] * len(PARTIAL))
    examples, expected = [], 0.0
    for i, (entities, outside) in enumerate(PARTIAL):
        reference = Doc(nlp.vocab, words=words)
        reference.set_ents(
            [Span(reference, *entity) for entity in entities],
            outside=[reference[at : at + 1] for at in outside],
            default="missing",
        )
        examples.append(Example(Doc(nlp.vocab, words=words), reference))
        gold, p = set(merged(entities) if scheme == "IO" else entities), 0.0
        for path, probability in zip(*all_paths(scores, tags, 4 * i, 4), strict=True):
            starts, ends, labels = tags.spans(np.array(path), np.arange(4) == 0)
            names = [LABELS[label] for label in labels]
            found = set(zip(starts.tolist(), ends.tolist(), names, strict=True))
            p += probability * (gold <= found and not any(path[at] for at in outside))
        expected -= np.log(p) / len(PARTIAL)
    loss, gradient = pipe.get_loss(examples, scores)
    assert loss == pytest.approx(expected, rel=1e-5)
    check_gradient(scores, gradient, lambda: pipe.get_loss(examples, scores)[0])


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_certainty_of_a_longer_entity_is_penalised(nlp, scheme, decoder):
    """It had no loss in BIO and IO if the word beside the gold entity was not annotated."""
    pipe = eager(nlp, ["FAC"], scheme=scheme, model={"decoder": decoder})
    words = ["Red", "Fort", "Museum"]
    reference = Doc(nlp.vocab, words=words)
    reference.set_ents([Span(reference, 0, 2, "FAC")], default="missing")
    example = Example(Doc(nlp.vocab, words=words), reference)
    scores = pipe.model.predict([example.x])
    for array in scores.arrays():
        array[:] = 0
    scores.emissions[:] = -20
    path = pipe.tags.entity_tags(np.zeros(3), np.zeros(3, dtype=int))
    scores.emissions[np.arange(3), path] = 20
    assert pipe.get_loss([example], scores)[0] > 30


class TestIncorrectSpans:
    KEY = "wrong"

    def example(self, nlp, text, spans, ents=None):
        example = Example.from_dict(nlp.make_doc(text), {"entities": ents} if ents else {})
        doc = example.reference
        doc.spans[self.KEY] = [doc.char_span(*span[:2], label=span[2]) for span in spans]
        return example

    @pytest.mark.parametrize("decoder", ["crf", "softmax"])
    def test_an_entity_is_unlearned(self, nlp, decoder):
        trained(nlp, model=network(decoder=decoder), incorrect_spans_key=self.KEY, steps=60)
        text = "Red Fort is in Delhi."
        assert found(nlp(text)) == TRAIN[0][1]
        optimizer = nlp.resume_training()
        for _ in range(30):
            nlp.update([self.example(nlp, text, [(0, 8, "FAC")])], sgd=optimizer)
        assert (0, 8, "FAC") not in found(nlp(text))
        assert (15, 20, "GPE") in found(nlp(text))

    def test_not_outside_means_some_entity(self, nlp):
        eager(nlp, incorrect_spans_key=self.KEY)
        text = "the London"
        optimizer = nlp.resume_training()
        for _ in range(60):
            examples = [
                self.example(nlp, text, [(4, 10, "O")]),
                self.example(nlp, "the the", [(4, 7, "GPE"), (4, 7, "FAC"), (0, 7, "GPE")]),
            ]
            nlp.update(examples, sgd=optimizer)
        assert any(end == 10 for _, end, _ in found(nlp(text)))

    def test_conflict_with_an_entity(self, nlp):
        trained(nlp, steps=1, incorrect_spans_key=self.KEY)
        text, ents = TRAIN[0]
        with pytest.raises(ValueError, match="E868"):
            nlp.update([self.example(nlp, text, [ents[0]], ents)])
        # The same span with another label, or a part of it, is none.
        nlp.update([self.example(nlp, text, [(0, 8, "GPE"), (4, 8, "FAC")], ents)])

    def negative(self, nlp, words, ents, spans, label_set=None):
        reference = Doc(nlp.vocab, words=words)
        reference.ents = [Span(reference, *ent) for ent in ents]
        if label_set is not None:
            set_label_set(reference, label_set)
        reference.spans[self.KEY] = [Span(reference, *span) for span in spans]
        return Example(Doc(nlp.vocab, words=words), reference)

    @pytest.mark.parametrize("entity,span", [((0, 2), (0, 1)), ((0, 1), (0, 2)), ((2, 4), (1, 4))])
    def test_conflict_in_spite_of_whitespace(self, nlp, entity, span):
        """It was found only between the same tokens, but training reads words."""
        eager(nlp, incorrect_spans_key=self.KEY)
        words = ["x", "\n", "y", "z"]
        with pytest.raises(ValueError, match="E868"):
            nlp.update([self.negative(nlp, words, [(*entity, "FAC")], [(*span, "FAC")])])
        nlp.update([self.negative(nlp, words, [(*entity, "FAC")], [(*span, "GPE")])])
        nlp.update([self.negative(nlp, words, [(0, 3, "FAC")], [(*span, "FAC")])])

    def test_conflict_with_a_coarse_label(self, nlp):
        """All labels for which it stands are incorrect, so that none is left."""
        eager(nlp, incorrect_spans_key=self.KEY)
        words, label_set = ["x", "y"], LabelSet.of(None, {"LOC": ["FAC", "GPE"], "ORT": ["FAC"]})
        for label, wrong in (("LOC", ["FAC", "GPE"]), ("ORT", ["FAC"])):
            spans = [(0, 1, own) for own in wrong]
            with pytest.raises(ValueError, match="E868"):
                nlp.update([self.negative(nlp, words, [(0, 1, label)], spans, label_set)])
            # Another label is left.
            spans = [(0, 1, "GPE"), (0, 1, "GPE"), (0, 2, "FAC")]
            nlp.update([self.negative(nlp, words, [(0, 1, label)], spans, label_set)])

    def test_without_the_key_the_group_is_not_read(self, nlp):
        trained(nlp, steps=1)
        losses = nlp.update([self.example(nlp, "Red Fort", [(0, 8, "FAC")])], losses={})
        assert losses["rnn_ner"] == pytest.approx(0, abs=1e-6)

    def test_of_a_label_that_is_not_known(self, nlp):
        trained(nlp, steps=1, incorrect_spans_key=self.KEY)
        losses = nlp.update([self.example(nlp, "Red Fort", [(0, 8, "ORG")])], losses={})
        assert losses["rnn_ner"] == pytest.approx(0, abs=1e-6)
        assert "ORG" not in nlp.get_pipe("rnn_ner").labels

    def test_that_is_certain_has_a_finite_loss(self, nlp):
        pipe = eager(nlp, incorrect_spans_key=self.KEY)
        output = pipe.model.get_ref("emissions")
        output.set_param("W", output.get_param("W") * 0)
        output.set_param("b", np.array([0, 500, 0, 0, 0], dtype="f"))
        example = self.example(nlp, "Delhi", [(0, 5, "FAC")])
        loss, gradient = pipe.get_loss([example], pipe.model.predict([example.x]))
        assert np.isfinite(loss) and loss > 400
        assert all(np.isfinite(array).all() for array in gradient.arrays())
        assert gradient.emissions[0, 1] == pytest.approx(1)
        assert gradient.emissions.sum() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("step", ["initialize", "update"])
def test_negated_label_is_an_error(nlp, step):
    pipe = nlp.add_pipe("rnn_ner")
    wrong = make_examples(nlp, [("Red Fort", [(0, 8, "!FAC")])])
    if step == "update":
        pipe.initialize(lambda: make_examples(nlp), nlp=nlp)
    with pytest.raises(ValueError, match="E869"):
        pipe.initialize(lambda: wrong, nlp=nlp) if step == "initialize" else nlp.update(wrong)


def test_misaligned_entities_are_told_in_one_warning(nlp):
    pipe = nlp.add_pipe("rnn_ner")
    reference = Doc(nlp.vocab, words=["in", "Del", "hi"], spaces=[True, False, False])
    reference.ents = [Span(reference, 1, 2, label="GPE")]
    other = Doc(nlp.vocab, words=["Red", "For", "t"], spaces=[True, False, False])
    other.ents = [Span(other, 0, 2, label="FAC")]
    examples = [Example(nlp.make_doc(ref.text), ref) for ref in (reference, other)]
    examples += make_examples(nlp)
    with pytest.warns(UserWarning, match="W030") as caught:
        pipe.initialize(lambda: examples, nlp=nlp)
    [message] = [str(w.message) for w in caught if "W030" in str(w.message)]
    for part in ("2 entities", "'Del' (GPE", "'in Delhi'", "'Red For' (FAC", "'Red Fort'"):
        assert part in message
    # Training goes on: what is misaligned is not annotated.
    losses = nlp.update(examples[:1], losses={})
    assert np.isfinite(losses["rnn_ner"])


def test_alignment_in_spite_of_whitespace(nlp):
    """Entities behind a space that one of the docs lacks were reported, though they are learned."""
    pipe = nlp.add_pipe("rnn_ner")
    words = ["Red", "Fort", "is", "in", "Delhi"]
    reference = Doc(nlp.vocab, words=words, ents=["B-FAC", "I-FAC", "O", "O", "B-GPE"])
    examples = [
        Example(nlp.make_doc(text), reference)
        for text in ("Red Fort  is in Delhi", "Red Fort\nis in\n\nDelhi ", "RedFort is inDelhi")
    ]
    with pytest.warns(UserWarning, match="W030") as caught:
        pipe.initialize(lambda: examples, nlp=nlp)
    [message] = [str(w.message) for w in caught if "W030" in str(w.message)]
    # Of all these, the last text's Delhi alone is within a token.
    assert ": 1 entity." in message and message.count("'Delhi' (GPE") == 1
    assert [eg.get_aligned_ner()[-1] for eg in examples[::2]] == ["U-GPE", None]


def test_the_entity_that_is_lost_is_reported(nlp):
    """And not another of the same text and label."""
    words, spaces = ["Delhi", "is", "Delhi", "s"], [True, True, False, False]
    ents = ["B-GPE", "O", "B-GPE", "O"]
    reference = Doc(nlp.vocab, words=words, spaces=spaces, ents=ents)
    predicted = Doc(nlp.vocab, words=[" ", "Delhi", "is", "Delhis"])
    labels, [lost] = survey([Example(predicted, reference)])
    assert labels == {"GPE"}
    assert lost.startswith("'Delhi' (GPE, characters 9 to 14)")


def test_a_warning_of_many_entities_is_short(nlp):
    """It had the whole text once for each: 50 MB for a doc of 17 kB."""
    pipe = nlp.add_pipe("rnn_ner")
    text = "Delhi " * 3000
    reference = Doc(nlp.vocab, words=["Del", "hi"] * 3000, spaces=[False, True] * 3000)
    reference.ents = [Span(reference, 2 * i, 2 * i + 1, label="GPE") for i in range(3000)]
    with pytest.warns(UserWarning, match="W030") as caught:
        pipe.initialize(lambda: [Example(nlp.make_doc(text), reference)], nlp=nlp)
    [message] = [str(w.message) for w in caught if "W030" in str(w.message)]
    lines = message.splitlines()
    assert len(lines) < 30 and max(map(len, lines)) < 300
    assert "3,000 entities" in lines[0] and "2,980 more" in lines[-1]


@pytest.mark.parametrize("tokens", ["same", "other"])
def test_gold_of_another_vocab(nlp, tokens):
    """spaCy's `ner` trains on it; a label that our vocab had not met was E084."""
    pipe = nlp.add_pipe("rnn_ner", config={"incorrect_spans_key": "wrong"})
    vocab = spacy.blank("en").vocab
    words, place = (
        (["Red", "Fort", "."], (0, 2)) if tokens == "same" else (["Red Fort", "."], (0, 1))
    )
    spaces = [*[True] * (len(words) - 2), False, False]
    reference = Doc(vocab, words=words, spaces=spaces)
    reference.ents = [Span(reference, *place, label="UNHEARD_OF")]
    reference.spans["wrong"] = [Span(reference, *place, label="NEITHER")]
    examples = [Example(nlp.make_doc(reference.text), reference)]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.05
    assert pipe.labels == ("UNHEARD_OF",)
    for _ in range(30):
        losses = nlp.update(examples, sgd=optimizer)
    assert np.isfinite(losses["rnn_ner"])
    assert [ent.label_ for ent in nlp("Red Fort.").ents] == ["UNHEARD_OF"]
    later = Doc(spacy.blank("en").vocab, words=words, spaces=spaces)
    later.ents = [Span(later, *place, label="LATER")]
    example = Example(nlp.make_doc(later.text), later)
    assert nlp.evaluate([example])["ents_f"] == 0
    nlp.update([example], sgd=optimizer)
    assert pipe.labels == ("UNHEARD_OF", "LATER")


def test_aligned_entities_warn_of_nothing(nlp):
    pipe = nlp.add_pipe("rnn_ner")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe.initialize(lambda: make_examples(nlp), nlp=nlp)


def test_docs_of_only_outside(nlp):
    nlp = trained(nlp, steps=1)
    optimizer = nlp.resume_training()
    losses = []
    for _ in range(20):
        examples = make_examples(nlp, [(text, []) for text, _ in TRAIN])
        losses.append(nlp.update(examples, sgd=optimizer, losses={})["rnn_ner"])
    assert losses[-1] < losses[0] / 2
    assert not any(nlp(text).ents for text, _ in TRAIN)


def test_a_batch_without_annotation_passes_zeros_to_a_shared_tok2vec(nlp):
    nlp.add_pipe("tok2vec")
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}
    trained(nlp, model=network(tok2vec=listener), steps=1)
    tok2vec = nlp.get_pipe("tok2vec").model
    seen = []
    [node] = nlp.get_pipe("tok2vec").listeners
    backprop_of = type(node).receive

    def receive(self, batch_id, outputs, backprop):
        def spy(dX):
            seen.append(dX)
            return backprop(dX)

        backprop_of(self, batch_id, outputs, spy)

    type(node).receive = receive
    try:
        nlp.update([Example.from_dict(nlp.make_doc("Red Fort"), {})], sgd=False)
    finally:
        type(node).receive = backprop_of
    assert len(seen) == 1
    assert all((array == 0).all() for array in seen[0])
    assert all((node.get_grad(n) == 0).all() for node in tok2vec.walk() for n in node.grad_names)
