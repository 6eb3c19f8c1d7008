"""Time, disk and memory of both, measured by turns and in processes of their own."""

import json
import sys
import time

import pytest
import spacy
import torch
from spacy.language import Language

from spacy_rnn_tagger.distillation import measuring
from spacy_rnn_tagger.distillation.measuring import measure
from tests.distillation.pairs import TEXTS, guessing, rules

pytestmark = pytest.mark.slow

LINUX = sys.platform.startswith("linux")


@Language.component("slow_rules")
def slow_rules(doc):
    time.sleep(0.004)
    return doc


@Language.component("in_sentences")
def in_sentences(doc):
    assert doc.has_annotation("SENT_START")
    return doc


@pytest.fixture(scope="module")
def measured():
    return measure(rules(), guessing(), [*TEXTS, "", " "], teacher_component="ner", turns=3)


def test_it_is_plain_data_of_both(measured):
    assert json.loads(json.dumps(measured)) == measured
    assert (measured["docs"], measured["turns"], measured["threads"]) == (6, 3, 1)
    assert measured["tokens"] == sum(map(len, spacy.blank("en").pipe(TEXTS)))
    for key in ("part", "pipeline"):
        speed = measured["speed"][key]
        for own in (speed["teacher"], speed["student"], speed["ratio"]):
            assert 0 < own["low"] <= own["median"] <= own["high"]
        assert len(speed["ratio"]["turns"]) == 3
    assert measured["speed"]["part"]["student"]["components"] == ["rnn_ner"]
    assert measured["notes"] == []


def test_size_is_that_on_disk(measured, tmp_path):
    rules().to_disk(tmp_path)
    every = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    own = sum(file.stat().st_size for file in (tmp_path / "ner").rglob("*") if file.is_file())
    size = measured["size"]["teacher"]
    assert size["pipeline"] == pytest.approx(every / 1e6, rel=0.02) and size["part"] == own / 1e6


@pytest.mark.skipif(not LINUX, reason="only Linux says it")
def test_memory_and_start_up_are_of_fresh_processes(measured):
    ballast = bytearray(700_000_000)  # of this process, which is none of theirs
    again = measure(rules(), guessing(), TEXTS, teacher_component="ner", turns=1)
    for found in (measured, again):
        for own in found["memory"].values():
            assert 20 < own["loaded"] <= own["peak"] < 1.6 * own["loaded"]
            assert own["tagged"] <= own["peak"]
        assert all(0.05 < seconds < 120 for seconds in found["startup"].values())
    assert len(ballast)


def test_a_part_is_measured_without_what_runs_before_it():
    teacher = spacy.blank("en")
    teacher.add_pipe("slow_rules")
    rules(nlp=teacher)
    found = measure(teacher, guessing(), TEXTS, teacher_component="ner", turns=1, processes=False)
    part, whole = (found["speed"][key]["teacher"] for key in ("part", "pipeline"))
    assert part["components"] == ["ner"] and whole["components"] == ["slow_rules", "ner"]
    assert part["median"] > 2 * whole["median"]
    every = measure(teacher, guessing(), TEXTS, turns=1, processes=False)["speed"]["part"]
    assert every["teacher"]["components"] == ["slow_rules", "ner"]
    assert found["memory"]["teacher"] == {"loaded": None, "tagged": None, "peak": None}
    assert found["startup"] == {"teacher": None, "student": None}


def test_a_part_gets_what_it_needs_from_those_before_it():
    teacher = spacy.blank("en")
    teacher.add_pipe("sentencizer")
    teacher.add_pipe("in_sentences", name="ner")
    found = measure(teacher, guessing(), TEXTS, teacher_component="ner", turns=1, processes=False)
    assert found["speed"]["part"]["teacher"]["components"] == ["ner"]


def test_turns_alternate(monkeypatch):
    order = []

    class Run:
        components = ()

        def __init__(self, name, seconds):
            self._own = name, seconds

        def seconds(self, n=None):
            order.append(self._own[0])
            return self._own[1]

    runs = {"teacher": Run("teacher", 6.0), "student": Run("student", 2.0)}
    found = measuring._by_turns(runs, 2, 600)
    assert order == ["teacher", "student"] * 3  # the first ones are to warm up
    assert found["ratio"] == {"median": 3.0, "low": 3.0, "high": 3.0, "turns": [3.0, 3.0]}
    assert found["teacher"]["median"] == 100.0 and found["student"]["median"] == 300.0


def test_threads_are_said(own_threads):
    torch.set_num_threads(2)
    own = measure(rules(), guessing(), TEXTS, turns=1, processes=False, one_thread=False)
    one = measure(rules(), guessing(), TEXTS, turns=1, processes=False)
    assert (own["threads"], one["threads"]) == (2, 1)
    assert torch.get_num_threads() == 2


def test_what_a_process_cannot_load_is_noted():
    teacher = rules()
    teacher.add_pipe("slow_rules")  # known to this process alone
    found = measure(teacher, guessing(), TEXTS, turns=1)
    [note] = found["notes"]
    assert "of the teacher could not be measured" in note and "slow_rules" in note
    assert found["startup"]["teacher"] is None and found["memory"]["teacher"]["peak"] is None
    assert found["startup"]["student"] > 0


def test_a_process_is_bounded_in_time():
    found = measure(rules(), guessing(), TEXTS, turns=1, timeout=0.01)
    assert len(found["notes"]) == 2 and "more than 0.01 seconds" in found["notes"][0]


def test_unsuitable_settings_are_refused():
    with pytest.raises(ValueError, match="no texts"):
        measure(rules(), guessing(), ["", " "])
    with pytest.raises(ValueError, match="turns must be"):
        measure(rules(), guessing(), TEXTS, turns=0)
    with pytest.raises(ValueError, match="no component 'tagger'"):
        measure(rules(), guessing(), TEXTS, teacher_component="tagger", processes=False)
