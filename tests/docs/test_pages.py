"""The how-to pages: their snippets run, one after the other, and print what the pages show."""

from pathlib import Path

import pytest

from .snippets import check_page, find_snippets

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [
    page
    for page in [*sorted(DOCS.glob("*.md")), *sorted((DOCS / "how-to").glob("*.md"))]
    if page.name != "tutorial.md" and find_snippets(page.read_text(encoding="utf-8"))
]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_snippets_run_and_print_what_the_page_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_page(page, silent=False)
