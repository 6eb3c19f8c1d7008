"""Labels that are scored and calibrated: those that the data has and the pipeline can write."""

import json
import re

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span
from typer.testing import CliRunner

from spacy_rnn_tagger import calibrate, report
from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.evaluation.calibration import CalibrationError
from spacy_rnn_tagger.evaluation.data import DataError, read_examples
from spacy_rnn_tagger.evaluation.outcomes import DocOutcome, Mention
from spacy_rnn_tagger.evaluation.running import find_entities, silent_labels
from spacy_rnn_tagger.evaluation.scope import find_scope
from tests.conftest import eager, make_examples, trained

# Three docs, annotated with FAC and GPE alone, with four entities of each.
GOLD = {
    "Ann left Red Fort for Delhi.": {"Red Fort": "FAC", "Delhi": "GPE"},
    "Bob saw Hill House, Old Gate and Lima.": {
        "Hill House": "FAC",
        "Old Gate": "FAC",
        "Lima": "GPE",
    },
    "From Oslo, Eve went to Tower Bridge and Paris.": {
        "Oslo": "GPE",
        "Tower Bridge": "FAC",
        "Paris": "GPE",
    },
}
# Of GPE all are right. Of FAC two are right, and two are taken for GPE. There are 3 of PERSON.
OURS = {
    "GPE": ["Delhi", "Lima", "Oslo", "Paris", "Old Gate", "Tower Bridge"],
    "FAC": ["Red Fort", "Hill House"],
    "PERSON": ["Ann", "Bob", "Eve"],
}
# Of GPE two are right; of FAC one, and one is taken for an ORG. One of PERSON is a place by gold.
THEIRS = {"GPE": ["Delhi", "Lima"], "FAC": ["Red Fort"], "ORG": ["Hill House"], "PERSON": ["Paris"]}


def rules(names, nlp=None, **config):
    nlp = nlp or spacy.blank("en")
    patterns = [{"label": key, "pattern": name} for key, own in names.items() for name in own]
    nlp.add_pipe("entity_ruler", config=config).add_patterns(patterns)
    return nlp


def docs(gold=GOLD):
    nlp = spacy.blank("en")
    made = []
    for text, entities in gold.items():
        doc = nlp.make_doc(text)
        starts = ((text.index(name), name, label) for name, label in entities.items())
        doc.set_ents([doc.char_span(at, at + len(name), label) for at, name, label in starts])
        made.append(doc)
    return made


def scores_of(figures):
    keys = ("gold", "predicted", "correct")
    return {row["label"]: tuple(row[key] for key in keys) for row in figures["scores"]}


def mention(start, label):
    return Mention(start, start + 1, label, start, start + 1, "x")


def outcome(gold, predicted, below=()):
    return DocOutcome(
        "x" * 9, 9, *([mention(*each) for each in own] for own in (gold, predicted, below))
    )


def test_scope():
    outcomes = [
        outcome([(0, "B"), (1, "A"), (2, "S")], [(0, "B"), (3, "X")], [(4, "Y"), (5, "X")]),
        outcome([(0, "R"), (1, "S"), (2, "U")], [(1, "R"), (4, "X")]),
    ]
    # S is silent; so is R for one component, and another one writes it; U is not known.
    scope = find_scope(outcomes, {"S", "R", "X", "never"})
    assert scope.labels == ["A", "B", "R", "U"]
    assert scope.not_in_data == {"X": 3, "Y": 1}
    assert scope.not_written == {"S": 2}
    written, silent = scope.notes("ours", "dev.spacy")
    assert "ours finds entities of labels that dev.spacy lacks" in written
    assert written.endswith("X (3), Y (1).") and silent.endswith("S (2).")
    assert find_scope(outcomes[:1], set()).notes("ours", "x")[0].endswith("X (2), Y (1).")
    assert find_scope([outcome([(0, "A")], [(0, "A")])], {"B"}).notes("ours", "x") == []


def test_outcomes_of_some_labels_are_matched_anew():
    doc = outcome([(0, "A"), (2, "A"), (4, "B")], [(0, "B"), (2, "A"), (6, "B")], [(7, "B")])
    assert sorted(o.kind for o in doc.outcomes) == ["correct", "label", "missed", "spurious"]
    own = doc.of_labels(["A"])
    assert sorted(o.kind for o in own.outcomes) == ["correct", "missed"]
    assert (own.text, own.n_tokens, own.below) == (doc.text, 9, [])
    assert len(doc.of_labels(["B"]).below) == 1 and len(doc.outcomes) == 4


