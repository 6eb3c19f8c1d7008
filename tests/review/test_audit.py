"""`audit`: exact odds of what is annotated, and planted errors at the head of the ranking."""

import json
import random
import shutil
import sys
from collections import Counter

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span
from typer.testing import CliRunner

from benchmarks.audit import ERRORS, found_at, plant, summarise
from spacy_rnn_tagger import audit, convert
from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.formats.corpus import read_docs
from spacy_rnn_tagger.pipeline.label_sets import LabelSet, set_label_set
from spacy_rnn_tagger.review import auditing, suspicion
from spacy_rnn_tagger.review.folds import Folds, assign
from spacy_rnn_tagger.review.suspicion import judge
from tests.conftest import eager
from tests.evaluation.evaluated import texts, write

pytestmark = pytest.mark.slow

WORDS = ["Red", "Fort", "of", "New", "Delhi", "far"]
LABELS = ("A", "B")


def run(*arguments):
    return CliRunner().invoke(app, ["audit", *map(str, arguments)])


def annotated(nlp, entities, words=WORDS, missing=()):
    doc = Doc(nlp.vocab, words=words)
    doc.set_ents(
        [Span(doc, *place) for place in entities], missing=[doc[i : i + 1] for i in missing]
    )
    return doc


def corrupted(seed=3, n=250):
    """Clean sentences with planted errors."""
    nlp = spacy.blank("en")
    docs = []
    for text, entities in texts(n, seed):
        doc = nlp.make_doc(text)
        doc.set_ents([doc.char_span(start, end, label) for start, end, label in entities])
        docs.append(doc)
    return docs, plant(docs, 0.03, seed)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    docs, planted = corrupted()
    path = tmp_path_factory.mktemp("audit") / "data.spacy"
    DocBin(docs=docs).to_disk(path)
    return path, docs, planted


def as_tags(entities, n):
    """What each word has: nothing, or an entity's label and the word's place in it."""
    tags = [None] * n
    for start, end, label in entities:
        tags[start:end] = [(label, i, end - start) for i in range(end - start)]
    return tags


@pytest.mark.parametrize("scheme", ["BIO", "BILUO"])
@pytest.mark.parametrize("gold", [[(0, 2, "A"), (3, 5, "B")], [(4, 5, "A")]])
def test_odds_equal_those_of_all_analyses(nlp, monkeypatch, scheme, gold):
    """Without rivals, a region is a gold entity; the rest of the doc is as annotated."""
    monkeypatch.setattr(suspicion, "_FLOOR", 0.999999)
    pipe = eager(nlp, labels=LABELS, scheme=scheme)
    doc = annotated(nlp, gold)
    [found] = judge(nlp, "rnn_ner", [doc], LABELS)
    analyses = [
        (as_tags([(e.start, e.end, e.label_) for e in each.ents], len(doc)), each.probability)
        for each in pipe.n_best([Doc(nlp.vocab, words=WORDS)], 100_000)[0]
    ]
    wanted = as_tags(gold, len(doc))
    whole = sum(p for tags, p in analyses if tags == wanted)
    own = [each for each in found.suspects if each.gold is not None]
    assert len(own) == len(gold) and found.cost == pytest.approx(-np.log(whole), abs=1e-4)
    for suspect, (start, end, label) in zip(own, gold, strict=True):
        assert suspect.gold.span == (start, end, label)
        # Where a tag is not the last of its entity, the next word must go on with it.
        rest = sum(p for tags, p in analyses if _agree(tags, wanted, start, end))
        q = whole / rest
        assert suspect.score == pytest.approx(np.log((1 - q) / q), abs=1e-3)


def _agree(tags, wanted, start, end):
    return tags[:start] + tags[end:] == wanted[:start] + wanted[end:]


