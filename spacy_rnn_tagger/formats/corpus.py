"""The files of annotated data, and their docs.

Whatever is wrong in the files is collected and reported in one error.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from spacy.language import Language
from spacy.tokens import Doc

from ..io import is_compressed, printable, suffix_of
from . import storage
from .base import Format, Reading, Role
from .docs import make_doc
from .findings import Annotated, Findings
from .inline import Inline
from .record import AnnotationError
from .registry import by_name, known_suffixes, recognised
from .sample import Sample

_SHOWN = 5  # files in a message
_READ = (Role.ANNOTATED, Role.CORPUS)


class Corpus(NamedTuple):
    """The files of an input.

    Attributes:
        files: Those that are read, in the order of their names, each with its format.
        unread: What else is in the folder; empty if the input is a file.
    """

    files: list[tuple[str, Format]]
    unread: list[str]

    def unread_note(self, source: str | Path) -> str | None:
        """Say which files in a folder are not read; None if there are no such files."""
        if not self.unread:
            return None
        allowed = known_suffixes(Role.ANNOTATED)
        return (
            f"Not read in {source}: {_listed(self.unread)}. A file's name must end in {allowed}, "
            "and its content be in one of the known formats."
        )


def find_corpus(
    source: str | Path, *, format: str | None = None, but: str | Path | None = None
) -> Corpus:
    """List the files of an input: itself, or all files in a folder that have a known format.

    Args:
        source: A file or a folder, a path or a URL. Folders inside it are not read.
        format: The name of the format, if it is not to be recognised. In a folder, files with one
            of its suffixes are read.
        but: A file that is neither read nor mentioned, since it is the output.

    Returns:
        The files, at least one.

    Raises:
        AnnotationError: The format of the file is not known, or there are several candidates.
        FileNotFoundError: There is no such path, or no file with a known format in the folder.
        OSError: A file can't be read, or is damaged.
        ValueError: There is no format of that name.
    """
    name = str(source)
    named = None if format is None else by_name(format, *_READ)
    if storage.is_folder(name):
        return _in_folder(name, named, but)
    if not storage.is_file(name):
        if storage.is_remote(name) or not Path(name).exists():
            raise FileNotFoundError(f"No file or folder {name}.")
        raise FileNotFoundError(f"{name} is neither a file nor a folder.")
    found = named or recognised(name, *_READ)
    if found is None:
        raise AnnotationError(
            f"{name} is not in a known format: its content is in none, and its name must end in "
            f"{known_suffixes(*_READ)}. Name the format with --format."
        )
    return Corpus([(name, found)], [])


def corpus_files(source: str | Path) -> list[str]:
    """List the names of the files that `find_corpus` finds."""
    return [name for name, _ in find_corpus(source).files]


def _in_folder(folder: str, named: Format | None, but: str | Path | None) -> Corpus:
    """List the files in a folder that are read, and what else is in it."""
    own = None if but is None else storage.address(str(but))
    there = [
        (name, is_file)
        for name, is_file in storage.entries(folder)
        if own is None or storage.address(name) != own
    ]
    names = [name for name, is_file in there if is_file]
    known = _suffixes(named)
    # Those of pairs first: the other file of a pair is no input of its own.
    found: dict[str, Format] = {}
    others: set[str] = set()
    for name in names:
        if suffix_of(name) in known:
            read = named or recognised(name, Role.ANNOTATED)
            if read is not None and (read.compressed or not is_compressed(name)):
                found[name] = read
    for name, read in list(found.items()):
        beside = set(read.companions(name)) - {name}
        others |= beside
        # A text whose annotation is in another file is named by that one.
        if beside and suffix_of(name) not in read.suffixes:
            del found[name]
    # Where texts have their annotation beside them, one without is not annotated.
    if others:
        lone = {n for n, read in found.items() if read.name == Inline.name and _is_plain(n)}
        found = {n: read for n, read in found.items() if n not in lone}
    files = [(name, found[name]) for name in names if name in found and name not in others]
    unread = [name for name, _ in there if name not in found and name not in others]
    if files:
        return Corpus(files, unread)
    listed = _listed(unread)
    raise FileNotFoundError(
        f"No file in {folder} has a known format and a name that ends in {', '.join(known)}: "
        + (f"there is {listed}." if listed else "it is empty.")
    )


def _suffixes(named: Format | None) -> Sequence[str]:
    if named is not None:
        return named.suffixes
    return known_suffixes(Role.ANNOTATED).replace(" (or these and .gz)", "").split(", ")


def _is_plain(name: str) -> bool:
    """Tell whether a file in the inline format has no markup, at least at its beginning."""
    return not Inline().recognises(Sample.of(name))


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


def read_docs(nlp: Language, files: Iterable[str | Path]) -> Iterator[Doc]:
    """Read annotated docs from files.

    Args:
        nlp: Its tokenizer is used, unless a file has tokens.
        files: The files, as `corpus_files` returns them, or spaCy's binary ones.

    Yields:
        The docs, in order. A text that several people annotated has a doc for each of them.

    Raises:
        AnnotationError: At the end, if anything was wrong; each problem begins with the file and,
            for example, the number of the line.
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
    """Read docs with what is known about their annotation.

    Args:
        nlp: Its tokenizer is used, unless a file has tokens.
        files: The files with their formats, as `find_corpus` returns them.
        reading: How they are read.
        findings: Gets what else there is to report.

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
