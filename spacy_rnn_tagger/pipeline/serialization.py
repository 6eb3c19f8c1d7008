"""How the component is saved and loaded, and how files that don't fit are reported."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import srsly
from spacy.pipeline import TrainablePipe
from spacy.util import to_bytes
from thinc.model import Model
from thinc.shims import Shim

from ..errors import Errors
from .settings import Settings

if TYPE_CHECKING:
    from typing_extensions import Self  # in `typing` since Python 3.11

# The attributes of a model's nodes that its weights depend on.
_STRUCTURE = ("cell", "depth", "bidirectional", "decoder", "attr", "attrs")
# What loading changes in a node, apart from its weights and shims. Thinc has no method that takes
# back a parameter or a reference which the data of another model has added.
_FIELDS = ("name", "_dims", "_refs", "_attrs", "_layers", "_has_params")


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
        """Load the component, whatever labels it had.

        Raises:
            ValueError: The data is damaged or was saved with other settings. The component stays as
                it was.
        """
        exclude = tuple(exclude)
        before = tuple(self.cfg["labels"])
        with undone_on_failure(self), checked_loading(self, "the given bytes"):
            saved = srsly.msgpack_loads(bytes_data)
            parts = {name: part for name, part in saved.items() if name not in exclude}
            if "cfg" in parts:
                self.cfg.load(json.loads(parts["cfg"]))
            self._fit_labels()
            if "model" in parts:
                self.model.from_bytes(parts["model"])
            if "vocab" in parts:  # last, because it is not only ours, and is not put back
                self.vocab.from_bytes(parts["vocab"], exclude=exclude)
        self._loaded(before)
        return self

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "Self":
        """Load the component from its folder, whatever labels it had.

        Raises:
            FileNotFoundError: A file is missing. The component stays as it was.
            ValueError: A file is damaged or was saved with other settings. The component stays as
                it was.
        """
        exclude, folder = tuple(exclude), Path(path)
        check_files(self, folder, {"cfg", "model"}.difference(exclude))
        before = tuple(self.cfg["labels"])
        with undone_on_failure(self), checked_loading(self, str(path)):
            if "cfg" not in exclude:
                self.cfg.load(json.loads((folder / "cfg").read_text(encoding="utf-8")))
            self._fit_labels()
            if "model" not in exclude:
                self.model.from_bytes((folder / "model").read_bytes())
            if "vocab" not in exclude:  # last, because it is not only ours, and is not put back
                self.vocab.from_disk(folder / "vocab", exclude=exclude)
        self._loaded(before)
        return self

    def _fit_labels(self) -> None:
        """Prepare for the weights of the labels that were loaded."""

    def _loaded(self, before: tuple[str, ...]) -> None:
        """Bring what is not saved in line with what was loaded.

        Args:
            before: The labels that the network had before.
        """

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        own_weights(self)


def check_files(pipe: TrainablePipe, folder: Path, required: set[str]) -> None:
    """Raise FileNotFoundError unless the files exist."""
    for file in sorted(required):
        if not (folder / file).is_file():
            raise FileNotFoundError(Errors.RNN016.format(name=pipe.name, file=file, folder=folder))


@contextmanager
def undone_on_failure(pipe: ConfiguredPipe) -> Iterator[None]:
    """Put the component back as it was if loading it fails: settings, labels and weights."""
    settings = dict(pipe.cfg)
    nodes = list(pipe.model.walk())
    # The copy of a transformer takes time and memory, and a new pipeline has learned nothing yet.
    learned = any(node.has_param(name) for node in nodes for name in node.param_names)
    restorers = [_restorer(node, node.shims if learned else []) for node in nodes]
    try:
        yield
    except BaseException:
        dict.clear(pipe.cfg)
        dict.update(pipe.cfg, settings)
        for restore in restorers:
            restore()
        raise


def _restorer(node: Model[Any, Any], shims: Iterable[Shim]) -> Callable[[], None]:
    """Note the state of a node. Loading replaces arrays, so none is copied; shims are.

    Args:
        node: The node.
        shims: Those of its shims whose state matters.

    Returns:
        A function that puts the state back.
    """
    fields = {name: copy(getattr(node, name)) for name in _FIELDS}
    weights = {name: node.get_param(name) for name in node.param_names if node.has_param(name)}
    states = [(shim, shim.to_bytes()) for shim in shims]

    def restore() -> None:
        for name, value in fields.items():
            setattr(node, name, value)
        for name, array in weights.items():
            node.set_param(name, array)
        for shim, data in states:
            shim.from_bytes(data)

    return restore


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
    settings: dict[str, Any] = {}
    for node in pipe.model.walk():
        for key in _STRUCTURE:
            if key in node.attrs:
                settings[f"{key} of {node.name}"] = node.attrs[key]
    return settings