def test_kinds(evaluated, nlp):
    """One error of each kind in docs of which the model is sure otherwise."""
    model = spacy.load(evaluated / "model")
    right = [(2, 4, "FAC"), (6, 7, "GPE")]
    words = ["9-9", ":", "Red", "Fort", "is", "in", "Delhi", "."]
    cases = {
        "boundary": [(3, 4, "FAC"), right[1]],
        "label": [(2, 4, "GPE"), right[1]],
        "invented": [*right, (4, 5, "FAC")],
        "forgotten": right[1:],
    }
    docs = [annotated(model, entities, words) for entities in cases.values()]
    for kind, judged in zip(cases, judge(model, "rnn_ner", docs, ["FAC", "GPE"]), strict=True):
        first = max(judged.suspects, key=lambda each: each.score)
        assert first.kind == kind and first.score > 0, (kind, judged)
        others = [each.score for each in judged.suspects if each is not first]
        assert max(others) < first.score
        assert (first.gold is None) == (kind == "forgotten")
        assert (first.suggestion is None) == (kind == "invented")
        if kind == "boundary":
            assert first.suggestion.span == (2, 4, "FAC") and first.suggestion.text == "Red Fort"
    [clean] = judge(model, "rnn_ner", [annotated(model, right, words)], ["FAC", "GPE"])
    assert all(each.score < 0 for each in clean.suspects) and clean.cost < judged.cost


def test_what_is_not_judged(evaluated):
    """Missing annotation, labels that the model lacks, and labels that the data lacks."""
    model = spacy.load(evaluated / "model")
    words = ["9-9", ":", "Red", "Fort", "is", "in", "Delhi", "."]
    nothing = annotated(model, [], words)
    [found] = judge(model, "rnn_ner", [nothing], ["FAC", "GPE"])
    assert {each.kind for each in found.suspects} == {"forgotten"} and len(found.suspects) == 2
    [places] = judge(model, "rnn_ner", [nothing], ["GPE"])
    [only] = places.suspects
    assert only.suggestion.label == "GPE" and places.cost < found.cost
    [partial] = judge(
        model, "rnn_ner", [annotated(model, [], words, missing=[2, 3, 6])], ["FAC", "GPE"]
    )
    assert not partial.suspects
    foreign = annotated(model, [(2, 4, "SHIP"), (6, 7, "GPE")], words)
    [unknown] = judge(model, "rnn_ner", [foreign], ["FAC", "GPE", "SHIP"])
    assert [each.gold.label for each in unknown.suspects] == ["GPE"]
    assert [ent.label_ for ent in foreign.ents] == ["SHIP", "GPE"]


def test_annotation_that_cannot_be_is_judged_too(nlp):
    """An entity across the border of sentences that a component has set."""
    eager(nlp, labels=LABELS)

    @spacy.Language.component("audit_splits")
    def split(doc):
        doc[1].is_sent_start = True
        return doc

    nlp.add_pipe("audit_splits", first=True)
    docs = [annotated(nlp, [(0, 2, "A"), (3, 5, "B")]), annotated(nlp, [(3, 5, "B")])]
    broken, whole = judge(nlp, "rnn_ner", docs, LABELS)
    assert broken.suspects[0].score == 30 and np.isfinite(broken.cost)
    other = broken.suspects[1]  # the rest of its doc can't be: by its own posterior
    p = other.gold.confidence
    assert other.score == pytest.approx(np.log((1 - p) / p)) and other.score != 0
    assert broken.cost > whole.cost


def test_planting(data):
    _, docs, planted = data
    clean, _ = corrupted(n=250), None
    assert len(planted) == round(0.03 * sum(1 for _, ents in texts(250, 3) for _ in ents))
    assert set(Counter(each["kind"] for each in planted)) == set(ERRORS)
    assert len({each["doc"] for each in planted}) == len(planted)
    assert clean[1] == planted  # always the same
    originals = dict(enumerate(texts(250, 3)))
    for each in planted:
        own = [(e.start_char, e.end_char, e.label_) for e in docs[each["doc"]].ents]
        assert own != sorted(originals[each["doc"]][1])


