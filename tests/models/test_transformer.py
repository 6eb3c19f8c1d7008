"""The component over a transformer that it listens to."""

import pytest
import spacy
from thinc.api import Adam, Config

from tests.conftest import make_examples
from tests.pipeline.test_in_pipelines import GOLD, TEXTS, tagged

TRANSFORMER = """
[nlp]
lang = "en"
pipeline = ["transformer","rnn_ner"]

[components]

[components.transformer]
factory = "curated_transformer"

[components.transformer.model]
@architectures = "spacy-curated-transformers.BertTransformer.v1"
vocab_size = {pieces}
num_hidden_layers = 1
num_attention_heads = 2
hidden_width = 24
intermediate_width = 24
piece_encoder = {{"@architectures":"spacy-curated-transformers.BertWordpieceEncoder.v1"}}
with_spans = {{"@architectures":"spacy-curated-transformers.WithStridedSpans.v1"}}

[components.rnn_ner]
factory = "rnn_ner"

[components.rnn_ner.model]
@architectures = "spacy_rnn_tagger.RNNTagger.v1"
hidden_width = 24
dropout = 0.0

[components.rnn_ner.model.tok2vec]
@architectures = "spacy-curated-transformers.LastTransformerLayerListener.v1"
width = 24
pooling = {{"@layers":"reduce_mean.v1"}}

[initialize]

[initialize.components]

[initialize.components.transformer]

[initialize.components.transformer.piecer_loader]
@model_loaders = "spacy-curated-transformers.WordpieceLoader.v1"
path = "{path}"
"""


def tiny_transformer(tmp_path):
    """A transformer of random weights, whose pieces are characters, and a component over it."""
    pytest.importorskip("spacy_curated_transformers", reason="extra 'transformer' not installed")
    characters = sorted(set("".join(TEXTS)) - {" "})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *characters, *(f"##{c}" for c in characters)]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    config = TRANSFORMER.format(pieces=len(pieces), path=(tmp_path / "vocab.txt").as_posix())
    nlp = spacy.util.load_model_from_config(Config().from_str(config), auto_fill=True)
    nlp.initialize(lambda: make_examples(nlp))
    return nlp


def test_transformer_listener(tmp_path):
    nlp = tiny_transformer(tmp_path)
    optimizer = Adam(0.005)
    for _ in range(80):
        losses = nlp.update(make_examples(nlp), sgd=optimizer)
    assert losses["rnn_ner"] < 1
    assert tagged(nlp) == GOLD
    nlp.to_disk(tmp_path / "model")
    assert tagged(spacy.load(tmp_path / "model")) == GOLD
    nlp.replace_listeners("transformer", "rnn_ner", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    assert tagged(nlp) == GOLD
