"""`spacy rnn annotate`: whole corpora, stopped and gone on with."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import spacy
import torch
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_rnn_tagger.bulk.job import Annotator, Job
from spacy_rnn_tagger.bulk.sources import find_files, in_shards, read_records
from spacy_rnn_tagger.bulk.tagging import tag_records
from spacy_rnn_tagger.cli import annotate as command
from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.groups import confidence

from .conftest import TRAIN, trained

TEXTS = [text for text, _ in TRAIN]
run = CliRunner().invoke


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    trained(spacy.blank("en")).to_disk(path)
    return str(path)


@pytest.fixture
def corpus(tmp_path):
    """A folder of all kinds of input, with records that can't be read or tagged among them."""
    folder = tmp_path / "corpus"
    (folder / "deep").mkdir(parents=True)
    lines = ["Red Fort is in Delhi.", "", "caf\xe9".encode("latin1"), "Łódź? Nobody came.", "  "]
    raw = [line if isinstance(line, bytes) else line.encode() for line in lines]
    (folder / "a.txt").write_bytes(b"\r\n".join(raw))
    records = [
        {"text": "Lima lies west of Brasília, they say", "id": 7},
        {"body": "no text"},
        {"text": None},
        ["a list"],
        {"text": "half \ud800 of a pair", "id": 8},
        {"text": ""},
    ]
    jsonl = [json.dumps(record) for record in records]
    (folder / "deep" / "b.jsonl").write_text("\n".join([*jsonl[:2], "{", *jsonl[2:]]) + "\n")
    (folder / "ignored.csv").write_text("text\nLima\n")
    return folder


def rows(folder, pattern="part-*.jsonl"):
    files = sorted(Path(folder).glob(pattern))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def contents(folder):
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(Path(folder).rglob("*"))
        if file.is_file()
    }


def expected(model, texts):
    nlp = spacy.load(model)
    return [
        [(e.start_char, e.end_char, e.label_, e.text, pytest.approx(confidence(e), abs=1e-5))]
        for e in (ent for text in texts for ent in nlp(text).ents)
    ]


def test_all_records_come_out_once(model, corpus, tmp_path):
    out = tmp_path / "out"
    done = run(app, ["annotate", model, str(corpus), str(out), "--shard-size", "2"])
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
        "'text' is no",
        "JSONDecodeError",
        "'text' is no",
        "no JSON obj",
    ]
    assert all(why in row["error"] for why, row in zip(reasons, failed, strict=False))
    assert "surrogates not allowed" in failed[-1]["error"]
    assert failed[-1]["text"] == "half \ud800 of a pair"
    assert "6 records failed" in done.output


def with_component(model, name, folder):
    nlp = spacy.load(model)
    if not spacy.Language.has_factory(name):
        spacy.Language.component(name, func=lambda doc: doc)
    nlp.add_pipe(name)
    nlp.to_disk(folder)
    return str(folder)


def test_what_is_there_is_not_done_again(model, corpus, tmp_path):
    arguments = ["annotate", model, str(corpus), str(tmp_path / "out"), "--shard-size", "1"]
    assert run(app, arguments).exit_code == 0
    whole = contents(tmp_path / "out")
    for name in (
        "part-00000-00001.jsonl",
        "errors/part-00000-00001.jsonl",
        "part-00001-00000.jsonl",
    ):
        (tmp_path / "out" / name).unlink()
    (tmp_path / "out" / "part-00001-00000.jsonl.partial").write_text("half")
    kept = tmp_path / "out" / "part-00000-00000.jsonl"
    os.utime(kept, (1, 1))
    done = run(app, arguments)
    assert "1 docs" in done.output  # of the two that were gone, one holds the record that fails
    assert contents(tmp_path / "out") == whole
    assert kept.stat().st_mtime == 1
    assert "0 docs" in run(app, arguments).output


