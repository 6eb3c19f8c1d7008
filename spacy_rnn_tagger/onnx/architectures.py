"""The architectures of exported pipelines. Importing them needs no torch."""

from spacy.attrs import IDS
from thinc.api import chain
from thinc.model import Model

from ..layers.blocks import InBlocks
from ..layers.distinct_words import DistinctWords
from ..layers.output import TagOutput, grow
from ..layers.windows import read_in_context
from ..types import TaggerModel, Tok2VecModel
from .layers import ONNXScorer, ONNXWords


def build_onnx_tagger_v1(
    *,
    tok2vec: Tok2VecModel,
    decoder: str = "crf",
    context: str = "doc",
    max_length: int = 4096,
    overlap: int = 256,
    nO: int | None = None,
) -> TaggerModel:
    """Build a tagger whose recurrent network is an ONNX graph, as `spacy rnn export` writes it.

    It predicts and can't be trained. The settings have the same meaning as in `RNNTagger.v1`.

    Args:
        tok2vec: The embedding layer, W wide.
        decoder: "crf" or "softmax".
        context: What the recurrent network reads at a time: a "doc" or a "sentence".
        max_length: The most tokens that it reads at a time. Longer texts are read in windows.
        overlap: The number of tokens that windows share on each side.
        nO: The number of tags K; None if it is not known yet.

    Returns:
        The model, from docs to the scores of their tags.

    Raises:
        ValueError: A setting is not one of the allowed values or is out of range.
    """
    scorer, output = ONNXScorer(nO), TagOutput(decoder, nO)
    read = read_in_context(tok2vec, InBlocks(scorer), context, max_length, overlap)
    model: TaggerModel = chain(read, output)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("scorer", scorer)
    model.set_ref("output_layer", output)
    model.attrs["resize_output"] = _resize_output
    return model


def build_onnx_lexeme_embed_v1(*, width: int, attrs: list[str]) -> Tok2VecModel:
    """Build a `LexemeEmbed.v1` whose network is an ONNX graph, as `spacy rnn export` writes it.

    Args:
        width: The width of the output W.
        attrs: The lexical attributes to embed.

    Returns:
        The model, from docs to a vector for each token.
    """
    words = ONNXWords()
    words.set_dim("nO", width)
    return DistinctWords(words, [IDS[attr] for attr in attrs])


def _resize_output(model: Model, nO: int) -> Model:
    """Resize the output for more tags. The graph stays, and `ONNXScorer` adds their scores."""
    decoder = model.get_ref("output_layer").attrs["decoder"]
    grow(model, "output_layer", model, TagOutput(decoder, nO))
    for owner in (model, model.get_ref("scorer")):
        owner.set_dim("nO", nO, force=True)
    return model
