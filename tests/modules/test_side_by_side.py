"""Calls in threads: which threads, how many of torch's, and what is left as it was."""

import threading
import time
from functools import partial

import numpy as np
import pytest
import torch

from spacy_rnn_tagger.modules import isolation
from spacy_rnn_tagger.modules.isolation import room_beside
from spacy_rnn_tagger.modules.rnn import run_stack
from spacy_rnn_tagger.modules.side_by_side import run_side_by_side
from tests.modules.test_rnn import padding_of, random_layers, tensors


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def report():
    time.sleep(0.02)  # long enough that one thread cannot make both calls
    return threading.get_ident(), torch.get_num_threads()


@pytest.mark.parametrize(("n_threads", "share"), [(2, 1), (3, 1), (4, 2)])
def test_each_call_has_a_thread_and_its_share_of_torchs_threads(n_threads, share):
    torch.set_num_threads(n_threads)
    (first, own), (second, others) = run_side_by_side([report, report])
    assert first == threading.get_ident() != second
    assert own == others == share
    # A thread that is new has what the program set, not what ours did; so has the caller.
    assert torch.get_num_threads() == n_threads
    seen = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert seen == [n_threads]


def test_one_thread_is_not_left():
    torch.set_num_threads(1)
    assert {ident for ident, _ in run_side_by_side([report, report])} == {threading.get_ident()}
    torch.set_num_threads(2)
    assert run_side_by_side([report])[0][0] == threading.get_ident()


@pytest.mark.parametrize(("n_threads", "share"), [(2, 1), (3, 1), (4, 2)])
def test_room_beside_leaves_a_core_to_the_calls_and_their_share_as_it_was(n_threads, share):
    torch.set_num_threads(n_threads)
    with room_beside():
        assert torch.get_num_threads() == n_threads - 1
        with room_beside():  # as where an optimizer steps inside an update
            assert torch.get_num_threads() == n_threads - 1
        (first, own), (second, others) = run_side_by_side([report, report])
        assert first == threading.get_ident() != second
        assert own == others == share
        assert torch.get_num_threads() == n_threads - 1
    assert torch.get_num_threads() == n_threads


def test_room_beside_gives_the_threads_back_after_an_error():
    torch.set_num_threads(2)
    with pytest.raises(ValueError, match="1"), room_beside():
        raise ValueError(1)
    assert torch.get_num_threads() == 2


def test_room_beside_changes_nothing_where_there_is_one_thread(monkeypatch):
    torch.set_num_threads(1)
    with room_beside():
        assert torch.get_num_threads() == 1
        assert {ident for ident, _ in run_side_by_side([report, report])} == {threading.get_ident()}
    torch.set_num_threads(2)
    monkeypatch.setattr(isolation, "wants_one_thread", lambda: True)
    with room_beside():  # layers set one thread themselves, and the calls must heed it
        assert torch.get_num_threads() == 2
        with isolation.n_threads(1):
            idents = {ident for ident, _ in run_side_by_side([report, report])}
    assert idents == {threading.get_ident()}


def test_results_are_in_order_and_errors_are_raised():
    torch.set_num_threads(2)
    assert run_side_by_side([lambda: time.sleep(0.02) or 1, lambda: 2]) == [1, 2]

    def fail(number):
        raise ValueError(number)

    with pytest.raises(ValueError, match="1"):
        run_side_by_side([partial(fail, 1), partial(fail, 2)])
    assert run_side_by_side([lambda: 1, lambda: 2]) == [1, 2]


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
def test_directions_side_by_side_compute_what_they_do_one_by_one(cell):
    rng = np.random.default_rng(0)
    lengths = [9, 1, 20]
    weights = tensors(random_layers(rng, cell, 5, 4, 2, 2))
    X, dY = (torch.tensor(rng.normal(size=(sum(lengths), width))) for width in (5, 8))
    results = []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        with torch.no_grad():  # a setting of the calling thread, as the two others have it not
            Y, backprop = run_stack(cell, X, padding_of(lengths), weights, is_train=True)
        dX, gradients = backprop(dY)
        results.append([Y, dX, *(array for one in gradients for own in one for array in own)])
    for alone, beside in zip(*results, strict=True):
        assert torch.equal(alone, beside)
