"""Gold annotation in addition to what a teacher finds: to learn from, and to measure on."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.util import load_config

from ..errors import Errors, check_choice, loading
from ..evaluation.data import DataError, annotated_docs
from ..formats import storage
from ..io import suffix_of
from ..pipeline.label_sets import UNKNOWN
from ..training.readers import create_mixed_corpus_v1
from .texts import DEV, TRAIN

TEST = "test"
SILVER = "silver"  # what configs call the corpus of what the teacher found
_SECTION = "corpora"
_SHARE = 10  # one in so many docs chooses the model, and another one measures it
_FEWEST = 50  # docs that are divided
# Gold counts half as much as silver in training, unless its weight is given.
_BALANCE = 0.5
_MOST = 20.0  # how often an epoch may repeat it for that


@dataclass(frozen=True)
class Gold:
    """A corpus with gold annotation.

    Attributes:
        name: What configs and messages call it.
        settings: The settings of a corpus in `spacy_rnn_tagger.MixedCorpus.v1`.
    """

    name: str
    settings: Mapping[str, Any]

    def facts(self) -> dict[str, Any]:
        """List what the output depends on."""
        path = str(self.settings["path"])
        found = {name: storage.fingerprint(name, 1 << 24) for name in storage.find(path)}
        return {"settings": dict(self.settings), "files": found}

    def labels(self, found: set[str]) -> set[str]:
        """List the labels that are learned from it.

        Args:
            found: The labels of its entities, as they are written.
        """
        rename = self.settings.get("rename") or {}
        coarse = self.settings.get("coarse") or {}
        listed = self.settings.get("labels")
        own = {rename.get(label, label) for label in found} if listed is None else set(listed)
        return {fine for label in own - {UNKNOWN} for fine in coarse.get(label, (label,))}


@dataclass(frozen=True)
class Divided:
    """A gold corpus, divided.

    Attributes:
        gold: The corpus.
        parts: The docs to learn from, those to choose the best state of the student by, and those
            to measure by. A small corpus has the first alone.
        labels: The labels that are learned from it.
    """

    gold: Gold
    parts: dict[str, list[Doc]]
    labels: set[str]

    @property
    def n_words(self) -> int:
        """The number of tokens to learn from."""
        return sum(map(len, self.parts[TRAIN]))

    def write(self, folder: str) -> dict[str, str]:
        """Write the parts.

        Args:
            folder: The folder for the files.

        Returns:
            The file of each part.

        Raises:
            OSError: A file can't be written.
        """
        files = {}
        for part, docs in self.parts.items():
            files[part] = storage.join(folder, f"{self.gold.name}-{part}.spacy")
            binary = DocBin(attrs=["ORTH", "SPACY", "ENT_IOB", "ENT_TYPE"], docs=docs)
            storage.write(files[part], binary.to_bytes())
        return files

    def corpus(self, part: str, path: str, silver_words: int) -> dict[str, Any]:
        """Create the settings of a part for a config.

        Args:
            part: The part.
            path: Its file.
            silver_words: The number of words that the teacher has annotated for learning.
        """
        settings = {**self.gold.settings, "path": path}
        if part != TRAIN:
            settings.pop("weight", None)
        elif "weight" not in settings:
            weight = _BALANCE * silver_words / max(1, self.n_words)
            settings["weight"] = float(round(min(max(weight, 1.0), _MOST)))
        return settings


def find_gold(given: Mapping[str, Mapping[str, Any]] | str | Path | None) -> tuple[Gold, ...]:
    """Read which gold corpora there are.

    Args:
        given: Settings by the corpora's names; a file of annotated data or a folder of them; or a
            `.cfg` file with the settings of each in a section `[corpora.NAME]`, as in the config of
            `spacy_rnn_tagger.MixedCorpus.v1`.

    Returns:
        The corpora.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: A setting is unknown or wrong.
    """
    if given is None:
        return ()
    if isinstance(given, Mapping):
        corpora = given
    elif suffix_of(given) == ".cfg":
        if not Path(given).is_file():
            raise FileNotFoundError(Errors.RNN206.format(path=given))
        with loading(str(given)):
            config = load_config(given).interpolate()
        check_choice(
            f"A section of {given}", next(iter({*config} - {_SECTION}), _SECTION), [_SECTION]
        )
        corpora = config.get(_SECTION, {})
    else:
        corpora = {"gold": {"path": str(given)}}
    if SILVER in corpora:
        raise ValueError(Errors.RNN616.format(name=SILVER))
    create_mixed_corpus_v1(corpora=corpora)  # checks the settings
    for own in corpora.values():
        if not storage.find(str(own["path"])):
            raise FileNotFoundError(Errors.RNN206.format(path=own["path"]))
    return tuple(Gold(name, dict(own)) for name, own in corpora.items())


def divide(gold: Gold, nlp: Language) -> Divided:
    """Divide a gold corpus into docs to learn from and docs to measure by, always the same ones.

    Args:
        gold: The corpus.
        nlp: Its tokenizer is used where the corpus has no tokens.

    Returns:
        The parts.

    Raises:
        AnnotationError: Annotated text is malformed, or its format is not known.
        DataError: There is no annotated doc.
        OSError: A file can't be read.
    """
    path = gold.settings["path"]
    docs = [doc for doc in annotated_docs(nlp, path) if doc.has_annotation("ENT_IOB")]
    if not docs:
        raise DataError(Errors.RNN617.format(path=path))
    labels = gold.labels({ent.label_ for doc in docs for ent in doc.ents})
    parts: dict[str, list[Doc]] = {}
    for doc in docs:
        parts.setdefault(_part(doc) if len(docs) >= _FEWEST else TRAIN, []).append(doc)
    for doc in parts.get(TEST, ()):
        _rename(doc, gold)
    return Divided(gold, parts, labels)


def _part(doc: Doc) -> str:
    digest = hashlib.blake2b(doc.text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    number = int.from_bytes(digest, "big") % _SHARE
    return {0: TEST, 1: DEV}.get(number, TRAIN)


def _rename(doc: Doc, gold: Gold) -> None:
    """Give entities the labels that they are measured by; others become missing annotation."""
    rename = gold.settings.get("rename") or {}
    coarse = gold.settings.get("coarse") or {}
    listed = gold.settings.get("labels")
    kept, missing = [], []
    for ent in doc.ents:
        label = rename.get(ent.label_, ent.label_)
        precise = label != UNKNOWN and label not in coarse
        if precise and (listed is None or label in listed):
            ent.label_ = label
            kept.append(ent)
        else:
            missing.append(ent)
    doc.set_ents(kept, missing=missing, default="unmodified")
