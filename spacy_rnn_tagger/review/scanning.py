"""Reading all texts once, and keeping the best ones in bounded memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from ..bulk.job import Job
from ..bulk.similarity import digest, words_of
from ..bulk.sources import Shard, bytes_bar
from ..bulk.tagging import Tagged, tag_records
from ..pipeline.inference import Inference
from ..pipeline.rnn_ner import RNNEntityRecognizer
from ..runtime import one_core
from . import novelty
from .diversity import Candidate, Pool
from .excluding import Excluded
from .failed import Failures
from .uncertainty import NAMES, TOKEN, Doubt, doubtful_spans, features, measure

# Candidates that are kept for each one that is wanted, for a choice; and at least in all.
_CHOICE = 20
_LEAST = 2000
_SHOWN = 3  # doubtful spans in a reason


@dataclass(frozen=True)
class Asked:
    """What is selected.

    Attributes:
        n: How many.
        by: A measure of `uncertainty`.
        per: Its unit.
        spans: Whether single spans are asked about.
    """

    n: int
    by: str
    per: str
    spans: bool


class Scan:
    """What was read so far.

    Args:
        nlp: The pipeline.
        component: The name of its component `rnn_ner`; None if it has none to ask.
        job: What is read.
        asked: What is selected.
        near: Whether near duplicates are left out.
        excluded: Texts that are annotated already.
        failures: Gets the records that failed.

    Attributes:
        read: How many records were read.
        empty: How many have no word.
        annotated: How many are annotated already.
        pool: The best ones.
    """

    def __init__(
        self,
        nlp: Language,
        component: str | None,
        job: Job,
        asked: Asked,
        *,
        near: bool,
        excluded: Excluded,
        failures: Failures,
    ) -> None:
        self._nlp, self._component, self._job, self._asked = nlp, component, job, asked
        self._excluded, self._failures = excluded, failures
        self.read = self.empty = self.annotated = 0
        self.pool = Pool(max(_CHOICE * asked.n, _LEAST), near=near)

    def run(self, *, progress: bool = False) -> None:
        """Read all texts.

        Args:
            progress: Whether to show progress on a terminal.

        Raises:
            OSError, ValueError: A file can't be read.
        """
        with bytes_bar(self._job.n_bytes, progress=progress, desc="Reading texts") as bar:
            for number in range(len(self._job.files)):
                for shard in self._job.shards(number):
                    # Words that occur in a shard are forgotten with it: memory does not grow. And
                    # scores are the same with any number of cores.
                    with self._nlp.memory_zone(), one_core():
                        self._add(number, shard)
                    bar.update(shard.n_bytes)

    def candidates(self) -> list[Candidate]:
        """List the best candidates, the best one first."""
        found = self.pool.candidates()
        return found if self._component else novelty.weigh(found, self._asked.per)

    def _add(self, file: int, shard: Shard) -> None:
        nlp, names = self._nlp, self._nlp.pipe_names
        size = self._job.batch_size or nlp.batch_size
        after = names[names.index(self._component) :] if self._component else []
        with nlp.select_pipes(disable=after):
            tagged = tag_records(nlp, shard.records, size)
        self.read += len(tagged)
        wanted = []
        for each in tagged:
            if each.doc is None:
                continue
            if all(token.is_space for token in each.doc):
                self.empty += 1
            elif each.doc.text in self._excluded:
                self.annotated += 1
            else:
                wanted.append(each)
        for batch in minibatch(wanted, size):
            for each, candidates in self._batch(file, batch):
                words = words_of(each.record.text)
                for candidate in candidates:
                    self.pool.add(candidate, words)
        self._failures.add(tagged)

    def _batch(
        self, file: int, batch: Sequence[Tagged]
    ) -> Iterator[tuple[Tagged, list[Candidate]]]:
        """Find the candidates of a batch; a doc that fails does not affect the others."""
        try:
            yield from zip(batch, self._found(file, batch), strict=True)
        except Exception as error:
            if len(batch) == 1:
                batch[0].fail(error)
                return
            for each in batch:
                yield from self._batch(file, [each])

    def _found(self, file: int, batch: Sequence[Tagged]) -> list[list[Candidate]]:
        docs = [each.doc for each in batch if each.doc is not None]
        orders = [digest(words_of(each.record.text)) for each in batch]
        places = [(order, file, t.record.number) for order, t in zip(orders, batch, strict=True)]
        if self._component is None:
            # The pool is a random sample, in the order of the digests.
            return [
                [Candidate(1.0, *place, len(doc), novelty.content(doc), "")]
                for place, doc in zip(places, docs, strict=True)
            ]
        pipe = self._nlp.get_pipe(self._component)
        assert isinstance(pipe, RNNEntityRecognizer)
        inference = pipe.infer(docs)
        doubts = doubtful_spans(inference)
        if self._asked.spans:
            return [list(_questions(*each)) for each in zip(places, docs, doubts, strict=True)]
        return self._texts(inference, places, docs, doubts)

    def _texts(
        self,
        inference: Inference,
        places: Sequence[tuple[int, int, int]],
        docs: Sequence[Doc],
        doubts: Sequence[Sequence[Doubt]],
    ) -> list[list[Candidate]]:
        by, per = self._asked.by, self._asked.per
        scores, finer = (values.tolist() for values in measure(inference, by, per))
        unit = " per token" if per == TOKEN else ""
        found = []
        for score, fine, place, doc, own in zip(scores, finer, places, docs, doubts, strict=True):
            spans = ", ".join(_described(doc, each) for each in own[:_SHOWN])
            why = f"{NAMES[by]}{unit} {score:.4g}" + (f"; {spans}" if spans else "")
            n_words = sum(not token.is_space for token in doc)
            taught = features(doc, own)
            found.append([Candidate(score, *place, n_words, taught, why, finer=fine)])
        return found


def _questions(
    place: tuple[int, int, int], doc: Doc, doubts: Sequence[Doubt]
) -> Iterator[Candidate]:
    """Ask about each doubtful span of a doc."""
    for each in doubts:
        start, end, label = each.span
        span = doc[start:end]
        yield Candidate(
            each.doubt,
            *place,
            end - start,
            features(doc, [each]),
            _described(doc, each),
            (span.start_char, span.end_char, label),
            f"{span.text.lower()} {label}",
            each.p,
        )


def _described(doc: Doc, doubt: Doubt) -> str:
    start, end, label = doubt.span
    return f"'{doc[start:end].text}' {label} {doubt.p:.2f}"
