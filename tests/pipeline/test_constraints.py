"""What a doc already says, and what no entity may be: the component decodes around it."""

import itertools

import numpy as np
import pytest
from spacy.tokens import Doc, Span

from spacy_rnn_tagger.pipeline.constraints import read_constraints
from tests.conftest import eager
from tests.crf.lattices import decode

SCHEMES = pytest.mark.parametrize("scheme", ["BIO", "BILUO", "IO"])
TEXT = "We left Red Fort for New Delhi and Paris , then"
WORDS = [*TEXT.split(), "\n", "home"]


def spans(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


@pytest.fixture(params=["BIO", "BILUO", "IO"])
def pipe(request, nlp):
    return eager(nlp, scheme=request.param)


def make(nlp, words=WORDS, **kwargs):
    return Doc(nlp.vocab, words=list(words), **kwargs)


def test_eager_finds_entities(nlp, pipe):
    """Otherwise the tests below would show nothing."""
    assert len(pipe(make(nlp)).ents) >= 3


def test_presets_stay_with_their_ids(nlp, pipe):
    doc = make(nlp)
    fort = Span(doc, 2, 4, label="FAC", kb_id="Q45957", span_id="fort")
    delhi = Span(doc, 5, 7, label="CITY")
    doc.set_ents([fort, delhi], default="missing")
    pipe(doc)
    found = {(ent.start, ent.end): ent for ent in doc.ents}
    assert found[2, 4].label_ == "FAC"
    assert (found[2, 4].kb_id_, found[2, 4].id_) == ("Q45957", "fort")
    assert found[5, 7].label_ == "CITY"
    assert len(found) > 2
    assert pipe.labels == ("FAC", "GPE", "CITY")


def test_preset_conditions_what_stands_beside_it(nlp):
    """The best path given the preset, by enumeration; without it other tags would be best."""
    pipe = eager(nlp, labels=("A",), seed=8)
    changed = 0
    for start in range(4):
        doc = make(nlp, ["Red", "Fort", "of", "Delhi"])
        doc.set_ents([Span(doc, start, start + 1, label="A")], default="missing")
        constraints = read_constraints([doc], pipe.tags)
        scores = pipe.model.predict([doc])
        best = decode(scores, pipe.tags, constraints.allowed)
        paths = {}
        for path in itertools.product(range(3), repeat=4):  # O, B-A, I-A
            legal = path[0] != 2 and all(path[t - 1] or path[t] != 2 for t in range(1, 4))
            held = path[start] == 1 and (start == 3 or path[start + 1] != 2)
            if legal and held:
                total = scores.start[path[0]] + scores.end[path[-1]]
                total += sum(scores.emissions[t, tag] for t, tag in enumerate(path))
                total += sum(scores.transitions[a, b] for a, b in itertools.pairwise(path))
                paths[path] = total
        assert tuple(best) == max(paths, key=paths.__getitem__)
        others = np.arange(4) != start
        changed += (best != decode(scores, pipe.tags))[others].any()
    assert changed


def test_blocked_missing_and_outside(nlp, pipe):
    doc = make(nlp)
    free = spans(pipe(make(nlp)))
    assert any(start < 4 for start, _, _ in free)
    doc.set_ents([], blocked=[doc[0:4]], default="missing")
    pipe(doc)
    assert all(start >= 4 for start, _, _ in spans(doc))
    assert [token.ent_iob for token in doc[:4]] == [3] * 4
    assert not any(token.ent_type for token in doc[:4])
    assert doc.ents
    # Outside beside missing was said on purpose; outside everywhere is left by another component.
    doc = make(nlp)
    doc.set_ents([], outside=[doc[0:4]], default="missing")
    assert all(start >= 4 for start, _, _ in spans(pipe(doc)))
    doc = make(nlp)
    doc.set_ents([], default="outside")
    assert spans(pipe(doc)) == free
    # All tokens have a value afterwards.
    assert {token.ent_iob for token in doc} <= {1, 2, 3}


def test_everything_preset_or_blocked(nlp, pipe):
    doc = make(nlp)
    doc.set_ents([Span(doc, 0, len(doc), label="GPE")])
    assert spans(pipe(doc)) == [(0, len(WORDS), "GPE")]
    doc = make(nlp)
    doc.set_ents([], blocked=[doc[:]])
    assert spans(pipe(doc)) == []


def test_a_second_component_adds_to_the_first(nlp):
    eager(nlp, labels=("FAC",), seed=1, name="first")
    eager(nlp, labels=("GPE",), seed=2, name="second")
    doc = make(nlp)
    first = spans(nlp.get_pipe("first")(doc))
    both = spans(nlp.get_pipe("second")(doc))
    assert set(first) < set(both)
    assert {label for *_, label in both} == {"FAC", "GPE"}


def test_no_entity_crosses_a_sentence_start(nlp, pipe):
    rng = np.random.default_rng(0)
    words = [WORDS[i] for i in rng.integers(0, len(WORDS), 200)]
    starts = [bool(flag) for flag in rng.random(200) < 0.5]
    crossing = [
        end - start
        for start, end, _ in spans(pipe(make(nlp, words)))
        if any(starts[start + 1 : end])
    ]
    assert crossing
    doc = pipe(make(nlp, words, sent_starts=starts))
    assert doc.ents
    assert not any(any(starts[ent.start + 1 : ent.end]) for ent in doc.ents)


def test_preset_across_a_sentence_start_stays(nlp, pipe):
    doc = make(nlp, ["I", "live", "in", "New", "York"])
    doc[4].is_sent_start = True
    doc.set_ents([Span(doc, 3, 5, label="GPE")], default="missing")
    assert (3, 5, "GPE") in spans(pipe(doc))


def test_entities_neither_begin_nor_end_with_whitespace(nlp, pipe):
    rng = np.random.default_rng(1)
    some = [*WORDS, "\n", " ", "\u3000"] * 2
    words = [some[i] for i in rng.integers(0, len(some), 300)]
    doc = pipe(make(nlp, words, spaces=[False] * 300))
    assert doc.ents
    assert not any(ent[0].is_space or ent[-1].is_space for ent in doc.ents)
    assert any(token.is_space for ent in doc.ents for token in ent), "none within an entity"


def test_whitespace_does_not_change_what_is_decided_of_words(nlp, pipe):
    """It has no place in the lattice, so it can't cut an entity in two."""
    doc = make(nlp, ["Red", "\n", "Fort"])
    constraints = read_constraints([doc], pipe.tags)
    assert constraints.words.rows.tolist() == [0, 2]
    assert constraints.words.lengths == [2]


def test_only_punctuation_is_no_entity(nlp, pipe):
    some = [*WORDS, ",", "-", ".", "(", ")", "!", "..."] * 2
    rng = np.random.default_rng(2)
    doc = make(nlp, [some[i] for i in rng.integers(0, len(some), 300)])
    pipe(doc)
    assert doc.ents
    assert any(token.is_punct for ent in doc.ents for token in ent)
    assert not any(all(t.is_punct or t.is_space for t in ent) for ent in doc.ents)


@pytest.mark.parametrize("words", [[" "], ["\n", "\n"], [",", "."], []])
def test_docs_without_words(nlp, pipe, words):
    assert spans(pipe(make(nlp, words))) == []


@SCHEMES
def test_adjacent_presets_of_one_label_stay_two(nlp, scheme):
    pipe = eager(nlp, scheme=scheme)
    doc = make(nlp)
    doc.set_ents([Span(doc, 2, 3, label="GPE"), Span(doc, 3, 5, label="GPE")], default="missing")
    found = spans(pipe(doc))
    assert (2, 3, "GPE") in found and (3, 5, "GPE") in found


def test_predict_does_not_change_the_doc(nlp, pipe):
    doc = make(nlp)
    pipe.predict([doc])
    assert not doc.has_annotation("ENT_IOB")


def test_threshold(nlp, pipe):
    """Between two entities' posteriors it keeps the likelier only."""
    free = spans(pipe(make(nlp)))
    kept = []
    for threshold in (0.0, 0.2, 0.5, 0.9, 1.0):
        pipe.cfg["threshold"] = threshold
        kept.append(set(spans(pipe(make(nlp)))))
    assert kept[0] == set(free)
    assert all(more >= fewer for more, fewer in itertools.pairwise(kept))
    assert len(kept[0]) > len(kept[2]) or len(kept[0]) > len(kept[3])
    assert not kept[-1]


@pytest.mark.parametrize("threshold", [-0.1, 1.1])
def test_threshold_out_of_range(nlp, threshold):
    with pytest.raises(ValueError, match="threshold must be a number from 0 to 1"):
        nlp.add_pipe("rnn_ner", config={"threshold": threshold})
