"""Annotated text from files, as docs: the inline form in `*.txt`, offsets in `*.jsonl`.

Whatever is wrong in the files is collected and told in one error.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from spacy.language import Language
from spacy.tokens import Doc, Span

from .errors import excerpt, listed
from .inline import parse_line
from .io import NotUTF8Error, read_lines, suffix_of
from .types import EntitySpan

_ACCEPT = "accept"  # Prodigy's word for an answer that says yes
_TOKENS = 6  # how many a message shows


class AnnotationError(ValueError):
    """Annotation that can't be read: what is wrong with it, an argument for each problem."""

    def __str__(self) -> str:
        return listed(self.args, indent="")


class Annotated(NamedTuple):
    """What a line of a file says.

    text: the text.
    entities: (start character, end character, label) of each entity.
    rejected: the same of spans that are not what their label says.
    complete: tokens beside the entities are outside of any, unless they are in a rejected span.
        If not, nothing is known of them.
    answer: what the annotator said of it all; the rest counts only if it is "accept".
    """

    text: str
    entities: list[EntitySpan]
    rejected: list[EntitySpan]
    complete: bool = True
    answer: str = _ACCEPT


def make_doc(
    nlp: Language,
    text: str,
    offsets: Iterable[EntitySpan],
    *,
    rejected: Iterable[EntitySpan] = (),
    complete: bool = True,
) -> Doc:
    """Tokenise a text and set its entities.

    Args:
        nlp: Its tokenizer is used.
        text: The text.
        offsets: (start character, end character, label) of each entity.
        rejected: The same of spans that are no such entities. Annotation of their tokens is
            missing, for they may be part of others.
        complete: Whether all other tokens are outside of entities; if not, theirs is missing too.

    Returns:
        The doc.

    Raises:
        AnnotationError: Spans overlap, or don't begin and end with a token.
    """
    doc = nlp.make_doc(text)
    entities, problems = [], []
    before: EntitySpan | None = None
    for start, end, label in sorted(offsets):
        span = doc.char_span(start, end, label=label) if 0 <= start < end <= len(text) else None
        if span is None:
            problems.append((start, end, label, f"does not align with {_tokens(doc, start, end)}"))
        elif before and before[1] > start:
            other = f"{_quoted(text, *before[:2])} ({before[2]})"
            problems.append((start, end, label, f"overlaps {other}"))
        else:
            entities.append(span)
        if before is None or end > before[1]:
            before = (start, end, label)
    if problems:
        raise AnnotationError(
            *(
                f"{_quoted(text, start, end)} ({label}, characters {start} to {end}) {problem} "
                f"in {excerpt(text, start, end)!r}"
                for start, end, label, problem in problems
            )
        )
    taken = {i for ent in entities for i in range(ent.start, ent.end)}
    missing = [token for token in _tokens_of(doc, rejected) if token.start not in taken]
    default = "outside" if complete else "missing"
    doc.set_ents(entities, missing=missing if complete else None, default=default)
    return doc


def _tokens_of(doc: Doc, spans: Iterable[EntitySpan]) -> list[Span]:
    """Find the tokens that have a character in one of the spans, as spans of their own."""
    wanted = set()
    for start, end, _ in spans:
        around = doc.char_span(max(start, 0), min(end, len(doc.text)), alignment_mode="expand")
        wanted |= set(range(around.start, around.end)) if around is not None else set()
    return [doc[i : i + 1] for i in sorted(wanted)]


def _quoted(text: str, start: int, end: int) -> str:
    start = max(start, 0)
    return repr(excerpt(text[start:end], 0, max(end - start, 0)))


