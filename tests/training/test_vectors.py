"""`spacy rnn vectors`: a small package in the form of winkNLP's, and bad ones."""

import base64
import errno
import gzip
import hashlib
import io
import json
import shutil
import sys
import tarfile

import numpy as np
import pytest
import spacy
from spacy.language import Language
from typer.testing import CliRunner

from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.training.vectors import check_integrity, read_vectors

pytest.importorskip("ijson", reason="extra 'vectors' not installed")
WORDS = {"delhi": [0.5, -1.0, 2.0], "fort": [1.0, 0.0, 0.25], ",": [0.0, 0.0, 1e-3]}


def content(words=WORDS, **header):
    """Each vector is followed by its norm and the word's index, as there."""
    vectors = {
        word: [*vector, float(np.linalg.norm(vector)), index]
        for index, (word, vector) in enumerate(words.items())
    }
    head = {"precision": 8, "size": len(words), "dimensions": 3, "words": list(words)}
    return json.dumps({**head, **header, "vectors": vectors, "unkVector": [0] * 5}).encode()


def pack(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def package(tmp_path):
    files = {"package.json": b'{"name": "small"}', "small.json": content(), "README.md": b"words"}
    return pack(tmp_path / "small.tgz", files)


def run(*args):
    return CliRunner().invoke(app, ["vectors", *map(str, args)])


def test_the_table_serves_a_pipeline(package, tmp_path):
    digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    result = run(package, tmp_path / "vectors", "--integrity", f"sha512-{digest}")
    assert result.exit_code == 0, result.output
    assert "3 vectors of 3 dimensions" in result.output
    nlp = spacy.load(tmp_path / "vectors")
    doc = nlp.make_doc("Delhi, DELHI and nowhere")
    assert doc[0].vector.tolist() == doc[2].vector.tolist() == WORDS["delhi"]
    assert doc[1].vector.tolist() == pytest.approx(WORDS[","])
    assert not doc[4].has_vector

    config = nlp.config.copy()
    config["initialize"]["vectors"] = str(tmp_path / "vectors")
    other = spacy.util.load_model_from_config(config)
    embed = {"width": 8, "include_static_vectors": True}
    other.add_pipe("rnn_ner", config={"model": {"tok2vec": embed, "hidden_width": 4}})
    other.initialize()
    assert other.vocab.vectors.shape == (3, 3)
    tok2vec = other.get_pipe("rnn_ner").model.get_ref("tok2vec")
    with_vector, without = tok2vec.predict([other.make_doc("Delhi"), other.make_doc("nowhere")])
    other.vocab.vectors.data[:] = 0
    assert not np.allclose(with_vector, tok2vec.predict([other.make_doc("Delhi")])[0])
    assert np.allclose(without, tok2vec.predict([other.make_doc("nowhere")])[0])


def test_json_without_a_package(tmp_path):
    path = tmp_path / "small.json"
    path.write_bytes(content())
    assert read_vectors(path, lang="en").vocab.vectors.shape == (3, 3)


@pytest.mark.parametrize(
    "files,message",
    [
        ({"README.md": b"no words"}, "no JSON file"),
        ({"package.json": b'{"name": "other"}'}, "not in the form"),
        ({"small.json": content()[:-60]}, "JSON is broken"),
        ({"small.json": content(size=4)}, "must have 4 vectors, but has 3"),
        ({"small.json": content(size=2)}, "must have 2 vectors, but has 3"),
        ({"small.json": content(dimensions=9)}, "not in the form"),
    ],
    ids=["none", "other", "broken", "too few", "too many", "narrow"],
)
def test_bad_packages(files, message, tmp_path):
    path = pack(tmp_path / "bad.tgz", files)
    result = run(path, tmp_path / "vectors")
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
    assert not (tmp_path / "vectors").exists()


def test_not_a_package(tmp_path):
    path = tmp_path / "words.tgz"
    path.write_text("delhi 1 2 3")
    result = run(path, tmp_path / "vectors")
    assert result.exit_code == 1 and "was not read" in " ".join(result.output.split())


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_package_that_was_cut(package, tmp_path, share):
    content = package.read_bytes()
    package.write_bytes(content[: int(len(content) * share)])
    result = run(package, tmp_path / "vectors")
    assert result.exit_code == 1 and "was not read" in " ".join(result.output.split())
    assert "or broken" in result.output


def test_a_writing_of_its_own_keeps_its_vector(tmp_path):
    path = tmp_path / "small.json"
    path.write_bytes(
        content({"paris": [1.0] * 3, "Paris": [2.0] * 3, "i": [3.0] * 3, "ı": [4.0] * 3})
    )
    vocab = read_vectors(path, lang="en").vocab
    found = {word: vocab.get_vector(word)[0] for word in ("paris", "Paris", "PARIS", "I", "ı")}
    assert found == {"paris": 1, "Paris": 2, "PARIS": 1, "I": 3, "ı": 4}


def test_what_is_not_installed_is_told(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ijson", None)
    result = run(package, tmp_path / "vectors")
    assert result.exit_code == 1
    told = " ".join(result.output.split())
    assert "ijson is not installed: pip install 'spacy-rnn-tagger[vectors]'" in told


@pytest.mark.parametrize(
    "integrity,message", [("sha512-AAAA", "Its hash is sha512-"), ("md5-AAAA", "must be one of")]
)
def test_integrity(package, tmp_path, integrity, message):
    with pytest.raises(ValueError, match=message):
        check_integrity(package, integrity)
    result = run(package, tmp_path / "vectors", "--integrity", integrity)
    assert result.exit_code == 1 and message.split()[0] in result.output
    assert not (tmp_path / "vectors").exists()


def test_json_as_editors_write_it(tmp_path):
    marked = b"\xef\xbb\xbf" + content()
    (tmp_path / "a.JSON").write_bytes(marked)
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(content()))
    for path in (
        tmp_path / "a.JSON",
        tmp_path / "b.json.gz",
        pack(tmp_path / "c.tgz", {"small.json": marked}),
    ):
        assert read_vectors(path, lang="en").vocab.vectors.shape == (3, 3)
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(content())[:-20])
    assert "or broken" in run(tmp_path / "b.json.gz", tmp_path / "vectors").output


