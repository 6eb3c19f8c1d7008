"""Resolving several annotations of a text to one doc."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from spacy.attrs import ENT_IOB
from spacy.tokens import Doc, Span

from ..errors import check_choice, excerpt
from ..types import EntitySpan
from .agreement import Agreement, Labels
from .docs import set_incorrect
from .findings import Annotated

MISSING, FIRST, MAJORITY, UNION = "missing", "first", "majority", "union"
RESOLVE = (MISSING, FIRST, MAJORITY, UNION)


class Resolver:
    """Resolves annotations of a text to one doc, and measures agreement.

    Attributes:
        agreement: The agreement between annotators.
        notices: Their disagreements, one line each.
    """

    def __init__(self, how: str | None, incorrect_spans_key: str | None = None) -> None:
        """Create a resolver.

        Args:
            how: The resolution of disagreements: "missing" leaves the tokens without annotation,
                "first" follows the first annotator, "majority" the majority, and "union" keeps all
                spans. None for "missing", but only if a tool says that a text has several
                annotators. Otherwise, a repeated text makes another doc, as is common in corpora of
                short texts.
            incorrect_spans_key: The span group for spans that annotators rejected.

        Raises:
            ValueError: `how` is none of these.
        """
        if how is not None:
            check_choice("resolve", how, RESOLVE)
        self._how = how or MISSING
        self._everything = how is not None
        self._key = incorrect_spans_key
        self.agreement = Agreement()
        self.notices: list[str] = []

    def __call__(self, annotated: Iterable[Annotated]) -> Iterator[Doc]:
        """Resolve annotations.

        Args:
            annotated: Docs, with what is known about their annotators.

        Yields:
            A doc for each text, in the order of their first annotations. As long as no text can
            have several annotators, docs are yielded as soon as they are read.
        """
        groups: dict[object, list[Annotated]] = {}
        for number, each in enumerate(annotated):
            if not groups and self._is_alone(each):
                yield each.doc
                continue
            groups.setdefault(number if self._is_alone(each) else self._text(each), []).append(each)
        for group in groups.values():
            if len(group) == 1 or not (self._everything or len(_named(group)) > 1):
                yield from (each.doc for each in group)
            else:
                yield self._resolve(group)

    def _is_alone(self, each: Annotated) -> bool:
        """Tell whether no other annotation can belong to the same text."""
        return not self._everything and (each.item is None or each.annotator is None)

    def _text(self, each: Annotated) -> object:
        """Return what annotations of the same text have in common."""
        text = each.doc.text, tuple(token.text for token in each.doc)
        return text if self._everything else (each.item, text)

    def _resolve(self, group: list[Annotated]) -> Doc:
        voices = _voices(group)
        if len(voices) > 1:
            self.agreement.add(
                {voice.name: voice.labels for voice in voices},
                {voice.name: voice.spans for voice in voices},
            )
        doc = group[0].doc
        kept = _kept(voices, self._how)
        self._report(doc, voices, kept, group[0].where)
        if self._how != FIRST:
            _set(doc, voices, kept, self._how)
        if self._key is not None:
            rejected = {
                (span.start_char, span.end_char, span.label_)
                for each in group
                for span in each.doc.spans.get(self._key, ())
            }
            doc.spans.pop(self._key, None)
            set_incorrect(doc, rejected, self._key)
        return doc

    def _report(
        self, doc: Doc, voices: Sequence["_Voice"], kept: set[EntitySpan], where: str
    ) -> None:
        """Write a line for each span that not all have, and count the text."""
        before = len(self.notices)
        for span in sorted({span for voice in voices for span in voice.spans}):
            have = [voice for voice in voices if span in voice.spans]
            others = [voice for voice in voices if voice not in have and voice.knows(span)]
            if others:
                start, end, label = span
                names = ", ".join(dict.fromkeys(voice.name for voice in have))
                but = ", ".join(dict.fromkeys(voice.name for voice in others))
                fate = "kept" if span in kept else _FATES[self._how]
                self.notices.append(
                    f"{where}: {excerpt(doc[start:end].text, 0, 0)!r} ({label}) by {names}, not by "
                    f"{but}: {fate}"
                )
        self.agreement.disagreed += len(self.notices) > before


_FATES = {MISSING: "left missing", FIRST: "dropped", MAJORITY: "dropped", UNION: "dropped"}


class _Voice:
    """The annotation of a text by one annotator.

    Attributes:
        name: The annotator.
        labels: The label of each token, "" outside entities; None if nothing is known.
        spans: The entities, in tokens.
    """

    def __init__(self, name: str, doc: Doc) -> None:
        self.name = name
        codes = doc.to_array(ENT_IOB)
        self.labels: Labels = [None if code == 0 else "" for code in codes]
        for ent in doc.ents:
            self.labels[ent.start : ent.end] = [ent.label_] * len(ent)
        self.spans = {(ent.start, ent.end, ent.label_) for ent in doc.ents}

    def add(self, other: "_Voice") -> None:
        """Add the same annotator's answer about a single span of the text."""
        free = {i for i, label in enumerate(self.labels) if label is None}
        self.spans |= {span for span in other.spans if free.issuperset(range(*span[:2]))}
        for i in free:
            self.labels[i] = other.labels[i]

    def knows(self, span: EntitySpan) -> bool:
        """Tell whether anything is known about a token in a span."""
        return any(label is not None for label in self.labels[span[0] : span[1]])


