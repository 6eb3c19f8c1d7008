"""The component `rnn_ner`: spaCy's contract of a trainable pipe, without any numerics."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import islice
from typing import Any

import numpy as np
from spacy.errors import Errors as SpacyErrors
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.training.batchers import minibatch_by_words
from spacy.util import check_lexeme_norms, minibatch
from spacy.vocab import Vocab
from thinc.api import Config, Optimizer, set_dropout_rate

from ..arrays import BoolArray
from ..crf.posteriors import Posteriors
from ..crf.tag_scheme import Spans, TagScheme
from ..errors import Errors, check_at_least, listed
from ..errors.wording import counted
from ..layers.vocabulary import build_vocabularies
from ..runtime import ForkLock
from ..types import Analysis, EntitySpan, Prediction, TaggerModel, TagScores
from .constraints import read_constraints
from .gold import check_labels, find_labels, labels_of, survey
from .inference import Inference
from .losses import annotation_loss, tutor_loss
from .scorer import comparable, score_entities
from .serialization import ConfiguredPipe
from .settings import CONFIGURED, DEFAULTS, Settings, check_output_labels
from .span_groups import SPANS_KEY, set_probability, write_group
from .thresholds import Candidates, Threshold, check_labels_of, floor_of_each, of_each

default_model_config = """
[model]
@architectures = "spacy_rnn_tagger.RNNTagger.v1"
cell = "lstm"
hidden_width = 128
depth = 1
bidirectional = true
dropout = 0.4
decoder = "crf"
context = "doc"
max_length = 4096
overlap = 256

