"""How a command tells what went wrong in its use."""

from collections.abc import Iterator
from contextlib import contextmanager

from wasabi import msg

from ..corpus import AnnotationError

# The extra that brings a package.
_EXTRAS = {
    "scipy": "evaluation",
    "matplotlib": "evaluation",
    "jinja2": "evaluation",
    "ijson": "vectors",
    "pyarrow": "parquet",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "ray": "ray",
}


@contextmanager
def failures(title: str) -> Iterator[None]:
    """Tell wrong use in a message, and end the command with 1."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        needed = f"pip install 'spacy-rnn-tagger[{_EXTRAS[error.name]}]'"
        msg.fail(title, f"The package {error.name} is not installed: {needed}", exits=1)
    except (AnnotationError, OSError, RuntimeError, ValueError) as error:
        msg.fail(title, str(error), exits=1)