def test_a_run_that_was_killed_at_once_is_gone_on_with(model, corpus, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "annotate.json.partial").write_text("{")
    done = run(app, ["annotate", model, str(corpus), str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert not list((tmp_path / "out").glob("*.partial"))


@pytest.mark.usefixtures("own_threads")
def test_scores_do_not_depend_on_the_number_of_cores(model, corpus, tmp_path):
    @spacy.Language.component("notes_threads")
    def notes_threads(doc):
        seen.append(torch.get_num_threads())
        return doc

    seen: list[int] = []
    noting = with_component(model, "notes_threads", tmp_path / "noting")
    torch.set_num_threads(3)
    command.annotate(Job(noting, str(corpus), str(tmp_path / "out")))
    assert set(seen) == {1}
    assert torch.get_num_threads() == 3


def test_another_job_is_refused(model, corpus, tmp_path):
    arguments = ["annotate", model, str(corpus), str(tmp_path / "out")]
    assert run(app, arguments).exit_code == 0
    done = run(app, [*arguments, "--shard-size", "7"])
    assert done.exit_code == 1
    assert "other settings (shard size)" in done.output
    nlp = trained(spacy.blank("en"), steps=1)
    nlp.to_disk(tmp_path / "other")
    done = run(app, ["annotate", str(tmp_path / "other"), *arguments[2:]])
    assert done.exit_code == 1
    assert "(pipeline)" in done.output
    (corpus / "a.txt").write_text("changed")
    assert "(inputs)" in run(app, arguments).output
    # A folder that holds something else is not written to.
    done = run(app, ["annotate", model, str(corpus), str(corpus)])
    assert done.exit_code == 1
    assert "holds no output" in done.output


@pytest.mark.parametrize("form", ["parquet", "docbin"])
def test_other_forms_hold_the_same(model, corpus, tmp_path, form):
    arguments = ["annotate", model, str(corpus)]
    assert run(app, [*arguments, str(tmp_path / "jsonl")]).exit_code == 0
    for name in ("one", "two"):
        done = run(app, [*arguments, str(tmp_path / name), "--format", form])
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


def test_parquet_is_read(model, tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    texts = [*TEXTS, None] * 300
    table = pa.table({"body": texts, "id": range(len(texts))})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=100)
    arguments = ["annotate", model, str(tmp_path / "*.parquet"), str(tmp_path / "out")]
    done = run(app, arguments)
    assert done.exit_code == 1
    assert "no column 'text', but body, id" in " ".join(done.output.split())
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    done = run(app, [*arguments, "--text-column", "body"])
    assert "torn.parquet: " in " ".join(done.output.split())
    (tmp_path / "torn.parquet").unlink()
    done = run(app, [*arguments, "--text-column", "body"])
    assert done.exit_code == 0, done.output
    found = rows(tmp_path / "out")
    assert [row["text"] for row in found] == TEXTS * 300
    assert [row["meta"]["id"] for row in found] == [i for i, text in enumerate(texts) if text]
    assert len(rows(tmp_path / "out", "errors/*")) == 300


def test_a_book_is_a_record(model, tmp_path):
    (tmp_path / "book.txt").write_text("Red Fort is in Delhi.\nNobody came.\n" * 3)
    arguments = ["annotate", model, str(tmp_path / "book.txt")]
    assert run(app, [*arguments, str(tmp_path / "out"), "--whole-files"]).exit_code == 0
    [row] = rows(tmp_path / "out")
    assert row["text"] == (tmp_path / "book.txt").read_text()
    # A text that is too long for the pipeline is a failure as any other.
    done = run(app, [*arguments, str(tmp_path / "short"), "--max-length", "15"])
    assert done.exit_code == 0
    assert len(rows(tmp_path / "short", "errors/*")) == 3
    assert "[E088]" in rows(tmp_path / "short", "errors/*")[0]["error"]


def test_bad_use_is_told(model, corpus, tmp_path):
    for arguments, message in [
        ([model, "nowhere"], "No file, folder or glob"),
        ([model, str(corpus / "ignored.csv")], "Of no known form"),
        (["nothing", str(corpus)], "Can't find model"),
        ([model, str(corpus), "--format", "csv"], "format must be one of"),
        ([model, str(corpus), "--shard-size", "0"], "shard size must be"),
        ([model, str(corpus), "--batch-size", "0"], "batch size must be"),
        ([model, str(corpus), "--n-process", "0"], "n-process must be"),
        ([model, str(corpus), "--engine", "spark"], "engine must be one of"),
    ]:
        done = run(app, ["annotate", *arguments[:2], str(tmp_path / "out"), *arguments[2:]])
        assert done.exit_code == 1, done.output
        assert message in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()


def test_a_doc_that_fails_takes_no_other_with_it(model, tmp_path):
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
    tagged = tag_records(nlp, list(read_records(str(tmp_path / "in.txt"), "text")), 4)
    assert [each.record.text for each in tagged] == lines
    for each in tagged:
        assert (each.doc is None) == ("Nobody" in each.record.text)
        assert (each.error == "ZeroDivisionError: as planned") == (each.doc is None)
    # The pipeline raises errors again.
    with pytest.raises(ZeroDivisionError):
        list(nlp.pipe(lines))


def test_shards_are_of_one_file_and_not_too_long(tmp_path):
    for name, count in (("a", 5), ("b", 1), ("c", 0), ("d", 4)):
        (tmp_path / f"{name}.txt").write_text("x\n" * count)
    (tmp_path / "e.txt").write_text(("y" * 5_000_000 + "\n") * 3)
    files = find_files(str(tmp_path))
    shards = [s for i, file in enumerate(files) for s in in_shards(i, file, 2, "text")]
    assert [(shard.name, len(shard.records)) for shard in shards] == [
        ("00000-00000", 2),
        ("00000-00001", 2),
        ("00000-00002", 1),
        ("00001-00000", 1),
        ("00003-00000", 2),
        ("00003-00001", 2),
        ("00004-00000", 1),
        ("00004-00001", 1),
        ("00004-00002", 1),
    ]
    total = sum(Path(file).stat().st_size for file in find_files(str(tmp_path)))
    assert sum(shard.n_bytes for shard in shards) == total


@pytest.fixture
def many(tmp_path):
    path = tmp_path / "many.txt"
    path.write_text("".join(f"{number} {text}\n" for number in range(400) for text in TEXTS))
    return path


def test_two_processes_write_the_same(model, many, tmp_path):
    arguments = [sys.executable, "-m", "spacy", "rnn", "annotate", model, many]
    for name, n_process in (("one", "1"), ("two", "2")):
        command = [*arguments, tmp_path / name, "--shard-size", "300", "--n-process", n_process]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(rows(tmp_path / "two")) == 2000


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that nothing survives")
def test_a_killed_run_goes_on(model, many, tmp_path):
    arguments = ["annotate", model, str(many), str(tmp_path / "whole"), "--shard-size", "20"]
    assert run(app, arguments).exit_code == 0
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "spacy", "rnn", *arguments]
    command[command.index(str(tmp_path / "whole"))] = str(out)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(out.glob("part-*.jsonl"))) < 3 and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 3 <= len(list(out.glob("part-*.jsonl"))) < 100
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert contents(out) == contents(tmp_path / "whole")


