"""How commands report an error in their use: one message, and exit status 1."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import typer

from ..errors import Errors, described

# The extra that brings a package.
_EXTRAS = {
    "scipy": "evaluation",
    "matplotlib": "evaluation",
    "jinja2": "evaluation",
    "datasketch": "distill",
    "ijson": "vectors-npm",
    "pyarrow": "parquet",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "ray": "ray",
    "spacy_curated_transformers": "transformer",
    "transformers": "transformer",
}


@contextmanager
def failures(title: str, extra: str | None = None) -> Iterator[None]:
    """Report wrong use in a message on standard error, and exit with status 1.

    If a package is missing, or the error wraps one about a missing package, the message tells how
    to install it. Errors that can't be due to wrong use are left as they are.

    Args:
        title: What did not happen; the first line of the message.
        extra: The extra that has all packages of the command; by default, the message names the
            extra that has the missing package.

    Yields:
        Once, for the command to do its work.

    Raises:
        SystemExit: The command was used wrongly.
    """
    try:
        yield
    except BrokenPipeError:  # the reader of our output has closed it
        raise
    except Exception as error:
        package = _missing_package(error)
        if package is not None:
            message = Errors.RNN222.format(package=package, source=_source(package, extra))
        elif isinstance(error, MemoryError):
            message = described(error)
        elif isinstance(error, (ImportError, OSError, RuntimeError, ValueError)):
            message = str(error) or described(error)
        else:
            raise
        typer.secho(f"✘ {title}", fg="red", err=True)
        # Not through wasabi, which rewraps lines: each problem has a line of its own.
        typer.echo(message, err=True)
        sys.exit(1)


def _missing_package(error: BaseException | None) -> str | None:
    """Return the name of the missing package that an error, or one that it wraps, is about."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            package = error.name.partition(".")[0]
            if not _is_installed(package):
                return package
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def _is_installed(package: str) -> bool:
    """Distinguish a missing package from a missing module in it, such as a language in spaCy."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _source(package: str, extra: str | None) -> str:
    """Say what to install. A teacher, for example, may need a package that no extra has."""
    if package not in _EXTRAS:
        return package
    return f"'spacy-rnn-tagger[{extra or _EXTRAS[package]}]'"
