"""spaCy's own tests, with `rnn_ner` in the place of `ner`."""

import pytest
from spacy.language import Language

from .spacy_suite import TARGETS, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tests(tmp_path_factory):
    return run(tmp_path_factory.mktemp("spacy_suite"))


@pytest.mark.parametrize("target", TARGETS)
def test_of_spacy(tests, target):
    own = [test for test in tests if test.target == target]
    assert [(test.name, test.detail) for test in own if test.outcome == "failed"] == []
    assert any(test.outcome == "passed" for test in own)


def test_the_component_was_in_use(tests):
    """Without the exchange of the factory spaCy's tests would pass as well."""
    used = {test.target for test in tests if test.ours and test.outcome == "passed"}
    # spaCy's test of two processes compares a function with a class, and so never makes its `ner`.
    assert used == set(TARGETS) - {"vocab_vectors.test_vectors"}


def test_pipeline_analysis_says_the_same_of_both_but_for_confidences():
    Language()
    ours, theirs = map(Language.get_factory_meta, ("rnn_ner", "ner"))
    assert [name for name in ours.assigns if name != "doc.spans"] == list(theirs.assigns)
    assert (ours.requires, ours.retokenizes) == (theirs.requires, theirs.retokenizes)
    shared = theirs.default_score_weights
    assert {name: ours.default_score_weights[name] for name in shared} == shared
