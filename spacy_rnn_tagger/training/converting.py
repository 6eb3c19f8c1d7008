"""From annotated text to spaCy's binary format, which training reads."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np
import spacy
from spacy.attrs import ENT_IOB
from spacy.tokens import DocBin
from tqdm import tqdm

from ..errors import as_warning
from ..formats import storage
from ..formats.corpus import corpus_files, read_docs, unread_note
from ..formats.record import AnnotationError

_SUFFIX = ".spacy"  # spaCy reads files with this one only


class Converted(NamedTuple):
    """What was written.

    Attributes:
        docs: Number of docs.
        tokens: Number of tokens.
        entities: Number of entities for each label.
        left_out: Number of records that the annotator did not accept, by answer.
        missing: Number of spans whose annotation is missing, such as `[Lagos](?)`. Neighbouring
            ones count as one.
    """

    docs: int
    tokens: int
    entities: dict[str, int]
    left_out: dict[str, int]
    missing: int = 0

    def __str__(self) -> str:
        """Describe what was written, in a line."""
        counts = ", ".join(f"{label} {count:,}" for label, count in self.entities.items())
        entities = f"entities: {counts}" if counts else "no entity"
        missing = f", {self.missing:,} spans left missing" if self.missing else ""
        left_out = self.described_left_out()
        return f"{self.docs:,} docs, {self.tokens:,} tokens, {entities}{missing}{left_out}"

    def described_left_out(self) -> str:
        """Describe the records that were left out, in parentheses; empty if there are none."""
        answers = ", ".join(f"{answer} {count:,}" for answer, count in self.left_out.items())
        return f" (records left out by their answer: {answers})" if answers else ""


def convert(
    input: str | Path,
    output: str | Path,
    *,
    lang: str = "en",
    labels: Sequence[str] | None = None,
    allow_empty: bool = False,
    progress: bool = False,
    notify: Callable[[str], None] = as_warning,
) -> Converted:
    """Convert annotated text to a `.spacy` file, which appears as a whole or not at all.

    Args:
        input: A `.txt` file in the inline format (`[Red Fort](FAC) is in [Delhi](GPE).`) or a
            `.jsonl` file with offsets, compressed (`.gz`) or not, or a folder with such files; a
            path or a URL. Spans with the label "?" become missing annotation.
        output: The `.spacy` file to write, a path or a URL.
        lang: The language whose tokenizer is used.
        labels: The labels to keep; all if None. Entities of other labels become outside.
        allow_empty: Whether to write docs if none of them has an entity.
        progress: Whether to show progress on a terminal.
        notify: Gets a note about files in the folder that are not read. By default the note is a
            `UserWarning`.

    Returns:
        What was written.

    Raises:
        AnnotationError: Annotation is malformed, overlaps or is misaligned, or there is none; or
            the format of the file is not known.
        ImportError: spaCy does not have the language, or a package that its tokenizer needs.
        OSError: There is no input, or the output can't be written.
        ValueError: The output's name does not end in ".spacy".
    """
    files = corpus_files(input)
    storage.check_file(str(output))
    if PurePath(output).suffix != _SUFFIX:
        raise ValueError(f"The name of the output must end in {_SUFFIX}, but got {output}.")
    if note := unread_note(input, but=output):
        notify(note)
    docs = DocBin(attrs=["ORTH", "SPACY", "ENT_IOB", "ENT_TYPE"])
    left_out: Counter[str] = Counter()
    entities: Counter[str] = Counter()
    tokens = missing = 0
    stream = tqdm(
        read_docs(spacy.blank(lang), files, left_out=left_out),
        desc=str(input),
        unit=" docs",
        disable=None if progress else True,
        file=sys.stderr,
    )
    for doc in stream:
        if labels is not None:
            others = [ent for ent in doc.ents if ent.label_ not in labels]
            kept = [ent for ent in doc.ents if ent.label_ in labels]
            doc.set_ents(kept, outside=others, default="unmodified")
        docs.add(doc)
        tokens += len(doc)
        entities.update(ent.label_ for ent in doc.ents)
        is_missing = np.append(False, doc.to_array(ENT_IOB) == 0)
        missing += int((is_missing[1:] > is_missing[:-1]).sum())
    counts = dict(sorted(entities.items()))
    found = Converted(len(docs), tokens, counts, dict(left_out), missing)
    if not found.docs:
        raise AnnotationError(f"{input}: no annotated text{found.described_left_out()}")
    if not found.entities and not allow_empty:
        raise AnnotationError(
            f"{input}: {found}. Entities are written [Red Fort](FAC) in .txt, and with their "
            "offsets in .jsonl; if no entity is what you expect, pass --allow-empty "
            "(allow_empty=True)."
        )
    storage.write(str(output), docs.to_bytes())
    return found
