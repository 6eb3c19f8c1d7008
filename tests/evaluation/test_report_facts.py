"""Who, what and when; plain words; work for a person; docs for annotators; labels of any kind."""

import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
import spacy
from scipy import stats
from spacy.tokens import Doc, DocBin, Span
from typer.testing import CliRunner

from spacy_rnn_tagger import __version__, calibrate, convert, report
from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.evaluation import reporting
from spacy_rnn_tagger.evaluation.calibration import threshold_for
from spacy_rnn_tagger.evaluation.data import read_examples
from spacy_rnn_tagger.evaluation.figures import measure
from spacy_rnn_tagger.evaluation.outcomes import DocOutcome, Mention
from spacy_rnn_tagger.evaluation.summary import summarise
from spacy_rnn_tagger.evaluation.workload import PRECISIONS, clustered_interval, operating_points
from spacy_rnn_tagger.formats import storage
from spacy_rnn_tagger.pipeline.label_sets import LabelSet, set_label_set


def run(*args, code=0):
    result = CliRunner().invoke(app, [str(arg) for arg in args])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def mention(start, label, p=None):
    return Mention(start, start + 1, label, start, start + 1, "x", p)


class TestProvenance:
    def test_the_date_is_now_in_utc(self, evaluated):
        found = report(str(evaluated / "model"), evaluated / "test.spacy")
        date = datetime.fromisoformat(found["provenance"]["date"])
        assert date.utcoffset() == timedelta(0)
        assert timedelta(0) <= datetime.now(timezone.utc) - date < timedelta(minutes=5)
        assert found["versions"]["spacy-rnn-tagger"] == __version__

    def test_a_hash_is_of_the_content(self, evaluated, tmp_path):
        """The same wherever it lies, also for what is tagged in between; another if it changes."""
        data = evaluated / "test.spacy"
        nlp = spacy.load(evaluated / "model")
        nlp.meta["version"] = "2.3.4"
        nlp.to_disk(tmp_path / "copy")
        models = [
            report(model, data)["provenance"]["model"]
            for model in (evaluated / "model", tmp_path / "copy", nlp, nlp, evaluated / "worse")
        ]
        assert [model["version"] for model in models] == [
            "0.0.0",
            "2.3.4",
            "2.3.4",
            "2.3.4",
            "0.0.0",
        ]
        assert len({model["sha256"] for model in models[:4]}) == 1
        assert models[4]["sha256"] != models[0]["sha256"]
        nlp("Zyxwv is new to the vocabulary.")
        assert report(nlp, data)["provenance"]["model"]["sha256"] == models[0]["sha256"]
        nlp.get_pipe("rnn_ner").threshold = 0.2
        assert report(nlp, data)["provenance"]["model"]["sha256"] != models[0]["sha256"]

    def test_a_hash_is_the_same_in_each_process(self, evaluated, tmp_path):
        """Whatever the order of its sets, one of which a sentencizer writes."""
        nlp = spacy.load(evaluated / "model")
        nlp.add_pipe("sentencizer", first=True)
        nlp.to_disk(tmp_path / "model")
        program = (
            "import sys, spacy\n"
            "from spacy_rnn_tagger.evaluation.provenance import describe_model\n"
            "print(describe_model(spacy.load(sys.argv[1]))['sha256'])\n"
        )
        command = [sys.executable, "-c", program, str(tmp_path / "model")]
        hashes = {
            subprocess.check_output(command, env={**os.environ, "PYTHONHASHSEED": seed})
            for seed in ("1", "2")
        }
        assert len(hashes) == 1

    def test_data_has_the_same_hash_in_any_format(self, evaluated, tmp_path):
        nlp = spacy.load(evaluated / "model")
        docs = [example.reference for example in read_examples(nlp, evaluated / "test.spacy")]
        with (tmp_path / "data.jsonl").open("w") as file:
            for doc in docs:
                ents = [[ent.start_char, ent.end_char, ent.label_] for ent in doc.ents]
                file.write(json.dumps({"text": doc.text, "entities": ents}) + "\n")
        hashes = {
            report(nlp, data)["provenance"]["data"]["sha256"]
            for data in (evaluated / "test.spacy", tmp_path / "data.jsonl", docs)
        }
        assert len(hashes) == 1
        for change in (docs[1:], docs[::-1]):
            assert report(nlp, change)["provenance"]["data"]["sha256"] not in hashes
        docs[0].set_ents([], default="missing")
        assert report(nlp, docs)["provenance"]["data"]["sha256"] not in hashes

    def test_they_are_on_the_page(self, evaluated, tmp_path):
        page, models = tmp_path / "r.html", (str(evaluated / "model"), str(evaluated / "worse"))
        found = report(models[0], evaluated / "test.spacy", page, compare=models[1])
        html = page.read_text(encoding="utf-8")
        facts = found["provenance"]
        for text in (facts["date"], *(facts[key]["sha256"] for key in ("model", "with", "data"))):
            assert text in html
        assert found["summary"] in html and html.index(found["summary"]) < html.index("<dl")


