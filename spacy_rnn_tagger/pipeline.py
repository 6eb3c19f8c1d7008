"""The component `rnn_ner`: spaCy's contract of a trainable pipe, and nothing numeric."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from spacy.errors import Errors
from spacy.language import Language
from spacy.pipeline import TrainablePipe
from spacy.tokens import Doc, Span
from spacy.training import Example, validate_examples, validate_get_examples
from spacy.util import check_lexeme_norms
from spacy.vocab import Vocab
from thinc.api import Config, Optimizer, set_dropout_rate

from .layers.lattice import decode, loss_and_gradient
from .layers.vocabulary import build_vocabularies
from .scoring import score_entities
from .tags import TagScheme
from .types import EntitySpan, TaggerModel, TagScores

default_model_config = """
[model]
@architectures = "spacy_rnn_tagger.RNNTagger.v1"
cell = "lstm"
hidden_width = 128
depth = 1
bidirectional = true
dropout = 0.3
decoder = "crf"

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
# Of a model's nodes, the attributes that its weights depend on.
_SETTINGS = ("cell", "depth", "bidirectional", "decoder", "attr", "attrs")


@Language.factory(
    "rnn_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": DEFAULT_MODEL,
        "scheme": "BIO",
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
    nlp: Language, name: str, model: TaggerModel, scheme: str, scorer: Callable[..., Any] | None
) -> "RNNEntityRecognizer":
    """Create the component; the arguments are those of `RNNEntityRecognizer`."""
    return RNNEntityRecognizer(nlp.vocab, model, name, scheme=scheme, scorer=scorer)


