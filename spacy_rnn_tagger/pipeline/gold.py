"""Gold annotation, as the mask of tags that it leaves open; soft annotation, as spans of words."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE, ORTH
from spacy.errors import Errors as SpacyErrors
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.training.alignment_array import AlignmentArray

from ..arrays import BoolArray, IntArray
from ..crf.likelihood import IncorrectSpan
from ..crf.soft_likelihood import SoftSpans
from ..crf.tag_scheme import MISSING, NO_ENTITY, Spans, TagScheme
from ..errors import Errors, excerpt
from ..types import EntitySpan
from .constraints import BEGIN, INSIDE, OUTSIDE, WordRows, label_numbers
from .label_sets import LabelSet, annotated_labels, coarse_spans, get_label_set, unknown_spans
from .soft_annotation import SoftAnnotation, get_posteriors, posterior_labels


def find_labels(docs: Iterable[Doc]) -> list[str]:
    """Find the labels of the docs' annotation, as `check_labels` returns them."""
    return check_labels({label for doc in docs for label in labels_of(doc)})


def labels_of(doc: Doc) -> set[str]:
    """Collect the labels of a doc's annotation: entities, coarse labels, and soft annotation."""
    return annotated_labels(doc) | posterior_labels(doc)


def check_labels(labels: Iterable[str]) -> list[str]:
    """Sort labels.

    Args:
        labels: The labels.

    Returns:
        The labels in alphabetical order.

    Raises:
        ValueError: A label is written "!LABEL", spaCy's former negation (E869).
    """
    labels = sorted(labels)
    for label in labels:
        if label.startswith("!"):
            raise ValueError(SpacyErrors.E869.format(label=label))
    return labels


def allowed_tags(examples: Sequence[Example], words: WordRows, tags: TagScheme) -> BoolArray:
    """Turn annotation into the tags that it leaves open: one, or all where it is missing.

    In a doc with a label set, some of the tags may be open: see `_apply_label_set`. A word beside
    an entity never has a tag with which the entity would be longer: see `_close_entities`.

    An entity that begins or ends with whitespace does so at its first or last word. A blocked token
    counts as missing, as in spaCy's alignment of annotation.

    Args:
        examples: The examples.
        words: The words of their predicted docs.
        tags: The K tags.

    Returns:
        The mask. (M, K)

    Raises:
        KeyError: An entity has a label that `tags` lacks.
    """
    columns = np.concatenate([_annotation(example) for example in examples])
    iob, label = columns[words.rows].T
    entity = np.cumsum(columns[:, 0] == BEGIN)[words.rows]
    ids = np.full(len(words.rows), MISSING)
    ids[iob == OUTSIDE] = 0
    inside = np.flatnonzero((iob != OUTSIDE) & (label != 0))
    numbers = label_numbers(label[inside], tags)
    unknown = inside[numbers < 0]
    if len(unknown):
        strings = {ent.label: ent.label_ for eg in examples for ent in eg.reference.ents}
        raise KeyError(Errors.RNN019.format(labels=repr(strings[int(label[unknown[0]])])))
    ids[inside] = tags.entity_tags(entity[inside], numbers)
    allowed = tags.mask(ids)
    bounds = np.cumsum([0, *words.lengths])
    for i, example in enumerate(examples):
        label_set = get_label_set(example.reference)
        if label_set is not None:
            own = slice(bounds[i], bounds[i + 1])
            rows = words.rows[own] - words.starts[i]
            free = ids[own] == MISSING
            _apply_label_set(allowed[own], free, rows, example, label_set, tags)
    _close_entities(allowed, words, tags)
    return allowed


def _apply_label_set(
    allowed: BoolArray,
    free: BoolArray,
    rows: IntArray,
    example: Example,
    label_set: LabelSet,
    tags: TagScheme,
) -> None:
    """Narrow the tags of a doc's words by what its annotators marked.

    A word outside of all entities has none of the labels that were marked (Greenberg et al. 2018,
    "Marginal Likelihood Training of BiLSTM-CRF for Biomedical Named Entity Recognition from
    Disjoint Label Sets"). An entity of a coarse label is one of a label that it stands for
    (Beryozkin et al. 2019, "A Joint Named-Entity Recognizer for Heterogeneous Tag-sets Using a Tag
    Hierarchy").

    The tags of a coarse entity agree on its label wherever an entity's tags must: in BILUO and BIO.
    In IO, and in what softmax learns, each of its words has one of the labels.

    Args:
        allowed: The mask of the doc's words, which is changed. (L, K)
        free: The words without precise annotation. (L,)
        rows: The tokens of the predicted doc that are words. (L,)
        example: The example.
        label_set: What was marked.
        tags: The K tags. Labels that they lack are left out of what a coarse label stands for; if
            they have none of these, its entities count as missing annotation.
    """
    coarse = coarse_spans(example.reference)
    if label_set.labels is not None:
        outside = _outside(example, [*coarse, *unknown_spans(example.reference)])
        marked = tags.of_labels(label_set.labels.intersection(tags.labels))
        allowed[np.ix_(free & outside[rows], marked)] = False
    numbers = {label: number for number, label in enumerate(tags.labels)}
    for start, end, label in _aligned(example, coarse):
        first, after = np.searchsorted(rows, [start, end]).tolist()
        fine = [numbers[own] for own in label_set.coarse[label] if own in numbers]
        if not fine:
            continue
        entity = np.zeros(after - first, dtype=np.int64)
        allowed[first:after] = False
        for number in fine:
            own = tags.entity_tags(entity, np.full_like(entity, number))
            allowed[np.arange(first, after), own] = True


