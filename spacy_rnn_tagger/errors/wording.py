"""Words for messages: numbers with their nouns, and messages without their codes."""

import re

_CODE = re.compile(r"\[RNNW?\d+\] ")


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun: "1 doc", "2,000 docs".

    Args:
        n: The number.
        noun: The noun in the singular.
        plural: The plural, if it is not the noun with an "s".

    Returns:
        The number, with a comma after thousands, and the noun.
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def without_code(message: str) -> str:
    """Remove the code from a message that is shown as a fact of a report, not as an error."""
    return _CODE.sub("", message, count=1)
