"""Models that were not trained on the docs that they judge: one per fold."""

import hashlib
import json
import os.path
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from spacy.language import Language
from spacy.pipeline import Sentencizer
from spacy.tokens import Doc, DocBin
from thinc.api import Config

from ..bulk.identity import hash_file, hash_files
from ..bulk.similarity import digest, words_of
from ..errors import Errors
from ..evaluation.provenance import settings_of
from ..formats import storage
from ..io import write_whole
from ..pipeline.folders import write_pipeline
from ..pipeline.settings import DEFAULTS
from ..training.processes import train, write_config

_DEV = 10  # One in so many docs of the other folds chooses the best state of a model.
_EVALUATIONS = 5  # with fewer steps than the config has
# Settings that hide what an audit looks for, and that may name labels missing from the data.
_HIDING = ("threshold", "candidates", "output_labels")


def assign(docs: Sequence[Doc], n_folds: int) -> list[int]:
    """Assign docs to folds at random but reproducibly; docs with the same text share a fold.

    Args:
        docs: The docs.
        n_folds: The number of folds.

    Returns:
        The fold of each doc.

    Raises:
        ValueError: There are too few different texts.
    """
    keys = [digest(words_of(doc.text)) for doc in docs]
    place = {key: number for number, key in enumerate(sorted(set(keys)))}
    if len(place) < 2 * n_folds:
        raise ValueError(Errors.RNN508.format(folds=n_folds, needed=2 * n_folds, found=len(place)))
    return [place[key] % n_folds for key in keys]