def _tokens(doc: Doc, start: int, end: int) -> str:
    """Write the tokens at a place in a message, the first and the last ones if they are many."""
    length = len(doc.text)
    start = min(max(start, 0), length - 1)
    end = min(max(end, start + 1), length)
    found = doc.char_span(start, end, alignment_mode="expand") if length else None
    tokens = [repr(excerpt(token.text, 0, len(token))) for token in (found or doc[:_TOKENS])]
    if len(tokens) > _TOKENS:
        tokens[_TOKENS // 2 : -_TOKENS // 2] = ["..."]
    return f"the tokens {' '.join(tokens)}" if tokens else "an empty text"


def line_to_doc(nlp: Language, line: str) -> Doc:
    """Read the inline form, `[Red Fort](FAC) is in [Delhi](GPE).`

    Args:
        nlp: Its tokenizer is used.
        line: The line, without its line end.

    Returns:
        The doc.

    Raises:
        AnnotationError: The markup is malformed, or a span does not begin and end with a token.
    """
    read = _read_inline(line)
    return make_doc(nlp, read.text, read.entities)


def _read_inline(line: str) -> Annotated:
    try:
        return Annotated(*parse_line(line), [])
    except ValueError as error:
        raise AnnotationError(str(error)) from None


def _read_record(line: str) -> Annotated:
    """Read a JSON object with "text" and either "entities" or "spans".

    An entity is [start, end, label], as in spaCy's training data, or an object with these keys, as
    Prodigy writes it. There, the annotator's answer may be of the record or of a single span. Where
    the annotator could only say yes or no to the spans that were shown ("_is_binary"), yes says
    nothing of the rest of the text.
    """
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise AnnotationError(f"not JSON ({error})") from None
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise AnnotationError("a record must be an object with 'text'")
    answer = record.get("answer", _ACCEPT)
    if answer != _ACCEPT:
        return Annotated("", [], [], answer=answer if isinstance(answer, str) else repr(answer))
    found = [record[key] for key in ("entities", "spans") if isinstance(record.get(key), list)]
    if len(found) != 1:
        raise AnnotationError("a record must have a list of either 'entities' or 'spans'")
    text = _encodable(record["text"], "'text'")
    entities: list[EntitySpan] = []
    rejected: list[EntitySpan] = []
    for entity in found[0]:
        own = entity.get("answer", _ACCEPT) if isinstance(entity, dict) else _ACCEPT
        (entities if own == _ACCEPT else rejected).append(_offsets(entity))
    return Annotated(text, entities, rejected, complete=record.get("_is_binary") is not True)


def _encodable(text: str, what: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = rf"\u{ord(text[error.start]):04x}"
        raise AnnotationError(
            f"{what} has half of a character, {code}, as its character {error.start}"
        ) from None
    return text


def _offsets(entity: Any) -> EntitySpan:
    values = entity
    if isinstance(entity, dict):
        values = [entity.get(key) for key in ("start", "end", "label")]
    match values:
        case [int(start), int(end), str(label)] if label:
            return start, end, _encodable(label, "a label")
    received = repr(entity)
    raise AnnotationError(
        "an entity must have start, end and label, but got "
        + excerpt(received, 0, len(received), around=80)
    )


# How the lines of a file are read, by its suffix.
_FORMS: dict[str, Callable[[str], Annotated]] = {".txt": _read_inline, ".jsonl": _read_record}
_ALLOWED = f"{', '.join(_FORMS)} (or these and .gz)"
# Where to go with what is not read here.
_HINTS = {
    ".spacy": "it is in spaCy's binary format already; use it as it is",
    **dict.fromkeys(
        (".conll", ".conllu", ".conllubio", ".iob", ".ner", ".json"),
        "`python -m spacy convert` reads that form",
    ),
}


def corpus_files(path: Path) -> list[Path]:
    """List the files of an input: itself, or all of a folder that are in a known form, by name.

    Args:
        path: A file or a folder. Folders in it are not read.

    Returns:
        The files, at least one.

    Raises:
        FileNotFoundError: There is no such path, or no file in a known form in the folder.
        AnnotationError: The form of the file is not known.
    """
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if _is_known(file)]
        if files:
            return files
        there = _named(unread_files(path))
        raise FileNotFoundError(
            f"No file in {path} has a name that ends in {_ALLOWED}: "
            + (f"there is {there}." if there else "it is empty.")
        )
    if not path.exists():
        raise FileNotFoundError(f"No file or folder {path}.")
    if not path.is_file():
        raise FileNotFoundError(f"{path} is neither a file nor a folder.")
    if not _is_known(path):
        hint = _HINTS.get(suffix_of(path))
        raise AnnotationError(
            f"{path} is not in a known form: its name must end in {_ALLOWED}"
            + (f" ({hint})." if hint else ".")
        )
    return [path]


def unread_files(path: Path) -> list[Path]:
    """List what is in a folder and not among its `corpus_files`; nothing for a file."""
    return [each for each in sorted(path.iterdir()) if not _is_known(each)] if path.is_dir() else []


def unread_note(path: Path, *, but: Path | None = None) -> str | None:
    """Say which files of a folder are not read; None if there are none.

    Args:
        path: The folder, or a file.
        but: What need not be said, as it is the output.
    """
    there = _named([file for file in unread_files(path) if but is None or file != but])
    return f"Not read in {path}: {there}. A file's name must end in {_ALLOWED}." if there else None


def _is_known(path: Path) -> bool:
    return suffix_of(path) in _FORMS and path.is_file()


def _named(paths: list[Path], most: int = 5) -> str:
    names = [f"{path.name}/" if path.is_dir() else path.name for path in paths[:most]]
    more = [f"{len(paths) - most:,} more"] if len(paths) > most else []
    return ", ".join(names + more)


def read_docs(
    nlp: Language, paths: Iterable[Path], *, left_out: Counter[str] | None = None
) -> Iterator[Doc]:
    """Read docs from files, skipping blank lines.

    Args:
        nlp: Its tokenizer is used.
        paths: The files, as `corpus_files` returns them.
        left_out: Gets the number of records that the annotator did not accept, by answer.

    Yields:
        The docs, in order.

    Raises:
        AnnotationError: At the end, if anything was wrong; each problem begins with file and line
            number.
        OSError: A file can't be read.
    """
    problems: list[str] = []
    for path in paths:
        read = _FORMS[suffix_of(path)]
        try:
            for number, line in enumerate(read_lines(path), start=1):
                if not line.strip():
                    continue
                try:
                    found = read(line)
                    if found.answer == _ACCEPT:
                        yield make_doc(
                            nlp,
                            found.text,
                            found.entities,
                            rejected=found.rejected,
                            complete=found.complete,
                        )
                    elif left_out is not None:
                        left_out[found.answer] += 1
                except AnnotationError as error:
                    problems += [f"{path}, line {number}: {problem}" for problem in error.args]
        except NotUTF8Error as error:
            problems.append(str(error))
    if problems:
        raise AnnotationError(*problems)
