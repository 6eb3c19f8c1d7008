"""`annotate`, stopped and continued: what is done is not done again, and nothing is mixed in."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import fsspec
import numpy as np
import pytest
import spacy
from spacy.kb import InMemoryLookupKB
from spacy.vectors import Vectors

from spacy_rnn_tagger.bulk import identity
from spacy_rnn_tagger.bulk.annotating import run as do
from spacy_rnn_tagger.bulk.identity import differences, pipeline_facts, version_facts
from spacy_rnn_tagger.bulk.job import Job
from tests.bulk.annotated import annotate, contents, make_many, rows, said
from tests.conftest import eager, trained

pytestmark = pytest.mark.slow


def test_what_is_there_is_not_done_again(model, corpus, tmp_path):
    arguments = [model, corpus, tmp_path / "out", "--shard-size", 1]
    assert annotate(*arguments).exit_code == 0
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
    done = annotate(*arguments)
    assert "1 doc," in done.output  # of the two that were gone, one holds the record that fails
    assert "1 record failed" in done.output
    assert "8 records were done before; 5 of them failed" in said(done)
    assert contents(tmp_path / "out") == whole
    assert kept.stat().st_mtime == 1
    done = annotate(*arguments)
    assert "0 docs" in done.output
    assert "10 records were done before; 6 of them failed" in said(done)


def test_a_run_that_was_killed_at_once_is_continued(model, corpus, tmp_path):
    (tmp_path / "out" / "errors").mkdir(parents=True)
    (tmp_path / "out" / "annotate.json.1-ab.partial").write_text("{")
    (tmp_path / "out" / "errors" / "part.jsonl.1-ab.partial").write_text("{")
    done = annotate(model, corpus, tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "done before" not in done.output


def test_the_errors_of_a_shard_that_was_never_written_are_forgotten(tmp_path):
    """It failed then, for want of memory, say, and doesn't now."""
    (tmp_path / "in.txt").write_text("one\ntwo\n")
    job = Job("blank:en", str(tmp_path / "in.txt"), str(tmp_path / "out"))
    job.begin(job.load())
    (tmp_path / "out" / "errors").mkdir()
    (tmp_path / "out" / "errors" / "part-00000-00000.jsonl").write_text('{"error": "before"}\n')
    assert do(job).docs == 2
    assert not rows(tmp_path / "out", "errors/*")
    again = do(job)
    assert (again.before, again.failed_before) == (2, 0)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that nothing survives")
def test_a_killed_run_is_continued(model, tmp_path):
    many = make_many(tmp_path / "many.txt")
    arguments = [model, str(many), str(tmp_path / "whole"), "--shard-size", "20"]
    assert annotate(*arguments).exit_code == 0
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "spacy", "rnn", "annotate", *arguments]
    command[command.index(str(tmp_path / "whole"))] = str(out)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(out.glob("part-*.jsonl"))) < 3 and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 3 <= len(list(out.glob("part-*.jsonl"))) < 100
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "records were done before; 0 of them failed" in done.stdout
    assert contents(out) == contents(tmp_path / "whole")


def test_another_job_is_refused(model, corpus, tmp_path):
    arguments = [model, corpus, tmp_path / "out"]
    assert annotate(*arguments).exit_code == 0
    done = annotate(*arguments, "--shard-size", 7)
    assert done.exit_code == 1
    assert "other settings: shard size: 2000 before, 7 now" in said(done)
    assert "text column" not in said(done)
    trained(spacy.blank("en"), steps=1).to_disk(tmp_path / "other")
    done = annotate(tmp_path / "other", *arguments[1:])
    assert done.exit_code == 1
    assert "pipeline: rnn_ner/model" in said(done)
    # Also files of the same name and size.
    content = (corpus / "a.txt").read_bytes()
    (corpus / "a.txt").write_bytes(content.replace(b"Delhi", b"Paris"))
    done = annotate(*arguments)
    assert done.exit_code == 1
    assert f"inputs: {corpus}/a.txt" in done.output.replace("\n", "")
    (corpus / "a.txt").write_bytes(content)
    assert annotate(*arguments).exit_code == 0
    # A folder that holds something else is not written to, nor one with a torn note.
    done = annotate(model, corpus, corpus)
    assert done.exit_code == 1
    assert "holds no output" in said(done)
    for torn in ("{", "[1]", "null"):
        (tmp_path / "out" / "annotate.json").write_text(torn)
        done = annotate(*arguments)
        assert done.exit_code == 1
        assert "should describe how this output was begun" in said(done)


