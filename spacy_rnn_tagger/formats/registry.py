"""All formats: found by name, by a file's suffix, and by a file's content."""

from collections.abc import Iterator

from ..errors import Errors, check_choice
from ..io import is_compressed, printable, suffix_of
from .base import Format, Role
from .brat import Brat
from .conll import Columns
from .docbin import Docs
from .doccano import Doccano
from .inline import Inline
from .jsonl import JSONL
from .label_studio import LabelStudio
from .parquet import Parquet
from .prodigy import Prodigy
from .record import AnnotationError
from .sample import Sample
from .spacy_json import SpacyJSON
from .text import Text

# A new format is one more line here. Where two with the same role share a suffix, the first one
# reads files that end in it, unless the content of a file decides.
FORMATS: tuple[Format, ...] = (
    Text(),
    Inline(),
    JSONL(),
    Parquet(),
    Docs(),
    LabelStudio(),
    Doccano(),
    Prodigy(),
    Columns(),
    Brat(),
    SpacyJSON(),
)


def formats_for(*roles: Role) -> Iterator[Format]:
    """List the formats that have one of the roles."""
    return (each for each in FORMATS if not each.roles.isdisjoint(roles))


def by_name(name: str, *roles: Role) -> Format:
    """Find a format by its name.

    Args:
        name: The name.
        roles: The roles, of which the format must have at least one.

    Returns:
        The format.

    Raises:
        ValueError: No format of that name has one of these roles.
    """
    named = {each.name: each for each in formats_for(*roles)}
    check_choice("format", name, named)
    return named[name]


def by_suffix(file: str, *roles: Role) -> Format | None:
    """Find the format of a file by the suffix of its name.

    Args:
        file: A path or a URL.
        roles: The roles, of which the format must have at least one.

    Returns:
        The format, or None if no such format has the suffix.
    """
    suffix, packed = suffix_of(file), is_compressed(file)
    for each in formats_for(*roles):
        if suffix in each.suffixes and (each.compressed or not packed):
            return each
    return None


def recognised(file: str, *roles: Role) -> Format | None:
    """Find the format of a file by its content and, where that leaves it open, by its suffix.

    Args:
        file: A path or a URL.
        roles: The roles, of which the format must have at least one.

    Returns:
        The format, or None if the file is in no such format.

    Raises:
        AnnotationError: The content fits several formats.
        OSError: The file can't be read, or is damaged.
    """
    sample = Sample.of(file)
    answers = {each: each.recognises(sample) for each in formats_for(*roles)}
    certain = [each for each, answer in answers.items() if answer]
    if len(certain) > 1:
        names = " or ".join(each.name for each in certain)
        raise AnnotationError(Errors.RNN103.format(path=printable(file), formats=names))
    if certain:
        return certain[0]
    packed = is_compressed(file)
    for each, answer in answers.items():
        fits = sample.suffix in each.suffixes and (each.compressed or not packed)
        if answer is None and fits:
            return each
    return None


def known_suffixes(*roles: Role) -> str:
    """List for a message the suffixes of files with one of the roles."""
    suffixes: dict[str, bool] = {}
    for each in formats_for(*roles):
        for suffix in each.suffixes:
            suffixes[suffix] = suffixes.get(suffix, False) or each.compressed
    packed = ", ".join(suffix for suffix, compressed in suffixes.items() if compressed)
    others = ", ".join(suffix for suffix, compressed in suffixes.items() if not compressed)
    return ", ".join(filter(None, (f"{packed} (or these and .gz)" if packed else "", others)))
