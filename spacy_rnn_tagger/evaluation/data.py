"""Annotated data for a trained pipeline, and what it has to do with the data of its training."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example

from ..corpus import corpus_files, read_docs


class DataError(ValueError):
    """Data that can't be used for what is asked."""


def read_examples(nlp: Language, path: Path) -> list[Example]:
    """Read annotated docs: `.spacy` files or a folder of them, or what `spacy rnn convert` reads.

    RAISES FileNotFoundError: there is no such path.
    RAISES AnnotationError: annotated text is malformed.
    RAISES DataError: a file is damaged, or there is no doc or no entity in the data.
    """
    examples = [example for example in _read(nlp, path) if len(example.reference)]
    docs = [example.reference for example in examples]
    if not docs:
        raise DataError(f"{path} has no docs.")
    if not any(doc.has_annotation("ENT_IOB") for doc in docs):
        raise DataError(f"None of the {len(docs)} docs of {path} has annotated entities.")
    if not any(doc.ents for doc in docs):
        raise DataError(f"{path} is annotated, but there is no entity in its {len(docs)} docs.")
    return examples


def _read(nlp: Language, path: Path) -> Iterable[Example]:
    is_binary = any(path.glob("**/*.spacy")) if path.is_dir() else path.suffix == ".spacy"
    if not is_binary:
        docs = read_docs(nlp, corpus_files(path))
        return [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    if not path.exists():
        raise FileNotFoundError(f"No file or folder {path}.")
    try:
        return list(Corpus(path)(nlp))
    except Exception as error:  # whatever zlib and msgpack raise
        raise DataError(f"{path} can't be read as spaCy's binary format: {error}") from error


class Corpora(NamedTuple):
    """The corpora that a pipeline's config names; None for one that is not at hand.

    train: the docs that it was trained on.
    dev: the docs that selected it.
    absent: what the config names and can't be read here.
    """

    train: list[Doc] | None
    dev: list[Doc] | None
    absent: list[str]


def training_corpora(nlp: Language) -> Corpora:
    """Find the data of a pipeline's training by its config, relative to the current folder."""
    found: dict[str, list[Doc] | None] = {}
    absent = []
    config = nlp.config.interpolate()
    for split in ("train", "dev"):
        found[split] = None
        path = _path_of(config, split)
        if path is None:
            absent.append(f"its {split} corpus, which its config does not name")
            continue
        try:
            found[split] = [example.reference for example in _read(nlp, Path(path))]
        except (OSError, ValueError):
            absent.append(f"its {split} corpus {path}")
    return Corpora(found["train"], found["dev"], absent)


def _path_of(config: Any, split: str) -> str | None:
    try:
        block, name = config["training"][f"{split}_corpus"].split(".")
        path = config[block][name]["path"]
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    return str(path) if path else None


def shared_texts(examples: Iterable[Example], docs: Iterable[Doc]) -> int:
    """Count the examples whose text is among those of the docs."""
    texts = {doc.text for doc in docs}
    return sum(example.reference.text in texts for example in examples)
