"""Exported pipelines: the same scores from ONNX, without torch."""

import gc
import json
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
import spacy
from packaging.requirements import Requirement
from spacy.cli import package
from spacy.tokens import Doc, Span
from typer.testing import CliRunner

from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.models.summary import rows
from spacy_rnn_tagger.pipeline.span_groups import confidence, spans_with_confidence
from tests.conftest import TRAIN, eager, make_examples, trained

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from benchmarks.exported import HIDE_TORCH  # noqa: E402
from spacy_rnn_tagger.onnx.conversion import export_pipeline  # noqa: E402

TEXTS = [
    *(text for text, _ in TRAIN),
    "",
    "\n ",
    "Łódź, Nuku'alofa and the M25 " * 30,
    "supercalifragilisticexpialidocious" * 5,
]
WORD = {"@architectures": "spacy_rnn_tagger.WordEmbed.v1", "width": 8}


def roundtrip(nlp, path):
    nlp.to_disk(path)
    return spacy.load(path)


def exported(nlp, tmp_path, **settings):
    """An exported copy of a pipeline, from disk as a user has it."""
    other = roundtrip(nlp, tmp_path / "torch")
    assert export_pipeline(other, **settings) == ["rnn_ner"]
    return roundtrip(other, tmp_path / "onnx")


def emissions(nlp, docs):
    return nlp.get_pipe("rnn_ner").model.predict(docs).emissions


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
@pytest.mark.parametrize(("depth", "bidirectional"), [(1, True), (2, True), (2, False)])
def test_every_network_scores_the_same(nlp, tmp_path, cell, depth, bidirectional):
    model = {"cell": cell, "depth": depth, "bidirectional": bidirectional, "hidden_width": 5}
    eager(nlp, model=model)
    other = exported(nlp, tmp_path)
    docs = [nlp.make_doc(text) for text in TEXTS]
    ours, theirs = emissions(nlp, docs), emissions(other, docs)
    assert np.abs(ours).max() > 1
    np.testing.assert_allclose(theirs, ours, atol=1e-4)


@pytest.mark.parametrize(
    "embed",
    [
        {"char_width": 4},
        {"include_static_vectors": True},
        {"char_width": 4, "include_static_vectors": True, "attrs": ["LOWER"], "rows": [50]},
        {"attrs": ["SHAPE", "ORTH"], "rows": [7, 11]},
    ],
)
def test_every_embed_is_the_same(nlp, tmp_path, embed):
    rng = np.random.default_rng(0)
    for word in ("Łódź", "Delhi", "in"):
        nlp.vocab.set_vector(word, rng.normal(size=6).astype("f"))
    eager(nlp, model={"tok2vec": {"width": 8, "rows": [50] * 4, **embed}})
    other = exported(nlp, tmp_path)
    docs = [nlp.make_doc(text) for text in TEXTS]
    theirs = emissions(other, [other.make_doc(text) for text in TEXTS])
    np.testing.assert_allclose(theirs, emissions(nlp, docs), atol=1e-4)


@pytest.mark.parametrize(
    "model", [{"tok2vec": WORD}, {"context": "sentence"}, {"max_length": 9, "overlap": 2}]
)
def test_what_is_around_the_network_stays(nlp, tmp_path, model):
    nlp.add_pipe("sentencizer")
    trained(nlp, model=model)
    other = exported(nlp, tmp_path)
    docs = [nlp(text) for text in TEXTS]
    for doc in docs:
        doc.set_ents([], default="missing")
    ours, theirs = emissions(nlp, docs), emissions(other, docs)
    np.testing.assert_allclose(theirs, ours, atol=1e-4)


