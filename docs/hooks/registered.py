"""The reference of settings: every registered function and format, from signature and docstring."""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, distribution
from typing import Any, NamedTuple, get_type_hints

import griffe
from markup import code, table, text
from spacy.language import Language
from thinc.api import Config

from spacy_rnn_tagger.formats.base import Role
from spacy_rnn_tagger.formats.registry import FORMATS
from spacy_rnn_tagger.pipeline.rnn_ner import RNNEntityRecognizer, make_rnn_ner

FACTORY = "rnn_ner"
# Entry points that are no functions of configs: the component, which is read from spaCy, and the
# commands.
_OTHERS = ("spacy_factories", "spacy_cli")
_REQUIRED = inspect.Parameter.empty


class UndocumentedError(Exception):
    """Something registered that has no description."""


class Setting(NamedTuple):
    """A setting of a registered function.

    Attributes:
        name: Its name in a config.
        type: Its type, as annotated.
        default: Its default; `inspect.Parameter.empty` for none.
        meaning: Its description.
    """

    name: str
    type: str
    default: Any
    meaning: str


class Registered(NamedTuple):
    """A registered function.

    Attributes:
        name: The name that configs use.
        key: The key of that name in a config: "@architectures", ..., or "factory".
        description: The paragraphs of the docstring before its sections.
        settings: What a config may set.
    """

    name: str
    key: str
    description: str
    settings: list[Setting]


def functions() -> dict[str, Registered]:
    """Read all that the package registers for configs.

    Returns:
        The functions by their names, without the package's: "rnn_ner", "RNNTagger.v1", ...

    Raises:
        UndocumentedError: A function or a setting has no description.
    """
    found = [_component()]
    for entry in distribution("spacy-rnn-tagger").entry_points:
        if entry.group not in _OTHERS:
            found.append(_function(entry))
    return {short(each.name): each for each in found}


def _component() -> Registered:
    description, meanings = read_docstring(RNNEntityRecognizer)
    defaults = Language.get_factory_meta(FACTORY).default_config
    types = _types(make_rnn_ner)
    names = [name for name in types if name not in ("nlp", "name")]
    return Registered(
        FACTORY,
        "factory",
        description,
        [_setting(FACTORY, name, types[name], defaults[name], meanings) for name in names],
    )


def _function(entry: EntryPoint) -> Registered:
    function = entry.load()
    description, meanings = read_docstring(function)
    types = _types(function)
    defaults = inspect.signature(function).parameters
    return Registered(
        entry.name,
        # "spacy_architectures" or "thinc_optimizers": the key is that of the registry.
        "@" + entry.group.partition("_")[2],
        description,
        [
            _setting(entry.name, name, types[name], parameter.default, meanings)
            for name, parameter in defaults.items()
        ],
    )


def _setting(
    owner: str, name: str, type: str, default: Any, meanings: Mapping[str, str]
) -> Setting:
    if not meanings.get(name):
        raise UndocumentedError(f"{owner}: the docstring says nothing about the setting {name!r}")
    return Setting(name, type, default, meanings[name])


def read_docstring(documented: object) -> tuple[str, dict[str, str]]:
    """Read a docstring in Google's style.

    Args:
        documented: A function or a class.

    Returns:
        The description, and the description of each parameter.

    Raises:
        UndocumentedError: There is no description.
    """
    docstring = griffe.Docstring(inspect.getdoc(documented) or "")
    description, meanings = "", {}
    for section in docstring.parse("google", warnings=False):
        if isinstance(section, griffe.DocstringSectionText):
            description = description or section.value
        elif isinstance(section, griffe.DocstringSectionParameters):
            meanings = {each.name: each.description for each in section.value}
    if not description:
        raise UndocumentedError(f"{documented} has no docstring")
    return description, meanings


def _types(function: Callable[..., Any]) -> dict[str, str]:
    """Write the annotations as they are read best: without the modules of their types."""
    hints = get_type_hints(function)
    hints.pop("return", None)
    return {name: _type(hint) for name, hint in hints.items()}


def _type(hint: Any) -> str:
    if isinstance(hint, type) and not hasattr(hint, "__args__"):
        return hint.__name__
    named = re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", str(hint))
    union = re.fullmatch(r"Union\[(.*)\]", named)
    return " | ".join(_split(union[1])) if union else named


def _split(arguments: str) -> list[str]:
    """Split at the commas that stand in no brackets."""
    return re.findall(r"(?:[^,\[\]]|\[[^\]]*\])+", arguments.replace(", ", ","))


def short(name: str) -> str:
    """Leave out what all names of registered functions begin with."""
    return name.removeprefix("spacy_rnn_tagger.")


def anchor(name: str) -> str:
    """Write the anchor of a registered function: "rnntagger-v1" for `RNNTagger.v1`."""
    return short(name).lower().replace(".", "-")


def write_function(function: Registered) -> str:
    """Write the section of a registered function.

    Args:
        function: The function.

    Returns:
        Markdown, with a heading and a table of settings.
    """
    parts = [f"### {short(function.name)} {{ #{anchor(function.name)} }}\n"]
    parts.append(f'```ini\n{function.key} = "{function.name}"\n```\n')
    parts += [text(part) + "\n" for part in re.split(r"\n\s*\n", function.description)]
    if function.settings:
        rows = [
            (code(each.name), code(each.type), _default(each.default), text(each.meaning))
            for each in function.settings
        ]
        parts.append(table(("Setting", "Type", "Default", "Meaning"), rows, kind="settings"))
    else:
        parts.append("It has no settings.\n")
    return "\n".join(parts)


def _default(value: Any) -> str:
    """Write a default as a config has it: in JSON, or the name of the registered function."""
    if value is _REQUIRED:
        return "required"
    if isinstance(value, Mapping):
        name = next(value[key] for key in value if key.startswith("@"))
        return f"[{short(name)}](#{anchor(name)})"
    return code(json.dumps(value))


def write_default_model() -> str:
    """Write the model that the component has if its config names none."""
    model = Language.get_factory_meta(FACTORY).default_config["model"]
    block = Config({"components": {FACTORY: {"factory": FACTORY, "model": model}}})
    lines = block.to_str().split("\n\n", 1)[1]  # without the empty section [components]
    return f"```ini\n{lines}\n```\n"


def write_formats() -> str:
    """Write the formats of files that commands read and write."""
    uses = {
        "texts": {Role.TEXTS},
        "annotated data": {Role.ANNOTATED, Role.CORPUS},
    }
    rows = []
    for each in FORMATS:
        suffixes = ", ".join(code(suffix) for suffix in each.suffixes)
        description, _ = read_docstring(type(each))
        rows.append(
            (
                code(each.name),
                suffixes + (", also with `.gz`" if each.compressed else ""),
                " and ".join(use for use, roles in uses.items() if roles & each.roles),
                "yes" if Role.OUTPUT in each.roles else "no",
                text(re.sub("`[.]$", "`", description.split("\n\n")[0])),
            )
        )
    return table(("Format", "Files", "Read as", "Written", "A record"), rows, kind="formats")
