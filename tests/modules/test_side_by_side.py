"""Calls in threads: which threads, how many of torch's, and what is left as it was."""

import subprocess
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest
import torch

from spacy_rnn_tagger.modules import side_by_side, threads
from spacy_rnn_tagger.modules.rnn import run_stack
from spacy_rnn_tagger.modules.side_by_side import run_side_by_side
from spacy_rnn_tagger.modules.threads import host_threads, n_threads, one_thread, room_beside
from tests.modules.test_rnn import padding_of, random_layers, tensors


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def report():
    time.sleep(0.02)  # long enough that one thread cannot make both calls
    return threading.get_ident(), torch.get_num_threads()


def in_new_thread(call):
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize(("n_host", "share"), [(2, 1), (3, 1), (4, 2)])
def test_each_call_has_a_thread_and_its_share_of_torchs_threads(n_host, share):
    torch.set_num_threads(n_host)
    (first, own), (second, others) = run_side_by_side([report, report])
    assert first == threading.get_ident() != second
    assert own == others == share
    assert torch.get_num_threads() == n_host
    assert in_new_thread(torch.get_num_threads) == n_host


@pytest.mark.parametrize("alone", [one_thread, room_beside])
def test_a_thread_that_starts_meanwhile_has_what_the_host_has_set(alone):
    torch.set_num_threads(3)
    with alone():
        assert torch.get_num_threads() < 3
        assert in_new_thread(torch.get_num_threads) == 3
        assert host_threads() == 3
    assert torch.get_num_threads() == host_threads() == 3


def test_one_thread_leaves_its_share_to_each_call():
    torch.set_num_threads(4)
    with one_thread(), one_thread():
        assert [number for _, number in run_side_by_side([report, report])] == [1, 1]
        assert host_threads() == 4


def test_another_library_has_its_own_number_back(monkeypatch):
    class Library:
        number = 7

        def omp_get_max_threads(self):
            return self.number

        def omp_set_num_threads(self, number):
            self.number = number

    other = Library()
    libraries = [*threads._openmp(), other]
    monkeypatch.setattr(threads, "_openmp", lambda: libraries)
    torch.set_num_threads(3)
    with one_thread():
        assert other.number == 1
    assert (other.number, torch.get_num_threads()) == (7, 3)


@pytest.mark.skipif(threads._mkl_setter() is None, reason="torch has no MKL here")
def test_products_of_matrices_have_the_same_number_of_threads():
    mkl = threads._mkl_setter()
    torch.set_num_threads(3)  # for MKL as well, which otherwise follows OpenMP
    with one_thread():
        assert mkl(1) == 1
    assert mkl(3) == 3


def test_a_thread_does_not_wait_for_the_company_of_another():
    torch.set_num_threads(2)
    release = threading.Event()
    waiting = threading.Thread(target=run_side_by_side, args=([release.wait, release.wait],))
    waiting.start()
    end = threading.Timer(10, release.set)  # for a test that fails, instead of one that hangs
    end.start()
    try:
        while not side_by_side._company.locked():
            time.sleep(0.001)
        assert {ident for ident, _ in run_side_by_side([report, report])} == {threading.get_ident()}
        assert not release.is_set()
    finally:
        end.cancel()
        release.set()
        waiting.join()
    assert len({ident for ident, _ in run_side_by_side([report, report])}) == 2


def test_one_thread_is_not_left():
    torch.set_num_threads(1)
    assert {ident for ident, _ in run_side_by_side([report, report])} == {threading.get_ident()}
    torch.set_num_threads(2)
    assert run_side_by_side([report])[0][0] == threading.get_ident()


@pytest.mark.parametrize(("n_host", "share"), [(2, 1), (3, 1), (4, 2)])
def test_room_beside_leaves_a_core_to_the_calls_and_their_share_as_it_was(n_host, share):
    torch.set_num_threads(n_host)
    with room_beside():
        assert torch.get_num_threads() == n_host - 1
        with room_beside():  # as where an optimizer steps inside an update
            assert torch.get_num_threads() == n_host - 1
        (first, own), (second, others) = run_side_by_side([report, report])
        assert first == threading.get_ident() != second
        assert own == others == share
        assert torch.get_num_threads() == n_host - 1
    assert torch.get_num_threads() == n_host


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
    monkeypatch.setattr(threads, "wants_one_thread", lambda: True)
    with room_beside():  # layers set one thread themselves, and the calls must heed it
        assert torch.get_num_threads() == 2
        with n_threads(1):
            idents = {ident for ident, _ in run_side_by_side([report, report])}
    assert idents == {threading.get_ident()}


def test_calls_are_made_when_the_interpreter_exits():
    """From then on, no pool takes work."""
    script = """if True:
        import atexit, torch
        from spacy_rnn_tagger.modules.side_by_side import run_side_by_side
        torch.set_num_threads(2)
        run_side_by_side([int, int])
        atexit.register(lambda: print(run_side_by_side([lambda: 1, lambda: 2])))
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "[1, 2]\n", done.stderr


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
    for number in (1, 2):
        torch.set_num_threads(number)
        with torch.no_grad():  # a setting of the calling thread, as the two others have it not
            Y, backprop = run_stack(cell, X, padding_of(lengths), weights, is_train=True)
        dX, gradients = backprop(dY)
        results.append([Y, dX, *(array for one in gradients for own in one for array in own)])
    for alone, beside in zip(*results, strict=True):
        assert torch.equal(alone, beside)
