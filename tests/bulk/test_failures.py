"""Records that `annotate` can't read, tag or write: each fails alone, and is kept as it was."""

import base64
import json

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from spacy_rnn_tagger.bulk.annotating import run as do
from spacy_rnn_tagger.bulk.job import Job
from spacy_rnn_tagger.bulk.outputs import write_shard
from spacy_rnn_tagger.bulk.sources import read_records
from spacy_rnn_tagger.bulk.tagging import Tagged, tag_records
from spacy_rnn_tagger.formats.record import Record
from tests.bulk.annotated import (
    TEXTS,
    annotate,
    rows,
    said,
    trained_pipeline,
    with_component,
)
from tests.conftest import eager

pytestmark = pytest.mark.slow

FORMS = {"jsonl": "part-*.jsonl", "parquet": "part-*.parquet", "docbin": "part-*.spacy"}


@pytest.fixture
def component():
    """Make a component of a function, for one test."""
    names = []

    def make(name, func):
        spacy.Language.component(name, func=func)
        names.append(name)
        return name

    yield make
    for name in names:
        for factory in list(spacy.Language.factories):
            if factory == name or factory.endswith(f".{name}"):
                del spacy.Language.factories[factory]


def records_of(texts):
    return [Record("", number, text) for number, text in enumerate(texts, start=1)]


def texts_in(folder, form):
    found = []
    for file in sorted(folder.glob(FORMS[form])):
        if form == "jsonl":
            found += [json.loads(line)["text"] for line in file.read_text().splitlines()]
        elif form == "parquet":
            import pyarrow.parquet as pq

            found += pq.read_table(file)["text"].to_pylist()
        else:
            docs = DocBin().from_disk(file).get_docs(spacy.blank("en").vocab)
            found += [doc.text for doc in docs]
    return found


