"""How the component is saved and loaded, and how files that don't fit are reported."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import srsly
from spacy.pipeline import TrainablePipe
from spacy.util import to_bytes

from ..errors import Errors
from .settings import Settings

if TYPE_CHECKING:
    from typing_extensions import Self  # in `typing` since Python 3.11

# The attributes of a model's nodes that its weights depend on.
_STRUCTURE = ("cell", "depth", "bidirectional", "decoder", "attr", "attrs")


def _setting(name: str, doc: str) -> Any:
    """Make an attribute of a setting, which is checked like an entry of `cfg`."""

    def get(pipe: "ConfiguredPipe") -> Any:
        return pipe.cfg[name]

    def set_(pipe: "ConfiguredPipe", value: Any) -> None:
        pipe.cfg[name] = value

    return property(get, set_, doc=doc)


class ConfiguredPipe(TrainablePipe):
    """A trainable pipe whose settings are checked whenever they are set, and saved with it."""

    @property
    def cfg(self) -> Settings:
        """The settings, and the labels of the network; what the file `cfg` holds.

        Raises:
            ValueError: A value is out of range, or a name looks like a misspelled setting.
        """
        # spaCy's own methods read the field behind this, without asking.
        settings: Settings = TrainablePipe.cfg.__get__(self)
        return settings

    @cfg.setter
    def cfg(self, values: Mapping[str, Any]) -> None:
        before: Settings | None = TrainablePipe.cfg.__get__(self)
        settings = Settings(values) if before is None else before.replaced(values)
        TrainablePipe.cfg.__set__(self, settings)

    threshold = _setting("threshold", "The minimum confidence of entities in `doc.ents`.")
    candidates = _setting(
        "candidates", "The minimum confidence of further spans in the group; None for none."
    )
    temperature = _setting("temperature", "The divisor of scores before they become probabilities.")
    spans_key = _setting("spans_key", "The group for entities with confidences; None for none.")
    output_labels = _setting("output_labels", "The labels to write; None for all.")
    incorrect_spans_key = _setting(
        "incorrect_spans_key", "The group of spans known to be incorrect, for training."
    )

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Serialise the component."""
        exclude = tuple(exclude)
        self.cfg.check()
        parts = {
            "cfg": lambda: json.dumps(self.cfg).encode(),
            "vocab": lambda: self.vocab.to_bytes(exclude=exclude),
            "model": self.model.to_bytes,
        }
        data: bytes = to_bytes(parts, exclude)
        return data

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Write the component to a folder."""
        exclude = tuple(exclude)
        self.cfg.check()
        super().to_disk(path, exclude=(*exclude, "cfg"))
        if "cfg" not in exclude:  # spaCy writes nine digits of a number, and reads others
            (Path(path) / "cfg").write_text(json.dumps(self.cfg), encoding="utf-8")

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "Self":
        """Load the component.

        Raises:
            ValueError: The data is damaged or was saved with other settings.
        """
        exclude = tuple(exclude)
        with checked_loading(self, "the given bytes"):
            saved = srsly.msgpack_loads(bytes_data)
            if "cfg" in saved and "cfg" not in exclude:
                self.cfg.load(json.loads(saved["cfg"]))
            super().from_bytes(bytes_data, exclude=(*exclude, "cfg"))
        self._loaded()
        return self

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "Self":
        """Load the component from its folder.

        Raises:
            FileNotFoundError: A file is missing.
            ValueError: A file is damaged or was saved with other settings.
        """
        exclude = tuple(exclude)
        check_files(self, Path(path), {"cfg", "model"}.difference(exclude))
        with checked_loading(self, str(path)):
            if "cfg" not in exclude:
                self.cfg.load(json.loads((Path(path) / "cfg").read_text(encoding="utf-8")))
            super().from_disk(path, exclude=(*exclude, "cfg"))
        self._loaded()
        return self

    def _loaded(self) -> None:
        """Bring what is not saved in line with what was loaded."""

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        own_weights(self)


def check_files(pipe: TrainablePipe, folder: Path, required: set[str]) -> None:
    """Raise FileNotFoundError unless the files exist."""
    for file in sorted(required):
        if not (folder / file).is_file():
            raise FileNotFoundError(Errors.RNN016.format(name=pipe.name, file=file, folder=folder))


@contextmanager
def checked_loading(pipe: TrainablePipe, source: str) -> Iterator[None]:
    """Report any damage, and any file of another component, in a single error.

    Raises:
        ValueError: The data is damaged or was saved with other settings.
    """
    before = _settings(pipe)
    try:
        yield
        after = _settings(pipe)
        differing = [name for name in before if before[name] != after.get(name)]
        if differing:
            name = differing[0]
            raise ValueError(
                Errors.RNN018.format(setting=name, current=before[name], saved=after.get(name))
            )
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(
            Errors.RNN017.format(name=pipe.name, source=source, reason=error)
        ) from error


def own_weights(pipe: TrainablePipe) -> None:
    """Copy weights that are in read-only memory, such as a store shared between processes."""
    for node in pipe.model.walk():
        for name in node.param_names:
            if node.has_param(name):
                array = node.get_param(name)
                if isinstance(array, np.ndarray) and not array.flags.writeable:
                    node.set_param(name, array.copy())


def _settings(pipe: TrainablePipe) -> dict[str, Any]:
    settings = {"scheme": pipe.cfg["scheme"]}
    for node in pipe.model.walk():
        for key in _STRUCTURE:
            if key in node.attrs:
                settings[f"{key} of {node.name}"] = node.attrs[key]
    return settings
