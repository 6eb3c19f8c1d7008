"""The site in a real Chromium: built strictly, legible in light, dark and on a phone, and local."""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

from tests.browsers import needs_chromium, watch

pytest.importorskip("mkdocs", reason="needs the extra docs")
pytest.importorskip("playwright.sync_api", reason="needs Playwright")
ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    needs_chromium,
    pytest.mark.skipif(not (ROOT / "mkdocs.yml").is_file(), reason="needs a checkout"),
]

VIEWS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
}
# Contrast as WCAG 2 defines it. Colours that are seen through lie on what is behind them.
COLOURS = """
  const parse = (colour) => {
    const [r, g, b, a] = colour.match(/[0-9.]+/g).map(Number);
    return [r, g, b, a === undefined ? 1 : a];
  };
  const over = (front, back) =>
    [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3])).concat([1]);
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (ink, paper) => {
    const [a, b] = [light(over(ink, paper)), light(paper)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
"""
# The texts of a page that are hard to read: what they say, and their contrast.
PALE = f"""(selector) => {{ {COLOURS}
  const paper = (element) => {{
    const own = parse(getComputedStyle(element).backgroundColor);
    if (own[3] === 1) return own;
    return over(own, element.parentElement ? paper(element.parentElement) : [255, 255, 255, 1]);
  }};
  return [...document.querySelectorAll(selector)]
    .filter((element) => element.innerText && element.checkVisibility())
    .map((element) => [element.innerText.slice(0, 60),
                       contrast(parse(getComputedStyle(element).color), paper(element))])
    .filter(([, value]) => value < 4.5);
}}"""
# The same for the texts of a drawing, which lie on the topmost shape below them.
PALE_IN_DRAWING = f"""(page) => {{ {COLOURS}
  const solid = (element, kind) => {{
    const style = getComputedStyle(element);
    if (!style[kind] || style[kind] === "none" || style[kind].startsWith("url")) return null;
    const colour = parse(style[kind]);
    for (let at = element; at instanceof SVGElement; at = at.parentElement) {{
      colour[3] *= Number(getComputedStyle(at).opacity);
    }}
    colour[3] *= Number(style[kind + "Opacity"] || 1);
    return colour;
  }};
  const shapes = [...document.querySelectorAll("rect, circle, ellipse, path, polygon")]
    .filter((shape) => !shape.closest("defs, marker, clipPath"));
  return [...document.querySelectorAll("text")].map((text) => {{
    const box = text.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    let paper = parse(page);
    for (const shape of shapes) {{
      if (shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_PRECEDING) continue;
      const fill = solid(shape, "fill");
      const place = new DOMPoint(x, y).matrixTransform(shape.getScreenCTM().inverse());
      if (fill && shape.isPointInFill(place)) paper = over(fill, paper);
    }}
    return [text.textContent.trim(), contrast(solid(text, "fill"), paper)];
  }}).filter(([words, value]) => words && value < 4.5);
}}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site; a warning about a link or an anchor fails the build.

    No `--quiet`, which hides the warnings from `--strict` as well.
    """
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))


