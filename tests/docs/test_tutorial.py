"""The tutorial and the explanation pages: their snippets run, and print what the pages show."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from spacy_rnn_tagger import init_config
from spacy_rnn_tagger.cli import app

from .snippets import Fence, Snippet, check_page, find_fences, find_snippets, is_same, run_page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [DOCS / "tutorial.md", *sorted((DOCS / "tutorial").glob("*.md"))]
PAGES += sorted((DOCS / "explanation").glob("*.md"))
DRAWINGS = sorted((DOCS / "drawings").glob("*.svg"))
_SVG = "{http://www.w3.org/2000/svg}"
# An option of `spacy train` that overrides a setting of the config, with its value.
_OVERRIDE = re.compile(r"--((?:training|components|corpora)\.[\w.]+) (\S+)")


def _name(path: Path) -> str:
    return path.relative_to(DOCS).as_posix()


def _fences(page: str, language: str) -> list[Fence]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return [fence for fence in find_fences(text) if fence.language == language]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_snippets_print_what_the_page_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_page(page)
    assert not list(tmp_path.iterdir())  # a reader's folder stays as it was


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_fence_names_its_language(page: Path) -> None:
    languages = {fence.language for fence in find_fences(page.read_text(encoding="utf-8"))}
    assert languages <= {"python", "bash", "ini", "text"}


def test_the_summary_is_what_the_command_prints() -> None:
    (table,) = (fence for fence in _fences("tutorial.md", "text") if "━" in fence.text)
    printed = CliRunner().invoke(app, ["summary", str(ROOT / "configs" / "tutorial.cfg")])
    assert printed.exit_code == 0
    assert is_same(table.text, printed.stdout)


def test_settings_in_the_tutorial_are_those_of_its_config() -> None:
    config = init_config("tutorial")
    (block,) = _fences("tutorial/training.md", "ini")
    assert block.text.startswith("[training.optimizer]\n")
    for line in block.text.splitlines()[1:]:
        key, _, value = line.partition(" = ")
        own = config["training"]["optimizer"][key]
        assert value.strip('"') == (str(own).lower() if isinstance(own, bool) else str(own))


@pytest.mark.parametrize("page", ["tutorial/training.md", "tutorial/beyond.md"])
def test_overrides_of_commands_are_settings_of_their_config(page: str) -> None:
    config = init_config("tutorial")
    found = [item for fence in _fences(page, "bash") for item in _OVERRIDE.findall(fence.text)]
    assert found
    for name, _ in found:
        block = config
        *sections, key = name.split(".")
        for section in sections:
            block = block[section]
        assert key in block, name


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda path: path.stem)
def test_drawings_describe_themselves_and_fit_the_page(drawing: Path) -> None:
    svg = ElementTree.fromstring(drawing.read_text(encoding="utf-8"))
    for tag in ("title", "desc"):
        element = svg.find(_SVG + tag)
        assert element is not None
        assert element.text
    assert int(svg.attrib["width"]) <= 760
    assert svg.attrib["viewBox"] == f"0 0 {svg.attrib['width']} {svg.attrib['height']}"
    # The page's colours don't reach an image, and other hosts are not asked for anything.
    text = drawing.read_text(encoding="utf-8")
    assert "currentColor" not in text
    assert text.count("http") == text.count('xmlns="http://www.w3.org/2000/svg"')


def test_drawings_are_those_that_pages_name() -> None:
    named = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }
    assert named == {drawing.resolve() for drawing in DRAWINGS}


def test_modules_that_pages_name_exist() -> None:
    for page in PAGES:
        for module in re.findall(r"`(spacy_rnn_tagger/[\w/]+\.py)`", page.read_text("utf-8")):
            assert (ROOT / module).is_file(), f"{_name(page)}: {module}"


class TestSnippets:
    PAGE = (
        "Text\n\n```python\nx = 1\nprint(x)\n```\n\n```text\n1\n```\n\nMore\n\n```text\nno\n```\n"
    )

    def test_output_follows_its_snippet_directly(self) -> None:
        assert find_snippets(self.PAGE) == [Snippet("x = 1\nprint(x)\n", 4, "1\n")]
        apart = self.PAGE.replace("```\n\n```text\n1", "```\n\nprints\n\n```text\n1")
        assert find_snippets(apart)[0].shown is None

    def test_fences_may_be_indented_and_left_out(self) -> None:
        fence = "```{.python .notest}\nx\n```\n"
        page = f"- item\n\n  ```python\n  if True:\n      x = 1\n  ```\n\n{fence}"
        assert find_snippets(page) == [Snippet("if True:\n    x = 1\n", 4, None)]

    def test_snippets_share_a_namespace_and_errors_name_the_line(self, tmp_path: Path) -> None:
        page = tmp_path / "page.md"
        page.write_text("```python\nx = 2\n```\n\n```python\nprint(x)\n\nx / 0\n```\n", "utf-8")
        runs = run_page(page)
        assert next(runs)[1] == ""
        with pytest.raises(ZeroDivisionError) as raised:
            next(runs)
        assert raised.traceback[-1].lineno + 1 == 8  # pytest counts from 0

    @pytest.mark.parametrize(
        ("shown", "printed", "same"),
        [
            ("a 0.25\n", "a 0.26  \n", True),
            ("a 0.25\n", "a 0.28\n", False),
            ("4e-05", "5e-05", True),
            ("4e-05", "4e-04", False),
            ("3 docs", "4 docs", False),
            ("[0.5 0.5]", "[0.5 0.5 0.5]", False),
            ("True", "False", False),
            ("", "", True),
            ("", "x", False),
        ],
    )
    def test_outputs_are_the_same_up_to_the_last_digit(
        self, shown: str, printed: str, same: bool
    ) -> None:
        assert is_same(shown, printed) is same
