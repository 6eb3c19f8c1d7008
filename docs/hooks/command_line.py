"""The reference of commands: every command of `python -m spacy rnn`, from Typer."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from markup import code, table, text
from registered import UndocumentedError
from typer.models import ArgumentInfo, CommandInfo, OptionInfo

import spacy_rnn_tagger
from spacy_rnn_tagger.cli import app

_TYPES = {str: "text", int: "number", float: "number", Path: "path", bool: ""}


class Parameter(NamedTuple):
    """An argument or option of a command.

    Attributes:
        names: How it is written; of an argument the name in capitals.
        type: What its value is; empty for a flag.
        default: Its default; None for none, and `...` if it must be given.
        help: Its help text.
        is_argument: Whether it is known by its place.
        repeats: Whether it may be given several times.
    """

    names: list[str]
    type: str
    default: Any
    help: str
    is_argument: bool
    repeats: bool


class Command(NamedTuple):
    """A command.

    Attributes:
        name: Its name after `python -m spacy rnn`.
        help: Its help text.
        parameters: Its arguments and options, in their order.
    """

    name: str
    help: str
    parameters: list[Parameter]


def commands() -> list[Command]:
    """Read all commands, by their names.

    Raises:
        UndocumentedError: A command, an argument or an option has no help text.
    """
    return sorted(_command(info) for info in app.registered_commands)


def _command(info: CommandInfo) -> Command:
    callback = info.callback
    assert callback is not None
    name = info.name or callback.__name__.replace("_", "-")
    words = info.help or inspect.getdoc(callback)
    if not words:
        raise UndocumentedError(f"the command {name} has no help text")
    return Command(name, words, list(_parameters(name, callback)))


def _parameters(command: str, callback: Any) -> Iterator[Parameter]:
    types = get_type_hints(callback)
    for name, parameter in inspect.signature(callback).parameters.items():
        info = parameter.default
        if not isinstance(info, ArgumentInfo | OptionInfo):
            raise UndocumentedError(f"{command}: {name} is neither typer.Argument nor typer.Option")
        if not info.help:
            raise UndocumentedError(f"{command}: {name} has no help text")
        is_argument = isinstance(info, ArgumentInfo)
        names = [name.upper()] if is_argument else list(info.param_decls or ())
        names = names or [f"--{name.replace('_', '-')}"]
        value, repeats = _value(types[name])
        yield Parameter(names, value, info.default, info.help, is_argument, repeats)


def _value(hint: Any) -> tuple[str, bool]:
    """Describe a type: what a value is, and whether there may be several."""
    if get_origin(hint) is list:
        return _value(get_args(hint)[0])[0], True
    known = [each for each in get_args(hint) if each is not NoneType]
    return _value(known[0]) if known else (_TYPES.get(hint, "value"), False)


def write_commands() -> str:
    """Write a section for each command.

    Returns:
        Markdown, with a heading, the usage and a table for each.
    """
    return "\n".join(_write(command) for command in commands())


def _write(command: Command) -> str:
    arguments = [each for each in command.parameters if each.is_argument]
    options = [each for each in command.parameters if not each.is_argument]
    usage = ["python -m spacy rnn", command.name]
    usage += [_usage(each) for each in arguments] + (["[OPTIONS]"] if options else [])
    parts = [f"## {command.name} {{ #{command.name} }}\n"]
    parts += [text(part) + "\n" for part in re.split(r"\n\s*\n", command.help)]
    parts.append(f"```bash\n{' '.join(usage)}\n```\n")
    function = command.name.replace("-", "_")
    function = "init_vectors" if function == "vectors" else function
    if function in spacy_rnn_tagger.__all__:
        parts.append(f"From Python: [`{function}`][spacy_rnn_tagger.{function}].\n")
    if arguments:
        rows = [(code(each.names[0]), text(each.help) + _end(each)) for each in arguments]
        parts.append(table(("Argument", "Meaning"), rows, kind="parameters"))
    if options:
        rows = [(_names(each), text(each.help) + _end(each)) for each in options]
        parts.append(table(("Option", "Meaning"), rows, kind="parameters"))
    return "\n".join(parts)


def _usage(argument: Parameter) -> str:
    name = argument.names[0] + ("..." if argument.repeats else "")
    return name if argument.default is ... else f"[{name}]"


def _names(option: Parameter) -> str:
    # Long names first, a line each, for a narrow screen.
    names = [name for each in option.names for name in each.split("/")]
    names.sort(key=lambda name: not name.startswith("--"))
    value = f" {option.type.upper()}" if option.type else ""
    return "<br>".join(code(name + value) for name in names)


def _end(parameter: Parameter) -> str:
    """Write the end of a description: a full stop, and the default."""
    stop = "" if parameter.help.endswith(".") else "."
    value = parameter.default
    if parameter.repeats and not parameter.is_argument and "repeated" not in parameter.help:
        stop += " Can be repeated."
    if value is ... or value is None or value is False or value in ([], ""):
        return stop
    if value is True:
        on = parameter.names[0].split("/")[0]
        return f"{stop} Default: {code(on)}."
    return f"{stop} Default: {code(str(value))}."