def _named(group: Iterable[Annotated]) -> set[str]:
    return {each.annotator for each in group if each.annotator is not None}


def _voices(group: Iterable[Annotated]) -> list[_Voice]:
    """Collect each annotator's annotation; those without a name are named after the file."""
    voices: dict[str, _Voice] = {}
    for each in group:
        name = each.annotator
        if name is None:
            n = sum(own.partition(" (")[0] == each.source for own in voices)
            name = f"{each.source} ({n + 1})" if n else each.source
        voice = _Voice(name, each.doc)
        if name in voices:
            voices[name].add(voice)
        else:
            voices[name] = voice
    return list(voices.values())


def _kept(voices: Sequence[_Voice], how: str) -> set[EntitySpan]:
    """Choose the entities for the resolved doc; none overlaps another."""
    if how == FIRST:
        return voices[0].spans
    votes = Counter(span for voice in voices for span in voice.spans)
    wanted = []
    for span, n in votes.items():
        knowing = sum(voice.knows(span) for voice in voices)
        if how == UNION or (n == knowing if how == MISSING else 2 * n > knowing):
            wanted.append(span)
    wanted.sort(key=lambda span: (-votes[span], span[0] - span[1], span))
    kept: set[EntitySpan] = set()
    taken: set[int] = set()
    for span in wanted:
        tokens = set(range(*span[:2]))
        if not tokens & taken:
            kept.add(span)
            taken |= tokens
    return kept


def _set(doc: Doc, voices: Sequence[_Voice], kept: set[EntitySpan], how: str) -> None:
    """Set a doc's entities. Tokens neither in them nor agreed to be outside are left missing."""
    known = np.array([[label is not None for label in voice.labels] for voice in voices])
    outside = np.array([[label == "" for label in voice.labels] for voice in voices])
    if how == MAJORITY:
        agreed = 2 * outside.sum(axis=0) > known.sum(axis=0)
    else:
        agreed = (outside.sum(axis=0) == known.sum(axis=0)) & known.any(axis=0)
    doc.set_ents(
        [Span(doc, start, end, label=label) for start, end, label in sorted(kept)],
        outside=[doc[i : i + 1] for i in agreed.nonzero()[0].tolist() if not _in(i, kept)],
        default="missing",
    )


def _in(token: int, spans: Iterable[EntitySpan]) -> bool:
    return any(start <= token < end for start, end, _ in spans)
