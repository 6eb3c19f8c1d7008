"""From what teachers found to corpora for `spacy train`: what is believed, what is left open."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from spacy.tokens import Doc, DocBin, Span

from ..formats import storage
from ..pipeline.soft_annotation import set_posteriors
from .teachers import Taught
from .texts import DEV, HELDOUT, TRAIN


@dataclass(frozen=True)
class Belief:
    """What is believed of a teacher.

    Attributes:
        trust: The labels that are believed; all if None. Annotation of spans of other labels is
            missing, and a word outside of entities may be part of one of them.
        min_confidence: Annotation of spans below it is missing.
    """

    trust: frozenset[str] | None = None
    min_confidence: float = 0.0

    def trusts(self, label: str) -> bool:
        """Return whether spans of a label are believed."""
        return self.trust is None or label in self.trust


@dataclass
class Silver:
    """Counts of what teachers found.

    Attributes:
        docs: The number of docs of each part.
        words: The number of tokens of each part.
        entities: The number of believed entities of each label.
        distrusted: The number of spans of each label that is not trusted.
        unsure: The number of spans below the lowest confidence that is believed.
        unrated: The number of entities without confidence.
    """

    docs: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    entities: Counter[str] = field(default_factory=Counter)
    distrusted: Counter[str] = field(default_factory=Counter)
    unsure: int = 0
    unrated: int = 0


def write_silver(taught: Iterable[Taught], belief: Belief, files: Mapping[str, str]) -> Silver:
    """Write what teachers found as corpora.

    Args:
        taught: What they found in each text.
        belief: What of it is believed.
        files: The file of each part.

    Returns:
        Counts.

    Raises:
        OSError: A file can't be written.
        ValueError: There is nothing to learn from: no entity is believed.
    """
    found = Silver()
    rows: dict[str, list[tuple[int, Doc]]] = {TRAIN: [], DEV: [], HELDOUT: []}
    for each in taught:
        doc = _annotated(each, belief, found)
        rows[each.part].append((each.order, doc))
        found.docs[each.part] += 1
        found.words[each.part] += len(doc)
    _check(found, belief)
    for part, docs in rows.items():
        # In random order, for a corpus that is too large for memory is not shuffled in training.
        docs.sort(key=lambda pair: pair[0])
        binary = DocBin(attrs=["ORTH", "SPACY", "ENT_IOB", "ENT_TYPE"], docs=[d for _, d in docs])
        storage.write(files[part], binary.to_bytes())
    return found


def _annotated(taught: Taught, belief: Belief, found: Silver) -> Doc:
    """Set the entities that are believed, and leave the annotation of others open."""
    doc = taught.doc
    entities, missing = [], [doc[i : i + 1] for i in taught.missing]
    for place, value in zip(taught.entities, taught.confidences, strict=True):
        span = Span(doc, *place)
        if not belief.trusts(span.label_):
            found.distrusted[span.label_] += 1
            missing.append(span)
            continue
        found.unrated += value is None
        if value is not None and value < belief.min_confidence:
            found.unsure += 1
            missing.append(span)
        else:
            found.entities[span.label_] += 1
            entities.append(span)
    doc.set_ents(entities, missing=missing)
    if taught.posteriors is not None:
        spans = [Span(doc, *place) for place in taught.posteriors]
        set_posteriors(doc, spans, list(taught.posteriors.values()))
    return doc


def _check(found: Silver, belief: Belief) -> None:
    """Check that there is something to learn from."""
    if not found.docs[TRAIN]:
        raise ValueError("There is no doc to learn from: the teacher failed on all of them.")
    if belief.trust is not None and (unknown := belief.trust.difference(found.entities)):
        there = ", ".join(sorted({*found.entities, *found.distrusted})) or "none"
        names = ", ".join(sorted(unknown))
        raise ValueError(
            f"The teacher found no entity of a label that is to be trusted: {names}. The labels "
            f"that it found: {there}."
        )
    if belief.min_confidence and found.unrated:
        raise ValueError(
            f"min_confidence is {belief.min_confidence}, but {found.unrated:,} of the teacher's "
            "entities have no confidence. Name a span group with scores by spans_key, or leave out "
            "min_confidence."
        )
    if not found.entities:
        raise ValueError(
            f"The teacher found no entity in {sum(found.docs.values()):,} docs, so there is "
            "nothing to learn."
        )
