"""`spacy rnn init-config`: write a shipped config for a language, word vectors and a device."""

from pathlib import Path

import typer
from spacy.util import is_package
from thinc.api import Config
from wasabi import msg

from ..errors import Errors
from ..io import check_file, write_whole
from ..training.configs import DEFAULT, init_config
from . import app
from .evaluating import warn
from .failures import failures

_STDOUT = "-"


@app.command("init-config")
def init_config_cli(
    output: Path = typer.Argument(
        ..., help="Config file to write, or - for standard output", allow_dash=True
    ),
    config: str = typer.Option(
        DEFAULT,
        "--config",
        "-c",
        help="Shipped config to write: rnn_ner, rnn_ner_vectors, rnn_ner_trf, places, rnn_pos, "
        "rnn_sentiment or tutorial",
    ),
    lang: str = typer.Option("en", "--lang", "-l", help="Language of the pipeline"),
    vectors: str = typer.Option(
        None, "--vectors", help="Word vectors to use: folder or package name of a pipeline"
    ),
    gpu: bool = typer.Option(False, "--gpu", "-G", help="Train on a GPU"),
    force: bool = typer.Option(False, "--force", "-F", help="Overwrite the output file"),
) -> None:
    """Write a complete config for `spacy train`, with tuned settings.

    `spacy init config --pipeline rnn_ner` also writes a config, but with spaCy's own batches,
    optimizer and number of steps, which are not tuned for this network.
    """
    with failures("No config was written"):
        if str(output) != _STDOUT:
            check_file(output)
            if output.exists() and not force:
                raise FileExistsError(Errors.RNN212.format(path=output))
        created = init_config(config, lang=lang, vectors=vectors, gpu=gpu)
        text = created.to_str(interpolate=False)
        if str(output) == _STDOUT:
            typer.echo(text)
            return
        write_whole(output, text.encode("utf-8"))
    msg.good(f"{output} is ready. Train with your data:")
    device = " --gpu-id 0" if gpu else ""
    typer.echo(
        f"python -m spacy train {output} --paths.train train.spacy --paths.dev dev.spacy "
        f"--output training{device}"
    )
    missing = [path for path in _name_lists(created) if not Path(path).exists()]
    if missing:
        warn(
            f"[corpora.train.augmenter] reads {', '.join(missing)}. Write these files, one name "
            "per line, or replace the block with augmenter = null in [corpora.train]."
        )
    own_vectors = created["paths"]["vectors"]
    if own_vectors and not Path(own_vectors).exists() and not is_package(own_vectors):
        warn(
            f"[paths] reads word vectors from {own_vectors}, which is neither a folder here nor an "
            "installed package. `python -m spacy rnn vectors` writes such a folder, and "
            "--paths.vectors names another one in training."
        )


def _name_lists(config: Config) -> list[str]:
    """List the files of names that `entity_swap` reads; the package does not ship them."""
    augmenter = config["corpora"]["train"].get("augmenter") or {}
    return list(augmenter.get("names", {}).values())
