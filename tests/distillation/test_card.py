"""The card: what spaCy's own commands make of the student's meta data."""

import json

import pytest
import spacy.cli
from spacy.cli.info import info
from spacy.cli.package import generate_readme

from spacy_rnn_tagger.distillation.card import fill_card
from spacy_rnn_tagger.distillation.comparing import compare_on_gold, find_agreement
from spacy_rnn_tagger.distillation.measuring import measure
from spacy_rnn_tagger.distillation.teachers import Teacher
from tests.distillation.pairs import TEXTS, guessing, reported, rules


def teacher():
    nlp = rules()
    nlp.meta.update(version="1.2.0", license="MIT", author="Ann", url="https://example.org")
    return nlp


@pytest.fixture(scope="module")
def report():
    own, student = teacher(), guessing()
    docs = list(own.pipe(TEXTS))
    measured = measure(own, student, TEXTS, teacher_component="ner", turns=1, processes=False)
    gold = compare_on_gold(own, student, docs, name="gold.spacy", teacher_component="ner")
    found = reported(find_agreement(student, docs), measured, [gold], own, trust=["FAC", "GPE"])
    found["made"]["gold"] = ["gold.spacy"]
    return found


def test_the_readme_names_teacher_texts_and_scores(report):
    student = guessing()
    fill_card(student, report)
    readme = generate_readme(student.meta)
    total = report["agreement"]["scores"][0]
    assert "distilled from en_rules 1.2.0." in readme
    assert "[en_rules 1.2.0](https://example.org) (Ann)<br>books<br>gold.spacy" in readme
    for key in "prf":
        assert f"| `ENTS_{key.upper()}` | {100 * total[key]:.2f} |" in readme
    gold = report["gold"][0]["comparison"][0]
    assert f"| `GOLD_ENTS_F` | {100 * gold['ours']:.2f} |" in readme
    assert f"| `GOLD_TEACHER_ENTS_F` | {100 * gold['theirs']:.2f} |" in readme
    assert "SPEED" not in readme, "it is no percentage"
    assert "agrees with its teacher" in readme
    assert "labels of the teacher were learned: FAC, GPE." in readme
    ratio = report["measured"]["speed"]["part"]["ratio"]["median"]
    assert f"{ratio:.1f} times as fast" in readme


def test_meta_data_has_the_facts(report):
    student = guessing()
    student.meta.update(performance={"ents_f": 0.99, "rnn_ner_loss": 12.0}, sources=["GloVe"])
    fill_card(student, report)
    meta = student.meta
    assert meta["distillation"] == {
        "teacher": "en_rules 1.2.0",
        "texts": "books",
        "n_docs": 6,
        "n_tokens": 52,
        "trust": ["FAC", "GPE"],
        "min_confidence": 0.0,
        "rounds": 1,
        "steps": 30,
        "gold": ["gold.spacy"],
        "date": "2026-01-05",
        "agreement": {
            key: report["agreement"]["scores"][0][key] for key in ("p", "r", "f", "f_interval")
        },
        "versions": report["made"]["versions"],
    }
    assert "rnn_ner_loss" not in meta["performance"]
    speed = report["measured"]["speed"]["pipeline"]["student"]["median"]
    assert meta["performance"]["speed"] == speed
    assert set(meta["performance"]["ents_per_type"]) == {"FAC", "GPE"}
    assert [source["name"] for source in meta["sources"]] == [
        "GloVe", "en_rules 1.2.0", "books", "gold.spacy",
    ]  # fmt: skip
    assert meta["sources"][1]["license"] == "MIT"
    before = json.dumps(meta)
    fill_card(student, report)
    assert json.dumps(student.meta) == before, "a second time, nothing is added"


def test_it_survives_disk_package_and_info(report, tmp_path):
    student = guessing()
    fill_card(student, report)
    student.to_disk(tmp_path / "nlp")
    assert spacy.load(tmp_path / "nlp").meta["distillation"]["texts"] == "books"
    (tmp_path / "out").mkdir()
    spacy.cli.package(tmp_path / "nlp", tmp_path / "out", name="tiny", create_sdist=False)
    readme = (tmp_path / "out" / "en_tiny-0.0.0" / "README.md").read_text("utf-8")
    assert "distilled from en_rules" in readme
    assert "distilled from en_rules" in info(str(tmp_path / "nlp"), markdown=True)


def test_without_figures_there_are_no_scores():
    student = guessing()
    student.meta.update(description="Mine.", license="CC0")
    fill_card(student, reported(None, teacher=teacher()))
    assert (student.meta["description"], student.meta["license"]) == ("Mine.", "CC0")
    assert student.meta["performance"] == {} and student.meta["distillation"]["agreement"] is None
    assert "not from annotation by people." in generate_readme(student.meta)


def test_several_teachers_are_all_named():
    found = reported(None)
    found["made"]["teachers"] = [
        Teacher.of(teacher(), "seed-1").description,
        Teacher.of(rules(), "seed-2", "ner").description,
    ]
    student = guessing()
    fill_card(student, found)
    assert student.meta["distillation"]["teacher"] == ["seed-1 1.2.0", "seed-2 0.0.0"]
    assert "from seed-1 1.2.0 and seed-2 0.0.0." in student.meta["description"]
