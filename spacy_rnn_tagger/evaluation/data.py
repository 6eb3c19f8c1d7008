"""Annotated data for a trained pipeline, and what it has to do with the data of its training."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from spacy.training.corpus import walk_corpus

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
    if not _is_binary(path):
        return [Example(nlp.make_doc(doc.text), doc) for doc in _read_docs(nlp, path)]
    with _binary(path):
        # As `spacy evaluate` does, it tokenises anew where the text is known.
        return list(Corpus(path)(nlp))


def _read_docs(nlp: Language, path: Path) -> Iterable[Doc]:
    if not _is_binary(path):
        return read_docs(nlp, corpus_files(path))
    with _binary(path):
        files = walk_corpus(path, ".spacy")
        return [doc for file in files for doc in DocBin().from_disk(file).get_docs(nlp.vocab)]


def _is_binary(path: Path) -> bool:
    return any(path.glob("**/*.spacy")) if path.is_dir() else path.suffix == ".spacy"


@contextmanager
def _binary(path: Path) -> Iterator[None]:
    if not path.exists():
        raise FileNotFoundError(f"No file or folder {path}.")
    try:
        yield
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
            found[split] = list(_read_docs(nlp, Path(path)))
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
