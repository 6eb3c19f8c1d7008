"""Questions about single spans, to be accepted or rejected.

They are in Prodigy's form of binary tasks, which `convert` reads once they are answered: of an
accepted span it keeps the entity, of a rejected one that it is none, and all other annotation of
the text is missing. A question that nobody has answered says "ignore", and is left out.
"""

from typing import Any

from ..formats.jsonl import JSONL, to_json
from ..formats.prodigy import Prodigy
from ..types import EntitySpan

FORMATS = (JSONL.name, Prodigy.name)
_DIGITS = 6


def check_format(name: str) -> None:
    """Check whether a format can say that annotation is of a single span.

    Raises:
        ValueError: It can't.
    """
    if name not in FORMATS:
        raise ValueError(
            f"Questions about single spans can't be written as {name}, in which a text is "
            f"annotated as a whole. The format must be {' or '.join(FORMATS)}."
        )


def question(text: str, span: EntitySpan, p: float, meta: dict[str, Any]) -> bytes:
    """Write a question.

    Args:
        text: The text.
        span: In characters.
        p: Its posterior.
        meta: What the tool is to show beside it.

    Returns:
        A line.
    """
    start, end, label = span
    asked = {"start": start, "end": end, "label": label, "score": round(p, _DIGITS)}
    task = {
        "text": text,
        "spans": [asked],
        "meta": meta,
        "_is_binary": True,
        "_view_id": "ner",
        "answer": "ignore",
    }
    return to_json(task).encode() + b"\n"
