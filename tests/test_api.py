"""The public API: what the commands do, from Python, and confidences as users read them."""

import ast
import json
import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

import spacy_rnn_tagger
from spacy_rnn_tagger import calibrate, confidence, export, report, set_span_extension
from spacy_rnn_tagger.evaluation.data import read_examples
from tests.conftest import TRAIN, eager, make_examples, trained

ROOT = Path(__file__).parents[1]
INIT = ast.parse(Path(spacy_rnn_tagger.__file__).read_text(encoding="utf-8"))
TEXT = "Red Fort is in Delhi."

COSTS = """
import sys
import spacy_rnn_tagger
heavy = {"torch", "spacy", "thinc", "numpy", "matplotlib", "scipy", "fsspec", "onnx", "jinja2"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
assert set(spacy_rnn_tagger.__all__) <= set(dir(spacy_rnn_tagger))
assert not heavy & sys.modules.keys(), "dir() has imported something"
"""
# On a machine without the extras and without torch, names and commands are there all the same.
BARE = """
import sys
absent = (
    *("torch", "scipy", "matplotlib", "datasketch"),
    *("onnx", "onnxruntime", "ray", "pyarrow", "ijson"),
)
sys.modules.update(dict.fromkeys(absent))
from spacy_rnn_tagger import *
import spacy_rnn_tagger.cli  # spaCy's own commands load it as well
assert callable(report) and callable(calibrate) and callable(export)
"""


