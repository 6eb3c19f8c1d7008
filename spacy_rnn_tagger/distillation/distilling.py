"""Distillation: training a fast pipeline on the output of a slow one."""

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
    """Train an `rnn_ner` on what a pipeline finds in raw text, and measure how well it agrees.

    An interrupted run is resumed by calling it again with the same arguments; no text is annotated
    twice.

    The output folder contains:

    - `rounds/`: the texts, and what each teacher found in them;
    - `corpus/`: the corpora made from that, for training, for selecting the best state of the
      student, and for the report;
    - `config.cfg`: a complete config, with which `python -m spacy train` repeats the training;
    - `training/model-best`: the student;
    - `report.html` and `report.json`: the report;
    - `pipeline/`, if `replace` is given: the teacher's pipeline with the student in it.

    Args:
        teacher: The folder or package name of a pipeline; or several, each with a component
            `rnn_ner` that writes the same labels, whose posteriors are averaged; or annotated data,
            as `convert` reads it, or `.spacy`.
        texts: Texts as `annotate` reads them; None if the teacher is annotated data.
        output: The folder to write to.
        component: The component that teaches, run only with the components that it listens to. By
            default, the whole pipeline is run, and the final `doc.ents` are learned.
        spans_key: The span group with the entities, instead of `doc.ents`. Of overlapping spans,
            the one with the highest score is kept, or the longest if there are no scores.
        trust: The labels to learn from; all by default. Spans of other labels teach nothing, and a
            word outside of all entities may belong to one of these labels.
        min_confidence: Entities with less confidence teach nothing.
        soft: Whether the student learns the teacher's posteriors instead of its best analyses. By
            default, it does so where possible: if the teacher's last component is an `rnn_ner`, all
            labels that it writes are trusted, and gold has no other labels. The student then has
            the component's `threshold`, too.
        gold: Annotated data to learn from in addition to the teacher: a path, or several corpora by
            name, with the settings of `spacy_rnn_tagger.MixedCorpus.v1`, or a `.cfg` file with
            these. By default, it weighs half as much in training as what the teacher found. A tenth
            is held out to select the student, and another tenth to compare teacher and student.
        n_docs: The number of texts to annotate, drawn at random; all by default.
        rounds: The number of rounds of annotation. From the second round on, the texts are those
            that the student of the previous round is least sure of.
        near_duplicates: Whether to leave out texts that nearly repeat another one, not only exact
            repetitions.
        config: The shipped config that the student starts from; see `init_config`.
        hidden_width: Units of the student's LSTM per direction; from the config if None.
        vectors: The folder or package name of a pipeline whose word vectors the student reads.
        steps: Training steps of 1,000 words each; from the number of words if None.
        replace: The component of the teacher's pipeline to replace with the student.
        lang: The language of annotated data; a teacher that is a pipeline has its own.
        text_column: As in `annotate`.
        whole_files: As in `annotate`.
        engine: As in `annotate`.
        n_process: As in `annotate`.
        batch_size: Docs per batch of the teacher; the pipeline's own setting if None.
        shard_size: Texts to annotate and write together.
        code: A Python file with functions that the teacher needs.
        gpu_id: The GPU's ID, or -1 for the CPU.
        seed: The random seed for the order of texts and the student's weights.
        progress: Whether to show progress, and the output of `spacy train`.
        notify: Called with notes about what was left out. By default, each note is a
            `UserWarning`.

    Returns:
        The figures of the report.

    Raises:
        ImportError: A pipeline or a format needs a package that is not installed, or the extra
            `distill` is missing.
        OSError: An input can't be read, or the output can't be written.
        RuntimeError: A process died, or training failed. What is written stays.
        ValueError: A setting is not allowed or contradicts another one; the output folder holds
            other files, or was begun with other settings; a pipeline can't be loaded; or there is
            nothing to learn: no text, no entity, or none with a trusted label.
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
