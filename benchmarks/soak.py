"""Endurance: real text until memory would show a leak, and all that may come in from outside.

`python -m benchmarks.soak MODEL TEXTS --tokens 10000000`; TEXTS is a folder of `*.txt`.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import spacy
import typer
from spacy.language import Language
from tqdm import tqdm

from spacy_rnn_tagger import tune_process

from .measure import memory, memory_in_use
from .report import console, show_rows

app = typer.Typer(help=__doc__)
_ZONE = 100_000  # tokens of a memory zone
_SEED = 0


@app.command()
def main(
    model: str = typer.Argument(..., help="A trained pipeline"),
    texts: Path = typer.Argument(..., help="A folder of text files", exists=True),
    tokens: int = typer.Option(10_000_000, help="Tokens of real text"),
    hostile: int = typer.Option(10_000, help="Hostile inputs"),
    rounds: int = typer.Option(10, help="Points at which memory is measured"),
) -> None:
    """Tag, and print memory at equal distances."""
    nlp = spacy.load(model)
    points = list(soak(nlp, paragraphs(texts), tokens, rounds))
    show_rows("Memory over tokens of real text", points)
    for key in ("MB", "MB in use"):
        values = [point[key] for point in points]
        for what, start in (("first point", 0), ("first half", len(values) // 2 - 1)):
            growth = max(values[start:]) / values[start] - 1
            console.print(f"{key}: at most {growth:+.1%} after the {what}.")
    refused = 0
    for text in tqdm(hostile_texts(hostile), total=hostile, unit=" inputs"):
        refused += not _survives(nlp, text)
    console.print(f"{hostile:,} hostile inputs: {refused:,} refused with a clear error, no crash.")


def paragraphs(folder: Path) -> Iterator[str]:
    """Read the paragraphs of all books, again and again."""
    files = sorted(folder.glob("*.txt"))
    while True:
        for file in files:
            for paragraph in file.read_text(encoding="utf-8", errors="replace").split("\n\n"):
                if paragraph.strip():
                    yield " ".join(paragraph.split())


def soak(
    nlp: Language, texts: Iterator[str], tokens: int, rounds: int
) -> Iterator[dict[str, float]]:
    """Tag texts in memory zones.

    Args:
        nlp: The pipeline.
        texts: Texts to tag, without end.
        tokens: How many tokens to tag.
        rounds: How many points to measure.

    Yields:
        At equal distances: the tokens so far, the memory that the process holds and the part of it
        that is in use, in MB, the words in the string store, and the tokens per second since the
        last point.
    """
    done = entities = 0
    began, since = time.perf_counter(), 0
    bar = tqdm(total=tokens, unit=" tokens", unit_scale=True)
    while done < tokens:
        size = 0
        with nlp.memory_zone():
            own = []
            while size < _ZONE:
                own.append(next(texts))
                size += len(own[-1].split())
            for doc in nlp.pipe(own):
                done += len(doc)
                entities += len(doc.ents)
                bar.update(len(doc))
            del doc, own
        if done - since >= tokens // rounds or done >= tokens:
            now = time.perf_counter()
            yield {
                "tokens": done,
                "entities": entities,
                "MB": memory(),
                "MB in use": memory_in_use(),
                "strings": len(nlp.vocab.strings),
                "tokens/s": (done - since) / (now - began),
            }
            began, since = now, done
    bar.close()


def hostile_texts(count: int) -> Iterator[str]:
    """Make texts of what goes wrong elsewhere, always the same ones."""
    draw = random.Random(_SEED)
    size = draw.randrange
    kinds = [
        lambda: "".join(map(chr, draw.choices(range(32), k=size(1, 60)))),
        lambda: f"{chr(size(0xD800, 0xE000))} lone {chr(size(0xD800, 0xE000))}",
        lambda: "\u202e" + "שלום \u0627\u0644\u0639\u0631\u0628\u064a\u0629 " * size(1, 9),
        lambda: "\u200b".join("zero\u200dwidth\ufeff\u2060"),
        lambda: "",
        lambda: draw.choice(" \t\n\u3000\u00a0") * size(1, 200),
        lambda: "".join(map(chr, draw.choices(range(0x20, 0x2FFF), k=size(1, 80)))),
        lambda: "".join(map(chr, draw.choices(range(0x10000, 0x110000), k=size(1, 40)))),
        lambda: draw.choice(".,;!?()[]'\"-") * size(1, 300),
        lambda: "e" + "\u0301" * size(1, 300),
        lambda: "A" * size(1, 5_000),
        lambda: "\r\n".join(["Red Fort"] * size(1, 40)) + "\x00",
    ]
    for number in range(count):
        # A token of a megabyte now and then, for each takes a while.
        yield "x" * 999_999 if number % 2_000 == 1_999 else draw.choice(kinds)()


def _survives(nlp: Language, text: str) -> bool:
    """Tag a text; tell whether spaCy takes it at all, as it does not take half a surrogate pair."""
    with nlp.memory_zone():
        try:
            doc = nlp.make_doc(text)
        except UnicodeEncodeError:
            return False
        nlp(doc)
        next(iter(nlp.pipe([text])))
        return True


if __name__ == "__main__":
    tune_process()
    app()
