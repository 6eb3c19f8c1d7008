"""Prodigy's JSON Lines, as `prodigy db-out` writes and its recipes read them."""

from spacy.tokens import Doc

from .base import Role
from .docs import row_of
from .jsonl import JSONL, is_answer, to_json
from .record import Record
from .sample import Sample


class Prodigy(JSONL):
    """`{"text": "Delhi", "spans": [{"start": 0, "end": 5, "label": "GPE"}], "answer": "accept"}`.

    Reading is the same as for other JSON Lines, which may have answers too.
    """

    name = "prodigy"
    suffixes = (".jsonl",)
    roles = frozenset({Role.ANNOTATED, Role.OUTPUT})

    def recognises(self, sample: Sample) -> bool | None:
        """Recognise the keys for answers."""
        return sample.has_json_lines and any(is_answer(each) for each in sample.items)

    def row(self, record: Record, doc: Doc) -> bytes:
        """Write a task with its spans. The score of a span is its confidence.

        Prodigy shows `meta`, whose score is the lowest confidence.
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
