"""The simulation of the loop: gold answers, each answer has its cost, and no round is lost."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin, Span

from benchmarks import loop
from benchmarks.annotator import Annotated, Annotator, Costs, Text, digest, read_texts
from benchmarks.curves import draw, share_for, summarise
from benchmarks.loop import Chain, Data, Plan, Strategy, Training, read_plan, run_all, run_chain

DELHI = "Red Fort is in Delhi ."  # 6 tokens; FAC 0 to 8, GPE 15 to 20
POOL = [
    Text(DELHI, ((0, 8, "FAC"), (15, 20, "GPE")), 6),
    Text("Lagos is large .", ((0, 5, "?"),), 4),
    Text("Nobody came .", (), 3),
]


def question(number, start, end, label):
    spans = [{"start": start, "end": end, "label": label, "score": 0.5}]
    text = POOL[number].text
    return {"text": text, "spans": spans, "meta": {"number": number}, "_is_binary": True}


class TestAnnotator:
    def test_texts_are_annotated_until_the_budget_is_spent(self):
        done = Annotated()
        assert Annotator(POOL, Costs()).annotate(done, [2, 2, 0, 1], 9)
        assert (done.texts, done.cost) == ([2, 0], 9)
        assert not Annotator(POOL, Costs()).annotate(done, [0, 1], 14)
        assert (done.texts, done.cost) == ([2, 0, 1], 13)

    @pytest.mark.parametrize(
        "asked,answer,cost",
        [
            ((0, 0, 8, "FAC"), "accept", 2),
            ((0, 0, 8, "GPE"), "reject", 3),
            ((0, 4, 8, "FAC"), "reject", 2),
            ((0, 9, 20, "GPE"), "reject", 4),
            ((1, 0, 5, "GPE"), "ignore", 2),
        ],
    )
    def test_borders_and_label_must_be_those_of_gold(self, asked, answer, cost):
        done = Annotated()
        Annotator(POOL, Costs()).answer(done, [question(*asked)], 100)
        assert [task["answer"] for task in done.answers] == [answer]
        assert (done.cost, done.accepted) == (cost, answer == "accept")
        dear = Annotated()
        Annotator(POOL, Costs(rejection=5, context=10)).answer(dear, [question(*asked)], 100)
        assert dear.cost == cost + 10 + (0 if answer == "accept" else 4)

    def test_nothing_is_asked_that_an_answer_implies(self):
        done = Annotated()
        annotator = Annotator(POOL, Costs())
        asked = [question(0, 0, 8, "FAC"), question(0, 4, 8, "GPE"), question(0, 0, 8, "FAC")]
        annotator.answer(done, asked, 100)
        assert len(done.answers) == 1
        # A rejection says nothing about spans that overlap it.
        annotator.answer(done, [question(0, 9, 14, "GPE"), question(0, 12, 20, "GPE")], 100)
        annotator.answer(done, [question(0, 9, 14, "GPE"), question(0, 15, 20, "GPE")], 100)
        assert [task["answer"] for task in done.answers] == ["accept", "reject", "reject", "accept"]


def test_docs_are_divided_into_texts_with_their_own_offsets(tmp_path):
    nlp = spacy.blank("en")
    words = [*DELHI.split(), "I", "saw", "Lima", ".", "He", "left", "Lagos", "."]
    doc = spacy.tokens.Doc(nlp.vocab, words=words, sent_starts=[i in (0, 6, 10) for i in range(14)])
    doc.set_ents(
        [Span(doc, 0, 2, "FAC"), Span(doc, 4, 5, "GPE"), Span(doc, 8, 9, "GPE")],
        missing=[doc[12:13]],
    )
    DocBin(docs=[doc]).to_disk(tmp_path / "a.spacy")
    found = {each.text: each for each in read_texts([tmp_path / "a.spacy"], sentences=1)}
    assert [found[t].spans for t in (DELHI, "I saw Lima .", "He left Lagos .")] == [
        ((0, 8, "FAC"), (15, 20, "GPE")),
        ((6, 10, "GPE"),),
        ((8, 13, "?"),),
    ]
    assert [token.ent_iob_ for token in found["He left Lagos ."].doc(nlp)] == ["O", "O", "", "O"]
    assert found[DELHI].n_tokens == 6
    free = spacy.tokens.Doc(nlp.vocab, words=words)
    DocBin(docs=[free]).to_disk(tmp_path / "free.spacy")  # without sentence starts
    again = read_texts([tmp_path / "free.spacy"], sentences=2)
    assert {each.text for each in again} == {f"{DELHI} I saw Lima .", "He left Lagos ."}
    [towns] = read_texts([tmp_path / "a.spacy"], labels=["GPE"])
    assert [label for *_, label in towns.spans] == ["GPE", "GPE", "?"]
    [whole] = read_texts([tmp_path / "a.spacy"])
    assert whole.n_tokens == 14 and len(whole.spans) == 4
    assert len(read_texts([tmp_path / "a.spacy"], sentences=1, tokens=5)) < 3


def test_a_round_is_known_until_what_it_depends_on_changes(tmp_path, monkeypatch):
    trained = []

    def fake(chain, texts, done, output):
        trained.append((chain.strategy, len(done.texts)))
        output.mkdir(parents=True, exist_ok=True)
        return {"F": len(done.texts) / len(texts), "steps": 1}

    monkeypatch.setattr(loop, "train_and_score", fake)
    monkeypatch.setattr(
        loop, "_select", lambda *_: ({"meta": {"number": n}} for n in reversed(range(40)))
    )
    texts = [replace(POOL[0], text=f"{DELHI} {i}", n_tokens=10) for i in range(40)]
    monkeypatch.setattr(loop, "read_texts", lambda *_, **__: texts)
    (tmp_path / "dev.spacy").write_bytes(b"")
    strategies = {
        "random": Strategy((0.1, 0.2, 0.4)),
        "select": Strategy((0.1, 0.2, 0.3), by="confidence"),
    }
    data = Data(("train.spacy",), (str(tmp_path / "dev.spacy"),))
    plan = Plan(Training(), Costs(), strategies, {"places": data})
    work = tmp_path / "work"
    rows = run_all(plan, work, [0, 1], jobs=1)
    assert [row["texts"] for row in rows] == [4, 8, 16] * 2 + [4, 8, 12] * 2
    assert [row["strategy"] for row in rows] == ["random"] * 6 + ["select"] * 6
    assert len(trained) == 2 + 4 + 4  # the first round is shared
    chain = Chain(plan, "places", "select", 0, work)
    chosen = json.loads(chain.path(2).read_text())["annotated"]["texts"]
    start = json.loads(chain.path(0).read_text())["annotated"]["texts"]
    assert chosen[:4] == start
    assert chosen[4:] == [n for n in reversed(range(40)) if n not in start][:8]

    trained.clear()
    assert run_all(plan, work, [0, 1], jobs=1) == rows and not trained
    # Cut off after the second round: its pipeline is still there, and the third is computed again.
    chain.path(2).unlink()
    chain.path(1).with_suffix("").mkdir()
    own = [row for row in rows if (row["strategy"], row["seed"]) == ("select", 0)]
    assert _untimed(run_chain(chain)) == _untimed(own)
    assert trained == [("select", 12)]
    # Without the pipeline of the round before, that one is computed again too.
    trained.clear()
    chain.path(2).unlink()
    run_chain(chain)
    assert trained == [("select", 8), ("select", 12)]
    # Longer training: nothing holds any more.
    trained.clear()
    run_chain(replace(chain, plan=replace(plan, training=Training(epochs=9))))
    assert [n for _, n in trained] == [4, 8, 12]
    assert len({digest(texts), digest(texts[1:])}) == 2


def _untimed(rows):
    return [{**row, "seconds": None} for row in rows]


def curve(*points):
    return [{"share": share, "F": f} for share, f in points]


def test_shares_are_read_between_the_rounds():
    found = share_for(0.7, curve((0.1, 0.5), (0.2, 0.6), (0.4, 0.8), (0.5, 0.7)))
    assert found == pytest.approx(0.3)
    assert share_for(0.5, curve((0.1, 0.5), (0.2, 0.6))) == 0.1
    assert share_for(0.9, curve((0.1, 0.5), (0.2, 0.6))) is None


def test_summary_and_plot(tmp_path):
    values = {
        "random": [(0.1, 0.4, 0.6), (0.5, 0.7, 0.9)],
        "select": [(0.1, 0.4, 0.6), (0.3, 0.8, 1)],
    }
    rows = [
        {"corpus": "a", "strategy": name, "seed": seed, "round": number, "share": point[0]}
        | {"F": point[1 + seed]}
        for name, points in values.items()
        for number, point in enumerate(points)
        for seed in (0, 1)
    ]
    rows.append(rows[-1] | {"seed": 1, "round": 2, "share": 0.4})  # one seed alone got so far
    own = summarise(rows)["a"]
    assert own["target"] == pytest.approx(0.8) and own["target_share"] == pytest.approx(0.5)
    assert own["reached"] == {"random": pytest.approx(0.5), "select": pytest.approx(0.25)}
    assert own["curves"]["select"][-1] == {
        "share": pytest.approx(0.3), "F": pytest.approx(0.9), "lowest": 0.8, "highest": 1
    }  # fmt: skip
    for suffix in ("svg", "png"):
        draw({"a": own}, tmp_path / f"loop.{suffix}")
    assert "<svg" in (tmp_path / "loop.svg").read_text() and (tmp_path / "loop.png").stat().st_size


def test_the_plan_of_the_project_is_read_and_a_wrong_one_refused(tmp_path):
    path = Path(loop.__file__).with_name("loop.toml")
    plan = read_plan(path)
    assert set(plan.corpora) == {"places", "litbank"} and "random" in plan.strategies
    assert any(each.spans for each in plan.strategies.values())
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(path.read_text().replace("shares = [0.05,", "shares = [0.04,", 1))
    with pytest.raises(ValueError, match="begin with the same share"):
        read_plan(wrong)
    wrong.write_text(path.read_text().replace("0.5]", "0.01]", 1))
    with pytest.raises(ValueError, match="shares of 'random' must rise"):
        read_plan(wrong)


def test_rounds_with_real_training(tmp_path):
    """Answers about single spans reach training, and each round has a pipeline of its own."""
    nlp = spacy.blank("en")
    docs = []
    for number in range(40):
        doc = nlp(f"{number} times the Red Fort of Delhi was seen by {number} people.")
        doc.set_ents([doc.char_span(doc.text.index(n), doc.text.index(n) + len(n), label=label)
                      for n, label in (("Red Fort", "FAC"), ("Delhi", "GPE"))])  # fmt: skip
        docs.append(doc)
    DocBin(docs=docs).to_disk(tmp_path / "all.spacy")
    data = Data((str(tmp_path / "all.spacy"),), (str(tmp_path / "all.spacy"),))
    training = Training(batch=60, epochs=1, least_steps=12, learn_rate=0.01, hidden_width=8)
    strategies = {
        "select": Strategy((0.2, 0.4), by="entropy"),
        "spans": Strategy((0.2, 0.22), by="confidence", spans=True),
    }
    plan = Plan(training, Costs(), strategies, {"small": data})
    rows = run_all(plan, tmp_path / "work", [0], jobs=1)
    assert [row["round"] for row in rows] == [0, 1, 0, 1]
    assert [row["texts"] for row in rows] == [8, 16, 8, 8]
    spans = rows[-1]
    assert spans["questions"] > 0 and 0.22 <= spans["share"] < 0.23
    assert {"P", "R", "F", "labels", "steps"} <= set(spans) and spans["steps"] >= 12
    assert set(spans["labels"]) == {"FAC", "GPE"}
    for strategy in strategies:
        assert spacy.load(tmp_path / "work/small/0" / strategy / "01").pipe_names == ["rnn_ner"]
