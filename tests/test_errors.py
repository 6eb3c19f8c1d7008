"""Every message has a code, every code has one message, and each is filled in as it must be."""

import ast
import builtins
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import numpy as np
import pytest

import spacy_rnn_tagger
from spacy_rnn_tagger.errors import Errors, Warnings, check_at_least, check_rate

PACKAGE = Path(spacy_rnn_tagger.__file__).parent
# The first digit of a code tells the subject.
SUBJECTS = Errors.__bases__
# What begins with a code of spaCy's is one of its cases, in words that name our component's.
SPACYS = re.compile(r"\[[EW]\d+\] ")
# Exceptions that don't tell users anything about their work: they are for Python itself, or for
# those who extend the package.
WITHOUT_CODE = {
    "AttributeError": "Python's own wording, for hasattr and for `import *`",
    "NotImplementedError": "for those who write a format and forget a method",
}
# Classes of our own whose arguments are not messages.
OWN_ARGUMENTS = {
    "NotUTF8Error": "takes a place; its text has a code",
}


def texts(owner: type) -> dict[str, str]:
    """Return the templates of a class, without codes."""
    return {name: text for name, text in vars(owner).items() if not name.startswith("_")}


TEMPLATES = {name: text for owner in (*SUBJECTS, Warnings) for name, text in texts(owner).items()}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith("errors/messages/"):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


TREES = dict(trees())


def uses(name: str) -> Iterator[tuple[ast.Attribute, ast.Call | None]]:
    """Find the uses of codes in a module, each with the call of `format` on it."""
    called = {}
    for node in ast.walk(TREES[name]):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Attribute() as used, attr="format")):
                called[used] = node
    for node in ast.walk(TREES[name]):
        match node:
            case ast.Attribute(value=ast.Name(id="Errors" | "Warnings"), attr=code):
                if re.fullmatch(r"RNNW?\d+", code):  # not one of spaCy's
                    yield node, called.get(node)


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def exceptions() -> dict[str, type[BaseException]]:
    """List the built-in exceptions, and those that the package derives from them."""
    known = {
        name: kind
        for name, kind in vars(builtins).items()
        if isinstance(kind, type) and issubclass(kind, BaseException)
    }
    warnings = {name for name, kind in known.items() if issubclass(kind, Warning)}
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for base in node.bases:
                    if isinstance(base, ast.Name) and base.id in known:
                        known[node.name] = known[base.id]
    return {name: kind for name, kind in known.items() if name not in warnings}


EXCEPTIONS = exceptions()


def is_text(node: ast.expr) -> bool:
    """Tell whether an expression is a message that is written where it is used."""
    match node:
        case ast.Constant(value=str(text)) | ast.JoinedStr(values=[ast.Constant(value=text), *_]):
            return SPACYS.match(text) is None
        case ast.JoinedStr():
            return True
        case ast.BinOp(left=left, right=right):
            return is_text(left) or is_text(right)
        case ast.IfExp(body=body, orelse=orelse):
            return is_text(body) or is_text(orelse)
        case ast.Call(func=ast.Attribute(value=value, attr="format" | "join")):
            return is_text(value)
    return False


def messages_without_code(tree: ast.AST) -> Iterator[int]:
    """Find the lines where an exception, or a warning, is built from a text of its own."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[*args]) if name in EXCEPTIONS:
                skipped = name in WITHOUT_CODE or name in OWN_ARGUMENTS
            case ast.Call(
                func=ast.Name(id="as_warning" | "notify")
                | ast.Attribute(value=ast.Name(id="warnings"), attr="warn"),
                args=[*args],
            ):
                skipped = False
            case _:
                continue
        if not skipped and any(map(is_text, args)):
            yield node.lineno


@pytest.mark.parametrize(
    "code",
    [
        'raise ValueError("wrong")',
        'raise ValueError(f"{x} is wrong") from None',
        'error = OSError("a " + b)',
        'raise AnnotationError("a" if b else c)',
        'raise KeyError("{}".format(x))',
        'warnings.warn(f"{x}", stacklevel=2)',
        'notify("look")',
        'warnings.warn("[W030]misaligned", stacklevel=2)',
    ],
)
def test_texts_where_they_are_used_are_found(code):
    assert list(messages_without_code(ast.parse(code))) == [1]


def test_codes_of_spacys_count():
    assert not list(messages_without_code(ast.parse('warnings.warn(f"[W030] {n} entities")')))


@pytest.mark.parametrize("name", TREES)
def test_messages_have_codes(name):
    assert list(messages_without_code(TREES[name])) == []


def test_each_code_is_used():
    used = {node.attr for name in TREES for node, _ in uses(name)}
    assert used == set(TEMPLATES)


@pytest.mark.parametrize("name", TREES)
def test_fields_are_filled_in(name):
    for node, call in uses(name):
        template = TEMPLATES[node.attr]
        passed = set() if call is None else {each.arg for each in call.keywords}
        assert passed == fields(template), f"{node.attr} in line {node.lineno}"
        assert call is None or (call.keywords and not call.args), node.attr
        if call is None:  # a text that is not formatted has its braces as they are
            assert "{{" not in template and "}}" not in template, node.attr


@pytest.mark.parametrize("first,owner", enumerate(SUBJECTS))
def test_codes_are_consecutive_within_their_subject(first, owner):
    found = list(texts(owner))
    assert found == [f"RNN{first}{i:02}" for i in range(1, len(found) + 1)]


def test_codes_of_warnings_are_consecutive():
    found = list(texts(Warnings))
    assert found == [f"RNNW{i:02}" for i in range(1, len(found) + 1)]


def test_no_text_has_two_codes():
    assert len(set(TEMPLATES.values())) == len(TEMPLATES)


def test_a_code_comes_before_its_text():
    assert Errors.RNN001.startswith("[RNN001] ")
    assert Warnings.RNNW01.startswith("[RNNW01] ")
    filled = Errors.RNN002.format(setting="depth", minimum=1, received=0)
    assert filled == "[RNN002] depth must be a whole number of 1 or more, but got 0."


@pytest.mark.parametrize("code", TEMPLATES)
def test_texts_are_sentences(code):
    """They begin with a capital, a field or a setting's name, and have no loose ends."""
    text = TEMPLATES[code]
    assert text == text.strip() and "  " not in text
    assert text.endswith((".", "?", "}")), text


@pytest.mark.parametrize("value", [1, 7, np.int64(1), np.uint8(200)])
def test_whole_numbers(value):
    check_at_least("n", value, 1)


@pytest.mark.parametrize("value", [0, -1, np.int64(0), 1.0, 1.5, np.float32(2), True, "2", None])
def test_what_is_no_whole_number(value):
    """Before, 1.5 came through, and failed in NumPy without a name."""
    with pytest.raises(ValueError, match=r"\[RNN002\] n must be a whole number of 1 or more, but"):
        check_at_least("n", value, 1)


@pytest.mark.parametrize("value", [0, 0.5, np.float32(0.25)])
def test_rates(value):
    check_rate("dropout", value)


@pytest.mark.parametrize("value", [-0.1, 1, 1.5, float("nan"), "0.5", None])
def test_what_is_no_rate(value):
    with pytest.raises(ValueError, match=r"\[RNN003\] dropout must be at least 0 and below 1"):
        check_rate("dropout", value)
