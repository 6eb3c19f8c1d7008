import os

# The processes that share the tests have one core each; torch reads this once, on import.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import fsspec
import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vectors import Vectors
from thinc.api import fix_random_seed

from spacy_rnn_tagger.models.architectures import build_lexeme_embed_v1
from spacy_rnn_tagger.models.vocabulary_embeds import build_one_hot_embed_v1, build_word_embed_v1
from tests.browsers import open_browser, watch
from tests.evaluation.evaluated import make_folder

TRAIN = [
    ("Red Fort is in Delhi.", [(0, 8, "FAC"), (15, 20, "GPE")]),
    ("We left Paris for the Eiffel Tower", [(8, 13, "GPE"), (22, 34, "FAC")]),
    ("Nobody came.", []),
    ("Lima lies west of Brasília, they say", [(0, 4, "GPE"), (18, 26, "GPE")]),
    ("Charles Bridge, Prague, is old", [(0, 14, "FAC"), (16, 22, "GPE")]),
]

TEXTS = ["Red Fort is in Delhi .", "", "London", "we saw Łódź , Nuku'alofa and the M25 " * 3, "a b"]
EMBEDS = {
    "word": lambda: build_word_embed_v1(width=7, max_size=20),
    "one_hot": lambda: build_one_hot_embed_v1(max_size=12),
    "lexeme": lambda: build_lexeme_embed_v1(width=8, rows=[50, 40, 30, 20], word_dropout=0.0),
    "lexeme_chars": lambda: build_lexeme_embed_v1(width=8, attrs=["SHAPE"], rows=[9], char_width=4),
    "lexeme_vectors": lambda: build_lexeme_embed_v1(
        width=8, include_static_vectors=True, word_dropout=0.0
    ),
}


@pytest.fixture
def own_threads():
    """Give torch its threads back after a test that sets their number."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def vectors(tmp_path_factory):
    """The folder of a pipeline with a small table, for configs that read vectors."""
    nlp = spacy.blank("en")
    nlp.vocab.vectors = Vectors(data=np.ones((2, 3), dtype="f"), keys=["Delhi", "Fort"])
    path = tmp_path_factory.mktemp("vectors")
    nlp.to_disk(path)
    return path


def slopes(node, name, at, loss, eps):
    """Measure the slope of a loss along a parameter's entry: across, above and below its value.

    A gradient is the first, or at the kink of a maximum one of the others.
    """
    param = node.get_param(name).copy()
    values = []
    for shift in (eps, 0.0, -eps):
        moved = param.copy()
        moved[at] += shift
        node.set_param(name, moved)
        values.append(loss())
    node.set_param(name, param)
    above, here, below = values
    return [(above - below) / (2 * eps), (above - here) / eps, (here - below) / eps]


@pytest.fixture
def docs():
    nlp = spacy.blank("en")
    docs = [Doc(nlp.vocab, words=text.split()) for text in TEXTS]
    for word in ("London", "Delhi", "we"):
        nlp.vocab.set_vector(word, np.random.default_rng(len(word)).normal(size=5).astype("f"))
    return docs


@pytest.fixture
def memory():
    """fsspec's file system in memory, empty before and after a test."""
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


@pytest.fixture(autouse=True)
def seed():
    fix_random_seed(0)


@pytest.fixture
def nlp():
    return spacy.blank("en")


@pytest.fixture(scope="module")
def browser():
    """Chromium, for modules that are marked by `needs_chromium`."""
    with open_browser() as opened:
        yield opened


@pytest.fixture
def open_page(browser):
    """Open a page; in the end, it must have written nothing to the console and asked nothing."""
    messages, requests, contexts = [], [], []

    def open_it(path, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        watch(page, messages, requests)
        page.goto(path.as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert messages == []
    assert all(url.startswith(("file:", "data:")) for url in requests) and requests


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory):
    """A folder with `model`, `worse`, and `train.spacy`, `dev.spacy`, `test.spacy`."""
    return make_folder(tmp_path_factory.mktemp("evaluated"))


def make_examples(nlp, data=TRAIN):
    return [Example.from_dict(nlp.make_doc(text), {"entities": ents}) for text, ents in data]


def trained(nlp, steps=40, **config):
    """Add a component and overfit it on TRAIN."""
    nlp.add_pipe("rnn_ner", config=config)
    examples = make_examples(nlp)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(steps):
        nlp.update(make_examples(nlp), sgd=optimizer, drop=0.0)
    return nlp


def eager(nlp, labels=("FAC", "GPE"), *, seed=4, name="rnn_ner", **config):
    """Add a component with random weights that takes most words for entities.

    Its scheme is BIO, so that tests can enumerate paths of few tags.
    """
    small = {"hidden_width": 8, "dropout": 0.0, "tok2vec": {"width": 8, "rows": [50] * 4}}
    model = {**small, **config.pop("model", {})}
    config = {"scheme": "BIO", "model": model, **config}
    pipe = nlp.add_pipe("rnn_ner", name=name, config=config)
    example = Example.from_dict(nlp.make_doc("Red Fort"), {})
    fix_random_seed(seed)
    pipe.initialize(lambda: [example], nlp=nlp, labels=labels)
    rng = np.random.default_rng(seed)
    emissions, output = (pipe.model.get_ref(name) for name in ("emissions", "output_layer"))
    for node in (emissions, output):
        for param in node.param_names:
            values = rng.normal(size=node.get_param(param).shape).astype("f")
            node.set_param(param, values * (5 if param == "W" else 1))
    bias = emissions.get_param("b").copy()
    bias[0] -= 2
    emissions.set_param("b", bias)
    return pipe
