"""Real text until a leak would show, and hostile input: what `python -m benchmarks.soak` does."""

import itertools
import sys

import pytest
import spacy
from typer.testing import CliRunner

from benchmarks.soak import app, generated, hostile_texts, paragraphs, soak
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


def test_generated_text_has_many_lengths_and_new_words_without_end():
    texts = list(itertools.islice(generated(), 300))
    assert texts == list(itertools.islice(generated(), 300))
    assert texts[:3] != list(itertools.islice(generated(seed=1), 3))
    lengths = [len(text.split()) for text in texts]
    assert 3 <= min(lengths) < 10 and 1_000 < max(lengths) <= 2_000
    assert len(set(lengths)) > 150
    words = [[word.rstrip(".") for word in text.split()] for text in texts]
    halves = [set(itertools.chain(*words[:150])), set(itertools.chain(*words[150:]))]
    assert len(halves[1] - halves[0]) > 300
    # Frequent words are frequent, as in any language.
    all_words = list(itertools.chain(*words))
    assert max(map(all_words.count, set(all_words[:200]))) > len(all_words) / 200


def test_a_soak_generates_text_if_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.soak._ZONE", 500)
    monkeypatch.setattr("benchmarks.soak._WARM", 1_500)
    trained(spacy.blank("en")).to_disk(tmp_path / "model")
    arguments = [str(tmp_path / "model"), "--tokens=4000", "--rounds=4", "--hostile=3"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "MB: at most" in done.output
    assert "after the first million tokens" in done.output
