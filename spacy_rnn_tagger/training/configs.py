"""The training configs that the package ships, set up for a language, word vectors and a device.

They are files in the folder `configs` of the repository, which is the package
`spacy_rnn_tagger.configs` wherever this one is installed.
"""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spacy.util import get_lang_class, load_config_from_str
from thinc.api import Config

from ..errors import Errors, check_choice

if TYPE_CHECKING:
    from importlib.abc import Traversable  # moved in Python 3.11

DEFAULT = "rnn_ner"
_PACKAGE = "spacy_rnn_tagger.configs"
_SUFFIX = ".cfg"
# The blocks that depend on the language.
_OF_LANGUAGE = (("nlp", "tokenizer"), ("initialize", "tokenizer"))


def init_config(
    config: str = DEFAULT, *, lang: str = "en", vectors: str | None = None, gpu: bool = False
) -> Config:
    """Create a complete training config from one that the package ships.

    Args:
        config: The name of the shipped config: "rnn_ner", "rnn_ner_vectors", "rnn_ner_trf",
            "places", "rnn_pos", "rnn_sentiment" or "tutorial".
        lang: The language of the pipeline. The tokenizer is spaCy's default for it.
        vectors: The folder or package of a pipeline whose word vectors the embedding layer reads.
        gpu: Allocate memory through PyTorch, and compute the recurrence in bfloat16. The batches
            stay as they are: they were tuned for accuracy, on a CPU.

    Returns:
        The config. It is the caller's own, and its variables, such as `${paths.train}`, are not
        filled in.

    Raises:
        ValueError: There is no such config, or it has no embedding layer that reads vectors.
        ImportError: spaCy does not have the language.
    """
    check_choice("config", config, config_names())
    text = _folder().joinpath(config + _SUFFIX).read_text(encoding="utf-8")
    created = load_config_from_str(text)
    if lang != created["nlp"]["lang"]:
        created = _in_language(created, lang)
    if vectors is not None:
        _use_vectors(created, vectors, config)
    if gpu:
        _use_gpu(created)
    return created


def config_names() -> list[str]:
    """List the configs that the package ships.

    Returns:
        Their names, in alphabetical order.
    """
    found = (entry.name for entry in _folder().iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX))


def _folder() -> "Traversable":
    """Find the folder of configs. In a checkout, Python finds the package without it."""
    try:
        return files(_PACKAGE)
    except ModuleNotFoundError:
        return Path(__file__).parents[2] / "configs"


def _in_language(config: Config, lang: str) -> Config:
    """Set the language and its tokenizer, which for some languages is not spaCy's usual one."""
    language = get_lang_class(lang)
    defaults = language.default_config.copy()
    # spaCy takes "deu" for "de" here, but not in a config.
    config["nlp"]["lang"] = language.lang
    for section, name in _OF_LANGUAGE:
        config[section][name] = defaults[section][name]
    return config


def _use_vectors(config: Config, vectors: str, name: str) -> None:
    embeds = [block for block in _blocks(config["components"]) if "include_static_vectors" in block]
    if not embeds:
        raise ValueError(Errors.RNN304.format(config=name))
    for block in embeds:
        block["include_static_vectors"] = True
    config["paths"]["vectors"] = vectors


def _use_gpu(config: Config) -> None:
    """Turn on what makes sense on a GPU.

    CuPy and PyTorch share PyTorch's memory pool: with a pool each, neither can use what the other
    has freed.
    """
    config["system"]["gpu_allocator"] = "pytorch"
    for block in _blocks(config["components"]):
        # A transformer has a setting of that name too, which means float16.
        ours = block.get("@architectures", "").startswith("spacy_rnn_tagger.")
        if ours and "mixed_precision" in block:
            block["mixed_precision"] = True


def _blocks(section: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """List a section and all sections below it."""
    yield section
    for value in section.values():
        if isinstance(value, dict):
            yield from _blocks(value)
