"""Running a pipeline over annotated docs: up to our component and its network, then to the end."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Span
from spacy.training import Example
from spacy.util import minibatch
from tqdm import tqdm

from ..arrays import BoolArray
from ..crf.tag_scheme import Spans
from ..pipeline.inference import Inference
from ..pipeline.rnn_ner import RNNEntityRecognizer
from ..pipeline.span_groups import spans_with_confidence
from ..types import EntitySpan
from .outcomes import DocOutcome, describe, mentions, project

# The group that the component writes to during evaluation, whatever its own setting.
_KEY = "spacy_rnn_tagger.evaluation"


class Found(NamedTuple):
    """What the network found in a batch of docs.

    Attributes:
        inference: The scores of the batch, and what follows from them.
        spans: The entities that can be judged, whatever their confidence. [S]
        correct: Which of them are right. (S,)
    """

    inference: Inference
    spans: Spans
    correct: BoolArray


def find_component(nlp: Language, name: str | None = None) -> str | None:
    """Find the name of the pipeline's component `rnn_ner`.

    Args:
        nlp: The pipeline.
        name: The name of the component to use, if there are several.

    Returns:
        Its name; None if there is no such component and no name is given.

    Raises:
        ValueError: There are several and no name is given, or there is none of that name.
    """
    ours = [key for key, pipe in nlp.pipeline if isinstance(pipe, RNNEntityRecognizer)]
    if name is not None:
        if name not in ours:
            raise ValueError(f"'{name}' is no component rnn_ner of this pipeline; it has {ours}.")
        return name
    if len(ours) > 1:
        raise ValueError(f"The pipeline has several components rnn_ner: {ours}. Name one of them.")
    return ours[0] if ours else None


def silent_labels(nlp: Language) -> set[str]:
    """Find the labels that a pipeline's components `rnn_ner` have learned, and that none writes.

    Args:
        nlp: The pipeline.

    Returns:
        The labels. Components of other kinds may write entities of these labels nevertheless.
    """
    pipes = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, RNNEntityRecognizer)]
    known = {label for pipe in pipes for label in pipe.tags.labels}
    return known.difference(*(pipe.written_labels for pipe in pipes))


def gold_labels(examples: Iterable[Example]) -> set[str]:
    """Collect the labels of the annotated entities."""
    return {ent.label_ for example in examples for ent in example.reference.ents}


def find_entities(
    nlp: Language, component: str, examples: Sequence[Example], *, progress: bool = False
) -> Iterator[Found]:
    """Run the network of a component over docs, and judge the entities that it finds.

    Only entities of labels that are written and that occur in the annotation are judged. The
    predicted docs of the examples are left as the components before it leave them.

    Args:
        nlp: The pipeline.
        component: The name of the component.
        examples: The docs.
        progress: Whether to show a progress bar if standard error is a terminal.

    Yields:
        What was found in each batch of docs.
    """
    pipe = nlp.get_pipe(component)
    annotated = gold_labels(examples)
    for batch in _batches(nlp, examples, progress):
        _run(nlp, batch, disable=nlp.pipe_names[nlp.pipe_names.index(component) :])
        inference = pipe.infer([example.predicted for example in batch])
        spans = inference.entities()
        correct = [
            _is_correct(example, span, annotated)
            for example, own in zip(batch, inference.locate(spans), strict=True)
            for span in own
        ]
        judged = np.array([verdict is not None for verdict in correct], dtype=bool)
        right = np.array([bool(verdict) for verdict in correct], dtype=bool)
        yield Found(inference, spans.select(judged), right[judged])


def _is_correct(example: Example, span: EntitySpan, annotated: Collection[str]) -> bool | None:
    """Judge an entity; None if the annotation does not say whether it is right."""
    start, end, label = span
    tokens = project(example, example.predicted[start:end])
    if tokens is None or label not in annotated:
        return None
    return any((ent.start, ent.end) == tokens and ent.label_ == label for ent in example.y.ents)


def find_outcomes(
    nlp: Language,
    component: str | None,
    examples: Sequence[Example],
    *,
    progress: bool = False,
) -> list[DocOutcome]:
    """Run a pipeline over docs and compare its entities with the annotation.

    Args:
        nlp: The pipeline.
        component: The name of the component that computes confidences; None if there is none.
        examples: The docs.
        progress: Whether to show a progress bar if standard error is a terminal.

    Returns:
        The outcomes in each doc.
    """
    outcomes: list[DocOutcome] = []
    for batch in _batches(nlp, examples, progress):
        gold: Sequence[Sequence[float | None]] = [[None] * len(eg.reference.ents) for eg in batch]
        if component is None:
            _run(nlp, batch)
        else:
            at = nlp.pipe_names.index(component)
            pipe = nlp.get_pipe(component)
            _run(nlp, batch, disable=nlp.pipe_names[at:])
            gold = _gold_posteriors(pipe, batch)
            with _confidences_written(pipe):
                _run(nlp, batch, disable=nlp.pipe_names[:at])
        outcomes += map(_outcome, batch, gold)
    return outcomes


def _batches(nlp: Language, examples: Sequence[Example], progress: bool) -> Iterator[list[Example]]:
    disable = None if progress else True  # None: only where there is no terminal
    with tqdm(total=len(examples), unit=" docs", disable=disable, leave=False) as bar:
        for batch in minibatch(examples, nlp.batch_size):
            yield batch
            bar.update(len(batch))


def _run(nlp: Language, batch: list[Example], disable: Sequence[str] = ()) -> None:
    docs = nlp.pipe([example.predicted for example in batch], disable=disable)
    for example, doc in zip(batch, docs, strict=True):
        example.predicted = doc


def _gold_posteriors(
    pipe: RNNEntityRecognizer, batch: Sequence[Example]
) -> list[list[float | None]]:
    """Compute the posteriors of the annotated entities; zero where the model can't find them."""
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
    for own, rows, p in zip(found, numbers, inference.posteriors_of(known), strict=True):
        for number, value in zip(rows, p.tolist(), strict=True):
            own[number] = value
    return found


@contextmanager
def _confidences_written(pipe: RNNEntityRecognizer) -> Iterator[None]:
    """Have the component write the entities that it finds, and nothing else, to our own group."""
    before = dict(pipe.cfg)
    pipe.cfg.update(spans_key=_KEY, candidates=None)
    try:
        yield
    finally:
        pipe.cfg.update(before)


def _outcome(example: Example, gold: Sequence[float | None]) -> DocOutcome:
    doc = example.predicted
    known = {_entity_span(span): value for span, value in spans_with_confidence(doc, _KEY)}
    entities = {_entity_span(ent) for ent in doc.ents}
    below = [span for span in doc.spans.pop(_KEY, ()) if _entity_span(span) not in entities]
    return DocOutcome(
        text=example.reference.text,
        n_tokens=len(example.reference),
        gold=[
            describe(ent, ent.label_, p)
            for ent, p in zip(example.reference.ents, gold, strict=True)
        ],
        predicted=mentions(example, doc.ents, [known.get(_entity_span(ent)) for ent in doc.ents]),
        below=mentions(example, below, [known[_entity_span(span)] for span in below]),
    )


def _entity_span(span: Span) -> EntitySpan:
    return span.start, span.end, span.label_
