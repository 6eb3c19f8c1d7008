"""LitBank's FAC and GPE as spaCy's binary corpora: real text for the benchmarks.

`python -m benchmarks.litbank convert TSV OUT` reads the folder `entities/tsv` of
github.com/dbamman/litbank (Bamman, Popat and Shen, "An Annotated Dataset of Literary Entities",
NAACL 2019; CC BY 4.0) and writes train.spacy, dev.spacy and test.spacy.

The task: of the spans of all nesting layers, those of FAC and GPE; of two that overlap the longer
stays, of two equally long the one that starts earlier. Books are sorted by their number; of each
ten, the ninth is dev and the tenth is test. Ten sentences are one doc, with sentence starts set.

`python -m benchmarks.litbank text ORIGINAL OUT.jsonl` writes passages of raw text, for `spacy
pretrain`, from the folder `original`: of the books that `--tsv` has in train, and of no other.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import srsly
import typer
from spacy.tokens import Doc, DocBin, Span
from spacy.util import filter_spans
from spacy.vocab import Vocab

LABELS = ("FAC", "GPE")
SENTENCES = 10  # of a doc
WORDS = 200  # of a passage of raw text, at least
COUNTS = {
    "train": {"tokens": 168_441, "FAC": 1_669, "GPE": 640},
    "dev": {"tokens": 20_310, "FAC": 182, "GPE": 68},
    "test": {"tokens": 21_781, "FAC": 188, "GPE": 85},
}
_DEV, _TEST = 8, 9  # a book's rank among ten

app = typer.Typer(help=__doc__, no_args_is_help=True)
Sentence = list[list[str]]  # of each token: its form, then one tag a layer


def read_splits(folder: Path, vocab: Vocab) -> dict[str, list[Doc]]:
    """Read the docs of the three splits.

    Args:
        folder: LitBank's folder `entities/tsv`.
        vocab: The vocab for the docs.

    Returns:
        The docs, by split.

    Raises:
        FileNotFoundError: The folder has none of LitBank's files.
        ValueError: A file is not in LitBank's format.
    """
    splits: dict[str, list[Doc]] = {"train": [], "dev": [], "test": []}
    for split, book in split_books(folder):
        splits[split].extend(_read_book(book, vocab))
    return splits


def split_books(folder: Path) -> Iterator[tuple[str, Path]]:
    """List the books with their splits.

    Args:
        folder: LitBank's folder `entities/tsv`.

    Yields:
        The split of a book, and its file.

    Raises:
        FileNotFoundError: The folder has none of LitBank's files.
    """
    books = sorted(folder.glob("*_brat.tsv"), key=_number)
    if not books:
        raise FileNotFoundError(f"{folder} has no *_brat.tsv: it must be LitBank's entities/tsv.")
    for rank, book in enumerate(books):
        yield {_DEV: "dev", _TEST: "test"}.get(rank % 10, "train"), book


def _number(path: Path) -> int:
    return int(path.name.split("_")[0])


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


@app.command()
def convert(
    folder: Path = typer.Argument(..., help="LitBank's folder entities/tsv"),
    output: Path = typer.Argument(..., help="Folder for the corpora"),
) -> None:
    """Write the three splits, if their counts are LitBank's, and print what is in them."""
    vocab = Vocab()
    output.mkdir(parents=True, exist_ok=True)
    for name, docs in read_splits(folder, vocab).items():
        counts = count(docs)
        if counts != COUNTS[name]:
            raise SystemExit(f"{folder}: {name} must have {COUNTS[name]}, but has {counts}.")
        DocBin(docs=docs).to_disk(output / f"{name}.spacy")
        print(f"{name}: {len(docs)} docs, {counts}")
        if name == "train":
            _write_names(docs, output)


def _write_names(docs: list[Doc], output: Path) -> None:
    """Write the names of each label, a line each, for `entity_swap`."""
    for label in LABELS:
        names = {ent.text for doc in docs for ent in doc.ents if ent.label_ == label}
        lines = "".join(f"{name}\n" for name in sorted(names))
        (output / f"{label}.txt").write_text(lines, encoding="utf8")


def count(docs: list[Doc]) -> dict[str, int]:
    """Count tokens and entities."""
    labels = Counter(ent.label_ for doc in docs for ent in doc.ents)
    return {"tokens": sum(map(len, docs)), **{label: labels[label] for label in LABELS}}


@app.command()
def text(
    folder: Path = typer.Argument(..., help="LitBank's folder original"),
    output: Path = typer.Argument(..., help="JSONL file for the passages"),
    tsv: Path = typer.Option(..., help="LitBank's folder entities/tsv, which tells the splits"),
) -> None:
    """Write the raw text of the train books, in passages of whole paragraphs and some 200 words."""
    books = [path for split, path in split_books(tsv) if split == "train"]
    numbers = {_number(book) for book in books}
    paths = sorted(path for path in folder.glob("*.txt") if _number(path) in numbers)
    if not paths:
        raise SystemExit(f"{folder} has no *.txt of a train book.")
    passages = [passage for path in paths for passage in _passages(path)]
    random.Random(0).shuffle(passages)
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_jsonl(output, [{"text": passage} for passage in passages])
    words = sum(len(passage.split()) for passage in passages)
    print(f"{len(paths)} books, {len(passages):,} passages, {words:,} words")


def _passages(path: Path) -> Iterator[str]:
    passage: list[str] = []
    for paragraph in re.split(r"\n\s*\n", path.read_text(encoding="utf8")):
        passage += paragraph.split()
        if len(passage) >= WORDS:
            yield " ".join(passage)
            passage = []
    if passage:
        yield " ".join(passage)


if __name__ == "__main__":
    app()
