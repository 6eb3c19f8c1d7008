"""What a text offers to annotators where no pipeline can say what it is unsure of.

A text is worth what is new in it: its names, which are the words that are capitalised although no
sentence begins with them, and, in a language or a text without capitals, its rare words. Coverage
is greedy, by counts of features alone: there are no weights of words by documents, since a name
that stands in one text of a pool is worth as much as one in ten, until it has been covered.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from spacy.tokens import Doc

from .diversity import Candidate
from .uncertainty import TOKEN

_NAME, _WORD = "name ", "word "
_WORTH = {_NAME: 1.0, _WORD: 0.2}
# A word is rare if it is in so many of a hundred texts at most.
_RARE = 1
_LETTERS = 4  # and has so many at least
_MOST = 60  # features of a text
_READING = 10  # A text costs as much as this many words before it is read.
_SENTENCE_ENDS = frozenset(".!?:;\"'“”‘’«»()[]-–—")


def content(doc: Doc) -> tuple[tuple[str, float], ...]:
    """List the names and the words of a text.

    Args:
        doc: A tokenised text.

    Returns:
        The features, each with what it is worth while it is new. Whether a word is rare is not
        known yet: see `weigh`.
    """
    words = [token for token in doc if token.is_alpha]
    is_headline = sum(token.text[:1].isupper() for token in words) > 0.6 * len(words)
    names = {} if is_headline else dict.fromkeys(_names(doc))
    others = dict.fromkeys(token.lower_ for token in words if len(token) >= _LETTERS)
    found = [(_NAME + name, _WORTH[_NAME]) for name in names]
    return tuple([*found, *((_WORD + word, _WORTH[_WORD]) for word in others)][:_MOST])


def _names(doc: Doc) -> Iterator[str]:
    """Find the runs of capitalised words that do not begin a sentence."""
    run: list[str] = []
    begins = True
    for token in doc:
        if token.is_space:
            continue
        if token.text[0].isupper() and not begins and token.is_alpha and token.lower_ != "i":
            run.append(token.lower_)
        else:
            if run:
                yield " ".join(run)
            run = []
        begins = token.text[-1] in _SENTENCE_ENDS
    if run:
        yield " ".join(run)


def weigh(candidates: Sequence[Candidate], per: str) -> list[Candidate]:
    """Score texts by what is in them, once it is known which words are rare.

    Args:
        candidates: Texts with all that `content` lists.
        per: "token" to divide what a text is worth by its length, or "doc".

    Returns:
        The same texts with their scores, and with nothing but names and rare words.
    """
    counts = Counter(feature for each in candidates for feature, _ in each.features)
    most = max(1, len(candidates) * _RARE // 100)
    found = []
    for each in candidates:
        own = tuple(
            (name, worth)
            for name, worth in each.features
            if name.startswith(_NAME) or counts[name] <= most
        )
        worth = sum(worth for _, worth in own)
        score = worth / (each.n_words + _READING) if per == TOKEN else worth
        names = [name.removeprefix(_NAME) for name, _ in own if name.startswith(_NAME)]
        rare = len(own) - len(names)
        why = f"{len(names)} names ({', '.join(names[:3])}), {rare} rare words"
        found.append(
            replace(each, score=score, features=own, why=why if names else f"{rare} rare words")
        )
    return found
