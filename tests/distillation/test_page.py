"""The report says in plain words what came of it; the page shows all of it, and nothing else."""

import json
import re

import pytest

from spacy_rnn_tagger.distillation.comparing import compare_on_gold, find_agreement
from spacy_rnn_tagger.distillation.measuring import measure
from spacy_rnn_tagger.distillation.page import render_page, summarise, write_report
from tests.browsers import CONTRAST, needs_chromium, scrollers, watch
from tests.distillation.pairs import TEXTS, guessing, made, reported, rules


@pytest.fixture(scope="module")
def parts():
    """The figures of a teacher of rules and a student that guesses."""
    teacher, student = rules(), guessing()
    docs = list(teacher.pipe(TEXTS))
    gold = [doc.copy() for doc in docs]
    gold[2].set_ents([])
    return {
        "agreement": find_agreement(student, docs),
        "measured": measure(
            teacher, student, TEXTS, teacher_component="ner", turns=2, processes=False
        ),
        "gold": [compare_on_gold(teacher, student, gold, name="<gold>", teacher_component="ner")],
    }


@pytest.fixture(scope="module")
def report(parts):
    return reported(**parts, trust=["FAC", "GPE"])


def total(f, gold=100):
    row = {"p": 0.874, "r": 0.85, "f": f, "f_interval": [f - 0.01, f + 0.01], "gold": gold}
    return {"scores": [row], "notes": []}


def timed(ratio):
    size = {"teacher": {"pipeline": 48.2}, "student": {"pipeline": 6.31}}
    return {"speed": {"part": {"ratio": {"median": ratio}}}, "size": size}


def test_the_first_sentence_says_what_was_lost_and_won():
    said = summarise({}, total(0.862, 5412), timed(9.12))
    assert said[0] == (
        "The student agrees with the teacher on 86 % of entities (95 % interval: 85 to 87 %) and "
        "tags 9.1 times as fast."
    )
    assert said[1].startswith("It finds 85 % of the teacher's 5,412 entities")
    assert said[-1] == "The student's pipeline takes 6.3 MB on disk, the teacher's 48 MB."


def test_bad_news_is_said_too():
    assert "and tags at 0.40 of its speed." in summarise({}, total(0.5), timed(0.4))[0]
    assert "could not be compared" in summarise({}, None, None)[0]
    assert "could not be compared" in summarise({}, total(0.0, gold=0), timed(2.0))[0]
    row = {"ours": 0.774, "theirs": 0.733}
    gold = {"data": "outside", "comparison": [row]}
    assert "student has an F of 0.77 and the teacher 0.73" in summarise({}, None, None, [gold])[1]


def test_both_files_hold_the_same(report, tmp_path):
    write_report(report, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == report
    html = (tmp_path / "report.html").read_text("utf-8")
    # The page is made from the JSON alone.
    assert render_page(json.loads(json.dumps(report))) == html
    assert not re.search(r'(?:src|href)="(?!#|data:)', html)


def test_figures_without_a_page_do_not_end_a_run(report, tmp_path):
    """A run that is continued looks for the figures, so they are written last."""
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OSError):
        write_report(report, tmp_path)
    assert not (tmp_path / "report.json").exists()


def test_everything_is_on_the_page(report):
    html = render_page(report)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    for sentence in report["summary"][:1]:
        assert sentence in text
    for row in report["agreement"]["scores"]:
        assert f"{row['f']:.2f}" in text
    speed = report["measured"]["speed"]["part"]["ratio"]
    assert f"{speed['median']:.1f} ×" in text
    for fact in ("FAC, GPE", "books", "2026-01-05", "labels learned", "en_rules"):
        assert fact in text
    assert html.count('<article class="doc"') == report["agreement"]["n_disagreements"]
    assert "&lt;gold&gt;" in html and "<gold>" not in html
    for note in report["notes"]:
        assert note.replace("<", "&lt;").replace(">", "&gt;") in html
    for name, version in report["made"]["versions"].items():
        assert f"{name} {version}" in text


@pytest.mark.parametrize("left", ["agreement", "measured", "gold"])
def test_what_was_not_measured_is_left_out(parts, left):
    own = {"agreement": None, "measured": None, "gold": [], left: parts[left]}
    html = render_page(reported(**own))
    sections = re.findall(r'<section id="(\w+)"', html)
    links = re.findall(r'<a href="#(\w+)"', html)
    wanted = {
        "agreement": ["agreement", "disagreements"],
        "measured": ["cost"],
        "gold": ["gold"],
    }
    assert sections == links == [*wanted[left], "made"]


def test_a_student_that_agrees_everywhere_and_one_that_cannot_be_compared():
    docs = list(rules().pipe(TEXTS))
    silent = guessing()
    silent.get_pipe("rnn_ner").output_labels = []
    for doc in docs:
        doc.set_ents([])
    html = render_page(reported(find_agreement(silent, docs)))
    assert "There are none." in html and "could not be compared" in html
    assert "The teacher found no entity in 6 held-out docs" in html


@needs_chromium
def test_it_is_legible_and_filters_in_a_browser(report, tmp_path, browser):
    write_report(report, tmp_path)
    messages = []
    for scheme, width in (("light", 1200), ("dark", 1200), ("light", 360)):
        page = browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 800}
        ).new_page()
        watch(page, messages)
        page.goto((tmp_path / "report.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for selector in ("figure svg text", "p, td, th, dd, dt, figcaption, small, a, h2"):
            assert page.evaluate(CONTRAST, selector) >= 4.5
        boxes = scrollers(page)
        assert boxes and all(index == 0 and name for index, name in boxes)
    examples = report["agreement"]["examples"]
    count, shown = page.locator("#filter-count"), page.locator("article.doc:visible")
    assert count.inner_text() == f"{len(examples)} of {len(examples)} disagreements"
    for label in ("FAC", "GPE"):
        page.select_option("#filter-label", label)
        sides = [[own["label"] for own in (e["teacher"], e["student"]) if own] for e in examples]
        assert shown.count() == sum(label in own for own in sides) > 0
    assert messages == []


def test_other_facts_are_shown_too():
    html = render_page(reported(None, soft=True, near_duplicates=12, width=None))
    for name, value in (("posteriors learned", "yes"), ("near duplicates", "12")):
        assert f'<th scope="row">{name}</th><td>{value}</td>' in html
    assert "teachers" in made(rules())
