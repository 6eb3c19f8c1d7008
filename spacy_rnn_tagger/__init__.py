"""Recurrent named-entity recognition for spaCy.

The component `rnn_ner`, its architectures and the commands `spacy rnn ...` register themselves
through entry points, so using them needs no import. The names below are the public API; every other
module is private and may change.

What the commands do, under the same names:

- `annotate`: tag a whole corpus in shards, resumably.
- `audit`: rank annotation by how improbable it is, to find what is wrong.
- `calibrate`: fit confidences, and thresholds by precision, on held-out data.
- `convert`: convert annotated text to spaCy's binary format.
- `distill`: train an `rnn_ner` on what another pipeline finds in raw text.
- `export`: write a pipeline that runs without torch.
- `init_config`: create a config for `spacy train` with the tuned settings.
- `init_vectors`: create a table of word vectors from a package or file, for `spacy train`.
- `report`: measure a pipeline on annotated data, and write a page about it.
- `select`: choose the texts that a pipeline can learn most from, to annotate next.

The component and what it finds:

- `RNNEntityRecognizer`: the class of the component `rnn_ner`.
- `Analysis`: one way to read a doc and its probability, as `RNNEntityRecognizer.n_best` returns it.
- `confidence`: the confidence of an entity.
- `set_span_extension`: make confidences available as `ent._.confidence`.

The process:

- `tune_process`: set the process's memory up for tagging and training; the commands call it.
- `__version__`: the version of the installed package.

Importing the package changes nothing in the process, and loads neither spaCy nor torch: a name is
imported from its module when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Not deferred: it notes in which process the package was imported, so as to recognise its forks.
from .runtime import tune_process

if TYPE_CHECKING:
    from .bulk.annotating import annotate
    from .distillation.distilling import distill
    from .evaluation.calibrating import calibrate
    from .evaluation.reporting import report
    from .onnx.exporting import export
    from .pipeline.rnn_ner import RNNEntityRecognizer
    from .pipeline.span_groups import confidence, set_span_extension
    from .review.auditing import audit
    from .review.selecting import select
    from .training.configs import init_config
    from .training.converting import convert
    from .training.vectors import init_vectors
    from .types import Analysis

    __version__: str

__all__ = [
    "Analysis",
    "RNNEntityRecognizer",
    "__version__",
    "annotate",
    "audit",
    "calibrate",
    "confidence",
    "convert",
    "distill",
    "export",
    "init_config",
    "init_vectors",
    "report",
    "select",
    "set_span_extension",
    "tune_process",
]

# The modules of the deferred names, as the imports for type checkers above have them.
_MODULES = {
    "Analysis": "types",
    "RNNEntityRecognizer": "pipeline.rnn_ner",
    "annotate": "bulk.annotating",
    "audit": "review.auditing",
    "calibrate": "evaluation.calibrating",
    "confidence": "pipeline.span_groups",
    "convert": "training.converting",
    "distill": "distillation.distilling",
    "export": "onnx.exporting",
    "init_config": "training.configs",
    "init_vectors": "training.vectors",
    "report": "evaluation.reporting",
    "select": "review.selecting",
    "set_span_extension": "pipeline.span_groups",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("spacy-rnn-tagger")
    elif name in _MODULES:
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
