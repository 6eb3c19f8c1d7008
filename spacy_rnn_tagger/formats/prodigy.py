"""Prodigy's JSON Lines: what `prodigy db-out` writes, and what its recipes read."""

from spacy.tokens import Doc

from .base import Role
from .docs import row_of
from .jsonl import JSONL, is_answer, to_json
from .record import Record
from .sample import Sample


class Prodigy(JSONL):
    """`{"text": "Delhi", "spans": [{"start": 0, "end": 5, "label": "GPE"}], "answer": "accept"}`.

    It is read as other JSON Lines are, which know answers too.
    """

    name = "prodigy"
    suffixes = (".jsonl",)
    roles = frozenset({Role.ANNOTATED, Role.OUTPUT})

    def recognises(self, sample: Sample) -> bool | None:
        """Recognise the keys of answers."""
        lines = sample.text.lstrip().startswith("{")
        return lines and any(is_answer(each) for each in sample.items)

    def row(self, record: Record, doc: Doc) -> bytes:
        """Write a task: its spans, each with its confidence as its score.

        Prodigy shows `meta`, which has the lowest confidence as its score.
        """
        row = row_of(record, doc)
        spans = []
        for entity in row["entities"]:
            span = {key: entity[key] for key in ("start", "end", "label")}
            if entity["confidence"] is not None:
                span["score"] = entity["confidence"]
            spans.append(span)
        scores = [span["score"] for span in spans if "score" in span]
        meta = {**row["meta"], "source": row["source"], "record": row["record"]}
        if scores:
            meta["score"] = min(scores)
        return to_json({"text": row["text"], "spans": spans, "meta": meta}).encode() + b"\n"
