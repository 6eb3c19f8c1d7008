"""The span group that holds entities with their confidences, as spaCy's `spancat` has it.

The confidences are in the group's attributes, which go where the group goes: to bytes and back,
through processes, into copies of the doc. Tokens may be merged or split after the component, and
spaCy does not move span groups then. So a confidence belongs to characters, which stay, and the
group finds its tokens anew.

Attributes of the group, a row for each span that was written:

- "scores": its confidence. *Shape:* (S,).
- "places": its first character, the character after its last, and its label; in this order.
- "found_by": the name of the component that computed the confidence; None for an entity that was
  set before, and that nobody is known to have computed one for.
"""

import struct
import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import srsly
from spacy.attrs import LENGTH
from spacy.tokens import Doc, Span, SpanGroup

SPANS_KEY = "rnn_ner"
# How `SpanGroup.to_bytes` packs a span: id, kb_id, label, and its place in tokens and characters.
_PACKED = struct.Struct(">QQQllll")

# Threads may read one doc; a group has no attributes for a moment while its spans are read.
_lock = threading.RLock()

# A label and where it is: [start character, end character, label], a list because msgpack has no
# tuples and rows are compared with one another.
Place = list[Any]


class EntityGroup(SpanGroup):
    """A span group whose spans follow their characters when tokens are merged or split.

    What begins or ends within a token then has no span any more; it leaves the group, together with
    its confidence. A doc that is read from bytes has groups of spaCy's own class.
    """

    _tokens: int | None = None  # those for which the spans were settled last

    def __len__(self) -> int:
        """Count the spans."""
        self._settle()
        return super().__len__()

    def __iter__(self) -> Iterator[Span]:
        """List the spans, as they are now."""
        return iter([super(EntityGroup, self).__getitem__(i) for i in range(len(self))])

    def __getitem__(self, i: int) -> Span:
        """Return a span by its number."""
        try:
            span = super().__getitem__(i)
        except IndexError:  # there is no such span, or no such token any more
            span = None
        if span is None or not _fits(self.doc, span.start, span.end, *_characters(span)):
            self._settle()
            span = super().__getitem__(i)
        return span

    def __setitem__(self, i: int, span: Span) -> None:
        """Replace a span."""
        self._settle()
        super().__setitem__(i, span)

    def __delitem__(self, i: int) -> None:
        """Remove a span; spaCy 3.8 removes the one before it, or writes where there is none."""
        self._settle()
        i, packed, attrs = self._normalize_index(i), _packed(self), _attrs(self)
        if len(attrs.get("places", ())) == len(packed):  # else others have changed the group
            keep = [row != i for row in range(len(packed))]
            _select(attrs, keep)
        del packed[i]
        _repack(self, packed)

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes, with a row for each span."""
        self._settle()
        return _attrs(self)

    @attrs.setter
    def attrs(self, value: dict[str, Any]) -> None:
        SpanGroup.attrs.__set__(self, value)

    def to_bytes(self) -> bytes:
        """Serialise the group."""
        with _lock:
            self._settle()
            return super().to_bytes()

    def copy(self, doc: Doc | None = None) -> "EntityGroup":
        """Copy the group, for another doc with the same tokens if one is given."""
        with _lock:
            self._settle()
            plain = super().copy(doc=doc)
        return EntityGroup(plain.doc, name=plain.name, attrs=plain.attrs, spans=list(plain))

    def _concat(self, other: Any, *, inplace: bool = False) -> SpanGroup:
        self._settle()
        return super()._concat(other, inplace=inplace)

    def _settle(self) -> None:
        """Find the tokens of all spans anew, if any were merged or split."""
        try:
            doc = self.doc
        except RuntimeError:  # it is gone, and its tokens with it
            return
        # Reading the tokens' lengths takes little beside comparing each span with its tokens.
        tokens = hash(doc.to_array(LENGTH).tobytes())
        if tokens != self._tokens:
            with _lock:
                self._find_tokens(doc)
                self._tokens = tokens

    def _find_tokens(self, doc: Doc) -> None:
        packed = []
        rows = [_PACKED.unpack(row) for row in _packed(self)]
        for span_id, kb_id, label, start, end, *characters in rows:
            if not _fits(doc, start, end, *characters):
                if (span := doc.char_span(*characters)) is None:
                    continue
                start, end = span.start, span.end
            packed.append(_PACKED.pack(span_id, kb_id, label, start, end, *characters))
        if len(packed) < len(rows) and "places" in (attrs := _attrs(self)):
            places = attrs["places"]
            _select(attrs, [doc.char_span(start, end) is not None for start, end, _ in places])
        _repack(self, packed)


def _packed(group: SpanGroup) -> list[bytes]:
    """Read the spans of a group as they are, of which no token need be there."""
    with _lock:
        attrs = _attrs(group)
        try:  # without the attributes, for those of others may be of any type
            SpanGroup.attrs.__set__(group, {})
            spans: list[bytes] = srsly.msgpack_loads(SpanGroup.to_bytes(group))["spans"]
        finally:
            SpanGroup.attrs.__set__(group, attrs)
    return spans


def _repack(group: SpanGroup, spans: list[bytes]) -> None:
    with _lock:
        content = {"name": group.name, "attrs": {}, "spans": spans}
        attrs = _attrs(group)
        SpanGroup.from_bytes(group, srsly.msgpack_dumps(content))
        SpanGroup.attrs.__set__(group, attrs)


def _select(attrs: dict[str, Any], keep: Sequence[bool]) -> None:
    """Keep some of the rows of a group's attributes."""
    attrs["scores"] = np.asarray(attrs["scores"])[np.array(keep, dtype=bool)]
    for name in ("places", "found_by"):
        attrs[name] = [row for row, own in zip(attrs[name], keep, strict=True) if own]