def test_variables_in_the_config(nlp, tmp_path):
    """spaCy's own configs have one for the width of a listener, and a loaded pipeline keeps it."""
    nlp.add_pipe("tok2vec", config={"model": {"width": 24}})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 24, "upstream": "tok2vec"}
    model = {"tok2vec": listener, "hidden_width": 8}
    nlp.add_pipe("rnn_ner", name="listening", config={"model": model})
    trained(nlp, model={"hidden_width": 8})
    first, second = (nlp.get_pipe_config(name)["model"] for name in ("listening", "rnn_ner"))
    first["tok2vec"]["width"] = "${components.tok2vec.model.width}"
    # This setting is gone when the first component is exported.
    second["hidden_width"] = "${components.listening.model.hidden_width}"
    other = roundtrip(nlp, tmp_path / "torch")
    assert export_pipeline(other) == ["listening", "rnn_ner"]
    other = roundtrip(other, tmp_path / "onnx")
    assert other.get_pipe("tok2vec").listening_components == ["listening"]
    for name in ("listening", "rnn_ner"):
        with (
            nlp.select_pipes(enable=["tok2vec", name]),
            other.select_pipes(enable=["tok2vec", name]),
        ):
            for ours, theirs in zip(nlp.pipe(TEXTS), other.pipe(TEXTS), strict=True):
                mine, yours = spans_with_confidence(ours), spans_with_confidence(theirs)
                assert [(s.start, s.end, s.label_) for s, _ in mine] == [
                    (s.start, s.end, s.label_) for s, _ in yours
                ]
                np.testing.assert_allclose([p for _, p in mine], [p for _, p in yours], atol=1e-5)


def test_component_is_the_same(nlp, tmp_path):
    """Settings, confidences, candidates and presets; the other components are untouched."""
    nlp.add_pipe("sentencizer")
    config = {"candidates": 0.05, "threshold": {"FAC": 0.25}, "scheme": "BILUO", "temperature": 1.4}
    eager(nlp, **config)
    nlp.add_pipe("entity_ruler", name="first", before="rnn_ner").add_patterns(
        [{"label": "ORG", "pattern": "M25"}]
    )
    other = exported(nlp, tmp_path)
    assert other.pipe_names == nlp.pipe_names
    assert other.get_pipe("rnn_ner").cfg == nlp.get_pipe("rnn_ner").cfg
    for ours, theirs in zip(nlp.pipe(TEXTS), other.pipe(TEXTS), strict=True):
        assert [str(ent) for ent in ours.ents] == [str(ent) for ent in theirs.ents]
        assert [ent.label_ for ent in ours.ents] == [ent.label_ for ent in theirs.ents]
        mine, yours = spans_with_confidence(ours), spans_with_confidence(theirs)
        assert [(s.start, s.end, s.label_) for s, _ in mine] == [
            (s.start, s.end, s.label_) for s, _ in yours
        ]
        np.testing.assert_allclose([p for _, p in mine], [p for _, p in yours], atol=1e-5)


def test_new_labels_are_taken_as_by_the_trained_one(nlp, tmp_path):
    """A preset entity of a label that the network has not learned."""
    eager(nlp)
    other = exported(nlp, tmp_path)
    results = []
    for each in (nlp, other):
        doc = Doc(each.vocab, words="We saw the M25 in London".split())  # noqa: SIM905
        doc.set_ents([Span(doc, 3, 4, "ROAD")], default="missing")
        each.get_pipe("rnn_ner")(doc)
        results.append(([(e.start, e.end, e.label_) for e in doc.ents], emissions(each, [doc])))
    assert results[0][0] == results[1][0]
    assert (3, 4, "ROAD") in results[0][0]
    np.testing.assert_allclose(results[0][1], results[1][1], atol=1e-4)
    again = roundtrip(other, tmp_path / "again")
    np.testing.assert_allclose(emissions(again, [doc]), results[0][1], atol=1e-4)