def test_labels_that_the_data_lacks_are_not_scored():
    """Counted by hand. With the three entities of PERSON, precision would be 6 of 11."""
    figures = report(rules(OURS), docs(), compare=rules(THEIRS))
    assert scores_of(figures) == {"all": (8, 8, 6), "FAC": (4, 2, 2), "GPE": (4, 6, 4)}
    total = figures["scores"][0]
    assert (total["p"], total["r"], total["f"]) == (6 / 8, 6 / 8, 6 / 8)
    assert figures["labels"] == ["FAC", "GPE"]
    assert figures["left_out"] == {"not_in_data": {"PERSON": 3}, "not_written": {}}
    assert figures["confusion"]["labels"] == ["FAC", "GPE", "none"]
    assert figures["confusion"]["counts"] == [[2, 2, 0], [0, 4, 0], [0, 0, 0]]
    assert figures["errors"][0] == {
        "label": "all", "boundary": 0, "label_error": 2, "missed": 0, "spurious": 0
    }  # fmt: skip
    found = [m["text"] for d in figures["docs_with_errors"] for e in d["errors"]
             for m in (e["gold"], e["predicted"]) if m]  # fmt: skip
    assert sorted(found) == ["Old Gate", "Old Gate", "Tower Bridge", "Tower Bridge"]
    other = figures["comparison"]
    assert other["labels"] == ["FAC", "GPE"]
    assert other["left_out"] == {"not_in_data": {"ORG": 1, "PERSON": 1}, "not_written": {}}
    [every, fac, gpe] = other["scores"]
    # F is 2 * correct / (predicted + gold).
    assert (every["ours"], every["theirs"]) == pytest.approx((12 / 16, 6 / 11))
    assert (fac["ours"], fac["theirs"]) == pytest.approx((4 / 6, 2 / 5))
    assert (gpe["ours"], gpe["theirs"]) == pytest.approx((8 / 10, 4 / 6))
    assert (every["only_ours"], every["only_theirs"]) == (3, 0)


