"""The files of annotated data, and their docs.

Whatever is wrong in the files is collected and reported in one error.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from ..io import printable, suffix_of
from . import storage
from .base import Reading, Role
from .docs import make_doc
from .inline import Inline
from .record import AnnotationError
from .registry import by_suffix, known_suffixes

_SHOWN = 5  # files in a message
# Formats that spaCy converts by itself.
_OF_SPACY = (".conll", ".conllu", ".conllubio", ".iob", ".ner", ".json")


def corpus_files(source: str | Path) -> list[str]:
    """List the files of an input: itself, or all files in a folder that have a known format.

    Args:
        source: A file or a folder, a path or a URL. Folders inside it are not read.

    Returns:
        The files in the order of their names, at least one.

    Raises:
        FileNotFoundError: There is no such path, or no file with a known format in the folder.
        AnnotationError: The format of the file is not known.
    """
    name = str(source)
    allowed = known_suffixes(Role.ANNOTATED)
    if storage.is_folder(name):
        files, others = _parted(name)
        if files:
            return files
        there = _listed(others)
        raise FileNotFoundError(
            f"No file in {name} has a name that ends in {allowed}: "
            + (f"there is {there}." if there else "it is empty.")
        )
    if not storage.is_file(name):
        if storage.is_remote(name) or not Path(name).exists():
            raise FileNotFoundError(f"No file or folder {name}.")
        raise FileNotFoundError(f"{name} is neither a file nor a folder.")
    if not by_suffix(name, Role.ANNOTATED):
        raise AnnotationError(
            f"{name} is not in a known format: its name must end in {allowed}{_hint(name)}."
        )
    return [name]


def _hint(name: str) -> str:
    """Say what to do with a file that is not read here."""
    if by_suffix(name, Role.CORPUS):
        return " (it is in spaCy's binary format already; use it as it is)"
    if suffix_of(name) in _OF_SPACY:
        return " (`python -m spacy convert` reads that format)"
    return ""


def unread_note(source: str | Path, *, but: str | Path | None = None) -> str | None:
    """Say which files in a folder are not among its `corpus_files`.

    Args:
        source: The folder, or a file.
        but: A file that need not be mentioned, since it is the output.

    Returns:
        A sentence, or None if there are no such files.
    """
    name = str(source)
    if not storage.is_folder(name):
        return None
    own = None if but is None else storage.address(str(but))
    there = _listed([each for each in _parted(name)[1] if storage.address(each) != own])
    allowed = known_suffixes(Role.ANNOTATED)
    return f"Not read in {name}: {there}. A file's name must end in {allowed}." if there else None


def _parted(folder: str) -> tuple[list[str], list[str]]:
    """List the files in a folder that are read, and what else is in it."""
    files: list[str] = []
    others: list[str] = []
    for name, is_file in storage.entries(folder):
        known = is_file and by_suffix(name, Role.ANNOTATED)
        (files if known else others).append(name)
    return files, others


def _listed(names: list[str]) -> str:
    shown = [Path(name).name + ("/" if storage.is_folder(name) else "") for name in names[:_SHOWN]]
    more = [f"{len(names) - _SHOWN:,} more"] if len(names) > _SHOWN else []
    return printable(", ".join(shown + more))


def line_to_doc(nlp: Language, line: str) -> Doc:
    """Read a line in the inline format, `[Red Fort](FAC) is in [Delhi](GPE).`

    Args:
        nlp: Its tokenizer is used.
        line: The line, without its line end.

    Returns:
        The doc.

    Raises:
        AnnotationError: The markup is malformed, or a span does not begin and end at the boundary
            of a token.
    """
    text, _, annotation = Inline().parse(line, Reading(annotated=True))
    assert annotation is not None
    return make_doc(nlp, text, annotation.entities)


def read_docs(
    nlp: Language, files: Iterable[str | Path], *, left_out: Counter[str] | None = None
) -> Iterator[Doc]:
    """Read annotated docs from files.

    Args:
        nlp: Its tokenizer is used, unless a file has tokens.
        files: The files, as `corpus_files` returns them, or spaCy's binary ones.
        left_out: Gets the number of records that the annotator did not accept, by answer.

    Yields:
        The docs, in order.

    Raises:
        AnnotationError: At the end, if anything was wrong; each problem begins with the file and,
            for example, the number of the line.
        OSError: A file can't be read.
    """
    left_out = Counter() if left_out is None else left_out
    problems: list[str] = []
    for name in map(str, files):
        read = by_suffix(name, Role.ANNOTATED, Role.CORPUS)
        assert read is not None, name
        try:
            yield from read.docs(name, nlp, left_out)
        except AnnotationError as error:
            problems += [f"{printable(name)}, {problem}" for problem in error.args]
    if problems:
        raise AnnotationError(*problems)
