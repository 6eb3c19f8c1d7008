"""Running a pipeline over annotated docs: up to our component for its network, then to the end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Example
from spacy.util import minibatch
from tqdm import tqdm

from ..groups import scored_spans
from ..inference import Inference
from ..pipeline import RNNEntityRecognizer
from ..types import BoolArray, EntitySpan, Spans
from .outcomes import DocOutcome, describe, mentions, project

# The group is written here while the pipeline is looked at, whatever its own setting.
_KEY = "spacy_rnn_tagger.evaluation"


class Found(NamedTuple):
    """What the network found in a batch of docs.

    inference: of the batch.
    spans: the entities that can be judged, of whatever probability. *Length:* S.
    correct: which of them are right. *Shape:* (S,).
    """

    inference: Inference
    spans: Spans
    correct: BoolArray


def find_component(nlp: Language, name: str | None = None) -> str | None:
    """Find the name of the pipeline's one component `rnn_ner`.

    name: the one that is meant, if there are several.

    RETURNS: None if there is none and no name is given.

    RAISES ValueError: there are several and no name is given, or the name is that of no such
        component.
    """
    ours = [key for key, pipe in nlp.pipeline if isinstance(pipe, RNNEntityRecognizer)]
    if name is not None:
        if name not in ours:
            raise ValueError(f"'{name}' is no component rnn_ner of this pipeline; it has {ours}.")
        return name
    if len(ours) > 1:
        raise ValueError(f"The pipeline has several components rnn_ner: {ours}. Name one of them.")
    return ours[0] if ours else None


def find_entities(nlp: Language, component: str, examples: Sequence[Example]) -> Iterator[Found]:
    """Find what the network of a component finds in docs, batch by batch, and what of it is right.

    The predicted docs of the examples are left as the components before it leave them.
    """
    pipe = nlp.get_pipe(component)
    for batch in _batches(nlp, examples):
        _run(nlp, batch, disable=nlp.pipe_names[nlp.pipe_names.index(component) :])
        inference = pipe.infer([example.predicted for example in batch])
        spans = inference.entities()
        correct = [
            _is_correct(example, place)
            for example, own in zip(batch, inference.locate(spans), strict=True)
            for place in own
        ]
        judged = np.array([verdict is not None for verdict in correct], dtype=bool)
        right = np.array([bool(verdict) for verdict in correct], dtype=bool)
        yield Found(inference, spans.select(judged), right[judged])


def _is_correct(example: Example, span: EntitySpan) -> bool | None:
    start, end, label = span
    place = project(example, example.predicted[start:end])
    if place is None:
        return None
    return any((ent.start, ent.end) == place and ent.label_ == label for ent in example.y.ents)


def find_outcomes(
    nlp: Language, component: str | None, examples: Sequence[Example]
) -> list[DocOutcome]:
    """Run a pipeline over docs and compare its entities with the annotation.

    component: the component that gives probabilities; None if there is none.
    """
    outcomes: list[DocOutcome] = []
    for batch in _batches(nlp, examples):
        gold: Sequence[Sequence[float | None]] = [[None] * len(eg.reference.ents) for eg in batch]
        if component is None:
            _run(nlp, batch)
        else:
            place = nlp.pipe_names.index(component)
            pipe = nlp.get_pipe(component)
            _run(nlp, batch, disable=nlp.pipe_names[place:])
            gold = _gold_probabilities(pipe, batch)
            with _scores_written(pipe):
                _run(nlp, batch, disable=nlp.pipe_names[:place])
        outcomes += map(_outcome, batch, gold)
    return outcomes


def _batches(nlp: Language, examples: Sequence[Example]) -> Iterator[list[Example]]:
    with tqdm(total=len(examples), unit=" docs", disable=None, leave=False) as progress:
        for batch in minibatch(examples, nlp.batch_size):
            yield batch
            progress.update(len(batch))


def _run(nlp: Language, batch: list[Example], disable: Sequence[str] = ()) -> None:
    docs = nlp.pipe([example.predicted for example in batch], disable=disable)
    for example, doc in zip(batch, docs, strict=True):
        example.predicted = doc


def _gold_probabilities(
    pipe: RNNEntityRecognizer, batch: Sequence[Example]
) -> list[list[float | None]]:
    """Compute what the model gives the annotated entities; zero where it can't find them."""
    inference = pipe.infer([example.predicted for example in batch])
    known: list[list[EntitySpan]] = []
    numbers: list[list[int]] = []
    for example in batch:
        known.append([])
        numbers.append([])
        for number, ent in enumerate(example.reference.ents):
            tokens = example.alignment.y2x[ent.start : ent.end]
            if len(tokens) and ent.label_ in pipe.tags.labels:
                known[-1].append((int(tokens[0]), int(tokens[-1]) + 1, ent.label_))
                numbers[-1].append(number)
    found: list[list[float | None]] = [[0.0] * len(eg.reference.ents) for eg in batch]
    for own, places, p in zip(found, numbers, inference.posteriors_of(known), strict=True):
        for number, value in zip(places, p.tolist(), strict=True):
            own[number] = value
    return found


@contextmanager
def _scores_written(pipe: RNNEntityRecognizer) -> Iterator[None]:
    """Have the component write all that it finds, and nothing else, to a group of our own."""
    before = dict(pipe.cfg)
    pipe.cfg.update(spans_key=_KEY, candidates=None)
    try:
        yield
    finally:
        pipe.cfg.update(before)


def _outcome(example: Example, gold: Sequence[float | None]) -> DocOutcome:
    doc = example.predicted
    known = {_place(span): score for span, score in scored_spans(doc, _KEY)}
    entities = {_place(ent) for ent in doc.ents}
    below = [span for span in doc.spans.pop(_KEY, ()) if _place(span) not in entities]
    return DocOutcome(
        text=example.reference.text,
        n_tokens=len(example.reference),
        gold=[
            describe(ent, ent.label_, p)
            for ent, p in zip(example.reference.ents, gold, strict=True)
        ],
        predicted=mentions(example, doc.ents, [known.get(_place(ent)) for ent in doc.ents]),
        below=mentions(example, below, [known[_place(span)] for span in below]),
    )


def _place(span: Span) -> EntitySpan:
    return span.start, span.end, span.label_
