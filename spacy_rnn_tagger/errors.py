"""Messages of the errors that are ours; where spaCy has a code for a case, spaCy's is used."""

from collections.abc import Iterable


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
