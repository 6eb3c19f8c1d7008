"""Who was measured, on what, and when: names, versions and hashes of the content."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any

import numpy as np
from spacy.language import Language
from spacy.pipeline import Sentencizer
from spacy.tokens import Doc
from spacy.training import Example
from thinc.util import to_numpy

from ..pipeline.label_sets import coarse_spans, get_label_set, unknown_spans

# The packages that figures depend on.
_PACKAGES = ("spacy-rnn-tagger", "spacy", "thinc", "numpy", "scipy", "torch")


def utc_now() -> str:
    """Return the time in UTC as ISO 8601 has it, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Look up the versions of Python and of the packages that are installed."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {**found, "python": python_version()}


def describe_model(nlp: Language) -> dict[str, str]:
    """Describe a pipeline by its meta data and its content.

    Args:
        nlp: The pipeline, before it has tagged anything.

    Returns:
        `name`, `version` and `description` of its meta data, and `sha256`, a hash of its config,
        its components and its word vectors, which is the same wherever the pipeline lies.
    """
    digest = hashlib.sha256(nlp.config.to_str().encode())
    for name, pipe in nlp.pipeline:
        digest.update(f"\0{name}\0".encode())
        if isinstance(pipe, Sentencizer):
            digest.update(json.dumps(settings_of(pipe)).encode())
        elif hasattr(pipe, "to_bytes"):
            digest.update(pipe.to_bytes(exclude=["vocab"]))
    vectors = nlp.vocab.vectors
    if vectors.size:
        digest.update(np.ascontiguousarray(to_numpy(vectors.data)).tobytes())
    return {
        "name": f"{nlp.lang}_{nlp.meta['name']}",
        "version": str(nlp.meta.get("version", "")),
        "description": str(nlp.meta.get("description", "")),
        "sha256": digest.hexdigest(),
    }


def settings_of(sentencizer: Sentencizer) -> list[Any]:
    """List a sentencizer's settings, which it writes in an order that each process has of its own.

    Args:
        sentencizer: The component.

    Returns:
        Its punctuation, sorted, and whether it overwrites sentence starts.
    """
    return [sorted(sentencizer.punct_chars), sentencizer.overwrite]


def describe_data(examples: Iterable[Example]) -> dict[str, str]:
    """Describe annotated docs by their content.

    Args:
        examples: The docs.

    Returns:
        `sha256`, a hash of their texts and annotation, which is the same in any format.
    """
    digest = hashlib.sha256()
    for example in examples:
        digest.update(json.dumps(list(_content(example.reference))).encode() + b"\n")
    return {"sha256": digest.hexdigest()}


def _content(doc: Doc) -> Iterator[Any]:
    yield doc.text
    yield [[ent.start_char, ent.end_char, ent.label_] for ent in doc.ents]
    yield [[token.idx, token.idx + len(token)] for token in doc if not token.ent_iob]
    label_set = get_label_set(doc)
    if label_set is not None:
        yield None if label_set.labels is None else sorted(label_set.labels)
        yield sorted(label_set.coarse.items())
        yield [[span.start_char, span.end_char, span.label_] for span in coarse_spans(doc)]
        yield [[span.start_char, span.end_char] for span in unknown_spans(doc)]
