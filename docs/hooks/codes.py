"""The page of error codes, from the messages in `spacy_rnn_tagger.errors`."""

import re

from markup import code, table, text

from spacy_rnn_tagger.errors import Errors, Warnings

_CODE = re.compile(r"RNNW?\d+")
_FIELD = re.compile(r"\{(\w+)[^{}]*\}")


def write_errors() -> str:
    """Write a section for each subject, with a table of its codes and messages."""
    sections = []
    for subject in Errors.__bases__:
        title = subject.__name__.removesuffix("Errors")
        sections.append(f"## {title}\n\n{_table(subject)}")
    return "\n".join(sections)


def write_warnings() -> str:
    """Write the table of warnings."""
    return _table(Warnings)


def _table(messages: type) -> str:
    rows = [
        (f'<span id="{name.lower()}"></span>{code(name)}', _message(template))
        for name, template in sorted(vars(messages).items())
        if _CODE.fullmatch(name)
    ]
    return table(["Code", "Message"], rows, kind="codes")


def _message(template: str) -> str:
    """Show the fields of a template in capitals, as usage messages do, and braces as they are."""
    return text(_FIELD.sub(lambda field: field[1].upper(), template).format())
