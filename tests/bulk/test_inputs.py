"""What `annotate` reads: which files, which records of them, and what it makes of odd ones."""

import base64
import gzip
import json
import os
import sys
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from spacy_rnn_tagger.bulk.annotating import run as do
from spacy_rnn_tagger.bulk.job import Job
from spacy_rnn_tagger.bulk.sources import find_inputs, in_shards, read_records
from spacy_rnn_tagger.formats import storage
from spacy_rnn_tagger.formats.base import Reading
from tests.bulk.annotated import TEXTS, annotate, contents, rows, said

BLANK = "blank:en"
BOM = b"\xef\xbb\xbf"


def names(found):
    return [Path(name).name for name in found]


def texts_of(path, **settings):
    return [record.text for record in read_records(str(path), Reading(**settings))]


class TestFiles:
    def test_compressed_ones_are_read_and_what_is_skipped_is_named(self, tmp_path):
        folder = tmp_path / "in"
        folder.mkdir()
        (folder / "a.txt").write_text("one\n")
        (folder / "B.TXT.GZ").write_bytes(gzip.compress(b"two\nthree\n"))
        (folder / "c.jsonl.gz").write_bytes(gzip.compress(b'{"text": "four"}\n'))
        (folder / "d.Jsonl").write_text('{"text": "five"}\n')
        for name in ("e.csv", "f.csv", "g.parquet.gz", "README"):
            (folder / name).write_text("text\nno\n")
        done = annotate(BLANK, folder, tmp_path / "out")
        assert done.exit_code == 0, done.output
        assert {row["text"] for row in rows(tmp_path / "out")} == {
            *("one", "two", "three", "four", "five")
        }
        assert "Skipped 4 files (2 .csv, 1 no suffix, 1 .gz): " in said(done)
        assert "README" in said(done)
        assert "e.csv" in said(done)
        # Named, or found by a glob, such a file is an error.
        for pattern in ("e.csv", "*.csv", "g.parquet.gz"):
            with pytest.raises(ValueError, match=r"Unknown format of .*\.gz"):
                find_inputs(str(folder / pattern))
        assert not find_inputs(str(folder / "*.txt")).skipped

    @pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.jsonl", "a.jsonl.gz", "a.parquet"])
    @pytest.mark.parametrize("whole", [False, True])
    def test_the_sizes_of_records_add_up_to_the_files(self, tmp_path, name, whole):
        path = tmp_path / name
        lines = [f"line {i} {os.urandom(30).hex()}" for i in range(3000)]
        if name.endswith("parquet"):
            pa = pytest.importorskip("pyarrow")
            pq = pytest.importorskip("pyarrow.parquet")
            pq.write_table(pa.table({"text": lines}), path)
        else:
            if "jsonl" in name:
                lines = [json.dumps({"text": line}) for line in lines]
            content = BOM + "\n\n".join([*lines, " ", ""]).encode()
            path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        records = list(read_records(str(path), Reading(whole=whole)))
        sizes = [record.n_bytes for record in records]
        assert sum(sizes) == path.stat().st_size
        if len(sizes) > 1:  # progress is shown along the file, and not at its end
            half = sum(sizes[: len(sizes) // 2]) / sum(sizes)
            assert 0.3 < half < 0.7

    def test_names_may_have_the_characters_of_globs(self, tmp_path, memory):
        folder = tmp_path / "in[1]"
        folder.mkdir()
        (folder / "a[2]?*.txt").write_text(
            "one\n\ud800".encode("utf-8", "surrogatepass").decode("latin1")
        )
        (folder / "a2.txt").write_text("another")
        assert names(find_inputs(str(folder / "a[2]?*.txt")).files) == ["a[2]?*.txt"]
        assert names(find_inputs(str(folder)).files) == ["a2.txt", "a[2]?*.txt"]
        memory.pipe_file("/in[1]/a[2]?*.txt", b"one")
        memory.pipe_file("/in[1]/a2.txt", b"another")
        assert names(find_inputs("memory://in[1]/a[2]?*.txt").files) == ["a[2]?*.txt"]
        assert names(find_inputs("memory://in[1]").files) == ["a2.txt", "a[2]?*.txt"]
        for out in (tmp_path / "out[1]", "memory://out[1]", tmp_path / "errors", "memory://errors"):
            (folder / "bad.txt").write_bytes(b"caf\xe9\n")
            job = Job(BLANK, str(folder), str(out), shard_size=1)
            assert do(job).failed == 1
            assert names(job.written().failures()) == ["part-00002-00000.jsonl"]
            again = do(Job(BLANK, str(folder), str(out), shard_size=1))
            assert (again.docs, again.before, again.failed_before) == (0, 4, 1)

    def test_links_to_folders_are_followed_and_loops_end(self, tmp_path):
        (tmp_path / "there" / "deep").mkdir(parents=True)
        (tmp_path / "there" / "deep" / "a.txt").write_text("one")
        (tmp_path / "here").mkdir()
        try:
            (tmp_path / "here" / "link").symlink_to(tmp_path / "there")
            (tmp_path / "there" / "loop").symlink_to(tmp_path / "there")
        except OSError:
            pytest.skip("no links on this system")
        found = find_inputs(str(tmp_path / "here")).files
        assert found == [str(tmp_path / "here" / "link" / "deep" / "a.txt")]

    @pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
    @pytest.mark.parametrize("form", ["jsonl", "parquet", "docbin"])
    def test_a_name_that_is_not_utf8(self, tmp_path, form):
        folder = os.fsencode(tmp_path) + b"/in"
        Path(os.fsdecode(folder)).mkdir()
        Path(os.fsdecode(folder + b"/caf\xe9.txt")).write_text("one")
        counts = do(Job(BLANK, os.fsdecode(folder), str(tmp_path / "out"), form=form))
        assert (counts.docs, counts.failed) == (1, 0)
        if form == "jsonl":
            assert rows(tmp_path / "out")[0]["source"].endswith("in/caf\\xe9.txt")


class TestOutputsAreNoInput:
    @pytest.mark.parametrize("remote", [False, True])
    def test_the_output_may_be_below_the_input(self, tmp_path, memory, remote):
        root = "memory://data" if remote else str(tmp_path)
        storage.write(f"{root}/a.jsonl", b'{"text": "one"}\n{"text": "two"}\n')
        storage.write(f"{root}/deep/b.jsonl", b'{"text": "three"}\n')
        for pattern in (root, f"{root}/**/*.jsonl"):
            out = f"{root}/deep/out"
            for before in (0, 3):
                counts = do(Job(BLANK, pattern, out))
                assert (counts.docs, counts.before) == (3 - before, before)
            # The output of another job is left out of a folder too, and named.
            if pattern == root:
                other = Job(BLANK, root, f"{root}/second")
                assert do(other).docs == 3
                assert "deep/out/annotate.json" in other.skipped
            for name in storage.names_in(root):
                if "out/" in name or "second/" in name:
                    storage.remove(f"{root}/{name}")

    def test_by_whatever_way_they_are_written(self, tmp_path, monkeypatch):
        (tmp_path / "a.txt").write_text("one")
        (tmp_path / "x").mkdir()
        monkeypatch.chdir(tmp_path)
        for pattern, out in [
            (".", f"{tmp_path}/out"),
            (str(tmp_path), "./x/../out"),
            (f"file://{tmp_path}", "out"),
            (".", f"file://{tmp_path}/out"),
        ]:
            counts = do(Job(BLANK, pattern, out))
            assert (counts.docs, counts.before) == (1, 0), (pattern, out)
            counts = do(Job(BLANK, pattern, out))
            assert (counts.docs, counts.before) == (0, 1), (pattern, out)
            for path in (tmp_path / "out").iterdir():
                path.unlink()

    def test_a_folder_with_other_files_is_refused(self, tmp_path):
        (tmp_path / "a.txt").write_text("one")
        for pattern in (tmp_path, tmp_path / "*.txt"):
            done = annotate(BLANK, pattern, tmp_path)
            assert done.exit_code == 1
            assert "holds no output" in said(done)


class TestLines:
    @pytest.mark.parametrize("suffix", ["", ".gz"])
    def test_a_byte_order_mark_is_one_only_where_a_file_begins(self, tmp_path, suffix):
        def write(name, content):
            path = tmp_path / (name + suffix)
            path.write_bytes(gzip.compress(content) if suffix else content)
            return path

        path = write("a.txt", BOM + b"one\n" + BOM + b"two\n")
        assert texts_of(path) == ["one", "\ufefftwo"]
        assert texts_of(path, whole=True) == ["one\n\ufefftwo\n"]
        path = write("a.jsonl", BOM + b'{"text": "one"}\n' + BOM + b'{"text": "two"}\n')
        first, second = read_records(str(path))
        assert (first.text, first.error) == ("one", None)
        assert "BOM" in second.error
        assert second.raw == BOM + b'{"text": "two"}'

    def test_line_ends_are_those_of_all_commands(self, tmp_path):
        (tmp_path / "a.txt").write_bytes(b"one\r\ntwo\rthree\n\n \t\nfour\x85five\xe2\x80\xa8six")
        records = list(read_records(str(tmp_path / "a.txt")))
        assert [(record.number, record.text) for record in records[:3]] == [
            (1, "one"),
            (2, "two"),
            (3, "three"),
        ]
        assert records[3].number == 6
        assert records[3].raw == b"four\x85five\xe2\x80\xa8six"  # no UTF-8, and one line
        assert len(records) == 4

    def test_empty_files_and_blank_texts(self, tmp_path):
        (tmp_path / "a.txt").write_bytes(b"")
        (tmp_path / "b.jsonl").write_text('\n{"text": ""}\n{"text": " \\n"}\n')
        (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b""))
        assert do(Job(BLANK, str(tmp_path), str(tmp_path / "out"))).docs == 2
        assert [row["text"] for row in rows(tmp_path / "out")] == ["", " \n"]

    def test_keys_that_repeat_and_texts_of_another_type_fail(self, tmp_path):
        lines = [
            '{"text": "one", "text": "two"}',
            '{"text": "one", "deep": [{"a": 1, "a": 2}]}',
            '{"text": 3}',
            '{"text": ["one"]}',
            '{"text": null}',
            '"text"',
            '{"text": "one", "n": ' + "9" * 5000 + "}",
            '{"text": "one", "deep": ' + "[" * 3000 + "]" * 3000 + "}",
            '{"text": "last"}',
        ]
        (tmp_path / "a.jsonl").write_text("\n".join(lines))
        *bad, last = read_records(str(tmp_path / "a.jsonl"))
        assert (last.text, last.error) == ("last", None)
        assert [record.raw.decode() for record in bad] == lines[:-1]
        assert "'text' must appear once in a record, but appears 2 times" in bad[0].error
        assert "'a' must appear once" in bad[1].error
        assert all("with 'text', a string, but got" in record.error for record in bad[2:5])
        assert "must be a JSON object, but got 'text'" in bad[5].error
        assert "digits" in bad[6].error
        assert "RecursionError" in bad[7].error

    def test_numbers_that_json_does_not_have_become_strings(self, tmp_path):
        (tmp_path / "a.jsonl").write_text(
            '{"text": "one", "a": NaN, "b": [Infinity, {"c": -Infinity}], "d": 1e999, "e": 1.5}\n'
        )
        wanted = {
            "a": "NaN",
            "b": ["Infinity", {"c": "-Infinity"}],
            "d": "Infinity",
            "e": 1.5,
        }
        do(Job(BLANK, str(tmp_path / "a.jsonl"), str(tmp_path / "out")))
        [row] = rows(tmp_path / "out")
        assert row["meta"] == wanted
        pq = pytest.importorskip("pyarrow.parquet")
        do(Job(BLANK, str(tmp_path / "a.jsonl"), str(tmp_path / "table"), form="parquet"))
        [file] = (tmp_path / "table").glob("*.parquet")
        [meta] = pq.read_table(file)["meta"].to_pylist()
        assert json.loads(meta, parse_constant=pytest.fail) == wanted

    def test_a_damaged_file_ends_the_run_and_keeps_what_is_written(self, tmp_path):
        whole = gzip.compress(
            b"".join(b"%d %s\n" % (i, os.urandom(20).hex().encode()) for i in range(9000))
        )
        for cut, content in {"cut": whole[: len(whole) // 2], "no": b"no gzip"}.items():
            path = tmp_path / f"{cut}.txt.gz"
            path.write_bytes(content)
            with pytest.raises(OSError, match=f"{cut}.txt.gz is damaged"):
                do(Job(BLANK, str(path), str(tmp_path / cut), shard_size=1000))
        assert len(rows(tmp_path / "cut")) in (3000, 4000)

    def test_shards_are_of_one_file_and_not_too_long(self, tmp_path):
        for name, count in (("a", 5), ("b", 1), ("c", 0), ("d", 4)):
            (tmp_path / f"{name}.txt").write_text("x\n" * count)
        (tmp_path / "e.txt").write_text(("y" * 5_000_000 + "\n") * 3)
        (tmp_path / "f.jsonl").write_text(("y" * 5_000_000 + "\n") * 3)  # which can't be read
        files = find_inputs(str(tmp_path)).files
        shards = [s for i, file in enumerate(files) for s in in_shards(i, file, 2)]
        assert [(shard.name, len(shard.records)) for shard in shards] == [
            ("00000-00000", 2),
            ("00000-00001", 2),
            ("00000-00002", 1),
            ("00001-00000", 1),
            ("00003-00000", 2),
            ("00003-00001", 2),
            *((f"0000{file}-0000{part}", 1) for file in (4, 5) for part in range(3)),
        ]
        total = sum(Path(file).stat().st_size for file in files)
        assert sum(shard.n_bytes for shard in shards) == total


class TestParquet:
    @pytest.fixture(autouse=True)
    def arrow(self):
        self.pa = pytest.importorskip("pyarrow")
        self.pq = pytest.importorskip("pyarrow.parquet")

    def test_it_is_read(self, tmp_path):
        texts = [*TEXTS, None] * 300
        table = self.pa.table({"body": texts, "id": range(len(texts))})
        self.pq.write_table(table, tmp_path / "in.parquet", row_group_size=100)
        arguments = [BLANK, tmp_path / "*.parquet", tmp_path / "out"]
        done = annotate(*arguments)
        assert done.exit_code == 1
        assert "no column 'text'. Choose from its columns with --text-column: body, id" in said(
            done
        )
        (tmp_path / "torn.parquet").write_bytes(b"PAR1")
        done = annotate(*arguments, "--text-column", "body")
        assert "torn.parquet can't be read as Parquet: " in said(done)
        (tmp_path / "torn.parquet").unlink()
        done = annotate(*arguments, "--text-column", "body")
        assert done.exit_code == 0, done.output
        found = rows(tmp_path / "out")
        assert [row["text"] for row in found] == TEXTS * 300
        assert [row["meta"]["id"] for row in found] == [i for i, text in enumerate(texts) if text]
        failed = rows(tmp_path / "out", "errors/*")
        assert [row["meta"]["id"] for row in failed] == [i for i, t in enumerate(texts) if not t]

    def test_a_cell_that_can_not_be_read_fails_alone(self, tmp_path):
        pa = self.pa
        raw = pa.array([b"one", b"caf\xe9", b"two"])
        text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
        columns = {
            "text": text,
            "when": pa.array([1, 2, 10**18 + 1], pa.timestamp("ns")),
            "score": [float("nan"), 1.0, float("inf")],
        }
        self.pq.write_table(pa.table(columns), tmp_path / "in.parquet")
        do(Job(BLANK, str(tmp_path / "in.parquet"), str(tmp_path / "out")))
        found = rows(tmp_path / "out")
        assert [row["text"] for row in found] == ["one", "two"]
        assert [row["meta"]["score"] for row in found] == ["NaN", "Infinity"]
        assert found[1]["meta"]["when"].startswith("2001-09-09 01:46:40.000000001")
        [failed] = rows(tmp_path / "out", "errors/*")
        assert "UnicodeDecodeError" in failed["error"]
        assert base64.b64decode(failed["raw_base64"]) == b"caf\xe9"
        assert failed["meta"]["score"] == 1.0

    def test_text_without_a_logical_type_is_text(self, tmp_path):
        """As some programs write it: bytes."""
        table = self.pa.table({"text": self.pa.array(["Łódź".encode()], self.pa.binary())})
        self.pq.write_table(table, tmp_path / "in.parquet")
        assert texts_of(tmp_path / "in.parquet") == ["Łódź"]


class Web(MemoryFileSystem):
    """What fsspec makes of a web server, in memory: any name is a file, and none a known size."""

    protocol = ("http", "https")
    root_marker = ""
    asked: list[str] = []

    @classmethod
    def _strip_protocol(cls, path):
        return path

    def unstrip_protocol(self, name):
        return name

    def isdir(self, path):
        self.asked.append(path)
        return False

    def isfile(self, path):
        return path in pages

    def size(self, path):
        return None

    def info(self, path, **settings):
        if path not in pages:
            raise FileNotFoundError(path)
        return {"name": path, "type": "file", "size": None}

    def glob(self, path, **settings):
        raise AssertionError(f"{path} is no glob")

    def open(self, path, mode="rb", **settings):
        import io

        return io.BytesIO(pages[path])

    def makedirs(self, path, exist_ok=False):
        raise NotImplementedError


pages: dict[str, bytes] = {}


@pytest.fixture
def web(monkeypatch):
    fs = Web(skip_instance_cache=True)
    original = fsspec.core.url_to_fs
    monkeypatch.setattr(
        "fsspec.core.url_to_fs",
        lambda url, **k: (fs, url) if url.startswith("http") else original(url, **k),
    )
    pages.clear()
    Web.asked.clear()
    return pages


class TestWeb:
    def test_an_address_with_a_query_is_a_file(self, web, tmp_path):
        address = "https://host/x.jsonl?sig=a*b[c]&d=?"
        web[address] = b'{"text": "one"}\n'
        web["https://host/Y.TXT.GZ?sig=*"] = gzip.compress(b"two\n")
        assert do(Job(BLANK, address, str(tmp_path / "out"))).docs == 1
        assert rows(tmp_path / "out")[0]["source"] == address
        assert texts_of("https://host/Y.TXT.GZ?sig=*") == ["two"]
        with pytest.raises(FileNotFoundError, match="matches no file to read"):
            find_inputs("https://host/none.jsonl?sig=a*b")
        assert not Web.asked  # fsspec would read the whole file to answer

    def test_what_can_not_be_written_to_is_told(self, web, tmp_path):
        (tmp_path / "a.txt").write_text("one")
        done = annotate(BLANK, tmp_path / "a.txt", "https://host/out")
        assert done.exit_code == 1
        assert (
            "https://host/out/annotate.json can't be read or written: NotImplementedError"
            in said(done)
        )


def test_errors_of_file_systems_are_told_with_the_name(memory, monkeypatch):
    class OwnError(Exception):
        def __init__(self, one, two):
            super().__init__(one)

    def fail(self, path, **settings):
        raise OwnError("denied", 403)

    monkeypatch.setattr(MemoryFileSystem, "isdir", fail)
    with pytest.raises(
        OSError, match="memory://x/a.txt can't be read or written: OwnError: denied"
    ):
        find_inputs("memory://x/a.txt")


def test_two_writers_do_not_meet(tmp_path):
    """What another run has begun to write is no output of either."""
    (tmp_path / "a.txt").write_text("one\n")
    out = tmp_path / "out"
    out.mkdir()
    (out / "annotate.json.1-ab.partial").write_text("{")
    (out / "part-00000-00000.jsonl.2-cd.partial").write_text("{")
    (out / "errors").mkdir()
    (out / "errors" / "part-00000-00000.jsonl.2-cd.partial").write_text("{")
    job = Job(BLANK, str(tmp_path / "a.txt"), str(out))
    assert do(job).docs == 1
    assert job.written().failures() == []
    assert sorted(contents(out)) == ["annotate.json", "part-00000-00000.jsonl"]
    assert len(list(out.rglob("*.partial"))) == 3
