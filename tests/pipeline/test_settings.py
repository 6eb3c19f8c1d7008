"""Settings that are changed in a component, in a saved config, or where a pipeline is loaded."""

import copy
import json
import pickle
import warnings

import pytest
import spacy

from spacy_rnn_tagger.pipeline.settings import Settings
from tests.conftest import eager, trained

CHANGES = [
    ("threshold", 0.3),  # a number that spaCy's JSON reads otherwise
    ("threshold", 0.123456789012345),
    ("threshold", {"FAC": 0.9}),
    ("candidates", 0.2),
    ("candidates", {"FAC": 0.2, "GPE": 0.0123}),
    ("candidates", {"GPE": 0.05}),
    ("temperature", 2.5),
    ("spans_key", "mine"),
    ("spans_key", None),
    ("incorrect_spans_key", "wrong"),
    ("output_labels", ["GPE"]),
    ("output_labels", []),
]


def load(path, **settings):
    return spacy.load(path, config={"components": {"rnn_ner": settings}}).get_pipe("rnn_ner")


@pytest.mark.parametrize(("name", "value"), CHANGES)
class TestASavedPipeline:
    def test_takes_what_its_loading_says(self, nlp, tmp_path, name, value):
        if isinstance(value, dict):
            pytest.skip(
                "spaCy does not let a block stand for a value that a config has as a number"
            )
        eager(nlp, threshold=0.1)
        nlp.to_disk(tmp_path)
        pipe = load(tmp_path, **{name: value})
        assert getattr(pipe, name) == pipe.cfg[name] == value
        assert pipe.threshold == (value if name == "threshold" else 0.1)

    def test_keeps_what_the_component_was_set_to(self, nlp, tmp_path, name, value):
        setattr(eager(nlp), name, value)
        nlp.to_disk(tmp_path)
        assert getattr(load(tmp_path), name) == value
        # Saved once more, by a pipeline whose config never knew.
        spacy.load(tmp_path).to_disk(tmp_path / "again")
        assert getattr(load(tmp_path / "again"), name) == value

    def test_takes_what_its_config_was_changed_to(self, nlp, tmp_path, name, value):
        """Later than the component's own setting."""
        pipe = eager(nlp)
        pipe.temperature = 1.5
        nlp.to_disk(tmp_path)
        config = spacy.util.load_config(tmp_path / "config.cfg")
        config["components"]["rnn_ner"][name] = value
        config.to_disk(tmp_path / "config.cfg")
        pipe = load(tmp_path)
        wanted = value if isinstance(value, list) else pytest.approx(value, abs=1e-9)
        assert getattr(pipe, name) == wanted  # to the digits of a config
        assert pipe.temperature == (value if name == "temperature" else 1.5)
        other = spacy.load(tmp_path)
        other.to_disk(tmp_path / "again")
        assert getattr(load(tmp_path / "again"), name) == getattr(pipe, name)

    def test_goes_through_bytes_and_copies(self, nlp, name, value):
        setattr(eager(nlp), name, value)
        other = spacy.util.load_model_from_config(nlp.config)
        other.from_bytes(nlp.to_bytes())
        pipe = nlp.get_pipe("rnn_ner")
        for each in (
            other.get_pipe("rnn_ner"),
            copy.deepcopy(pipe),
            pickle.loads(pickle.dumps(pipe)),
        ):
            assert getattr(each, name) == value
            assert isinstance(each.cfg, Settings)


def test_what_is_shown_is_what_holds(nlp, tmp_path):
    """A threshold of the config was shown by `nlp.config` and ignored by the component."""
    trained(nlp).to_disk(tmp_path)
    strict = spacy.load(tmp_path, config={"components": {"rnn_ner": {"threshold": 1.0}}})
    assert strict.config["components"]["rnn_ner"]["threshold"] == 1.0
    assert nlp("Red Fort is in Delhi.").ents
    assert not strict("Red Fort is in Delhi.").ents


def test_a_pipeline_that_was_saved_before_is_loaded(nlp, tmp_path):
    """Its file does not say what the config was; what was saved holds, as it did."""
    eager(nlp).threshold = 0.3
    nlp.to_disk(tmp_path)
    file = tmp_path / "rnn_ner" / "cfg"
    saved = json.loads(file.read_text())
    del saved["config"]
    file.write_text(json.dumps(saved))
    with pytest.warns(UserWarning, match="threshold is 0.0 in the config, but 0.3 .* 0.3 is used"):
        assert load(tmp_path).threshold == 0.3
    with pytest.warns(UserWarning, match="is 0.2 in the config, but None .* None is used"):
        assert load(tmp_path, candidates=0.2).candidates is None


def test_a_setting_back_to_its_default(nlp, tmp_path):
    """It may also be that of a component that was created without settings; so it is said."""
    eager(nlp, threshold=0.7)
    nlp.to_disk(tmp_path)
    with pytest.warns(UserWarning, match="threshold is 0.0 in the config, but 0.7 .* 0.0 is used"):
        assert load(tmp_path, threshold=0.0).threshold == 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(tmp_path).threshold == 0.7