[model.tok2vec]
@architectures = "spacy_rnn_tagger.LexemeEmbed.v1"
width = 96
word_dropout = 0.3
char_width = 0
include_static_vectors = false
"""
DEFAULT_MODEL = Config().from_str(default_model_config)["model"]
# Docs that are shown to the model at initialisation, for its widths; spaCy takes as many.
_SAMPLE = 10
# Characters of a doc's text that an error shows.
_EXCERPT = 80
# Words of a batch in scoring, where nobody else limits it; memory does not grow with the dev set.
_SCORED = 20_000
_lock = ForkLock()  # of a component, it would not pickle


@Language.factory(
    "rnn_ner",
    assigns=["doc.ents", "doc.spans", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_MODEL,
        "scheme": "BILUO",
        **DEFAULTS,
        "scorer": {"@scorers": "spacy_rnn_tagger.ner_scorer.v1"},
    },
    default_score_weights={
        "ents_f": 1.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_token_acc": 0.0,
        "ents_per_type": None,
        "ents_loss": None,
    },
)
def make_rnn_ner(
    nlp: Language,
    name: str,
    model: TaggerModel,
    scheme: str,
    spans_key: str | None,
    candidates: float | dict[str, float] | None,
    threshold: float | dict[str, float],
    temperature: float,
    incorrect_spans_key: str | None,
    output_labels: list[str] | None,
    scorer: Callable[..., Any] | None,
) -> "RNNEntityRecognizer":
    """Create the component; the arguments are those of `RNNEntityRecognizer`."""
    return RNNEntityRecognizer(
        nlp.vocab,
        model,
        name,
        scheme=scheme,
        spans_key=spans_key,
        candidates=candidates,
        threshold=threshold,
        temperature=temperature,
        incorrect_spans_key=incorrect_spans_key,
        output_labels=output_labels,
        scorer=scorer,
    )


def _in_order(doc: Doc, entities: Iterable[EntitySpan]) -> tuple[Span, ...]:
    """Merge the entities that were found with those that were set before."""
    found = [*doc.ents, *(Span(doc, *place) for place in entities)]
    return tuple(sorted(found, key=lambda span: span.start))


class RNNEntityRecognizer(ConfiguredPipe):
    """Find named entities with a recurrent network, and write them to `doc.ents`.

    Args:
        vocab: The shared vocabulary.
        model: An architecture such as `spacy_rnn_tagger.RNNTagger.v1`.
        name: The component's name in the pipeline.
        scheme: How spans become tags: "BIO", "BILUO" or "IO".
        spans_key: The group in `doc.spans` for the entities and their exact probabilities (in
            `attrs["scores"]`, which `confidence` reads). If None, there is no group, and no
            probability is computed.
        candidates: The minimum probability, above 0, of further spans to write to that group: one
            number for all labels, or a number per label. Labels without a number have no
            candidates; None for no candidates at all.
        threshold: The minimum probability of entities in `doc.ents`, from 0 to 1: one number for
            all labels, or a number per label. Less likely entities are only in the group.
        temperature: The divisor of scores before they become probabilities; `spacy rnn calibrate`
            fits it. It does not change which entities are best.
        output_labels: The labels to write to `doc.ents` and to the group; None for all. Other
            labels are learned and compete with these, but are not written.
        incorrect_spans_key: The group in `doc.spans` of training docs with spans that are known not
            to be entities of their label.
        scorer: The function that `nlp.evaluate` calls; by default, spaCy's measures and token
            accuracy.

    Raises:
        ValueError: The scheme is not known, a number is out of range, candidates have no group to
            be written to, or the model is that of another component.
    """

    # Whether predictions come with the probability of a doc's entities as a whole. That takes one
    # more pass over the lattice, so `annotate` and `select` ask for it if a format has a place.
    rates_docs: bool = False

    def __init__(
        self,
        vocab: Vocab,
        model: TaggerModel,
        name: str = "rnn_ner",
        *,
        scheme: str = "BILUO",
        spans_key: str | None = SPANS_KEY,
        candidates: Candidates = None,
        threshold: Threshold = 0.0,
        temperature: float = 1.0,
        incorrect_spans_key: str | None = None,
        output_labels: Sequence[str] | None = None,
        scorer: Callable[..., Any] | None = score_entities,
    ) -> None:
        if not model.has_ref("output_layer"):
            raise ValueError(Errors.RNN015.format(name=name, model=model.name))
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        settings: dict[str, Any] = {
            "spans_key": spans_key,
            "candidates": candidates,
            "threshold": threshold,
            "temperature": temperature,
            "incorrect_spans_key": incorrect_spans_key,
            "output_labels": output_labels,
        }
        self.cfg = Settings(
            {"labels": [], "scheme": scheme, **settings, CONFIGURED: deepcopy(settings)}
        )
        self._tags = TagScheme(scheme, ())
        self._met: tuple[str, ...] = ()
        # What the model was when training resumed; `nlp.resume_training` fills it in.
        self._rehearsal_model: TaggerModel | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the entities that the component finds or keeps, in order of appearance.

        First come the network's labels, then those seen in prediction on entities that were set
        before. spaCy's `ner` lists these, too. The network has no outputs for them, and never grows
        in prediction.
        """
        return tuple(dict.fromkeys((*self.tags.labels, *self._met)))

    @property
    def label_data(self) -> tuple[str, ...]:
        """What `spacy init labels` writes and `initialize` reads: the labels of the network."""
        return self.tags.labels

    @property
    def tags(self) -> TagScheme:
        """The tags of the network's labels."""
        tags = self._tags
        if tags.labels != (labels := tuple(self.cfg["labels"])):
            self._tags = tags = TagScheme(self.cfg["scheme"], labels)
        return tags

    @property
    def written_labels(self) -> tuple[str, ...]:
        """The network's labels that are written, in its order; `output_labels` names them."""
        output = self.output_labels
        return tuple(label for label in self.tags.labels if output is None or label in output)

    def add_label(self, label: str) -> int:
        """Add a label. The output of a trained model grows and keeps what it has learned.

        Returns:
            1, or 0 if the component has the label already.

        Raises:
            ValueError: The label is not a string (spaCy's E187).
        """
        before = len(self.tags)
        self._add_labels([label])
        return len(self.tags) - before

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
    ) -> None:
        """Collect labels and vocabularies, infer the widths, and allocate the weights.

        Args:
            get_examples: Returns a sample of the training data.
            nlp: The pipeline.
            labels: The labels, as `spacy init labels` writes them; taken from the sample if None.

        Raises:
            ValueError, TypeError: The sample is empty or not of examples (spaCy's E923, E930), or
                `threshold`, `candidates` or `output_labels` names a label that the component does
                not have.

        Warns:
            UserWarning: Some entities don't begin and end at token boundaries (one warning for all
                of them). Their tokens count as not annotated.
        """
        validate_get_examples(get_examples, "RNNEntityRecognizer.initialize")
        check_lexeme_norms(self.vocab, self.name)
        found, misaligned = survey(get_examples())
        new = check_labels(found) if labels is None else list(labels)
        known = (*self.tags.labels, *new)
        check_labels_of(self.threshold, known)
        check_labels_of(self.candidates, known, name="candidates")
        check_output_labels(self.output_labels, known)
        self._add_labels(new)
        if misaligned:
            number = counted(len(misaligned), "entity", "entities")
            warnings.warn(
                f"[W030] Not at token boundaries: {number}. In training, their tokens count as not "
                f"annotated:\n{listed(misaligned)}",
                stacklevel=2,
            )
        build_vocabularies(self.model, (eg.x for eg in get_examples()))
        sample = [eg.x for eg in islice(get_examples(), _SAMPLE)]
        if not sample:
            raise ValueError(SpacyErrors.E923.format(name=self.name))
        if not self._has_output():
            self.set_output(len(self.tags.tags))
        self.model.initialize(X=sample)

    def predict(self, docs: Iterable[Doc]) -> list[Prediction]:
        """Find the entities of docs, without changing the docs or the component."""
        docs = list(docs)
        if not self._has_tags_for(docs):
            return [Prediction([], [], []) for _ in docs]
        inference = self._infer(docs)
        thresholds = of_each(self.threshold, inference.tags.labels)
        if self.spans_key is None and not thresholds.any():
            return [Prediction(own, [], []) for own in inference.locate(inference.entities())]
        spans, p, is_best = self.find_scored(inference)
        is_entity = is_best & (p >= thresholds[spans.labels])
        scores = iter(p.tolist())
        found = inference.locate(spans)
        entities = found if is_entity.all() else inference.locate(spans.select(is_entity))
        rates: list[float | None] = [None] * len(docs)
        if self.rates_docs:
            rates = np.exp(inference.log_fit_of(spans.select(is_entity))).tolist()
        return [
            Prediction(own, scored, list(islice(scores, len(scored))), rate)
            for own, scored, rate in zip(entities, found, rates, strict=True)
        ]

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Find the entities of a stream of docs, batch by batch.

        If a batch fails, its docs are tagged one by one. Only docs that fail on their own are lost;
        each is passed to the error handler. On Python 3.11 and later, the error names the doc, even
        if it comes from another process.
        """
        for docs in minibatch(stream, batch_size):
            try:
                self.set_annotations(docs, self.predict(docs))
            except Exception:
                yield from self._one_by_one(docs)
            else:
                yield from docs

    def _one_by_one(self, docs: Sequence[Doc]) -> Iterator[Doc]:
        handle_error = self.get_error_handler()
        for doc in docs:
            try:
                self.set_annotations([doc], self.predict([doc]))
            except Exception as error:
                if hasattr(error, "add_note"):
                    error.add_note(
                        f"Component '{self.name}' failed on the doc of {len(doc)} tokens that "
                        f"begins with {doc.text[:_EXCERPT]!r}."
                    )
                handle_error(self.name, self, [doc], error)
            else:
                yield doc

    def infer(self, docs: Sequence[Doc]) -> Inference:
        """Run the network over docs, as the basis for anything inferred from its scores.

        Args:
            docs: One or more docs, as `predict` takes them: before the component has set entities.

        Raises:
            ValueError: There are no labels (spaCy's E143).
        """
        if not self.tags.labels:
            raise ValueError(SpacyErrors.E143.format(name=self.name))
        return self._infer(docs)

    def find_scored(self, inference: Inference) -> tuple[Spans, Posteriors, BoolArray]:
        """Find the spans for the span group: entities, and `candidates`.

        Args:
            inference: The result of `infer`.

        Returns:
            The spans, their posteriors, and which of them are entities of the best analysis,
            regardless of the threshold. [S], (S,), (S,)
        """
        inference.sum_first()
        floors = floor_of_each(self.candidates, inference.tags.labels)
        if not len(floors) or np.isinf(least := float(floors.min())):
            spans = inference.entities()
            return spans, inference.posteriors(spans), np.ones(len(spans.starts), dtype=bool)
        spans, p, is_best = inference.candidates(least)
        if isinstance(self.candidates, Mapping):
            kept = is_best | (p >= floors[spans.labels])
            spans, p, is_best = spans.select(kept), p[kept], is_best[kept]
        return spans, p, is_best

    def n_best(self, docs: Iterable[Doc], n: int) -> list[list[Analysis]]:
        """Find the n likeliest analyses of each doc, with their exact probabilities.

        An analysis is the set of all entities of a doc, including those that were set before. It
        may contain an entity that is nothing but punctuation, which never appears in `doc.ents`.

        Args:
            docs: As `predict` takes them: before the component has set its entities.
            n: The number of analyses; a doc with fewer possible analyses gets fewer.

        Returns:
            For each doc its analyses, the likeliest first.

        Raises:
            ValueError: `n` is not a whole number of 1 or more.
        """
        check_at_least("n", n, 1)
        docs = list(docs)
        if not self._has_tags_for(docs):
            return [[Analysis(doc.ents, 1.0)] for doc in docs]
        return [
            [Analysis(_in_order(doc, entities), probability) for entities, probability in analyses]
            for doc, analyses in zip(docs, self._infer(docs).n_best(n), strict=True)
        ]

    def set_annotations(self, docs: Iterable[Doc], scores: list[Prediction]) -> None:
        """Write what `predict` found to the group and to `doc.ents`, which keeps what is set."""
        key = self.spans_key
        for doc, prediction in zip(docs, scores, strict=True):
            entities = [Span(doc, *place) for place in prediction.entities]
            preset: Sequence[Span] = ()
            if doc.has_annotation("ENT_IOB"):
                preset = doc.ents
                self._meet(preset)
                free = {token.i for token in doc if not token.ent_iob}
                free.difference_update(*(range(span.start, span.end) for span in entities))
                outside = [doc[i : i + 1] for i in free]
                doc.set_ents(entities, outside=outside, default="unmodified")
            else:
                doc.set_ents(entities)
            if key is not None:
                spans = [Span(doc, *place) for place in prediction.scored]
                write_group(doc, key, self.name, spans, prediction.confidences, preset)
                if prediction.probability is not None:
                    set_probability(doc, key, self.name, prediction.probability)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch: from entities, or from soft annotation if a doc has it.

        From a doc with the span group "spacy_rnn_tagger.posteriors", the network learns the
        probabilities in that group instead of the entities; see `pipeline.soft_annotation`.

        Args:
            examples: The batch.
            drop: The dropout rate; the architecture's own rate applies where it is higher.
            sgd: The optimizer; without one, gradients are only accumulated.
            losses: A dict to which the loss is added under the component's name.

        Returns:
            The dict of losses.

        Raises:
            ValueError: The network's scores are not finite (spaCy's E940), or soft annotation is
                not made of probabilities.
        """
        examples = list(examples)
        validate_examples(examples, "RNNEntityRecognizer.update")
        # The one place where training data adds labels, as it does in spaCy's `ner`.
        self._add_labels(find_labels(doc for eg in examples for doc in (eg.x, eg.y)))
        docs = [eg.predicted for eg in examples]
        return self._step(docs, lambda scores: self.get_loss(examples, scores), drop, sgd, losses)

    def rehearse(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn to predict what the model predicted when training resumed (Hinton et al. 2015).

        Labels that were added since are not affected. Without a call of `nlp.resume_training`,
        nothing happens, nor after a network with other labels was loaded. The arguments are those
        of `update`; annotation is not read.
        """
        examples = list(examples)
        validate_examples(examples, "RNNEntityRecognizer.rehearse")
        docs = [eg.predicted for eg in examples]
        tutor = self._rehearsal_model
        if tutor is None:
            return self._step([], lambda scores: (0.0, scores), drop, sgd, losses)
        expected = tutor.predict(docs)

        def loss_of(scores: TagScores) -> tuple[float, TagScores]:
            return tutor_loss(self.model.ops, scores, self.tags, docs, expected)

        return self._step(docs, loss_of, drop, sgd, losses)

    def get_loss(self, examples: Iterable[Example], scores: TagScores) -> tuple[float, TagScores]:
        """Compute the loss of a batch and its gradient.

        Returns:
            The loss and its gradient. The loss is the mean over the docs of -log P(gold | doc),
            where unannotated tokens are free, or of the divergence from soft annotation if a doc
            has it, plus -log(1 - P(span | doc)) for each span that is known to be incorrect. Both
            are zero without examples.

        Raises:
            ValueError: A span is annotated as correct and incorrect (spaCy's E868), or soft
                annotation is not made of probabilities.
            KeyError: The component lacks a label of the annotation; `update` adds it.
        """
        examples = list(examples)
        validate_examples(examples, "RNNEntityRecognizer.get_loss")
        key = self.incorrect_spans_key
        return annotation_loss(self.model.ops, scores, self.tags, examples, key)

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score predictions, and add `ents_loss`, the mean loss per doc without dropout.

        Entities of labels that are not written are not counted, nor are entities of labels that the
        annotators of a doc did not mark. `ents_loss` includes all labels.
        """
        examples = list(examples)
        written = self.output_labels
        reduced = [comparable(example, written) for example in examples]
        scores = dict(self.scorer(reduced, **kwargs)) if self.scorer else {}
        annotated = [eg for eg in examples if len(eg.predicted) and self._is_known(eg)]
        if annotated and self.tags.labels:
            loss = 0.0
            for batch in minibatch_by_words(annotated, _SCORED, discard_oversize=False):
                predicted = self.model.predict([eg.predicted for eg in batch])
                loss += self.get_loss(batch, predicted)[0] * len(batch)
            scores["ents_loss"] = loss / len(annotated)
        return scores

    def _has_tags_for(self, docs: Sequence[Doc]) -> bool:
        """Tell whether there is anything to tag."""
        return bool(self.tags.labels) and any(len(doc) for doc in docs)

    def _meet(self, entities: Iterable[Span]) -> None:
        """List the labels of entities that were set before; the network stays as it is."""
        new = {ent.label_ for ent in entities}.difference(self.labels)
        if new:
            with _lock:
                self._met = (*self._met, *sorted(new.difference(self.labels)))

    def _infer(self, docs: Sequence[Doc]) -> Inference:
        tags = self.tags
        constraints = read_constraints(docs, tags)
        words = constraints.words
        scores = self.model.predict(docs).select(words.rows, words.lengths)
        output = None if self.output_labels is None else np.isin(tags.labels, self.written_labels)
        return Inference(scores, tags, constraints, self.temperature, output)

    def _step(
        self,
        docs: list[Doc],
        loss_of: Callable[[TagScores], tuple[float, TagScores]],
        drop: float,
        sgd: Optimizer | None,
        losses: dict[str, float] | None,
    ) -> dict[str, float]:
        """Take one step of training, and add the loss to `losses`."""
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        if not docs:
            return losses
        set_dropout_rate(self.model, drop)
        scores, backprop = self.model.begin_update(docs)
        loss, d_scores = loss_of(scores)
        # Even where the gradient is zero: a shared tok2vec waits for it.
        backprop(d_scores)
        if sgd not in (None, False):
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def _has_output(self) -> bool:
        return self.model.get_ref("output_layer").has_dim("nO") is True

    def _is_known(self, example: Example) -> bool:
        return labels_of(example.reference) <= set(self.tags.labels)

    def _add_labels(self, labels: Iterable[str]) -> None:
        """Add the labels that are new; the output grows once for all of them.

        Raises:
            ValueError: A label is not a string (spaCy's E187). None is added.
        """
        labels = list(labels)
        if not all(isinstance(label, str) for label in labels):
            raise ValueError(SpacyErrors.E187)
        known = self.tags
        new = [label for label in dict.fromkeys(labels) if label not in known.labels]
        if not new:
            return
        tags = TagScheme(known.scheme, (*known.labels, *new))
        self._know_labels(new)
        if self._has_output():
            self.set_output(len(tags.tags))
        self.cfg["labels"].extend(new)  # last: whatever fails, labels fit the network

    def _know_labels(self, labels: Iterable[str]) -> None:
        for label in labels:
            self.vocab.strings.add(label)

    def _fit_labels(self) -> None:
        tags = self.tags
        self._know_labels(tags.labels)
        n_outputs = self.model.get_ref("output_layer").maybe_get_dim("nO")
        if tags.labels and n_outputs != len(tags.tags):
            self.set_output(len(tags.tags))

    def _loaded(self, before: tuple[str, ...]) -> None:
        if self.tags.labels != before:
            self._rehearsal_model = None  # its tags are not those of this network