def _close_entities(allowed: BoolArray, words: WordRows, tags: TagScheme) -> None:
    """Keep entities from growing into the words beside them, which may be open.

    The word after an entity must not continue it. In IO, where two entities of one label in a row
    are a single entity, neither neighbour may have the entity's label. "O" stays open to all words
    outside of entities, so this leaves at least one legal path.

    Args:
        allowed: The mask, which is changed. (M, K)
        words: The words.
        tags: The K tags.
    """
    inside = ~allowed[:, 0]
    doc_of = np.repeat(np.arange(len(words.lengths)), words.lengths)
    left = np.flatnonzero(doc_of[:-1] == doc_of[1:])  # words with a word after them in their doc
    after = left[inside[left] & ~inside[left + 1]] + 1
    allowed[np.ix_(after, tags.continues)] = False
    if tags.scheme != "IO":
        return
    before = left[~inside[left] & inside[left + 1]]
    for beside, entity in ((after, after - 1), (before, before + 1)):
        taken = allowed[entity]
        # The word of a coarse entity may have several labels: whichever it has, a neighbour may
        # have another of them.
        taken[taken.sum(axis=1) > 1] = False
        allowed[beside] &= ~taken


def _aligned(example: Example, spans: Sequence[Span]) -> list[EntitySpan]:
    """Find spans of the reference among the predicted doc's tokens, as far as borders agree."""
    if not _same_tokens(example):
        share_labels(example, spans)
        spans = example.get_aligned_spans_y2x(spans, allow_overlap=False)
    return [(span.start, span.end, span.label_) for span in spans]


def _outside(example: Example, spans: Iterable[Span]) -> BoolArray:
    """Find the tokens of the predicted doc that are outside of all entities.

    Args:
        example: The example.
        spans: What is not outside in the reference, beside its entities.

    Returns:
        For each token whether it shares text with tokens outside, and with no other. (L,)
    """
    outside: BoolArray = example.reference.to_array(ENT_TYPE) == 0
    for span in spans:
        outside[span.start : span.end] = False
    if _same_tokens(example):
        return outside
    x2y = example.alignment.x2y
    lengths = np.asarray(x2y.lengths)
    n_outside = np.zeros(len(lengths), dtype=np.int64)
    np.add.at(n_outside, np.repeat(np.arange(len(lengths)), lengths), outside[x2y.data])
    found: BoolArray = (lengths > 0) & (n_outside == lengths)
    return found


def find_soft(examples: Iterable[Example], tags: TagScheme) -> list[SoftAnnotation | None]:
    """Find the docs that are taught by soft annotation.

    If some labels of the network were not among those that a doc's label set marks, nothing is
    known of them, whereas soft annotation says of each label how likely it is. Such a doc is taught
    by its entities.

    Args:
        examples: The examples.
        tags: The tags of the network's labels.

    Returns:
        The soft annotation of each reference doc, or None. [B]

    Raises:
        ValueError: The group of a doc is not what `set_posteriors` writes.
    """
    found = []
    for example in examples:
        label_set = get_label_set(example.reference)
        is_whole = label_set is None or all(map(label_set.marks, tags.labels))
        found.append(get_posteriors(example.reference) if is_whole else None)
    return found