class TestSessions:
    @pytest.fixture
    def made(self, monkeypatch):
        """Count the sessions that are made, and those that are alive."""
        import onnxruntime

        sessions, create = [], onnxruntime.InferenceSession

        def counted(*arguments, **options):
            session = create(*arguments, **options)
            sessions.append(weakref.ref(session))
            return session

        monkeypatch.setattr(onnxruntime, "InferenceSession", counted)
        return sessions

    def test_many_pipelines_keep_theirs(self, nlp, tmp_path, made):
        """With a cache of 16 for the process, nine pipelines made two sessions a call."""
        trained(nlp, steps=1)
        exported(nlp, tmp_path)
        pipelines = [spacy.load(tmp_path / "onnx") for _ in range(12)]
        for _ in range(3):
            for each in pipelines:
                each("Red Fort is in Delhi.")
        assert len(made) == 2 * len(pipelines)  # the words' and the network's

    def test_they_live_as_long_as_their_pipeline(self, nlp, tmp_path, made):
        trained(nlp, steps=1)
        other = exported(nlp, tmp_path)
        other("Red Fort is in Delhi.")
        assert all(session() is not None for session in made)
        del other
        gc.collect()
        assert all(session() is None for session in made)

    def test_a_network_that_is_loaded_anew_is_the_one_that_runs(self, nlp, tmp_path, made):
        trained(nlp)
        other = exported(nlp, tmp_path)
        untrained = spacy.blank("en")
        trained(untrained, steps=1)
        (tmp_path / "second").mkdir()
        second = exported(untrained, tmp_path / "second")
        wanted = [confidence(ent) for ent in other("Red Fort is in Delhi.").ents]
        assert [confidence(ent) for ent in second("Red Fort is in Delhi.").ents] != wanted
        second.from_bytes(other.to_bytes())
        assert [confidence(ent) for ent in second("Red Fort is in Delhi.").ents] == wanted

    def test_short_texts_have_one_thread_and_no_other_waits_actively(self, nlp, tmp_path, made):
        trained(nlp, steps=1)
        other = exported(nlp, tmp_path)
        other("Red Fort is in Delhi.")
        options = [session().get_session_options() for session in made]
        assert [each.intra_op_num_threads for each in options] == [1, 1]
        list(other.pipe(["Red Fort is in Delhi. " * 30] * 20))
        [large] = [session().get_session_options() for session in made[2:]]
        assert large.intra_op_num_threads == 0  # as many as there are cores
        assert large.get_session_config_entry("session.intra_op.allow_spinning") == "0"

    def test_threads_share_one(self, nlp, tmp_path, made):
        trained(nlp, steps=1)
        other = exported(nlp, tmp_path)
        barrier = threading.Barrier(6)

        def work():
            barrier.wait()
            other("Red Fort is in Delhi.")

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 2


def test_a_package_of_it_requires_onnxruntime_and_no_torch(nlp, tmp_path):
    trained(nlp, steps=1)
    exported(nlp, tmp_path)
    (tmp_path / "packages").mkdir()
    package(tmp_path / "onnx", tmp_path / "packages", name="places", version="0.1.0", silent=True)
    [meta] = (tmp_path / "packages").glob("en_places-0.1.0/meta.json")
    required = [Requirement(line) for line in json.loads(meta.read_text())["requirements"]]
    names = {each.name for each in required if each.marker is None or each.marker.evaluate()}
    # This package is left out too, for pip would install torch with it.
    assert names == {"onnxruntime"}
    [own] = [each for each in required if each.name == "spacy-rnn-tagger"]
    assert own.marker.evaluate({"extra": "plugin"})


def test_what_is_in_the_graphs_is_shown(nlp, tmp_path):
    trained(nlp, steps=1, model={"depth": 2, "tok2vec": {"char_width": 4}})
    wanted = [tuple(row) for row in rows(nlp.get_pipe("rnn_ner").model)]
    other = exported(nlp, tmp_path)
    found = [tuple(row) for row in rows(other.get_pipe("rnn_ner").model)]
    assert sum(size for *_, size in found) == sum(size for *_, size in wanted)
    assert [name.removesuffix(" (ONNX)") for name, *_ in found] == [name for name, *_ in wanted]
    assert "LSTM 2, backward (ONNX)" in [name for name, *_ in found]
    done = CliRunner().invoke(app, ["summary", str(tmp_path / "onnx")])
    assert done.exit_code == 0 and "LSTM 2, forward (ONNX)" in done.output


def test_a_disabled_component_stays_disabled(nlp, tmp_path):
    trained(nlp, steps=1)
    nlp.add_pipe("sentencizer")
    nlp.disable_pipe("rnn_ner")
    other = exported(nlp, tmp_path)
    assert other.disabled == ["rnn_ner"] and other.pipe_names == ["sentencizer"]
    assert other.component_names == nlp.component_names
    other.enable_pipe("rnn_ner")
    other("Red Fort is in Delhi.")


