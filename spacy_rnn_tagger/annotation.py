"""The annotation of examples, as it comes, turned into what the loss on the tag lattice reads."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from spacy.attrs import ENT_IOB, ENT_TYPE, IS_SPACE, ORTH
from spacy.errors import Errors
from spacy.tokens import Doc, Span
from spacy.training import Example

from .constraints import BEGIN, OUTSIDE, Words, biluo_tags
from .errors import excerpt
from .tags import TagScheme
from .types import BoolArray

_NO_ENTITY = "O"


class IncorrectSpan(NamedTuple):
    """A span that is known not to be an entity of this label; "O": not to be outside of any.

    doc: which doc of the batch.
    start: its first word in the doc.
    end: the word after its last.
    label: the label.
    """

    doc: int
    start: int
    end: int
    label: str


def find_labels(docs: Iterable[Doc]) -> list[str]:
    """Find the labels of the docs' entities, as `check_labels` returns them."""
    return check_labels({ent.label_ for doc in docs for ent in doc.ents})


def check_labels(labels: Iterable[str]) -> list[str]:
    """Sort labels.

    RAISES ValueError: a label is written "!LABEL", spaCy's former negation (its E869).
    """
    labels = sorted(labels)
    for label in labels:
        if label.startswith("!"):
            raise ValueError(Errors.E869.format(label=label))
    return labels


def allowed_tags(examples: Sequence[Example], words: Words, tags: TagScheme) -> BoolArray:
    """Turn annotation into the tags that it leaves to each word: one, or all if it is missing.

    words: of the examples' predicted docs, M in all.

    RETURNS: *Shape:* (M, K).

    RAISES KeyError: an entity has a label that `tags` lacks.
    """
    biluo: list[str | None] = []
    for example, count in zip(examples, words.lengths, strict=True):
        if _same_tokens(example):  # spaCy's alignment, token by token, would take most of the time
            biluo.extend(_own_tags(example.reference))
            continue
        share_labels(example, example.reference.ents)
        aligned = example.get_aligned_ner()
        if count < len(aligned):
            aligned = _words_only(aligned, [token.is_space for token in example.predicted])
        biluo.extend(aligned)
    return tags.mask(tags.from_biluo(biluo))


def _same_tokens(example: Example) -> bool:
    predicted, reference = (doc.to_array(ORTH) for doc in (example.predicted, example.reference))
    return bool(np.array_equal(predicted, reference))


def _own_tags(doc: Doc) -> list[str | None]:
    """Write the annotation of a doc's words as spaCy's tags; None where it is missing.

    An entity that begins or ends with whitespace does so a word further in. A blocked token counts
    as missing, as in spaCy's alignment of annotation.
    """
    iob, label, is_space = doc.to_array([ENT_IOB, ENT_TYPE, IS_SPACE]).reshape(len(doc), 3).T
    number = np.cumsum(iob == BEGIN)
    words = is_space == 0
    inside = words & (label != 0)
    found = np.array([None, "O"], dtype=object)[(iob == OUTSIDE).astype(int)]
    found[inside] = biluo_tags(number[inside], label[inside], doc.vocab.strings)
    tags: list[str | None] = found[words].tolist()
    return tags


def _words_only(tags: list[str | None], is_space: list[bool]) -> list[str | None]:
    """Leave out whitespace; an entity that begins or ends with it does so a word further in."""
    tags = list(tags)
    for ends, lone, step in (("BU", "L", 1), ("LU", "B", -1)):
        order = range(len(tags)) if step > 0 else range(len(tags) - 1, -1, -1)
        for i in order:
            tag = tags[i]
            if is_space[i] and tag and tag[0] == ends[0] and tag[1:2] == "-":
                inner = tags[i + step] or ""
                tags[i + step] = (ends[1] if inner[0] == lone else ends[0]) + inner[1:]
    return [tag for tag, space in zip(tags, is_space, strict=True) if not space]


def incorrect_spans(
    examples: Sequence[Example], key: str | None, words: Words, tags: TagScheme
) -> list[IncorrectSpan]:
    """Collect the spans that annotation calls incorrect.

    key: of the span group of the reference docs; None for no such annotation.

    RAISES ValueError: a span is an entity as well (spaCy's E868).
    """
    if key is None or not tags.labels:
        return []
    found = []
    bounds = np.cumsum([0, *words.lengths])
    for i, example in enumerate(examples):
        group = example.reference.spans.get(key, [])
        share_labels(example, (*group, *example.reference.ents))
        spans = example.get_aligned_spans_y2x(group, allow_overlap=True) if group else []
        entities, _ = example.get_aligned_ents_and_ner() if spans else ([], None)
        correct = {(ent.start, ent.end, ent.label) for ent in entities}
        rows = words.rows[bounds[i] : bounds[i + 1]] - words.starts[i]
        for span in spans:
            if (span.start, span.end, span.label) in correct:
                where = (span.start_char, span.end_char, span.label_)
                raise ValueError(Errors.E868.format(span=where))
            start, end = np.searchsorted(rows, [span.start, span.end]).tolist()
            if start < end and (span.label_ == _NO_ENTITY or span.label_ in tags.labels):
                found.append(IncorrectSpan(i, start, end, span.label_))
    return found


def share_labels(example: Example, spans: Iterable[Span]) -> None:
    """Let the predicted doc know the labels of spans of the reference.

    The docs may have different vocabs, and aligning makes spans in the predicted doc, which spaCy
    refuses with a label that its vocab has not met (E084).
    """
    strings = example.predicted.vocab.strings
    if strings is not example.reference.vocab.strings:
        for label in {span.label_ for span in spans}:
            strings.add(label)


def survey(examples: Iterable[Example]) -> tuple[set[str], list[str]]:
    """Read all annotation once, for a reader may make each example anew.

    RETURNS: the labels of the entities, and a description of each entity whose borders are not
        borders of the predicted doc's tokens.
    """
    labels: set[str] = set()
    misaligned: list[str] = []
    for example in examples:
        entities = example.reference.ents
        labels.update(ent.label_ for ent in entities)
        share_labels(example, entities)
        if entities:
            spans = example.get_aligned_spans_y2x(entities, allow_overlap=False)
            aligned = {(span.start_char, span.end_char) for span in spans}
            misaligned += [
                f"{excerpt(ent.text, 0, len(ent.text))!r} ({ent.label_}, characters "
                f"{ent.start_char} to {ent.end_char}) in "
                f"{excerpt(example.reference.text, ent.start_char, ent.end_char)!r}"
                for ent in entities
                if (ent.start_char, ent.end_char) not in aligned
            ]
    return labels, misaligned
