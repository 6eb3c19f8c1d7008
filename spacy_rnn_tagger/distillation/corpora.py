"""Corpora for `spacy train`, made from what teachers found: what is trusted, what is left open."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from spacy.tokens import Doc, DocBin, Span

from ..errors import Errors
from ..errors.wording import counted
from ..formats import storage
from ..pipeline.soft_annotation import set_posteriors
from .teachers import Taught
from .texts import DEV, HELDOUT, TRAIN


@dataclass(frozen=True)
class Belief:
    """What is learned from a teacher.

    Attributes:
        trust: The labels to learn; all if None. Annotation of spans of other labels is missing, and
            a word outside of all entities may be part of one of these labels.
        min_confidence: The annotation of spans with less confidence is missing.
    """

    trust: frozenset[str] | None = None
    min_confidence: float = 0.0

    def trusts(self, label: str) -> bool:
        """Return whether spans of a label are learned."""
        return self.trust is None or label in self.trust


@dataclass
class Silver:
    """Counts of what teachers found.

    Attributes:
        docs: The number of docs of each part.
        words: The number of tokens of each part.
        entities: The number of entities to learn from, by label.
        distrusted: The number of spans of labels that are not trusted, by label.
        unsure: The number of spans below the minimum confidence.
        unrated: The number of entities without a confidence.
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
        belief: What to learn of it.
        files: The file of each part.

    Returns:
        Counts.

    Raises:
        OSError: A file can't be written.
        ValueError: There is nothing to learn from: no entity that is trusted.
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
    """Set the entities to learn from, and leave the annotation of others open."""
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
        raise ValueError(Errors.RNN612)
    if belief.trust is not None and (unknown := belief.trust.difference(found.entities)):
        there = ", ".join(sorted({*found.entities, *found.distrusted})) or "none"
        names = ", ".join(sorted(unknown))
        raise ValueError(Errors.RNN613.format(names=names, found=there))
    if belief.min_confidence and found.unrated:
        raise ValueError(
            Errors.RNN614.format(min_confidence=belief.min_confidence, unrated=found.unrated)
        )
    if not found.entities:
        raise ValueError(Errors.RNN615.format(docs=counted(found.docs.total(), "doc")))