def test_ranks():
    row = {"doc": 1, "gold": {"start": 2, "end": 4}, "suggestion": None}
    ranking = [{**row, "rank": 1, "doc": 0}, {**row, "rank": 2}]
    planted = [{"doc": 1, "start": 3, "end": 5, "kind": "label"}]
    planted += [{"doc": 1, "start": 4, "end": 5, "kind": "deleted"}]
    assert found_at(ranking, planted) == [2, None]
    assert summarise(ranking * 50, planted)[1]["all"] == "0.50"


def test_planted_errors_come_first(evaluated, data, tmp_path):
    """At least 70 % of them in the first 6 % of the ranking."""
    path, docs, planted = data
    done = run(evaluated / "model", path, tmp_path / "out.json", "--folds", 0)
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "out.json").read_text("utf-8"))
    rows = {row["first"]: float(row["all"]) for row in summarise(found["ranking"], planted)}
    assert rows["6%"] >= 0.7
    assert len(found["ranking"]) >= found["entities"] == sum(len(doc.ents) for doc in docs)
    scores = [row["score"] for row in found["ranking"]]
    assert scores == sorted(scores, reverse=True)
    wrong = {each["doc"] for each in planted}
    head = [row["doc"] for row in found["doc_ranking"][: len(planted)]]
    assert len(wrong & set(head)) >= 0.6 * len(planted)
    assert [row["label"] for row in found["by_label"]] == ["FAC", "GPE"]
    counts = sum(sum(row["kinds"].values()) for row in found["by_label"])
    assert counts == sum(score > 0 for score in scores)
    assert found["summary"][0] in " ".join(done.output.split())


def test_folds(evaluated, data, tmp_path):
    """Models that did not see the errors find them; a second run trains nothing anew."""
    path, docs, planted = data
    out = tmp_path / "out.json"
    found = audit(evaluated / "model", path, out, folds=2, steps=60)
    rows = {row["first"]: float(row["all"]) for row in summarise(found["ranking"], planted)}
    assert rows["6%"] >= 0.7 and found["folds"] == 2
    [work] = (tmp_path / "out.json.folds").iterdir()
    models = sorted(work.glob("fold-*/training/model-best/rnn_ner/model"))
    assert len(models) == 2
    times = [model.stat().st_mtime_ns for model in models]
    nlp = spacy.load(evaluated / "model")
    seen = []
    for fold in range(2):
        own = set()
        for part in ("train", "dev"):
            own |= {
                d.text
                for d in DocBin().from_disk(work / f"fold-{fold}/{part}.spacy").get_docs(nlp.vocab)
            }
        seen.append(own)
    assert not seen[0] & seen[1] and seen[0] | seen[1] == {doc.text for doc in docs}
    # As after a kill before the second fold's training was complete.
    shutil.rmtree(models[1].parents[2])
    again = audit(evaluated / "model", path, out, folds=2, steps=60)
    assert models[0].stat().st_mtime_ns == times[0] and models[1].stat().st_mtime_ns != times[1]
    assert again["ranking"] == found["ranking"]


def test_docs_of_one_text_are_in_one_fold():
    nlp = spacy.blank("en")
    own = [f"Text {i // 2}." for i in range(40)]
    random.Random(0).shuffle(own)
    folds = assign([nlp.make_doc(text) for text in own], 4)
    assert len(set(zip(own, folds, strict=True))) == 20 and set(Counter(folds).values()) == {10}
    with pytest.raises(ValueError, match="5 folds need at least 10 different docs"):
        assign([nlp.make_doc(f"Text {i}.") for i in range(9)] * 2, 5)


