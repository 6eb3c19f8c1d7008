import pytest
import spacy
from spacy.training import Example
from thinc.api import fix_random_seed

TRAIN = [
    ("Red Fort is in Delhi.", [(0, 8, "FAC"), (15, 20, "GPE")]),
    ("We left Paris for the Eiffel Tower", [(8, 13, "GPE"), (22, 34, "FAC")]),
    ("Nobody came.", []),
    ("Lima lies west of Brasília, they say", [(0, 4, "GPE"), (18, 26, "GPE")]),
    ("Charles Bridge, Prague, is old", [(0, 14, "FAC"), (16, 22, "GPE")]),
]


@pytest.fixture(autouse=True)
def seed():
    fix_random_seed(0)


@pytest.fixture
def nlp():
    return spacy.blank("en")


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
