"""The folder of a pipeline: loading it, and writing it as a whole."""

import json
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.util import import_file

from ..errors import Errors, described, loading
from ..io import check_folder, folder_whole

_META = "meta.json"
# What the folder of a pipeline holds besides its components.
_PARTS = {_META, "config.cfg", "tokenizer", "vocab"}
_NAMED_BY = ("pipeline", "components", "disabled")  # the keys of its meta data that name them


def run_code(path: str | Path) -> None:
    """Run a Python file with functions that a pipeline needs.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It can't be run.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(Errors.RNN223.format(path=path))
    try:
        import_file("python_code", path)
    except Exception as error:
        raise ValueError(Errors.RNN207.format(path=path, reason=described(error))) from error


def load_pipeline(source: str | Path) -> Language:
    """Load a pipeline, and report any damage in a single error that names it.

    Args:
        source: Its folder or package name.

    Returns:
        The pipeline.

    Raises:
        ImportError: It needs a package that is not installed.
        OSError: It can't be read.
        ValueError: It is damaged, or spaCy refuses it.
    """
    with loading(str(source)):
        return spacy.load(source)


def check_output(output: Path) -> None:
    """Check whether a pipeline can be written to a folder; call this before long work.

    Args:
        output: A folder that does not exist, is empty, or contains a pipeline and nothing else.

    Raises:
        OSError: It is a file or inside one, or can't be read.
        ValueError: It contains something else, which writing a pipeline would remove.
    """
    check_folder(output)
    if not output.exists():
        return
    found = {path.name for path in output.iterdir()}
    if found and _META not in found:
        raise ValueError(Errors.RNN208.format(output=output, names=_some(found)))
    foreign = found - _PARTS - _components(output / _META) if found else set()
    if foreign:
        raise ValueError(Errors.RNN208.format(output=output, names=_some(foreign)))


def write_pipeline(nlp: Language, output: Path) -> None:
    """Write a pipeline completely or not at all, replacing a pipeline that is there.

    Args:
        nlp: The pipeline.
        output: Its folder, which `check_output` must accept.

    Raises:
        OSError: It can't be written.
        ValueError: The folder holds something else.
    """
    check_output(output)
    with folder_whole(output) as folder:
        nlp.to_disk(folder)


def _components(meta: Path) -> set[str]:
    """Read the names of a pipeline's components; none from a damaged file."""
    try:
        content = json.loads(meta.read_text(encoding="utf-8"))
        return {name for key in _NAMED_BY for name in content.get(key, ())}
    except (OSError, ValueError, TypeError, AttributeError):
        return set()


def _some(names: set[str], most: int = 5) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(sorted(names)[:most]) + more
