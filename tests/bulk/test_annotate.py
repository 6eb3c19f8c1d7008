"""`spacy rnn annotate`: tagging whole corpora."""

import json
from pathlib import Path

import fsspec
import pytest
import spacy
import torch
from spacy.tokens import DocBin

from spacy_rnn_tagger.bulk.annotating import run as do
from spacy_rnn_tagger.bulk.job import Annotator, Job
from spacy_rnn_tagger.pipeline.span_groups import confidence
from tests.bulk.annotated import (
    annotate,
    contents,
    make_many,
    rows,
    said,
    trained_pipeline,
    with_component,
)
from tests.conftest import eager


def expected(model, texts):
    nlp = spacy.load(model)
    return [
        [(e.start_char, e.end_char, e.label_, e.text, pytest.approx(confidence(e), abs=1e-5))]
        for e in (ent for text in texts for ent in nlp(text).ents)
    ]


def test_all_records_come_out_once(model, corpus, tmp_path):
    out = tmp_path / "out"
    done = annotate(model, corpus, out, "--shard-size", 2)
    assert done.exit_code == 0, done.output
    assert "4 docs" in done.output
    found = rows(out)
    assert [(Path(row["source"]).name, row["record"]) for row in found] == [
        ("a.txt", 1),
        ("a.txt", 4),
        ("b.jsonl", 1),
        ("b.jsonl", 7),
    ]
    assert [row["text"] for row in found] == [
        "Red Fort is in Delhi.",
        "Łódź? Nobody came.",
        "Lima lies west of Brasília, they say",
        "",
    ]
    assert [row["meta"] for row in found] == [{}, {}, {"id": 7}, {}]
    entities = [[tuple(entity.values())] for row in found for entity in row["entities"]]
    assert entities == expected(model, [row["text"] for row in found])
    failed = rows(out, "errors/*.jsonl")
    assert [(Path(row["source"]).name, row["record"]) for row in failed] == [
        ("a.txt", 3),
        *(("b.jsonl", number) for number in (2, 3, 4, 5, 6)),
    ]
    reasons = [
        "UnicodeDecodeError",
        "with 'text', a string",
        "JSONDecodeError",
        "with 'text', a string",
        "must be a JSON object",
    ]
    assert all(why in row["error"] for why, row in zip(reasons, failed, strict=False))
    assert "surrogates not allowed" in failed[-1]["error"]
    assert failed[-1]["text"] == "half \ud800 of a pair"
    assert "6 records failed" in done.output


@pytest.mark.usefixtures("own_threads")
def test_scores_do_not_depend_on_the_number_of_cores(model, corpus, tmp_path):
    @spacy.Language.component("notes_threads")
    def notes_threads(doc):
        seen.append(torch.get_num_threads())
        return doc

    seen: list[int] = []
    noting = with_component(model, "notes_threads", tmp_path / "noting")
    torch.set_num_threads(3)
    do(Job(noting, str(corpus), str(tmp_path / "out")))
    assert set(seen) == {1}
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("form", ["parquet", "docbin"])
def test_other_forms_hold_the_same(model, corpus, tmp_path, form):
    assert annotate(model, corpus, tmp_path / "jsonl").exit_code == 0
    for name in ("one", "two"):
        done = annotate(model, corpus, tmp_path / name, "--format", form)
        assert done.exit_code == 0, done.output
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    wanted = rows(tmp_path / "jsonl")
    if form == "parquet":
        pq = pytest.importorskip("pyarrow.parquet")
        found = [
            row
            for file in sorted((tmp_path / "one").glob("*.parquet"))
            for row in pq.read_table(file).to_pylist()
        ]
        for row in found:
            row["meta"] = json.loads(row["meta"])
        assert found == wanted
    else:
        nlp = spacy.load(model)
        docs = [
            doc
            for file in sorted((tmp_path / "one").glob("*.spacy"))
            for doc in DocBin().from_disk(file).get_docs(nlp.vocab)
        ]
        assert [doc.text for doc in docs] == [row["text"] for row in wanted]
        for doc, row in zip(docs, wanted, strict=True):
            found = [(e.start_char, e.label_, round(confidence(e), 6)) for e in doc.ents]
            assert found == [(e["start"], e["label"], e["confidence"]) for e in row["entities"]]
            where = doc.user_data["annotate"]
            assert where == {name: row[name] for name in ("source", "record", "meta")}


