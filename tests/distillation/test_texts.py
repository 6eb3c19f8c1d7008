"""Which texts are annotated."""

import json

import pytest

from spacy_rnn_tagger.bulk.sources import find_inputs
from spacy_rnn_tagger.distillation.texts import (
    DEV,
    HELDOUT,
    PART,
    TRAIN,
    find_pool,
    part_of_each,
    write_texts,
    written_places,
)
from spacy_rnn_tagger.formats.base import Reading

READING = Reading()
LONG = (
    "The ferry from Holyhead was two hours late because of fog in the Irish Sea, said the company "
    "that runs it, and passengers slept in the terminal until the morning train to Chester left. "
    "Those with cars had been sent on by way of Liverpool, where another boat was ready at noon, "
    "but nobody had said so to people who came on foot, and the last bus had gone by that time."
)


def pool_of(path, texts, **settings):
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    return find_pool(find_inputs(str(path), READING), READING, **settings)


def texts_of(pool):
    return [record.text for _, record in pool.read(pool.places)]


def test_order_is_random_and_always_the_same(tmp_path):
    texts = [f"Text number {i} of many." for i in range(200)]
    pool = pool_of(tmp_path / "a.jsonl", texts)
    found = texts_of(pool)
    assert sorted(found) == sorted(texts)
    assert found != texts
    backwards = pool_of(tmp_path / "b.jsonl", texts[::-1])
    assert texts_of(backwards) == found  # it depends on the texts, not on where they are
    assert texts_of(pool_of(tmp_path / "a.jsonl", texts, seed=1)) != found


def test_a_text_is_there_once(tmp_path):
    pool = pool_of(tmp_path / "a.jsonl", [LONG, "Short one.", "short  ONE", LONG.upper(), "x"])
    assert sorted(texts_of(pool)) == sorted([LONG, "Short one.", "x"])
    assert pool.duplicates == 2


def test_near_duplicates_are_left_out_on_request(tmp_path):
    almost = LONG.replace("two hours", "three hours")
    other = LONG[: len(LONG) // 2] + " while nothing else of what it says is the same as before."
    assert almost != LONG
    texts = [LONG, almost, other]
    assert texts_of(pool_of(tmp_path / "a.jsonl", texts)) in ([LONG, other], [other, LONG])
    assert len(pool_of(tmp_path / "a.jsonl", texts, near=False).places) == 3


def test_short_texts_are_not_near_duplicates(tmp_path):
    pool = pool_of(tmp_path / "a.jsonl", ["We fly to Rome on May 1.", "We fly to Oslo on May 1."])
    assert len(pool.places) == 2


def test_what_has_no_word_or_cannot_be_read_is_counted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "Fine."}\n{"text": "..."}\n{"text": 3}\n{"text": ""}\n', "utf-8")
    pool = find_pool(find_inputs(str(path), READING), READING)
    assert (len(pool.places), pool.empty, pool.unreadable) == (1, 2, 1)


def test_nothing_to_learn_from(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "..."}\n{"text": 3}\n', "utf-8")
    with pytest.raises(ValueError, match="can't be read: 1; without a word: 1"):
        find_pool(find_inputs(str(path), READING), READING)


def test_texts_of_several_files_are_read_again(tmp_path):
    (tmp_path / "a.txt").write_text("one\ntwo\n", "utf-8")
    (tmp_path / "b.jsonl").write_text('{"text": "three"}\n', "utf-8")
    pool = find_pool(find_inputs(str(tmp_path), READING), READING)
    two = [place for place, record in pool.read(pool.places) if record.text == "two"]
    assert [record.text for _, record in pool.read(two)] == ["two"]


def test_a_tenth_is_held_out():
    parts = part_of_each(1000, "x")
    assert [parts.count(part) for part in (HELDOUT, DEV, TRAIN)] == [100, 50, 850]
    many = part_of_each(100_000, "x")
    assert [many.count(part) for part in (HELDOUT, DEV, TRAIN)] == [10_000, 1_000, 89_000]
    few = part_of_each(10, "x")
    assert [few.count(part) for part in (HELDOUT, DEV, TRAIN)] == [1, 1, 8]
    with pytest.raises(ValueError, match="At least 10 different docs are needed, but x has 9"):
        part_of_each(9, "x")


def test_texts_are_written_with_their_part_and_source(tmp_path):
    pool = pool_of(tmp_path / "a.jsonl", ["One.", "Two."])
    rows = pool.read(pool.places)
    path = tmp_path / "texts.jsonl"
    write_texts(str(path), [(place, record, TRAIN) for place, record in rows])
    written = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [row["text"] for row in written] == texts_of(pool)
    assert {row[PART] for row in written} == {TRAIN}
    assert [row["record"] for row in written] == [record.number for _, record in rows]
    assert list(written_places(str(path))) == [(place.order, TRAIN) for place in pool.places]
