"""Text as users have it, and files that appear whole or not at all."""

import gzip
import os
import pickle

import pytest

from spacy_rnn_tagger.io import (
    NotUTF8Error,
    check_file,
    folder_whole,
    is_compressed,
    read_lines,
    read_text,
    suffix_of,
    write_whole,
)


def test_names():
    for name, suffix in {
        "a.txt": ".txt",
        "A.JSONL.gz": ".jsonl",
        "b.tar.GZ": ".tar",
        "a.gz": "",
        "a": "",
        "https://x.org/a.jsonl.gz?sig=.txt": ".jsonl",
    }.items():
        assert suffix_of(name) == suffix, name
    assert is_compressed("https://x.org/a.gz?b=c") and not is_compressed("a.gz.txt")


@pytest.mark.parametrize("compressed", [False, True])
def test_text(tmp_path, compressed):
    path = tmp_path / ("a.txt.GZ" if compressed else "a.txt")
    pack = gzip.compress if compressed else bytes
    path.write_bytes(pack("\ufeffa\r\n\u2028b\x0b\rc\n\n\ufeffd".encode()))
    assert list(read_lines(path)) == ["a", "\u2028b\x0b", "c", "", "\ufeffd"]
    assert read_text(path) == "a\r\n\u2028b\x0b\rc\n\n\ufeffd"
    path.write_bytes(pack(b"a\nb\xff"))
    for read in (read_text, lambda path: list(read_lines(path))):
        with pytest.raises(NotUTF8Error) as caught:
            read(path)
        problem = "not UTF-8 (byte 0xff: invalid start byte). Save the file as UTF-8."
        told = f"[RNN202] {path}, line 2: {problem}"
        assert str(caught.value) == told
        # It comes whole from another process.
        assert str(pickle.loads(pickle.dumps(caught.value))) == told
    path.write_bytes(pack(b""))
    assert list(read_lines(path)) == [] and read_text(path) == ""


# Names, because the time is in the content, and pytest's workers must agree on the names of tests.
@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"abc" * 99)[:-9], b"\x1f\x8b"],
    ids=["plain", "cut", "two bytes"],
)
def test_damaged_compression_is_told_with_its_name(tmp_path, content):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"a\.txt\.gz is damaged, or not compressed"):
        read_text(path)


def test_a_file_is_written_where_its_name_points(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_whole(link, b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"
    # A device is written to; under the name of one, there would be a file.
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, b"new")
    assert os.read(reader, 9) == b"new" and pipe.is_fifo()
    os.close(reader)
    with pytest.raises(IsADirectoryError, match="is a folder. Name a file"):
        write_whole(tmp_path, b"new")
    with pytest.raises(NotADirectoryError, match="is a file and not a folder"):
        check_file(target / "sub" / "file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe", "target"]


def test_a_folder_is_replaced_as_a_whole(tmp_path, monkeypatch):
    out = tmp_path / "new" / "out"
    for name in ("a", "b"):
        with folder_whole(out) as folder:
            (folder / name).write_text(name)
        assert [path.name for path in out.iterdir()] == [name]
    with pytest.raises(ZeroDivisionError), folder_whole(out) as folder:
        (folder / "c").write_text("c")
        raise ZeroDivisionError
    # The last step fails: what was there is back.
    rename = type(out).rename

    def failing(path, to):
        if (path / "d").exists():
            raise OSError("no")
        return rename(path, to)

    monkeypatch.setattr(type(out), "rename", failing)
    with pytest.raises(OSError, match="no"), folder_whole(out) as folder:
        (folder / "d").write_text("d")
    assert [path.name for path in out.iterdir()] == ["b"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]
