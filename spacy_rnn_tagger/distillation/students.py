"""The student: a complete config, trained by plain `spacy train`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.util import copy_config, load_model_from_config
from thinc.api import Config

from ..errors import check_at_least, check_choice, loading
from ..training.configs import config_names, init_config

_BATCH = 1000  # words
# So many words are read in training by default, in epochs, but not fewer than the least.
_EPOCHS = 6
# A small corpus is read more often, up to this.
_MOST_EPOCHS, _ENOUGH_STEPS = 20, 4000
_LEAST_STEPS, _MOST_STEPS = 1000, 40_000
_EVALUATIONS = 20
# From how many words on which dropout applies: in `[training]`, in the network, and of whole words.
# A teacher can annotate as much text as the student can read, which leaves little to overfit.
_DROPOUT = ((1_000_000, (0.0, 0.1, 0.05)), (200_000, (0.0, 0.2, 0.1)))
# With more labels than this, BIO tags faster than BILUO, which has twice as many tags; with plenty
# of text it is as accurate.
_MANY_LABELS = 8
_COMPONENT = "rnn_ner"
# spaCy holds a corpus in memory unless it is streamed; a word takes about half a kilobyte then.
_IN_MEMORY = 4_000_000  # words


class Base(NamedTuple):
    """What a student's tokenizer and norms come from.

    Attributes:
        folder: The folder of a blank copy of the teacher.
        teacher: The teacher.
    """

    folder: Path
    teacher: Language


@dataclass(frozen=True)
class Student:
    """The settings of the student.

    Attributes:
        config: The shipped config that it starts from.
        hidden_width: Units of its LSTM per direction; from the config if None.
        vectors: The folder or package of a pipeline whose word vectors it reads; None for none.
        steps: Training steps; from the number of words if None.
        seed: The random seed for its weights and the order of docs.
    """

    config: str = "rnn_ner"
    hidden_width: int | None = None
    vectors: str | None = None
    steps: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("config", self.config, filter(_has_component, config_names()))
        for name, value in (("width", self.hidden_width), ("steps", self.steps)):
            if value is not None:
                check_at_least(name, value, 1)

    def steps_for(self, n_words: int) -> int:
        """Return the number of steps for a corpus with `n_words` words."""
        if self.steps is not None:
            return self.steps
        batches = n_words // _BATCH
        steps = max(_EPOCHS * batches, min(_MOST_EPOCHS * batches, _ENOUGH_STEPS))
        return min(max(steps, _LEAST_STEPS), _MOST_STEPS)

    def make_config(
        self,
        *,
        lang: str,
        base: Base | None,
        train: Mapping[str, Mapping[str, Any]],
        dev: Mapping[str, Mapping[str, Any]],
        labels: Sequence[str],
        n_words: int,
        gpu: bool = False,
    ) -> Config:
        """Create the config.

        Args:
            lang: The language of the pipeline.
            base: What its tokenizer and norms come from; None for those of the language.
            train: The corpora to learn from, as `spacy_rnn_tagger.MixedCorpus.v1` has them.
            dev: The corpora that select the best of its states.
            labels: The labels that it learns.
            n_words: The number of words that it learns from.
            gpu: Whether it is trained on a GPU.

        Returns:
            The config, complete.
        """
        config = init_config(self.config, lang=lang, vectors=self.vectors, gpu=gpu)
        steps = self.steps_for(n_words)
        for name, corpora in (("train", train), ("dev", dev)):
            config["corpora"][name] = {
                "@readers": "spacy_rnn_tagger.MixedCorpus.v1",
                "gold_preproc": False,
                "max_length": 0,
                "limit": 0,
                "seed": 0,
                "augmenter": None,
                "incorrect_spans_key": None,
                "corpora": {key: dict(own) for key, own in corpora.items()},
            }
            config["paths"].pop(name, None)
        config["system"]["seed"] = self.seed
        training = config["training"]
        training["max_steps"] = steps
        training["max_epochs"] = -1 if n_words > _IN_MEMORY else 0
        training["eval_frequency"] = max(1, steps // _EVALUATIONS)
        training["batcher"]["size"] = _BATCH
        training["logger"]["progress_bar"] = "train"
        rate = training["optimizer"]["learn_rate"]
        rate["total_steps"] = steps
        rate["warmup_steps"] = min(rate["warmup_steps"], steps // 10)
        if base is not None:
            _read_as(base, config)
        # A corpus that is streamed is not read for its labels.
        config["initialize"]["components"][_COMPONENT] = {"labels": list(labels)}
        pipe = config["components"][_COMPONENT]
        _drop_other_labels(pipe, labels)
        model = pipe["model"]
        if self.hidden_width is not None:
            model["hidden_width"] = self.hidden_width
        if len(labels) > _MANY_LABELS:
            pipe["scheme"] = "BIO"
        rates = next((rates for least, rates in _DROPOUT if n_words >= least), None)
        if rates is not None:
            training["dropout"], model["dropout"], word_dropout = rates
            if "word_dropout" in model["tok2vec"]:
                model["tok2vec"]["word_dropout"] = word_dropout
        return config


def start(config: Config) -> Language:
    """Begin a training, up to the components, which learn from data: a check before long work.

    Args:
        config: The config.

    Returns:
        The pipeline, with the tokenizer and the vocab that training begins with. Its components are
        not initialised.

    Raises:
        ImportError: It needs a package that is not installed.
        OSError: Something that the config names can't be read, such as word vectors.
        ValueError: spaCy refuses the config.
    """
    with loading("The student's config"):
        nlp = load_model_from_config(config, auto_fill=True)
        with nlp.select_pipes(disable=nlp.pipe_names):
            nlp.initialize()
    return nlp


def _has_component(name: str) -> bool:
    return _COMPONENT in init_config(name)["components"]


def _read_as(base: Base, config: Config) -> None:
    """Give a config the teacher's tokenizer and norms."""
    own = base.teacher.config.interpolate()
    for section in ("nlp", "initialize"):
        config[section]["tokenizer"] = copy_config(own[section].get("tokenizer") or {})
    folder = str(base.folder)
    copied = {"@callbacks": "spacy.copy_from_base_model.v1", "tokenizer": folder}
    config["initialize"]["before_init"] = {**copied, "vocab": folder}
    if hasattr(base.teacher.tokenizer, "initialize"):
        # spaCy calls it after `before_init`, and what it makes may be another tokenizer.
        config["initialize"]["after_init"] = copied
        pkuseg = base.folder / "tokenizer" / "pkuseg_model"
        if pkuseg.is_dir():  # otherwise, it would be downloaded
            config["initialize"]["tokenizer"]["pkuseg_model"] = str(pkuseg)


def _drop_other_labels(pipe: dict[str, Any], labels: Sequence[str]) -> None:
    """Remove a shipped config's settings of labels that the student does not have."""
    threshold, output = pipe.get("threshold"), pipe.get("output_labels")
    if isinstance(threshold, dict):
        pipe["threshold"] = {key: own for key, own in threshold.items() if key in labels} or 0.0
    if output is not None:
        pipe["output_labels"] = [label for label in output if label in labels] or None
