"""Questions about single spans, for people to accept or reject.

They have the form of Prodigy's binary tasks, which `convert` reads once they are answered. An
accepted span becomes an entity, a rejected span is known not to be one, and all other annotation of
the text is missing. A question without an answer is marked "ignore", and left out.
"""

from typing import Any

from ..errors import Errors
from ..formats.jsonl import JSONL, to_json
from ..formats.prodigy import Prodigy
from ..types import EntitySpan

FORMATS = (JSONL.name, Prodigy.name)
_DIGITS = 6


def check_format(name: str) -> None:
    """Check whether a format can limit annotation to a single span.

    Raises:
        ValueError: The format annotates whole texts.
    """
    if name not in FORMATS:
        raise ValueError(Errors.RNN503.format(format=name, formats=" or ".join(FORMATS)))


def question(text: str, span: EntitySpan, p: float, meta: dict[str, Any]) -> bytes:
    """Write a question.

    Args:
        text: The text.
        span: The span, in characters.
        p: The posterior of the span.
        meta: What the annotation tool should show with it.

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
