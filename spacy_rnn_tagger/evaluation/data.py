"""Annotated data for a trained pipeline, and what it has in common with its training data."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Corpus, Example

from ..errors import Errors
from ..errors.wording import counted
from ..formats import storage
from ..formats.base import Format, Role
from ..formats.corpus import corpus_files, read_docs
from ..formats.registry import by_suffix
from ..pipeline.label_sets import annotated_labels, get_label_set


class DataError(ValueError):
    """Data that can't be used for its purpose."""


def read_examples(nlp: Language, path: str | Path) -> list[Example]:
    """Read annotated docs.

    Args:
        nlp: Its tokenizer makes the predicted docs.
        path: A `.spacy` file or a folder with such files, or what `spacy rnn convert` reads; a path
            or a URL.

    Returns:
        An example for each doc that has a token, without predictions.

    Raises:
        AnnotationError: Annotated text is malformed, or its format is not known.
        DataError: There is no doc or no entity in the data.
        OSError: There is no such path, or a file can't be read.
    """
    # As in `spacy evaluate`, the predicted doc is tokenised anew if its text is known.
    examples = list(Corpus(Path()).make_examples(nlp, annotated_docs(nlp, path)))
    check_examples(examples, str(path))
    return examples


def check_examples(examples: Sequence[Example], name: str) -> None:
    """Check that examples can be scored.

    Args:
        examples: The examples.
        name: What messages call their source.

    Raises:
        DataError: There is no doc, no annotation or no entity.
    """
    docs = [example.reference for example in examples]
    if not docs:
        raise DataError(Errors.RNN404.format(data=name))
    if not any(doc.has_annotation("ENT_IOB") or get_label_set(doc) for doc in docs):
        raise DataError(Errors.RNN405.format(data=name, docs=counted(len(docs), "doc")))
    if not any(annotated_labels(doc) for doc in docs):
        raise DataError(Errors.RNN406.format(data=name, docs=counted(len(docs), "doc")))


def annotated_docs(nlp: Language, path: str | Path) -> Iterable[Doc]:
    """Read annotated docs, without checking what is annotated.

    Args:
        nlp: Its tokenizer is used where the data has no tokens.
        path: As in `read_examples`.

    Returns:
        The docs.

    Raises:
        AnnotationError: Annotated text is malformed, or its format is not known.
        OSError: There is no such path, or a file can't be read.
    """
    corpora = [name for name, _ in corpora_at(str(path))]
    return read_docs(nlp, corpora or corpus_files(path))


def corpora_at(name: str) -> list[tuple[str, Format]]:
    """List what `spacy train` would read: a file, or all files below a folder except hidden ones.

    A folder may hold the texts that they were converted from.

    Args:
        name: A path or a URL.

    Returns:
        The corpora, each with its format; none if the data has yet to be converted.
    """
    if not storage.is_folder(name):
        names = [name] if storage.is_file(name) else []
    else:
        found = sorted(map(PurePosixPath, storage.names_in(name)))
        names = [
            storage.join(name, str(file))
            for file in found
            if not any(part.startswith(".") for part in file.parts)
        ]
    read = [(each, by_suffix(each, Role.CORPUS)) for each in names]
    return [(each, form) for each, form in read if form is not None]


class Corpora(NamedTuple):
    """The corpora that a pipeline's config names; None for one that can't be read.

    Attributes:
        train: The docs that the pipeline was trained on.
        dev: The docs that selected it.
        absent: What the config names and can't be read here.
    """

    train: list[Doc] | None
    dev: list[Doc] | None
    absent: list[str]


def training_corpora(nlp: Language) -> Corpora:
    """Find a pipeline's training data by its config, relative to the current folder.

    Args:
        nlp: The pipeline.

    Returns:
        The data.
    """
    found: dict[str, list[Doc] | None] = {}
    absent = []
    config = nlp.config.interpolate()
    for split in ("train", "dev"):
        found[split] = None
        path = _path_of(config, split)
        if path is None:
            absent.append(f"the {split} corpus, which the pipeline's config does not name")
            continue
        try:
            found[split] = list(annotated_docs(nlp, path))
        except (OSError, ValueError):
            absent.append(f"the {split} corpus {path}, which can't be read")
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
