"""The files of annotated data, and their docs.

All problems in the files are collected and reported in one error.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import Errors, Warnings
from ..io import is_compressed, printable, suffix_of
from . import storage
from .base import Format, Reading, Role
from .docs import make_doc
from .findings import Annotated, Findings
from .inline import Inline
from .record import AnnotationError
from .registry import by_name, known_suffixes, recognised
from .reports import is_report
from .sample import Sample

_SHOWN = 5  # files in a message
_READ = (Role.ANNOTATED, Role.CORPUS)


class Corpus(NamedTuple):
    """The files of an input.

    Attributes:
        files: The files to read, in the order of their names, each with its format.
        unread: The other files in the folder; empty if the input is a file.
    """

    files: list[tuple[str, Format]]
    unread: list[str]

    def unread_note(self, source: str | Path) -> str | None:
        """Say which files in a folder are not read; None if there are no such files."""
        if not self.unread:
            return None
        suffixes = known_suffixes(Role.ANNOTATED)
        return Warnings.RNNW10.format(source=source, files=_listed(self.unread), suffixes=suffixes)


def find_corpus(
    source: str | Path, *, format: str | None = None, but: str | Path | None = None
) -> Corpus:
    """List the files of an input: a file, or all files in a folder that have a known format.

    Args:
        source: A file or a folder, a path or a URL. Subfolders, and the reports of
            `convert`, are not read.
        format: The name of the format; None to recognise it. In a folder, files with one of the
            format's suffixes are read.
        but: The output file, which is neither read nor mentioned.

    Returns:
        The files, at least one.

    Raises:
        AnnotationError: The file is in no known format, or may be in several.
        FileNotFoundError: There is no such path, or no file in the folder has a known format.
        OSError: A file can't be read, or is damaged.
        ValueError: There is no format of that name.
    """
    name = str(source)
    named = None if format is None else by_name(format, *_READ)
    if storage.is_folder(name):
        return _in_folder(name, named, but)
    if not storage.is_file(name):
        if storage.is_remote(name) or not Path(name).exists():
            raise FileNotFoundError(Errors.RNN206.format(path=name))
        raise FileNotFoundError(Errors.RNN101.format(path=name))
    found = named or recognised(name, *_READ)
    if found is None:
        suffixes = known_suffixes(*_READ)
        raise AnnotationError(Errors.RNN102.format(path=name, suffixes=suffixes))
    return Corpus([(name, found)], [])


def corpus_files(source: str | Path) -> list[str]:
    """List the names of the files that `find_corpus` finds."""
    return [name for name, _ in find_corpus(source).files]


def _in_folder(folder: str, named: Format | None, but: str | Path | None) -> Corpus:
    """List the files in a folder that are read, and its other contents, such as reports."""
    own = None if but is None else storage.address(str(but))
    there = [
        (name, is_file)
        for name, is_file in storage.entries(folder)
        if own is None or storage.address(name) != own
    ]
    names = [name for name, is_file in there if is_file]
    known = _suffixes(named)
    # Pairs first: the other file of a pair is not an input of its own.
    found: dict[str, Format] = {}
    others: set[str] = set()
    for name in names:
        if suffix_of(name) in known and not is_report(name):
            read = named or recognised(name, Role.ANNOTATED)
            if read is not None and (read.compressed or not is_compressed(name)):
                found[name] = read
    for name, read in list(found.items()):
        beside = set(read.companions(name)) - {name}
        others |= beside
        # If the annotation is in a file of its own, that file names the pair.
        if beside and suffix_of(name) not in read.suffixes:
            del found[name]
    # Where texts have their annotation beside them, a text without is not annotated.
    if others:
        lone = {n for n, read in found.items() if read.name == Inline.name and _is_plain(n)}
        found = {n: read for n, read in found.items() if n not in lone}
    files = [(name, found[name]) for name in names if name in found and name not in others]
    unread = [name for name, _ in there if name not in found and name not in others]
    if files:
        return Corpus(files, unread)
    suffixes = ", ".join(known)
    if not unread:
        raise FileNotFoundError(Errors.RNN104.format(folder=folder, suffixes=suffixes))
    raise FileNotFoundError(
        Errors.RNN105.format(folder=folder, suffixes=suffixes, found=_listed(unread))
    )


def _suffixes(named: Format | None) -> Sequence[str]:
    if named is not None:
        return named.suffixes
    return known_suffixes(Role.ANNOTATED).replace(" (or these and .gz)", "").split(", ")


def _is_plain(name: str) -> bool:
    """Tell whether the beginning of a file in the inline format has no markup."""
    return not Inline().recognises(Sample.of(name))


def _listed(names: list[str]) -> str:
    shown = [Path(name).name + ("/" if storage.is_folder(name) else "") for name in names[:_SHOWN]]
    more = [f"{len(names) - _SHOWN:,} more"] if len(names) > _SHOWN else []
    return printable(", ".join(shown + more))


def line_to_doc(nlp: Language, line: str) -> Doc:
    """Read a line in the inline format, `[Red Fort](FAC) is in [Delhi](GPE).`

    Args:
        nlp: The pipeline whose tokenizer is used.
        line: The line, without its line end.

    Returns:
        The doc.

    Raises:
        AnnotationError: The markup is malformed, or a span doesn't begin and end at token
            boundaries.
    """
    text, _, annotation = Inline().parse(line, Reading(annotated=True))
    assert annotation is not None
    return make_doc(nlp, text, annotation.entities)


def read_docs(nlp: Language, files: Iterable[str | Path]) -> Iterator[Doc]:
    """Read annotated docs from files.

    Args:
        nlp: The pipeline whose tokenizer is used, unless a file has tokens.
        files: The files, as `corpus_files` returns them, or files in spaCy's binary format.

    Yields:
        The docs, in order. A text that several people annotated has one doc for each of them.

    Raises:
        AnnotationError: At the end, if anything was wrong. Each problem begins with the file and
            the place in it, such as the number of the line.
        OSError: A file can't be read.
    """
    found = []
    for name in map(str, files):
        read = recognised(name, *_READ)
        assert read is not None, name
        found.append((name, read))
    for each in read_annotated(nlp, found, Reading(annotated=True), Findings()):
        yield each.doc


def read_annotated(
    nlp: Language, files: Iterable[tuple[str, Format]], reading: Reading, findings: Findings
) -> Iterator[Annotated]:
    """Read docs together with what is known about their annotation.

    Args:
        nlp: The pipeline whose tokenizer is used, unless a file has tokens.
        files: The files with their formats, as `find_corpus` returns them.
        reading: The settings.
        findings: Receives what else to report.

    Yields:
        The docs, in order.

    Raises:
        AnnotationError: At the end, if anything was wrong, as in `read_docs`.
        OSError: A file can't be read.
    """
    problems: list[str] = []
    for name, read in files:
        findings.read_as.setdefault(read.name, []).append(name)
        try:
            yield from read.docs(name, nlp, reading, findings)
        except AnnotationError as error:
            problems += [f"{printable(name)}, {problem}" for problem in error.args]
    if problems:
        raise AnnotationError(*problems)
