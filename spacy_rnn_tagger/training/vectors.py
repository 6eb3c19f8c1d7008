"""winkNLP's word embeddings, read from their npm package into a table of spaCy's vectors."""

import base64
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import spacy
from spacy.language import Language
from spacy.strings import get_string_id
from spacy.vectors import Vectors
from thinc.types import Floats1d
from tqdm import tqdm

from ..io import decompressed, skip_bom, suffix_of

_HASHES = ("sha256", "sha384", "sha512")
_CHUNK = 1 << 20  # bytes
_NOT_THAT_FORM = "It is not in the form of winkNLP's embeddings."


def check_integrity(path: Path, integrity: str) -> None:
    """Check a file against a hash in the form of "Subresource Integrity" (W3C 2016), as npm does.

    Args:
        path: The file.
        integrity: The name of the hash function, "-", and the hash in base64.

    Raises:
        OSError: The file can't be read.
        ValueError: The file has another hash, or `integrity` is not of that form.
    """
    name, _, wanted = integrity.partition("-")
    if name not in _HASHES:
        raise ValueError(f"integrity must be one of {', '.join(_HASHES)}, then '-' and base64.")
    digest = hashlib.new(name)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    found = base64.b64encode(digest.digest()).decode()
    if found != wanted:
        raise ValueError(f"Its hash is {name}-{found}, but must be {integrity}.")


def read_vectors(package: Path, *, lang: str, progress: bool = False) -> Language:
    """Read the embeddings into the vocab of a blank pipeline, one word at a time.

    The words are in lower case, so spellings with capitals get keys of their own that point to the
    same rows: `Vectors.attr`, which is meant for that, is not saved in spaCy 3.8. A spelling that
    has a vector of its own keeps it. Where two words share a spelling, the first one, which is the
    more frequent, provides the vector.

    Args:
        package: A .json file in the form of winkNLP's embeddings, or a .tgz that contains one.
        lang: The language of the pipeline.
        progress: Whether to show a progress bar if standard error is a terminal.

    Returns:
        The pipeline.

    Raises:
        ModuleNotFoundError: The extra `vectors` is not installed.
        OSError: The package can't be read.
        ValueError: It contains no such file, is not of that form, or is broken.
    """
    import ijson

    try:
        rows, width = (_read_number(package, key) for key in ("size", "dimensions"))
        nlp = spacy.blank(lang)
        table = np.zeros((rows, width), dtype="float32")
        keys = np.zeros(rows, dtype="uint64")
        found = 0
        with _open_json(package) as file:
            words = ijson.kvitems(file, "vectors", use_float=True)
            disable = None if progress else True  # None: only where there is no terminal
            for word, vector in tqdm(words, total=rows, unit=" words", disable=disable):
                if found < rows:
                    keys[found] = nlp.vocab.strings.add(word)
                    _fill(table[found], vector)
                found += 1
    except ijson.JSONError as error:
        raise ValueError(f"Its JSON is broken: {error}") from error
    if found != rows:
        raise ValueError(f"It must have {rows:,} vectors, but has {found:,}.")
    vectors = Vectors(strings=nlp.vocab.strings, data=table, keys=keys, name="vectors")
    for row, word in enumerate(map(nlp.vocab.strings.__getitem__, keys.tolist())):
        for form in (word.capitalize(), word.title(), word.upper()):
            if (key := get_string_id(form)) not in vectors:
                vectors.add(key, row=row)
    nlp.vocab.vectors = vectors
    return nlp


def _read_number(package: Path, key: str) -> int:
    import ijson

    with _open_json(package) as file:
        number = next(iter(ijson.items(file, key)), None)
    if not isinstance(number, int) or number < 1:
        raise ValueError(_NOT_THAT_FORM)
    return number


def _fill(row: Floats1d, vector: Any) -> None:
    """Store a word's vector without what follows it: its norm and the word's index."""
    if not isinstance(vector, list) or len(vector) < len(row):
        raise ValueError(_NOT_THAT_FORM)
    try:
        row[:] = vector[: len(row)]
    except (TypeError, ValueError) as error:
        raise ValueError(_NOT_THAT_FORM) from error
    if not np.isfinite(row).all():  # NumPy reads null as NaN
        raise ValueError(_NOT_THAT_FORM)


@contextmanager
def _open_json(package: Path) -> Iterator[IO[bytes]]:
    """Open the largest JSON file in a package without unpacking it to disk.

    Args:
        package: The package, or the JSON file itself.

    Yields:
        The open file, after its byte-order mark.

    Raises:
        ValueError: There is no such file, or the package is broken.
    """
    try:
        if suffix_of(package) == ".json":
            with package.open("rb") as raw, decompressed(raw, package) as file:
                skip_bom(file)
                yield file
            return
        with tarfile.open(package) as archive:
            members = [m for m in archive if m.isfile() and m.name.endswith(".json")]
            member = max(members, key=lambda m: m.size, default=None)
            content = None if member is None else archive.extractfile(member)
            if content is None:
                raise ValueError("There is no JSON file in it.")
            with content as file:
                skip_bom(file)
                yield file
    except (tarfile.TarError, EOFError, zlib.error) as error:  # the last two: it was cut short
        raise ValueError(f"It is not a package, or broken: {error}") from error
