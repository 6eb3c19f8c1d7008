"""Who does the work of `annotate`: this process, others, Ray; on the pipelines that people have."""

import subprocess
import sys

import pytest
import spacy

from spacy_rnn_tagger.bulk.annotating import run as do
from spacy_rnn_tagger.bulk.job import Job
from tests.bulk.annotated import (
    annotate,
    contents,
    make_corpus,
    make_many,
    rows,
    said,
    trained_pipeline,
    with_component,
)
from tests.conftest import eager

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The folders of trained pipelines: spaCy's alone, and with a component of ours."""
    folder = tmp_path_factory.mktemp("real")
    nlp = trained_pipeline()
    nlp.to_disk(folder / "alone")
    eager(nlp, ("OURS",), candidates=0.2)
    nlp.to_disk(folder / "both")
    return folder


@pytest.fixture
def many(tmp_path):
    return make_many(tmp_path / "many.txt")


@pytest.fixture
def few(tmp_path):
    return make_many(tmp_path / "few.txt", 12)


@pytest.mark.parametrize("name", ["alone", "both"])
def test_trained_pipelines(real, few, tmp_path, name):
    outputs = []
    for n_process in (1, 2):
        out = tmp_path / str(n_process)
        job = Job(str(real / name), str(few), str(out), shard_size=20)
        assert do(job, "local", n_process).failed == 0
        outputs.append(contents(out))
    assert outputs[0] == outputs[1]
    nlp = spacy.load(real / name)
    found = rows(tmp_path / "1")
    wanted = nlp.pipe([row["text"] for row in found])
    for row, doc in zip(found, wanted, strict=True):
        entities = [(e["start"], e["end"], e["label"]) for e in row["entities"]]
        assert entities == [(e.start_char, e.end_char, e.label_) for e in doc.ents]
        confidences = [e["confidence"] is not None for e in row["entities"]]
        assert confidences == [e["label"] == "OURS" for e in row["entities"]]
    labels = {entity["label"] for row in found for entity in row["entities"]}
    assert {"GPE", "CARDINAL"} <= labels
    assert ("OURS" in labels) == (name == "both")


@pytest.mark.parametrize(
    "pipes",
    [
        ["entity_ruler", "rnn_ner"],
        ["rnn_ner", "entity_ruler"],
        ["rnn_ner", "span_ruler", "merge_entities"],
        ["sentencizer", "rnn_ner", "merge_entities"],
        ["senter", "rnn_ner"],
        ["rnn_ner", "second", "merge_entities"],
    ],
)
@pytest.mark.parametrize("form", ["jsonl", "docbin"])
def test_pipelines_with_other_components(tmp_path, pipes, form):
    nlp = spacy.blank("en")
    for name in pipes:
        if name in ("rnn_ner", "second"):
            eager(nlp, ("FAC",) if name == "second" else ("GPE",), name=name, candidates=0.2)
        elif name == "senter":
            pipe = nlp.add_pipe(name)
            example = spacy.training.Example.from_dict(
                nlp.make_doc("Red Fort ."), {"sent_starts": [1, 0, 0]}
            )
            pipe.initialize(lambda example=example: [example], nlp=nlp)
        else:
            pipe = nlp.add_pipe(name)
            if name.endswith("ruler"):
                pipe.add_patterns([{"label": "RULE", "pattern": "Eiffel Tower"}])
    nlp.to_disk(tmp_path / "model")
    lines = make_many(tmp_path / "in.txt", 3)
    job = Job(str(tmp_path / "model"), str(lines), str(tmp_path / "out"), form=form, shard_size=6)
    counts = do(job)
    assert (counts.docs, counts.failed) == (15, 0)
    assert counts.entities == sum(len(doc.ents) for doc in nlp.pipe(lines.read_text().split("\n")))


def test_two_processes_write_the_same(model, many, tmp_path):
    arguments = [sys.executable, "-m", "spacy", "rnn", "annotate", model, many]
    for name, n_process in (("one", "1"), ("two", "2")):
        command = [*arguments, tmp_path / name, "--shard-size", "300", "--n-process", n_process]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(rows(tmp_path / "two")) == 2000


