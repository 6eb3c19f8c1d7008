"""What the public functions accept: pipelines and annotated docs, from disk or from memory."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from ..pipeline.folders import load_pipeline
from .data import check_examples, read_examples

# A pipeline, or its folder or package name.
Pipeline: TypeAlias = Language | str | Path
# Annotated docs, or the path or URL of a file or folder that holds them.
Data: TypeAlias = str | Path | Iterable[Doc] | Iterable[Example]


def pipeline_of(model: Pipeline) -> Language:
    """Return a pipeline as it is, or load it from its folder or package.

    Args:
        model: The pipeline, or its folder or package name.

    Returns:
        The pipeline.

    Raises:
        ImportError: It needs a package that is not installed.
        OSError: It can't be read.
        ValueError: It is damaged, or spaCy refuses it.
    """
    return model if isinstance(model, Language) else load_pipeline(model)


def pipeline_name(model: Pipeline) -> str:
    """Name a pipeline for messages and reports: the name it was given by, or else its package's."""
    if isinstance(model, Language):
        return f"{model.lang}_{model.meta['name']}"
    return str(model)


def data_name(data: Data) -> str:
    """Name annotated docs for messages and reports: their path if they have one."""
    return str(data) if isinstance(data, str | Path) else "the given data"


def repeatable(data: Data) -> Data:
    """Return data that can be read more than once, with another pipeline's tokens each time."""
    return data if isinstance(data, str | Path) else list(data)


def examples_of(nlp: Language, data: Data) -> list[Example]:
    """Collect annotated docs as examples whose predicted docs hold tokens and nothing else.

    Docs and examples from memory are not changed by what a pipeline does with the result: a doc is
    tokenised by the pipeline, as `spacy evaluate` does, and an example keeps the tokens of its
    predicted doc.

    Args:
        nlp: The pipeline that is to predict.
        data: The path or URL of a file or folder, or docs or examples. Empty docs are left out.

    Returns:
        An example for each doc.

    Raises:
        AnnotationError: Annotated text is malformed, or its format is not known.
        DataError: The data holds no doc or no entity.
        OSError: There is no such path, or a file can't be read.
    """
    if isinstance(data, str | Path):
        return read_examples(nlp, data)
    examples = [example_of(nlp, each) for each in data]
    examples = [example for example in examples if len(example.reference)]
    check_examples(examples, data_name(data))
    return examples


def example_of(nlp: Language, given: Doc | Example) -> Example:
    """Make an example of a doc or an example from memory, as `examples_of` does."""
    if isinstance(given, Example):
        return Example(_tokens_of(nlp, given.predicted), given.reference)
    # Tokens of unknown spacing have no text that could be tokenised.
    tokens = _tokens_of(nlp, given) if given.has_unknown_spaces else nlp.make_doc(given.text)
    return Example(tokens, given)


def _tokens_of(nlp: Language, doc: Doc) -> Doc:
    # Not a copy: entities that an earlier run has set would be presets of the next one.
    words = [token.text for token in doc]
    return Doc(nlp.vocab, words=words, spaces=[bool(token.whitespace_) for token in doc])
