"""All formats, by name and by a file's suffix."""

from collections.abc import Iterator

from ..errors import check_choice
from ..io import is_compressed, suffix_of
from .base import Format, Role
from .docbin import Docs
from .inline import Inline
from .jsonl import JSONL
from .parquet import Parquet
from .text import Text

# A new format is one more line here. Where two with the same role share a suffix, the first one
# reads files that end in it.
FORMATS: tuple[Format, ...] = (
    Text(),
    Inline(),
    JSONL(),
    Parquet(),
    Docs(),
)


def formats_for(*roles: Role) -> Iterator[Format]:
    """List the formats that have one of the roles."""
    return (each for each in FORMATS if not each.roles.isdisjoint(roles))


def by_name(name: str, role: Role) -> Format:
    """Find a format by its name.

    Args:
        name: The name.
        role: What it must be good for.

    Returns:
        The format.

    Raises:
        ValueError: There is no such format with this role.
    """
    named = {each.name: each for each in formats_for(role)}
    check_choice("format", name, named)
    return named[name]


def by_suffix(file: str, *roles: Role) -> Format | None:
    """Find the format of a file by the suffix of its name.

    Args:
        file: A path or a URL.
        roles: What the format must be good for, one of them.

    Returns:
        The format, or None if none of these has the suffix.
    """
    suffix, packed = suffix_of(file), is_compressed(file)
    for each in formats_for(*roles):
        if suffix in each.suffixes and (each.compressed or not packed):
            return each
    return None


def known_suffixes(*roles: Role) -> str:
    """List for a message what the name of a file with one of the roles ends in."""
    packed, others = (
        ", ".join(
            suffix
            for each in formats_for(*roles)
            if each.compressed is compressed
            for suffix in each.suffixes
        )
        for compressed in (True, False)
    )
    return ", ".join(filter(None, (f"{packed} (or these and .gz)" if packed else "", others)))
