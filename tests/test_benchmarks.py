"""The benchmarks measure what they say, and the systems that they compare do the same work."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import spacy
import typer
from spacy.vocab import Vocab
from thinc.api import fix_random_seed
from typer.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.breakdown import SPACY_SHARE, Stopwatch
from benchmarks.litbank import read_splits
from benchmarks.measure import alternate, ratio
from benchmarks.packed import pack
from benchmarks.systems import floors, rnn_ner, trained
from benchmarks.texts import batches, examples, first_tokens, unannotated

from .conftest import make_examples

BOOK = """\
The\tO\tB-FAC\tO
old\tO\tI-FAC\tO
gate\tO\tI-FAC\tO
of\tO\tI-FAC\tO
Delhi\tB-GPE\tI-FAC\tO

She\tB-PER\tO\tO
left\tO\tO\tO
Delhi\tB-GPE\tO\tO
"""


def write_books(folder, n, text=BOOK):
    for number in range(1, n + 1):
        own = text.replace("left", f"left{number}")
        (folder / f"{number}_book_brat.tsv").write_text(own, encoding="utf8")


def test_litbank_is_read(tmp_path):
    write_books(tmp_path, 20)
    splits = read_splits(tmp_path, Vocab())
    books = {name: [doc[6].text for doc in docs] for name, docs in splits.items()}
    assert books["dev"] == ["left9", "left19"] and books["test"] == ["left10", "left20"]
    assert len(books["train"]) == 16
    doc = splits["train"][0]
    # The longer of two that overlap stays; other labels go.
    assert [(ent.text, ent.label_) for ent in doc.ents] == [
        ("The old gate of Delhi", "FAC"),
        ("Delhi", "GPE"),
    ]
    assert [sentence.start for sentence in doc.sents] == [0, 5]


def test_what_is_not_litbank_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no \*_brat.tsv"):
        read_splits(tmp_path, Vocab())
    write_books(tmp_path, 1, BOOK.replace("B-PER", "S-PER"))
    with pytest.raises(ValueError, match="'S-PER' is not a BIO tag"):
        read_splits(tmp_path, Vocab())


def test_systems_take_turns_and_the_first_round_does_not_count():
    turns = []

    def system(name, seconds):
        def prepare():
            turns.append(name)
            return lambda: time.sleep(seconds) or 100

        return prepare

    rates = alternate({"slow": system("slow", 0.02), "fast": system("fast", 0.001)}, rounds=3)
    assert turns == ["slow", "fast"] * 4
    assert [len(each) for each in rates.values()] == [3, 3]
    assert max(rates["slow"]) <= 100 / 0.02


def test_a_ratio_is_taken_round_by_round():
    # In the second round something slowed both down.
    rates = {"ours": [20.0, 2.0, 30.0], "theirs": [10.0, 1.0, 10.0]}
    assert ratio(rates, "ours", "theirs") == 2.0


def test_a_stage_does_not_count_what_it_calls(monkeypatch):
    clock = 0

    def wait(seconds):
        nonlocal clock
        clock += seconds

    monkeypatch.setattr("benchmarks.breakdown.time.perf_counter", lambda: clock)
    stopwatch = Stopwatch()
    inner = stopwatch.within("inner", lambda: wait(50))
    outer = stopwatch.within("outer", lambda: [wait(1), inner(), wait(2)])
    wait(4)
    outer()
    assert stopwatch.stop() == {SPACY_SHARE: 4, "outer": 3, "inner": 50}


def test_the_packed_network_is_the_same_network():
    """Torch's own packing is an independent check of our padding: scores and gradients."""
    gold = [example.y for example in make_examples(spacy.blank("en"))]
    nlp = trained(rnn_ner(dropout=0.0), gold)  # the output layer begins with zeros
    pipe = nlp.get_pipe("rnn_ner")
    docs = unannotated(nlp, [*gold, *gold[:2]])
    results = []
    for change in (lambda model: None, pack):
        change(pipe.model)
        fix_random_seed(0)  # of the words that training hides
        scores, backprop = pipe.model.begin_update(docs)
        backprop(scores)
        rnn = pipe.model.get_ref("rnn")
        gradients = [rnn.get_grad(name).copy() for name in rnn.param_names]
        results.append([pipe.model.predict(docs).emissions, scores.emissions, *gradients])
        for node in pipe.model.walk():
            for name in node.param_names:
                node.set_grad(name, node.get_param(name) * 0)
    assert "rnn_packed" in [node.name for node in pipe.model.walk()]
    for ours, theirs in zip(*results, strict=True):
        assert np.abs(ours).max() > 0
        assert np.allclose(ours, theirs, atol=1e-5)


def test_all_systems_see_the_same_tokens():
    nlp = spacy.blank("en")
    docs = [example.y for example in make_examples(nlp)]
    taken = first_tokens(docs, 3 * sum(map(len, docs)) + 1)
    assert len(taken) == 3 * len(docs) + 1
    data = examples(nlp, taken)
    assert [str(example.y.ents) for example in data] == [str(doc.ents) for doc in taken]
    parts = batches(data, 12)
    assert [example for part in parts for example in part] == data
    assert all(sum(len(example.x) for example in part) >= 12 for part in parts[:-1])
    assert not any(doc.ents for doc in unannotated(nlp, docs))
    # The floor runs over the same lengths, in each of its forms.
    lengths = [len(doc) for doc in taken]
    assert {run() for run in floors(lengths, 2).values()} == {sum(lengths)}
    assert any(
        doc.ents for doc in trained(rnn_ner(), taken, n_steps=40).pipe(unannotated(nlp, docs))
    )


def test_the_command_writes_tables_json_and_a_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    app = typer.Typer()
    app.command()(main)
    write_books(tmp_path, 10)
    options = ["breakdown", "--tokens", "1000", "--litbank", str(tmp_path)]
    result = CliRunner().invoke(app, [*options, "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf8"))
    assert found["machine"]["spacy"] == spacy.__version__
    for stages in found["breakdown"].values():
        assert {"embed", "pad", "RNN", "output", "decode", "spaCy"} <= set(stages)
        assert all(spent > 0 for spent in stages.values())
    assert "<svg" in (tmp_path / "out" / "breakdown.svg").read_text(encoding="utf8")
