"""The component's contract."""

import numpy as np
import pytest
import spacy
from spacy.training import Example
from thinc.api import Adam

from tests.conftest import TRAIN, make_examples, trained

NETWORKS = [
    {"cell": "lstm", "decoder": "crf"},
    {"cell": "gru", "decoder": "softmax", "depth": 2},
    {"cell": "elman", "decoder": "crf", "bidirectional": False},
]


def network(**settings):
    architecture = {"@architectures": "spacy_rnn_tagger.RNNTagger.v1", "hidden_width": 16}
    embed = {"@architectures": "spacy_rnn_tagger.LexemeEmbed.v1", "width": 16}
    return {**architecture, "tok2vec": embed, "dropout": 0.0, **settings}


def found(doc):
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


@pytest.mark.parametrize("scheme", ["BIO", "BILUO", "IO"])
@pytest.mark.parametrize("settings", NETWORKS)
def test_learns_its_training_data(nlp, settings, scheme):
    trained(nlp, model=network(**settings), scheme=scheme, steps=80)
    assert [found(nlp(text)) for text, _ in TRAIN] == [ents for _, ents in TRAIN]


def test_default_learns_the_tutorial_sentence(nlp):
    trained(nlp)
    assert [(e.text, e.label_) for e in nlp("Red Fort is in Delhi.").ents] == [
        ("Red Fort", "FAC"),
        ("Delhi", "GPE"),
    ]


def test_untrained_finds_nothing_and_blank_serialises(nlp):
    pipe = nlp.add_pipe("rnn_ner")
    assert not nlp("Red Fort").ents
    other = spacy.blank("en")
    other.add_pipe("rnn_ner")
    other.from_bytes(nlp.to_bytes())
    assert not other("Red Fort").ents
    nlp.initialize(lambda: make_examples(nlp))
    assert pipe.labels == ("FAC", "GPE")
    assert not nlp("Red Fort").ents


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["a"], ["", "Red Fort", ""]])
def test_small_batches(nlp, texts):
    trained(nlp, steps=1)
    assert len(list(nlp.pipe(texts))) == len(texts)
    examples = [Example.from_dict(nlp.make_doc(text), {"entities": []}) for text in texts]
    nlp.update(examples)


def test_update_with_no_annotation_at_all_changes_nothing(nlp):
    trained(nlp, steps=1)
    doc = nlp.make_doc("a b c")
    example = Example.from_dict(doc, {"entities": ["-", "-", "-"]})
    losses = nlp.update([example], losses={})
    assert losses["rnn_ner"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("how", ["bytes", "disk"])
@pytest.mark.parametrize("settings", NETWORKS)
def test_saved_and_loaded_is_the_same(nlp, tmp_path, how, settings):
    trained(nlp, steps=20, model=network(**settings))
    if how == "disk":
        nlp.to_disk(tmp_path)
        other = spacy.load(tmp_path)
    else:
        other = spacy.blank("en")
        other.add_pipe("rnn_ner", config={"model": network(**settings)})
        other.from_bytes(nlp.to_bytes())
    docs = [[nlp.make_doc(text)] for text, _ in TRAIN]
    for [doc] in docs:
        ours, theirs = (p.get_pipe("rnn_ner").model.predict([doc]) for p in (nlp, other))
        assert (ours.emissions == theirs.emissions).all()
    assert [found(other(text)) for text, _ in TRAIN] == [found(nlp(text)) for text, _ in TRAIN]


def test_word_embed_vocabulary_is_saved(nlp, tmp_path):
    embed = {"@architectures": "spacy_rnn_tagger.WordEmbed.v1", "width": 16, "max_size": 50}
    trained(nlp, steps=60, model=network(tok2vec=embed))
    nlp.to_disk(tmp_path)
    text, ents = TRAIN[0]
    assert found(spacy.load(tmp_path)(text)) == ents


def test_vocabulary_is_built_from_all_docs(nlp):
    embed = {"@architectures": "spacy_rnn_tagger.WordEmbed.v1", "width": 4, "max_size": 500}
    nlp.add_pipe("rnn_ner", config={"model": network(tok2vec=embed)})
    examples = make_examples(nlp, [(f"word{i} here", []) for i in range(100)] + TRAIN)
    nlp.initialize(lambda: examples)
    assert {f"word{i}" for i in range(100)} <= vocabulary_of(nlp)


def vocabulary_of(nlp, component="rnn_ner"):
    [node] = [n for n in nlp.get_pipe(component).model.walk() if n.name == "vocabulary"]
    return {nlp.vocab.strings[int(word)] for word in node.attrs["words"].hashes}


def test_vocabulary_is_built_by_each_initialisation(nlp):
    """Without examples, spaCy initialises with a doc of its own."""
    embed = {"@architectures": "spacy_rnn_tagger.WordEmbed.v1", "width": 4, "max_size": 500}
    nlp.add_pipe("rnn_ner", config={"model": network(tok2vec=embed)})
    nlp.initialize()
    assert vocabulary_of(nlp) == {"x", "y", "z"}
    examples = make_examples(nlp)
    wanted = {token.norm_ for example in examples for token in example.x}
    nlp.initialize(lambda: examples)
    assert vocabulary_of(nlp) == wanted
    loaded = spacy.blank("en")
    loaded.add_pipe("rnn_ner", config={"model": network(tok2vec=embed)})
    loaded.from_bytes(nlp.to_bytes())
    assert vocabulary_of(loaded) == wanted
    loaded.initialize(lambda: make_examples(loaded, [("other words", [])]), sgd=Adam())
    assert vocabulary_of(loaded) == {"other", "words"}


def test_vocabulary_below_another_component_is_built_by_each_initialisation(nlp):
    tok2vec = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {"@architectures": "spacy_rnn_tagger.WordEmbed.v1", "width": 4},
        "encode": {"@architectures": "spacy_rnn_tagger.RNNEncoder.v1", "hidden_width": 4},
    }
    nlp.add_pipe("tok2vec", config={"model": tok2vec})
    nlp.initialize()
    nlp.initialize(lambda: make_examples(nlp, [("some words", [])]))
    assert vocabulary_of(nlp, "tok2vec") == {"some", "words"}


