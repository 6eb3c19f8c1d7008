"""What is tagged and learned: LitBank in docs, LitBank in sentences, the project's corpus."""

from collections.abc import Sequence
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_rnn_tagger.formats.corpus import corpus_files, read_docs

from .litbank import read_splits

Texts = dict[str, list[Doc]]


def read_texts(litbank: Path | None, corpus: Path) -> Texts:
    """Read annotated docs of the train splits; without `litbank`, the project's corpus alone."""
    nlp = spacy.blank("en")
    texts: Texts = {}
    if litbank is not None:
        docs = read_splits(litbank, nlp.vocab)["train"]
        texts["LitBank docs"] = docs
        texts["LitBank sentences"] = [sent.as_doc() for doc in docs for sent in doc.sents]
    texts["project corpus"] = list(read_docs(nlp, corpus_files(corpus / "train")))
    return texts


def first_tokens(docs: Sequence[Doc], n_tokens: int) -> list[Doc]:
    """Take docs until there are as many tokens; from the beginning again where they run out."""
    taken: list[Doc] = []
    total = 0
    while total < n_tokens:
        doc = docs[len(taken) % len(docs)]
        taken.append(doc)
        total += len(doc)
    return taken


def unannotated(nlp: Language, docs: Sequence[Doc]) -> list[Doc]:
    """Make new docs of the same tokens in a pipeline's vocab."""
    return [
        Doc(nlp.vocab, words=[t.text for t in doc], spaces=[bool(t.whitespace_) for t in doc])
        for doc in docs
    ]


def annotated(nlp: Language, docs: Sequence[Doc]) -> list[Doc]:
    """Make new docs of the same tokens and entities in a pipeline's vocab."""
    copies = unannotated(nlp, docs)
    for copy, doc in zip(copies, docs, strict=True):
        copy.set_ents([Span(copy, ent.start, ent.end, label=ent.label_) for ent in doc.ents])
    return copies


def examples(nlp: Language, docs: Sequence[Doc]) -> list[Example]:
    """Pair new docs with the annotation."""
    return [
        Example(predicted, gold)
        for predicted, gold in zip(unannotated(nlp, docs), annotated(nlp, docs), strict=True)
    ]


def batches(items: Sequence[Example], n_tokens: int) -> list[list[Example]]:
    """Part examples into batches of at least as many tokens, in their order."""
    found: list[list[Example]] = [[]]
    for example in items:
        if sum(len(each.x) for each in found[-1]) >= n_tokens:
            found.append([])
        found[-1].append(example)
    return found
