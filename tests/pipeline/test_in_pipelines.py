"""The component among others: listeners, sourcing, freezing, processes, errors."""

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin
from thinc.api import Adam

from tests.conftest import TRAIN, make_examples, trained
from tests.pipeline.test_rnn_ner import found, network

TEXTS = [text for text, _ in TRAIN]
GOLD = [ents for _, ents in TRAIN]
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}


def tagged(nlp):
    return [found(nlp(text)) for text in TEXTS]


@pytest.fixture
def shared(nlp):
    """A tok2vec, a tagger and ours, the last two over the first, trained on TRAIN."""
    nlp.add_pipe("tok2vec")
    nlp.add_pipe("tagger", config={"model": {"tok2vec": LISTENER}})
    nlp.add_pipe("rnn_ner", config={"model": network(tok2vec=LISTENER)})
    nlp.initialize(lambda: with_tags(nlp))
    optimizer = Adam(0.01)
    for _ in range(50):
        nlp.update(with_tags(nlp), sgd=optimizer)
    assert tagged(nlp) == GOLD
    return nlp


def with_tags(nlp):
    examples = make_examples(nlp)
    for example in examples:
        for token in example.reference:
            token.tag_ = "NAME" if token.ent_type_ else "X"
    return examples


class TestListeners:
    def test_two_components_train_one_tok2vec(self, shared):
        assert shared.get_pipe("tok2vec").listening_components == ["tagger", "rnn_ner"]
        doc = shared(TEXTS[0])
        assert [token.tag_ for token in doc[:2]] == ["NAME", "NAME"]

    def test_gradient_reaches_the_tok2vec(self, shared):
        [embed] = [n for n in shared.get_pipe("tok2vec").model.walk() if n.name == "maxout"][:1]
        before = embed.get_param("W").copy()
        with shared.select_pipes(disable="tagger"):
            shared.update(make_examples(shared, [("Red Fort", [])]), sgd=Adam(0.01))
        assert (embed.get_param("W") != before).any()

    def test_save_and_load(self, shared, tmp_path):
        shared.to_disk(tmp_path)
        assert tagged(spacy.load(tmp_path)) == GOLD

    def test_replace_listeners(self, shared, tmp_path):
        shared.replace_listeners("tok2vec", "rnn_ner", ["model.tok2vec"])
        assert shared.get_pipe("tok2vec").listening_components == ["tagger"]
        shared.remove_pipe("tagger")
        shared.remove_pipe("tok2vec")
        assert tagged(shared) == GOLD
        shared.to_disk(tmp_path)
        assert tagged(spacy.load(tmp_path)) == GOLD
        shared.update(make_examples(shared), sgd=Adam(0.01))
        assert tagged(shared) == GOLD

    def test_frozen_below_a_component_that_trains(self, shared, tmp_path):
        """As `spacy train` does it with the tok2vec in frozen and annotating components."""
        shared.to_disk(tmp_path)
        shared = spacy.load(tmp_path)
        shared.get_pipe("rnn_ner").add_label("ORG")
        before = shared.get_pipe("tok2vec").model.to_bytes()
        optimizer = Adam(0.01)
        data = [("Acme wins", [(0, 4, "ORG")]), *TRAIN]
        for _ in range(60):
            shared.update(
                make_examples(shared, data),
                sgd=optimizer,
                exclude=["tok2vec", "tagger"],
                annotates=["tok2vec"],
            )
        assert shared.get_pipe("tok2vec").model.to_bytes() == before
        assert found(shared("Acme wins")) == [(0, 4, "ORG")]


def test_frozen_component_does_not_change(nlp):
    trained(nlp)
    nlp.add_pipe("tagger").add_label("X")
    nlp.get_pipe("tagger").initialize(lambda: with_tags(nlp), nlp=nlp)
    before = nlp.get_pipe("rnn_ner").to_bytes()
    nlp.update(with_tags(nlp), sgd=Adam(0.1), exclude=["rnn_ner"])
    assert nlp.get_pipe("rnn_ner").to_bytes() == before


