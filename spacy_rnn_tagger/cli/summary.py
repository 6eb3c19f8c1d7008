"""`spacy rnn summary`: list the layers of a pipeline, their output shapes and parameters."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import spacy
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.initialize import load_vectors_into_model
from spacy.util import load_config, load_model_from_config
from thinc.model import Model

from ..errors import loading
from ..models.summary import rows
from ..pipeline.rnn_ner import RNNEntityRecognizer
from . import app
from .failures import failures

_WORDS = ["Red", "Fort", "is", "in", "Delhi", "."]


@app.command("summary")
def summary_cli(
    source: str = typer.Argument(
        ..., help="Config file (.cfg), or folder or package name of a pipeline"
    ),
    labels: str = typer.Option(
        "FAC,GPE",
        "--labels",
        help="Labels for a config, besides those that it names, separated by commas",
    ),
) -> None:
    """Print the layers of each trainable component, with output shapes and parameter counts.

    For a component rnn_ner, the labels follow, with those that it does not write listed apart.
    """
    with failures("No summary"), loading(source):
        nlp = load(source, [label.strip() for label in labels.split(",") if label.strip()])
    console = Console()
    for name, component in nlp.pipeline:
        if isinstance(getattr(component, "model", None), Model):
            console.print(_table(name, component))


def load(source: str, labels: list[str]) -> Language:
    """Load a pipeline, or build the untrained one that a config describes.

    Args:
        source: A config file (`.cfg`), or a pipeline: its folder or package name.
        labels: The labels for components built from a config, besides those that it names.

    Returns:
        The pipeline.

    Raises:
        OSError: It can't be read.
        ValueError: It can't be built.
    """
    if not source.endswith(".cfg"):
        return spacy.load(source)
    # The network can be built without the corpus and other paths. It needs the vectors, because
    # their width is the width of a layer.
    config = load_config(Path(source), interpolate=False)
    vectors = config.interpolate().get("initialize", {}).get("vectors")
    config["initialize"] = {}
    nlp = load_model_from_config(config, auto_fill=True)
    if vectors is not None:
        load_vectors_into_model(nlp, vectors)
    doc = Doc(nlp.vocab, words=_WORDS, tags=["NN"] * len(_WORDS), sent_starts=[True] + [False] * 5)
    doc.cats = {"POSITIVE": 1.0, "NEGATIVE": 0.0}
    example = Example(Doc(nlp.vocab, words=_WORDS), doc)
    for _, component in nlp.pipeline:
        if isinstance(component, RNNEntityRecognizer):
            component.initialize(
                lambda: [example], nlp=nlp, labels=[*labels, *_named_labels(component)]
            )
        elif hasattr(component, "initialize"):
            # A component whose own files are missing, such as a transformer's word pieces, stays as
            # it was built. The layers that are known are listed all the same.
            with suppress(ValueError):
                component.initialize(lambda: [example], nlp=nlp)
    return nlp


def _named_labels(component: RNNEntityRecognizer) -> list[str]:
    """List the labels that a component's settings name, which training must have, too."""
    named = component.threshold if isinstance(component.threshold, dict) else ()
    return [*named, *(component.output_labels or ())]


def _table(name: str, component: Any) -> Table:
    table = Table(title=f"{name} ({type(component).__name__})", show_footer=True)
    found = list(rows(component.model))
    table.add_column("layer", "total")
    table.add_column("output shape", "")
    table.add_column("parameters", f"{sum(row.parameters for row in found):,}", justify="right")
    for row in found:
        table.add_row(row.layer, row.shape, f"{row.parameters:,}")
    if isinstance(component, RNNEntityRecognizer):
        table.caption = _labels(component)
        table.caption_justify = "left"
    return table


def _labels(component: RNNEntityRecognizer) -> Text:
    """Describe the labels of a component, as text in which brackets are no markup."""
    written = component.written_labels
    silent = [label for label in component.tags.labels if label not in written]
    lines = [f"labels: {', '.join(written) or 'none'}"]
    if silent:
        lines.append(f"learned and not written: {', '.join(silent)}")
    return Text("\n".join(lines))