@dataclass(frozen=True)
class Folds:
    """The training of the models, in a folder in which it can be resumed.

    Attributes:
        nlp: The pipeline whose config is trained.
        component: The name of its component `rnn_ner`.
        docs: All docs.
        folds: The fold of each.
        labels: All labels of the docs.
        work: The folder for all training runs.
        steps: Training steps; from the config if None.
        code: A Python file with functions that the pipeline needs.
        gpu: The GPU's ID, or -1.
    """

    nlp: Language
    component: str
    docs: Sequence[Doc]
    folds: Sequence[int]
    labels: Sequence[str]
    work: Path
    steps: int | None = None
    code: Path | None = None
    gpu: int = -1

    def train(self, fold: int, *, progress: bool = False) -> Path:
        """Train the model that judges a fold, unless that was done before.

        Args:
            fold: The fold that it is not trained on.
            progress: Whether to show what `spacy train` prints.

        Returns:
            The folder of the model.

        Raises:
            OSError: A file can't be written.
            RuntimeError: Training failed, or another run is training it.
        """
        folder = self.folder / f"fold-{fold}"
        base = self.folder / "base"
        if not base.exists():
            write_pipeline(self.nlp, base)
        others = [doc for doc, own in zip(self.docs, self.folds, strict=True) if own != fold]
        # In the order of their digests, so that no file is more among these than another.
        others.sort(key=lambda doc: digest(words_of(doc.text)))
        parts = {"dev": others[::_DEV], "train": [d for i, d in enumerate(others) if i % _DEV]}
        paths = {name: folder / f"{name}.spacy" for name in parts}
        for name, part in parts.items():
            if not paths[name].exists():
                write_whole(paths[name], DocBin(docs=part).to_bytes())
        config = self._config()
        for name, path in paths.items():
            config["corpora"][name]["path"] = str(path)
        initialize = config["initialize"]
        initialize["vectors"] = str(base) if self.nlp.vocab.vectors.shape[0] else None
        initialize["before_init"] = {
            "@callbacks": "spacy.copy_from_base_model.v1",
            "tokenizer": str(base),
            "vocab": str(base),
        }
        for own in config["components"].values():
            if "source" in own:
                own["source"] = str(base)
        write_config(config, folder / "config.cfg")
        output = folder / "training"
        return train(folder / "config.cfg", output, gpu=self.gpu, code=self.code, progress=progress)

    @cached_property
    def folder(self) -> Path:
        """The folder of these training runs, named after everything that they depend on."""
        config = self._config()
        code = [] if self.code is None else [self.code]
        # What initialises a component may be a folder, such as that of a transformer.
        loaded = _named_files(config["initialize"]["components"], folders=True)
        facts = {
            "config": config.to_str(),
            "files": [hash_file(path) for path in (*code, *_named_files(config), *loaded)],
            "pipeline": self._taken_over(config["training"]["frozen_components"]),
            "docs": hashlib.sha256(DocBin(docs=self.docs).to_bytes()).hexdigest(),
            "folds": list(self.folds),
        }
        return self.work / hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]

    def _taken_over(self, frozen: Collection[str]) -> dict[str, Any]:
        """Hash what training takes over: tokenizer, vectors, lookups, and what it keeps as it is.

        Neither the weights that are trained anew are part of it nor the words that the pipeline has
        met. It is hashed as it is in memory, since it may have changed after it was loaded.

        Args:
            frozen: The components that are kept.

        Returns:
            Digests by the names of files, and the settings of sentencizers.
        """
        sentencizers = {
            name: settings_of(pipe)
            for name, pipe in self.nlp.pipeline
            if name in frozen and isinstance(pipe, Sentencizer)
        }
        anew = (name for name in self.nlp.component_names if name not in frozen)
        exclude = [*anew, *sentencizers, "meta", "config", "strings"]
        self.work.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.work) as copy:
            self.nlp.to_disk(copy, exclude=exclude)
            digests = hash_files(Path(copy))
        return {**digests, **sentencizers}

    def _config(self) -> Config:
        """Reduce the pipeline's config to what our component needs, and to our corpora.

        What it listens to is trained with it, and initialised as the config says. Other components
        before it are kept as they are, since they may set sentences or entities, unless they listen
        to what is trained anew. Thresholds, candidates and output labels are the default ones.
        """
        nlp, config = self.nlp, self.nlp.config.interpolate()
        before = nlp.pipe_names[: nlp.pipe_names.index(self.component)]
        heard = {name: getattr(nlp.get_pipe(name), "listening_components", ()) for name in before}
        trained = [name for name in before if self.component in heard[name]]
        lost = {listener for name in trained for listener in heard[name]}
        frozen = [name for name in before if name not in trained and name not in lost]
        pipeline = [n for n in before if n in trained or n in frozen] + [self.component]
        config["nlp"].update(pipeline=pipeline, disabled=[])
        config["components"] = {
            name: {"source": ""} if name in frozen else config["components"][name]
            for name in pipeline
        }
        config["components"][self.component].update({name: DEFAULTS[name] for name in _HIDING})
        own = config.get("corpora", {}).get("train") or {}
        config["corpora"] = {
            name: {
                "@readers": "spacy.Corpus.v1",
                "path": "",
                "gold_preproc": False,
                "max_length": 0,
                "limit": 0,
                "augmenter": own.get("augmenter") if name == "train" else None,
            }
            for name in ("train", "dev")
        }
        config["paths"] = {}  # the sections that name them have their values
        training = config["training"]
        training.update(
            train_corpus="corpora.train",
            dev_corpus="corpora.dev",
            frozen_components=frozen,
            annotating_components=frozen,
        )
        if self.steps is not None:
            _shorten(training, self.steps)
        initialize = config["initialize"]
        initialize.update(vocab_data=None, lookups=None)
        # spaCy reads pretrained weights only if the config says for which component they are.
        weights = initialize.get("init_tok2vec")
        learner = config.setdefault("pretraining", {}).get("component")
        if learner not in (*trained, self.component) or not weights or not Path(weights).exists():
            config["pretraining"], initialize["init_tok2vec"] = {}, None
        loaders = initialize.get("components", {})
        initialize["components"] = {
            name: loaders[name] for name in (*trained, self.component) if name in loaders
        }
        # Each model knows all labels, even one that no doc of its folds has.
        initialize["components"].setdefault(self.component, {})["labels"] = list(self.labels)
        return config


def _shorten(training: dict[str, Any], steps: int) -> None:
    """Set the number of steps, and what depends on it."""
    training["max_steps"] = steps
    training["max_epochs"] = 0
    training["eval_frequency"] = max(1, min(training["eval_frequency"], steps // _EVALUATIONS))
    rate = training["optimizer"].get("learn_rate")
    if isinstance(rate, dict) and "total_steps" in rate:
        rate["total_steps"] = steps
        if "warmup_steps" in rate:
            rate["warmup_steps"] = min(rate["warmup_steps"], steps // 10)


def _named_files(value: Any, *, folders: bool = False) -> Iterator[Path]:
    """Find the files that a config names, such as pretrained weights or lists of names.

    Args:
        value: The config, or a value in it.
        folders: Whether to find the files in folders that it names instead.

    Yields:
        The files.
    """
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _named_files(each, folders=folders)
    # Path's own methods raise OSError for a text that is too long for a name.
    elif isinstance(value, str) and folders and os.path.isdir(value):  # noqa: PTH112
        yield from storage.walk(Path(value))
    elif isinstance(value, str) and not folders and os.path.isfile(value):  # noqa: PTH113
        yield Path(value)