def test_annotating_component_shows_its_entities_to_the_next(nlp):
    trained(nlp)
    seen = []

    class Spy:
        is_trainable = True
        model = None

        def __call__(self, doc):
            return doc

        def update(self, examples, **_):
            seen.extend(found(example.predicted) for example in examples)

    nlp._components.append(("spy", Spy()))
    nlp.update(make_examples(nlp), sgd=False, annotates=["rnn_ner"])
    assert seen == GOLD


def test_entities_set_in_training_by_an_earlier_component_are_no_obstacle(nlp):
    """The loss looks at gold only, even where a ruler that annotates contradicts it."""
    ruler = nlp.add_pipe("entity_ruler")
    nlp.add_pipe("rnn_ner", config={"model": network()})
    nlp.initialize(lambda: make_examples(nlp))
    ruler.add_patterns([{"label": "ORG", "pattern": "Red Fort"}])
    optimizer = Adam(0.01)
    for _ in range(50):
        nlp.update(make_examples(nlp), sgd=optimizer, annotates=["entity_ruler"])
    nlp.remove_pipe("entity_ruler")
    assert tagged(nlp) == GOLD


class TestSourcing:
    def test_into_another_pipeline(self, nlp, tmp_path):
        trained(nlp)
        other = spacy.blank("en")
        other.add_pipe("sentencizer")
        other.add_pipe("rnn_ner", source=nlp, name="places")
        assert tagged(other) == GOLD
        other.to_disk(tmp_path)
        assert tagged(spacy.load(tmp_path)) == GOLD

    def test_beside_spacys_ner(self, nlp):
        """Each adds to what the other found, under its own name."""
        trained(nlp)
        other = spacy.blank("en")
        ner = other.add_pipe("ner")
        ner.add_label("PERSON")
        ner.initialize(lambda: make_examples(other), nlp=other)
        other.add_pipe("rnn_ner", source=nlp)
        assert other.pipe_labels["rnn_ner"] == ["FAC", "GPE"]
        assert len(list(other.pipe(TEXTS))) == len(TEXTS)


def test_disable_exclude_and_select(nlp, tmp_path):
    trained(nlp).to_disk(tmp_path)
    disabled = spacy.load(tmp_path, disable=["rnn_ner"])
    assert not any(doc.ents for doc in disabled.pipe(TEXTS))
    disabled.enable_pipe("rnn_ner")
    assert tagged(disabled) == GOLD
    assert spacy.load(tmp_path, exclude=["rnn_ner"]).component_names == []
    with nlp.select_pipes(disable=["rnn_ner"]):
        assert not nlp(TEXTS[0]).ents
    assert tagged(nlp) == GOLD


def test_memory_zone(nlp):
    """Words that are met in a zone are forgotten with it; none may be kept by the component."""
    trained(nlp)
    size = len(nlp.vocab.strings)
    for number in range(3):
        with nlp.memory_zone():
            words = " ".join(f"zone{number}word{i}" for i in range(100))
            assert len(list(nlp.pipe([words, *TEXTS]))) == 6
        assert len(nlp.vocab.strings) == size
    assert tagged(nlp) == GOLD