DIES = """
import os
from spacy.language import Language

@Language.component("dies")
def dies(doc):
    return os._exit(9) if doc.text.startswith("37 ") else doc
"""


def test_a_process_that_dies_is_told_with_its_shards(model, many, tmp_path):
    code = tmp_path / "code.py"
    code.write_text(DIES)
    dying = with_component(model, "dies", tmp_path / "dying")
    job = Job(dying, str(many), str(tmp_path / "out"), shard_size=100, code=code)
    with pytest.raises(RuntimeError, match=r"many.txt, records 101 to 200") as caught:
        do(job, "local", 2)
    assert "none of which is written" in " ".join(str(caught.value).split())
    assert not (tmp_path / "out" / "part-00000-00001.jsonl").exists()


def test_a_disk_that_is_full_in_another_process(tmp_path):
    """Also an error that can't be sent between processes is reported."""
    lines = make_many(tmp_path / "in.txt", 4)
    out = tmp_path / "out"
    out.mkdir()
    job = Job("blank:en", str(lines), str(out), shard_size=10)
    job.begin(job.load())
    (out / "part-00000-00001.jsonl").mkdir()  # in the way of a file
    with pytest.raises(OSError, match="part-00000-00001.jsonl"):
        do(job, "local", 2)


class TestRay:
    """The same records from a cluster, here of this machine alone."""

    @pytest.fixture(scope="class", autouse=True)
    def cluster(self):
        ray = pytest.importorskip("ray")
        ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()

    def test_two_actors_write_the_same(self, model, many, tmp_path):
        corpus = make_corpus(tmp_path / "corpus")
        (corpus / "many.txt").write_text(many.read_text())
        size = "--shard-size", 100
        assert annotate(model, corpus, tmp_path / "local", *size).exit_code == 0
        there = [model, corpus, f"file://{tmp_path}/ray", *size, "--engine", "ray"]
        done = annotate(*there, "--n-process", 2)
        assert done.exit_code == 0, done.output
        assert "2,004 docs" in done.output
        assert contents(tmp_path / "ray") == contents(tmp_path / "local")
        # And a second run has nothing to do.
        done = annotate(*there)
        assert done.exit_code == 0, done.output
        assert "0 docs" in done.output
        assert "2,010 records were done before; 6 of them failed" in said(done)

    def test_trained_pipelines(self, real, few, tmp_path):
        for engine in ("local", "ray"):
            names = str(real / "both"), str(few), str(tmp_path / engine)
            assert do(Job(*names, shard_size=20), engine, 2).failed == 0
        assert contents(tmp_path / "ray") == contents(tmp_path / "local")

    def test_what_can_not_be_read_or_written_is_one_message(self, tmp_path):
        (tmp_path / "a.txt.gz").write_text("no gzip")
        job = Job("blank:en", str(tmp_path / "a.txt.gz"), str(tmp_path / "one"))
        with pytest.raises(OSError, match="a.txt.gz is damaged"):
            do(job, "ray", 1)
        (tmp_path / "b.txt").write_text("one")
        job = Job("blank:en", str(tmp_path / "b.txt"), str(tmp_path / "two"))
        job.begin(job.load())
        (tmp_path / "two" / "part-00000-00000.jsonl").mkdir()
        with pytest.raises(OSError, match="part-00000-00000.jsonl"):
            do(job, "ray", 1)

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
            job = Job(dying, str(many), str(tmp_path / engine), shard_size=50, code=code)
            assert do(job, engine, 2).docs == 2000
            assert marker.exists()
            outputs[engine] = contents(tmp_path / engine)
            if engine == "ray":
                assert len(list(seen.iterdir())) > 2  # two, and one that replaces the dead one
        assert outputs["ray"] == outputs["local"]

    def test_a_shard_that_kills_every_actor_is_told(self, model, tmp_path):
        code = tmp_path / "code.py"
        code.write_text(DIES)
        dying = with_component(model, "dies", tmp_path / "dying")
        lines = tmp_path / "lines.txt"
        lines.write_text("".join(f"{i} is one.\n" for i in range(60)))
        job = Job(dying, str(lines), str(tmp_path / "out"), shard_size=20, code=code)
        with pytest.raises(RuntimeError, match=r"at \S+lines.txt, records 21 to 40"):
            do(job, "ray", 1)
