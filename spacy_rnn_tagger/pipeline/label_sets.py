"""Which labels the annotators of a doc marked, for corpora that differ in this.

In a corpus whose annotators marked only some labels, a token outside of their entities may be part
of an entity of another label. And one of their labels may stand for several of ours. Such a doc
has a span group named after this module, which `spacy_rnn_tagger.MixedCorpus.v1` writes:

- its attributes say which labels were marked, and what each coarse label stands for;
- its spans are the entities of coarse labels, and each token that is not annotated at all, with no
  label.

Only entities of precise labels stay in `doc.ents`. If all labels were marked, tokens outside of
entities stay as well; otherwise, all other annotation is missing. So a component that does not read
the group, such as spaCy's `ner`, learns nothing wrong from the doc, nor from a copy of it that lost
the group.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from spacy.attrs import ENT_IOB
from spacy.tokens import Doc, Span, SpanGroup

LABEL_SET_KEY = "spacy_rnn_tagger.label_set"
# In annotated text and as a new name, the label of spans whose annotation is missing.
UNKNOWN = "?"

_OUTSIDE = 2  # spaCy's code of ENT_IOB


class LabelSet(NamedTuple):
    """The labels that annotators of a corpus marked.

    Attributes:
        labels: All labels that they marked, with what coarse ones stand for; None for any.
        coarse: What each coarse label stands for.
    """

    labels: frozenset[str] | None
    coarse: dict[str, tuple[str, ...]]

    @classmethod
    def of(
        cls, labels: Iterable[str] | None, coarse: Mapping[str, Sequence[str]] | None = None
    ) -> "LabelSet":
        """Create a label set.

        Args:
            labels: The labels that were marked, coarse ones among them; None for any.
            coarse: What each coarse label stands for.

        Returns:
            The label set.
        """
        fine = {label: tuple(dict.fromkeys(own)) for label, own in (coarse or {}).items()}
        if labels is None:
            return cls(None, fine)
        marked = {own for label in labels for own in fine.get(label, (label,))}
        return cls(frozenset(marked), fine)

    def marks(self, label: str) -> bool:
        """Return whether the annotators would have marked an entity of a precise label."""
        return self.labels is None or label in self.labels


def set_label_set(doc: Doc, label_set: LabelSet) -> None:
    """Turn a doc's annotation into that of a corpus with a label set.

    Entities of labels that its annotators did not mark become missing annotation.

    Args:
        doc: A doc with its corpus's own annotation, coarse labels among its entities. It is
            changed.
        label_set: What its annotators marked.
    """
    coarse = [ent for ent in doc.ents if ent.label_ in label_set.coarse]
    precise = [
        ent
        for ent in doc.ents
        if ent.label_ not in label_set.coarse and label_set.marks(ent.label_)
    ]
    known = doc.to_array(ENT_IOB) == _OUTSIDE
    for ent in (*coarse, *precise):
        known[ent.start : ent.end] = True
    # Tokens, and not runs of them: long docs are split between spans, never within one.
    unknown = [Span(doc, i, i + 1) for i in (~known).nonzero()[0].tolist()]
    if label_set.labels is None:
        doc.set_ents(precise, missing=[*coarse, *unknown], default="unmodified")
    else:
        doc.set_ents(precise, default="missing")
    attrs = {
        "labels": None if label_set.labels is None else sorted(label_set.labels),
        "coarse": {label: list(own) for label, own in label_set.coarse.items()},
    }
    spans = [*coarse, *unknown]
    doc.spans[LABEL_SET_KEY] = SpanGroup(doc, name=LABEL_SET_KEY, attrs=attrs, spans=spans)


def get_label_set(doc: Doc) -> LabelSet | None:
    """Read the label set of a doc.

    Args:
        doc: The doc.

    Returns:
        The label set; None if all labels were marked precisely, or if the doc lost its label set.
    """
    group = _group(doc)
    if group is None:
        return None
    labels = group.attrs["labels"]
    coarse = {label: tuple(own) for label, own in group.attrs["coarse"].items()}
    return LabelSet(None if labels is None else frozenset(labels), coarse)


def _group(doc: Doc) -> SpanGroup | None:
    """Return the group; None also if it lost its attributes, as in spaCy's `Doc.from_docs`."""
    group = doc.spans.get(LABEL_SET_KEY)
    return group if group is not None and "coarse" in group.attrs else None


def coarse_spans(doc: Doc) -> list[Span]:
    """List the entities of coarse labels; none without a label set."""
    return [span for span in _group(doc) or () if span.label]


def unknown_spans(doc: Doc) -> list[Span]:
    """List the tokens that a label set says are not annotated at all; none without one."""
    return [span for span in _group(doc) or () if not span.label]


def annotated_labels(doc: Doc) -> set[str]:
    """Collect the labels of a doc's entities, and what its coarse labels stand for."""
    labels = {ent.label_ for ent in doc.ents}
    label_set = get_label_set(doc)
    if label_set is not None:
        for span in coarse_spans(doc):
            labels.update(label_set.coarse[span.label_])
    return labels


def move_label_set(doc: Doc, other: Doc, places: Mapping[int, int]) -> None:
    """Carry a doc's label set over to a doc with other tokens.

    Args:
        doc: The doc.
        other: The other doc. It gets the group if `doc` has it.
        places: From tokens of the doc to tokens of the other one, the end of the doc included:
            wherever a span of the group begins or ends.
    """
    group = _group(doc)
    if group is None:
        return
    spans = [Span(other, places[span.start], places[span.end], label=span.label_) for span in group]
    attrs = dict(group.attrs)
    other.spans[LABEL_SET_KEY] = SpanGroup(other, name=LABEL_SET_KEY, attrs=attrs, spans=spans)
