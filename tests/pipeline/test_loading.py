"""Loading into a component that has a network already, and loading that fails halfway."""

import json

import numpy as np
import pytest
import spacy
import srsly
from spacy.training import Example
from thinc.api import Adam, Model, PyTorchShim

from tests.conftest import TRAIN, eager, make_examples

TEXTS = [text for text, _ in TRAIN]
# The labels of the saved component, and of the one that loads it.
LABELS = {
    "fewer": (("FAC",), ("FAC", "GPE")),
    "more": (("FAC", "GPE", "ORG"), ("FAC",)),
    "in another order": (("GPE", "FAC"), ("FAC", "GPE")),
    "others": (("LAW", "ORG", "DATE"), ("FAC", "GPE")),
    "the same": (("FAC", "GPE"), ("FAC", "GPE")),
}
NETWORKS = [
    {},
    {"decoder": "softmax"},
    {"context": "sentence", "max_length": 6, "overlap": 1},
]


def tagged(nlp):
    docs = list(nlp.pipe(TEXTS))
    found = [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in docs]
    return found, [list(doc.spans["rnn_ner"].attrs["scores"]) for doc in docs]


def learn(nlp):
    """Take a step, after which the weights have gradients and the optimizer has moments."""
    nlp.update(make_examples(nlp), sgd=Adam(0.01))


def widths(model):
    return [(node.name, node.maybe_get_dim("nO")) for node in model.walk()]


def load(how, saved, nlp, path):
    if how.startswith("pipe's"):
        saved, nlp = saved.get_pipe("rnn_ner"), nlp.get_pipe("rnn_ner")
    if how.endswith("disk"):
        saved.to_disk(path)
        nlp.from_disk(path)
    else:
        nlp.from_bytes(saved.to_bytes())


@pytest.mark.parametrize("how", ["bytes", "disk", "pipe's bytes", "pipe's disk"])
@pytest.mark.parametrize("case", LABELS)
def test_a_component_loads_whatever_labels_it_had(tmp_path, how, case):
    """Both have learned, so there are gradients of other shapes."""
    theirs, ours = LABELS[case]
    saved, nlp = spacy.blank("en"), spacy.blank("en")
    eager(saved, theirs, seed=1)
    pipe = eager(nlp, ours, seed=2)
    for each, labels in ((saved, theirs), (nlp, ours)):
        data = [(TEXTS[0], [(0, 8, labels[0])])]
        each.update(make_examples(each, data), sgd=Adam(0.01))
    wanted = tagged(saved)
    assert tagged(nlp) != wanted
    load(how, saved, nlp, tmp_path)
    assert pipe.labels == pipe.tags.labels == theirs
    assert tagged(nlp) == wanted
    model = saved.get_pipe("rnn_ner").model
    assert pipe.model.to_bytes() == model.to_bytes()
    nlp.update(make_examples(nlp, [(TEXTS[0], [(0, 8, theirs[0])])]), sgd=Adam(0.01))


@pytest.mark.parametrize("settings", NETWORKS)
@pytest.mark.parametrize("steps", [0, 1])
def test_a_network_that_has_grown_is_like_one_that_was_born_so(settings, steps):
    """Layers around the output kept their number of outputs, and Thinc loads no other one."""
    grown, born = spacy.blank("en"), spacy.blank("en")
    pipe = eager(grown, ("FAC", "GPE"), model=settings)
    before = grown.to_bytes()
    found = tagged(grown)
    for _ in range(steps):
        learn(grown)
    pipe.add_label("ORG")
    other = eager(born, ("FAC", "GPE", "ORG"), model=settings)
    assert widths(pipe.model) == widths(other.model)
    wanted = tagged(grown)
    born.from_bytes(grown.to_bytes())
    assert tagged(born) == wanted
    pipe.from_bytes(other.to_bytes())
    assert pipe.model.to_bytes() == other.model.to_bytes()
    grown.from_bytes(before)
    assert pipe.labels == ("FAC", "GPE") and tagged(grown) == found


