"""Checks of what a tool shows and exports."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spacy
from spacy.tokens import Doc, DocBin

from .people import Work


class Checks:
    """Counts what was checked, and prints a line each.

    Attributes:
        passed: Checks that passed.
        failed: Checks that failed.
    """

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def __call__(self, what: str, received: Any, expected: Any = True) -> None:
        """Compare what was received with what was expected."""
        if received == expected:
            self.passed += 1
            print(f"  ok      {what}", flush=True)
        else:
            self.failed += 1
            print(f"  FAILED  {what}\n          received {received}\n          expected {expected}")

    def converted(self, what: str, docs: Sequence[Doc], works: Sequence[Work]) -> None:
        """Compare docs with what people annotated, whatever their order.

        Args:
            what: What is compared.
            docs: The docs that `spacy rnn convert` wrote.
            works: The texts with what training should get of them.
        """
        self(
            f"{what}: the same spans in every text",
            {doc.text: _spans(doc) for doc in docs},
            {each.text: each.expected for each in works if each.expected is not None},
        )
        self(
            f"{what}: missing where people disagree",
            {doc.text: missing for doc in docs if (missing := _missing(doc))},
            {each.text: each.missing for each in works if each.missing},
        )


def command(*arguments: str | Path) -> tuple[int, str]:
    """Run `spacy rnn` with these arguments; return its status and what it printed."""
    shown = " ".join(Path(each).name if isinstance(each, Path) else each for each in arguments)
    print(f"$ python -m spacy rnn {shown}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "spacy", "rnn", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in done.stdout.splitlines():
        print(f"    {line}", flush=True)
    return done.returncode, done.stdout


def convert(source: Path, *options: str) -> list[Doc] | None:
    """Convert an export with the command; None if it is refused."""
    output = source.with_name(f"{source.name}.spacy")
    status, _ = command("convert", source, output, *options)
    if status:
        return None
    return list(DocBin().from_disk(output).get_docs(spacy.blank("en").vocab))


def _spans(doc: Doc) -> list[tuple[int, int, str]]:
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def _missing(doc: Doc) -> set[int]:
    return {
        i for token in doc if not token.ent_iob_ for i in range(token.idx, token.idx + len(token))
    }