PROCESSES = """
import multiprocessing, sys, spacy, torch
import spacy_rnn_tagger.layers.rnn as layer
from spacy.language import Language

run_stack, own = layer.run_stack, set()

def counted(*arguments, **settings):
    own.add(torch.get_num_threads())
    return run_stack(*arguments, **settings)

layer.run_stack = counted

@Language.component("threads")
def threads(doc):
    doc.user_data["threads"] = [list(own), torch.get_num_threads()]
    return doc

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[2])
    nlp = spacy.load(sys.argv[1])
    torch.set_num_threads(2)
    texts = [("Red Fort is in Delhi. " * 60, number) for number in range(12)]
    spans = lambda doc: [(ent.start, ent.end, ent.label_) for ent in doc.ents]
    # The parent has used its threads: a fork that waits for them would hang.
    one = [(spans(doc), number) for doc, number in nlp.pipe(texts, as_tuples=True)]
    own.clear()
    nlp.add_pipe("threads")
    docs = list(nlp.pipe(texts, as_tuples=True, n_process=2, batch_size=3))
    two = [(spans(doc), number) for doc, number in docs]
    assert one == two and all(found for found, _ in one), (one[0], two[0])
    for doc, _ in docs:
        ours, others = doc.user_data["threads"]
        assert ours == [1], ours
        # A forked worker has what its parent has; we leave it alone.
        assert others == 2 or sys.argv[2] == "spawn", others
    print("the same, with one thread")
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_two_processes(nlp, tmp_path, method):
    trained(nlp).to_disk(tmp_path / "model")
    script = tmp_path / "script.py"
    script.write_text(PROCESSES)
    command = [sys.executable, script, tmp_path / "model", method]
    own = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    # Far above what it takes: the limit ends a hang, and measures nothing.
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=own)
    assert done.stdout == "the same, with one thread\n", done.stderr


class TestErrors:
    @pytest.fixture
    def failing(self, nlp, monkeypatch):
        """A component that fails on every batch that holds a certain doc."""
        trained(nlp)
        pipe = nlp.get_pipe("rnn_ner")
        predict = type(pipe).predict

        def fail(self, docs):
            if any("Nobody" in doc.text for doc in docs):
                raise ZeroDivisionError("as planned")
            return predict(self, docs)

        monkeypatch.setattr(type(pipe), "predict", fail)
        return nlp

    def test_are_raised(self, failing):
        with pytest.raises(ZeroDivisionError) as caught:
            list(failing.pipe(TEXTS))
        if sys.version_info >= (3, 11):
            [note] = caught.value.__notes__
            assert "'rnn_ner' failed on the doc of 3 tokens that begins with 'Nobody came.'" in note

    @pytest.mark.skipif(sys.version_info < (3, 11), reason="errors have notes since Python 3.11")
    def test_name_the_doc_from_another_process(self, failing):
        # The processes are forked, and have the failing method. spaCy's error holds the traceback.
        with pytest.raises(ValueError, match="as planned") as caught:
            list(failing.pipe(TEXTS, n_process=2, batch_size=2))
        assert "that begins with 'Nobody came.'" in str(caught.value)

    def test_go_to_the_handler(self, failing):
        seen = []
        failing.set_error_handler(lambda name, proc, docs, error: seen.append((name, docs, error)))
        docs = list(failing.pipe(TEXTS, batch_size=2))
        [(name, bad, error)] = seen
        assert name == "rnn_ner"
        assert isinstance(error, ZeroDivisionError)
        # The doc that shared a batch with it is not lost.
        assert [doc.text for doc in bad] == ["Nobody came."]
        assert len(docs) == len(TEXTS) - 1
        assert all(found(doc) == dict(TRAIN)[doc.text] for doc in docs)


class TestTraining:
    def test_accumulated_gradients_equal_those_of_one_batch(self, nlp):
        """Each batch's loss is the mean over its docs, so equal halves add to twice the whole's."""
        embed = {"@architectures": "spacy_rnn_tagger.LexemeEmbed.v1", "word_dropout": 0.0}
        trained(nlp, steps=1, model=network(tok2vec=embed))
        pipe = nlp.get_pipe("rnn_ner")

        def gradients(batches):
            for batch in batches:
                pipe.update(batch, sgd=None)
            grads = [
                node.get_grad(name).copy()
                for node in pipe.model.walk()
                for name in node.grad_names
                if node.has_grad(name)
            ]
            pipe.finish_update(Adam(0.0))
            return grads

        examples = make_examples(nlp)[:4]
        whole = gradients([examples])
        halves = gradients([examples[:2], examples[2:]])
        assert len(whole) == len(halves) > 5
        for one, two in zip(whole, halves, strict=True):
            np.testing.assert_allclose(2 * one, two, atol=1e-5)

    @pytest.mark.slow
    def test_thousand_labels(self, nlp):
        labels = [f"LABEL{i}" for i in range(1000)]
        pipe = nlp.add_pipe("rnn_ner", config={"model": network()})
        examples = make_examples(nlp, [("Red Fort", [(0, 8, "LABEL7")]), ("Delhi", [])])
        pipe.initialize(lambda: examples, nlp=nlp, labels=labels)
        optimizer = Adam(0.01)
        for _ in range(40):
            losses = pipe.update(examples, sgd=optimizer)
        assert np.isfinite(losses["rnn_ner"])
        assert found(nlp("Red Fort")) == [(0, 8, "LABEL7")]
        pipe.add_label("ONE_MORE")
        assert found(nlp("Red Fort")) == [(0, 8, "LABEL7")]


class TestCopies:
    @pytest.mark.parametrize("clone", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
    def test_of_the_component(self, nlp, clone):
        trained(nlp)
        other = clone(nlp.get_pipe("rnn_ner"))
        docs = [nlp.make_doc(text) for text in TEXTS]
        assert [found(other(doc)) for doc in docs] == GOLD
        nlp.get_pipe("rnn_ner").add_label("ORG")
        assert other.labels == ("FAC", "GPE")

    def test_weights_from_a_buffer_that_is_read_only(self, nlp):
        trained(nlp)
        data = nlp.get_pipe("rnn_ner").to_bytes()
        other = spacy.blank("en")
        pipe = other.add_pipe("rnn_ner")
        pipe.from_bytes(memoryview(data).toreadonly())
        assert tagged(other) == GOLD
        buffers = []
        pickled = pickle.dumps(pipe, protocol=5, buffer_callback=buffers.append)
        assert len(buffers) > 10
        # As they come out of a store that several processes share.
        pipe = pickle.loads(pickled, buffers=[bytes(buffer) for buffer in buffers])
        assert [found(pipe(nlp.make_doc(text))) for text in TEXTS] == GOLD
        pipe.update(make_examples(nlp), sgd=Adam(0.01))

    def test_no_code_is_run_by_loading(self, nlp):
        """Weights are arrays in msgpack: neither pickle nor torch's own format takes part."""
        data = trained(nlp, steps=1).get_pipe("rnn_ner").to_bytes()
        with pytest.MonkeyPatch.context() as patch:

            def refuse(*_, **__):
                raise AssertionError("unpickled")

            patch.setattr("pickle.loads", refuse)
            patch.setattr("pickle.load", refuse)
            patch.setattr("torch.load", refuse)
            other = spacy.blank("en").add_pipe("rnn_ner")
            other.from_bytes(data)
        assert b"cnumpy" not in data and b"ctorch" not in data


