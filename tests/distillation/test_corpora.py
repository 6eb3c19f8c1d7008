"""What of a teacher's findings is believed."""

import pytest
import spacy
from spacy.tokens import DocBin

from spacy_rnn_tagger.distillation.corpora import Belief, write_silver
from spacy_rnn_tagger.distillation.teachers import Taught
from spacy_rnn_tagger.distillation.texts import DEV, HELDOUT, TRAIN

NLP = spacy.blank("en")
ENTITIES = [(0, 1, "ORG"), (2, 3, "GPE"), (4, 6, "PERSON")]


def taught(part=TRAIN, order=0, confidences=(0.9, 0.4, None), **settings):
    doc = NLP("Acme left Delhi with Ada Palmer yesterday")
    return Taught(doc, order, part, ENTITIES, list(confidences), **settings)


@pytest.fixture
def files(tmp_path):
    return {part: str(tmp_path / f"{part}.spacy") for part in (TRAIN, DEV, HELDOUT)}


def read(path):
    return list(DocBin().from_disk(path).get_docs(NLP.vocab))


def iob(doc):
    return [f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else t.ent_iob_ for t in doc]


def test_all_is_believed_by_default(files):
    counts = write_silver([taught()], Belief(), files)
    [doc] = read(files[TRAIN])
    assert iob(doc) == ["B-ORG", "O", "B-GPE", "O", "B-PERSON", "I-PERSON", "O"]
    assert counts.entities == {"ORG": 1, "GPE": 1, "PERSON": 1}
    assert counts.words[TRAIN] == 7


def test_spans_of_other_labels_are_missing_and_not_outside(files):
    counts = write_silver([taught()], Belief(frozenset({"ORG", "GPE"})), files)
    [doc] = read(files[TRAIN])
    assert iob(doc) == ["B-ORG", "O", "B-GPE", "O", "", "", "O"]
    assert counts.distrusted == {"PERSON": 1}


def test_unsure_spans_are_missing(files):
    counts = write_silver([taught(confidences=(0.9, 0.4, 0.5))], Belief(None, 0.5), files)
    [doc] = read(files[TRAIN])
    assert iob(doc) == ["B-ORG", "O", "", "O", "B-PERSON", "I-PERSON", "O"]
    assert counts.unsure == 1


def test_what_annotators_left_open_stays_open(files):
    write_silver([taught(missing=(1, 6))], Belief(), files)
    [doc] = read(files[TRAIN])
    assert iob(doc) == ["B-ORG", "", "B-GPE", "O", "B-PERSON", "I-PERSON", ""]


def test_parts_have_files_of_their_own_in_random_order(files):
    rows = [taught(order=2), taught(DEV), taught(HELDOUT), taught(order=1, missing=(1,))]
    write_silver(rows, Belief(), files)
    assert [len(read(files[part])) for part in (TRAIN, DEV, HELDOUT)] == [2, 1, 1]
    assert [doc[1].ent_iob_ for doc in read(files[TRAIN])] == ["", "O"]


def test_posteriors_go_with_the_doc(files):
    write_silver([taught(posteriors={(0, 1, "ORG"): 0.75, (0, 1, "GPE"): 0.25})], Belief(), files)
    [doc] = read(files[TRAIN])
    group = doc.spans["spacy_rnn_tagger.posteriors"]
    found = {
        (span.start, span.end, span.label_): score
        for span, score in zip(group, group.attrs["scores"], strict=True)
    }
    assert found == pytest.approx({(0, 1, "ORG"): 0.75, (0, 1, "GPE"): 0.25})


@pytest.mark.parametrize(
    ("rows", "belief", "message"),
    [
        ([taught(DEV)], Belief(), "failed on all texts"),
        ([taught()], Belief(frozenset({"FAC", "ORG"})), "no entity: FAC. The labels that it found"),
        ([taught()], Belief(None, 0.5), "1 of the teacher's entities have no confidence"),
        ([Taught(NLP("Nothing"), 0, TRAIN, [], [])], Belief(), "found no entity in 1 doc,"),
    ],
)
def test_nothing_to_learn(files, rows, belief, message):
    with pytest.raises(ValueError, match=message):
        write_silver(rows, belief, files)
    with pytest.raises(FileNotFoundError):
        read(files[TRAIN])
