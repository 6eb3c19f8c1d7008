"""The registered architectures. They chain layers and set references; arithmetic is in `layers`."""

from collections.abc import Callable

from spacy.attrs import IDS
from spacy.vocab import Vocab
from thinc.api import chain, concatenate
from thinc.model import Model
from thinc.types import Floats2d

from ..errors import Errors, check_at_least, check_choice, check_rate
from ..layers.blocks import InBlocks, ListModel
from ..layers.characters import Characters
from ..layers.distinct_words import DistinctWords
from ..layers.emissions import Emissions
from ..layers.encoder import WithEncoder
from ..layers.hash_embed import AttributeEmbed
from ..layers.language_model import WordPrediction, WordScorer, words_loss
from ..layers.maxout import Maxout
from ..layers.output import TagOutput, grow
from ..layers.rnn import RNN
from ..layers.static_vectors import StaticVectors
from ..layers.windows import InWindows, read_in_context
from ..types import TaggerModel, Tok2VecModel

_LEXICAL_ATTRS = ("NORM", "LOWER", "ORTH", "PREFIX", "SUFFIX", "SHAPE")


def build_rnn_tagger_v1(
    *,
    tok2vec: Tok2VecModel,
    cell: str = "lstm",
    hidden_width: int = 128,
    depth: int = 1,
    bidirectional: bool = True,
    dropout: float = 0.4,
    decoder: str = "crf",
    context: str = "doc",
    max_length: int = 4096,
    overlap: int = 256,
    mixed_precision: bool = False,
    nO: int | None = None,
) -> TaggerModel:
    """Build a sequence labeller: embed, recurrent network, linear output, softmax or CRF.

    The model maps docs to `TagScores`. Lample et al. (2016) describe the default, a bidirectional
    LSTM with a CRF.

    Args:
        tok2vec: Any layer that gives each token a vector; its width is inferred.
        cell: "lstm", "gru" or "elman".
        hidden_width: Width of the hidden state of one direction.
        depth: Number of recurrent layers.
        bidirectional: Read each doc from its end as well.
        dropout: Rate for embeddings and hidden states in training. The rate of `nlp.update`
            (`[training] dropout` in a config) applies where it is higher.
        decoder: "crf" learns which tag follows which; "softmax" scores each token independently.
        context: What the recurrent network reads as one sequence: the "doc", or the "sentence" if
            sentence starts are set. Decoding covers the whole doc in either case.
        max_length: Tokens that the network reads as one sequence at most; longer sequences are read
            in overlapping windows, which limits the memory of the network. 0 for no limit.
        overlap: Tokens of context on either side of a window. `max_length` must leave room for both
            sides.
        mixed_precision: Compute the recurrence in bfloat16, on a GPU and, in the predictions of an
            LSTM, on a CPU with AVX512_BF16; elsewhere no effect.
        nO: Number of tags; set from the labels if None.

    Raises:
        ValueError: A setting is not among the allowed ones or out of its range.
    """
    rnn = RNN(
        cell=cell,
        hidden_width=hidden_width,
        depth=depth,
        bidirectional=bidirectional,
        dropout=dropout,
        mixed_precision=mixed_precision,
    )
    emissions = Emissions(nO)
    output = TagOutput(decoder, nO)
    scorer = chain(rnn, emissions)
    parts = (context, max_length, overlap)
    tagger: TaggerModel = chain(read_in_context(tok2vec, InBlocks(scorer), *parts), output)
    encoder = read_in_context(tok2vec, InBlocks(rnn), *parts)
    model = WithEncoder(tagger, encoder)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("encoder", encoder)
    model.set_ref("tagger", tagger)
    model.set_ref("rnn", rnn)
    model.set_ref("scorer", scorer)
    model.set_ref("emissions", emissions)
    model.set_ref("output_layer", output)
    model.attrs["resize_output"] = _resize_output
    return model


def _resize_output(model: TaggerModel, nO: int) -> TaggerModel:
    """Replace the two layers that have a score for each tag."""
    decoder = model.get_ref("output_layer").attrs["decoder"]
    grow(model, "emissions", model.get_ref("scorer"), Emissions(nO))
    grow(model, "output_layer", model.get_ref("tagger"), TagOutput(decoder, nO))
    return model


