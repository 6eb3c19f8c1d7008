"""Messages of the errors that are ours; where spaCy has a code for a case, spaCy's is used."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

_CUT = "..."


def one_of(setting: str, received: object, allowed: Iterable[str]) -> ValueError:
    """Build the error for a setting whose value is not among the allowed ones."""
    choices = ", ".join(f"'{value}'" for value in allowed)
    return ValueError(f"{setting} must be one of {choices}, but got {received!r}.")


def at_least(setting: str, received: object, minimum: int) -> ValueError:
    """Build the error for a number that is too small."""
    return ValueError(
        f"{setting} must be a whole number of {minimum} or more, but got {received!r}."
    )


def in_unit_interval(setting: str, received: object) -> ValueError:
    """Build the error for a probability outside of [0, 1)."""
    return ValueError(f"{setting} must be at least 0 and below 1, but got {received!r}.")


def described(error: Exception) -> str:
    """Describe an error in a line, as a traceback ends."""
    return f"{type(error).__name__}: {error}"


def excerpt(text: str, start: int, end: int, *, around: int = 40) -> str:
    """Cut a text to what surrounds a span, so that no message repeats a whole text.

    Args:
        text: The text.
        start: The span's first character.
        end: The character after its last one.
        around: How many characters to keep on either side, and at either end of a long span.

    Returns:
        The span and its surroundings, with "..." for what was cut.
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
    """Write problems a line each; of many, the first ones and how many more there are.

    Args:
        problems: A description of each, without line breaks.
        most: How many to write.
        indent: What each line begins with.

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
        raise one_of(setting, received, allowed)


def check_at_least(setting: str, received: int, minimum: int) -> None:
    """Raise ValueError unless `received` is at least `minimum`."""
    if received < minimum:
        raise at_least(setting, received, minimum)


def check_rate(setting: str, received: float) -> None:
    """Raise ValueError unless `received` is in [0, 1)."""
    if not 0 <= received < 1:
        raise in_unit_interval(setting, received)


@contextmanager
def loading(source: str) -> Iterator[None]:
    """Turn whatever a damaged pipeline or config causes into one error that names it.

    Args:
        source: The folder, package or file.

    Yields:
        Once, for the pipeline to be loaded.

    Raises:
        ValueError: It is damaged, or spaCy refuses it.
        ImportError: It needs a package that is not installed.
        OSError: It can't be read.
    """
    try:
        yield
    except (ImportError, MemoryError, OSError):
        raise
    except Exception as error:  # readers of config, JSON, msgpack and arrays raise their own
        reason = str(error).strip() if isinstance(error, ValueError) else described(error)
        raise ValueError(f"{source} can't be loaded: {reason}") from error


def as_warning(note: str) -> None:
    """Give a note to whoever calls a public function: a `UserWarning` at the place of the call."""
    warnings.warn(note, UserWarning, stacklevel=3)
