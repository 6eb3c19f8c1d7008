"""Running a pipeline over annotated docs: up to our component and its network, then to the end."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import minibatch
from tqdm import tqdm

from ..arrays import BoolArray
from ..crf.tag_scheme import Spans
from ..errors import Errors
from ..pipeline.inference import Inference
from ..pipeline.label_sets import annotated_labels, coarse_spans, get_label_set
from ..pipeline.rnn_ner import RNNEntityRecognizer
from ..pipeline.span_groups import spans_with_confidence
from ..types import EntitySpan
from .judging import Judged, judge
from .outcomes import DocOutcome, Mention, align, describe, mentions

# The group that the component writes to during evaluation, whatever its own setting.
_KEY = "spacy_rnn_tagger.evaluation"


class Found(NamedTuple):
    """What the network found in a batch of docs.

    Attributes:
        inference: The scores of the batch, and what follows from them.
        spans: The entities that can be judged, whatever their confidence. [S]
        correct: Which of them are right. (S,)
        examples: The docs, as the components before ours leave them. [B]
    """

    inference: Inference
    spans: Spans
    correct: BoolArray
    examples: Sequence[Example] = ()


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
            raise ValueError(Errors.RNN402.format(name=name, components=_named(ours)))
        return name
    if len(ours) > 1:
        raise ValueError(Errors.RNN403.format(components=_named(ours)))
    return ours[0] if ours else None


def no_component(nlp: Language, pipeline: str) -> str:
    """Describe that a pipeline lacks the component that `find_component` looks for.

    Args:
        nlp: The pipeline.
        pipeline: What messages call it.

    Returns:
        The message of the error.
    """
    return Errors.RNN401.format(pipeline=pipeline, components=_named(nlp.pipe_names))


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "none"


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
    """Collect the labels of the annotated entities, and those that coarse ones stand for."""
    return {label for example in examples for label in annotated_labels(example.reference)}


def find_entities(
    nlp: Language,
    component: str,
    examples: Sequence[Example],
    *,
    annotated: Collection[str] | None = None,
    progress: bool = False,
) -> Iterator[Found]:
    """Run the network of a component over docs, and judge the entities that it finds.

    Only entities of labels that are written, that occur in the annotation, and that the annotators
    of the doc marked are judged. The predicted docs of the examples are left as the components
    before it leave them.

    Args:
        nlp: The pipeline.
        component: The name of the component.
        examples: The docs.
        annotated: The labels that occur in the annotation; by default, in that of these docs.
        progress: Whether to show a progress bar if standard error is a terminal.

    Yields:
        What was found in each batch of docs.
    """
    pipe = nlp.get_pipe(component)
    annotated = gold_labels(examples) if annotated is None else annotated
    silent = silent_labels(nlp)
    for batch in _batches(nlp, examples, progress):
        _run(nlp, batch, disable=nlp.pipe_names[nlp.pipe_names.index(component) :])
        inference = pipe.infer([example.predicted for example in batch])
        spans = inference.entities()
        correct = [
            verdict
            for example, own in zip(batch, inference.locate(spans), strict=True)
            for verdict in _verdicts(example, own, annotated, silent)
        ]
        judged = np.array([verdict is not None for verdict in correct], dtype=bool)
        right = np.array([bool(verdict) for verdict in correct], dtype=bool)
        yield Found(inference, spans.select(judged), right[judged], batch)


def _verdicts(
    example: Example,
    found: Sequence[EntitySpan],
    annotated: Collection[str],
    silent: Collection[str],
) -> Iterator[bool | None]:
    """Judge new entities of a doc; None if the annotation does not say whether one is right."""
    doc = example.predicted
    spans = [Span(doc, *place) for place in found]
    judged = judge(example, [*doc.ents, *spans], silent)
    gold = {_entity_span(ent) for ent in judged.gold}
    for span in spans:
        place = judged.place(span) if span.label_ in annotated else None
        yield None if place is None else place in gold


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
    silent = silent_labels(nlp)
    for batch in _batches(nlp, examples, progress):
        views: Sequence[_View | None] = [None] * len(batch)
        if component is None:
            _run(nlp, batch)
        else:
            at = nlp.pipe_names.index(component)
            pipe = nlp.get_pipe(component)
            _run(nlp, batch, disable=nlp.pipe_names[at:])
            views = _views(pipe, batch)
            with _confidences_written(pipe):
                _run(nlp, batch, disable=nlp.pipe_names[:at])
        for example, view in zip(batch, views, strict=True):
            outcomes.append(_outcome(example, view, silent))
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


class _View(NamedTuple):
    """What the network says of a doc, in the tokens of the annotated doc.

    Later components may merge or split the tokens of the predicted doc, so it is kept in these.

    Attributes:
        gold: The posterior of each annotated entity; zero where the model can't find it.
        candidates: What the component's span group would hold, with confidences.
    """

    gold: dict[EntitySpan, float]
    candidates: list[tuple[EntitySpan, float]]


def _views(pipe: RNNEntityRecognizer, batch: Sequence[Example]) -> list[_View]:
    """Run the network over docs as the components before it leave them."""
    inference = pipe.infer([example.predicted for example in batch])
    views: list[_View] = []
    known: list[list[EntitySpan]] = []
    names: list[list[EntitySpan]] = []
    for example in batch:
        gold = dict.fromkeys(_possible_gold(example.reference), 0.0)
        views.append(_View(gold, []))
        known.append([])
        names.append([])
        for name in gold:
            tokens = example.alignment.y2x[name[0] : name[1]]
            if len(tokens) and name[2] in pipe.tags.labels:
                known[-1].append((int(tokens[0]), int(tokens[-1]) + 1, name[2]))
                names[-1].append(name)
    for view, own, values in zip(views, names, inference.posteriors_of(known), strict=True):
        view.gold.update(zip(own, values.tolist(), strict=True))
    for example, view, offered in zip(batch, views, _find_offered(pipe, inference), strict=True):
        preset = [(_entity_span(ent), 1.0) for ent in example.predicted.ents]
        for (start, end, label), p in (*preset, *offered):
            tokens = align(example, start, end)
            if tokens is not None:
                view.candidates.append(((*tokens, label), p))
    return views


def _possible_gold(reference: Doc) -> Iterator[EntitySpan]:
    """Iterate over annotated entities: coarse ones under all labels that they stand for."""
    yield from map(_entity_span, reference.ents)
    label_set = get_label_set(reference)
    for span in coarse_spans(reference) if label_set else ():
        for label in label_set.coarse[span.label_] if label_set else ():
            yield span.start, span.end, label


def _find_offered(
    pipe: RNNEntityRecognizer, inference: Inference
) -> list[list[tuple[EntitySpan, float]]]:
    """Find what a component's span group holds of what its network found, by its settings.

    Args:
        pipe: The component.
        inference: What follows from its network's scores.

    Returns:
        For each doc, the spans in its tokens, with their confidences.
    """
    spans, p, _ = pipe.find_scored(inference)
    scores = iter(p.tolist())
    return [[(place, next(scores)) for place in own] for own in inference.locate(spans)]


@contextmanager
def _confidences_written(pipe: RNNEntityRecognizer) -> Iterator[None]:
    """Have the component write the entities that it finds, and nothing else, to our own group."""
    before = dict(pipe.cfg)
    pipe.cfg.update(spans_key=_KEY, candidates=None)
    try:
        yield
    finally:
        pipe.cfg.update(before)


def _outcome(example: Example, view: _View | None, silent: Collection[str]) -> DocOutcome:
    doc = example.predicted
    known = {_entity_span(span): value for span, value in spans_with_confidence(doc, _KEY)}
    entities = {_entity_span(ent) for ent in doc.ents}
    below = [span for span in doc.spans.pop(_KEY, ()) if _entity_span(span) not in entities]
    judged = judge(example, [*doc.ents, *below], silent)
    reference = judged.example.reference
    marked = [ent for ent in doc.ents if judged.marks(ent.label_)]
    marked_below = [span for span in below if judged.marks(span.label_)]
    return DocOutcome(
        text=reference.text,
        n_tokens=len(reference),
        gold=[
            describe(ent, ent.label_, None if view is None else view.gold[_entity_span(ent)])
            for ent in judged.gold
        ],
        predicted=mentions(
            judged.example, marked, [known.get(_entity_span(ent)) for ent in marked]
        ),
        below=mentions(
            judged.example, marked_below, [known[_entity_span(span)] for span in marked_below]
        ),
        candidates=None if view is None else _offered(judged, view),
        coarse=judged.coarse,
        n_annotated=sum(token.ent_iob != 0 for token in reference),
        label_set=judged.label_set,
        not_marked=Counter(
            span.label_ for span in (*doc.ents, *below) if not judged.marks(span.label_)
        ),
    )


def _offered(judged: Judged, view: _View) -> list[Mention]:
    """Describe the candidates that can be judged."""
    reference = judged.example.reference
    found = []
    for (start, end, label), p in view.candidates:
        if judged.marks(label) and all(token.ent_iob for token in reference[start:end]):
            found.append(describe(reference[start:end], label, p))
    return found


def _entity_span(span: Span) -> EntitySpan:
    return span.start, span.end, span.label_