class TestTagging:
    def test_a_doc_that_fails_takes_no_other_with_it(self, model, tmp_path):
        nlp = spacy.load(model)
        lines = [text for text in TEXTS for _ in range(5)]
        (tmp_path / "in.txt").write_text("\n".join(lines))

        class Fails:
            """A component without a `pipe` of its own, in a pipeline that batches."""

            def pipe(self, stream, **settings):
                for doc in stream:
                    if "Nobody" in doc.text:
                        raise ZeroDivisionError("as planned")
                    yield doc

            def __call__(self, doc):
                return next(self.pipe([doc]))

        spacy.Language.factory("test_fails", func=lambda nlp, name: Fails())
        nlp.add_pipe("test_fails")
        tagged = tag_records(nlp, list(read_records(str(tmp_path / "in.txt"))), 4)
        assert [each.record.text for each in tagged] == lines
        for each in tagged:
            assert (each.doc is None) == ("Nobody" in each.record.text)
            assert (each.error == "ZeroDivisionError: as planned") == (each.doc is None)

    def test_with_the_components_of_spacy(self, component):
        """Its parser and its `ner` take no error handler."""
        nlp = trained_pipeline()

        def fails(doc):
            if "Nobody" in doc.text:
                raise ZeroDivisionError("as planned")
            return doc

        nlp.add_pipe(component("fails_within", fails), before="parser")
        texts = TEXTS * 3
        tagged = tag_records(nlp, records_of(texts), 4)
        assert [each.error is not None for each in tagged] == ["Nobody" in t for t in texts]
        alone = {text: nlp(text) for text in set(texts) if "Nobody" not in text}
        for each in tagged:
            if each.doc is not None:
                other = alone[each.record.text]
                assert [t.dep_ for t in each.doc] == [t.dep_ for t in other]
                assert [e.label_ for e in each.doc.ents] == [e.label_ for e in other.ents]

    def test_error_handlers_of_the_host_stay(self, model, component):
        nlp = spacy.load(model)
        nlp.add_pipe("sentencizer")
        handled = []

        def handler(name, proc, docs, error):
            handled.append(name)

        def fails(doc):
            if doc.text == "a":
                raise ZeroDivisionError("as planned")
            return doc

        nlp.add_pipe(component("fails_handled", fails), first=True)
        nlp.set_error_handler(handler)
        before = [pipe.get_error_handler() for _, pipe in nlp.pipeline[1:]]
        tagged = tag_records(nlp, records_of(["b", "a", "c"]), 3)
        # The handler lets it pass, and the doc is not to be had half done.
        assert [each.doc is None for each in tagged] == [False, True, False]
        assert "must return one doc per text" in tagged[1].error
        assert handled
        assert nlp.default_error_handler is handler
        assert [pipe.get_error_handler() for _, pipe in nlp.pipeline[1:]] == before

    @pytest.mark.parametrize("kind", ["drops", "repeats", "reorders", "none", "renews"])
    def test_components_that_return_other_docs(self, kind):
        nlp = spacy.blank("en")

        class Odd:
            def pipe(self, stream, **settings):
                docs = list(stream)
                if kind == "drops":
                    yield from (doc for doc in docs if doc.text != "b")
                elif kind == "repeats":
                    yield from [docs[0], *docs]
                elif kind == "reorders":
                    yield from reversed(docs)
                elif kind == "none":
                    yield from (None if doc.text == "b" else doc for doc in docs)
                else:
                    yield from (Doc(nlp.vocab, words=[t.text for t in doc]) for doc in docs)

            def __call__(self, doc):
                return next(self.pipe([doc]))

        spacy.Language.factory("test_odd", func=lambda nlp, name: Odd())
        nlp.add_pipe("test_odd")
        tagged = tag_records(nlp, records_of("abcde"), 3)
        found = [each.doc and each.doc.text.strip() for each in tagged]
        wanted = {
            "drops": ["a", None, "c", "d", "e"],
            "repeats": [None] * 5,
            "none": ["a", None, "c", "d", "e"],
        }
        assert found == wanted.get(kind, list("abcde"))
        assert all((each.doc is None) == (each.error is not None) for each in tagged)

    def test_batches_begin_with_the_shard(self):
        nlp = spacy.blank("en")
        seen = []

        class Notes:
            def pipe(self, stream, batch_size):
                for batch in spacy.util.minibatch(stream, batch_size):
                    seen.append([doc.text for doc in batch])
                    yield from batch

            def __call__(self, doc):
                return doc

        spacy.Language.factory("test_notes", func=lambda nlp, name: Notes())
        nlp.add_pipe("test_notes")
        records = records_of(["a", "b", "\ud800", "c", "d", "e"])
        records[1] = Record("", 2, "", error="can't be read")
        tag_records(nlp, records, 3)
        assert seen == [["a", "c", "d"], ["e"]]

    def test_offsets_belong_to_the_text_that_is_written(self, tmp_path, component):
        """A component may return a doc with another text."""
        nlp = spacy.blank("en")

        def shortens(doc):
            short = Doc(doc.vocab, words=["Delhi"], spaces=[False])
            short.ents = [Span(short, 0, 1, "GPE")]
            return short

        nlp.add_pipe(component("shortens", shortens))
        nlp.to_disk(tmp_path / "model")
        (tmp_path / "in.txt").write_text("It is in Delhi\n")
        do(Job(str(tmp_path / "model"), str(tmp_path / "in.txt"), str(tmp_path / "out")))
        [row] = rows(tmp_path / "out")
        [entity] = row["entities"]
        assert row["text"][entity["start"] : entity["end"]] == entity["text"] == "Delhi"