def test_page_and_export(evaluated, data, tmp_path):
    path, docs, _ = data
    page, export = tmp_path / "out.html", tmp_path / "to" / "tasks.json"
    done = run(
        evaluated / "model", path, page, "--folds", 0, "--n", 5, "--export", export,
        "--format", "label-studio",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    html = page.read_text("utf-8")
    assert html.count('<article class="doc"') == 5 and html.count("<h4>suggested</h4>") == 5
    assert 'id="filter-kind"' in html and "http" not in html.replace("http-equiv", "")
    tasks = json.loads(export.read_text("utf-8"))
    assert len(tasks) == 5 and (export.parent / "label-studio.xml").exists()
    by_text = {doc.text: doc for doc in docs}
    for rank, task in enumerate(tasks, start=1):
        meta, [prediction] = task["data"]["meta"], task["predictions"]
        assert meta["audit_rank"] == rank and "suggested: " in meta["audit_suspects"][0]
        own = [(r["value"]["start"], r["value"]["end"]) for r in prediction["result"]]
        assert own == [(e.start_char, e.end_char) for e in by_text[task["data"]["text"]].ents]
    assert not (tmp_path / "out.html.folds").exists()


def test_the_page_escapes_what_it_shows(evaluated, tmp_path):
    nlp = spacy.load(evaluated / "model")
    doc = nlp.make_doc("<b>1</b> Red Fort is in Delhi.")
    doc.set_ents([Span(doc, len(doc) - 3, len(doc) - 2, label="FAC")])
    audit(nlp, [doc], tmp_path / "out.html", folds=0)
    html = (tmp_path / "out.html").read_text("utf-8")
    assert "<b>1</b>" not in html and "&lt;b&gt;" in html


def test_in_memory(evaluated, data, recwarn):
    nlp = spacy.load(evaluated / "model")
    path, docs, _ = data
    found = audit(nlp, docs, folds=0)
    assert found["data"] == "the given data" and found["model"] == "en_pipeline"
    assert [r["score"] for r in found["ranking"]] == [
        r["score"] for r in audit(nlp, path, folds=0)["ranking"]
    ]
    assert not recwarn.list
    with pytest.warns(UserWarning, match="60 of the 60 docs are training data of"):
        audit(evaluated / "model", evaluated / "train.spacy", folds=0)


def test_exported_docs_are_read_back(evaluated, data, tmp_path):
    path, docs, _ = data
    export = tmp_path / "docs.jsonl"
    audit(evaluated / "model", path, folds=0, n=3, export=export)
    by_text = {doc.text: [(e.start_char, e.end_char, e.label_) for e in doc.ents] for doc in docs}
    for doc in read_docs(spacy.blank("en"), [export]):
        assert [(e.start_char, e.end_char, e.label_) for e in doc.ents] == by_text[doc.text]


def improbable(nlp):
    """A doc with a wrong label and missing annotation, and one of a corpus with a coarse label."""
    partial, coarse = (nlp.make_doc("9-9: Red Fort is in Delhi.") for _ in range(2))
    place, town = (4, 6), (8, 9)
    assert [partial[slice(*each)].text for each in (place, town)] == ["Red Fort", "Delhi"]
    partial.set_ents([Span(partial, *place, "GPE")], missing=[partial[slice(*town)], partial[6:7]])
    coarse.set_ents([Span(coarse, *place, "GPE"), Span(coarse, *town, "PLACE")])
    set_label_set(coarse, LabelSet.of(None, {"PLACE": ["FAC", "GPE"]}))
    return partial, coarse


@pytest.mark.parametrize("form", ["jsonl", "doccano", "prodigy", "docbin", "label-studio"])
def test_missing_annotation_stays_missing(evaluated, tmp_path, form):
    """The export and `convert` keep it; words outside would teach that there is no entity."""
    nlp = spacy.load(evaluated / "model")
    partial, _ = improbable(nlp)
    suffix = {"docbin": ".spacy", "label-studio": ".json"}.get(form, ".jsonl")
    file, back = tmp_path / f"doubtful{suffix}", tmp_path / "back.spacy"
    audit(nlp, [partial], folds=0, export=file, format=form)
    if form == "label-studio":  # where people have accepted what they saw
        assert '<Label value="?"/>' in (tmp_path / "label-studio.xml").read_text("utf-8")
        [task] = json.loads(file.read_text("utf-8"))
        task["annotations"] = task["predictions"]
        file.write_text(json.dumps([task]))
    convert(file, back)
    [doc] = DocBin().from_disk(back).get_docs(nlp.vocab)
    for of in (Doc.to_json, lambda each: [(token.ent_iob, token.ent_type_) for token in each]):
        assert of(doc) == of(partial)
    assert not partial.user_data


def test_coarse_annotation_is_exported(evaluated, tmp_path):
    """As in `report`: the corpus's own labels, and what they stand for as metadata."""
    nlp = spacy.load(evaluated / "model")
    _, coarse = improbable(nlp)
    audit(nlp, [coarse], folds=0, export=tmp_path / "x.jsonl")
    row = json.loads((tmp_path / "x.jsonl").read_text("utf-8"))
    assert [(e["text"], e["label"]) for e in row["entities"]] == [
        ("Red Fort", "GPE"), ("Delhi", "PLACE")
    ]  # fmt: skip
    assert row["meta"]["label_set"] == {"labels": None, "coarse": {"PLACE": ["FAC", "GPE"]}}


def test_docs_that_only_a_label_set_annotates(evaluated, tmp_path, monkeypatch):
    """They are trained on, with the labels that a coarse one stands for."""
    nlp = spacy.load(evaluated / "model")
    doc = nlp.make_doc("Hill House is in Oslo.")
    doc.set_ents([Span(doc, 0, 2, "PLACE"), Span(doc, 4, 5, "PLACE")])
    set_label_set(doc, LabelSet.of(["PLACE"], {"PLACE": ["FAC", "GPE"]}))
    assert not doc.has_annotation("ENT_IOB")
    seen = []
    own = auditing.judge
    monkeypatch.setattr(auditing, "judge", lambda *args: seen.append(args[3]) or own(*args))
    found = audit(nlp, [doc, *improbable(nlp)], folds=0)
    assert found["docs"] == 3 and seen == [["FAC", "GPE"]]


def test_the_export_is_checked_before_long_work(evaluated, data, tmp_path, monkeypatch):
    monkeypatch.setattr(auditing, "pipeline_of", lambda _: pytest.fail("it loads the pipeline"))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = tmp_path / "out.json"
    for name, form, message in (
        ("out.json", "label-studio", "is named twice"),
        ("x.spacy", "jsonl", "must end in .jsonl"),
        ("x.parquet", "parquet", "pyarrow"),
    ):
        done = run(evaluated, data[0], out, "--export", tmp_path / name, "--format", form)
        assert done.exit_code == 1 and message in " ".join(done.output.split()), done.output
    assert not list(tmp_path.iterdir())


def test_wrong_use(evaluated, data, tmp_path):
    model, path = evaluated / "model", data[0]
    out = tmp_path / "out.html"
    blank = spacy.blank("en")
    blank.to_disk(tmp_path / "blank")
    write(tmp_path / "few.spacy", blank, texts(3, 1))
    write(tmp_path / "none.spacy", blank, [("Nobody came.", [])])
    (tmp_path / "cut.spacy").write_bytes(b"\x78cut")
    cases = [
        ((model, path, out, "--folds", 1), "folds must be a whole number of 2 or more"),
        ((model, path, out, "--folds", 0, "--steps", 5), "nothing is trained"),
        ((model, path, out, "--steps", 0), "steps must be a whole number of 1 or more"),
        ((model, path, out, "--n", 0), "n must be a whole number of 1 or more"),
        ((model, path, out, "--export", tmp_path / "x.txt"), "must end in .jsonl"),
        ((model, path, out, "--export", tmp_path / "x.html", "--format", "html"), "format must"),
        ((model, path, tmp_path), "Name a file"),
        ((tmp_path / "absent", path, out), "absent"),
        ((tmp_path / "blank", path, out), "has no component rnn_ner;"),
        ((model, tmp_path / "absent.spacy", out), "does not exist"),
        ((model, tmp_path / "cut.spacy", out), "cut.spacy"),
        ((model, tmp_path / "none.spacy", out), "is annotated, but has no entity in 1 doc."),
        ((model, tmp_path / "few.spacy", out), "5 folds need at least 10 different docs"),
    ]
    before = sorted(tmp_path.iterdir())
    for arguments, message in cases:
        done = run(*arguments)
        assert done.exit_code == 1 and message in " ".join(done.output.split()), done.output
        assert sorted(tmp_path.iterdir()) == before


def test_training_that_fails_is_reported(evaluated, data, tmp_path):
    nlp = spacy.load(evaluated / "model")
    nlp.config["training"]["optimizer"]["learn_rate"] = "fast"
    nlp.to_disk(tmp_path / "broken")
    with pytest.raises(RuntimeError, match="spacy train .* ended with status"):
        audit(tmp_path / "broken", data[0], tmp_path / "out.html", folds=2, steps=5)
    assert not (tmp_path / "out.html").exists()


def test_what_the_component_needs_is_trained_with_it(tmp_path):
    """What it listens to anew; what else is before it as it is; what follows not at all."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    ruler = nlp.add_pipe("entity_ruler")
    nlp.add_pipe("tok2vec")
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96, "upstream": "tok2vec"}
    nlp.add_pipe("tagger", config={"model": {"tok2vec": listener}})
    nlp.add_pipe("rnn_ner", config={"model": {"tok2vec": listener, "hidden_width": 8}})
    nlp.add_pipe("merge_entities")
    docs = []
    for text, entities in texts(12, 1):
        doc = nlp.make_doc(text)
        doc.set_ents([doc.char_span(*entity) for entity in entities])
        docs.append(doc)
    nlp.get_pipe("tagger").add_label("X")
    nlp.initialize()
    ruler.add_patterns([{"label": "GPE", "pattern": "Oslo"}])
    nlp.get_pipe("rnn_ner").add_label("GPE")
    parts = Folds(nlp, "rnn_ner", docs, assign(docs, 2), ["FAC", "GPE"], tmp_path, steps=2)
    trained = spacy.load(parts.train(0))
    assert trained.pipe_names == ["sentencizer", "entity_ruler", "tok2vec", "rnn_ner"]
    assert trained.get_pipe("rnn_ner").tags.labels == ("FAC", "GPE")
    assert trained.get_pipe("entity_ruler").patterns == ruler.patterns != []
    training = trained.config["training"]
    assert training["frozen_components"] == ["sentencizer", "entity_ruler"]
    assert training["max_steps"] == 2
    assert len(trained("Red Fort is in Oslo.")) == 6


def word(start, end, p, label="A"):
    return suspicion._Word(start, end, (start, end, label), p)


def test_regions():
    """No gold entity is cut, and a suggestion is likelier than that there is nothing."""
    gold = [word(2, 4, 0.1), word(5, 7, 0.9)]
    [first, second] = suspicion._items(gold, [*gold, word(3, 6, 0.2, "B")])
    assert (first.start, first.end, first.kind, first.suggestion) == (2, 7, "invented", None)
    assert (second.start, second.end) == (2, 7)
    [first, _] = suspicion._items(gold, [word(1, 4, 0.6)])
    assert (first.start, first.end, first.kind) == (1, 4, "boundary")
    [first, _] = suspicion._items(gold, [word(1, 4, 0.6, "B")])
    assert first.kind == "label" and first.suggestion.p == 0.6
    [*_, forgotten] = suspicion._items(
        gold, [word(9, 11, 0.3), word(10, 12, 0.4), word(20, 21, 0.4)]
    )
    assert (forgotten.start, forgotten.end, forgotten.kind) == (9, 12, "forgotten")
    assert forgotten.suggestion.span == (10, 12, "A")