class RNNEntityRecognizer(TrainablePipe):
    """Find named entities by a recurrent network and write them to `doc.ents`.

    vocab: the shared vocabulary.
    model: an architecture such as `spacy_rnn_tagger.RNNTagger.v1`.
    name: the component's name in the pipeline.
    scheme: how spans become tags, "BIO", "BILUO" or "IO".
    scorer: what `nlp.evaluate` calls; spaCy's measures and token accuracy by default.

    RAISES ValueError: the scheme is not known.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: TaggerModel,
        name: str = "rnn_ner",
        *,
        scheme: str = "BIO",
        scorer: Callable[..., Any] | None = score_entities,
    ) -> None:
        self.vocab = vocab
        self.model = model
        self.name = name
        self.scorer = scorer
        self.cfg: dict[str, Any] = {"labels": [], "scheme": scheme}
        self._tags = TagScheme(scheme, ())

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order in which they were added."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> tuple[str, ...]:
        """What `spacy init labels` writes and `initialize` reads: the labels."""
        return self.labels

    @property
    def tags(self) -> TagScheme:
        """The tags of the current labels."""
        if self._tags.labels != self.labels:
            self._tags = TagScheme(self.cfg["scheme"], self.labels)
        return self._tags

    def add_label(self, label: str) -> int:
        """Add a label; a trained model's output grows and keeps what it knows.

        RETURNS: 1, or 0 if the label was there.

        RAISES ValueError: the label is not a string (spaCy's E187).
        """
        if not isinstance(label, str):
            raise ValueError(Errors.E187)
        if label in self.labels:
            return 0
        self.cfg["labels"].append(label)
        self.vocab.strings.add(label)
        if self._has_output():
            self.set_output(len(self.tags.tags))
        return 1

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]],
        *,
        nlp: Language | None = None,
        labels: Iterable[str] | None = None,
    ) -> None:
        """Collect labels and vocabularies, infer the widths, allocate the weights.

        get_examples: returns a sample of the training data.
        nlp: the pipeline.
        labels: the labels, as `spacy init labels` writes them; taken from the sample if None.

        RAISES ValueError, TypeError: the sample is empty or not of examples (spaCy's E923, E930).
        """
        validate_get_examples(get_examples, "RNNEntityRecognizer.initialize")
        check_lexeme_norms(self.vocab, self.name)
        if labels is None:
            labels = sorted({ent.label_ for eg in get_examples() for ent in eg.reference.ents})
        for label in labels:
            self.add_label(label)
        build_vocabularies(self.model, (eg.x for eg in get_examples()))
        sample = [eg.x for eg in islice(get_examples(), _SAMPLE)]
        if not sample:
            raise ValueError(Errors.E923.format(name=self.name))
        if not self._has_output():
            self.set_output(len(self.tags.tags))
        self.model.initialize(X=sample)

    def predict(self, docs: Iterable[Doc]) -> list[list[EntitySpan]]:
        """Find the entities of docs, which are not changed.

        RETURNS: for each doc its (start token, end token, label).
        """
        docs = list(docs)
        if not self.labels or not any(len(doc) for doc in docs):
            return [[] for _ in docs]
        scores = self.model.predict(docs)
        return self.tags.spans(decode(scores, self.tags), scores.lengths)

    def set_annotations(self, docs: Iterable[Doc], scores: list[list[EntitySpan]]) -> None:
        """Write what `predict` found to `doc.ents`."""
        for doc, spans in zip(docs, scores, strict=True):
            doc.set_ents([Span(doc, start, end, label=label) for start, end, label in spans])

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Learn from a batch.

        drop: the dropout rate; the architecture's own applies where it is higher.
        sgd: the optimizer; gradients are only accumulated without one.
        losses: where the loss is added under the component's name.

        RAISES ValueError: the network's scores are not finite (spaCy's E940).
        """
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        examples = list(examples)
        validate_examples(examples, "RNNEntityRecognizer.update")
        self._add_new_labels(examples)
        docs = [eg.predicted for eg in examples]
        if not self.labels or not any(len(doc) for doc in docs):
            return losses
        set_dropout_rate(self.model, drop)
        scores, backprop = self.model.begin_update(docs)
        loss, d_scores = self.get_loss(examples, scores)
        backprop(d_scores)
        if sgd not in (None, False):
            self.finish_update(sgd)
        losses[self.name] += loss
        return losses

    def get_loss(self, examples: Iterable[Example], scores: TagScores) -> tuple[float, TagScores]:
        """Compute the loss of a batch and its gradient.

        RETURNS: the sum over the docs of -log P(gold | doc), where unannotated tokens are free,
            divided by the number of docs, and the gradient of that.
        """
        examples = list(examples)
        validate_examples(examples, "RNNEntityRecognizer.get_loss")
        tags = [tag for eg in examples for tag in eg.get_aligned_ner()]
        allowed = self.tags.mask(self.tags.from_biluo(tags))
        loss, gradient = loss_and_gradient(self.model.ops, scores, self.tags, allowed)
        scale = 1.0 / len(examples)
        for array in (gradient.emissions, gradient.transitions, gradient.start, gradient.end):
            if array is not None:
                array *= scale
        return loss * scale, gradient

    def score(self, examples: Iterable[Example], **kwargs: Any) -> dict[str, Any]:
        """Score predictions, and add `ents_loss`, the mean loss of a doc without dropout."""
        examples = list(examples)
        scores = dict(self.scorer(examples, **kwargs)) if self.scorer else {}
        annotated = [eg for eg in examples if len(eg.predicted) and self._is_known(eg)]
        if annotated and self.labels:
            predicted = self.model.predict([eg.predicted for eg in annotated])
            scores["ents_loss"] = self.get_loss(annotated, predicted)[0]
        return scores

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialise the component."""
        return super().to_bytes(exclude=tuple(exclude))

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "RNNEntityRecognizer":
        """Load the component.

        RAISES ValueError: the data is damaged or was saved with other settings.
        """
        with self._checked_loading("the given bytes"):
            super().from_bytes(bytes_data, exclude=tuple(exclude))
        return self

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "RNNEntityRecognizer":
        """Load the component from its folder.

        RAISES FileNotFoundError: a file is missing.
        RAISES ValueError: a file is damaged or was saved with other settings.
        """
        for required in ("cfg", "model"):
            if required not in exclude and not (Path(path) / required).is_file():
                raise FileNotFoundError(
                    f"Component '{self.name}': no file '{required}' in {path}. The folder must be "
                    "one that to_disk wrote."
                )
        with self._checked_loading(str(path)):
            super().from_disk(path, exclude=tuple(exclude))
        return self

    def _has_output(self) -> bool:
        return self.model.get_ref("output_layer").has_dim("nO") is True

    def _is_known(self, example: Example) -> bool:
        return all(ent.label_ in self.labels for ent in example.reference.ents)

    def _add_new_labels(self, examples: list[Example]) -> None:
        """The one place where training data adds a label, as it does in spaCy's `ner`."""
        found = {ent.label_ for eg in examples for ent in eg.reference.ents}
        for label in sorted(found.difference(self.labels)):
            self.add_label(label)

    @contextmanager
    def _checked_loading(self, source: str) -> Iterator[None]:
        """Turn whatever a damaged or foreign file causes into one error that says what is wrong."""
        before = self._settings()
        try:
            yield
            after = self._settings()
            differing = [name for name in before if before[name] != after.get(name)]
            if differing:
                name = differing[0]
                raise ValueError(f"{name} is {before[name]!r} here but {after.get(name)!r} there")
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(
                f"Component '{self.name}': can't load {source}. It is damaged, or was saved with "
                f"other settings than this pipeline's config has: {error}"
            ) from error

    def _settings(self) -> dict[str, Any]:
        settings = {"scheme": self.cfg["scheme"]}
        for node in self.model.walk():
            for key in _SETTINGS:
                if key in node.attrs:
                    settings[f"{key} of {node.name}"] = node.attrs[key]
        return settings