@pytest.mark.parametrize("form", FORMS)
class TestWriting:
    """What fails once a record is tagged is its failure too."""

    @pytest.fixture(autouse=True)
    def arrow(self):
        pytest.importorskip("pyarrow")

    def test_a_value_that_can_not_be_written(self, model, tmp_path, form, component):
        Doc.set_extension("odd_value", default=None, force=True)

        def sets_value(doc):
            if "Nobody" in doc.text:
                doc._.odd_value = object()
            return doc

        component("sets_value", sets_value)
        setting = with_component(model, "sets_value", tmp_path / "model")
        (tmp_path / "in.txt").write_text("\n".join(TEXTS * 3))
        counts = do(Job(setting, str(tmp_path / "in.txt"), str(tmp_path / "out"), form=form))
        Doc.remove_extension("odd_value")
        wanted = [t for t in TEXTS * 3 if form != "docbin" or "Nobody" not in t]
        assert texts_in(tmp_path / "out", form) == wanted
        assert (counts.docs, counts.failed) == (len(wanted), len(TEXTS * 3) - len(wanted))
        failed = rows(tmp_path / "out", "errors/*")
        assert [row["text"] for row in failed] == ["Nobody came."] * counts.failed
        assert all("serialize" in row["error"] for row in failed)

    def test_a_component_that_adds_to_the_group(self, tmp_path, form, component):
        """Scores and spans then differ in number; that ends nothing."""

        def adds_span(doc):
            if "Nobody" in doc.text:
                doc.spans["rnn_ner"].append(Span(doc, 0, 1, "GPE"))
                doc.ents = [Span(doc, 0, 1, "GPE")]
            return doc

        nlp = spacy.blank("en")
        eager(nlp)
        nlp.add_pipe(component("adds_span", adds_span))
        nlp.to_disk(tmp_path / "model")
        (tmp_path / "in.txt").write_text("\n".join(TEXTS))
        counts = do(
            Job(str(tmp_path / "model"), str(tmp_path / "in.txt"), str(tmp_path / "out"), form=form)
        )
        failed = [row["text"] for row in rows(tmp_path / "out", "errors/*")]
        assert counts.docs + counts.failed == len(TEXTS)
        assert set(failed) <= {"Nobody came."}
        assert sorted([*texts_in(tmp_path / "out", form), *failed]) == sorted(TEXTS)

    def test_what_can_not_be_packed(self, tmp_path, form):
        """Here for the name of its source."""
        nlp = spacy.blank("en")
        records = records_of("abc")
        records[1] = Record("\ud800", 2, "b")
        tagged = [Tagged(record, nlp(record.text)) for record in records]
        write_shard(str(tmp_path), "0", form, tagged)
        wanted = ["a", "b", "c"] if form == "jsonl" else ["a", "c"]
        assert texts_in(tmp_path, form) == wanted
        assert [each.error is None for each in tagged] == [True, form == "jsonl", True]

    def test_no_confidence_is_written_that_is_no_number(self, tmp_path, form, monkeypatch):
        monkeypatch.setattr(
            "spacy_rnn_tagger.formats.docs.confidences", lambda doc: {(0, 1, "X"): float("nan")}
        )
        nlp = spacy.blank("en")
        doc = nlp("b")
        doc.ents = [Span(doc, 0, 1, "X")]
        write_shard(str(tmp_path), "0", form, [Tagged(Record("", 1, "b"), doc)])
        if form == "jsonl":
            assert texts_in(tmp_path, form) == []
            assert "not JSON compliant" in rows(tmp_path, "errors/*")[0]["error"]


class TestErrors:
    def test_the_raw_record_is_kept(self, tmp_path):
        lines = [
            b'{"text": "one"',
            b'{"body": "two"}',
            b'{"text": "caf\xe9"}',
            b'{"text": "half \\ud800", "id": 1}',
        ]
        (tmp_path / "in.jsonl").write_bytes(b"\r\n".join([*lines, b""]))
        do(Job("blank:en", str(tmp_path / "in.jsonl"), str(tmp_path / "out")))
        *failed, last = rows(tmp_path / "out", "errors/*")
        assert [row["record"] for row in failed] == [1, 2, 3]
        assert [row.get("raw") for row in failed] == [lines[0].decode(), lines[1].decode(), None]
        assert [row.get("raw_base64") for row in failed[:2]] == [None, None]
        assert base64.b64decode(failed[2]["raw_base64"]) == lines[2]
        # What could be read, and not tagged, is there as it was read.
        assert last["text"] == "half \ud800"
        assert last["meta"] == {"id": 1}
        assert "raw" not in last
        assert [row["text"] for row in failed] == ["", "", ""]

    @pytest.mark.parametrize("engine", ["local", "ray"])
    def test_strict_is_an_exit_status(self, tmp_path, engine):
        if engine == "ray":
            pytest.importorskip("ray")
        (tmp_path / "in.txt").write_bytes(b"one\ncaf\xe9\n")
        (tmp_path / "good.txt").write_bytes(b"one\n")
        out = tmp_path / "out"
        arguments = ["blank:en", tmp_path / "in.txt", out, "--engine", engine]
        done = annotate(*arguments)
        assert done.exit_code == 0, done.output
        assert "1 record failed; see" in said(done)
        for strict in ([], ["--strict"]):
            done = annotate(*arguments, *strict)
            assert done.exit_code == len(strict)
            assert "2 records were done before; 1 of them failed" in said(done)
        if engine == "local":
            done = annotate(*arguments[:2], tmp_path / "other", "--strict")
            assert done.exit_code == 1
            assert len(rows(tmp_path / "other")) == 1
            done = annotate("blank:en", tmp_path / "good.txt", tmp_path / "good", "--strict")
            assert done.exit_code == 0
        assert "Exit with status 1 if any record failed" in said(annotate("--help"))