def build_rnn_encoder_v1(
    *,
    cell: str = "lstm",
    hidden_width: int = 64,
    depth: int = 1,
    bidirectional: bool = True,
    dropout: float = 0.2,
    max_length: int = 4096,
    overlap: int = 256,
    mixed_precision: bool = False,
) -> Model[list[Floats2d], list[Floats2d]]:
    """Build the recurrent network as the `encode` layer of `spacy.Tok2Vec.v2`.

    Its output is `hidden_width` wide for each direction, so 2 * `hidden_width` by default; that is
    the `width` of its listeners.

    Args:
        cell: "lstm", "gru" or "elman".
        hidden_width: Width of the hidden state of one direction.
        depth: Number of recurrent layers.
        bidirectional: Read each doc from its end as well.
        dropout: Rate for embeddings and hidden states in training. The rate of `nlp.update`
            (`[training] dropout` in a config) applies where it is higher.
        max_length: Tokens that the network reads as one sequence at most; longer docs are read in
            overlapping windows. 0 for no limit.
        overlap: Tokens of context on either side of a window. `max_length` must leave room for
            both sides.
        mixed_precision: Compute the recurrence in bfloat16, on a GPU and, in the predictions of an
            LSTM, on a CPU with AVX512_BF16; elsewhere no effect.

    Raises:
        ValueError: A setting is not among the allowed ones or out of its range.
    """
    rnn = RNN(
        cell=cell,
        hidden_width=hidden_width,
        depth=depth,
        bidirectional=bidirectional,
        dropout=dropout,
        mixed_precision=mixed_precision,
    )
    model: ListModel = InWindows(InBlocks(rnn), max_length, overlap)
    model.set_dim("nO", rnn.get_dim("nO"))
    return model


def build_pretrain_words_v1(
    *, hidden_width: int = 128, rows: int = 10000
) -> Callable[[Vocab, Tok2VecModel], WordScorer]:
    """Build an objective for `spacy pretrain`: predict each word from the states on both sides.

    Unlike spaCy's `PretrainCharacters.v1` and `PretrainVectors.v1`, it needs a recurrent layer:
    that of `RNNTagger.v1` (`component = "rnn_ner"`, `layer = "encoder"`) or of `RNNEncoder.v1`.

    Args:
        hidden_width: Width of the hidden layer between the states and the words.
        rows: Rows of the hashed table of the words to predict.

    Raises:
        ValueError: A setting is out of range, or the model has no recurrent layer whose states have
            not read the word itself.
    """
    check_at_least("hidden_width", hidden_width, 1)
    check_at_least("rows", rows, 1)

    def create_objective(vocab: Vocab, tok2vec: Tok2VecModel) -> WordScorer:
        model = WordPrediction(tok2vec, hidden_width, rows)
        model.set_ref("tok2vec", tok2vec)
        model.attrs["loss"] = words_loss
        return model

    return create_objective


def build_lexeme_embed_v1(
    *,
    width: int = 96,
    attrs: list[str] | None = None,
    rows: list[int] | None = None,
    word_dropout: float = 0.3,
    char_width: int = 0,
    include_static_vectors: bool = False,
) -> Tok2VecModel:
    """Build the default embed: hashed lexical attributes, computed once for each distinct word.

    Args:
        width: Width of the output, and of each part: the table of each attribute, the character
            network and the projected vectors.
        attrs: Lexical attributes to embed; NORM, PREFIX, SUFFIX and SHAPE if None.
        rows: Rows of each table; 5000 for NORM and 2500 for the others if None.
        word_dropout: The share of a batch's distinct words of which training sees only the SHAPE,
            so that the network learns to recognise unknown names by their context.
        char_width: Width of a character's embedding; 0 for no character network.
        include_static_vectors: Whether to use the vectors of the vocab as well; they are not
            trained.

    Raises:
        ValueError: A setting is not among the allowed ones or out of its range, or `attrs` and
            `rows` differ in length.
    """
    check_at_least("width", width, 1)
    attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"] if attrs is None else attrs
    rows = [5000 if attr == "NORM" else 2500 for attr in attrs] if rows is None else rows
    if len(attrs) != len(rows) or not attrs:
        raise ValueError(Errors.RNN025.format(attrs=attrs, rows=rows))
    for attr, size in zip(attrs, rows, strict=True):
        check_choice("attrs", attr, _LEXICAL_ATTRS)
        check_at_least("rows", size, 1)
    check_rate("word_dropout", word_dropout)
    check_at_least("char_width", char_width, 0)
    ids = [IDS[attr] for attr in attrs]
    # A new feature of a word is a layer from `Words` to (U, W), and has four places: its file in
    # `layers`, its part and its setting here, what it computes in `onnx.graphs.words_graph`, and
    # the input of that in `onnx.layers._forward_words`.
    parts = [AttributeEmbed(width, ids, rows, word_dropout)]
    if char_width:
        parts.append(Characters(width, char_width))
    if include_static_vectors:
        parts.append(StaticVectors(width))
    inputs = sum(part.get_dim("nO") for part in parts)
    features = concatenate(*parts) if len(parts) > 1 else parts[0]
    model = DistinctWords(chain(features, Maxout(width, inputs)), ids)
    model.set_dim("nO", width)
    return model
