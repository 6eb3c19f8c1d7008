"""Conversion of a trained pipeline into one whose `rnn_ner` runs without torch."""

import logging
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx
from spacy.attrs import NAMES
from spacy.language import Language
from spacy.util import get_minor_version_range, split_requirement
from thinc.model import Model

from ..errors import Errors
from ..models.summary import rows
from ..pipeline.rnn_ner import RNNEntityRecognizer
from ..types import Tok2VecModel
from .graphs import nodes, scorer_graph, words_graph

_FROM = "spacy_rnn_tagger.RNNTagger.v1"
_TO = "spacy_rnn_tagger.ONNXTagger.v1"
_EMBED_FROM = "spacy_rnn_tagger.LexemeEmbed.v1"
_EMBED_TO = "spacy_rnn_tagger.ONNXLexemeEmbed.v1"
# The settings that both architectures have.
_SETTINGS = ("decoder", "context", "max_length", "overlap")
# The operators whose weights are quantised to 8 bits. ONNX Runtime can't quantise GRU.
_QUANTIZED = ["Gather", "MatMul", "LSTM"]


def export_pipeline(nlp: Language, *, int8: bool = False) -> list[str]:
    """Replace the model of each trained `rnn_ner` in a pipeline with an exported one.

    An embedding layer other than `LexemeEmbed.v1`, such as a listener, stays as it is.

    Args:
        nlp: The pipeline, which is changed in place.
        int8: Whether to quantise weights to 8 bits, which takes a quarter of the space but changes
            the scores.

    Returns:
        The names of the components.

    Raises:
        ValueError: The pipeline has no such component, or it has not been trained.
    """
    # spaCy keeps variables in the config of a loaded pipeline. They get their values before any
    # component is replaced, since they may name its settings.
    blocks = nlp.config.interpolate()["components"]
    names = [
        name
        for name, pipe in nlp.components
        if isinstance(pipe, RNNEntityRecognizer)
        and blocks[name]["model"]["@architectures"] == _FROM
    ]
    if not names:
        found = ", ".join(nlp.component_names) or "none"
        raise ValueError(Errors.RNN701.format(architecture=_FROM, names=found))
    for name in names:
        disabled = name in nlp.disabled
        _export(nlp, name, blocks[name], int8)
        if disabled:  # replace_pipe enables the new component
            nlp.disable_pipe(name)
    _require_onnxruntime(nlp)
    return names


def _require_onnxruntime(nlp: Language) -> None:
    """Declare in the pipeline's meta data that its package needs onnxruntime and no torch.

    By default, `spacy package` would add this package as a requirement, and pip would install torch
    with it. It doesn't if the meta data names this package, which is then an extra, and only
    installed on request.
    """
    own = "spacy-rnn-tagger"
    kept = [r for r in nlp.meta.get("requirements", ()) if split_requirement(r)[0] != own]
    versions = get_minor_version_range(version(own))
    nlp.meta["requirements"] = [
        *kept,
        "onnxruntime>=1.18",
        f'{own}{versions}; extra == "plugin"',
    ]


def _export(nlp: Language, name: str, config: dict[str, Any], int8: bool) -> None:
    old: Any = nlp.get_pipe(name)
    if old.model.get_ref("output_layer").has_dim("nO") is not True:
        raise ValueError(Errors.RNN702.format(name=name))
    tok2vec = old.model.get_ref("tok2vec")
    settings = config["model"]
    own_embed = settings["tok2vec"]["@architectures"] == _EMBED_FROM
    if own_embed:
        [columns] = nodes(tok2vec, "word_attributes")
        attrs = [NAMES[attr] for attr in columns.attrs["attrs"]]
        embed = {"@architectures": _EMBED_TO, "width": tok2vec.get_dim("nO"), "attrs": attrs}
    else:
        embed = settings["tok2vec"]
    kept = {key: settings[key] for key in _SETTINGS if key in settings}
    model = {"@architectures": _TO, "tok2vec": embed, **kept}
    own = {key: value for key, value in config.items() if key != "factory"}
    new: Any = nlp.replace_pipe(name, "rnn_ner", config={**own, "model": model})
    new.cfg = deepcopy(old.cfg)
    if own_embed:
        _export_embed(tok2vec, new.model.get_ref("tok2vec"), int8)
    else:
        new.model.get_ref("tok2vec").from_bytes(tok2vec.to_bytes())
    emissions, output = (old.model.get_ref(ref) for ref in ("emissions", "output_layer"))
    scorer = new.model.get_ref("scorer")
    scorer.set_dim("nO", emissions.get_dim("nO"))
    scorer.attrs["layers"] = _layers(old.model.get_ref("rnn"), emissions)
    scorer.attrs["graph"] = _serialized(scorer_graph(old.model.get_ref("rnn"), emissions), int8)
    new.model.get_ref("output_layer").from_bytes(output.to_bytes())


def _export_embed(old: Tok2VecModel, new: Tok2VecModel, int8: bool) -> None:
    [columns] = nodes(old, "word_attributes")
    [words] = nodes(new, "onnx_words")
    hashes = [
        (attr, table.attrs["seed"], table.get_dim("nV"))
        for attr, table in zip(columns.attrs["attrs"], nodes(old, "hashembed"), strict=True)
    ]
    graph = words_graph(old)
    words.attrs["hashes"] = [list(each) for each in hashes]
    words.attrs["inputs"] = [each.name for each in graph.graph.input]
    words.attrs["layers"] = _layers(old)
    words.attrs["graph"] = _serialized(graph, int8)


def _layers(*models: Model[Any, Any]) -> list[list[Any]]:
    """Describe the layers in a graph for `spacy rnn summary`, as lists, which msgpack can hold."""
    return [list(row) for model in models for row in rows(model)]


def _serialized(graph: onnx.ModelProto, int8: bool) -> bytes:
    if not int8:
        return bytes(graph.SerializeToString())
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with TemporaryDirectory() as folder:  # quantize_dynamic only reads and writes files
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(graph, before)
        logging.disable(logging.WARNING)  # it warns about a step that matters for images only
        try:
            quantize_dynamic(
                before, after, op_types_to_quantize=_QUANTIZED, weight_type=QuantType.QInt8
            )
        finally:
            logging.disable(logging.NOTSET)
        return after.read_bytes()