def test_add_label_keeps_what_was_learned(nlp):
    trained(nlp)
    before = [found(nlp(text)) for text, _ in TRAIN]
    pipe = nlp.get_pipe("rnn_ner")
    doc = nlp.make_doc(TRAIN[0][0])
    scores = pipe.model.predict([doc]).emissions
    loss = nlp.evaluate(make_examples(nlp))["ents_loss"]
    assert pipe.add_label("ORG") == 1
    assert pipe.add_label("ORG") == 0
    assert pipe.labels == ("FAC", "GPE", "ORG")
    grown = pipe.model.predict([doc]).emissions[:, : scores.shape[1]]
    np.testing.assert_allclose(grown, scores, rtol=1e-5)  # a wider product is rounded otherwise
    assert [found(nlp(text)) for text, _ in TRAIN] == before
    # Nor does the new label take probability from the others.
    assert nlp.evaluate(make_examples(nlp))["ents_loss"] == pytest.approx(loss, abs=0.01)
    with pytest.raises(ValueError, match="E187"):
        pipe.add_label(3)


def test_label_of_later_data_is_added(nlp):
    trained(nlp, steps=1)
    optimizer = nlp.resume_training()
    data = [("Acme wins", [(0, 4, "ORG")])]
    for _ in range(40):
        nlp.update(make_examples(nlp, data), sgd=optimizer)
    assert found(nlp("Acme wins")) == data[0][1]


def test_labels_given_to_initialize(nlp):
    pipe = nlp.add_pipe("rnn_ner")
    examples = make_examples(nlp)
    pipe.initialize(lambda: examples, nlp=nlp, labels=["GPE", "FAC", "ORG"])
    assert pipe.labels == pipe.label_data == ("GPE", "FAC", "ORG")


def test_initialize_without_examples_is_an_error(nlp):
    pipe = nlp.add_pipe("rnn_ner")
    with pytest.raises((ValueError, TypeError), match="E930|E923"):
        pipe.initialize(lambda: [], nlp=nlp)


def test_evaluation_has_loss_and_token_accuracy(nlp):
    trained(nlp)
    scores = nlp.evaluate(make_examples(nlp))
    assert scores["ents_f"] == scores["ents_token_acc"] == 1.0
    assert scores["ents_per_type"]["FAC"]["f"] == 1.0
    assert 0 < scores["ents_loss"] < 1
    wrong = make_examples(nlp, [("Red Fort is in Delhi.", [])])
    scores = nlp.evaluate(wrong)
    assert scores["ents_token_acc"] == pytest.approx(3 / 6)
    assert scores["ents_loss"] > 5


def test_averaged_weights_reach_the_network(nlp):
    trained(nlp, steps=1)
    pipe = nlp.get_pipe("rnn_ner")
    optimizer = Adam(0.01, use_averages=True)
    for _ in range(5):
        nlp.update(make_examples(nlp), sgd=optimizer)
    rnn = pipe.model.get_ref("rnn")
    now = rnn.get_param("U_forward_0").copy()
    with nlp.use_params(optimizer.averages):
        assert not (rnn.get_param("U_forward_0") == now).all()
    assert (rnn.get_param("U_forward_0") == now).all()


class TestDamage:
    @pytest.fixture
    def saved(self, nlp, tmp_path):
        trained(nlp, steps=1, model=network())
        nlp.to_disk(tmp_path)
        return tmp_path

    def test_missing_model(self, saved):
        (saved / "rnn_ner" / "model").unlink()
        with pytest.raises(FileNotFoundError, match="no file 'model'"):
            spacy.load(saved)

    @pytest.mark.parametrize("keep", [0, 10, 0.5, 0.999])
    def test_truncated_model(self, saved, keep):
        file = saved / "rnn_ner" / "model"
        data = file.read_bytes()
        file.write_bytes(data[: int(len(data) * keep) if isinstance(keep, float) else keep])
        with pytest.raises(ValueError, match="damaged"):
            spacy.load(saved)

    @pytest.mark.parametrize(
        "old,new",
        [
            ("hidden_width = 16", "hidden_width = 17"),
            ('cell = "lstm"', 'cell = "gru"'),
            ('decoder = "crf"', 'decoder = "softmax"'),
            ("depth = 1", "depth = 2"),
            ("bidirectional = true", "bidirectional = false"),
            ('scheme = "BILUO"', 'scheme = "BIO"'),
            ("width = 16\n", "width = 18\n"),
        ],
    )
    def test_other_settings(self, saved, old, new):
        config = saved / "config.cfg"
        text = config.read_text()
        assert old in text
        config.write_text(text.replace(old, new))
        with pytest.raises(ValueError, match="settings other than"):
            spacy.load(saved)


def test_unknown_scheme_is_named(nlp):
    with pytest.raises(ValueError, match="scheme must be one of"):
        nlp.add_pipe("rnn_ner", config={"scheme": "XYZ"})


def test_the_model_of_another_component_is_an_error(nlp):
    nlp.add_pipe("ner")
    config = {"model": nlp.get_pipe_config("ner")["model"]}
    with pytest.raises(ValueError, match="output for tags, but got the model 'parser_model'"):
        nlp.add_pipe("rnn_ner", config=config)