def soft_spans(
    examples: Sequence[Example],
    annotation: Sequence[SoftAnnotation],
    words: WordRows,
    tags: TagScheme,
) -> SoftSpans:
    """Turn soft annotation into spans of words.

    A span that begins or ends with whitespace does so at its first or last word. If it begins or
    ends within a token of the predicted doc, nothing is known of the words that it touches.

    Args:
        examples: The examples.
        annotation: The soft annotation of their reference docs. [B]
        words: The words of their predicted docs.
        tags: The tags.

    Returns:
        The spans and their posteriors, and of which words something is known.

    Raises:
        KeyError: A span has a label that `tags` lacks.
    """
    places = [_on_predicted(eg, soft) for eg, soft in zip(examples, annotation, strict=True)]
    starts, ends, is_aligned = (np.concatenate(column) for column in zip(*places, strict=True))
    posteriors = np.concatenate([soft.scores for soft in annotation])
    labels = np.concatenate([soft.labels for soft in annotation])
    numbers = label_numbers(labels, tags)
    has_label = labels != 0
    if (numbers[has_label] < 0).any():
        new = set().union(*(posterior_labels(eg.reference) for eg in examples)) - {*tags.labels}
        raise KeyError(Errors.RNN019.format(labels=", ".join(map(repr, sorted(new)))))
    offsets = np.repeat(words.starts, [len(soft.scores) for soft in annotation])
    starts, ends = (np.searchsorted(words.rows, at + offsets) for at in (starts, ends))
    is_used = (starts < ends) & ((posteriors > 0) | ~has_label)
    own = is_used & is_aligned & has_label
    lost = is_used & ~own
    covered = np.zeros(len(words.rows) + 1, dtype=np.int64)
    np.add.at(covered, starts[lost], 1)
    np.add.at(covered, ends[lost], -1)
    known = np.concatenate([_is_annotated(example) for example in examples])[words.rows]
    known &= np.cumsum(covered)[:-1] == 0
    return SoftSpans(Spans(starts, ends, numbers).select(own), posteriors[own], known)


def _is_annotated(example: Example) -> BoolArray:
    """Tell which tokens of the predicted doc have annotation, in a doc that marks all labels."""
    iob, label = _annotation(example).T
    annotated: BoolArray = (iob == OUTSIDE) | (label != 0)
    if get_label_set(example.reference) is not None:
        reference = example.reference
        # What the label set turned into missing annotation for other readers of the doc.
        annotated |= _outside(example, [*coarse_spans(reference), *unknown_spans(reference)])
    return annotated


def _on_predicted(example: Example, soft: SoftAnnotation) -> tuple[IntArray, IntArray, BoolArray]:
    """Find the spans of soft annotation among the predicted doc's tokens.

    Args:
        example: The example.
        soft: The soft annotation of its reference, of S spans.

    Returns:
        Start and end of the tokens that each span touches, and whether they are exactly the span's.
        (S,) each
    """
    starts, ends = soft.starts, soft.ends
    if _same_tokens(example):
        return starts, ends, np.ones(len(starts), dtype=bool)
    x2y, y2x = example.alignment.x2y, example.alignment.y2x
    begin, end = _reached(y2x, len(example.predicted), starts, ends)
    # The tokens that these touch in turn must be the span's own.
    first, after = _reached(x2y, len(example.reference), begin, end)
    return begin, end, (first >= starts) & (after <= ends)


def _reached(
    align: AlignmentArray, n_others: int, starts: IntArray, ends: IntArray
) -> tuple[IntArray, IntArray]:
    """Find which tokens of the other doc tokens are aligned with.

    Args:
        align: spaCy's alignment with the other doc.
        n_others: The number of its tokens.
        starts: Where ranges of tokens start. (S,)
        ends: Where they end. (S,)

    Returns:
        Where the ranges of the other doc's tokens start and end. An empty one may end before it
        starts. (S,) each
    """
    lengths = np.asarray(align.lengths)
    row = np.repeat(np.arange(len(lengths)), lengths)
    # Of tokens that are aligned with nothing, as whitespace may be, the next or the last that is.
    first = np.full(len(lengths) + 1, n_others, dtype=np.int64)
    after = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.minimum.at(first, row, align.data)
    np.maximum.at(after, row + 1, align.data + 1)
    first = np.minimum.accumulate(first[::-1])[::-1]
    return first[np.clip(starts, 0, len(lengths))], np.maximum.accumulate(after)[ends]


def _annotation(example: Example) -> NDArray[np.uint64]:
    """Read ENT_IOB and ENT_TYPE of the predicted doc's tokens off the reference. (L, 2)."""
    reference = example.reference
    if _same_tokens(example):  # spaCy's alignment, token by token, would take most of the time
        return reference.to_array([ENT_IOB, ENT_TYPE]).astype(np.uint64).reshape(-1, 2)
    columns = np.zeros((len(example.predicted), 2), dtype=np.uint64)
    if not reference.has_annotation("ENT_IOB"):
        return columns
    columns[[iob == OUTSIDE for iob in example.get_aligned("ENT_IOB")], 0] = OUTSIDE
    share_labels(example, reference.ents)
    for ent in example.get_aligned_spans_y2x(reference.ents, allow_overlap=False):
        columns[ent.start : ent.end] = INSIDE, ent.label
        columns[ent.start, 0] = BEGIN
    return columns


