"""Batches of training examples with a limit on tokens; long docs are split over several."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example
from spacy.training.batchers import Sizing, minibatch_by_words

from ..arrays import BoolArray, IntArray
from ..errors import Errors, check_at_least
from ..pipeline.span_groups import EntityGroup, attrs_within

Batcher = Callable[[Iterable[Example]], Iterable[list[Example]]]


def create_batch_by_tokens_v1(*, size: Sizing, tolerance: float = 0.2) -> Batcher:
    """Create a batcher like `spacy.batch_by_words.v1` that splits long docs and discards none.

    A doc longer than a batch is split into parts that fit: before sentence starts, if they are set,
    or else between any two tokens that are not in one entity or span. No annotation is lost.

    Args:
        size: Tokens per batch, or a schedule of them. The first size in a schedule also limits the
            parts of docs.
        tolerance: The share of `size` by which a batch may exceed it.

    Returns:
        The batcher.

    Raises:
        ValueError: `size` is below 1, or `tolerance` below 0.
    """
    if tolerance < 0:
        raise ValueError(Errors.RNN301.format(received=tolerance))
    if isinstance(size, int):
        check_at_least("size", size, 1)

    def batches(examples: Iterable[Example]) -> Iterable[list[Example]]:
        longest, sizes = _first(size)
        parts = (part for example in examples for part in split_example(example, longest))
        return minibatch_by_words(parts, sizes, tolerance=tolerance, discard_oversize=False)

    return batches


def _first(size: Sizing) -> tuple[int, Sizing]:
    if isinstance(size, int):
        return size, size
    sizes = iter(size)
    first = int(next(sizes))
    return first, chain([first], map(int, sizes))


def split_example(example: Example, max_length: int) -> Iterator[Example]:
    """Split an example into parts of at most `max_length` tokens, unless a span is longer.

    A part ends before the last sentence start within reach. If a sentence is longer than a part, it
    is split between two of its tokens. Span groups are split with their spans.

    Args:
        example: The example.
        max_length: The most tokens of the predicted doc in a part.

    Yields:
        The parts in order; the example itself if it is short enough.
    """
    predicted, reference = example.predicted, example.reference
    if len(predicted) <= max_length:
        yield example
        return
    places, theirs, is_start = _places(example)
    parts = (_Parts(predicted), _Parts(reference))
    begin = before = 0
    while begin < len(predicted):
        end, ref_end = len(predicted), len(reference)
        ahead = np.flatnonzero(places > begin)
        if end - begin > max_length and len(ahead):
            within = ahead[places[ahead] <= begin + max_length]
            starts = within[is_start[within]]
            # The last sentence start within reach, or the last place, or the first one beyond.
            at = (starts if len(starts) else within if len(within) else ahead[:1])[-1]
            end, ref_end = int(places[at]), int(theirs[at])
        yield Example(parts[0].part(begin, end), parts[1].part(before, ref_end))
        begin, before = end, ref_end


def _places(example: Example) -> tuple[IntArray, IntArray, BoolArray]:
    """Find the tokens before which both docs can be split, and which of them start sentences.

    Args:
        example: The example.

    Returns:
        Places in the predicted doc, the same places in the reference, and whether a sentence starts
        there in either doc.
    """
    predicted, reference = example.predicted, example.reference
    align = example.alignment.x2y
    # The tokens of a part must be aligned with tokens of that part only.
    last = np.full(len(predicted), -1, dtype=np.int64)
    first = np.full(len(predicted), len(reference), dtype=np.int64)
    row = np.repeat(np.arange(len(predicted)), align.lengths)
    np.maximum.at(last, row, align.data)
    np.minimum.at(first, row, align.data)
    reached = np.maximum.accumulate(last)[:-1] + 1
    needed = np.minimum.accumulate(first[::-1])[::-1][1:]
    places = np.flatnonzero(reached <= needed) + 1
    theirs = reached[places - 1]
    keep = ~(_within_spans(predicted)[places] | _within_spans(reference)[theirs])
    places, theirs = places[keep], theirs[keep]
    starts = [
        np.array([token.is_sent_start is True for token in doc] + [False])
        for doc in (predicted, reference)
    ]
    return places, theirs, starts[0][places] | starts[1][theirs]


def _within_spans(doc: Doc) -> BoolArray:
    """Mark the tokens before which a cut would go through an entity or a span, `(L + 1,)`."""
    depth = np.zeros(len(doc) + 1, dtype=np.int64)
    groups = [doc.ents, *doc.spans.values()]
    for span in (span for group in groups for span in group if len(span)):
        depth[span.start + 1] += 1
        depth[span.end] -= 1
    return np.cumsum(depth) > 0


class _Parts:
    """Parts of a doc as docs, including the annotation that spaCy's `Span.as_doc` leaves out."""

    def __init__(self, doc: Doc) -> None:
        self._doc = doc
        # Not a public name. Without it, spaCy reads the whole doc again for each part.
        self._attrs = doc._get_array_attrs()
        self._array = doc.to_array(self._attrs)

    def part(self, start: int, end: int) -> Doc:
        doc = self._doc
        part = doc[start:end].as_doc(copy_user_data=True, array_head=self._attrs, array=self._array)
        part.cats = dict(doc.cats)
        for key, group in doc.spans.items():
            own = [i for i, span in enumerate(group) if start <= span.start and span.end <= end]
            spans = [
                Span(part, s.start - start, s.end - start, s.label, kb_id=s.kb_id, span_id=s.id)
                for s in (group[i] for i in own)
            ]
            if "places" in group.attrs:
                attrs = attrs_within(group, doc[start].idx, doc[end - 1].idx + len(doc[end - 1]))
                part.spans[key] = EntityGroup(part, name=group.name, spans=spans, attrs=attrs)
                continue
            attrs = dict(group.attrs)
            if "scores" in attrs:
                attrs["scores"] = np.asarray(attrs["scores"])[own]
            part.spans[key] = SpanGroup(part, name=group.name, spans=spans, attrs=attrs)
        return part