def test_page_and_command_say_what_is_left_out(tmp_path):
    paths = {name: str(tmp_path / name) for name in ("ours", "theirs", "r.html", "data.txt")}
    rules(OURS).to_disk(paths["ours"])
    rules(THEIRS).to_disk(paths["theirs"])
    lines = []
    for text, entities in GOLD.items():
        for name, label in entities.items():
            text = text.replace(name, f"[{name}]({label})")
        lines.append(text)
    (tmp_path / "data.txt").write_text("\n".join(lines), encoding="utf-8")
    args = ["report", paths["ours"], paths["data.txt"], paths["r.html"], "--compare"]
    done = CliRunner().invoke(app, [*args, paths["theirs"], "--json"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    html = (tmp_path / "r.html").read_text(encoding="utf-8")
    for name, counts in (("ours", "PERSON (3)"), ("theirs", "ORG (1), PERSON (1)")):
        note = (
            f"{paths[name]} finds entities of labels that {paths['data.txt']} lacks. They count "
            f"neither as right nor as wrong: {counts}."
        )
        assert note in done.stderr and note in html and note in figures["notes"]
    assert "for the labels that are scored for both: FAC, GPE." in html
    assert not re.search(r'<th scope="row">(ORG|PERSON)<', html)


def silent_pipeline():
    """A component that knows the entities of TRAIN, and writes those of GPE."""
    nlp = trained(spacy.blank("en"))
    nlp.get_pipe("rnn_ner").output_labels = ["GPE"]
    return nlp


def changed_gold():
    """TRAIN with two errors of annotation: of GPE, Paris is not there, and Nobody is."""
    made = [example.reference for example in make_examples(spacy.blank("en"))]
    made[1].set_ents([ent for ent in made[1].ents if ent.text != "Paris"])
    made[2].set_ents([Span(made[2], 0, 1, "GPE")])
    return made


def test_labels_that_are_not_written_are_not_scored():
    """Five of GPE are annotated, and four of them are found beside a wrong one; three of FAC."""
    nlp = silent_pipeline()
    figures = report(nlp, changed_gold())
    assert scores_of(figures) == {"all": (5, 5, 4), "GPE": (5, 5, 4)}
    assert figures["left_out"] == {"not_in_data": {}, "not_written": {"FAC": 3}}
    assert figures["labels"] == ["GPE"] and figures["confusion"]["labels"] == ["GPE", "none"]
    [note] = [note for note in figures["notes"] if "output_labels" in note]
    assert "does not write all labels in the given data" in note and "FAC (3)" in note
    assert {row["label"] for row in figures["calibration"]["scores"]} == {"all", "GPE"}
    # What `spacy train` and `spacy evaluate` say of it.
    examples = make_examples(nlp)
    for example, gold in zip(examples, changed_gold(), strict=True):
        example.reference = gold
    scores = nlp.evaluate(examples)
    assert scores["ents_f"] == pytest.approx(figures["scores"][0]["f"]) == pytest.approx(4 / 5)
    # With all labels written, FAC counts.
    nlp.get_pipe("rnn_ner").output_labels = None
    figures = report(nlp, changed_gold())
    assert scores_of(figures) == {"all": (8, 8, 7), "FAC": (3, 3, 3), "GPE": (5, 5, 4)}
    assert figures["left_out"] == {"not_in_data": {}, "not_written": {}}


def test_a_silent_label_that_another_component_writes_is_scored():
    """One of the three of FAC is found by a rule."""
    figures = report(rules({"FAC": ["Red Fort"]}, silent_pipeline()), changed_gold())
    assert scores_of(figures) == {"all": (8, 6, 5), "FAC": (3, 1, 1), "GPE": (5, 5, 4)}
    assert figures["left_out"]["not_written"] == {}


def test_a_label_that_is_not_known_counts_as_missed():
    made = changed_gold()
    made[0].set_ents([*made[0].ents, Span(made[0], 2, 3, "LAW")])
    nlp = silent_pipeline()
    figures = report(nlp, made)
    assert scores_of(figures) == {"all": (6, 5, 4), "GPE": (5, 5, 4), "LAW": (1, 0, 0)}
    assert any(note.startswith("The model does not know LAW,") for note in figures["notes"])
    # If a rule writes it, the pipeline knows it.
    figures = report(rules({"LAW": ["is"]}, nlp), made)
    assert scores_of(figures)["LAW"] == (1, 2, 1)
    assert not any("does not know" in note for note in figures["notes"])


def test_pipelines_are_compared_on_what_both_can_write():
    """FAC is scored for the first one alone; in the comparison, F of all is that of GPE."""
    silent = silent_pipeline()
    first = rules({"FAC": ["Red Fort"], "GPE": ["Delhi", "Nobody"]})
    figures = report(first, changed_gold(), compare=silent)
    assert scores_of(figures) == {"all": (8, 3, 3), "FAC": (3, 1, 1), "GPE": (5, 2, 2)}
    other = figures["comparison"]
    assert other["labels"] == ["GPE"] and other["left_out"]["not_written"] == {"FAC": 3}
    assert [(row["label"], row["ours"], row["theirs"]) for row in other["scores"]] == [
        ("all", pytest.approx(4 / 7), pytest.approx(8 / 10)),
        ("GPE", pytest.approx(4 / 7), pytest.approx(8 / 10)),
    ]
    assert any("output_labels" in note and "FAC (3)" in note for note in figures["notes"])


def test_a_report_on_nothing_but_silent_labels_is_refused(nlp, tmp_path):
    eager(nlp, output_labels=["FAC"])
    gold = {"Delhi.": {"Delhi": "GPE"}, "Lima!": {"Lima": "GPE"}}
    with pytest.raises(DataError, match="nothing to score: .* writes none of the labels of .* GPE"):
        report(nlp, docs(gold), tmp_path / "r.html")
    assert not any(tmp_path.iterdir())


def test_silent_labels_of_two_components(nlp):
    first = eager(nlp, name="first", output_labels=["FAC"])
    assert first.written_labels == ("FAC",) and silent_labels(nlp) == {"GPE"}
    second = eager(nlp, name="second", labels=("X", "GPE", "Y"), output_labels=["Y", "GPE"])
    assert second.written_labels == ("GPE", "Y") and silent_labels(nlp) == {"X"}
    assert silent_labels(spacy.blank("en")) == set()


def load(evaluated, **settings):
    nlp = spacy.load(evaluated / "model")
    nlp.get_pipe("rnn_ner").cfg.update(settings)
    return nlp


def test_written_labels_alone_are_calibrated(evaluated):
    """The temperature is the likeliest for entities of GPE, by trying others."""
    data = evaluated / "test.spacy"
    nlp = load(evaluated, output_labels=["GPE"])
    found = calibrate(nlp, data, precision={"GPE": 0.7})
    pipe = nlp.get_pipe("rnn_ner")
    assert pipe.threshold.keys() == {"GPE"} == found.thresholds.keys()
    assert not any("FAC" in note for note in found.notes)
    # By another one, which writes all labels, at any temperature.
    every = load(evaluated)
    losses = {}
    for factor in (0.9, 1.0, 1.1):
        every.get_pipe("rnn_ner").temperature = pipe.temperature * factor
        total = []
        for example in read_examples(every, data):
            gold = {(ent.start, ent.end, ent.label_) for ent in example.reference.ents}
            group = every(example.predicted).spans["rnn_ner"]
            for span, p in zip(group, group.attrs["scores"], strict=True):
                if span.label_ == "GPE":
                    is_right = (span.start, span.end, "GPE") in gold
                    total.append(-np.log(p if is_right else 1 - p))
        losses[factor] = np.mean(total)
    assert len(total) == found.n_entities
    assert min(losses, key=losses.get) == 1.0


def test_thresholds_of_silent_labels_stay(evaluated):
    settings = {"output_labels": ["GPE"], "threshold": {"FAC": 0.4}, "candidates": {"FAC": 0.2}}
    nlp = load(evaluated, **settings)
    found = calibrate(nlp, evaluated / "test.spacy")
    assert nlp.get_pipe("rnn_ner").threshold == {"FAC": 0.4}
    assert not any("unchanged" in note for note in found.notes), "they have no effect"
    calibrate(nlp, evaluated / "test.spacy", precision={"GPE": 0.7})
    threshold = nlp.get_pipe("rnn_ner").threshold
    assert threshold.keys() == {"FAC", "GPE"} and threshold["FAC"] == 0.4


def test_labels_that_the_data_lacks_are_not_calibrated(evaluated):
    """Entities of FAC would all be wrong, and FAC a label of few entities."""
    nlp = load(evaluated)
    gold = [example.reference for example in read_examples(nlp, evaluated / "test.spacy")]
    for doc in gold:
        doc.set_ents([ent for ent in doc.ents if ent.label_ == "GPE"])
    found = calibrate(nlp, gold)
    assert (
        found.n_entities
        == calibrate(load(evaluated, output_labels=["GPE"]), evaluated / "test.spacy").n_entities
    )
    assert any(note.startswith("the given data has no entity of FAC") for note in found.notes)
    assert not any("Few" in note for note in found.notes)
    examples = read_examples(nlp, evaluated / "test.spacy")
    judged = [batch.spans.labels for batch in find_entities(nlp, "rnn_ner", examples)]
    assert len(np.concatenate(judged)) > found.n_entities, "with FAC annotated, it is judged"
    with pytest.raises(ValueError, match="'FAC': .* no entity of .* labels in the data are 'GPE'"):
        calibrate(nlp, gold, precision={"FAC": 0.9})


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (
            "FAC",
            "precision of 'FAC': component 'rnn_ner' does not write .* it writes are 'GPE'",
        ),
        ("LAW", "label of a threshold must be one of 'FAC', 'GPE', but got 'LAW'"),
    ],
)
def test_a_precision_of_a_label_that_is_not_written(evaluated, tmp_path, label, message):
    nlp = load(evaluated, output_labels=["GPE"])
    before = dict(nlp.get_pipe("rnn_ner").cfg)
    with pytest.raises(ValueError, match=message) as raised:
        calibrate(nlp, evaluated / "test.spacy", tmp_path / "out", precision={label: 0.9})
    assert not isinstance(raised.value, CalibrationError)
    assert nlp.get_pipe("rnn_ner").cfg == before and not (tmp_path / "out").exists()


def test_labels_met_in_prediction_are_no_part_of_calibration(evaluated):
    """They are listed by the component, and its network lacks them."""
    nlp = load(evaluated)
    doc = Doc(nlp.vocab, words=["A", "law"])
    doc.set_ents([Span(doc, 0, 2, "LAW")], default="missing")
    nlp.get_pipe("rnn_ner")(doc)
    assert nlp.get_pipe("rnn_ner").labels == ("FAC", "GPE", "LAW")
    found = calibrate(nlp, evaluated / "test.spacy", precision={"GPE": 0.7})
    assert nlp.get_pipe("rnn_ner").threshold.keys() == {"FAC", "GPE"}
    assert not any("LAW" in note for note in found.notes)
