"""LitBank's FAC and GPE as spaCy's binary corpora: real text for the benchmarks.

`python -m benchmarks.litbank TSV OUT` reads the folder `entities/tsv` of github.com/dbamman/litbank
(Bamman, Popat and Shen, "An Annotated Dataset of Literary Entities", NAACL 2019; CC BY 4.0) and
writes train.spacy, dev.spacy and test.spacy.

The task: of the spans of all nesting layers, those of FAC and GPE; of two that overlap the longer
stays, of two equally long the one that starts earlier. Books are sorted by their number; of each
ten, the ninth is dev and the tenth is test. Ten sentences are one doc, with sentence starts set.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from spacy.tokens import Doc, DocBin, Span
from spacy.util import filter_spans
from spacy.vocab import Vocab

LABELS = ("FAC", "GPE")
SENTENCES = 10  # of a doc
_DEV, _TEST = 8, 9  # a book's rank among ten

Sentence = list[list[str]]  # of each token: its form, then one tag a layer


def read_splits(folder: Path, vocab: Vocab) -> dict[str, list[Doc]]:
    """Read the docs of the three splits.

    RAISES FileNotFoundError: the folder has none of LitBank's files.
    RAISES ValueError: a file is not in LitBank's format.
    """
    books = sorted(folder.glob("*_brat.tsv"), key=lambda path: int(path.name.split("_")[0]))
    if not books:
        raise FileNotFoundError(f"{folder} has no *_brat.tsv: it must be LitBank's entities/tsv.")
    splits: dict[str, list[Doc]] = {"train": [], "dev": [], "test": []}
    for rank, book in enumerate(books):
        split = {_DEV: "dev", _TEST: "test"}.get(rank % 10, "train")
        splits[split].extend(_read_book(book, vocab))
    return splits


def _read_book(path: Path, vocab: Vocab) -> Iterator[Doc]:
    sentences = list(_read_sentences(path))
    for begin in range(0, len(sentences), SENTENCES):
        yield _make_doc(sentences[begin : begin + SENTENCES], vocab, path)


def _read_sentences(path: Path) -> Iterator[Sentence]:
    sentence: Sentence = []
    for line in path.read_text(encoding="utf8").split("\n"):
        if line.strip():
            sentence.append(line.split("\t"))
        elif sentence:
            yield sentence
            sentence = []
    if sentence:
        yield sentence


def _make_doc(sentences: list[Sentence], vocab: Vocab, path: Path) -> Doc:
    rows = [row for sentence in sentences for row in sentence]
    starts = [i == 0 for sentence in sentences for i in range(len(sentence))]
    doc = Doc(vocab, words=[row[0] for row in rows], sent_starts=starts)
    spans: list[Span] = []
    for layer in range(1, max(len(row) for row in rows)):
        tags = [row[layer].strip() if layer < len(row) else "" for row in rows]
        spans.extend(_spans(doc, tags, path))
    doc.ents = filter_spans(span for span in spans if span.label_ in LABELS)
    return doc


def _spans(doc: Doc, tags: list[str], path: Path) -> Iterator[Span]:
    start, label = 0, ""
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if prefix == "I" and name == label:
            continue
        if label:
            yield Span(doc, start, i, label=label)
        if prefix not in ("", "O", "B", "I"):
            raise ValueError(f"{path}: '{tag}' is not a BIO tag.")
        start, label = i, name


def main(folder: str, output: str) -> None:
    """Write the three splits and print what is in them."""
    vocab = Vocab()
    Path(output).mkdir(parents=True, exist_ok=True)
    for name, docs in read_splits(Path(folder), vocab).items():
        DocBin(docs=docs).to_disk(Path(output) / f"{name}.spacy")
        counts = [
            f"{sum(ent.label_ == label for doc in docs for ent in doc.ents)} {label}"
            for label in LABELS
        ]
        print(f"{name}: {len(docs)} docs, {sum(map(len, docs)):,} tokens, {', '.join(counts)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
