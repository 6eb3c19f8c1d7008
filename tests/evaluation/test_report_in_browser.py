"""The page of `spacy rnn report` in a real Chromium: it opens cleanly, is legible, and works."""

import re
from functools import partial

import pytest

from spacy_rnn_tagger import report
from spacy_rnn_tagger.evaluation.data import read_examples
from tests.browsers import CONTRAST, needs_chromium, scrollers
from tests.evaluation.evaluated import STRANGE, load_strange, strangely_named

playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
pytestmark = needs_chromium

SIZES = """all => all.map((text) => text.getBoundingClientRect())
  .map((box) => Math.max(box.height, box.width))"""  # a rotated text is as high as it is wide


@pytest.fixture(scope="module")
def figures(evaluated):
    folder, page = evaluated, evaluated / "report.html"
    return report(str(folder / "model"), folder / "test.spacy", page, compare=str(folder / "worse"))


@pytest.fixture
def open_page(open_page, evaluated, figures):
    return partial(open_page, evaluated / "report.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_it_is_legible(open_page, tmp_path, scheme, width):
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for selector in ("figure svg text", "p, td, th, dd, dt, figcaption, small, a", "h1, h2, h3"):
        assert page.evaluate(CONTRAST, selector) >= 4.5
    # Marks have paper of their own.
    ink = page.evaluate("getComputedStyle(document.querySelector('mark.entity')).color")
    assert ink == "rgb(20, 23, 26)"
    # Text in plots is not drawn too small for a phone.
    sizes = page.locator("figure svg text").evaluate_all(SIZES)
    assert min(sizes) >= 9
    picture = page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert len(picture) > 50_000


def test_tables_are_sorted_by_a_click(open_page, figures):
    page = open_page()
    table = page.locator("#scores table")

    labels = playwright.expect(table.locator("tbody th"))
    assert len({row["p"] for row in figures["scores"]}) == 3, "none are equal"
    names = [row["label"] for row in sorted(figures["scores"], key=lambda row: -row["p"])]
    precision = table.locator("thead button").nth(1)
    precision.click()
    labels.to_have_text(names)
    assert table.locator("th[aria-sort=descending]").inner_text().startswith("P")
    precision.press("Enter")
    labels.to_have_text(names[::-1])
    table.locator("thead button").first.click()
    labels.to_have_text(sorted(names, key=str.lower, reverse=True))


def test_docs_are_filtered(open_page, figures):
    page = open_page()
    docs = figures["docs_with_errors"]
    kinds = [[(e["kind"], e["gold"], e["predicted"]) for e in doc["errors"]] for doc in docs]
    count = page.locator("#filter-count")

    def shown():
        return page.locator("article.doc:visible").count()

    assert shown() == len(docs) > 3
    for kind in ("boundary", "label", "missed", "spurious"):
        page.select_option("#filter-kind", kind)
        wanted = sum(any(k == kind for k, *_ in own) for own in kinds)
        assert (shown(), count.inner_text()) == (wanted, f"{wanted} of {len(docs)} docs")
        # A kind and a label are of one error.
        page.select_option("#filter-label", "GPE")
        wanted = sum(
            any(k == kind and "GPE" in [m["label"] for m in both if m] for k, *both in own)
            for own in kinds
        )
        assert shown() == wanted
        page.select_option("#filter-label", "")
    page.select_option("#filter-kind", "")
    page.fill("#filter-text", "no such word")
    assert shown() == 0
    word = re.split(r"\W", page.locator("mark.entity").first.inner_text())[0]
    page.fill("#filter-text", word.upper())
    assert 0 < shown() <= len(docs)


# What would be a formula, markup, hidden in a legend, or too wide.


@pytest.fixture(scope="module")
def strange(evaluated):
    """A page about labels with strange names, and candidates that are calibrated."""
    nlp = load_strange(evaluated / "model")
    nlp.get_pipe("rnn_ner").candidates = {STRANGE[0]: 0.01, STRANGE[1]: 0.02}
    docs = [example.reference for example in read_examples(nlp, evaluated / "test.spacy")]
    for n, doc in enumerate(docs):
        doc.set_ents(strangely_named(doc, doc.ents, n))
    figures = report(nlp, docs, evaluated / "strange.html", compare=nlp)
    assert figures["coverage"] and figures["operating_points"]
    return evaluated / "strange.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_strange_labels_leave_the_page_as_it_is(open_page, strange, scheme, width):
    page = open_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    page.goto(strange.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for selector in ("figure svg text", "p, td, th, dd, dt, figcaption, small, a, .hash"):
        assert page.evaluate(CONTRAST, selector) >= 4.5
    for name in STRANGE:
        heading = page.locator("#scores tbody th").filter(has_text=name.strip())
        playwright.expect(heading).to_have_count(1)
    assert page.locator("#confidence svg text").filter(has_text="_hidden").count()


def test_wide_tables_scroll_on_a_phone(open_page, strange):
    """By touch and by keyboard; the label of a row stays where it is."""
    page = open_page(viewport={"width": 360, "height": 800})
    page.goto(strange.as_uri())
    wide = page.locator("#person .scroll").last
    assert wide.evaluate("box => box.scrollWidth > 1.5 * box.clientWidth")
    wide.focus()
    heading = wide.locator("tbody th").first
    before = heading.bounding_box()["x"]
    last = wide.locator("tbody tr").first.locator("td").last
    assert last.bounding_box()["x"] > 360
    page.keyboard.press("ArrowRight")
    page.wait_for_function("box => box.scrollLeft > 0", arg=wide.element_handle())
    wide.evaluate("box => { box.scrollLeft = box.scrollWidth; }")
    assert last.bounding_box()["x"] + last.bounding_box()["width"] <= 360
    assert abs(heading.bounding_box()["x"] - before) < 1
    boxes = scrollers(page)
    assert len(boxes) > 7 and all(index == 0 and name for index, name in boxes)


def test_who_what_and_when_is_at_hand(open_page, figures):
    page = open_page()
    about = page.locator("#about")
    facts = figures["provenance"]
    playwright.expect(about).to_contain_text(facts["model"]["sha256"])
    playwright.expect(about).to_contain_text(facts["data"]["sha256"])
    playwright.expect(page.locator("header time")).to_have_attribute("datetime", facts["date"])
    playwright.expect(page.locator("header .summary")).to_have_text(figures["summary"])