def attrs_within(group: SpanGroup, start: int, end: int) -> dict[str, Any]:
    """Cut the attributes of a component's group to a part of its doc.

    Args:
        group: The group.
        start: The part's first character.
        end: The character after its last.

    Returns:
        The attributes, with places counted from the part's first character.
    """
    attrs = dict(group.attrs)
    _select(attrs, [start <= first and last <= end for first, last, _ in attrs["places"]])
    attrs["places"] = [[first - start, last - start, own] for first, last, own in attrs["places"]]
    return attrs


class _Row(NamedTuple):
    """A span of a group, with its confidence and the component that computed it."""

    span: Span
    place: Place
    score: float
    found_by: str | None


def write_group(
    doc: Doc,
    key: str,
    component: str,
    spans: list[Span],
    scores: list[float],
    preset: Sequence[Span] = (),
) -> None:
    """Set `doc.spans[key]` and its confidences, in the order of the spans' places.

    What other components of this kind wrote to the same group stays there.

    Args:
        doc: The doc.
        key: The name of the group.
        component: The name of the component that found the spans.
        spans: What it found, in the order of their places.
        scores: Their confidences.
        preset: Entities that were set before. Everything else is conditional on them, so they are
            certain, unless a component that found one has its confidence in a group of the doc.
    """
    places = [[span.start_char, span.end_char, span.label_] for span in spans]
    found_by: list[str | None] = [component] * len(spans)
    former = doc.spans.get(key)
    if preset or former is not None:
        own = list(map(_Row, spans, places, scores, found_by))
        rows = _merged(doc, former, component, own, preset)
        spans, places = [row.span for row in rows], [row.place for row in rows]
        scores, found_by = [row.score for row in rows], [row.found_by for row in rows]
    attrs = {"scores": np.array(scores), "places": places, "found_by": found_by}
    doc.spans[key] = EntityGroup(doc, name=key, spans=spans, attrs=attrs)


def _merged(
    doc: Doc,
    former: SpanGroup | None,
    component: str,
    rows: list[_Row],
    preset: Sequence[Span],
) -> list[_Row]:
    """Put together what a component found, what was set before it, and what others found."""
    known = _found(doc)
    found: dict[tuple[int, int, str], _Row] = {}
    if former is not None and "found_by" in (attrs := _attrs(former)):
        spans = {tuple(_place(span)): span for span in _spans_of(former)}
        for place, score, found_by in _rows(attrs):
            span = spans.get(tuple(place))
            if span is not None and found_by not in (None, component):
                found[tuple(place)] = _Row(span, place, score, found_by)
    for ent in preset:
        own = _place(ent)
        found[tuple(own)] = _Row(ent, own, *known.get(tuple(own), (1.0, None)))
    found.update((tuple(row.place), row) for row in rows)
    return [found[place] for place in sorted(found)]


