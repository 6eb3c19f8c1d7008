"""An annotator who is always right: gold annotation answers, and each answer has its cost."""

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.pipeline import Sentencizer
from spacy.tokens import Doc, DocBin, Span

from spacy_rnn_tagger.formats.docs import make_doc
from spacy_rnn_tagger.types import EntitySpan

ACCEPT, REJECT, IGNORE = "accept", "reject", "ignore"
_UNKNOWN = "?"  # the label of spans whose gold annotation is missing


@cache
def english() -> Language:
    """Return a blank English pipeline, the same at each call."""
    return spacy.blank("en")


@dataclass(frozen=True)
class Text:
    """A text of the pool, with its gold annotation.

    Attributes:
        text: The text.
        spans: Its entities in characters; spans without gold annotation have the label "?".
        n_tokens: Its tokens.
    """

    text: str
    spans: tuple[EntitySpan, ...]
    n_tokens: int

    def doc(self, nlp: Language) -> Doc:
        """Make a doc with the whole annotation."""
        return make_doc(nlp, self.text, self.spans)


@dataclass(frozen=True)
class Costs:
    """What annotation costs, in tokens.

    A text costs its tokens. A question about a span costs the tokens of the span, since they are
    what is read and judged. A rejection may cost more: it leaves the reader with a doubt. So may
    any question, for the words around the span.

    Attributes:
        rejection: For a question that is rejected, in addition.
        context: For any question, in addition.
    """

    rejection: int = 1
    context: int = 0

    def question(self, n_tokens: int, answer: str) -> int:
        """Return the cost of a question; one that can't be answered costs as much as a rejection.

        Args:
            n_tokens: The tokens of the span.
            answer: What was answered.
        """
        return n_tokens + self.context + (0 if answer == ACCEPT else self.rejection)


@dataclass
class Annotated:
    """What the annotator has done so far.

    Attributes:
        texts: The numbers of the texts that were annotated as a whole.
        answers: The answered questions, in the form of `spacy rnn select --spans`.
        cost: What all this cost.
        accepted: How many questions were accepted.
    """

    texts: list[int] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    cost: int = 0
    accepted: int = 0

    def copy(self) -> "Annotated":
        """Return a copy, to go on from."""
        return Annotated([*self.texts], [*self.answers], self.cost, self.accepted)


class Annotator:
    """Annotates texts and answers questions, until a budget is spent.

    Args:
        texts: The pool.
        costs: What annotation costs.
    """

    def __init__(self, texts: Sequence[Text], costs: Costs) -> None:
        self._texts, self._costs = texts, costs
        self._tokenizer = english().tokenizer

    def annotate(self, done: Annotated, numbers: Iterable[int], budget: int) -> bool:
        """Annotate texts as a whole, in their order.

        Args:
            done: What was done before. It grows.
            numbers: The texts; those that were annotated are passed over.
            budget: What all annotation may cost. The text with which it is reached is the last.

        Returns:
            Whether the budget was reached.
        """
        known = set(done.texts)
        for number in numbers:
            if done.cost >= budget:
                break
            if number not in known:
                known.add(number)
                done.texts.append(number)
                done.cost += self._texts[number].n_tokens
        return done.cost >= budget

    def answer(self, done: Annotated, questions: Iterable[dict[str, Any]], budget: int) -> bool:
        """Answer questions about spans, in their order.

        Args:
            done: What was done before. It grows.
            questions: As `spacy rnn select --spans` writes them, with the `number` of the text in
                `meta`. Those whose answer follows from an earlier one are passed over.
            budget: What all annotation may cost. The question with which it is reached is the last.

        Returns:
            Whether the budget was reached.
        """
        known: dict[int, list[tuple[EntitySpan, str]]] = {}
        for task in done.answers:
            known.setdefault(task["meta"]["number"], []).append((_asked(task), task["answer"]))
        for task in questions:
            if done.cost >= budget:
                break
            number, span = task["meta"]["number"], _asked(task)
            before = known.setdefault(number, [])
            if any(_follows(span, *each) for each in before):
                continue
            answer = self.judge(number, span)
            before.append((span, answer))
            done.answers.append({**task, "answer": answer})
            done.accepted += answer == ACCEPT
            n_tokens = len(self._tokenizer(self._texts[number].text[span[0] : span[1]]))
            done.cost += self._costs.question(n_tokens, answer)
        return done.cost >= budget

    def judge(self, number: int, span: EntitySpan) -> str:
        """Answer whether a span is an entity: its borders and its label must be those of gold."""
        gold = self._texts[number].spans
        if span in gold:
            return ACCEPT
        return IGNORE if any(_overlap(span, g) for g in gold if g[2] == _UNKNOWN) else REJECT


def _asked(task: dict[str, Any]) -> EntitySpan:
    [span] = task["spans"]
    return span["start"], span["end"], span["label"]


def _follows(span: EntitySpan, before: EntitySpan, answer: str) -> bool:
    """Tell whether an earlier answer says all about a span."""
    return span == before or (answer != REJECT and _overlap(span, before))


def _overlap(one: EntitySpan, other: EntitySpan) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def read_texts(
    files: Iterable[Path],
    *,
    labels: Sequence[str] | None = None,
    sentences: int | None = None,
    tokens: int | None = None,
) -> list[Text]:
    """Read a pool of texts.

    Args:
        files: `.spacy` files with gold annotation.
        labels: The labels to annotate; all if None. Entities of others are outside.
        sentences: How many sentences of a doc form a text; docs are not divided if None. The
            smaller a text, the finer the choice. Docs without sentence starts are divided at
            full stops, question marks and exclamation marks.
        tokens: How many tokens to take at least, from docs in a random order that is always the
            same; all if None.

    Returns:
        The texts.
    """
    nlp = english()
    parts = [
        part
        for file in files
        for doc in DocBin().from_disk(file).get_docs(nlp.vocab)
        for part in _divided(keep_labels(doc, labels), sentences)
        if part.text.strip()
    ]
    random.Random(0).shuffle(parts)
    texts: list[Text] = []
    total = 0
    for part in parts:
        if tokens is not None and total >= tokens:
            break
        text = part.text
        # Corpora with tokens of their own are tokenised again, as `select` and users do.
        texts.append(Text(text, tuple(_gold(part)), len(nlp.make_doc(text))))
        total += texts[-1].n_tokens
    return texts


def keep_labels(doc: Doc, labels: Sequence[str] | None) -> Doc:
    """Keep a doc's entities of some labels, all if None; others become outside. Return the doc."""
    if labels is not None:
        others = [ent for ent in doc.ents if ent.label_ not in labels]
        kept = [ent for ent in doc.ents if ent.label_ in labels]
        doc.set_ents(kept, outside=others, default="unmodified")
    return doc


def _divided(doc: Doc, sentences: int | None) -> Iterator[Span]:
    if sentences is None:
        yield doc[:]
        return
    if not doc.has_annotation("SENT_START"):
        doc = Sentencizer()(doc)
    own = list(doc.sents)
    for begin in range(0, len(own), sentences):
        yield doc[own[begin].start : own[min(begin + sentences, len(own)) - 1].end]


def _gold(part: Span) -> Iterator[EntitySpan]:
    offset = part.start_char
    for ent in part.ents:
        yield ent.start_char - offset, ent.end_char - offset, ent.label_
    for token in part:
        if token.ent_iob == 0:
            yield token.idx - offset, token.idx + len(token) - offset, _UNKNOWN


def digest(texts: Sequence[Text]) -> str:
    """Hash a pool: what changes with its texts or their annotation."""
    rows = [[each.text, each.spans] for each in texts]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]