class TestSummary:
    def summary(self, docs, **settings):
        return summarise("ours", measure(docs, (), 0.0, None, **settings))

    def test_counts(self):
        gold = [mention(0, "A"), mention(2, "B"), mention(4, "B")]
        docs = [DocOutcome("x" * 9, 9, gold, [mention(0, "A"), mention(2, "B"), mention(5, "B")])]
        assert self.summary(docs) == (
            "ours finds 2 of 3 annotated entities; it writes 3 entities, and 2 of them are right. "
            "It does best with A (F 1.00) and worst with B (F 0.50)."
        )
        nothing = [DocOutcome("x" * 9, 9, gold[:1], [])]
        assert self.summary(nothing) == "ours finds 0 of 1 annotated entity; it writes none at all."

    def test_what_a_person_has_to_look_at(self):
        docs = [
            DocOutcome("x" * 9, 9, [mention(0, "A")] * (n % 10 > 0), [mention(0, "A", n / 100)],
                       candidates=[mention(0, "A", n / 100), mention(5, "A", 0.1)])
            for n in range(100)
        ]  # fmt: skip
        for n, doc in enumerate(docs):  # the least sure are wrong
            if n < 20:
                docs[n] = DocOutcome("x" * 9, 9, [], doc.predicted, candidates=doc.candidates)
            else:
                docs[n] = DocOutcome(
                    "x" * 9, 9, doc.predicted, doc.predicted, candidates=doc.candidates
                )
        text = self.summary(docs, candidates=0.1)
        assert "include 100 % of the true entities, with 2.5 candidates per entity." in text
        assert "95 % of them are right, a person has to check 16 % of what it finds." in text
        assert "candidates" not in self.summary(docs)


def outcomes(seed):
    rng = np.random.default_rng(seed)
    docs = []
    for _ in range(60):
        found = [
            mention(i, rng.choice(["A", "B"]), float(rng.random()))
            for i in range(rng.integers(0, 4))
        ]
        gold = [m for m in found if rng.random() < m.confidence**0.3]
        below = [m for m in found if m.confidence < 0.2]
        above = [m for m in found if m.confidence >= 0.2]
        docs.append(DocOutcome("x" * 9, 9, [*gold, mention(8, "A")], above, below))
    return docs


def test_operating_points_by_counting():
    docs = outcomes(0)
    rows = operating_points(docs, ["A", "B"])
    assert [(row["label"], row["precision"]) for row in rows] == [
        (label, target) for label in ("all", "A", "B") for target in PRECISIONS
    ]
    reached = 0
    for row in rows:
        own = [
            [(m.confidence, right) for m, right in doc.found() if row["label"] in ("all", m.label)]
            for doc in docs
        ]
        n_gold = sum(row["label"] in ("all", m.label) for doc in docs for m in doc.gold)
        every = [event for events in own for event in events]
        threshold = np.inf if row["threshold"] is None else row["threshold"]
        kept = [right for p, right in every if p >= threshold]
        n_docs = sum(any(p < threshold for p, _ in events) for events in own)
        assert row["checked"] == len(every) - len(kept)
        assert row["checked_entities"] == pytest.approx(1 - len(kept) / len(every))
        assert row["checked_docs"] == n_docs / len(docs)
        if row["threshold"] is None:
            assert row["why"].startswith("No threshold reaches")
            assert row["recall"] is row["reached"] is row["interval"] is row["accepted"] is None
        else:
            reached += 1
            assert row["accepted"] == len(kept) and row["recall"] == sum(kept) / n_gold
            assert (
                row["reached"] == pytest.approx(np.mean(kept))
                and row["reached"] >= row["precision"]
            )
            p, right = map(np.array, zip(*every, strict=True))
            assert threshold == threshold_for("x", row["precision"], p, right).threshold
    assert 3 < reached < len(rows)


