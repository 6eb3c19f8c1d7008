"""The span group that holds entities with their confidences, in the form of spaCy's `spancat`.

Three words are kept apart. A *score* is what the network computes for a tag. A *posterior* is what
is computed from the scores: P(span has its label | doc). A *confidence* is what a user reads of an
entity: the posterior from the component that found it, or 1.0 if the entity was set before. The
group's attribute is called "scores" all the same, because `spancat` calls it so and tools that read
span groups look for that name.

The confidences are stored in the group's attributes, which follow the group to bytes and back,
through processes and into copies of the doc. spaCy does not move span groups when tokens are merged
or split after the component. So each confidence is keyed by characters, which stay the same, and
the group finds its tokens again.

Attributes of the group, with one row per span that was written (S spans):

- "scores": its confidence. (S,)
- "places": its first character, the character after its last, and its label. [S], in this order.
- "found_by": the name of the component that computed the confidence. None for an entity that was
  set before the component and whose confidence no component is known to have computed. [S]

Where it is asked for, the attribute "probability" holds, by the name of each component that writes
to the group, the probability that its entities are right and none is missing.
"""

import math
import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar, overload

import numpy as np
import srsly
from spacy.attrs import LENGTH
from spacy.tokens import Doc, Span, SpanGroup

from ..errors import Errors
from ..runtime import ForkLock

SPANS_KEY = "rnn_ner"
# How `SpanGroup.to_bytes` packs a span: id, kb_id, label, and its place in tokens and characters.
_PACKED = struct.Struct(">QQQllll")

# Threads may read the same doc, and a group has no attributes while its spans are being read.
_lock = ForkLock()

# A label and its position: [start character, end character, label]. A list because msgpack has no
# tuples, and rows are compared with one another.
Place = list[Any]

_Default = TypeVar("_Default")
# Tells "no default given" from a default of None.
_RAISE: Final[Any] = object()