@pytest.mark.parametrize("code", [COSTS, BARE], ids=["cheap", "bare"])
def test_importing(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_public_names():
    assert spacy_rnn_tagger.__all__ == sorted(set(spacy_rnn_tagger.__all__))
    for name in spacy_rnn_tagger.__all__:
        value = getattr(spacy_rnn_tagger, name)
        assert value.__doc__, name
        assert f"- `{name}`: " in spacy_rnn_tagger.__doc__
    with pytest.raises(AttributeError, match="module 'spacy_rnn_tagger' has no attribute 'tagg'"):
        spacy_rnn_tagger.tagg  # noqa: B018


def test_type_checkers_see_the_same_names():
    [block] = [node for node in INIT.body if isinstance(node, ast.If)]
    imported = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == spacy_rnn_tagger._MODULES
    assert {*imported, "__version__", "tune_process"} == set(spacy_rnn_tagger.__all__)
    for name, module in imported.items():
        found = import_module(f"spacy_rnn_tagger.{module}")
        assert getattr(found, name) is getattr(spacy_rnn_tagger, name)
        assert getattr(found, name).__module__ == found.__name__, "it is only imported there"


def test_version():
    [line] = [
        line
        for line in (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
        if line.startswith("version = ")
    ]
    assert line == f'version = "{spacy_rnn_tagger.__version__}"'


class TestConfidence:
    def test_default(self, nlp):
        doc = eager(nlp)(Doc(nlp.vocab, words=["Red", "Fort", "of", "Delhi"]))
        stranger = Span(doc, 0, 2, label="XYZ")
        assert confidence(stranger, default=None) is None
        assert confidence(stranger, "rnn_ner", default=0.5) == 0.5
        assert confidence(doc.ents[0], "absent", default=-1.0) == -1.0
        assert confidence(doc.ents[0], default=None) == confidence(doc.ents[0])
        for args in ((stranger,), (doc.ents[0], "absent")):
            with pytest.raises(KeyError, match="doc.spans"):
                confidence(*args)

    @pytest.fixture
    def extension(self):
        names = []

        def set_one(name, **options):
            set_span_extension(name, **options)
            names.append(name)

        yield set_one
        for name in names:
            Span.remove_extension(name)

    def test_there_is_no_extension_before_it_is_asked_for(self):
        assert not Span.has_extension("confidence")

    def test_extension(self, nlp, extension):
        eager(nlp, spans_key="places")
        extension("confidence")
        extension("sure", spans_key="places")
        doc = nlp(Doc(nlp.vocab, words=["Red", "Fort", "of", "Delhi"]))
        assert doc.ents
        for ent in doc.ents:
            assert ent._.sure == confidence(ent, "places")
            assert ent._.confidence is None
        assert Span(doc, 0, 2, label="XYZ")._.sure is None
        with pytest.raises(ValueError, match="E090"):
            set_span_extension("sure")
        set_span_extension("sure", force=True)
        assert doc.ents[0]._.sure is None

    def test_extension_on_docs_from_elsewhere(self, nlp, extension):
        """Other processes, which get the getter by pickling it, pickles and files."""
        trained(nlp)
        extension("confidence")
        texts = [text for text, _ in TRAIN]
        wanted = [[confidence(ent) for ent in doc.ents] for doc in nlp.pipe(texts)]
        assert sum(map(len, wanted)) > 3
        docs = list(nlp.pipe(texts, n_process=2, batch_size=2))
        for copy in (
            docs,
            pickle.loads(pickle.dumps(docs)),
            list(DocBin().from_bytes(DocBin(docs=docs).to_bytes()).get_docs(nlp.vocab)),
        ):
            found = [[ent._.confidence for ent in doc.ents] for doc in copy]
            assert found == [pytest.approx(own, abs=1e-5) for own in wanted]
        assert pickle.loads(pickle.dumps(Span.get_extension("confidence")[2]))(
            docs[0].ents[0]
        ) == pytest.approx(wanted[0][0], abs=1e-5)


class TestCalibrate:
    def test_in_memory(self, evaluated, capfd):
        """The pipeline itself is calibrated, quietly, and nothing is written."""
        nlp = spacy.load(evaluated / "model")
        before = sorted(evaluated.rglob("*"))
        found = calibrate(nlp, evaluated / "test.spacy", precision={"FAC": 0.7})
        cfg = nlp.get_pipe("rnn_ner").cfg
        assert cfg["temperature"] == found.temperature != 1
        assert cfg["threshold"] == {"FAC": found.thresholds["FAC"].threshold, "GPE": 0.0}
        assert nlp.config["components"]["rnn_ner"]["temperature"] == found.temperature
        assert found.thresholds["FAC"].precision >= 0.7 and found.after != found.before
        assert sorted(evaluated.rglob("*")) == before
        assert capfd.readouterr() == ("", "")

    def test_names_pipelines_and_data_in_every_form(self, evaluated, tmp_path):
        path, data = evaluated / "model", evaluated / "test.spacy"
        nlp = spacy.load(path)
        found = calibrate(str(path), str(data), str(tmp_path / "out"))
        assert spacy.load(tmp_path / "out").get_pipe("rnn_ner").temperature == found.temperature
        examples = read_examples(nlp, data)
        for example in examples:  # entities of an earlier run are not taken for presets
            example.predicted = nlp(example.predicted)
        predicted = [example.predicted.ents for example in examples]
        docs = [example.reference for example in examples]
        for given in (data, docs, examples, iter(docs)):
            other = calibrate(spacy.load(path), given)
            assert other.temperature == pytest.approx(found.temperature, rel=1e-3)
            assert other.n_entities == found.n_entities
        assert [example.predicted.ents for example in examples] == predicted and any(predicted)

    def test_a_pipeline_in_memory_is_written_too(self, evaluated, tmp_path):
        nlp = spacy.load(evaluated / "model")
        with pytest.raises(ValueError, match="is the folder of the pipeline itself"):
            calibrate(nlp, evaluated / "test.spacy", evaluated / "model")
        found = calibrate(nlp, evaluated / "test.spacy", tmp_path / "out")
        assert spacy.load(tmp_path / "out").get_pipe("rnn_ner").temperature == found.temperature

    @pytest.mark.parametrize(
        "precision,message",
        [
            ({"FAC": 0}, "precision of 'FAC' must be a number above 0 and at most 1, but got 0"),
            ({"FAC": 1.5}, "at most 1, but got 1.5"),
            ({"LOC": 0.5}, "label of a threshold must be one of 'FAC', 'GPE'"),
            ({"FAC": 1.0}, "No threshold reaches a precision of 1 for FAC"),
        ],
    )
    def test_wrong_use_changes_nothing(self, evaluated, precision, message):
        nlp = spacy.load(evaluated / "model")
        before = dict(nlp.get_pipe("rnn_ner").cfg)
        with pytest.raises(ValueError, match=message):
            calibrate(nlp, evaluated / "test.spacy", precision=precision)
        assert dict(nlp.get_pipe("rnn_ner").cfg) == before

    def test_unsuitable_data(self, evaluated, nlp):
        model = spacy.load(evaluated / "model")
        with pytest.raises(ValueError, match="the given data has no docs"):
            calibrate(model, [])
        with pytest.raises(ValueError, match="the given data has 1 doc, but no annotation"):
            calibrate(model, [nlp.make_doc(TEXT)])
        doc = nlp.make_doc(TEXT)
        doc.set_ents([])
        with pytest.raises(ValueError, match="is annotated, but has no entity"):
            calibrate(model, [doc])
        docs = [example.reference for example in read_examples(model, evaluated / "train.spacy")]
        with pytest.raises(ValueError, match="60 of the 60 docs in the given data are training"):
            calibrate(model, docs)
        nlp.add_pipe("sentencizer")
        with pytest.raises(ValueError, match=r"en_pipeline has no component rnn_ner"):
            calibrate(nlp, evaluated / "test.spacy")


class TestReport:
    def test_without_a_file(self, evaluated, capfd):
        nlp, data = spacy.load(evaluated / "model"), evaluated / "test.spacy"
        cfg = dict(nlp.get_pipe("rnn_ner").cfg)
        wanted = nlp.evaluate(read_examples(nlp, data))
        found = report(nlp, data)
        assert found["scores"][0]["f"] == pytest.approx(wanted["ents_f"])
        assert (found["model"], found["data"]) == ("en_pipeline", str(data))
        assert dict(nlp.get_pipe("rnn_ner").cfg) == cfg
        assert json.loads(json.dumps(found)) == found
        assert capfd.readouterr() == ("", "")

    def test_data_in_memory(self, evaluated):
        """A generator is read twice for a comparison, each time with a pipeline's own tokens."""
        path, data = evaluated / "model", evaluated / "test.spacy"
        wanted = report(path, data, compare=evaluated / "worse", train=evaluated / "train.spacy")
        nlp, worse = spacy.load(path), spacy.load(evaluated / "worse")
        docs = [example.reference for example in read_examples(nlp, data)]
        train = [example.reference for example in read_examples(nlp, evaluated / "train.spacy")]
        found = report(nlp, iter(docs), compare=worse, train=train)
        assert found["comparison"]["model"] == "en_pipeline"
        assert found["comparison"]["scores"] == wanted["comparison"]["scores"]
        for key in ("scores", "errors", "confusion", "by_seen", "labels"):
            assert found[key] == wanted[key]
        assert not any(doc.spans for doc in docs)

    def test_files(self, evaluated, tmp_path):
        """The suffix decides between the page and its figures, whose keys stay."""
        path, data = evaluated / "model", evaluated / "test.spacy"
        found = report(path, data, tmp_path / "new" / "figures.json", n_docs=3)
        assert json.loads((tmp_path / "new" / "figures.json").read_text("utf-8")) == found
        report(path, data, str(tmp_path / "page.html"))
        assert "<svg" in (tmp_path / "page.html").read_text("utf-8")
        assert len(found["docs_with_errors"]) == 3
        errors = [error for doc in found["docs_with_errors"] for error in doc["errors"]]
        mentions = [error["gold"] or error["predicted"] for error in errors]
        keys = "start end label start_char end_char text probability"
        assert list(mentions[0]) == keys.split()
        assert all(0 <= mention["probability"] <= 1 for mention in mentions)

    def test_wrong_use(self, evaluated, tmp_path):
        path, data = evaluated / "model", evaluated / "test.spacy"
        with pytest.raises(ValueError, match="n_docs must be a whole number of 0 or more"):
            report(path, data, n_docs=-1)
        with pytest.raises(IsADirectoryError, match="Name a file"):
            report(path, data, tmp_path)
        with pytest.raises(OSError, match="absent"):
            report(tmp_path / "absent", data)


class TestExport:
    def test_the_pipeline_itself_stays(self, nlp, tmp_path):
        pytest.importorskip("onnx")
        trained(nlp)
        model = nlp.get_pipe("rnn_ner").model
        assert export(nlp, tmp_path / "out") == ["rnn_ner"]
        assert nlp.get_pipe("rnn_ner").model is model
        nlp.update(make_examples(nlp))  # an exported one can't be trained
        nlp.to_disk(tmp_path / "model")
        other = spacy.load(tmp_path / "out")
        assert [ent.label_ for ent in other(TEXT).ents] == ["FAC", "GPE"]
        assert export(str(tmp_path / "model"), str(tmp_path / "small"), int8=True) == ["rnn_ner"]
        sizes = [(tmp_path / n / "rnn_ner" / "model").stat().st_size for n in ("out", "small")]
        assert sizes[1] < 0.35 * sizes[0]

    def test_nothing_is_overwritten(self, nlp, tmp_path):
        pytest.importorskip("onnx")
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(ValueError, match="not an empty folder"):
            export(trained(nlp, steps=1), tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