def test_intervals_of_shares():
    """Wilson's for independent events; where the events of a doc are alike, that of the docs."""
    rng = np.random.default_rng(0)
    hits = (rng.random(80) < 0.8).astype(int)
    wilson = stats.binomtest(int(hits.sum()), 80).proportion_ci(method="wilson")
    assert clustered_interval(hits, np.ones_like(hits)) == pytest.approx(list(wilson), abs=0.002)
    assert clustered_interval(5 * hits, np.full(80, 5)) == pytest.approx(list(wilson), abs=0.002)
    every = stats.binomtest(30, 30).proportion_ci(method="wilson")
    sizes = np.array([3] * 30 + [0] * 10)
    assert clustered_interval(sizes, sizes) == pytest.approx(list(every))
    assert clustered_interval(0 * sizes, sizes) == pytest.approx([0, 1 - every.low])
    assert clustered_interval(np.array([2]), np.array([3]))[0] < 2 / 3


def test_intervals_hold_what_they_say_if_docs_are_clustered():
    rng = np.random.default_rng(1)
    held = plain = 0
    for _ in range(400):
        share = rng.beta(4, 1, 50)  # of each doc; 0.8 in all
        hits = rng.binomial(8, share)
        low, high = clustered_interval(hits, np.full(50, 8))
        held += low < 0.8 < high
        own = stats.binomtest(int(hits.sum()), 400).proportion_ci(method="wilson")
        plain += own.low < 0.8 < own.high
    assert held / 400 > 0.9 > 0.85 > plain / 400


NAMES = [r"US$\frac{$", "_hidden", '<b>$x^2$ & "co"</b>', "a long name " * 6, "all $$ {{ label }}"]


def nasty(tmp_path):
    nlp = spacy.blank("en")
    words = ["one", "two", "three", "four", "five"]
    patterns = [{"label": name, "pattern": w} for name, w in zip(NAMES, words, strict=True)]
    nlp.add_pipe("entity_ruler").add_patterns([*patterns, {"label": NAMES[1], "pattern": "six"}])
    docs = []
    for n in range(12):
        doc = Doc(nlp.vocab, words=[*words, "six", "seven"])
        doc.set_ents([Span(doc, i, i + 1, name) for i, name in enumerate(NAMES) if n % 4 != i])
        docs.append(doc)
    return nlp, docs


def test_labels_of_any_kind(tmp_path):
    nlp, docs = nasty(tmp_path)
    figures = report(nlp, docs, tmp_path / "r.html")
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    svgs = " ".join(re.findall(r"<svg.*?</svg>", html, flags=re.S))
    assert r"US$\frac{$" in svgs and r'<th scope="row">US$\frac{$</th>' in html
    assert "&lt;b&gt;$x^2$ &amp;" in svgs and "<b>$x" not in html
    assert "a long name a lon…" in svgs and len(figures["scores"]) == 6


def test_labels_of_any_kind_with_confidences(evaluated, tmp_path):
    """In the curves of precision over recall, too, whose legend has all labels."""
    from spacy_rnn_tagger.evaluation import plots

    rows = [
        {"label": name, "threshold": [0.5], "precision": [0.5], "recall": [0.5],
         "today": {"threshold": 0.0, "precision": 0.5, "recall": 0.5}}
        for name in NAMES
    ]  # fmt: skip
    svg = plots.draw_precision_recall(rows)
    assert r"US$\frac{$" in svg and "_hidden" in svg
    covered = [{"label": name, "coverage": 0.5, "interval": [0.4, 0.6]} for name in NAMES]
    assert r"US$\frac{$" in plots.draw_coverage(covered)


