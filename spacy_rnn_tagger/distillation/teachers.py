"""Running a teacher over texts, in shards that are never written twice."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import PurePosixPath
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.util import filter_spans
from spacy.vocab import Vocab

from ..bulk.job import Job
from ..bulk.similarity import digest, words_of
from ..errors import Errors
from ..evaluation.data import annotated_docs
from ..evaluation.running import find_component
from ..formats import storage
from ..formats.docbin import RECORD
from ..pipeline.rnn_ner import RNNEntityRecognizer
from ..pipeline.span_groups import confidences, spans_with_confidence
from ..pipeline.thresholds import Threshold
from .texts import part_of_each

# The group in which a teacher that is an `rnn_ner` writes its posteriors, and the lowest of them.
_KEY = "spacy_rnn_tagger.teacher"
_FLOOR = 0.001
_SUFFIX = ".spacy"
_BARE = "rnn_teacher_output"


@Language.component(_BARE)
def _bare(doc: Doc) -> Doc:
    """Remove what components left in a doc's user data, such as the states of a transformer.

    Shards would hold it, and nothing is learned from it. Tokens, entities and span groups stay.
    """
    doc.user_data = {}
    return doc


@dataclass(frozen=True)
class TeacherJob(Job):
    """A corpus for a teacher to tag.

    Attributes:
        component: The component to run alone, with what it listens to; the whole pipeline if None.
        posteriors: Whether the teacher's component `rnn_ner` writes all likely spans, to a group
            that takes the place of its own.
    """

    _: KW_ONLY
    component: str | None = None
    posteriors: bool = False

    def load(self) -> Language:
        """Load the pipeline, and set it up to teach.

        Returns:
            The pipeline.

        Raises:
            ImportError, OSError: As in `Job.load`.
            ValueError: It can't be loaded, or it does not have the component.
        """
        nlp = super().load()
        if self.component is not None:
            nlp.select_pipes(enable=needed_pipes(nlp, self.component))
        if self.posteriors:
            name = find_component(nlp, self.component)
            assert name is not None, "posteriors are asked of components rnn_ner only"
            # Its threshold stays: `doc.ents` are what it finds, and the group has all likely spans.
            nlp.get_pipe(name).cfg.update(spans_key=_KEY, candidates=_FLOOR)
        nlp.add_pipe(_BARE)
        return nlp

    def _facts(self, nlp: Language) -> dict[str, Any]:
        own = {"component": self.component, "posteriors": self.posteriors}
        return {**super()._facts(nlp), **own}


def needed_pipes(nlp: Language, component: str | None) -> list[str]:
    """List a component and the components that it listens to.

    Args:
        nlp: The pipeline.
        component: The name of the component; None for the whole pipeline.

    Returns:
        Their names, in the order of the pipeline.

    Raises:
        ValueError: The pipeline does not have the component.
    """
    if component is None:
        return list(nlp.pipe_names)
    if component not in nlp.pipe_names:
        names = ", ".join(nlp.pipe_names) or "none"
        raise ValueError(Errors.RNN607.format(name=component, components=names))
    return [
        name
        for name, pipe in nlp.pipeline
        if name == component or component in getattr(pipe, "listening_components", ())
    ]


@dataclass(frozen=True)
class Teacher:
    """What has to be known of a teacher when it isn't loaded.

    Attributes:
        description: How reports and cards name it: its `name`, `version`, `license`, `author` and
            `url` (None where its meta data has none), and the `component`.
        labels: The labels that its component `rnn_ner` writes; None if its entities are not those
            of such a component, so that it has no posteriors.
        threshold: The component's threshold, for these labels.
    """

    description: dict[str, Any]
    labels: tuple[str, ...] | None
    threshold: Threshold = 0.0

    @classmethod
    def of(cls, nlp: Language, name: str, component: str | None = None) -> "Teacher":
        """Describe a pipeline.

        Args:
            nlp: The pipeline.
            name: The name or folder that it was loaded by.
            component: The component that teaches; None for the whole pipeline.
        """
        ours = {key: pipe for key, pipe in nlp.pipeline if isinstance(pipe, RNNEntityRecognizer)}
        # Another component may have set entities before, or may change them afterwards.
        own = component or (nlp.pipe_names[-1] if len(ours) == 1 else None)
        meta = nlp.meta
        about = {key: meta.get(key) or None for key in ("version", "license", "author", "url")}
        description = {"name": name, **about, "component": component}
        if own not in ours:
            return cls(description, None)
        labels, threshold = ours[own].written_labels, ours[own].threshold
        if isinstance(threshold, dict):
            threshold = {key: value for key, value in threshold.items() if key in labels} or 0.0
        return cls(description, labels, threshold)


@dataclass(frozen=True)
class Taught:
    """What a teacher, or several, found in a text.

    Attributes:
        doc: The tokens, without annotation.
        order: The text's place in the random order of texts.
        part: Which part of the data it belongs to.
        entities: (start, end, label) of the first teacher's entities, in tokens.
        confidences: The confidence of each; None where the teacher has none.
        posteriors: The posterior of each likely span; None if the teachers don't give any.
        missing: The tokens that are not annotated.
    """

    doc: Doc
    order: int
    part: str
    entities: list[tuple[int, int, str]]
    confidences: list[float | None]
    posteriors: dict[tuple[int, int, str], float] | None = None
    missing: tuple[int, ...] = ()


def read_taught(
    folders: Sequence[str], vocab: Vocab, *, spans_key: str | None = None, posteriors: bool = False
) -> Iterator[Taught]:
    """Read what teachers have written.

    Args:
        folders: The output folder of each teacher, of the same texts.
        vocab: A vocab for the docs.
        spans_key: The group that holds the entities; `doc.ents` if None.
        posteriors: Whether to read posteriors; the mean over the teachers.

    Yields:
        What was found in each text that none of the teachers failed on, in the order of texts.

    Raises:
        OSError: A file can't be read.
        ValueError: A doc does not have the group.
    """
    streams = [_docs_in(folder, vocab) for folder in folders]
    first, *others = streams
    rest = [{_record_of(doc): doc for doc in stream} for stream in others]
    for doc in first:
        same = [docs.get(_record_of(doc)) for docs in rest]
        docs = [doc, *(other for other in same if other is not None)]
        if len(docs) == len(folders):
            yield _taught(docs, spans_key, posteriors)


def read_annotated(path: str, lang: str, seed: int) -> Iterator[Taught]:
    """Read annotated data as if a teacher had found what is annotated.

    Args:
        path: A `.spacy` file, what `convert` reads, or a folder of either.
        lang: The language whose tokenizer is used where the data has no tokens.
        seed: Decides the order.

    Yields:
        The docs with their parts, in random order, without those that repeat another one.

    Raises:
        AnnotationError: Annotated text is malformed, or its format is not known.
        OSError: There is no such path, or a file can't be read.
        ValueError: There are too few docs.
    """
    docs: dict[int, Doc] = {}
    for doc in annotated_docs(spacy.blank(lang), path):
        if (words := words_of(doc.text)) and doc.has_annotation("ENT_IOB"):
            docs.setdefault(digest([str(seed), *words]), doc)
    parts = iter(part_of_each(len(docs), path))
    for order in sorted(docs):
        doc = docs[order]
        yield Taught(
            Doc(
                doc.vocab,
                words=[token.text for token in doc],
                spaces=[bool(token.whitespace_) for token in doc],
            ),
            order,
            next(parts),
            [(ent.start, ent.end, ent.label_) for ent in doc.ents],
            [None] * len(doc.ents),
            missing=tuple(token.i for token in doc if token.ent_iob == 0),
        )


def _docs_in(folder: str, vocab: Vocab) -> Iterator[Doc]:
    for name in storage.names_in(folder):
        if PurePosixPath(name).suffix == _SUFFIX:
            content = storage.read(storage.join(folder, name))
            yield from DocBin().from_bytes(content).get_docs(vocab)


def _record_of(doc: Doc) -> int:
    return int(doc.user_data[RECORD]["record"])


def _taught(docs: Sequence[Doc], spans_key: str | None, posteriors: bool) -> Taught:
    doc = docs[0]
    meta = doc.user_data[RECORD]["meta"]
    found = entities_of(doc, spans_key)
    words = [token.text for token in doc]
    spaces = [bool(token.whitespace_) for token in doc]
    return Taught(
        Doc(doc.vocab, words=words, spaces=spaces),
        meta["order"],
        meta["part"],
        [(span.start, span.end, span.label_) for span, _ in found],
        [value for _, value in found],
        _mean_posteriors(docs) if posteriors else None,
    )


def entities_of(doc: Doc, spans_key: str | None) -> list[tuple[Span, float | None]]:
    """List what a teacher teaches: entities that don't overlap, in the order of the text.

    Args:
        doc: A doc that it has annotated.
        spans_key: The group that holds the entities; `doc.ents` if None.

    Returns:
        The entities, each with its confidence; None where the teacher has none.

    Raises:
        ValueError: The doc does not have the group.
    """
    if spans_key is None:
        known = confidences(doc)
        place = ((ent, (ent.start_char, ent.end_char, ent.label_)) for ent in doc.ents)
        return [(ent, known.get(own)) for ent, own in place]
    if spans_key not in doc.spans:
        groups = ", ".join(doc.spans) or "none"
        raise ValueError(Errors.RNN609.format(spans_key=spans_key, groups=groups))
    group = doc.spans[spans_key]
    scores = group.attrs.get("scores")
    if scores is None or len(scores) != len(group):
        return [(span, None) for span in filter_spans(group)]
    rows = zip(group, map(float, scores), strict=True)
    kept = _without_overlaps(sorted(rows, key=lambda row: -row[1]))  # the likeliest one stays
    return sorted(kept, key=lambda row: row[0].start)


def _without_overlaps(rows: Iterable[tuple[Span, float]]) -> list[tuple[Span, float | None]]:
    taken: set[int] = set()
    kept: list[tuple[Span, float | None]] = []
    for span, value in rows:
        own = range(span.start, span.end)
        if taken.isdisjoint(own):
            taken.update(own)
            kept.append((span, value))
    return kept


def _mean_posteriors(docs: Sequence[Doc]) -> dict[tuple[int, int, str], float]:
    """Average the posteriors of several teachers: those of a mixture of them, exactly.

    The teachers write the same labels, but may tokenise differently. A span that the first one's
    tokens don't have is left out.
    """
    mean: dict[tuple[int, int, str], float] = {}
    for doc in docs:
        for span, value in spans_with_confidence(doc, _KEY):
            own: Span | None = span
            if doc is not docs[0]:
                own = docs[0].char_span(span.start_char, span.end_char, label=span.label_)
            if own is not None:
                place = own.start, own.end, own.label_
                mean[place] = mean.get(place, 0.0) + value / len(docs)
    return mean
