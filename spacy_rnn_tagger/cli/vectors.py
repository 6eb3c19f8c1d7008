"""`spacy rnn vectors`: winkNLP's word embeddings, from their npm package, as a table of spaCy's."""

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
import typer
from spacy.language import Language
from spacy.strings import get_string_id
from spacy.vectors import Vectors
from thinc.types import Floats1d
from tqdm import tqdm
from wasabi import msg

from ..io import decompressed, skip_bom, suffix_of
from . import app
from .evaluating import check_output, write_pipeline
from .failures import failures

_HASHES = ("sha256", "sha384", "sha512")
_CHUNK = 1 << 20  # bytes
_FORM = "It is not in the form of winkNLP's embeddings."


@app.command("vectors")
def vectors_cli(
    package: Path = typer.Argument(
        ..., help="The package as npm packs it (.tgz), or the JSON file in it"
    ),
    output: Path = typer.Argument(..., help="Folder for the pipeline that holds the vectors"),
    lang: str = typer.Option("en", "--lang", "-l", help="Language of the pipeline"),
    integrity: str = typer.Option(
        None, help="What the package must hash to, as npm writes it: sha512-<base64>"
    ),
) -> None:
    """Make a table for `[initialize] vectors` of winkNLP's word embeddings.

    Words are in lower case there; each gives its vector to its other writings as well ("Delhi",
    "DELHI"). For vectors in the form of word2vec, GloVe and fastText there is spaCy's own
    `spacy init vectors`.
    """
    with failures("Nothing was written"):
        check_output(output)
    with failures(f"{package} was not read"):
        if integrity is not None:
            check_integrity(package, integrity)
        nlp = read_vectors(package, lang=lang)
    with failures("Nothing was written"):
        write_pipeline(nlp, output)
    rows, width = nlp.vocab.vectors.shape
    msg.good(f"{rows:,} vectors of {width} dimensions are in {output}")


def check_integrity(path: Path, integrity: str) -> None:
    """Compare a file with a hash in the form of "Subresource Integrity" (W3C 2016), as npm does.

    RAISES ValueError: the file's hash is another, or `integrity` is not of that form.
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


def read_vectors(package: Path, *, lang: str) -> Language:
    """Read the embeddings into the vocab of a blank pipeline, one word at a time.

    Writings with capitals get rows of the table too, by their hashes: `Vectors.attr`, which is
    meant for that, is not saved in spaCy 3.8. A writing that has a vector of its own keeps it, and
    of two words the first, which is the more frequent, gives its vector.

    package: a .json file in the form of winkNLP's embeddings, or a .tgz that has one.

    RAISES ModuleNotFoundError: ijson is not installed.
    RAISES ValueError: there is no such file in it, it is not of that form, or it is broken.
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
            for word, vector in tqdm(words, total=rows, unit=" words", disable=None):
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
        raise ValueError(_FORM)
    return number


def _fill(row: Floats1d, vector: Any) -> None:
    """Take a word's vector and cut what follows it: its norm and the word's index."""
    if not isinstance(vector, list) or len(vector) < len(row):
        raise ValueError(_FORM)
    try:
        row[:] = vector[: len(row)]
    except (TypeError, ValueError) as error:
        raise ValueError(_FORM) from error
    if not np.isfinite(row).all():  # null is taken for NaN
        raise ValueError(_FORM)


@contextmanager
def _open_json(package: Path) -> Iterator[IO[bytes]]:
    """Open the JSON file of a package, which is the largest there; nothing is unpacked to disk.

    RAISES ValueError: there is none, or the package is broken.
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
    except (tarfile.TarError, EOFError, zlib.error) as error:  # the last two: it has been cut
        raise ValueError(f"It is not a package, or broken: {error}") from error