class TestExport:
    def test_docs_with_errors_are_written(self, evaluated, tmp_path):
        """All of them, however many are shown; the gold comes back as it was."""
        data, file = evaluated / "test.spacy", tmp_path / "errors.jsonl"
        run("report", evaluated / "model", data, tmp_path / "r.json", "--docs", 2, "--export", file)
        figures = json.loads((tmp_path / "r.json").read_text())
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        nlp = spacy.load(evaluated / "model")
        gold = [example.reference for example in read_examples(nlp, data)]
        n_errors = sum(
            figures["errors"][0][key] for key in ("boundary", "label_error", "missed", "spurious")
        )
        assert sum(len(row["meta"]["errors"]) for row in rows) == n_errors > len(rows) > 10
        shown = figures["docs_with_errors"]
        assert [row["record"] - 1 for row in rows[:2]] == [doc["doc"] for doc in shown]
        for row in rows:
            doc = gold[row["record"] - 1]
            entities = [(e["start"], e["end"], e["label"]) for e in row["entities"]]
            assert entities == [(e.start_char, e.end_char, e.label_) for e in doc.ents]
            predicted = nlp(doc.text).ents
            assert [(s["text"], s["label"]) for s in row["meta"]["suggestion"]] == [
                (ent.text, ent.label_) for ent in predicted
            ]
            assert all(0 < s["confidence"] <= 1 for s in row["meta"]["suggestion"])
            assert row["meta"]["model"] == str(evaluated / "model")
        convert(file, tmp_path / "back.spacy")
        back = [example.reference for example in read_examples(nlp, tmp_path / "back.spacy")]
        assert [doc.to_json()["ents"] for doc in back] == [
            gold[row["record"] - 1].to_json()["ents"] for row in rows
        ]

    def test_missing_annotation_stays_missing(self, tmp_path):
        nlp = spacy.blank("en")
        nlp.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "left"}])
        partial, limited = (nlp.make_doc("Ann left Old Goa for Lima today .") for _ in range(2))
        partial.set_ents(
            [Span(partial, 5, 6, "GPE")], missing=[partial[0:1], partial[2:4]], default="outside"
        )
        limited.set_ents([Span(limited, 2, 4, "PLACE")])
        set_label_set(limited, LabelSet.of(["PLACE"], {"PLACE": ["GPE", "FAC"]}))
        report(nlp, [partial, limited], export=tmp_path / "x.jsonl")
        first, second = map(json.loads, (tmp_path / "x.jsonl").read_text().splitlines())
        places = [[(e["text"], e["label"]) for e in row["entities"]] for row in (first, second)]
        if first["record"] == 2:
            places.reverse()
            first, second = second, first
        assert places == [[("Ann", "?"), ("Old Goa", "?"), ("Lima", "GPE")], [("Old Goa", "PLACE")]]
        assert second["meta"]["label_set"] == {
            "labels": ["FAC", "GPE"], "coarse": {"PLACE": ["GPE", "FAC"]}
        }  # fmt: skip
        assert partial.spans.keys() == set() and len(partial.ents) == 1

    @pytest.mark.parametrize("form", ["doccano", "prodigy", "docbin"])
    def test_formats_of_annotation_tools(self, evaluated, tmp_path, form):
        file = tmp_path / ("errors.spacy" if form == "docbin" else "errors.jsonl")
        report(str(evaluated / "model"), evaluated / "test.spacy", export=file, export_format=form)
        source = file
        if form != "docbin":
            source = tmp_path / "back.spacy"
            convert(file, source)
        nlp = spacy.load(evaluated / "model")
        texts = {doc.reference.text for doc in read_examples(nlp, evaluated / "test.spacy")}
        back = read_examples(nlp, source)
        assert len(back) > 10 and {example.reference.text for example in back} <= texts

    def test_label_studio_shows_the_gold_as_a_prediction(self, evaluated, tmp_path):
        file = tmp_path / "tasks.json"
        model, data = str(evaluated / "model"), evaluated / "test.spacy"
        report(model, data, export=file, export_format="label-studio")
        interface = (tmp_path / "label-studio.xml").read_text(encoding="utf-8")
        assert [f'value="{label}"' in interface for label in ("FAC", "GPE", "ORG")] == [1, 1, 0]
        gold = [eg.reference for eg in read_examples(spacy.load(model), data)]
        tasks = json.loads(file.read_text(encoding="utf-8"))
        assert len(tasks) > 10
        for task in tasks:
            doc = gold[task["data"]["record"] - 1]
            [prediction] = task["predictions"]
            values = [region["value"] for region in prediction["result"]]
            shown = [(v["start"], v["end"], *v["labels"]) for v in values]
            assert shown == [(e.start_char, e.end_char, e.label_) for e in doc.ents]
            assert task["data"]["meta"]["suggestion"] and prediction["model_version"] == model

    def test_what_does_not_serve(self, evaluated, tmp_path):
        args = "report", evaluated / "model", evaluated / "test.spacy", tmp_path / "r.html"
        output = run(*args, "--export", tmp_path / "r.html", code=1)
        assert "is named twice" in output
        output = run(*args, "--export", tmp_path / "x", "--export-format", "xml", code=1)
        assert "format must be one of" in output and "but got 'xml'" in output
        assert "is a folder" in run(*args, "--export", tmp_path, code=1)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("name", "form", "message"),
        [
            ("x.spacy", "jsonl", "must end in .jsonl for the format jsonl"),
            ("x.jsonl.gz", "jsonl", "must end in .jsonl for the format jsonl"),
            ("x.jsonl", "docbin", "must end in .spacy for the format docbin"),
            ("https://host/x.jsonl", "jsonl", "web servers are only read"),
            ("x.parquet", "parquet", "pyarrow"),
        ],
    )
    def test_it_is_checked_before_long_work(
        self, evaluated, tmp_path, monkeypatch, name, form, message
    ):
        monkeypatch.setattr(reporting, "pipeline_of", lambda _: pytest.fail("it loads a pipeline"))
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        file = name if "://" in name else tmp_path / name
        args = "report", evaluated / "model", evaluated / "test.spacy", tmp_path / "r.html"
        output = run(*args, "--export", file, "--export-format", form, code=1)
        assert message in output and "No report" in output and not list(tmp_path.iterdir())

    def test_it_may_be_a_url(self, evaluated, tmp_path, memory):
        """With the same content as at a path, and what the tool needs beside it."""
        args = "report", evaluated / "model", evaluated / "test.spacy", tmp_path / "r.json"
        for file in ("memory://deep/er/x.json", tmp_path / "x.json"):
            run(*args, "--export", file, "--export-format", "label-studio")
        for name in ("x.json", "label-studio.xml"):
            content = (tmp_path / name).read_bytes()
            assert storage.read(f"memory://deep/er/{name}") == content != b""

    def test_docs_in_memory_stay_as_they_are(self, tmp_path):
        """Also in spaCy's own format, which has the metadata in the docs."""
        nlp = spacy.blank("en")
        nlp.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "left"}])
        doc = nlp.make_doc("Ann left for Lima .")
        doc.set_ents([Span(doc, 3, 4, "GPE")])
        report(nlp, [doc], export=tmp_path / "x.spacy", export_format="docbin")
        [written] = DocBin().from_disk(tmp_path / "x.spacy").get_docs(nlp.vocab)
        assert written.user_data["annotate"]["meta"]["errors"] and not doc.user_data


