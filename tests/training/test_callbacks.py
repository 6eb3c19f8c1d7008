"""Learning new labels without forgetting the old ones."""

import numpy as np
import pytest
import spacy
import srsly
from spacy.cli.init_config import fill_config
from spacy.cli.train import train
from spacy.tokens import DocBin

from spacy_rnn_tagger.training.callbacks import create_rehearse_v1
from tests.conftest import TRAIN, make_examples, trained
from tests.pipeline.test_rnn_ner import found

# None of the old labels is annotated in it.
NEW = [
    ("Acme buys Zenith", [(0, 4, "ORG"), (10, 16, "ORG")]),
    ("In Paris Acme is strong", [(9, 13, "ORG")]),
    ("Delhi and Lima like Zenith", [(20, 26, "ORG")]),
    ("the Eiffel Tower is in Prague", []),
]
CONFIG = """
[nlp]
lang = "en"
pipeline = ["rnn_ner"]

[components]

[components.rnn_ner]
source = "{source}"

[corpora]

[corpora.train]
@readers = "spacy.Corpus.v1"
path = "{train}"

[corpora.dev]
@readers = "spacy.Corpus.v1"
path = "{train}"

[training]
max_steps = 60
eval_frequency = 60
frozen_components = {frozen}

[training.optimizer]
@optimizers = "Adam.v1"
learn_rate = 0.005
"""
REHEARSE = """
[training.before_update]
@callbacks = "spacy_rnn_tagger.rehearse.v1"
batch_size = 4

[training.before_update.corpus]
@readers = "spacy.JsonlCorpus.v1"
path = "{texts}"
"""


@pytest.fixture
def resume(nlp, tmp_path):
    """Train the pipeline of `trained` on NEW by `spacy train`, with a config that may rehearse."""
    nlp = trained(nlp, model={"dropout": 0.0})
    assert [found(nlp(text)) for text, _ in TRAIN] == [ents for _, ents in TRAIN]
    nlp.to_disk(tmp_path / "old")
    DocBin(docs=[eg.reference for eg in make_examples(nlp, NEW)]).to_disk(tmp_path / "new.spacy")

    def run(config, texts=TRAIN, frozen="[]"):
        srsly.write_jsonl(tmp_path / "texts.jsonl", [{"text": text} for text, _ in texts])
        paths = {"train": "new.spacy", "texts": "texts.jsonl", "source": "old"}
        paths = {name: (tmp_path / path).as_posix() for name, path in paths.items()}
        (tmp_path / "short.cfg").write_text(config.format(**paths, frozen=frozen))
        fill_config(tmp_path / "config.cfg", tmp_path / "short.cfg", silent=True)
        train(tmp_path / "config.cfg", tmp_path / "out")
        return spacy.load(tmp_path / "out" / "model-last")

    return run


def test_training_forgets_and_rehearsal_does_not(resume):
    forgetful, rehearsed = resume(CONFIG), resume(CONFIG + REHEARSE)
    for nlp in (forgetful, rehearsed):
        assert [found(nlp(text)) for text, _ in NEW[:1]] == [ents for _, ents in NEW[:1]]
    old = [ents for _, ents in TRAIN]
    kept = [sum(found(nlp(text)) == ents for text, ents in TRAIN) for nlp in (forgetful, rehearsed)]
    assert kept[0] < kept[1] == len(old), kept


def test_nothing_to_rehearse_is_an_error(resume):
    with pytest.raises(ValueError, match="there is no component to rehearse"):
        resume(CONFIG + REHEARSE, frozen='["rnn_ner"]')


def test_rehearsal_needs_texts(resume):
    with pytest.raises(ValueError, match="the corpus has no text"):
        resume(CONFIG + REHEARSE, texts=[])


def test_rehearse_follows_the_former_model(nlp):
    """Its gradient leads back to where training resumed, and it changes nothing when there."""
    trained(nlp, model={"dropout": 0.0, "tok2vec": {"word_dropout": 0.0}})
    pipe = nlp.get_pipe("rnn_ner")
    optimizer = nlp.resume_training()
    examples = make_examples(nlp)
    losses = nlp.rehearse(examples, sgd=optimizer, losses={})
    assert losses["rnn_ner"] == pytest.approx(0, abs=1e-5)
    for _ in range(20):
        nlp.update(make_examples(nlp, NEW), sgd=optimizer)
    weights = pipe.model.get_ref("rnn").get_param("U_forward_0").copy()
    away = nlp.rehearse(examples, sgd=optimizer, losses={})["rnn_ner"]
    assert (pipe.model.get_ref("rnn").get_param("U_forward_0") != weights).any()
    for _ in range(30):
        back = nlp.rehearse(examples, sgd=optimizer, losses={})["rnn_ner"]
    assert away > 1
    assert back < away / 10


def test_rehearse_before_resume_does_nothing(nlp):
    trained(nlp, steps=1)
    assert nlp.get_pipe("rnn_ner").rehearse(make_examples(nlp)) == {"rnn_ner": 0.0}


@pytest.mark.parametrize("texts", [[], [""], ["", "\n"], ["\n Red \n Fort", ""]])
def test_rehearse_of_docs_with_few_words(nlp, texts):
    trained(nlp, steps=1)
    optimizer = nlp.resume_training()
    examples = make_examples(nlp, [(text, []) for text in texts])
    losses = nlp.get_pipe("rnn_ner").rehearse(examples, sgd=optimizer)
    assert np.isfinite(losses["rnn_ner"])


def test_a_component_that_listens_is_told_to_get_a_copy(nlp):
    nlp.add_pipe("tok2vec")
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}
    nlp.add_pipe("rnn_ner", config={"model": {"tok2vec": listener}})
    nlp.initialize(lambda: make_examples(nlp))
    nlp.resume_training()
    rehearse = create_rehearse_v1(lambda _: make_examples(nlp))
    with pytest.raises(ValueError, match="'rnn_ner' listens to .* replace_listeners"):
        rehearse(nlp, {"step": 0, "epoch": 0})
    nlp.replace_listeners("tok2vec", "rnn_ner", ["model.tok2vec"])
    rehearse(nlp, {"step": 0, "epoch": 0})
