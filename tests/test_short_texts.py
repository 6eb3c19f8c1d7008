"""The benchmark of short texts: what it tags, and what it compares."""

import pytest
import spacy
import typer
from typer.testing import CliRunner

from benchmarks import short_texts
from benchmarks.short_texts import LONGEST, MESSAGES, SHORTEST, app, by_turns, load, workloads
from tests.conftest import make_examples, trained


@pytest.fixture
def models(tmp_path):
    """Pipelines with `rnn_ner` and with `ner`, and components that have nothing to do with it."""
    ours = trained(spacy.blank("en"))
    ours.add_pipe("sentencizer")
    ours.to_disk(tmp_path / "ours")
    theirs = spacy.blank("en")
    theirs.add_pipe("sentencizer")
    theirs.add_pipe("ner", name="entities")
    theirs.initialize(lambda: make_examples(theirs))
    theirs.to_disk(tmp_path / "theirs")
    return str(tmp_path / "ours"), str(tmp_path / "theirs")


def corpus(folder):
    (folder / "sentences" / "train").mkdir(parents=True)
    own = "[Red Fort](FAC) is in [old Delhi](GPE) ."
    lines = [own, "Too short.", "off we go " * 9, own, MESSAGES.splitlines()[0]]
    (folder / "sentences" / "train" / "posts.txt").write_text("\n".join(lines))
    return folder


def test_texts_are_short_and_no_text_comes_twice(tmp_path):
    nlp = spacy.blank("en")
    texts = short_texts.short_texts(nlp, corpus(tmp_path))
    assert "Red Fort is in old Delhi ." in texts
    assert sorted(texts) == sorted({"Red Fort is in old Delhi .", *MESSAGES.splitlines()})
    assert all(SHORTEST <= len(nlp.make_doc(text)) <= LONGEST for text in texts)


def test_the_pipelines_only_find_entities(models):
    ours, theirs = models
    assert load(ours, "rnn_ner").pipe_names == ["rnn_ner"]
    assert load(theirs, "ner").pipe_names == ["entities"]
    with pytest.raises(typer.BadParameter, match="has no component rnn_ner"):
        load(theirs, "rnn_ner")


def test_each_system_tags_each_text_once_a_round():
    seen = {"a": [], "b": []}

    class Tagger(spacy.language.Language):
        def __call__(self, text):
            seen[self.meta["name"]].append((1, text))
            return super().__call__(text)

        def pipe(self, texts, batch_size):
            seen[self.meta["name"]].extend((batch_size, text) for text in texts)
            return super().pipe(texts, batch_size=batch_size)

    systems = {name: Tagger(meta={"name": name}) for name in seen}
    texts = ["a b c d e f g h i j k l m n o", "a b c d e"]
    work = workloads(texts, spacy.blank("en"))
    assert [name for name, _, _ in work] == [
        "one of 15 tokens",
        "one at a time",
        "batches of 32",
        "batches of 256",
    ]
    for (_, own, run), size in zip(work, (1, 1, 32, 256), strict=True):
        seconds = by_turns(systems, own, run, rounds=2)
        assert [len(each) for each in seconds.values()] == [2, 2]
        assert seen["a"] == seen["b"] == [(size, text) for text in own] * 3
        seen["a"].clear(), seen["b"].clear()
    assert work[0][1] == texts[:1]


def test_the_command(models, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(short_texts, "show_rows", lambda title, rows: shown.extend(rows))
    arguments = [*models, "--corpus", str(corpus(tmp_path / "corpus")), "--rounds", "1"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert len(shown) == 4
    for row in shown:
        theirs, ours = row["ner, ms a text"], row["rnn_ner, ms a text"]
        assert row["ratio"] == pytest.approx(theirs / ours)