def test_the_page_is_prepared_before_long_work(evaluated, tmp_path, monkeypatch):
    monkeypatch.setattr(reporting, "pipeline_of", lambda _: pytest.fail("it loads a pipeline"))
    monkeypatch.delitem(sys.modules, "spacy_rnn_tagger.evaluation.page", raising=False)
    monkeypatch.delitem(sys.modules, "spacy_rnn_tagger.evaluation.rendering", raising=False)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    args = "report", evaluated / "model", evaluated / "test.spacy", tmp_path / "r.html"
    assert "is not installed: pip install" in run(*args, code=1)


def test_coverage_on_the_command_line(evaluated, tmp_path):
    model, data, out = evaluated / "model", evaluated / "test.spacy", tmp_path / "out"
    output = run("calibrate", model, data, out, "--coverage", 0.8)
    assert "contain a share of 0.8 or more of the true entities in new docs" in output
    assert "This assumes that the docs are exchangeable with those in" in output
    args = "--coverage", 0.8, "--coverage-unit", "entity"
    output = run("calibrate", model, data, tmp_path / "other", *args)
    assert "that the docs, and their entities, are exchangeable" in output and "floor" in output
    nlp = spacy.load(out)
    assert nlp.get_pipe("rnn_ner").candidates.keys() == {"FAC", "GPE"}
    assert nlp.config["components"]["rnn_ner"]["candidates"].keys() == {"FAC", "GPE"}
    output = run("report", out, data, tmp_path / "r.html")
    assert "Its candidates include" in output
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "What a person has to look at" in html and 'aria-label="Share of true' in html
    output = run("calibrate", model, data, tmp_path / "no", "--coverage", 0.9999, code=1)
    assert "0.9999 can't be kept for any label: FAC has" in output
    output = run("calibrate", model, data, tmp_path / "no", "--coverage", 1.5, code=1)
    assert "coverage must be a number above 0 and below 1, but got 1.5" in output
    args = "--coverage", 0.9, "--coverage-unit", "token"
    assert "coverage_unit must be one of" in run(
        "calibrate", model, data, tmp_path / "no", *args, code=1
    )
    assert not (tmp_path / "no").exists()


def test_a_report_of_candidates_that_are_not_set(evaluated, tmp_path):
    """Coverage is then the recall of what was found, and the page says how to set them."""
    figures = report(str(evaluated / "model"), evaluated / "test.spacy", tmp_path / "r.html")
    rows = {row["label"]: row for row in figures["coverage"]}
    found = {row["label"]: row for row in figures["calibration"]["scores"]}
    for label, row in rows.items():
        assert row["candidates"] == found[label]["count"] and row["floor"] is None
        assert row["covered"] == round(found[label]["precision"] * found[label]["count"])
    assert "calibrate --coverage" in (tmp_path / "r.html").read_text()
    assert calibrate(str(evaluated / "model"), evaluated / "test.spacy").coverage == {}
