"""The generated reference: all that is registered is in it, and nothing without a description."""

import sys
from importlib.metadata import EntryPoint, distribution
from inspect import signature
from pathlib import Path

import pytest
import typer

import spacy_rnn_tagger
from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.errors import Errors, Warnings
from spacy_rnn_tagger.formats.registry import FORMATS

pytest.importorskip("mkdocs", reason="needs the extra docs")
pytest.importorskip("griffe", reason="needs the extra docs")

DOCS = Path(__file__).parents[2] / "docs"
pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="needs the folder docs of a checkout")
SETTINGS, COMMANDS, ERRORS = (
    DOCS / "reference" / name for name in ("settings.md", "commands.md", "errors.md")
)
OWN = list(distribution("spacy-rnn-tagger").entry_points)
REGISTERED = {each.name: each for each in OWN if each.group not in ("spacy_cli", "spacy_factories")}


@pytest.fixture(scope="module")
def hooks():
    """The modules of the hooks, which MkDocs finds in their folder."""
    folder = str(DOCS / "hooks")
    sys.path.insert(0, folder)
    try:
        import command_line
        import markup
        import reference
        import registered

        yield {
            "reference": reference,
            "markup": markup,
            "registered": registered,
            "command_line": command_line,
        }
    finally:
        sys.path.remove(folder)


@pytest.fixture(scope="module")
def settings(hooks):
    return hooks["reference"].fill(SETTINGS.read_text("utf8"))


@pytest.fixture(scope="module")
def commands(hooks):
    return hooks["reference"].fill(COMMANDS.read_text("utf8"))


def section(page, heading):
    """Cut a section out of a page, up to the next heading."""
    assert page.count(f"# {heading} {{") == 1, f"there is no section {heading}"
    return page.split(f"# {heading} {{")[1].split("\n#")[0]


@pytest.mark.parametrize("name", REGISTERED)
def test_every_registered_function_is_there_with_its_settings(settings, name):
    text = section(settings, name.removeprefix("spacy_rnn_tagger."))
    kind = REGISTERED[name].group.split("_", 1)[1]
    assert f'@{kind} = "{name}"' in text
    for setting in signature(REGISTERED[name].load()).parameters:
        row = [line for line in text.splitlines() if line.startswith(f"| `{setting}` |")]
        assert len(row) == 1 and not row[0].endswith("|  |")


def test_the_component_is_there_with_the_defaults_of_its_factory(settings):
    text = section(settings, "rnn_ner")
    assert 'factory = "rnn_ner"' in text
    assert '| `scheme` | `str` | `"BILUO"` | How spans become tags' in text
    assert '| `spans_key` | `str | None` | `"rnn_ner"` |' in text
    assert "[RNNTagger.v1](#rnntagger-v1)" in text and "[ner_scorer.v1](#ner_scorer-v1)" in text
    assert "hidden_width = 128\n" in settings  # of the default model


def test_types_and_defaults_are_those_of_a_config(settings):
    tagger = section(settings, "RNNTagger.v1")
    assert "| `tok2vec` | `Model[list[Doc], list[Floats2d]]` | required |" in tagger
    assert "| `bidirectional` | `bool` | `true` |" in tagger
    assert "| `nO` | `int | None` | `null` |" in tagger
    assert "| `size` | `Sequence[int] | int` | required |" in section(
        settings, "batch_by_tokens.v1"
    )


@pytest.mark.parametrize("name", [each.name for each in FORMATS])
def test_every_format_is_there(settings, name):
    assert f"| `{name}` | `." in settings


COMMAND_GROUP = typer.main.get_command(app)


@pytest.mark.parametrize("name", COMMAND_GROUP.commands)
def test_every_command_is_there_with_its_parameters(commands, name):
    text = section(commands, name)
    assert f"python -m spacy rnn {name}" in text
    for parameter in COMMAND_GROUP.commands[name].params:
        if parameter.param_type_name == "argument":
            assert f"| `{parameter.name.upper()}` |" in text
        else:
            for option in [*parameter.opts, *parameter.secondary_opts]:
                if option != "--help":
                    assert f"`{option}`" in text or f"`{option} " in text


def test_usage_and_defaults_of_a_command(commands):
    text = section(commands, "convert")
    assert "python -m spacy rnn convert INPUT OUTPUT [OPTIONS]\n" in text
    assert "| `--unit TEXT` |" in text and "Default: `sentence`." in text
    assert "| `--allow-empty` |" in text and "Default: `False`" not in text
    assert "[`convert`][spacy_rnn_tagger.convert]" in text
    assert "| `--words TEXT` |" in (vectors := section(commands, "vectors"))
    assert "Default: `[]`" not in vectors and vectors.count("repeated") == 1
    assert "Can be repeated." in section(commands, "calibrate")
    assert "[`init_vectors`][spacy_rnn_tagger.init_vectors]" in vectors
    assert "[TEXTS...]" in section(commands, "tag")