def test_a_network_with_a_fixed_number_of_outputs_grows_too(nlp):
    settings = {"hidden_width": 8, "nO": 3}
    pipe = nlp.add_pipe("rnn_ner", config={"scheme": "BIO", "model": settings})
    pipe.initialize(lambda: make_examples(nlp), nlp=nlp)
    assert {nO for name, nO in widths(pipe.model) if name in ("in_blocks", "in_windows")} == {5, 16}
    nlp.from_bytes(nlp.to_bytes())


def test_exported_components_load_each_other(tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx").__name__  # noqa: B018
    from spacy_rnn_tagger.onnx.conversion import export_pipeline

    small, large = spacy.blank("en"), spacy.blank("en")
    eager(small, ("GPE",), seed=1)
    eager(large, ("FAC", "GPE"), seed=2)
    for nlp in (small, large):
        export_pipeline(nlp)
    large.get_pipe("rnn_ner").add_label("ORG")
    data, wanted = large.to_bytes(), tagged(large)
    large.from_bytes(small.to_bytes())
    assert tagged(large) == tagged(small)
    for nlp in (small, large):
        nlp.from_bytes(data)
        assert tagged(nlp) == wanted


def test_a_new_component_takes_settings_alone(nlp):
    saved = eager(spacy.blank("en"))
    saved.temperature = 2.0
    pipe = nlp.add_pipe("rnn_ner", config={"scheme": "BIO"})
    pipe.from_bytes(saved.to_bytes(exclude=["model"]))
    assert pipe.labels == ("FAC", "GPE")
    assert pipe.temperature == 2.0
    nlp.initialize(lambda: make_examples(nlp))
    assert pipe.labels == ("FAC", "GPE")
    learn(nlp)


def test_rehearsal_ends_where_other_labels_are_loaded(nlp):
    """The tutor's tags would be those of other labels, without any error."""
    pipe = eager(nlp)
    saved = pipe.to_bytes()
    nlp.resume_training()
    emissions = pipe.model.get_ref("emissions")
    emissions.set_param("W", emissions.get_param("W") + 1)
    assert pipe.rehearse(make_examples(nlp))["rnn_ner"] > 0
    pipe.from_bytes(saved)  # the labels that the tutor has
    emissions.set_param("W", emissions.get_param("W") + 1)
    assert pipe.rehearse(make_examples(nlp))["rnn_ner"] > 0
    pipe.from_bytes(eager(spacy.blank("en"), ("GPE", "FAC")).to_bytes())
    emissions.set_param("W", emissions.get_param("W") + 1)
    assert pipe.rehearse(make_examples(nlp))["rnn_ner"] == 0


def test_labels_that_were_met_are_not_listed_twice(nlp):
    pipe = eager(nlp)
    doc = nlp.make_doc("Vega sails")
    doc.set_ents([spacy.tokens.Span(doc, 0, 1, "SHIP")])
    pipe(doc)
    assert pipe.labels == ("FAC", "GPE", "SHIP")
    few = pipe.to_bytes()
    pipe.from_bytes(eager(spacy.blank("en"), ("SHIP",)).to_bytes())
    assert pipe.labels == ("SHIP",)
    pipe.from_bytes(few)
    assert pipe.labels == ("FAC", "GPE", "SHIP")
    pipe.add_label("SHIP")
    assert pipe.labels == ("FAC", "GPE", "SHIP")


def damage_cfg(parts, **changes):
    cfg = json.loads(parts["cfg"])
    return {**parts, "cfg": json.dumps({**cfg, **changes}).encode()}


def damage_weights(parts):
    """Damage what is read last; what comes before it is sound, and of other labels."""
    message = srsly.msgpack_loads(parts["model"])
    message["attrs"][-1]["more"] = b"\xc1"
    return {**parts, "model": srsly.msgpack_dumps(message)}


def other_network(**settings):
    def replace(parts):
        nlp = spacy.blank("en")
        other = eager(nlp, ("ORG", "FAC", "GPE"), model=settings)
        return srsly.msgpack_loads(other.to_bytes())

    return replace


DAMAGE = {
    "nothing": lambda parts: b"",
    "no message": lambda parts: b"\x01",
    "cut cfg": lambda parts: {**parts, "cfg": parts["cfg"][:-9]},
    "cfg of another kind": lambda parts: {**parts, "cfg": b"[]"},
    "labels of another kind": lambda parts: damage_cfg(parts, labels=7),
    "labels that are no strings": lambda parts: damage_cfg(parts, labels=["FAC", 7]),
    "labels of other weights": lambda parts: damage_cfg(parts, labels=["ORG"]),
    "bad temperature": lambda parts: damage_cfg(parts, temperature=-1.0),
    "other scheme": lambda parts: damage_cfg(parts, scheme="IO"),
    "cut model": lambda parts: {**parts, "model": parts["model"][:-9]},
    "bad weights": damage_weights,
    "other cell": other_network(cell="gru"),
    "other decoder": other_network(decoder="softmax"),
    "other width": other_network(hidden_width=9),
    "other depth": other_network(depth=2),
}


def state(pipe):
    model = pipe.model
    weights = [
        (node.id, name, id(node.get_param(name)) if node.has_param(name) else None)
        for node in model.walk()
        for name in node.param_names
    ]
    dims = [[(name, node.maybe_get_dim(name)) for name in node.dim_names] for node in model.walk()]
    refs = [[(name, node.get_ref(name).id) for name in node.ref_names] for node in model.walk()]
    attrs = [dict(node.attrs) for node in model.walk()]
    return dict(pipe.cfg), pipe.labels, pipe.tags.labels, weights, dims, refs, attrs


@pytest.mark.parametrize("how", ["bytes", "pipe's bytes", "disk"])
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("ready", [True, False], ids=["trained", "new"])
def test_what_fails_to_load_changes_nothing(nlp, tmp_path, how, damage, ready):
    """Nodes and arrays stay the same objects, so an optimizer can continue with them."""
    saved = spacy.blank("en")
    eager(saved, ("ORG", "FAC", "GPE"), seed=1, threshold=0.4)
    parts = srsly.msgpack_loads(saved.get_pipe("rnn_ner").to_bytes(exclude=["vocab"]))
    damaged = DAMAGE[damage](parts)
    model = {"hidden_width": 8, "tok2vec": {"width": 8, "rows": [50] * 4}}
    if ready:
        pipe, optimizer = eager(nlp, threshold=0.2), Adam(0.01)
        nlp.update(make_examples(nlp), sgd=optimizer)
        before = tagged(nlp)
    else:
        config = {"scheme": "BIO", "threshold": 0.2, "model": {**model, "dropout": 0.0}}
        pipe = nlp.add_pipe("rnn_ner", config=config)
    wanted, n_vectors, data = state(pipe), len(nlp.vocab.vectors), pipe.model.to_bytes()
    if how == "disk":
        if not isinstance(damaged, dict):
            pytest.skip("that is no folder")
        saved.to_disk(tmp_path)
        for name in ("cfg", "model"):
            (tmp_path / "rnn_ner" / name).write_bytes(damaged[name])
    elif isinstance(damaged, dict):
        damaged = srsly.msgpack_dumps(damaged)
    with pytest.raises(ValueError, match="RNN017") as caught:
        if how == "disk":
            nlp.from_disk(tmp_path)
        elif how == "bytes":
            whole = srsly.msgpack_loads(saved.to_bytes())
            nlp.from_bytes(srsly.msgpack_dumps({**whole, "rnn_ner": damaged}))
        else:
            pipe.from_bytes(damaged)
    assert "can't load" in str(caught.value)
    assert state(pipe) == wanted and pipe.model.to_bytes() == data
    assert len(nlp.vocab.vectors) == n_vectors
    if ready:
        assert tagged(nlp) == before
        nlp.update(make_examples(nlp), sgd=optimizer)
    else:
        nlp.initialize(lambda: make_examples(nlp))
        learn(nlp)
    pipe.from_bytes(saved.get_pipe("rnn_ner").to_bytes(exclude=["vocab"]))
    assert pipe.labels == ("ORG", "FAC", "GPE")


@pytest.mark.parametrize("file", ["cfg", "model", "vocab/strings.json"])
def test_a_missing_file_changes_nothing(nlp, tmp_path, file):
    eager(spacy.blank("en"), ("ORG",), seed=1).to_disk(tmp_path)
    (tmp_path / file).unlink()
    pipe = eager(nlp)
    before, wanted = state(pipe), tagged(nlp)
    with pytest.raises((FileNotFoundError, ValueError), match="can't (be loaded: no file|load)"):
        pipe.from_disk(tmp_path)
    assert state(pipe) == before and tagged(nlp) == wanted


def test_a_network_of_torchs_is_put_back_too(nlp, monkeypatch):
    """Its weights are in a module of torch's, which loading changes in place."""
    encode = {"@architectures": "spacy.TorchBiLSTMEncoder.v1", "width": 8, "depth": 1}
    encode["dropout"] = 0.0
    embed = {"@architectures": "spacy.MultiHashEmbed.v2", "width": 8, "attrs": ["NORM"]}
    embed |= {"rows": [50], "include_static_vectors": False}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    model = {"@architectures": "spacy_rnn_tagger.RNNTagger.v1", "tok2vec": tok2vec}
    saved = spacy.blank("en")
    for each in (saved, nlp):
        each.add_pipe("rnn_ner", config={"model": model})
        each.initialize(lambda each=each: make_examples(each))
        learn(each)
    pipe, other = nlp.get_pipe("rnn_ner"), saved.get_pipe("rnn_ner")
    weights = [shim.to_bytes() for node in pipe.model.walk() for shim in node.shims]
    assert len(weights) == 1
    other.temperature = 2.0
    parts = srsly.msgpack_loads(other.to_bytes(exclude=["vocab"]))
    with pytest.raises(ValueError, match="RNN017"):
        pipe.from_bytes(srsly.msgpack_dumps(damage_weights(parts)))
    assert [shim.to_bytes() for node in pipe.model.walk() for shim in node.shims] == weights
    data = other.to_bytes()
    pipe.from_bytes(data)
    assert [shim.to_bytes() for node in pipe.model.walk() for shim in node.shims] != weights
    new = spacy.blank("en").add_pipe("rnn_ner", config={"model": model})
    monkeypatch.setattr(PyTorchShim, "to_bytes", lambda shim: pytest.fail("costly and of no use"))
    new.from_bytes(data)


def test_an_interruption_changes_nothing(nlp, monkeypatch):
    pipe = eager(nlp)
    before = state(pipe)
    data = eager(spacy.blank("en"), ("ORG",)).to_bytes()

    from_bytes = Model.from_bytes

    def interrupted(*arguments):
        from_bytes(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(Model, "from_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pipe.from_bytes(data)
    assert state(pipe) == before


@pytest.mark.parametrize("labels", [["ORG", 3], [None], [["ORG"]], ["ORG", "\ud800"]])
def test_labels_that_are_refused_are_not_added(nlp, labels):
    pipe = eager(nlp)
    before, wanted = state(pipe), tagged(nlp)
    example = Example.from_dict(nlp.make_doc("Red Fort"), {})
    with pytest.raises(ValueError, match="E187|surrogates"):
        pipe.initialize(lambda: [example], labels=labels)
    with pytest.raises(ValueError, match="E187|surrogates"):
        pipe.add_label(labels[-1])
    assert state(pipe) == before and tagged(nlp) == wanted


@pytest.mark.parametrize(
    "settings",
    [{"threshold": {"LOC": 0.5}}, {"candidates": {"LOC": 0.5}}, {"output_labels": ["LOC"]}],
)
def test_an_initialisation_that_is_refused_adds_no_label(settings):
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("rnn_ner", config=settings)
    with pytest.raises(ValueError, match="LOC"):
        nlp.initialize(lambda: make_examples(nlp))
    assert pipe.labels == ()


def test_a_network_that_can_not_grow_gets_no_label(nlp):
    pipe = eager(nlp)
    wanted = tagged(nlp)
    del pipe.model.attrs["resize_output"]
    with pytest.raises(NotImplementedError, match="E921"):
        pipe.add_label("ORG")
    assert pipe.labels == ("FAC", "GPE") and tagged(nlp) == wanted


@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_no_examples_have_no_loss(nlp, decoder):
    pipe = eager(nlp, model={"decoder": decoder})
    for docs in ([], [nlp.make_doc(TEXTS[0])]):
        scores = pipe.model.predict(docs)
        loss, gradient = pipe.get_loss([], scores)
        assert loss == 0.0
        shapes = [array.shape for array in gradient.arrays()]
        assert shapes == [array.shape for array in scores.arrays()]
        assert not any(np.any(array) for array in gradient.arrays())
