"""What a command does about an error in its use: one message, and 1 as the exit status."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import typer

from ..errors import described

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
    "spacy_curated_transformers": "transformer",
    "transformers": "transformer",
}


@contextmanager
def failures(title: str) -> Iterator[None]:
    """Turn wrong use into a message on standard error, and end the command with 1.

    For an error that wraps a missing package, the message names the package and how to install it.
    Errors that no use of ours explains stay as they are.

    Args:
        title: What did not happen, for the message.

    Yields:
        Once, for the command to do its work.

    Raises:
        SystemExit: Something was wrong.
    """
    try:
        yield
    except BrokenPipeError:  # whoever read our output is gone
        raise
    except Exception as error:
        package = _missing_package(error)
        if package is not None:
            message = f"The package {package} is not installed: pip install {_source(package)}"
        elif isinstance(error, MemoryError):
            message = described(error)
        elif isinstance(error, (ImportError, OSError, RuntimeError, ValueError)):
            message = str(error) or described(error)
        else:
            raise
        typer.secho(f"✘ {title}", fg="red", err=True)
        # Not through wasabi, which fills lines anew: each problem has its own.
        typer.echo(message, err=True)
        sys.exit(1)


@contextmanager
def loading(source: str) -> Iterator[None]:
    """Turn whatever a damaged pipeline or config causes into one error that names it.

    Args:
        source: The folder, package or file.

    Yields:
        Once, for the pipeline to be loaded.

    Raises:
        ValueError: It is damaged, or spaCy refuses it.
        ImportError: It needs a package that is not installed.
        OSError: It can't be read.
    """
    try:
        yield
    except (ImportError, MemoryError, OSError):
        raise
    except Exception as error:  # readers of config, JSON, msgpack and arrays raise their own
        reason = str(error).strip() if isinstance(error, ValueError) else described(error)
        raise ValueError(f"{source} can't be loaded: {reason}") from error


def _missing_package(error: BaseException | None) -> str | None:
    """Find the package that an error, or one that it wraps, did not find."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            package = error.name.partition(".")[0]
            if not _is_installed(package):
                return package
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def _is_installed(package: str) -> bool:
    """Distinguish a missing package from one that lacks a module, as spaCy lacks a language."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _source(package: str) -> str:
    return f"'spacy-rnn-tagger[{_EXTRAS[package]}]'" if package in _EXTRAS else package
