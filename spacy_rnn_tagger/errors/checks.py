"""Checks of settings, and words for messages, that the whole package shares."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral, Real

from .messages import Errors

_CUT = "..."


def described(error: Exception) -> str:
    """Describe an error in one line, like the last one of a traceback."""
    return f"{type(error).__name__}: {error}"


def excerpt(text: str, start: int, end: int, *, around: int = 40) -> str:
    """Cut a text down to a span and its surroundings, so that messages stay short.

    Args:
        text: The text.
        start: The span's first character.
        end: The character after its last one.
        around: The number of characters to keep on either side, and at either end of a long span.

    Returns:
        The span and its surroundings, with "..." for what was left out.
    """
    start, end = sorted((min(max(start, 0), len(text)), min(max(end, 0), len(text))))
    before = max(start - around, 0)
    after = min(end + around, len(text))
    span = text[start:end]
    if len(span) > 2 * around + len(_CUT):
        span = span[:around] + _CUT + span[len(span) - around :]
    left = (_CUT if before else "") + text[before:start]
    right = text[end:after] + (_CUT if after < len(text) else "")
    return left + span + right


def listed(problems: Sequence[str], most: int = 20, *, indent: str = "  ") -> str:
    """Write problems in lines; if they are many, the first ones and the number of the others.

    Args:
        problems: A description of each problem, without line breaks.
        most: The most problems to write.
        indent: The beginning of each line.

    Returns:
        The lines.
    """
    lines = list(problems[:most])
    if len(problems) > most:
        lines.append(f"{_CUT} and {len(problems) - most:,} more")
    return "\n".join(f"{indent}{line}" for line in lines)


def check_choice(setting: str, received: str, allowed: Iterable[str]) -> None:
    """Raise ValueError unless `received` is one of `allowed`."""
    allowed = tuple(allowed)
    if received not in allowed:
        choices = ", ".join(f"'{value}'" for value in allowed)
        raise ValueError(Errors.RNN001.format(setting=setting, choices=choices, received=received))


def check_at_least(setting: str, received: int, minimum: int) -> None:
    """Raise ValueError unless `received` is a whole number of at least `minimum`."""
    whole = isinstance(received, Integral) and not isinstance(received, bool)
    if not whole or received < minimum:
        raise ValueError(Errors.RNN002.format(setting=setting, minimum=minimum, received=received))


def check_rate(setting: str, received: float) -> None:
    """Raise ValueError unless `received` is a number in [0, 1)."""
    if not (isinstance(received, Real) and 0 <= received < 1):
        raise ValueError(Errors.RNN003.format(setting=setting, received=received))


@contextmanager
def loading(source: str) -> Iterator[None]:
    """Turn any error about a damaged pipeline or config into one that names the source.

    Args:
        source: The folder, package or file.

    Yields:
        Once, to load the pipeline.

    Raises:
        ValueError: The source is damaged, or spaCy refuses it.
        ImportError: The source needs a package that is not installed.
        OSError: The source can't be read.
    """
    try:
        yield
    except (ImportError, MemoryError, OSError):
        raise
    except Exception as error:  # config, JSON, msgpack and arrays raise many kinds
        reason = str(error).strip() if isinstance(error, ValueError) else described(error)
        raise ValueError(Errors.RNN004.format(source=source, reason=reason)) from error


def as_warning(note: str) -> None:
    """Pass a note to the caller of a public function, as a `UserWarning` where it was called."""
    warnings.warn(note, UserWarning, stacklevel=3)
