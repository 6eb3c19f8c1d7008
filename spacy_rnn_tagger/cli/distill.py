"""`spacy rnn distill`: train a fast pipeline on the output of a slow one."""

import os
from pathlib import Path

import typer
from wasabi import msg

from ..distillation.distilling import distill
from ..formats.base import Role
from ..formats.registry import known_suffixes
from . import app
from .evaluating import CODE, GPU, warn
from .failures import failures
from .reading import (
    ENGINE,
    N_PROCESS,
    NEAR_DUPLICATES,
    TEXT_COLUMN,
    WHOLE_FILES,
)

_NONE = "-"


def _teachers(teacher: str, texts: str) -> list[str]:
    """Split the names of pipelines, but no path: it may have commas too."""
    # `Path.exists` raises OSError if many names together are too long for a path.
    if texts == _NONE or os.path.exists(teacher):  # noqa: PTH110
        return [teacher]
    return [name.strip() for name in teacher.split(",")]


@app.command("distill")
def distill_cli(
    teacher: str = typer.Argument(
        ...,
        help="Folder or package name of a pipeline, or several, separated by commas, if each has a "
        "rnn_ner; or annotated data, if TEXTS is -",
    ),
    texts: str = typer.Argument(
        ...,
        help="Texts: a file, a folder or a glob, as a path or a URL. File names end in "
        f"{known_suffixes(Role.TEXTS)}; a .txt file has one record per line. - if the teacher is "
        "annotated data",
    ),
    output: Path = typer.Argument(
        ..., help="Folder for the student and everything else that is made"
    ),
    component: str = typer.Option(
        None,
        "--component",
        help="Component that teaches, run only with the components that it needs; the whole "
        "pipeline if not given",
    ),
    spans_key: str = typer.Option(
        None, "--spans-key", help="Span group with the entities, instead of doc.ents"
    ),
    trust: str = typer.Option(
        None, "--trust", help="Labels to learn from, separated by commas; all if not given"
    ),
    min_confidence: float = typer.Option(
        0.0, "--min-confidence", help="Learn nothing from entities with less confidence"
    ),
    soft: bool = typer.Option(
        None,
        "--soft/--hard",
        help="Learn the posteriors of an rnn_ner, or its best analyses; posteriors where possible "
        "if not given",
    ),
    gold: str = typer.Option(
        None,
        "--gold",
        help="Annotated data to learn from as well: a file, a folder, or a .cfg file with the "
        "sections [corpora] and [corpora.NAME] of MixedCorpus.v1",
    ),
    n_docs: int = typer.Option(
        None, "--n-docs", help="Number of texts to annotate; all if not given"
    ),
    rounds: int = typer.Option(
        1,
        "--rounds",
        help="Number of rounds of annotation; from the second round on, the texts that the student "
        "is least sure of",
    ),
    near_duplicates: bool = NEAR_DUPLICATES,
    config: str = typer.Option("rnn_ner", "--config", help="Shipped config to start from"),
    width: int = typer.Option(
        None,
        "--width",
        help="Units of the student's LSTM per direction; from the config if not given",
    ),
    vectors: str = typer.Option(
        None, "--vectors", help="Word vectors for the student: folder or package name of a pipeline"
    ),
    steps: int = typer.Option(
        None,
        "--steps",
        help="Training steps of 1,000 words; from the size of the data if not given",
    ),
    replace: str = typer.Option(
        None, "--replace", help="Also write the teacher's pipeline with this component replaced"
    ),
    lang: str = typer.Option("en", "--lang", "-l", help="Language of annotated data"),
    text_column: str = TEXT_COLUMN,
    whole_files: bool = WHOLE_FILES,
    engine: str = ENGINE,
    n_process: int = N_PROCESS,
    batch_size: int = typer.Option(
        None,
        "--batch-size",
        "-b",
        help="Docs per batch of the teacher; its own setting if not given",
    ),
    shard_size: int = typer.Option(
        500, "--shard-size", help="Texts to annotate and write together"
    ),
    code: Path = CODE,
    gpu_id: int = GPU,
    seed: int = typer.Option(
        0, "--seed", help="Random seed for the order of texts and the student's weights"
    ),
) -> None:
    """Train an rnn_ner on what a pipeline finds in raw text, and measure how well it agrees.

    An interrupted run is resumed by running the same command again; no text is annotated twice. The
    folder OUTPUT then contains the student in training/model-best, a config that repeats the
    training, and a report.
    """
    with failures("Not distilled", extra="distill"):
        found = distill(
            _teachers(teacher, texts),
            None if texts == _NONE else texts,
            output,
            component=component,
            spans_key=spans_key,
            trust=None if trust is None else [label.strip() for label in trust.split(",")],
            min_confidence=min_confidence,
            soft=soft,
            gold=gold,
            n_docs=n_docs,
            rounds=rounds,
            near_duplicates=near_duplicates,
            config=config,
            hidden_width=width,
            vectors=vectors,
            steps=steps,
            replace=replace,
            lang=lang,
            text_column=text_column,
            whole_files=whole_files,
            engine=engine,
            n_process=n_process,
            batch_size=batch_size,
            shard_size=shard_size,
            code=code,
            gpu_id=gpu_id,
            seed=seed,
            progress=True,
            notify=warn,
        )
    print(*found["summary"])
    msg.good(f"Student in {output / 'training' / 'model-best'}, report in {output / 'report.html'}")
