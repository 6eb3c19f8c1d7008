"""How many of torch's threads layers use, and that results don't depend on it."""

from threading import get_ident as ident
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from thinc.api import Ragged

from spacy_rnn_tagger.layers.maxout import Maxout
from spacy_rnn_tagger.layers.rnn import RNN
from spacy_rnn_tagger.modules import rnn as module
from spacy_rnn_tagger.modules.isolation import isolated_forward

pytestmark = pytest.mark.usefixtures("own_threads")


@pytest.mark.parametrize(("is_train", "number"), [(False, 1), (True, 2)])
def test_predictions_have_one_thread_and_training_one_less_than_the_host(is_train, number):
    seen = []

    @isolated_forward
    def forward(model, X, is_train):
        seen.append(torch.get_num_threads())
        return X, lambda dY: seen.append(torch.get_num_threads())

    torch.set_num_threads(3)
    _, backprop = forward(None, None, is_train=is_train)
    assert seen == [number]
    backprop(None)
    assert seen == [number, 2]
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("n_rows", [5, 400])
def test_predictions_do_not_depend_on_the_number_of_threads(n_rows, monkeypatch):
    idents = set()
    run = module.run_direction
    monkeypatch.setattr(module, "run_direction", lambda *args: idents.add(ident()) or run(*args))
    options = {"cell": "lstm", "hidden_width": 16, "depth": 2, "dropout": 0.5}
    rnn = RNN(**options, bidirectional=True, mixed_precision=False)
    rows = np.random.default_rng(0).normal(size=(n_rows, 8)).astype("float32")
    X = Ragged(rows, np.array([n_rows], dtype="i"))
    rnn.initialize(X)
    maxout = Maxout(8, 8)
    maxout.initialize()
    found = []
    for number in (1, 2):
        torch.set_num_threads(number)
        found.append(SimpleNamespace(states=rnn.predict(X).dataXd, rows=maxout.predict(rows)))
    alone, beside = found
    assert (alone.states == beside.states).all()
    assert (alone.rows == beside.rows).all()
    assert len(idents) == (2 if n_rows == 400 else 1)  # a short text wakes no other thread
