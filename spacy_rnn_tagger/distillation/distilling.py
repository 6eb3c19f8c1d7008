"""Distillation: a fast pipeline from what a slow one finds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import as_warning
from ..formats.base import Reading
from .corpora import Belief
from .gold import find_gold
from .settings import Settings
from .steps import Distillation
from .students import Student


def distill(
    teacher: str | Path | Sequence[str | Path],
    texts: str | Path | None,
    output: str | Path,
    *,
    component: str | None = None,
    spans_key: str | None = None,
    trust: Iterable[str] | None = None,
    min_confidence: float = 0.0,
    soft: bool | None = None,
    gold: Mapping[str, Mapping[str, Any]] | str | Path | None = None,
    n_docs: int | None = None,
    rounds: int = 1,
    near_duplicates: bool = True,
    config: str = "rnn_ner",
    hidden_width: int | None = None,
    vectors: str | None = None,
    steps: int | None = None,
    replace: str | None = None,
    lang: str = "en",
    text_column: str = "text",
    whole_files: bool = False,
    engine: str = "local",
    n_process: int = 1,
    batch_size: int | None = None,
    shard_size: int = 500,
    code: str | Path | None = None,
    gpu_id: int = -1,
    seed: int = 0,
    progress: bool = False,
    notify: Callable[[str], None] = as_warning,
) -> dict[str, Any]:
    """Train a `rnn_ner` on what a pipeline finds in raw text, and measure what was lost.

    A second call with the same arguments continues where the first one was stopped: what a teacher
    has annotated is never annotated again.

    The output folder holds:

    - `rounds/`: the texts that were annotated, and what each teacher found in them;
    - `corpus/`: the corpora made of that, to learn from, to choose the best state of the student
      by, and to report on;
    - `config.cfg`: a complete config, which `python -m spacy train` repeats the training with;
    - `training/model-best`: the student;
    - `report.html` and `report.json`: what came of it;
    - `pipeline/`, with `replace`: the teacher's pipeline with the student in it.

    Args:
        teacher: A pipeline's folder or its package's name; several, each with a component `rnn_ner`
            whose posteriors are averaged; or annotated data, as `convert` reads it, or `.spacy`.
        texts: Texts as `annotate` reads them; None if the teacher is annotated data.
        output: The folder to write to.
        component: The component that teaches, run with nothing but what it listens to. By default
            the whole pipeline is run, and `doc.ents` is what it says in the end.
        spans_key: The span group that holds the entities, instead of `doc.ents`. Of overlapping
            spans, the one with the highest score stays, or the longest if there are no scores.
        trust: The labels that are believed; all by default. Nothing is learnt from spans of other
            labels, and a word outside of entities may have one of these.
        min_confidence: Nothing is learnt from entities with a lower confidence.
        soft: Whether the student learns the teacher's posteriors instead of its best analyses. By
            default it does where it can: where the teacher's last component is a `rnn_ner`, all of
            its labels are trusted, and gold has no others.
        gold: Annotated data to learn from beside the teacher: a path, or several corpora with the
            settings of `spacy_rnn_tagger.MixedCorpus.v1`, by name, or a `.cfg` file with these. By
            default it weighs half as much in training as what the teacher found. A tenth is held
            out to choose the student by, and another tenth to compare teacher and student on.
        n_docs: How many texts are annotated; all by default. They are drawn at random.
        rounds: In how many rounds. From the second round on, texts are annotated that the student
            of the rounds before is least sure of.
        near_duplicates: Whether texts that nearly repeat another one are left out, not only those
            that repeat it word by word.
        config: The shipped config that the student begins with; see `init_config`.
        hidden_width: Units of the student's LSTM in each direction, instead of the config's.
        vectors: The folder or package of a pipeline whose word vectors the student reads.
        steps: Steps of training, of 1,000 words each; by default by the number of words.
        replace: The teacher's component to replace in its pipeline.
        lang: The language of annotated data; that of a teacher is the teacher's.
        text_column: As in `annotate`.
        whole_files: As in `annotate`.
        engine: As in `annotate`.
        n_process: As in `annotate`.
        batch_size: Docs in a batch of the teacher; the pipeline's own setting if None.
        shard_size: Texts that are annotated and written together.
        code: A Python file with functions that the teacher needs.
        gpu_id: The GPU's ID, or -1 for the CPU.
        seed: Of the order of texts and of the student's weights.
        progress: Whether to show progress, and what `spacy train` prints.
        notify: Gets notes about what was left out. By default a note is a `UserWarning`.

    Returns:
        The figures of the report.

    Raises:
        ImportError: A pipeline or a format needs a package that is not installed, or the extra
            `distill` is missing.
        OSError: An input can't be read, or the output can't be written.
        RuntimeError: A process died, or training failed. What is written stays.
        ValueError: A setting is not allowed or contradicts another one; the output folder holds
            other files, or was begun with other settings; a pipeline can't be loaded; or there is
            nothing to learn: no text, no entity, or none that is believed.
    """
    teachers = [teacher] if isinstance(teacher, str | Path) else list(teacher)
    settings = Settings(
        tuple(map(str, teachers)),
        None if texts is None else str(texts),
        Path(output),
        component=component,
        spans_key=spans_key,
        belief=Belief(None if trust is None else frozenset(trust), min_confidence),
        soft=soft,
        gold=find_gold(gold),
        n_docs=n_docs,
        rounds=rounds,
        near_duplicates=near_duplicates,
        reading=Reading(column=text_column, whole=whole_files),
        student=Student(config, hidden_width, vectors, steps, seed),
        replace=replace,
        lang=lang,
        engine=engine,
        n_process=n_process,
        batch_size=batch_size,
        shard_size=shard_size,
        code=None if code is None else Path(code),
        gpu=gpu_id,
        progress=progress,
    )
    return Distillation(settings, notify).run()