@pytest.mark.parametrize("value", [None, "x", [1.0]])
def test_vectors_are_numbers(tmp_path, value):
    (tmp_path / "a.json").write_bytes(content().replace(b"-1.0", json.dumps(value).encode()))
    result = run(tmp_path / "a.json", tmp_path / "vectors")
    assert result.exit_code == 1 and "not in the form" in result.output


def full_disk(nlp, path):
    """Write half of a pipeline."""
    path.mkdir(exist_ok=True)
    (path / "meta.json").write_text("{}")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_cannot_be_written(package, tmp_path, monkeypatch):
    """One message, and all that was there is as it was."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("years of work")
    before = sorted(tmp_path.rglob("*"))
    assert "is a file; name a folder" in run(package, package).output
    assert "is a file, and not a folder" in run(package, package / "vectors").output
    result = run(package, tmp_path / "other")
    assert "other holds other things than a pipeline: thesis.txt. Name" in result.output
    result = run(package, tmp_path / "new", "--lang", "xyz")
    assert "Can't import language xyz" in result.output
    assert "No such file" in run(tmp_path / "absent", tmp_path / "new").output
    assert run(package, tmp_path / "new").exit_code == 0
    kept = {path: path.read_bytes() for path in (tmp_path / "new").rglob("*") if path.is_file()}
    monkeypatch.setattr(Language, "to_disk", full_disk)
    for output in (tmp_path / "new", tmp_path / "newer"):
        result = run(package, output)
        assert result.exit_code == 1 and "No space left on device" in result.output
    assert kept == {path: path.read_bytes() for path in kept}
    shutil.rmtree(tmp_path / "new")
    assert sorted(tmp_path.rglob("*")) == before