class TestDocs:
    def test_docbin_and_json_keep_the_entities(self, nlp):
        trained(nlp)
        docs = list(nlp.pipe(TEXTS))
        data = DocBin(docs=docs, store_user_data=True).to_bytes()
        vocab = spacy.blank("en").vocab
        assert [found(doc) for doc in DocBin().from_bytes(data).get_docs(vocab)] == GOLD
        assert [found(Doc(vocab).from_json(doc.to_json())) for doc in docs] == GOLD
        assert [found(doc.copy()) for doc in docs] == GOLD
        assert [found(Doc(nlp.vocab).from_bytes(doc.to_bytes())) for doc in docs] == GOLD

    def test_displacy(self, nlp):
        html = spacy.displacy.render(trained(nlp)(TEXTS[0]), style="ent")
        assert "Red Fort" in html and "FAC" in html and "GPE" in html

    def test_matches_on_entities(self, nlp):
        trained(nlp)
        matcher = spacy.matcher.Matcher(nlp.vocab)
        matcher.add("PLACE", [[{"ENT_TYPE": "GPE"}]])
        assert [span.text for span in matcher(nlp(TEXTS[0]), as_spans=True)] == ["Delhi"]

    def test_merge_entities_after_it(self, nlp):
        trained(nlp).add_pipe("merge_entities")
        assert [token.text for token in nlp(TEXTS[0])][:2] == ["Red Fort", "is"]
