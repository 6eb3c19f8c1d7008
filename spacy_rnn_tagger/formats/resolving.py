"""Resolving several annotations of a text to one doc."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy

import numpy as np
from spacy.attrs import ENT_IOB
from spacy.tokens import Doc, Span

from ..errors import check_choice, excerpt
from ..types import EntitySpan
from .agreement import Agreement, Labels
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
                "first" follows the first annotator who annotated them, "majority" the majority, and
                "union" keeps all spans. None for "missing", but only if a tool says that a text has
                several annotators, or one who annotated it several times in a file. Otherwise, a
                repeated text makes another doc, as is common in corpora of short texts.
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
            voices = _voices(group, self._key) if len(group) > 1 else []
            if voices and (self._everything or _has_several(group, voices)):
                yield self._resolve(group[0], voices)
            else:
                yield from (each.doc for each in group)

    def _is_alone(self, each: Annotated) -> bool:
        """Tell whether no other annotation can belong to the same text."""
        return not self._everything and (each.item is None or each.annotator is None)

    def _text(self, each: Annotated) -> object:
        """Return what annotations of the same text have in common."""
        text = each.doc.text, tuple(token.text for token in each.doc)
        return text if self._everything else (each.item, text)

    def _resolve(self, first: Annotated, voices: Sequence["_Voice"]) -> Doc:
        doc = first.doc
        if len(voices) > 1:
            self.agreement.add(
                {voice.name: voice.labels for voice in voices},
                {voice.name: voice.spans for voice in voices},
            )
        heard = [_first(voices)] if self._how == FIRST else voices
        kept = _kept(heard, self._how)
        self._report(doc, voices, kept, first.where)
        _set(doc, heard, kept, self._how)
        if self._key is not None:
            accepted = {span for voice in heard for span in voice.spans}
            rejected = {span for voice in heard for span in voice.rejected} - accepted
            doc.spans.pop(self._key, None)
            if rejected:
                doc.spans[self._key] = _spans(doc, rejected)
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
        name: The annotator; the file if it names none.
        labels: The label of each token, "" outside entities; None if nothing is known.
        spans: The entities, in tokens.
        rejected: The spans that are no such entities, in tokens.
    """

    def __init__(self, each: Annotated, incorrect_spans_key: str | None) -> None:
        doc = each.doc
        self.name = each.source if each.annotator is None else each.annotator
        self._is_named, self._complete = each.annotator is not None, each.complete
        codes = doc.to_array(ENT_IOB)
        self.labels: Labels = [None if code == 0 else "" for code in codes]
        for ent in doc.ents:
            self.labels[ent.start : ent.end] = [ent.label_] * len(ent)
        self.spans = _in_tokens(doc.ents)
        key = incorrect_spans_key
        self.rejected = set() if key is None else _in_tokens(doc.spans.get(key, ()))

    def continues(self, other: "_Voice") -> bool:
        """Tell whether this is more of another annotation, rather than one of its own.

        Answers about single spans add up. Whoever annotates a whole text twice, or contradicts
        themselves, counts twice, so that nothing is lost.
        """
        if not (self._is_named and other._is_named) or (self._complete and other._complete):
            return False
        both = {
            i
            for i, labels in enumerate(zip(self.labels, other.labels, strict=True))
            if None not in labels
        }
        return (
            all(both.isdisjoint(range(*span[:2])) for span in self.spans ^ other.spans)
            and self.spans.isdisjoint(other.rejected)
            and self.rejected.isdisjoint(other.spans)
        )

    def add(self, other: "_Voice") -> None:
        """Add what another annotation says where nothing is known."""
        free = {i for i, label in enumerate(self.labels) if label is None}
        self.spans |= {
            span for span in other.spans - self.rejected if free.issuperset(range(*span[:2]))
        }
        for i in free:
            self.labels[i] = other.labels[i]
        self.rejected |= other.rejected - self.spans
        self._complete |= other._complete

    def knows(self, span: EntitySpan) -> bool:
        """Tell whether anything is known about a span or a token in it."""
        known = (label is not None for label in self.labels[span[0] : span[1]])
        return span in self.rejected or any(known)


def _in_tokens(spans: Iterable[Span]) -> set[EntitySpan]:
    return {(span.start, span.end, span.label_) for span in spans}


def _voices(group: Iterable[Annotated], incorrect_spans_key: str | None) -> list[_Voice]:
    """Collect each annotator's annotation. All names differ: a number follows a repeated one."""
    voices: dict[str, _Voice] = {}
    by_name: dict[str, list[_Voice]] = defaultdict(list)
    for each in group:
        voice = _Voice(each, incorrect_spans_key)
        name, same = voice.name, by_name[voice.name]
        if (own := next(filter(voice.continues, same), None)) is not None:
            own.add(voice)
            continue
        same.append(voice)
        n = max(len(same), 2)
        while voice.name in voices:  # someone else may have a name that ends in a number
            voice.name, n = f"{name} ({n})", n + 1
        voices[voice.name] = voice
    return list(voices.values())


def _has_several(group: Sequence[Annotated], voices: Sequence[_Voice]) -> bool:
    """Tell a text that was annotated several times from one that is in several files."""
    names, files = {each.annotator for each in group}, {each.source for each in group}
    return len(names) > 1 or len(voices) > len(files)


def _first(voices: Sequence[_Voice]) -> _Voice:
    """Follow the first annotator, and the others in turn where those before say nothing."""
    merged = deepcopy(voices[0])
    for voice in voices[1:]:
        merged.add(voice)
    return merged


def _kept(voices: Sequence[_Voice], how: str) -> set[EntitySpan]:
    """Choose the entities for the resolved doc; none overlaps another."""
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
        _spans(doc, kept),
        outside=[doc[i : i + 1] for i in agreed.nonzero()[0].tolist() if not _in(i, kept)],
        default="missing",
    )


def _spans(doc: Doc, spans: Iterable[EntitySpan]) -> list[Span]:
    return [Span(doc, start, end, label=label) for start, end, label in sorted(spans)]


def _in(token: int, spans: Iterable[EntitySpan]) -> bool:
    return any(start <= token < end for start, end, _ in spans)
