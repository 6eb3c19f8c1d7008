"""Numbers with their nouns in messages, and messages without their codes."""

import pytest

from spacy_rnn_tagger.errors import Errors
from spacy_rnn_tagger.errors.wording import counted, without_code


@pytest.mark.parametrize(
    ("n", "words", "expected"),
    [
        (1, ("doc",), "1 doc"),
        (0, ("doc",), "0 docs"),
        (2000, ("doc",), "2,000 docs"),
        (1, ("entity", "entities"), "1 entity"),
        (2, ("entity", "entities"), "2 entities"),
    ],
)
def test_a_noun_agrees_with_its_number(n, words, expected):
    assert counted(n, *words) == expected


def test_only_the_code_of_a_message_is_removed():
    message = Errors.RNN220.format(reason="[E001] busy")
    assert message.startswith("[RNN220] ")
    assert without_code(message) == "Ray failed: [E001] busy"
    assert without_code("[E001] busy") == "[E001] busy"
