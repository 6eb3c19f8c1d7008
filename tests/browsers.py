"""The real Chromium in which tests look at pages."""

import shutil
from contextlib import contextmanager

import pytest

# The lowest contrast of a text that a selector finds with the paper (WCAG 2.2, 1.4.3).
CONTRAST = """selector => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[0-9.]+/g).map(Number).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  return Math.min(...[...document.querySelectorAll(selector)].map((text) => {
    const style = getComputedStyle(text);
    const ink = light(text.closest("svg") ? style.fill : style.color);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  }));
}"""

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the path")

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def open_browser():
    """Start Chromium, without a display and without traffic of its own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        yield opened
        opened.close()


def watch(page, messages, requests=None):
    """Collect what a page writes to its console, errors included, and the URLs that it asks for."""
    page.on("console", lambda message: messages.append(f"{page.url}: {message.text}"))
    page.on("pageerror", lambda error: messages.append(f"{page.url}: {error}"))
    if requests is not None:
        page.on("request", lambda request: requests.append(request.url))


def scrollers(page):
    """List what scrolls: whether it can be reached by keyboard (0), and its name."""
    return page.locator(".scroll").evaluate_all(
        "all => all.map((box) => [box.tabIndex, box.getAttribute('aria-label')])"
    )
