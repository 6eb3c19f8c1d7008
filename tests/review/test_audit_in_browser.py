"""The page of `spacy rnn audit` in a real Chromium: it opens cleanly, is legible, and works."""

import re

import pytest
import spacy
from spacy.tokens import Span

from spacy_rnn_tagger import audit
from spacy_rnn_tagger.evaluation.data import read_examples
from tests.browsers import CONTRAST, needs_chromium, scrollers
from tests.evaluation.evaluated import STRANGE, load_strange, strangely_named

playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
pytestmark = needs_chromium

KINDS = ["boundary", "label", "invented", "forgotten"]
BOXES = "all => all.map((each) => each.getBoundingClientRect()).map((box) => [box.left, box.right])"
WORD = "long_" * 60


def suspicious(nlp, evaluated):
    """Docs of which every fourth has an error of one of the four kinds."""
    docs = []
    for number, example in enumerate(read_examples(nlp, evaluated / "test.spacy")):
        doc = example.reference
        ents = list(doc.ents)
        if number % 4 == 0 and ents:
            kind = KINDS[number // 4 % 4]
            first = ents[0]
            others = {"FAC": "GPE", "GPE": "FAC"}
            if kind == "boundary" and len(first) > 1:
                ents[0] = Span(doc, first.start, first.end - 1, first.label_)
            elif kind == "label":
                ents[0] = Span(doc, first.start, first.end, others[first.label_])
            elif kind == "invented":
                ents.append(Span(doc, len(doc) - 1, len(doc), "FAC"))
            else:
                del ents[0]
            doc.set_ents(ents)
        docs.append(doc)
    return docs


@pytest.fixture(scope="module")
def found(evaluated):
    nlp = spacy.load(evaluated / "model")
    return audit(nlp, suspicious(nlp, evaluated), evaluated / "audit.html", folds=0)


@pytest.fixture(scope="module")
def strange(evaluated):
    """A page about labels with strange names, in long texts, some of whose words are long."""
    nlp = load_strange(evaluated / "model")
    docs = []
    for n, doc in enumerate(suspicious(nlp, evaluated)):
        whole = nlp.make_doc(f"{doc.text} {WORD} <b>{n}</b> " + "and so on. " * 30 * (n % 2))
        whole.set_ents(strangely_named(whole, doc.ents, n))
        docs.append(whole)
    page = evaluated / "strange-audit.html"
    with pytest.warns(UserWarning, match="does not know all labels"):
        audit(nlp, docs, page, folds=0)
    return page


def assert_legible(page, width):
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for selector in ("p, td, th, dd, dt, small, a, label, output", "h1, h2, h3, h4"):
        assert page.evaluate(CONTRAST, selector) >= 4.5
    # Marks have paper of their own.
    ink = page.evaluate("getComputedStyle(document.querySelector('mark.entity')).color")
    assert ink == "rgb(20, 23, 26)"
    # Nothing is cut off outside tables, which scroll.
    outside = page.locator("header *, h2, h3, h4, p, form *, article *, .scroll, footer *")
    assert all(left >= 0 and right <= width for left, right in outside.evaluate_all(BOXES))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_it_is_legible(open_page, evaluated, found, scheme, width):
    page = open_page(
        evaluated / "audit.html", color_scheme=scheme, viewport={"width": width, "height": 800}
    )
    assert_legible(page, width)
    playwright.expect(page.locator("header")).to_contain_text(found["summary"][0])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_strange_labels_leave_the_page_as_it_is(open_page, strange, scheme, width):
    page = open_page(strange, color_scheme=scheme, viewport={"width": width, "height": 800})
    assert_legible(page, width)
    for name in STRANGE[:2]:
        heading = page.locator("#kinds tbody th").filter(has_text=name.strip())
        playwright.expect(heading).to_have_count(1)
        page.select_option("#filter-label", name)
        assert page.locator("article.doc:visible").count()


def test_wide_tables_scroll_by_keyboard(open_page, strange):
    """They can be reached by it, and have a name; the label of a row stays where it is."""
    page = open_page(strange, viewport={"width": 360, "height": 800})
    boxes = scrollers(page)
    assert len(boxes) == 2 and all(index == 0 and name for index, name in boxes)
    wide = page.locator("#kinds .scroll")
    assert wide.evaluate("box => box.scrollWidth > box.clientWidth")
    wide.focus()
    heading = wide.locator("tbody th").first
    before = heading.bounding_box()["x"]
    page.keyboard.press("ArrowRight")
    page.wait_for_function("box => box.scrollLeft > 0", arg=wide.element_handle())
    assert abs(heading.bounding_box()["x"] - before) < 1


def test_places_are_filtered(open_page, evaluated, found):
    page = open_page(evaluated / "audit.html")
    places = [row for row in found["ranking"] if row["score"] > 0]
    labels = [
        {row[side]["label"] for side in ("gold", "suggestion") if row[side]} for row in places
    ]
    count, shown = page.locator("#filter-count"), page.locator("article.doc:visible")
    assert {row["kind"] for row in places} == set(KINDS)
    assert count.inner_text() == f"{len(places)} of {len(places)} places"
    for kind in KINDS:
        page.select_option("#filter-kind", kind)
        own = [label for row, label in zip(places, labels, strict=True) if row["kind"] == kind]
        assert shown.count() == len(own) > 0
        page.select_option("#filter-label", "GPE")
        assert shown.count() == sum("GPE" in label for label in own)
        page.select_option("#filter-label", "")
    page.select_option("#filter-kind", "")
    page.fill("#filter-text", "no such word")
    assert shown.count() == 0
    word = re.split(r"\W", page.locator("article mark.entity").first.inner_text())[0]
    page.fill("#filter-text", word.upper())
    assert 0 < shown.count() <= len(places)


def test_tables_are_sorted_by_a_click(open_page, evaluated, found):
    page = open_page(evaluated / "audit.html")
    table = page.locator("#docs table")
    numbers = [int(text) for text in table.locator("tbody th").all_inner_texts()]
    assert numbers == [row["doc"] + 1 for row in found["doc_ranking"] if row["suspects"]][:20]
    table.locator("thead button").first.click()
    wanted = [str(number) for number in sorted(numbers, reverse=True)]
    playwright.expect(table.locator("tbody th")).to_have_text(wanted)


def test_links_lead_to_the_sections(open_page, evaluated, found):
    page = open_page(evaluated / "audit.html", viewport={"width": 360, "height": 800})
    targets = page.locator("nav a").evaluate_all("all => all.map((a) => a.getAttribute('href'))")
    assert targets == ["#kinds", "#docs", "#places"]
    for target in targets:
        page.locator(f"nav a[href='{target}']").click()
        assert page.locator(target).bounding_box()["y"] < 800


def test_without_anything_improbable(open_page, evaluated, tmp_path):
    nlp = spacy.load(evaluated / "model")
    doc = nlp("1-1: Red Fort is in Delhi.")
    assert doc.ents
    audit(nlp, [doc], tmp_path / "audit.html", folds=0)
    page = open_page(tmp_path / "audit.html")
    playwright.expect(page.locator("#places")).to_contain_text("There are none")
    assert not page.locator("article, .filters").count()