def test_a_book_is_a_record(model, tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("Red Fort is in Delhi.\nNobody came.\n" * 3)
    assert annotate(model, book, tmp_path / "out", "--whole-files").exit_code == 0
    [row] = rows(tmp_path / "out")
    assert row["text"] == book.read_text()
    # A text that is too long for the pipeline is a failure as any other.
    done = annotate(model, book, tmp_path / "short", "--max-length", 15)
    assert done.exit_code == 0
    assert len(rows(tmp_path / "short", "errors/*")) == 3
    assert "[E088]" in rows(tmp_path / "short", "errors/*")[0]["error"]


def test_wrong_use_is_one_message(model, corpus, tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0")
    (tmp_path / "damaged.txt.gz").write_text("no gzip")
    (tmp_path / "a file").write_text("x")
    (tmp_path / "hollow").mkdir()
    out = tmp_path / "out"
    for arguments, message in [
        ([model, "nowhere", out], "matches no file to read"),
        ([model, corpus / "ignored.csv", out], "Unknown format of"),
        (["nothing", corpus, out], "Can't find model"),
        ([tmp_path / "hollow", corpus, out], "[E053]"),
        ([model, corpus, out, "--format", "csv"], "format must be one of"),
        ([model, corpus, out, "--shard-size", "0"], "shard size must be"),
        ([model, corpus, out, "--batch-size", "0"], "batch size must be"),
        ([model, corpus, out, "--n-process", "0"], "n-process must be"),
        ([model, corpus, out, "--engine", "spark"], "engine must be one of"),
        ([model, corpus, out, "--code", tmp_path / "none.py"], "none.py is not a Python file"),
        ([model, corpus, out, "--code", tmp_path / "broken.py"], "ZeroDivisionError"),
        ([model, corpus, "unknown://out"], "Protocol not known: unknown"),
        ([model, corpus, tmp_path / "a file"], "is a file. Name a folder."),
        ([model, corpus, tmp_path / "a file" / "out"], "is a file and not a folder"),
        ([model, tmp_path / "damaged.txt.gz", tmp_path / "other"], "damaged.txt.gz"),
    ]:
        done = annotate(*arguments)
        assert done.exit_code == 1, done.output
        assert isinstance(done.exception, SystemExit)
        assert message in said(done)
        assert "Traceback" not in done.output
    assert not out.exists()
    assert (tmp_path / "a file").read_text() == "x"


def test_a_full_disk_is_one_message_and_nothing_half_written(model, corpus, tmp_path, monkeypatch):
    def fail(path, content):
        if path.name.startswith("part-"):
            raise OSError(28, "No space left on device", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    monkeypatch.setattr("spacy_rnn_tagger.formats.storage.write_whole", fail)
    done = annotate(model, corpus, tmp_path / "out")
    assert done.exit_code == 1
    assert "No space left on device" in said(done)
    assert list(contents(tmp_path / "out")) == ["annotate.json"]
    monkeypatch.undo()
    assert "4 docs" in annotate(model, corpus, tmp_path / "out").output


def test_memory_is_given_back(model, tmp_path):
    """Words of a shard are not kept."""
    many = make_many(tmp_path / "many.txt")
    job = Job(model, str(many), str(tmp_path / "out"), shard_size=100)
    nlp = job.load()
    annotator = Annotator(job, nlp)
    sizes = []
    for shard in job.shards(0):
        annotator(shard)
        sizes.append(len(nlp.vocab.strings))
    assert sizes[0] == sizes[-1]


def test_memory_zones_change_nothing_in_a_trained_pipeline(tmp_path):
    """Each shard is tagged as if it were the first, whatever components remember."""
    nlp = trained_pipeline()
    eager(nlp, name="own")
    nlp.to_disk(tmp_path / "model")
    texts = [f"Zorg{i} sold Blee{i} to Microsoft for $ {i}00 in Paris." for i in range(30)]
    (tmp_path / "in.txt").write_text("\n".join(texts))
    settings = {"form": "docbin", "shard_size": 10, "batch_size": 10}
    job = Job(str(tmp_path / "model"), str(tmp_path / "in.txt"), str(tmp_path / "out"), **settings)
    assert do(job).docs == 30
    wanted = list(spacy.load(tmp_path / "model").pipe(texts, batch_size=10))
    vocab = spacy.blank("en").vocab
    found = [
        doc
        for file in sorted((tmp_path / "out").glob("*.spacy"))
        for doc in DocBin().from_disk(file).get_docs(vocab)
    ]

    def shown(docs):
        return [
            [(t.text, t.tag_, t.pos_, str(t.morph), t.lemma_, t.dep_, t.head.i, t.ent_type_)]
            for doc in docs
            for t in doc
        ]

    assert shown(found) == shown(wanted)


class TestDocsThatComponentsKeep:
    """A memory zone that ends makes such docs unusable: their words are gone."""

    @pytest.fixture
    def job(self, model, tmp_path):
        kept = []

        @spacy.Language.component("keeps_docs")
        def keeps_docs(doc):
            kept.append(doc)
            before = kept[0] if len(kept) <= 50 else kept.pop(0)
            doc.user_data["before"] = [token.text for token in before]
            return doc

        keeping = with_component(model, "keeps_docs", tmp_path / "keeping")
        (tmp_path / "in.txt").write_text("".join(f"Zorg{i} met Blee{i}.\n" for i in range(120)))
        names = keeping, str(tmp_path / "in.txt"), str(tmp_path / "out")
        yield Job(*names, form="docbin", shard_size=20)
        del spacy.Language.factories["keeps_docs"]

    def test_they_stay_whole(self, job):
        with pytest.warns(UserWarning, match="keeps docs"):
            counts = do(job)
        assert (counts.docs, counts.failed) == (120, 0)
        vocab = spacy.blank("en").vocab
        files = sorted(Path(job.output).glob("*.spacy"))
        docs = [doc for file in files for doc in DocBin().from_disk(file).get_docs(vocab)]
        assert docs[-1].user_data["before"] == ("Zorg69", "met", "Blee69", ".")

    def test_a_doc_that_holds_itself_is_not_kept(self, model, tmp_path, recwarn):
        spacy.tokens.Doc.set_extension("own_span", default=None, force=True)

        @spacy.Language.component("holds_itself")
        def holds_itself(doc):
            doc._.own_span = doc[:]
            return doc

        holding = with_component(model, "holds_itself", tmp_path / "holding")
        many = make_many(tmp_path / "many.txt", 10)
        do(Job(holding, str(many), str(tmp_path / "out"), shard_size=20))
        assert not [w for w in recwarn if "keeps docs" in str(w.message)]
        spacy.tokens.Doc.remove_extension("own_span")


def test_files_elsewhere_are_named_by_urls(model, corpus, tmp_path):
    """By fsspec, as those of an object store are."""
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/in/a.txt", (corpus / "a.txt").read_bytes())
    memory.pipe_file("/in/deep/b.jsonl", (corpus / "deep" / "b.jsonl").read_bytes())
    memory.pipe_file("/in/c.csv", b"")
    assert annotate(model, corpus, tmp_path / "out").exit_code == 0
    wanted = {name: data for name, data in contents(tmp_path / "out").items() if "part" in name}
    for inputs in ("memory://in", "memory://in/**/*.[tj]*"):
        done = annotate(model, inputs, "memory://out")
        assert done.exit_code == 0, done.output
        for name, data in wanted.items():
            other = memory.cat_file(f"/out/{name}").replace(b"memory:///in/", b"")
            assert other == data.replace(str(corpus).encode() + b"/", b"")
        done = annotate(model, inputs, "memory://out")
        assert "0 docs" in done.output
        assert "10 records were done before; 6 of them failed" in said(done)
        memory.rm("/out", recursive=True)
    assert "matches no file" in annotate(model, "memory://nothing", "memory://out").output
    memory.rm("/in", recursive=True)


def test_entities_have_the_confidence_of_who_found_them(tmp_path):
    """Also with several components: a ruler's and spaCy's entities have none."""
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "RULE", "pattern": "Paris"}])
    eager(nlp, ("FAC",), name="first", seed=1)
    eager(nlp, ("GPE",), name="second", seed=0, spans_key="second")
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "in.txt").write_text(
        "We saw Red Fort in Paris , then Lima and the Tower of London\n" * 3
    )
    done = annotate(tmp_path / "model", tmp_path / "in.txt", tmp_path / "out")
    assert done.exit_code == 0, done.output
    entities = [entity for row in rows(tmp_path / "out") for entity in row["entities"]]
    scores = {entity["label"]: entity["confidence"] for entity in entities}
    assert scores["RULE"] is None
    # Alone, the first component finds its entities just as surely; the second has its own group.
    [row, *_] = rows(tmp_path / "out")
    first = spacy.load(tmp_path / "model", exclude=["second"])(row["text"])
    both = spacy.load(tmp_path / "model")(row["text"])
    wanted = {ent.start_char: confidence(ent) for ent in first.ents if ent.label_ == "FAC"}
    wanted |= {e.start_char: confidence(e, "second") for e in both.ents if e.label_ == "GPE"}
    found = [entity for entity in row["entities"] if entity["label"] != "RULE"]
    assert {entity["label"] for entity in found} == {"FAC", "GPE"}
    assert len(found) == len(wanted)
    for entity in found:
        assert entity["confidence"] == pytest.approx(wanted[entity["start"]], abs=1e-5)
    assert sum(entity["confidence"] < 0.99 for entity in found) > 2
