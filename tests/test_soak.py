"""Real text until a leak would show, and hostile input: what `python -m benchmarks.soak` does."""

import itertools
import sys

import pytest
import spacy
from typer.testing import CliRunner

from benchmarks.soak import app, hostile_texts, paragraphs, soak
from spacy_rnn_tagger.bulk.tagging import tag_records
from spacy_rnn_tagger.formats.record import Record
from tests.conftest import TRAIN, eager, trained


def test_hostile_input_is_tagged_or_refused(nlp):
    """With a network that takes most words for entities, and confidences of all that lost."""
    eager(nlp, candidates=0.05)
    texts = list(hostile_texts(2_000))
    lone = [any("\ud800" <= character <= "\udfff" for character in text) for text in texts]
    assert 50 < sum(lone) < 400
    records = [Record("", number, text) for number, text in enumerate(texts)]
    tagged = tag_records(nlp, records, 64)
    for each, refused, text in zip(tagged, lone, texts, strict=True):
        if refused:
            assert "UnicodeEncodeError" in each.error
        else:
            assert each.error is None
            assert each.doc.text == text
            assert not any(ent.text.isspace() for ent in each.doc.ents)
    assert any(each.doc.ents for each in tagged if each.doc is not None)


@pytest.mark.skipif(sys.platform != "linux", reason="memory in use is read from /proc")
def test_memory_of_a_soak_is_measured(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.soak._ZONE", 500)
    nlp = trained(spacy.blank("en"))
    (tmp_path / "a.txt").write_text("\n\n".join(text for text, _ in TRAIN) + "\n \n")
    (tmp_path / "b.txt").write_text("Red\nFort  stood.")
    assert list(itertools.islice(paragraphs(tmp_path), 7))[4:] == [
        TRAIN[4][0],
        "Red Fort stood.",
        TRAIN[0][0],
    ]
    points = list(soak(nlp, paragraphs(tmp_path), 4_000, 4))
    assert len(points) == 4
    assert points[-1]["tokens"] >= 4_000
    assert all(point["MB"] > 10 for point in points)
    assert points[0]["strings"] == points[-1]["strings"]
    assert points[-1]["entities"] > 100
    nlp.to_disk(tmp_path / "model")
    arguments = [str(tmp_path / "model"), str(tmp_path), "--tokens", "1000", "--hostile", "30"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "30 hostile inputs" in done.output
