"""The student: a complete config, trained by plain `spacy train`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from thinc.api import Config

from ..errors import check_at_least, check_choice
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
# spaCy holds a corpus in memory unless it is streamed; a word takes about half a kilobyte then.
_IN_MEMORY = 4_000_000  # words


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
        check_choice("config", self.config, config_names())
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
        base: str | None,
        train: Mapping[str, Mapping[str, Any]],
        dev: Mapping[str, Mapping[str, Any]],
        labels: Sequence[str],
        n_words: int,
        gpu: bool = False,
    ) -> Config:
        """Create the config.

        Args:
            lang: The language of the pipeline.
            base: The folder of the pipeline whose tokenizer and norms it uses; None for those of
                the language.
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
            config["initialize"]["before_init"] = {
                "@callbacks": "spacy.copy_from_base_model.v1",
                "tokenizer": base,
                "vocab": base,
            }
        # A corpus that is streamed is not read for its labels.
        config["initialize"]["components"]["rnn_ner"] = {"labels": list(labels)}
        model = config["components"]["rnn_ner"]["model"]
        if self.hidden_width is not None:
            model["hidden_width"] = self.hidden_width
        if len(labels) > _MANY_LABELS:
            config["components"]["rnn_ner"]["scheme"] = "BIO"
        rates = next((rates for least, rates in _DROPOUT if n_words >= least), None)
        if rates is not None:
            training["dropout"], model["dropout"], word_dropout = rates
            if "word_dropout" in model["tok2vec"]:
                model["tok2vec"]["word_dropout"] = word_dropout
        return config