REFUSED = [
    ("threshold", 1.5, "threshold must be a number from 0 to 1, but got 1.5"),
    ("threshold", "high", "threshold must be a number from 0 to 1, but got 'high'"),
    ("threshold", float("nan"), "threshold must be a number from 0 to 1"),
    ("threshold", True, "threshold must be a number from 0 to 1"),
    (
        "threshold",
        {"NOPE": 0.5},
        "label of a threshold must be one of 'FAC', 'GPE', but got 'NOPE'",
    ),
    ("candidates", 0.0, "candidates must be a number above 0"),
    ("candidates", "all", "candidates must be a number above 0"),
    ("candidates", {"GPE": 0.0}, "of 'GPE' must be a number above 0 and at most 1, but got 0.0"),
    ("candidates", {"GPE": None}, "candidates of 'GPE' must be a number above 0"),
    (
        "candidates",
        {"NOPE": 0.5},
        "label of candidates must be one of 'FAC', 'GPE', but got 'NOPE'",
    ),
    ("temperature", 0.0, "temperature must be a number from 1e-100"),
    ("temperature", float("inf"), "temperature must be a number from 1e-100"),
    ("temperature", None, "temperature must be a number from 1e-100"),
    ("spans_key", 7, "spans_key must be the name of a span group, or null, but got 7"),
    ("output_labels", "FAC", "a list of labels, or null for all labels, but got 'FAC'"),
    ("output_labels", ["NOPE"], "output_labels must be one of 'FAC', 'GPE', but got 'NOPE'"),
    ("scheme", "BILUO", "scheme is 'BIO' and can't become 'BILUO'"),
]


@pytest.mark.parametrize(("name", "value", "message"), REFUSED)
def test_what_does_not_serve_is_refused(nlp, name, value, message):
    pipe = eager(nlp)
    before = dict(pipe.cfg)
    with pytest.raises(ValueError, match=message):
        pipe.cfg[name] = value
    with pytest.raises(ValueError, match=message):
        pipe.cfg.update({"incorrect_spans_key": "wrong", name: value})
    with pytest.raises(ValueError, match=message):
        pipe.cfg = {**before, name: value}
    if name != "scheme":
        with pytest.raises(ValueError, match=message):
            setattr(pipe, name, value)
    assert dict(pipe.cfg) == before


def test_settings_must_fit_each_other(nlp):
    pipe = eager(nlp, candidates=0.1)
    with pytest.raises(ValueError, match="candidates is set, but spans_key is None"):
        pipe.spans_key = None
    pipe.cfg.update(spans_key=None, candidates=None)
    with pytest.raises(ValueError, match="candidates is set, but spans_key is None"):
        pipe.candidates = 0.1


def test_what_is_changed_in_place_is_checked_before_it_is_saved(nlp, tmp_path):
    """spaCy's find-threshold sets one of several thresholds so. What could not be loaded again."""
    pipe = eager(nlp, threshold={"FAC": 0.5})
    pipe.threshold["GPE"] = 0.25
    nlp.to_disk(tmp_path)
    assert load(tmp_path).threshold == {"FAC": 0.5, "GPE": 0.25}
    pipe.threshold["NOPE"] = 0.1
    for save in (pipe.to_bytes, lambda: nlp.to_disk(tmp_path / "again")):
        with pytest.raises(ValueError, match="must be one of 'FAC', 'GPE', but got 'NOPE'"):
            save()


def test_no_way_around_the_checks(nlp):
    pipe = eager(nlp)
    with pytest.raises(ValueError, match="threshold must be a number from 0 to 1"):
        pipe.cfg |= {"threshold": 7}
    for remove in (lambda: pipe.cfg.pop("threshold"), lambda: pipe.cfg.__delitem__("scheme")):
        with pytest.raises(ValueError, match="can't be removed"):
            remove()
    with pytest.raises(ValueError, match="Add labels with add_label"):
        pipe.cfg["labels"] = ["X"]
    pipe.cfg["label_scheme"] = "theirs"
    assert pipe.cfg.pop("label_scheme") == "theirs" and pipe.cfg.pop("label_scheme", 1) == 1
    with pytest.raises(KeyError, match="label_scheme"):
        pipe.cfg.pop("label_scheme")
    assert pipe.labels == ("FAC", "GPE") and pipe.threshold == 0.0


def test_all_settings_at_once(nlp):
    """Before, the labels could be exchanged so, and settings left out that are needed."""
    pipe = eager(nlp)
    before = dict(pipe.cfg)
    with pytest.raises(ValueError, match="Add labels with add_label"):
        pipe.cfg = {**before, "labels": ["X"]}
    for remove in (
        lambda: setattr(pipe, "cfg", {}),
        lambda: setattr(pipe, "cfg", {n: v for n, v in before.items() if n != "temperature"}),
        pipe.cfg.clear,
        pipe.cfg.popitem,
    ):
        with pytest.raises(ValueError, match="can't be removed"):
            remove()
    assert dict(pipe.cfg) == before
    pipe.cfg["foo"] = "bar"
    assert pipe.cfg.popitem() == ("foo", "bar")
    pipe.cfg["foo"] = "bar"
    pipe.cfg = {**before, "threshold": 0.5}
    assert dict(pipe.cfg) == {**before, "threshold": 0.5}
    free = Settings({"foo": "bar"})
    free.clear()
    with pytest.raises(KeyError):
        free.popitem()


def test_a_slip_of_the_pen_is_refused(nlp):
    pipe = eager(nlp)
    with pytest.raises(ValueError, match="no setting 'treshold'. Did you mean 'threshold'?"):
        pipe.cfg["treshold"] = 7
    pipe.cfg["foo"] = "bar"  # spaCy's own tests put entries of theirs there
    assert pipe.cfg["foo"] == "bar"


def test_threshold_of_an_unknown_label_in_a_config_is_refused_at_loading(nlp, tmp_path):
    eager(nlp)
    nlp.to_disk(tmp_path)
    config = spacy.util.load_config(tmp_path / "config.cfg")
    config["components"]["rnn_ner"]["threshold"] = {"NOPE": 0.5}
    config.to_disk(tmp_path / "config.cfg")
    with pytest.raises(ValueError, match="must be one of 'FAC', 'GPE', but got 'NOPE'"):
        spacy.load(tmp_path)
