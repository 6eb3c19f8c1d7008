"""The registered embeds over a vocabulary."""

from thinc.api import chain, ragged2list, with_array

from ..layers.vocabulary import EmbeddingTable, OneHot, Vocabulary
from ..types import Tok2VecModel


def build_word_embed_v1(
    *,
    width: int,
    max_size: int = 15000,
    min_freq: int = 1,
    word_dropout: float = 0.0,
    attr: str = "NORM",
) -> Tok2VecModel:
    """Build a learned table over a vocabulary that is collected at initialisation.

    `spacy pretrain` can't train it, because it initialises a layer without showing it the texts.

    Args:
        width: Width of the embedding.
        max_size: Rows of the table, including the row for unknown words.
        min_freq: Words rarer than this in the training data are unknown.
        word_dropout: The share of tokens that training treats as unknown, so that the row for
            unknown words is learned.
        attr: The token attribute that is the word: "NORM", "LOWER", "ORTH", "LEMMA" or "SHAPE".

    Raises:
        ValueError: A setting is not among the allowed ones or out of its range.
    """
    vocabulary = Vocabulary(
        attr=attr, max_size=max_size, min_freq=min_freq, word_dropout=word_dropout
    )
    table = EmbeddingTable(width=width, rows=max_size)
    model: Tok2VecModel = chain(vocabulary, with_array(table), ragged2list())
    model.set_dim("nO", width)
    return model


def build_one_hot_embed_v1(
    *,
    width: int | None = None,
    max_size: int = 15000,
    min_freq: int = 1,
    word_dropout: float = 0.0,
    attr: str = "NORM",
) -> Tok2VecModel:
    """Build a one-hot input over the vocabulary that `WordEmbed.v1` would have.

    `spacy pretrain` can't train on it, because it initialises a layer without showing it the texts.

    Args:
        width: Not used, because a one-hot vector is `max_size` wide. It is accepted so that a
            config can replace `WordEmbed.v1` by changing one line.
        max_size: Width of the vectors: the size of the vocabulary, including the entry for unknown
            words.
        min_freq: Words rarer than this in the training data are unknown.
        word_dropout: The share of tokens that training treats as unknown, so that the weights for
            unknown words are learned.
        attr: The token attribute that is the word: "NORM", "LOWER", "ORTH", "LEMMA" or "SHAPE".

    Raises:
        ValueError: A setting is not among the allowed ones or out of its range.
    """
    vocabulary = Vocabulary(
        attr=attr, max_size=max_size, min_freq=min_freq, word_dropout=word_dropout
    )
    model: Tok2VecModel = chain(vocabulary, with_array(OneHot(max_size)), ragged2list())
    model.set_dim("nO", max_size)
    return model
