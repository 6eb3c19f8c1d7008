"""`spacy rnn distill`: a fast pipeline from what a slow one finds."""

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


@app.command("distill")
def distill_cli(
    teacher: str = typer.Argument(
        ...,
        help="A pipeline: its folder or its package's name. Several, with commas between them, if "
        "each is a rnn_ner. Or annotated data, if TEXTS is -",
    ),
    texts: str = typer.Argument(
        ...,
        help=f"Texts in files that end in {known_suffixes(Role.TEXTS)}; .txt has a record a line. "
        "A file, a folder or a glob, as a path or a URL. - if the teacher is annotated data",
    ),
    output: Path = typer.Argument(..., help="Folder for all that is made"),
    component: str = typer.Option(
        None,
        "--component",
        help="The component that teaches, without those that it doesn't need; the whole pipeline "
        "if not given",
    ),
    spans_key: str = typer.Option(
        None, "--spans-key", help="The span group that holds the entities, instead of doc.ents"
    ),
    trust: str = typer.Option(
        None, "--trust", help="Labels that are believed, with commas between them; all by default"
    ),
    min_confidence: float = typer.Option(
        0.0, "--min-confidence", help="Learn nothing from entities with a lower confidence"
    ),
    soft: bool = typer.Option(
        None,
        "--soft/--hard",
        help="Learn the posteriors of a rnn_ner, or its best analyses; posteriors if possible",
    ),
    gold: str = typer.Option(
        None,
        "--gold",
        help="Annotated data to learn from as well: a file, a folder, or a .cfg file with "
        "sections [corpora] and [corpora.NAME], as those of MixedCorpus.v1",
    ),
    n_docs: int = typer.Option(None, "--n-docs", help="How many texts to annotate; all by default"),
    rounds: int = typer.Option(
        1,
        "--rounds",
        help="Annotate in rounds; from the second on, what the student is least sure of",
    ),
    near_duplicates: bool = NEAR_DUPLICATES,
    config: str = typer.Option("rnn_ner", "--config", help="The shipped config to begin with"),
    width: int = typer.Option(
        None, "--width", help="Units of the student's LSTM in each direction"
    ),
    vectors: str = typer.Option(
        None, "--vectors", help="Word vectors for the student: a pipeline's folder or package"
    ),
    steps: int = typer.Option(
        None, "--steps", help="Steps of training, of 1,000 words; by the size of the data"
    ),
    replace: str = typer.Option(
        None, "--replace", help="Write the teacher's pipeline with this component replaced"
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
        help="Docs in a batch of the teacher; its own setting if not given",
    ),
    shard_size: int = typer.Option(
        500, "--shard-size", help="Texts annotated and written together"
    ),
    code: Path = CODE,
    gpu_id: int = GPU,
    seed: int = typer.Option(0, "--seed", help="Of the order of texts and the student's weights"),
) -> None:
    """Train a rnn_ner on what a pipeline finds in raw text, and measure what was lost.

    A second run with the same settings continues where the first one was stopped; no text is
    annotated twice. The folder OUTPUT then holds the student in training/model-best, a config that
    repeats the training, and a report.
    """
    with failures("Not distilled"):
        found = distill(
            [name.strip() for name in teacher.split(",")],
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
    print(found["summary"])
    msg.good(f"Student in {output / 'training' / 'model-best'}, report in {output / 'report.html'}")