def confidence(span: Span, spans_key: str = SPANS_KEY) -> float:
    """Return the exact probability of an entity, given its doc: P(span has its label | doc).

    It is looked up by the span's characters and its label, so it survives merging and splitting of
    tokens; an entity that grew or shrank by that has none.

    Args:
        span: An entity of `doc.ents`, or any other span of the group.
        spans_key: The group of the component that found it; the component's setting of that name.

    Returns:
        The confidence; 1.0 for an entity that was set before the component.

    Raises:
        KeyError: The doc has no such group, the group has no confidences, or none of this span.
    """
    group = span.doc.spans.get(spans_key)
    if group is None or "scores" not in (attrs := _attrs(group)):
        raise KeyError(
            f"doc.spans[{spans_key!r}] has no scores. The component 'rnn_ner' writes them with "
            f"its setting spans_key = {spans_key!r}; spaCy's Doc.from_docs and Span.as_doc leave "
            "them out."
        )
    wanted = _place(span)
    if "places" in attrs:  # in order
        places = attrs["places"]
        at = bisect_left(places, wanted[:2])
        while at < len(places) and places[at][:2] == wanted[:2]:
            if places[at][2] == wanted[2]:
                return float(attrs["scores"][at])
            at += 1
    else:  # a group of spaCy's own, such as that of `spancat`
        scores = dict(zip(_packed_places(group), attrs["scores"], strict=False))
        if len(scores) == len(attrs["scores"]) and (own := (*wanted[:2], span.label)) in scores:
            return float(scores[own])
    raise KeyError(
        f"{span.text!r} ({span.label_}) is not in doc.spans[{spans_key!r}]. Tokens that are merged "
        "after the component can make an entity longer; then no confidence belongs to it."
    )


def confidences(doc: Doc) -> dict[tuple[int, int, str], float]:
    """Collect the confidences of all spans that a component `rnn_ner` found in a doc.

    Entities that were set before any of them, and that none of them found, are left out.

    Args:
        doc: The doc, after the pipeline.

    Returns:
        The confidence by start character, end character and label.
    """
    return {place: score for place, (score, _) in _found(doc).items()}


def scored_spans(doc: Doc, spans_key: str = SPANS_KEY) -> list[tuple[Span, float]]:
    """List the spans of a component's group with their confidences; none without such a group."""
    group = doc.spans.get(spans_key)
    if group is None or "places" not in _attrs(group):
        return []
    scores = {tuple(place): score for place, score, _ in _rows(_attrs(group))}
    spans = [(span, scores.get(tuple(_place(span)))) for span in _spans_of(group)]
    return [(span, score) for span, score in spans if score is not None]


def _found(doc: Doc) -> dict[tuple[int, int, str], tuple[float, str]]:
    """Collect, over all groups of a doc, what each component found, and how sure it was."""
    found: dict[tuple[int, int, str], tuple[float, str]] = {}
    for group in doc.spans.values():
        if "found_by" in (attrs := _attrs(group)):
            for (start, end, label), score, found_by in _rows(attrs):
                if found_by is not None:
                    # A second component has the first one's entities in its group too.
                    found.setdefault((start, end, label), (score, found_by))
    return found


def _rows(attrs: dict[str, Any]) -> Iterator[tuple[Place, float, str | None]]:
    columns = attrs["places"], np.asarray(attrs["scores"]).tolist(), attrs["found_by"]
    return zip(*columns, strict=True)


def _attrs(group: SpanGroup) -> dict[str, Any]:
    """Get the attributes as they are, without looking for the tokens."""
    with _lock:
        attrs: dict[str, Any] = SpanGroup.attrs.__get__(group)
    return attrs


def _spans_of(group: SpanGroup) -> list[Span]:
    """List the spans of a group that still have tokens, whatever happened to its doc since."""
    doc = group.doc
    spans = (doc.char_span(start, end, label=label) for start, end, label in _packed_places(group))
    return list(group) if isinstance(group, EntityGroup) else [s for s in spans if s is not None]


def _packed_places(group: SpanGroup) -> list[tuple[int, int, int]]:
    """List the characters and the label's hash of each span, of which no token need be there."""
    rows = map(_PACKED.unpack, _packed(group))
    return [(start, end, label) for _, _, label, _, _, start, end in rows]


def _fits(doc: Doc, start: int, end: int, start_char: int, end_char: int) -> bool:
    """Tell whether tokens are those of certain characters."""
    if start == end:  # a span that somebody else put here
        return 0 <= start <= len(doc)
    if not 0 <= start < end <= len(doc):
        return False
    last = doc[end - 1]
    return bool(doc[start].idx == start_char and last.idx + len(last) == end_char)


def _characters(span: Span) -> tuple[int, int]:
    return span.start_char, span.end_char


def _place(span: Span) -> Place:
    return [span.start_char, span.end_char, span.label_]