class EntityGroup(SpanGroup):
    """A span group whose spans follow their characters when tokens are merged or split.

    A span that then begins or ends within a token leaves the group together with its confidence.
    A doc that is read from bytes has groups of spaCy's own class.

    Attributes:
        attrs: The group's attributes, with one row per span.
    """

    _tokens: int | None = None  # a hash of the tokens for which the spans were last settled

    def __len__(self) -> int:
        """Count the spans."""
        self._settle()
        return super().__len__()

    def __iter__(self) -> Iterator[Span]:
        """Iterate over the spans as they are now."""
        return iter([super(EntityGroup, self).__getitem__(i) for i in range(len(self))])

    def __getitem__(self, i: int) -> Span:
        """Return a span by its index."""
        try:
            span = super().__getitem__(i)
        except IndexError:  # no such span, or its tokens are gone
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
        """Remove a span. (spaCy 3.8 removes the one before it, or writes out of bounds.)"""
        self._settle()
        i, packed, attrs = self._normalize_index(i), _packed(self), _attrs(self)
        if len(attrs.get("places", ())) == len(packed):  # otherwise others have changed the group
            keep = [row != i for row in range(len(packed))]
            _select(attrs, keep)
        del packed[i]
        _repack(self, packed)

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes, with one row per span."""
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
        """Copy the group.

        Args:
            doc: Another doc with the same tokens, which the copy is to belong to.

        Returns:
            The copy.
        """
        with _lock:
            self._settle()
            plain = super().copy(doc=doc)
        return EntityGroup(plain.doc, name=plain.name, attrs=plain.attrs, spans=list(plain))

    def _concat(self, other: Any, *, inplace: bool = False) -> SpanGroup:
        self._settle()
        return super()._concat(other, inplace=inplace)

    def _settle(self) -> None:
        """Find the tokens of all spans again if any were merged or split."""
        try:
            doc = self.doc
        except RuntimeError:  # the doc has been freed, and its tokens with it
            return
        # Reading the tokens' lengths is cheap compared with checking each span against its tokens.
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
    """Read the spans of a group as they are, even if their tokens no longer exist."""
    with _lock:
        attrs = _attrs(group)
        try:  # without the attributes: other people's may be of types that do not serialise
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
    """Restrict the attributes of a component's group to a part of its doc.

    Args:
        group: The group.
        start: The part's first character.
        end: The character after its last.

    Returns:
        The attributes of the spans inside, with places relative to the part's first character.
    """
    attrs = dict(group.attrs)
    _select(attrs, [start <= first and last <= end for first, last, _ in attrs["places"]])
    attrs["places"] = [[first - start, last - start, own] for first, last, own in attrs["places"]]
    attrs.pop("probability", None)  # of the whole doc
    return attrs


def set_probability(doc: Doc, key: str, component: str, probability: float) -> None:
    """Write the probability that a component's entities are right and none is missing.

    Args:
        doc: The doc, with the component's group.
        key: The name of the group.
        component: The component's name.
        probability: The probability, given what components before it found.
    """
    attrs = doc.spans[key].attrs
    attrs["probability"] = {**attrs.get("probability", {}), component: probability}


def doc_probability(doc: Doc) -> float | None:
    """Return the probability that a doc's entities are right and none is missing.

    Args:
        doc: The doc, after the pipeline.

    Returns:
        The product over the components `rnn_ner`, each of which takes for true what those before it
        found; None if no component was asked for it.
    """
    found: dict[str, float] = {}
    for group in doc.spans.values():
        found.update(_attrs(group).get("probability", {}))
    return math.prod(found.values()) if found else None


class _Row(NamedTuple):
    """A span of a group, with its confidence and the component that computed it."""

    span: Span
    place: Place
    confidence: float
    found_by: str | None


def write_group(
    doc: Doc,
    key: str,
    component: str,
    spans: list[Span],
    confidences: list[float],
    preset: Sequence[Span] = (),
) -> None:
    """Set `doc.spans[key]` and its confidences, in the order of the spans' places.

    What other components of this kind wrote to the same group stays there.

    Args:
        doc: The doc.
        key: The name of the group.
        component: The name of the component that found the spans.
        spans: The spans that it found, in the order of their places. [S]
        confidences: Their confidences. [S]
        preset: Entities that were set before. Posteriors are conditioned on them, so their
            confidence is 1.0, unless a group of the doc holds the confidence that another
            component computed.
    """
    places = [[span.start_char, span.end_char, span.label_] for span in spans]
    found_by: list[str | None] = [component] * len(spans)
    former = doc.spans.get(key)
    if preset or former is not None:
        own = list(map(_Row, spans, places, confidences, found_by))
        rows = _merged(doc, former, component, own, preset)
        spans, places = [row.span for row in rows], [row.place for row in rows]
        confidences, found_by = [row.confidence for row in rows], [row.found_by for row in rows]
    attrs: dict[str, Any] = {"scores": np.array(confidences), "places": places}
    attrs["found_by"] = found_by
    if former is not None and "probability" in (known := _attrs(former)):
        attrs["probability"] = known["probability"]
    doc.spans[key] = EntityGroup(doc, name=key, spans=spans, attrs=attrs)


def _merged(
    doc: Doc,
    former: SpanGroup | None,
    component: str,
    rows: list[_Row],
    preset: Sequence[Span],
) -> list[_Row]:
    """Merge what a component found, what was set before it, and what other components found."""
    known = _found(doc)
    found: dict[tuple[int, int, str], _Row] = {}
    if former is not None and "found_by" in (attrs := _attrs(former)):
        spans = {tuple(_place(span)): span for span in _spans_of(former)}
        for place, value, found_by in _rows(attrs):
            span = spans.get(tuple(place))
            if span is not None and found_by not in (None, component):
                found[tuple(place)] = _Row(span, place, value, found_by)
    for ent in preset:
        own = _place(ent)
        found[tuple(own)] = _Row(ent, own, *known.get(tuple(own), (1.0, None)))
    found.update((tuple(row.place), row) for row in rows)
    return [found[place] for place in sorted(found)]


@overload
def confidence(span: Span, spans_key: str = ...) -> float: ...


@overload
def confidence(span: Span, spans_key: str = ..., *, default: _Default) -> float | _Default: ...


def confidence(span: Span, spans_key: str = SPANS_KEY, *, default: Any = _RAISE) -> Any:
    """Return the confidence of an entity: the exact posterior P(span has its label | doc).

    The lookup uses the span's characters and label, so a confidence survives merging and splitting
    tokens. An entity that grew or shrank when its tokens were merged or split has no confidence.

    Args:
        span: An entity of `doc.ents`, or any other span of the group.
        spans_key: The group of the component that found it: the component's setting of that name.
        default: The value to return if the span has no confidence. If it is left out, a missing
            confidence raises `KeyError`.

    Returns:
        The confidence, from 0 to 1; 1.0 for an entity that was set before the component.

    Raises:
        KeyError: No default is given, and the doc has no such group, or the group has no
            confidences, or none for this span.
    """
    group = span.doc.spans.get(spans_key)
    if group is None or "scores" not in (attrs := _attrs(group)):
        if default is not _RAISE:
            return default
        raise KeyError(Errors.RNN023.format(key=spans_key))
    found = _look_up(group, attrs, span)
    if found is not None:
        return found
    if default is not _RAISE:
        return default
    raise KeyError(Errors.RNN024.format(text=span.text, label=span.label_, key=spans_key))


def _look_up(group: SpanGroup, attrs: dict[str, Any], span: Span) -> float | None:
    wanted = _place(span)
    if "places" in attrs:  # sorted
        places = attrs["places"]
        at = bisect_left(places, wanted[:2])
        while at < len(places) and places[at][:2] == wanted[:2]:
            if places[at][2] == wanted[2]:
                return float(attrs["scores"][at])
            at += 1
        return None
    # A group that spaCy wrote, such as that of `spancat`.
    values = dict(zip(_packed_places(group), attrs["scores"], strict=False))
    own = (*wanted[:2], span.label)
    return float(values[own]) if len(values) == len(attrs["scores"]) and own in values else None


def set_span_extension(
    name: str = "confidence", *, spans_key: str = SPANS_KEY, force: bool = False
) -> None:
    """Make confidences available as an extension attribute of spans: `ent._.confidence`.

    The value is looked up by `confidence` each time it is read, and is None for a span without one.
    Nothing is stored in the doc, so the attribute also works for docs from other processes and from
    disk. Extensions are global to a process, so importing the package sets none: call this function
    once at the start of your program.

    Args:
        name: The name of the attribute.
        spans_key: The group that holds the confidences: the component's setting of that name.
        force: Whether to replace an extension of that name.

    Raises:
        ValueError: Spans already have an extension of that name (spaCy's E090).
    """
    # A partial of a function of this module can be pickled: `nlp.pipe(n_process=2)` sends all
    # extensions to its processes.
    getter = partial(confidence, spans_key=spans_key, default=None)
    Span.set_extension(name, getter=getter, force=force)


def confidences(doc: Doc) -> dict[tuple[int, int, str], float]:
    """Collect the confidences of all spans that components `rnn_ner` found in a doc.

    Entities that were set before these components, and were found by none of them, are left out.

    Args:
        doc: The doc, after the pipeline.

    Returns:
        The confidence by start character, end character and label.
    """
    return {place: value for place, (value, _) in _found(doc).items()}


def spans_with_confidence(doc: Doc, spans_key: str = SPANS_KEY) -> list[tuple[Span, float]]:
    """List the spans of a component's group with their confidences.

    Args:
        doc: The doc, after the pipeline.
        spans_key: The name of the group.

    Returns:
        The spans that still have tokens, each with its confidence; none without such a group.
    """
    group = doc.spans.get(spans_key)
    if group is None or "places" not in _attrs(group):
        return []
    values = {tuple(place): value for place, value, _ in _rows(_attrs(group))}
    spans = [(span, values.get(tuple(_place(span)))) for span in _spans_of(group)]
    return [(span, value) for span, value in spans if value is not None]


def _found(doc: Doc) -> dict[tuple[int, int, str], tuple[float, str]]:
    """Collect from all groups of a doc what each component found, with its confidence and name."""
    found: dict[tuple[int, int, str], tuple[float, str]] = {}
    for group in doc.spans.values():
        if "found_by" in (attrs := _attrs(group)):
            for (start, end, label), value, found_by in _rows(attrs):
                if found_by is not None:
                    # A second component has the first one's entities in its group too.
                    found.setdefault((start, end, label), (value, found_by))
    return found


def _rows(attrs: dict[str, Any]) -> Iterator[tuple[Place, float, str | None]]:
    columns = attrs["places"], np.asarray(attrs["scores"]).tolist(), attrs["found_by"]
    return zip(*columns, strict=True)


def _attrs(group: SpanGroup) -> dict[str, Any]:
    """Return the attributes as they are, without looking for the tokens."""
    with _lock:
        attrs: dict[str, Any] = SpanGroup.attrs.__get__(group)
    return attrs


def _spans_of(group: SpanGroup) -> list[Span]:
    """List the spans of a group that still have tokens, however its doc was retokenised."""
    doc = group.doc
    spans = (doc.char_span(start, end, label=label) for start, end, label in _packed_places(group))
    return list(group) if isinstance(group, EntityGroup) else [s for s in spans if s is not None]


def _packed_places(group: SpanGroup) -> list[tuple[int, int, int]]:
    """List the characters and the label's hash of each span, even if its tokens are gone."""
    rows = map(_PACKED.unpack, _packed(group))
    return [(start, end, label) for _, _, label, _, _, start, end in rows]


def _fits(doc: Doc, start: int, end: int, start_char: int, end_char: int) -> bool:
    """Return whether tokens cover exactly these characters."""
    if start == end:  # an empty span that other code put here
        return 0 <= start <= len(doc)
    if not 0 <= start < end <= len(doc):
        return False
    last = doc[end - 1]
    return bool(doc[start].idx == start_char and last.idx + len(last) == end_char)


def _characters(span: Span) -> tuple[int, int]:
    return span.start_char, span.end_char


def _place(span: Span) -> Place:
    return [span.start_char, span.end_char, span.label_]