def test_int8_is_smaller_and_nearly_the_same(nlp, tmp_path):
    trained(nlp)
    exported(nlp, tmp_path)
    (tmp_path / "small").mkdir()
    small = exported(nlp, tmp_path / "small", int8=True)
    sizes = [
        (folder / "onnx" / "rnn_ner" / "model").stat().st_size
        for folder in (tmp_path, tmp_path / "small")
    ]
    assert sizes[1] < 0.35 * sizes[0]
    for ours, theirs in zip(nlp.pipe(TEXTS), small.pipe(TEXTS), strict=True):
        assert [str(ent) for ent in ours.ents] == [str(ent) for ent in theirs.ents]
        for mine, yours in zip(ours.ents, theirs.ents, strict=True):
            assert confidence(mine) == pytest.approx(confidence(yours), abs=0.05)


def test_it_can_not_be_trained(nlp, tmp_path):
    trained(nlp)
    other = exported(nlp, tmp_path)
    with pytest.raises(ValueError, match="can't be trained"):
        other.update(make_examples(other))


def test_what_can_not_be_exported_is_told(nlp, tmp_path):
    run = CliRunner().invoke
    for name, message in (("empty", "no component 'rnn_ner'"), ("untrained", "not been trained")):
        if name == "untrained":
            nlp.add_pipe("rnn_ner")
        nlp.to_disk(tmp_path / name)
        done = run(app, ["export", str(tmp_path / name), str(tmp_path / "out")])
        assert done.exit_code == 1
        assert message in " ".join(done.output.split())
    trained(spacy.blank("en")).to_disk(tmp_path / "trained")
    done = run(app, ["export", str(tmp_path / "trained"), str(tmp_path / "empty")])
    assert done.exit_code == 1
    assert "not an empty folder" in " ".join(done.output.split())
    arguments = ["export", str(tmp_path / "trained"), str(tmp_path / "out")]
    assert run(app, arguments).exit_code == 0
    done = run(app, ["export", str(tmp_path / "out"), str(tmp_path / "twice")])
    assert done.exit_code == 1
    assert "RNNTagger.v1" in done.output


WITHOUT_TORCH = """
import json, spacy
from spacy_rnn_tagger import confidence
nlp = spacy.load(sys.argv[1])
if __name__ == "__main__":
    docs = nlp.pipe(json.load(sys.stdin), n_process=int(sys.argv[2]), batch_size=2)
    print(json.dumps([[(e.start, e.end, e.label_, confidence(e)) for e in d.ents] for d in docs]))
    assert sys.modules["torch"] is None
"""


@pytest.mark.parametrize("n_process", [1, 2])
def test_without_torch(nlp, tmp_path, n_process):
    trained(nlp, model={"tok2vec": {"char_width": 4}})
    exported(nlp, tmp_path)
    script = tmp_path / "script.py"
    script.write_text(HIDE_TORCH + WITHOUT_TORCH)
    command = [sys.executable, script, tmp_path / "onnx", str(n_process)]
    texts = json.dumps(TEXTS)
    done = subprocess.run(command, input=texts, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for doc, found in zip(nlp.pipe(TEXTS), json.loads(done.stdout), strict=True):
        wanted = [
            [e.start, e.end, e.label_, pytest.approx(confidence(e), abs=1e-5)] for e in doc.ents
        ]
        assert found == wanted


def test_the_command_line_works_without_torch(nlp, tmp_path):
    trained(nlp)
    exported(nlp, tmp_path)
    code = HIDE_TORCH + "from spacy.cli import setup_cli; setup_cli()"
    (tmp_path / "in.txt").write_text("Red Fort is in Delhi.\n")
    arguments = ["rnn", "annotate", tmp_path / "onnx", tmp_path / "in.txt", tmp_path / "out"]
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert '"Red Fort"' in (tmp_path / "out" / "part-00000-00000.jsonl").read_text()
