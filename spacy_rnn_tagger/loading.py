"""What goes wrong in loading a component, told in one error."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from spacy.pipeline import TrainablePipe

# Of a model's nodes, the attributes that its weights depend on.
_SETTINGS = ("cell", "depth", "bidirectional", "decoder", "attr", "attrs")


def check_files(pipe: TrainablePipe, folder: Path, required: set[str]) -> None:
    """Raise FileNotFoundError unless the files are there."""
    for file in sorted(required):
        if not (folder / file).is_file():
            raise FileNotFoundError(
                f"Component '{pipe.name}': no file '{file}' in {folder}. The folder must be one "
                "that to_disk wrote."
            )


@contextmanager
def checked_loading(pipe: TrainablePipe, source: str) -> Iterator[None]:
    """Turn whatever a damaged or foreign file causes into one error that says what is wrong.

    RAISES ValueError: the data is damaged or was saved with other settings.
    """
    before = _settings(pipe)
    try:
        yield
        after = _settings(pipe)
        differing = [name for name in before if before[name] != after.get(name)]
        if differing:
            name = differing[0]
            raise ValueError(f"{name} is {before[name]!r} here but {after.get(name)!r} there")
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(
            f"Component '{pipe.name}': can't load {source}. It is damaged, or was saved with "
            f"other settings than this pipeline's config has: {error}"
        ) from error


def own_weights(pipe: TrainablePipe) -> None:
    """Copy weights that lie in memory which can't be written, such as a store between processes."""
    for node in pipe.model.walk():
        for name in node.param_names:
            if node.has_param(name):
                array = node.get_param(name)
                if isinstance(array, np.ndarray) and not array.flags.writeable:
                    node.set_param(name, array.copy())


def _settings(pipe: TrainablePipe) -> dict[str, Any]:
    settings = {"scheme": pipe.cfg["scheme"]}
    for node in pipe.model.walk():
        for key in _SETTINGS:
            if key in node.attrs:
                settings[f"{key} of {node.name}"] = node.attrs[key]
    return settings