def test_long_inputs_are_compared_by_samples(tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_rnn_tagger.bulk.job._FINGERPRINTS", 1 << 16)
    path = tmp_path / "in.txt"
    content = bytearray(b"word " * 40_000)
    path.write_bytes(content)
    job = Job("blank:en", str(path), str(tmp_path / "out"), whole=True)
    do(job)
    do(job)
    for place in (0, len(content) - 1):  # the first and the last byte are among them
        changed = content.copy()
        changed[place] = ord("x")
        path.write_bytes(changed)
        with pytest.raises(ValueError, match=r"inputs: .*in.txt"):
            do(job)


def test_stores_tell_digests(monkeypatch, tmp_path):
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/tagged/a.txt", b"one")
    tags = {"ETag": "1"}
    info = type(memory).info
    monkeypatch.setattr(type(memory), "info", lambda self, path: {**info(self, path), **tags})
    job = Job("blank:en", "memory://tagged", str(tmp_path / "out"))
    do(job)
    do(job)
    tags["ETag"] = "2"
    with pytest.raises(ValueError, match="inputs: memory:"):
        do(job)
    memory.rm("/tagged", recursive=True)


class TestPipelines:
    """Any change of a pipeline that can change its output is noticed."""

    @pytest.fixture(scope="class")
    def original(self, tmp_path_factory):
        """Save a pipeline that has a file of each kind."""
        nlp = spacy.blank("en")
        nlp.vocab.vectors = Vectors(data=np.ones((2, 3), dtype="f"), keys=["Delhi", "Fort"])
        nlp.vocab.lookups.add_table("own", {"a": "b"})
        nlp.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "Delhi"}])
        nlp.add_pipe("span_ruler").add_patterns([{"label": "GPE", "pattern": "Lima"}])
        nlp.add_pipe("attribute_ruler").add([[{"ORTH": "x"}]], {"TAG": "Y"})
        nlp.add_pipe("sentencizer")
        eager(nlp)
        linker = nlp.add_pipe("entity_linker", config={"use_gold_ents": False})
        kb = InMemoryLookupKB(nlp.vocab, entity_vector_length=3)
        kb.add_entity("Q1", 10, [1, 2, 3])
        kb.add_alias("Delhi", ["Q1"], [0.5])
        linker.kb = kb
        nlp.disable_pipe("entity_linker")  # it is not trained
        folder = tmp_path_factory.mktemp("original")
        nlp.to_disk(folder)
        return folder

    def save_changed(self, original, folder, change):
        nlp = spacy.load(original)
        change(nlp)
        nlp.to_disk(folder)

    def changes(self):
        def ruler(nlp):
            nlp.get_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "Lima"}])

        def span_ruler(nlp):
            nlp.get_pipe("span_ruler").add_patterns([{"label": "GPE", "pattern": "Oslo"}])

        def attribute_ruler(nlp):
            nlp.get_pipe("attribute_ruler").add([[{"ORTH": "z"}]], {"TAG": "Y"})

        def exceptions(nlp):
            nlp.tokenizer.add_special_case("gimme", [{"ORTH": "gim"}, {"ORTH": "me"}])

        def vectors(nlp):
            nlp.vocab.vectors.data[0, 0] = 2

        def lookups(nlp):
            nlp.vocab.lookups.get_table("own")["a"] = "c"

        def kb(nlp):
            nlp.get_pipe("entity_linker").kb.add_alias("Lima", ["Q1"], [0.5])

        def weights(nlp):
            node = nlp.get_pipe("rnn_ner").model.get_ref("output_layer")
            name = node.param_names[0]
            node.set_param(name, node.get_param(name) + 1)

        def sentences(nlp):
            nlp.get_pipe("sentencizer").punct_chars.add("~")

        return {
            "entity_ruler/patterns.jsonl": ruler,
            "span_ruler/patterns": span_ruler,
            "attribute_ruler/patterns": attribute_ruler,
            "tokenizer": exceptions,
            "vocab/vectors": vectors,
            "vocab/lookups.bin": lookups,
            "entity_linker/kb/contents": kb,
            "rnn_ner/model": weights,
            "sentencizer": sentences,
        }

    def test_each_is_told(self, original, tmp_path):
        (tmp_path / "in.txt").write_text("Red Fort is in Delhi.\n")
        (tmp_path / "code.py").write_text("x = 1\n")
        folder = tmp_path / "model"
        shutil.copytree(original, folder)
        settings = {"code": tmp_path / "code.py"}
        job = Job(str(folder), str(tmp_path / "in.txt"), str(tmp_path / "out"), **settings)
        nlp = job.load()
        job.begin(nlp)
        job.begin(nlp)
        for file, change in self.changes().items():
            shutil.rmtree(folder)
            self.save_changed(original, folder, change)
            assert spacy.load(folder).config.to_str() == nlp.config.to_str(), file
            with pytest.raises(ValueError, match=f"pipeline: .*{file}"):
                job.begin(spacy.load(folder))

        shutil.rmtree(folder)
        shutil.copytree(original, folder)
        job.begin(job.load())
        # The settings that a component saves: the network and the config are the same.
        cfg = folder / "rnn_ner" / "cfg"
        saved = json.loads(cfg.read_text())
        cfg.write_text(json.dumps({**saved, "threshold": 0.9}))
        with pytest.raises(ValueError, match=r"pipeline: rnn_ner/cfg\n"):
            job.begin(nlp)
        cfg.write_text(json.dumps(saved))
        # A file that is new, and a config that is not the folder's.
        (folder / "entity_linker" / "more").write_text("x")
        with pytest.raises(ValueError, match="pipeline: entity_linker/more"):
            job.begin(nlp)
        (folder / "entity_linker" / "more").unlink()
        other = spacy.load(folder, disable=["entity_ruler"])
        with pytest.raises(ValueError, match=r"pipeline: \(config in use\)"):
            job.begin(other)
        (tmp_path / "code.py").write_text("x = 2\n")
        with pytest.raises(ValueError, match=r"code: --code\n"):
            job.begin(nlp)

    def test_a_copy_elsewhere_is_the_same(self, original, tmp_path):
        (tmp_path / "in.txt").write_text("Red Fort is in Delhi.\n")
        shutil.copytree(original, tmp_path / "copy")
        names = str(tmp_path / "in.txt"), str(tmp_path / "out")
        assert do(Job(str(original), *names)).docs == 1
        assert do(Job(str(tmp_path / "copy"), *names)).before == 1

    def test_the_digest_is_the_same_in_another_process(self, original):
        """Whatever the order of its sets; also of a pipeline without a folder."""
        program = (
            "import json, sys, spacy\n"
            "from spacy_rnn_tagger.bulk.identity import pipeline_facts\n"
            "print(json.dumps([pipeline_facts(spacy.load(name)) for name in sys.argv[1:]]))\n"
        )
        names = [str(original), "blank:en", "blank:fr", "blank:hu"]
        command = [sys.executable, "-c", program, *names]
        found = [
            json.loads(subprocess.check_output(command, env={**os.environ, "PYTHONHASHSEED": seed}))
            for seed in ("1", "2")
        ]
        assert found[0] == found[1]
        assert found[0] == [pipeline_facts(spacy.load(name)) for name in names]

    def test_a_pipeline_without_a_folder_is_hashed_as_a_whole(self):
        nlp = spacy.blank("en")
        before = pipeline_facts(nlp)
        nlp.tokenizer.add_special_case("gimme", [{"ORTH": "gim"}, {"ORTH": "me"}])
        [line] = differences({"pipeline": before}, {"pipeline": pipeline_facts(nlp)})
        assert line.startswith("pipeline: tokenizer")

    def test_big_files_are_read_in_blocks(self, tmp_path):
        import hashlib

        (tmp_path / "big").write_bytes(b"x" * 3_000_001)
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "small").write_bytes(b"")
        assert identity.hash_files(tmp_path) == {
            "big": hashlib.sha256(b"x" * 3_000_001).hexdigest(),
            "deep/small": hashlib.sha256(b"").hexdigest(),
        }


