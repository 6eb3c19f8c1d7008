"""The check of annotation tools: what people answer, and how a tool is started and ended."""

import sys

import pytest
import spacy
from spacy.training import Example

from benchmarks.clients import people
from benchmarks.clients.checking import Checks
from benchmarks.clients.people import work_on
from benchmarks.clients.serving import HOST, free_port, running, wait_for

TEXT = "Red Fort is in Delhi."
SPANS = [(0, 8, "FAC"), (15, 20, "GPE")]
SERVER = "import http.server as s; s.test(s.SimpleHTTPRequestHandler, port={}, bind='{}')"


def works():
    suggestions = [
        (f"{i}: {TEXT}", [(s + 3, e + 3, label) for s, e, label in SPANS])
        for i in range(len(people.WITH))
    ]
    suggestions += [(f"{i}: Nobody came.", []) for i in range(len(people.WITHOUT))]
    return work_on(suggestions, ["FAC", "GPE"])


def test_people_do_all_that_people_do():
    found = {work.kind: work for work in works()}
    assert set(found) == {*people.WITH, *people.WITHOUT}
    assert found[people.RELABELLED].expected == [(3, 11, "GPE"), (18, 23, "GPE")]
    assert found[people.MOVED].expected == [(3, 14, "FAC"), (18, 23, "GPE")]
    assert found[people.DELETED].expected == [(18, 23, "GPE")]
    assert found[people.REJECTED].expected is found[people.UNTOUCHED].expected is None
    assert found[people.DISPUTED].missing == {*range(3, 6), *range(7, 11)}
    assert len(found[people.AGREED].answers) == 2


def docs_of(works):
    nlp = spacy.blank("en")
    for work in works:
        if work.expected is not None:
            doc = nlp.make_doc(work.text)
            doc = Example.from_dict(doc, {"entities": work.expected}).reference
            tokens = [doc[t.i : t.i + 1] for t in doc if t.idx in work.missing]
            doc.set_ents(doc.ents, missing=tokens, default="unmodified")
            yield doc


@pytest.mark.parametrize("fault", [None, "lost", "moved", "punished"])
def test_checks_can_fail(fault, capsys):
    all_works, checks = works(), Checks()
    docs = list(docs_of(all_works))
    if fault == "lost":
        del docs[0]
    elif fault == "moved":
        docs[0].set_ents(docs[0].ents[1:])
    elif fault == "punished":
        for doc in docs:
            doc.set_ents(doc.ents, default="outside")
    checks.converted("it", docs, all_works)
    assert (checks.passed, checks.failed) == ((2, 0) if fault is None else (1, 1))
    assert ("FAILED" in capsys.readouterr().out) == (fault is not None)


def test_a_server_runs_and_ends_with_the_block(tmp_path):
    port = free_port()
    command = [sys.executable, "-c", SERVER.format(port, HOST)]
    with running(command, tmp_path / "log", {}, tmp_path) as process:
        wait_for(f"http://{HOST}:{port}", process, 300)
        assert process.poll() is None
    assert process.poll() is not None


def test_a_server_that_stops_is_reported(tmp_path):
    with (
        running([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "log", {}, tmp_path) as p,
        pytest.raises(RuntimeError, match="status 3"),
    ):
        wait_for(f"http://{HOST}:{free_port()}", p, 300)
