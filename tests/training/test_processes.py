"""`spacy train` in a folder: by one run at a time, and once."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from spacy_rnn_tagger.training import processes
from spacy_rnn_tagger.training.processes import train


@pytest.fixture
def commands(monkeypatch):
    """Replace `spacy train` by something that writes a pipeline; return what it was called with."""
    called = []

    def write(command, **_):
        called.append(command)
        best = output_of(command) / "model-best"
        best.mkdir(parents=True)
        (best / "meta.json").write_text(str(len(called)))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(processes.subprocess, "run", write)
    return called


def output_of(command):
    return Path(command[command.index("--output") + 1])


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_another_run_is_refused_and_does_no_harm(tmp_path, commands, monkeypatch):
    """Both began with the removal of one folder, and wrote to it."""
    write = processes.subprocess.run

    def write_beside_another(command, **options):
        result = write(command, **options)
        if len(commands) == 1:
            for progress in (False, True):
                with pytest.raises(RuntimeError, match=f"Another run is training in {tmp_path}"):
                    train(tmp_path / "config.cfg", tmp_path / "training", progress=progress)
            assert (output_of(command) / "model-best").exists()
        return result

    monkeypatch.setattr(processes.subprocess, "run", write_beside_another)
    for _ in range(2):
        best = train(tmp_path / "config.cfg", tmp_path / "training")
        assert (best / "meta.json").read_text() == "1"
    assert len(commands) == 1 and names_in(tmp_path) == ["training", "training.log"]


KILLED = """
import sys, time
from pathlib import Path
from spacy_rnn_tagger.training import processes

processes.subprocess.run = lambda *_, **__: time.sleep(3600)
folder = Path(sys.argv[1])
processes.train(folder / "config.cfg", folder / "training")
"""


def test_a_killed_run_leaves_nothing_and_keeps_nobody_out(tmp_path, commands):
    (tmp_path / "training.partial").mkdir()  # as an earlier release named it
    killed = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)])
    try:
        while not list(tmp_path.glob("training.*-*.partial")):
            assert killed.poll() is None
            time.sleep(0.01)
        with pytest.raises(RuntimeError, match="Another run"):
            train(tmp_path / "config.cfg", tmp_path / "training")
    finally:
        killed.kill()
        killed.wait()
    assert len(list(tmp_path.glob("training.*-*.partial"))) == 1 and not commands
    assert train(tmp_path / "config.cfg", tmp_path / "training").exists()
    assert names_in(tmp_path) == ["training", "training.log"]


def test_what_another_run_has_just_trained_is_kept(tmp_path, commands, monkeypatch):
    """It has ended between the look at the folder and the claim to it."""

    def claim(_):
        (tmp_path / "training" / "model-best").mkdir(parents=True)
        return True

    monkeypatch.setattr(processes, "_claim", claim)
    assert train(tmp_path / "config.cfg", tmp_path / "training").exists()
    assert not commands
