"""Codes of messages, as spaCy's messages have them: what a user can search for."""

from typing import Any


class WithCodes(type):
    """Put the code of a message, which is its name in the class, before its text."""

    def __getattribute__(cls, name: str) -> Any:
        """Get "[NAME] text" for a message, and anything else as it is."""
        value = super().__getattribute__(name)
        return value if name.startswith("_") else f"[{name}] {value}"