@pytest.fixture(scope="module")
def address(site):
    """The URL of a server for the site, on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def open_tab(browser, address):
    """Open a tab; in the end, its console must be empty, and nothing asked of other hosts."""
    messages, requests, contexts = [], [], []

    def open_it(view):
        context = browser.new_context(**VIEWS[view])
        contexts.append(context)
        tab = context.new_page()
        watch(tab, messages, requests)
        return tab

    yield open_it
    for context in contexts:
        context.close()
    assert messages == []
    assert {url for url in requests if not url.startswith((address, "data:", "blob:"))} == set()
    assert requests


@pytest.mark.parametrize("view", VIEWS)
def test_every_page_is_legible(open_tab, address, pages, view):
    tab = open_tab(view)
    scheme = {"light": "default", "dark": "slate"}[VIEWS[view]["color_scheme"]]
    for page in pages:
        tab.goto(address + page)
        assert tab.locator("body").get_attribute("data-md-color-scheme") == scheme
        assert tab.locator("h1").count() == 1, page
        width = tab.evaluate("document.documentElement.scrollWidth")
        assert width <= VIEWS[view]["viewport"]["width"], f"{page} is {width} pixels wide"
        # Those that are loaded when they come into view, too.
        missing = tab.evaluate("""async () => {
          const all = [...document.images];
          for (const image of all) image.loading = "eager";
          await Promise.all(all.map((image) => image.decode().catch(() => 0)));
          return all.filter((image) => !image.naturalWidth).map((image) => image.src);
        }""")
        assert missing == [], page
        unnamed = tab.locator("article img:not([alt]), article img[alt='']").count()
        assert unnamed == 0, f"{page} has pictures without a description"
        text = "article :is(h1, h2, h3, h4, p, li, td, th, dt, dd, a, code:not(pre code), summary)"
        assert tab.evaluate(PALE, text + ":not(.headerlink)") == [], page


@pytest.mark.parametrize("view", ["light", "dark"])
def test_text_in_drawings_is_legible(open_tab, address, site, view):
    tab = open_tab(view)
    tab.goto(address)
    paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    # What Chromium asks for beside a drawing that is opened by itself.
    tab.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    drawings = sorted((site / "drawings").glob("*.svg"))
    assert drawings
    for drawing in drawings:
        tab.goto(f"{address}drawings/{drawing.name}")
        assert tab.locator("text").count(), f"{drawing.name} has no text"
        assert tab.evaluate(PALE_IN_DRAWING, paper) == [], drawing.name


def test_search_and_the_switch_of_colours_work(open_tab, address):
    tab = open_tab("light")
    tab.goto(f"{address}reference/settings.html")
    box = tab.get_by_role("textbox", name="Search")
    box.click()
    box.type("incorrect_spans_key")
    found = tab.locator(".md-search-result__link").first
    found.wait_for()
    assert "/reference/" in found.get_attribute("href")
    tab.keyboard.press("Escape")
    tab.locator("label[title='Switch to dark mode']").click()
    assert tab.locator("body").get_attribute("data-md-color-scheme") == "slate"


class _Links(HTMLParser):
    """The targets and anchors of a page."""

    def __init__(self, page):
        super().__init__()
        self.links, self.anchors = set(), set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.anchors |= {values[key] for key in ("id", "name") if values.get(key)}
        self.links |= {values[key] for key in ("href", "src") if values.get(key)}


def test_every_link_leads_somewhere(site, pages):
    # All that is in the HTML: MkDocs itself checks the links of Markdown only.
    read = {page: _Links((site / page).read_text("utf8")) for page in pages}
    broken = []
    for page, found in read.items():
        if page == "404.html":  # is served from any folder, and names no host here
            continue
        for link in found.links:
            if urlsplit(link).scheme:
                continue
            target, anchor = urldefrag(urljoin(f"/{page}", link))
            target = unquote(target).lstrip("/")
            target += "index.html" if target.endswith("/") or not target else ""
            if not (site / target).is_file() or (
                anchor and target in read and unquote(anchor) not in read[target].anchors
            ):
                broken.append((page, link))
    assert broken == []
    assert sum(len(found.links) for found in read.values()) > 100


def test_the_site_stands_without_other_hosts(site, pages):
    for page in pages:
        html = (site / page).read_text("utf8")
        assert "fonts.googleapis.com" not in html and "//unpkg.com" not in html
    assert not (site / "hooks").exists()


def test_the_build_is_strict_about_links_and_anchors(tmp_path):
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    (tmp_path / "spacy_rnn_tagger").symlink_to(ROOT / "spacy_rnn_tagger")
    with (tmp_path / "docs" / "index.md").open("a", encoding="utf8") as page:
        page.write("\n[a](reference/settings.md#rnntagger-v9), [b](nowhere.md)\n")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "#rnntagger-v9" in done.stderr and "nowhere.md" in done.stderr
