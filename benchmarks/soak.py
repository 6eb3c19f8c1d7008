"""Endurance: text until memory would show a leak, and all that may come in from outside.

`python -m benchmarks.soak MODEL TEXTS --tokens 10000000`; TEXTS is a folder of `*.txt`. Without it,
text is generated: docs of 3 to 2,000 words, and new words without end.
"""

import itertools
import math
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
_WARM = 1_000_000  # tokens after which memory should no longer grow
_SHORTEST, _LONGEST = 3, 2_000  # words of a generated text
# Of all words that are generated, the share that is new at each (Simon 1955).
_NEW = 0.03


@app.command()
def main(
    model: str = typer.Argument(..., help="A trained pipeline"),
    texts: Path | None = typer.Argument(None, help="A folder of text files", exists=True),
    tokens: int = typer.Option(10_000_000, help="Tokens to tag"),
    hostile: int = typer.Option(10_000, help="Hostile inputs"),
    rounds: int = typer.Option(10, help="Points at which memory is measured"),
    tune: bool = typer.Option(False, help="Call tune_process() before"),
) -> None:
    """Tag, and print memory at equal distances."""
    if tune:
        tune_process()
    nlp = spacy.load(model)
    endless = generated() if texts is None else paragraphs(texts)
    points = list(soak(nlp, endless, tokens, rounds))
    show_rows("Memory over tokens", points)
    starts = {"first point": 0, "first half": len(points) // 2 - 1}
    if later := [i for i, point in enumerate(points) if point["tokens"] >= _WARM]:
        starts["first million tokens"] = later[0]
    for key in ("MB", "MB in use"):
        values = [point[key] for point in points]
        for what, start in starts.items():
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


def generated(seed: int = _SEED) -> Iterator[str]:
    """Make texts of words whose frequencies are those of language, the same ones for a seed.

    Lengths are drawn on a logarithmic scale, so that nearly every text has a length of its own.
    """
    draw = random.Random(seed)
    syllables = ["".join(pair) for pair in itertools.product("bdfgklmnprstv", "aeiou")]
    said: list[str] = ["the"]

    def word() -> str:
        if draw.random() >= _NEW:
            return draw.choice(said)  # the more often one was said, the more often it comes again
        new = "".join(draw.choices(syllables, k=draw.randint(1, 4)))
        return new.capitalize() if draw.random() < 0.3 else new

    while True:
        size = round(math.exp(draw.uniform(math.log(_SHORTEST), math.log(_LONGEST))))
        words = [word() for _ in range(size)]
        for own in words:  # what was said long ago is forgotten
            said.append(own) if len(said) < _ZONE else said.__setitem__(draw.randrange(_ZONE), own)
        yield " ".join(own + "." * (draw.random() < 0.05) for own in words)


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
    app()