def create_documented(*, size: int = 1):
    """Create it.

    Args:
        size: Its size.
    """


def create_with_a_gap(*, size: int = 1, shape: str = "round"):
    """Create it.

    Args:
        size: Its size.
    """


def create_without_a_docstring():
    pass


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("create_documented", None),
        ("create_with_a_gap", "says nothing about the setting 'shape'"),
        ("create_without_a_docstring", "has no docstring"),
    ],
)
def test_what_is_not_described_stops_the_build(hooks, monkeypatch, function, message):
    from mkdocs.exceptions import PluginError

    entry = EntryPoint("own.v1", f"{__name__}:{function}", "spacy_loggers")
    package = type("Package", (), {"entry_points": [*OWN, entry]})
    monkeypatch.setattr(hooks["registered"], "distribution", lambda _: package)
    if message is None:
        assert "| `size` | `int` | `1` | Its size. |" in hooks["reference"].fill(
            "<!-- reference: own.v1 -->"
        )
        return
    with pytest.raises(PluginError, match=message):
        hooks["reference"].fill("<!-- reference: own.v1 -->")


def test_an_option_without_help_stops_the_build(hooks):
    other = typer.Typer()

    @other.command("print")
    def print_it(quiet: bool = typer.Option(False, "--quiet")) -> None:
        """Print it."""

    command_line = hooks["command_line"]
    with pytest.raises(hooks["registered"].UndocumentedError, match="print: quiet has no help"):
        command_line._command(other.registered_commands[0])


def test_a_part_that_no_page_shows_stops_the_build(hooks, settings, commands):
    from mkdocs.exceptions import PluginError

    reference = hooks["reference"]
    reference.on_pre_build()
    reference.on_page_markdown(SETTINGS.read_text("utf8"))
    with pytest.raises(PluginError, match="no page shows commands, errors, warnings$"):
        reference.on_post_build()
    for page in (COMMANDS, ERRORS):
        reference.on_page_markdown(page.read_text("utf8"))
    reference.on_post_build()
    with pytest.raises(PluginError, match="no part 'RNNTagger.v9'"):
        reference.fill("<!-- reference: RNNTagger.v9 -->")


def test_only_backticks_are_markup(hooks):
    import markdown

    words = "Name of <Labels> in `a_b | <c>`, for [x](y) and *all* _of_ a|b; see --no-such & more"
    page = hooks["markup"].table(
        ("Setting", "Meaning"), [("x", hooks["markup"].text(words))], kind="x"
    )
    html = markdown.markdown(page, extensions=["tables", "md_in_html"])
    assert html.count("<td>") == 2
    assert (
        "<td>Name of &lt;Labels&gt; in <code>a_b | &lt;c&gt;</code>, for [x](y) and *all* _of_ "
        "a|b; see <code>--no-such</code> &amp; more</td>" in html
    )


def test_signatures_show_what_aliases_and_constants_stand_for(hooks):
    import griffe
    from plain_signatures import PlainSignatures

    def shown(path):
        found = package[path]
        found = found.overloads[0] if found.overloads else found
        return {each.name: (str(each.annotation), str(each.default)) for each in found.parameters}

    package = griffe.load(
        "spacy_rnn_tagger",
        search_paths=[DOCS.parent],
        extensions=griffe.load_extensions(PlainSignatures),
    )
    component = shown("pipeline.rnn_ner.RNNEntityRecognizer.__init__")
    assert component["threshold"] == ("float | dict[str, float]", "0.0")
    assert component["spans_key"] == ("str | None", "'rnn_ner'")
    assert component["scorer"] == ("Callable[..., Any] | None", "score_entities")
    assert shown("evaluation.reporting.report")["compare"][0] == "Language | str | Path | None"


def test_every_public_name_has_its_place_in_the_api():
    pages = "".join(path.read_text("utf8") for path in (DOCS / "reference" / "api").glob("*.md"))
    overview = (DOCS / "reference" / "api" / "index.md").read_text("utf8")
    for name in spacy_rnn_tagger.__all__:
        if name == "__version__":
            assert "`spacy_rnn_tagger.__version__`" in overview
        else:
            assert f"::: spacy_rnn_tagger.{name}\n" in pages
            assert f"[`{name}`][spacy_rnn_tagger.{name}]" in overview


def test_every_code_is_there_once_with_its_message(hooks):
    page = hooks["reference"].fill(ERRORS.read_text("utf8"))
    codes = [name for name in {*dir(Errors), *dir(Warnings)} if name.startswith("RNN")]
    assert len(codes) > 100
    for code in codes:
        [row] = [line for line in page.splitlines() if f"`{code}`" in line]
        assert f'id="{code.lower()}"' in row
        message = row.split("|")[2].strip()
        assert len(message) > 10
