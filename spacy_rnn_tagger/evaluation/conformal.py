"""Floors of candidates that keep a share of the true entities, by split conformal prediction.

The candidates for which a person must look are the entities that the network finds and all other
spans with a posterior of the floor or more. The *conformity* of a span is 1 if it is an entity of
the best analysis, and else its posterior, so that the candidates are the spans whose conformity
reaches the floor. A true entity that no analysis can have, because its borders are not those of
tokens, has none, and its conformity is 0.

With N true entities of a label in held-out data, the floor for a coverage of 1 - a is the k-th
largest of their conformities, with k = ceil((1 - a)(N + m)). With m = 1, it is the floor of split
conformal prediction (Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a Random World";
Angelopoulos and Bates 2021, "A Gentle Introduction to Conformal Prediction"): if the N entities and
a new one are exchangeable, the new one is among the candidates with a probability of 1 - a or more.
The probability is over the held-out data as well: with one set of data, coverage is somewhat above
or below.

The entities of one doc are not exchangeable with those of others: a name that the network does not
know is missed wherever it occurs in the doc. Docs are, if they are drawn alike. So by default m is
the number of entities in the doc that has the most. This is conformal risk control (Angelopoulos et
al. 2024, "Conformal Risk Control") with docs as the units and, as the loss of a doc, its missed
entities minus a times its entities: for a new doc, the expected number of entities that are missed
is at most a times the expected number of its entities, given that it has no more than m. It is not
likely to have more if the held-out data has many docs. With docs of one entity, both are the same.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Span

from ..arrays import IntArray
from ..types import EntitySpan
from .judging import judge
from .running import Found

DOC, ENTITY = "doc", "entity"
UNITS = (DOC, ENTITY)
# The lowest floor: lower ones would offer more spans than anybody looks at, and take long to find.
LOWEST = 1e-4
_DIGITS = 4  # of a floor; more would be noise
# Keeps a floor below the conformity that it comes from, whatever rounding does to posteriors.
_MARGIN = 1e-6

Conformities = NDArray[np.float64]


class Evidence(NamedTuple):
    """What held-out data says about the candidates of one label.

    Attributes:
        entities: The conformity of each true entity; 0 if it is below `LOWEST`. (S,)
        docs: The number of its doc. (S,)
        spans: The conformity of each span that can be judged, down to `LOWEST`. (C,)
        n_tokens: The number of annotated tokens, in docs whose annotators marked the label.
    """

    entities: Conformities
    docs: IntArray
    spans: Conformities
    n_tokens: int


class Coverage(NamedTuple):
    """The floor of candidates of one label, and what it does to the data that it was fitted to.

    Attributes:
        floor: The lowest posterior of a candidate.
        holds: Whether the floor keeps the coverage that was asked for, given the assumption. If
            not, it is the lowest floor there is.
        needed: How many entities are needed, in the docs at hand.
        entities: How many true entities there are.
        docs: How many docs have them.
        covered: How many of the entities are among the candidates.
        candidates: How many candidates there are.
        per_entity: The candidates for each true entity.
        per_1000_tokens: The candidates in 1,000 annotated tokens.
    """

    floor: float
    holds: bool
    needed: int
    entities: int
    docs: int
    covered: int
    candidates: int
    per_entity: float
    per_1000_tokens: float


def find_floor(
    conformities: Conformities, docs: IntArray, coverage: float, unit: str = DOC
) -> float | None:
    """Find the highest floor that keeps a coverage.

    Args:
        conformities: Those of the true entities of a label in held-out data. (S,)
        docs: The number of each entity's doc. (S,)
        coverage: The share of true entities to keep, between 0 and 1.
        unit: What is exchangeable: "doc" or "entity".

    Returns:
        The floor, rounded down to four digits; None if there are too few entities.
    """
    n = len(conformities)
    rank = _ceil(coverage * (n + _largest(docs, unit)))
    if not 0 < rank <= n:
        return None
    kth = float(np.partition(conformities, n - rank)[n - rank])
    return _rounded_down(kth * (1 - _MARGIN)) if kth > 0 else 0.0


def count_needed(docs: IntArray, coverage: float, unit: str = DOC) -> int:
    """Compute how many entities are needed for a coverage.

    Args:
        docs: The number of the doc of each entity that there is. (S,)
        coverage: The share of true entities to keep, between 0 and 1.
        unit: What is exchangeable: "doc" or "entity".

    Returns:
        The number, if no doc gets more entities than one has now.
    """
    return _ceil(coverage / (1 - coverage) * _largest(docs, unit))


def _largest(docs: IntArray, unit: str) -> int:
    """Return what the formulas call m."""
    if unit == ENTITY or not len(docs):
        return 1
    return int(np.unique(docs, return_counts=True)[1].max())


def _ceil(value: float) -> int:
    """Round up, but for what floating point has added: 0.95 * 20 is 19."""
    return math.ceil(value - 1e-9)


def _rounded_down(value: float) -> float:
    unit = 10.0 ** (math.floor(math.log10(value)) + 1 - _DIGITS)
    return float(f"{math.floor(value / unit) * unit:.{_DIGITS}g}")


def cover(evidence: Evidence, coverage: float, unit: str = DOC) -> Coverage:
    """Find the floor of a label, and count what it does.

    Args:
        evidence: What held-out data says of the label.
        coverage: The share of true entities to keep, between 0 and 1.
        unit: What is exchangeable: "doc" or "entity".

    Returns:
        The floor, which is the lowest one if there are too few entities, or if too many of them
        are below it.
    """
    found = find_floor(evidence.entities, evidence.docs, coverage, unit)
    holds = found is not None and found > 0
    floor = max(found or 0.0, LOWEST)
    n_spans = int((evidence.spans >= floor).sum())
    n = len(evidence.entities)
    return Coverage(
        floor=floor,
        holds=holds,
        needed=count_needed(evidence.docs, coverage, unit),
        entities=n,
        docs=len(np.unique(evidence.docs)),
        covered=int((evidence.entities >= floor).sum()),
        candidates=n_spans,
        per_entity=n_spans / n if n else 0.0,
        per_1000_tokens=1000 * n_spans / evidence.n_tokens if evidence.n_tokens else 0.0,
    )


def collect_evidence(
    batches: Iterable[Found], temperature: float, labels: Sequence[str]
) -> dict[str, Evidence]:
    """Collect the conformities of true entities and of spans.

    An entity of a coarse label is no evidence, because its precise label is not known.

    Args:
        batches: What the network found in held-out docs.
        temperature: The divisor of its scores.
        labels: The labels to collect.

    Returns:
        The evidence of each label.
    """
    entities: dict[str, list[tuple[float, int]]] = {label: [] for label in labels}
    spans: dict[str, list[float]] = {label: [] for label in labels}
    n_tokens = dict.fromkeys(labels, 0)
    number = 0
    for batch in batches:
        for example, own in zip(batch.examples, _conformities(batch, temperature), strict=True):
            judged = judge(example, [span for span, value in own if value == 1.0])
            offered: dict[EntitySpan, float] = {}
            for span, value in own:
                place = judged.place(span)
                if place is not None and span.label_ in spans:
                    offered[place] = max(value, offered.get(place, 0.0))
            for (_, _, label), value in offered.items():
                spans[label].append(value)
            for ent in judged.gold:
                if ent.label_ in entities and (ent.start, ent.end) not in judged.coarse:
                    value = offered.get((ent.start, ent.end, ent.label_), 0.0)
                    entities[ent.label_].append((value, number))
            n_annotated = sum(token.ent_iob != 0 for token in judged.example.reference)
            for label in labels:
                n_tokens[label] += n_annotated * judged.marks(label)
            number += 1
    return {
        label: Evidence(
            np.array([value for value, _ in entities[label]], dtype=np.float64),
            np.array([doc for _, doc in entities[label]], dtype=np.int64),
            np.array(spans[label], dtype=np.float64),
            n_tokens[label],
        )
        for label in labels
    }


def _conformities(batch: Found, temperature: float) -> Iterator[list[tuple[Span, float]]]:
    """Find for each doc all spans that any floor offers."""
    inference = batch.inference.at(temperature)
    spans, p, is_best = inference.candidates(LOWEST)
    values = iter(np.where(is_best, 1.0, p).tolist())
    for example, own in zip(batch.examples, inference.locate(spans), strict=True):
        doc = example.predicted
        preset = [(ent, 1.0) for ent in doc.ents]
        yield preset + [(Span(doc, *place), next(values)) for place in own]
