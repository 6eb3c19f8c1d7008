"""Messages of the errors and warnings that are ours, each with a code.

Where spaCy has a code for a case, spaCy's message is used. The reference lists all codes.
"""

from .checks import (
    as_warning,
    check_at_least,
    check_choice,
    check_rate,
    described,
    excerpt,
    listed,
    loading,
)
from .messages import Errors, Warnings

__all__ = [
    "Errors",
    "Warnings",
    "as_warning",
    "check_at_least",
    "check_choice",
    "check_rate",
    "described",
    "excerpt",
    "listed",
    "loading",
]