def test_a_process_that_dies_is_told_with_its_shards(model, many, tmp_path, monkeypatch):
    code = tmp_path / "code.py"
    code.write_text(
        "import os\nfrom spacy.language import Language\n"
        "@Language.component('dies')\n"
        "def dies(doc):\n"
        "    if doc.text.startswith('37 '):\n"
        "        os._exit(9)\n"
        "    return doc\n".replace("\\\n", "\n")
    )
    nlp = spacy.load(model)
    spacy.Language.component("dies", func=lambda doc: doc)
    nlp.add_pipe("dies")
    nlp.to_disk(tmp_path / "dying")
    job = Job(str(tmp_path / "dying"), str(many), str(tmp_path / "out"), shard_size=100, code=code)
    with pytest.raises(RuntimeError, match=r"many.txt, records 101 to 200") as caught:
        command.annotate(job, "local", 2)
    assert "none of which is written" in " ".join(str(caught.value).split())
    assert not (tmp_path / "out" / "part-00000-00001.jsonl").exists()


def test_memory_is_given_back(model, many, tmp_path):
    """Words of a shard are not kept."""
    job = Job(model, str(many), str(tmp_path / "out"), shard_size=100)
    nlp = job.load()
    annotate = Annotator(job, nlp)
    sizes = []
    for shard in job.shards(0):
        annotate(shard)
        sizes.append(len(nlp.vocab.strings))
    assert sizes[0] == sizes[-1]