class TestVersions:
    def test_they_count(self, tmp_path, monkeypatch):
        (tmp_path / "in.txt").write_text("one\n")
        job = Job("blank:en", str(tmp_path / "in.txt"), str(tmp_path / "out"))
        do(job)
        real = identity.version
        monkeypatch.setattr(
            identity, "version", lambda name: "0.0" if name == "numpy" else real(name)
        )
        with pytest.raises(ValueError, match=r"versions: numpy\n"):
            do(job)

    def test_packages_that_extend_spacy_are_among_them(self, tmp_path, monkeypatch):
        info = tmp_path / "acme_pipes-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-pipes\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text("[spacy_factories]\nacme = acme:make\n")
        other = tmp_path / "other-3.dist-info"
        other.mkdir()
        (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 3\n")
        before = version_facts()
        assert {"spacy", "thinc", "numpy", "spacy-rnn-tagger"} <= before.keys()
        monkeypatch.syspath_prepend(str(tmp_path))
        assert version_facts() == {**before, "acme-pipes": "1.2"}


def test_of_many_changes_some_are_named():
    before = {f"file {i}": "a" for i in range(9)}
    after = {f"file {i}": "b" for i in range(9)}
    assert differences({"pipeline": before}, {"pipeline": after}) == [
        "pipeline: file 0, file 1, file 2, file 3, file 4 and 4 more"
    ]
    before = {"news": {"settings": {"weight": 1, "labels": None}, "files": {"a": "1"}}, "old": {}}
    after = {"news": {"settings": {"weight": 2, "labels": None}, "files": {"a": "1"}}, "new": {}}
    assert differences({"gold": before}, {"gold": after}) == [
        "gold: new, news.settings.weight, old"
    ]
    assert differences({}, {"pipeline": after, "size": 1}) == [
        "pipeline: not recorded before",
        "size: not recorded before",
    ]
