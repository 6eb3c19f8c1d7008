"""`spacy rnn vectors`: small sources in every form, and bad ones."""

import base64
import errno
import gzip
import hashlib
import io
import json
import re
import shutil
import sys
import tarfile
import zipfile

import numpy as np
import pytest
import spacy
from spacy.cli.package import package as spacy_package
from spacy.language import Language
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_rnn_tagger import init_vectors
from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.layers.distinct_words import Words
from spacy_rnn_tagger.layers.static_vectors import look_up
from spacy_rnn_tagger.training.vectors import check_integrity
from tests.conftest import TRAIN, make_examples

pytest.importorskip("ijson", reason="extra 'vectors-npm' not installed")
pa = pytest.importorskip("pyarrow", reason="extra 'vectors' not installed")
pq = pytest.importorskip("pyarrow.parquet")
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
    assert init_vectors(path).vocab.vectors.shape == (3, 3)


@pytest.mark.parametrize(
    "files,message",
    [
        ({"README.md": b"no words"}, "must contain a JSON file"),
        ({"package.json": b'{"name": "other"}'}, "not in the form"),
        ({"small.json": content()[:-60]}, "JSON is damaged"),
        ({"small.json": content(size=4)}, "must be 4, as declared, but is 3"),
        ({"small.json": content(size=2)}, "must be 2, as declared, but is 3"),
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
    assert "or it is damaged" in result.output


def test_a_writing_of_its_own_keeps_its_vector(tmp_path):
    path = tmp_path / "small.json"
    path.write_bytes(
        content({"paris": [1.0] * 3, "Paris": [2.0] * 3, "i": [3.0] * 3, "ı": [4.0] * 3})
    )
    vocab = init_vectors(path).vocab
    found = {word: vocab.get_vector(word)[0] for word in ("paris", "Paris", "PARIS", "I", "ı")}
    assert found == {"paris": 1, "Paris": 2, "PARIS": 1, "I": 3, "ı": 4}


def test_what_is_not_installed_is_told(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ijson", None)
    result = run(package, tmp_path / "vectors")
    assert result.exit_code == 1
    told = " ".join(result.output.split())
    assert "ijson is not installed: pip install 'spacy-rnn-tagger[vectors-npm]'" in told


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
        assert init_vectors(path).vocab.vectors.shape == (3, 3)
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(content())[:-20])
    assert "or it is damaged" in run(tmp_path / "b.json.gz", tmp_path / "vectors").output


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
    assert "is a file. Name a folder" in run(package, package).output
    assert "is a file and not a folder" in run(package, package / "vectors").output
    result = run(package, tmp_path / "other")
    assert "but it contains thesis.txt. Name" in result.output
    result = run(package, tmp_path / "new", "--lang", "xyz")
    assert "Can't import language xyz" in result.output
    assert "does not exist" in run(tmp_path / "absent", tmp_path / "new").output
    assert run(package, tmp_path / "new").exit_code == 0
    kept = {path: path.read_bytes() for path in (tmp_path / "new").rglob("*") if path.is_file()}
    monkeypatch.setattr(Language, "to_disk", full_disk)
    for output in (tmp_path / "new", tmp_path / "newer"):
        result = run(package, output)
        assert result.exit_code == 1 and "No space left on device" in result.output
    assert kept == {path: path.read_bytes() for path in kept}
    shutil.rmtree(tmp_path / "new")
    assert sorted(tmp_path.rglob("*")) == before


TABLE = np.array([*WORDS.values()], dtype="float32")
NAME = "glove-tiny"


def npy(table):
    file = io.BytesIO()
    np.save(file, table)
    return file.getvalue()


def parquet(**columns):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def files_of(table=TABLE, **columns):
    """What a package holds; its code must not be imported."""
    index = parquet(**(columns or {"index": list(WORDS)}))
    return {"__init__.py": b"1/0", "data/emb.npy": npy(table), "data/index.parquet": index}


def wheel(folder, files):
    """Pack files as a wheel, which is a zip archive with a list of its files."""
    package, info = "glove_tiny", "glove_tiny-1.0.dist-info"
    content = {f"{package}/{name}": data for name, data in files.items()}
    content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n".encode()
    content[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in content).encode()
    path = folder / f"{package}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def install(path, monkeypatch):
    """Unpack a wheel to where Python looks for packages, as pip does."""
    place = path.parent / "site-packages"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(place)
    monkeypatch.syspath_prepend(str(place))


def vectors_of(nlp, *words):
    return [nlp.vocab[word].vector.tolist() for word in words]


def test_a_pip_package_installed_and_as_a_wheel(tmp_path, monkeypatch):
    """The table is in Fortran's order, as in the package on PyPI."""
    path = wheel(tmp_path, files_of(np.asfortranarray(TABLE)))
    install(path, monkeypatch)
    for source in (path, str(path), NAME, "glove_tiny"):
        nlp = init_vectors(source)
        assert nlp.vocab.vectors.data.tolist() == TABLE.tolist()
        assert vectors_of(nlp, "delhi", "DELHI", "Fort") == TABLE[[0, 0, 1]].tolist()
    assert "glove_tiny" not in sys.modules
    result = run(NAME, tmp_path / "vectors", "--prune", 1, "--dtype", "float16")
    assert result.exit_code == 0, result.output
    told = " ".join(result.output.split())
    assert "1 vectors of 3 dimensions" in told and "found by 3 words" in told
    assert spacy.load(tmp_path / "vectors").vocab.vectors.data.dtype == np.float16


@pytest.mark.parametrize(
    "columns",
    [
        {"index": pa.array(["fort", "delhi", ","]).dictionary_encode(), "row": [1, 0, 2]},
        {"word": pa.array([",", "fort", "delhi"], pa.large_string()), "id": [2, 1, 0]},
        {"word": list(WORDS), "frequency": [0.5, 0.3, 0.2]},
    ],
    ids=["dictionary", "large", "frequency"],
)
def test_an_index_with_more_columns(tmp_path, columns):
    nlp = init_vectors(wheel(tmp_path, files_of(**columns)))
    assert vectors_of(nlp, *WORDS) == TABLE.tolist()
    assert nlp.vocab.vectors.data.tolist() == TABLE.tolist(), "the most frequent words come first"


BROKEN = TABLE.copy()
BROKEN[1, 1] = np.nan


@pytest.mark.parametrize(
    "files,message",
    [
        (
            {"__init__.py": b""},
            "one table (.npy) and one index with the words (.parquet), but has nei",
        ),
        ({"a.npy": npy(TABLE)}, "but has glove_tiny/a.npy"),
        ({**files_of(), "b.npy": npy(TABLE)}, "has glove_tiny/b.npy, glove_tiny/data/emb.npy, gl"),
        (files_of(TABLE[:2]), "must have the same size, but their sizes are 2 and 3"),
        (files_of(TABLE[0]), "must be a matrix of floating-point numbers, but is an array of fl"),
        (files_of(TABLE.astype(int)), "but is an array of int64"),
        (files_of(BROKEN), "The vector of 'fort' has numbers that are not finite"),
        (files_of(TABLE.astype(float) * 1e300), "'delhi' has numbers that are too large for flo"),
        (files_of(index=["delhi", "", ","]), "Entry 2 has no word"),
        (files_of(index=["delhi", None, ","]), "Entry 2 has no word"),
        (
            files_of(index=list(WORDS), count=[9, 5, 5]),
            "must hold each row from 0 to 2 exactly once",
        ),
        (
            files_of(index=list(WORDS), row=[0, None, 2]),
            "must hold each row from 0 to 2 exactly once",
        ),
        (files_of(index=list(WORDS), row=[0, 1, 2], n=[3, 2, 1]), "but has index, row, n"),
        (files_of(index=[1, 2, 3]), "but has index"),
        ({**files_of(), "data/emb.npy": npy(TABLE)[:-4]}, "emb.npy is damaged: "),
        ({**files_of(), "data/emb.npy": b"0.5"}, "emb.npy is damaged: "),
        ({**files_of(), "data/emb.npy": npy(np.array([[{}]]))}, "emb.npy is damaged: Object arr"),
        ({**files_of(), "data/index.parquet": b"delhi"}, "Its index is damaged: "),
    ],
    ids=lambda each: each[:20] if isinstance(each, str) else "",
)
def test_bad_pip_packages(tmp_path, monkeypatch, files, message):
    """The same error for the wheel and what is installed, and nothing is written."""
    path = wheel(tmp_path, files)
    install(path, monkeypatch)
    for source in (path, NAME):
        result = run(source, tmp_path / "vectors")
        told = " ".join(result.output.split())
        assert result.exit_code == 1 and f"{source} was not read. " in told
        assert message in told
        assert not (tmp_path / "vectors").exists()


def test_a_wheel_that_was_cut(tmp_path):
    path = wheel(tmp_path, files_of())
    path.write_bytes(path.read_bytes()[:-40])
    assert "or it is damaged" in run(path, tmp_path / "vectors").output


def test_names_of_sources(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.csv").write_text("delhi,1")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileNotFoundError, match="no installed package 'glove-tiny-absent'"):
        init_vectors("glove-tiny-absent")
    assert "pip install" not in run("glove-tiny-absent", tmp_path / "vectors").output
    for name in ("words.csv", "folder", tmp_path / "folder"):
        with pytest.raises(ValueError, match=r"must end in .whl, .txt, .vec, .tgz"):
            init_vectors(name)
    for name in ("absent/words", "absent.txt", tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match="does not exist"):
            init_vectors(name)


LINES = ["delhi 0.5 -1.0 2e0", "fort 1 0 0.25", "name@domain.com 0 0 1", ". . . 1 1 1"]


@pytest.mark.parametrize("suffix", [".txt", ".vec", ".txt.gz", ".VEC"])
@pytest.mark.parametrize("header", [[], ["4 3"]], ids=["headless", "header"])
@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"])
def test_text(tmp_path, suffix, header, end):
    """GloVe has neither a header nor spaces at the ends of lines, fastText both."""
    text = "".join(line + end for line in header + LINES).encode()
    path = tmp_path / f"words{suffix}"
    path.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    nlp = init_vectors(path)
    assert nlp.vocab.vectors.data.tolist() == [[0.5, -1, 2], [1, 0, 0.25], [0, 0, 1], [1, 1, 1]]
    found = vectors_of(nlp, "Delhi", "FORT", "name@domain.com", ". . .")
    assert found == nlp.vocab.vectors.data.tolist()


def test_text_of_strange_words(tmp_path):
    """What separates lines and words elsewhere may be a word on the web."""
    words = ["\u2028", "\x85", "\xa0", "a\rb", "42", "1 a"]
    lines = ["".join(("\ufeff" if n == 0 else "", w, f"\t{n}\t1")) for n, w in enumerate(words)]
    (tmp_path / "words.txt").write_bytes("\n".join(lines).encode())
    nlp = init_vectors(tmp_path / "words.txt")
    assert vectors_of(nlp, *words) == [[n, 1] for n in range(len(words))]


@pytest.mark.parametrize(
    "text,message",
    [
        (b"", "Its first line must be a word and its numbers"),
        (b"delhi\n", "Its first line must be a word and its numbers"),
        (b"3 2\na 1 2\nb 1 2\n", "must be 3, as declared, but is 2"),
        (b"1 2\na 1 2\nb 1 2\n", "must be 1, as declared, but is 2"),
        (b"a 1 2\nb 1\n", "Line 2 must have a word and 2 numbers"),
        (b"a 1 2\nb 1 2 3\n", "Line 2 must have a word and 2 numbers"),
        (b"1 3\na 1 2\n", "Line 2 must have a word and 3 numbers"),
        (b"a 1 2\nb 1 x\n", "Line 2 must have a word and 2 numbers, but 'x' is not a number"),
        (b"a 1 2\n 1 2\n", "Entry 2 has no word"),
        (b"a 1 2\nb 1 inf\n", "The vector of 'b' has numbers that are not finite"),
        (b"a 1 2\nd\xe9lhi 1 2\n", "Line 2: not UTF-8"),
    ],
)
def test_bad_text(tmp_path, text, message):
    path = tmp_path / "words.txt"
    path.write_bytes(text)
    result = run(path, tmp_path / "vectors", "--prune", 1)
    assert result.exit_code == 1 and message in " ".join(result.output.split())
    assert not (tmp_path / "vectors").exists()


def test_repeated_words(tmp_path):
    """The first one wins, its later ones count as entries, and not as frequent words."""
    (tmp_path / "words.txt").write_text("4 2\na 1 1\na 2 2\nb 3 3\nA 4 4\n")
    notes = []
    nlp = init_vectors(tmp_path / "words.txt", prune=2, notify=notes.append)
    assert vectors_of(nlp, "a", "b", "A") == [[1, 1], [3, 3], [1, 1]]
    [note] = notes
    assert "words.txt repeats words, in 1 entry" in note
    with pytest.warns(UserWarning, match="repeats words, in 1 entry") as caught:
        init_vectors(tmp_path / "words.txt")
    assert caught[0].filename == __file__
    assert "repeats words, in 1 entry" in run(tmp_path / "words.txt", tmp_path / "vectors").output


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "words.vec"
    path.write_text("the 1 1\nof 2 2\ndelhi 3 3\nFort 4 4\nzzz 5 5\nred 6 6\n")
    return path


def test_pruning_keeps_the_words_of_corpora(tmp_path, text):
    """Whatever their capitals are; other words are unknown, and have zeros."""
    nlp = spacy.blank("en")
    DocBin(docs=[nlp("in DELHI")]).to_disk(tmp_path / "a.spacy")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "b.txt").write_text("the [Red FORT](FAC)\n")
    corpora = [tmp_path / "a.spacy", tmp_path / "folder"]
    for prune, words, kept in [
        (2, (), [1, 2]),
        (2, tmp_path / "a.spacy", [1, 2, 3]),
        (2, str(tmp_path / "folder"), [1, 2, 4, 6]),
        (1, corpora, [1, 3, 4, 6]),
        (0, iter(corpora), [1, 3, 4, 6]),
        (100, corpora, [1, 2, 3, 4, 5, 6]),
    ]:
        nlp = init_vectors(text, prune=prune, words=words)
        assert nlp.vocab.vectors.data[:, 0].tolist() == kept
    nlp = init_vectors(text, prune=1, words=corpora)
    assert not nlp.vocab["zzz"].has_vector and "in" not in nlp.vocab.strings
    keys = np.array(
        [[nlp.vocab.strings.add(word)] for word in ("zzz", "Red", "OF")], dtype="uint64"
    )
    found = look_up(Words(nlp.vocab, [spacy.attrs.ORTH], keys))
    assert found.tolist() == [[0, 0], [6, 6], [0, 0]]
    options = ("--words", corpora[0], "--words", corpora[1])
    assert run(text, tmp_path / "out", "--prune", 0, *options).exit_code == 0
    assert len(spacy.load(tmp_path / "out").vocab.vectors) == 4


@pytest.mark.parametrize(
    "settings,message",
    [
        ({"prune": 0}, "prune must be a whole number of 1 or more"),
        ({"prune": -1, "words": "a.txt"}, "prune must be a whole number of 0 or more"),
        ({"words": "a.txt"}, "so set prune too"),
        ({"dtype": "int8"}, "dtype must be one of 'float32', 'float16'"),
        ({"prune": 0, "words": "a.txt"}, "No word is left to keep, out of 6"),
        ({"prune": 0, "words": "bad.txt"}, "bad.txt, line 1: "),
        ({"prune": 0, "words": "words.vec"}, "is not in a known format"),
        ({"integrity": "sha512-AAAA"}, "words.vec was not read. [RNN323] Its hash is sha512-"),
    ],
)
def test_wrong_settings(tmp_path, text, monkeypatch, settings, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("nothing")
    (tmp_path / "bad.txt").write_text("[Red Fort](FAC is red")
    with pytest.raises(ValueError, match=re.escape(message)):
        init_vectors(text, **settings)
    options = [each for key, value in settings.items() for each in (f"--{key}", value)]
    result = run(text, tmp_path / "vectors", *options)
    assert result.exit_code == 1 and "Nothing was written" in result.output
    assert not (tmp_path / "vectors").exists()


def test_numbers_too_large_for_float16(tmp_path):
    (tmp_path / "words.txt").write_text("a 1 1\nb 1 -70000\n")
    assert init_vectors(tmp_path / "words.txt").vocab.vectors.data[1, 1] == -70000
    with pytest.raises(ValueError, match="'b' has numbers that are too large for float16"):
        init_vectors(tmp_path / "words.txt", dtype="float16")
    assert init_vectors(tmp_path / "words.txt", dtype="float16", prune=1).vocab.vectors.size == 2


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_package_of_a_trained_pipeline(tmp_path, dtype):
    """Capitals and the type of the numbers survive `spacy package`; all computation is float32."""
    init_vectors(pack_text(tmp_path), dtype=dtype).to_disk(tmp_path / "vectors")
    config = spacy.blank("en").config.copy()
    config["initialize"]["vectors"] = str(tmp_path / "vectors")
    nlp = spacy.util.load_model_from_config(config)
    embed = {"width": 8, "include_static_vectors": True}
    pipe = nlp.add_pipe("rnn_ner", config={"model": {"tok2vec": embed, "hidden_width": 8}})
    optimizer = nlp.initialize(lambda: make_examples(nlp))
    for _ in range(20):
        nlp.update(make_examples(nlp), sgd=optimizer)
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "packages").mkdir()
    spacy_package(
        tmp_path / "model",
        tmp_path / "packages",
        create_sdist=False,
        create_wheel=False,
        silent=True,
    )
    [folder] = (tmp_path / "packages").glob("*/en_pipeline/en_pipeline-*")
    other = spacy.load(folder)
    assert other.vocab.vectors.data.dtype == nlp.vocab.vectors.data.dtype == dtype
    assert vectors_of(other, "Delhi", "DELHI", "delhi") == [[0.5, -1, 2]] * 3
    keys = np.array([[spacy.strings.get_string_id(w)] for w in ("Delhi", "Qux")], dtype="uint64")
    found = look_up(Words(other.vocab, [spacy.attrs.ORTH], keys))
    assert found.dtype == np.float32 and found.tolist() == [[0.5, -1, 2], [0, 0, 0]]
    for name in pipe.model.walk():
        for param in name.param_names:
            assert name.get_param(param).dtype == np.float32
    docs = [text for text, _ in TRAIN]
    for mine, theirs in zip(nlp.pipe(docs), other.pipe(docs), strict=True):
        assert mine.to_json() == theirs.to_json()
    assert any(doc.ents for doc in other.pipe(docs))
    assert (
        other.get_pipe("rnn_ner").model.get_ref("tok2vec").predict([other("Delhi")])[0].dtype == "f"
    )
    copy = spacy.blank("en").vocab.from_bytes(other.vocab.to_bytes())
    assert copy.vectors.data.dtype == dtype


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_layers_of_spacy_take_float32_alone(tmp_path, dtype):
    """This is why float32 is the default; if it fails, the documentation of `dtype` may improve."""
    nlp = init_vectors(pack_text(tmp_path), dtype=dtype)
    config = {"@architectures": "spacy.MultiHashEmbed.v2", "include_static_vectors": True}
    config |= {"width": 8, "attrs": ["NORM"], "rows": [50]}
    embed = spacy.registry.resolve({"model": config})["model"]
    doc = nlp.make_doc("Delhi")
    if dtype == "float32":
        assert embed.initialize([doc]).predict([doc])[0].shape == (1, 8)
    else:
        with pytest.raises(RuntimeError, match="E896"):
            embed.initialize([doc])


def pack_text(folder):
    (folder / "words.vec").write_text("\n".join(LINES))
    return folder / "words.vec"