def test_files_elsewhere_are_named_by_urls(model, corpus, tmp_path):
    """By fsspec, as those of an object store are."""
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe_file("/in/a.txt", (corpus / "a.txt").read_bytes())
    memory.pipe_file("/in/deep/b.jsonl", (corpus / "deep" / "b.jsonl").read_bytes())
    memory.pipe_file("/in/c.csv", b"")
    here = ["annotate", model, str(corpus), str(tmp_path / "out")]
    assert run(app, here).exit_code == 0
    wanted = {name: data for name, data in contents(tmp_path / "out").items() if "part" in name}
    for inputs in ("memory://in", "memory://in/**/*.[tj]*"):
        there = ["annotate", model, inputs, "memory://out"]
        assert run(app, there).exit_code == 0
        for name, data in wanted.items():
            other = memory.cat_file(f"/out/{name}").replace(b"memory:///in/", b"")
            assert other == data.replace(str(corpus).encode() + b"/", b"")
        assert "0 docs" in run(app, there).output
        memory.rm("/out", recursive=True)
    assert "No file" in run(app, ["annotate", model, "memory://nothing", "memory://out"]).output


class TestRay:
    """The same records from a cluster, here of this machine alone."""

    @pytest.fixture(scope="class", autouse=True)
    def cluster(self):
        ray = pytest.importorskip("ray")
        ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()

    def test_two_actors_write_the_same(self, model, corpus, many, tmp_path):
        (corpus / "many.txt").write_text(many.read_text())
        arguments = ["annotate", model, str(corpus)]
        assert run(app, [*arguments, str(tmp_path / "local"), "--shard-size", "100"]).exit_code == 0
        there = [*arguments, f"file://{tmp_path}/ray", "--shard-size", "100"]
        done = run(app, [*there, "--engine", "ray", "--n-process", "2"])
        assert done.exit_code == 0, done.output
        assert "2,004 docs" in done.output
        assert contents(tmp_path / "ray") == contents(tmp_path / "local")
        # And a second run has nothing to do.
        done = run(app, [*there, "--engine", "ray"])
        assert done.exit_code == 0, done.output
        assert "0 docs" in done.output

    def test_actors_share_a_file_and_nothing_is_lost_with_one(self, model, many, tmp_path):
        code = tmp_path / "code.py"
        marker, seen = tmp_path / "died", tmp_path / "seen"
        seen.mkdir()
        code.write_text(
            f"""
import os, time
from pathlib import Path
from spacy.language import Language

@Language.component("dies_once")
def dies_once(doc):
    marker, seen = Path({str(marker)!r}), Path({str(seen)!r})
    (seen / str(os.getpid())).touch()
    for _ in range(3000):  # no shard is done before two actors have one
        if len(list(seen.iterdir())) > 1:
            break
        time.sleep(0.1)
    if doc.text.startswith("37 ") and not marker.exists():
        marker.touch()
        os._exit(9)
    return doc
"""
        )
        dying = with_component(model, "dies_once", tmp_path / "dying")
        outputs = {}
        for engine in ("ray", "local"):  # the local one comes when there is a marker
            settings = {"output": str(tmp_path / engine), "shard_size": 50, "code": code}
            job = Job(dying, str(many), **settings)
            assert command.annotate(job, engine, 2).docs == 2000
            assert marker.exists()
            outputs[engine] = contents(tmp_path / engine)
            if engine == "ray":
                assert len(list(seen.iterdir())) > 2  # two, and one in the place of the dead one
        assert outputs["ray"] == outputs["local"]

    def test_a_shard_that_kills_every_actor_is_told(self, model, tmp_path):
        code = tmp_path / "code.py"
        code.write_text(
            """
import os
from spacy.language import Language

@Language.component("dies")
def dies(doc):
    return os._exit(9) if doc.text.startswith("37 ") else doc
"""
        )
        dying = with_component(model, "dies", tmp_path / "dying")
        lines = tmp_path / "lines.txt"
        lines.write_text("".join(f"{i} is one.\n" for i in range(60)))
        settings = {"output": str(tmp_path / "out"), "shard_size": 20, "code": code}
        with pytest.raises(RuntimeError, match=r"at \S+lines.txt, records 21 to 40"):
            command.annotate(Job(dying, str(lines), **settings), "ray", 1)