def _same_tokens(example: Example) -> bool:
    predicted, reference = (doc.to_array(ORTH) for doc in (example.predicted, example.reference))
    return bool(np.array_equal(predicted, reference))


def incorrect_spans(
    examples: Sequence[Example], key: str | None, words: WordRows, tags: TagScheme
) -> list[IncorrectSpan]:
    """Collect the spans that annotation calls incorrect.

    Args:
        examples: The examples.
        key: The span group of the reference docs; None for no such annotation.
        words: The words of their predicted docs.
        tags: The tags.

    Returns:
        The spans, counted in words.

    Raises:
        ValueError: A span is an entity as well, or all labels that a coarse label stands for are
            incorrect where it is annotated (spaCy's E868).
    """
    if key is None or not tags.labels:
        return []
    found = []
    bounds = np.cumsum([0, *words.lengths])
    for i, example in enumerate(examples):
        group = example.reference.spans.get(key, [])
        share_labels(example, group)
        spans = example.get_aligned_spans_y2x(group, allow_overlap=True) if group else []
        if not spans:
            continue
        rows = words.rows[bounds[i] : bounds[i + 1]] - words.starts[i]
        correct = _possible_labels(example, rows, tags)
        for span in spans:
            start, end = np.searchsorted(rows, [span.start, span.end]).tolist()
            if start == end:
                continue
            labels = correct.get((start, end), set())
            if labels == {span.label_}:  # the last that the entity may have
                where = (span.start_char, span.end_char, span.label_)
                raise ValueError(SpacyErrors.E868.format(span=where))
            labels.discard(span.label_)
            if span.label_ == NO_ENTITY or span.label_ in tags.labels:
                found.append(IncorrectSpan(i, start, end, span.label_))
    return found


def _possible_labels(
    example: Example, rows: IntArray, tags: TagScheme
) -> dict[tuple[int, int], set[str]]:
    """Collect the labels that each annotated entity may have.

    Args:
        example: The example.
        rows: The tokens of the predicted doc that are words. (L,)
        tags: The tags.

    Returns:
        By the start and end of the entity in words: its label, or those for which its coarse label
        stands, as far as they are known.
    """
    reference = example.reference
    label_set = get_label_set(reference)
    fine = {} if label_set is None else label_set.coarse
    found = {}
    for start, end, label in _aligned(example, [*reference.ents, *coarse_spans(reference)]):
        first, after = np.searchsorted(rows, [start, end]).tolist()
        found[first, after] = {*fine.get(label, (label,))} & {*tags.labels}
    return found


def share_labels(example: Example, spans: Iterable[Span]) -> None:
    """Let the predicted doc know the labels of spans of the reference.

    The docs may have different vocabs, and aligning makes spans in the predicted doc, which spaCy
    refuses with a label that its vocab has not met (E084).

    Args:
        example: The example.
        spans: Spans of its reference doc.
    """
    strings = example.predicted.vocab.strings
    if strings is not example.reference.vocab.strings:
        for label in {span.label_ for span in spans}:
            strings.add(label)


def survey(examples: Iterable[Example]) -> tuple[set[str], list[str]]:
    """Read all annotation once, for a reader may make each example anew.

    Args:
        examples: The training data.

    Returns:
        The labels of the annotation, and a description of each entity whose borders are not borders
        of the predicted doc's tokens.

    Raises:
        ValueError: Soft annotation is not what `set_posteriors` writes.
    """
    labels: set[str] = set()
    misaligned: list[str] = []
    for example in examples:
        reference = example.reference
        labels.update(labels_of(reference))
        get_posteriors(reference)  # what is wrong with them shows before training starts
        misaligned += [
            f"{excerpt(ent.text, 0, len(ent.text))!r} ({ent.label_}, characters "
            f"{ent.start_char} to {ent.end_char}) in "
            f"{excerpt(reference.text, ent.start_char, ent.end_char)!r}"
            for ent in _lost(example, [*reference.ents, *coarse_spans(reference)])
        ]
    return labels, misaligned


def _lost(example: Example, entities: Sequence[Span]) -> list[Span]:
    """Find the entities of the reference that are none in the predicted doc, by their borders.

    The docs may differ in whitespace, so tokens are compared, and not characters.
    """
    if not entities or _same_tokens(example):
        return []
    aligned = {(start, end) for start, end, _ in _aligned(example, entities)}
    y2x = example.alignment.y2x
    touched = [y2x[ent.start : ent.end].tolist() for ent in entities]
    return [
        ent
        for ent, own in zip(entities, touched, strict=True)
        if not own or (own[0], own[-1] + 1) not in aligned
    ]
