"""Short texts, from text to `doc.ents`: tweets, chat messages and queries of 5 to 15 tokens.

`python -m benchmarks.short_texts MODEL SPACY_MODEL` compares a pipeline that has `rnn_ner` with
spaCy's own `ner`. Both tokenize the same texts and find entities; their other components are
disabled. The texts are the messages below and the posts of the project's corpus.
"""

import gc
import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import spacy
import typer
from spacy.language import Language

from .report import console, show_rows

app = typer.Typer(help=__doc__)

# What a pipeline keeps of its components, by the factory that is looked for.
KEPT = {"rnn_ner": ("rnn_ner",), "ner": ("tok2vec", "ner")}
SHORTEST, LONGEST = 5, 15  # tokens
BATCHES = (32, 256)
_COUNT = 1_024  # texts in a round of batches
_SINGLE = 200  # texts in a round of one at a time
_SEED = 0
_MARKED = re.compile(r"(?<!\\)\[([^\[\]]+)\]\([^()]*\)")
# Files of the corpus whose lines are posts and messages.
_POSTS = (
    "sentences/*/chat.txt",
    "sentences/*/posts.txt",
    "passages/*/posts*.txt",
    "passages/*/tweets.txt",
)

MESSAGES = """\
is the tube running to heathrow on sunday
omw, ten minutes away, traffic near the stadium
cheap flights lisbon to oslo in may
Can you send me the address again please?
weather tomorrow in Porto, do I need a coat?
lol who put pineapple in the fridge AGAIN
Meet at the north gate of Victoria Station at 6?
population of kazakhstan compared to mongolia
my phone died halfway through the concert, typical
@sam_k you left your keys at Priya's place
opening hours Museum of Modern Art Friday
Just landed in Nairobi. Where is everybody?
how far is the eiffel tower from montmartre
nobody told me the office was closed today :(
best ramen near union square open late
Happy birthday Grandma!! 90 years young <3
is Brexit still a thing or what?
Snow in Tallinn, sun in Athens, and me in Leeds.
what time does the ferry leave from pier 39
ok so the meeting moved to Thursday, room 4
They are tearing down the old cinema on Mill Road
cheapest train Berlin Prague this weekend
why does my cat hate the new sofa
The queue at the British Museum is a joke today
visa requirements for brazil from south africa
Dad is at St Mary's Hospital, he's fine, don't worry
good morning team, slides are in the folder
restaurants with a terrace near Lake Geneva
RT @cityfeed: Tower Bridge closed to cars until noon
who won between Ghana and Uruguay last night?
parking at Newark Airport terminal B cost
i could sleep for a week honestly
Moved from Osaka to Kobe, rent is half, commute double
did you get the tickets for the Apollo?
capital of australia is not sydney, people
Please call me when you get to the hotel.
road closures around Wembley Stadium saturday evening
This coffee tastes like regret and burnt toast.
symptoms of a cold vs hay fever
Leaving Doha at 3, home in Manchester by nine
"""


@app.command()
def main(
    model: str = typer.Argument(..., help="A trained pipeline that has rnn_ner"),
    spacy_model: str = typer.Argument(..., help="A trained pipeline that has ner"),
    corpus: Path = typer.Option(Path("assets"), help="The folder of the corpus's sources"),
    rounds: int = typer.Option(15, min=1, help="Rounds in which the pipelines take turns"),
) -> None:
    """Compare CPU time: one text at a time, and in batches."""
    ours, theirs = load(model, "rnn_ner"), load(spacy_model, "ner")
    texts = short_texts(ours, corpus)
    rows = []
    for name, own, run in workloads(texts, ours):
        seconds = by_turns({"rnn_ner": ours, "ner": theirs}, own, run, rounds)
        ratios = [b / a for a, b in zip(seconds["rnn_ner"], seconds["ner"], strict=True)]
        milliseconds = {
            f"{system}, ms a text": statistics.median(each) * 1000 / len(own)
            for system, each in seconds.items()
        }
        rows.append({"texts": name, **milliseconds, "ratio": statistics.median(ratios)})
    show_rows("From text to doc.ents, CPU time", rows)
    console.print(f"{len(texts):,} texts; medians of {rounds} rounds.")


def load(name: str, factory: str) -> Language:
    """Load a pipeline, with only what finding entities takes.

    Raises:
        typer.BadParameter: It has no such component.
    """
    nlp = spacy.load(name)
    kept = [pipe for pipe in nlp.pipe_names if nlp.get_pipe_meta(pipe).factory in KEPT[factory]]
    if factory not in [nlp.get_pipe_meta(pipe).factory for pipe in kept]:
        raise typer.BadParameter(f"{name} has no component {factory}.")
    nlp.select_pipes(enable=kept)
    return nlp


def short_texts(nlp: Language, corpus: Path) -> list[str]:
    """Collect all texts of 5 to 15 tokens, in an order that is always the same."""
    files = sorted(file for pattern in _POSTS for file in corpus.glob(pattern))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    posts = [_MARKED.sub(r"\1", line).replace("\\", "") for line in lines]
    texts = list(dict.fromkeys([*MESSAGES.splitlines(), *posts]))
    texts = [text for text in texts if SHORTEST <= len(nlp.make_doc(text)) <= LONGEST]
    random.Random(_SEED).shuffle(texts)
    return texts


Run = Callable[[Language, Sequence[str]], None]


def workloads(texts: list[str], nlp: Language) -> list[tuple[str, list[str], Run]]:
    """List what is measured: a name, the texts, and how they are tagged."""
    longest = [text for text in texts if len(nlp.make_doc(text)) == LONGEST]
    found: list[tuple[str, list[str], Run]] = [
        (f"one of {LONGEST} tokens", longest[:_SINGLE], _one_by_one),
        ("one at a time", texts[:_SINGLE], _one_by_one),
    ]
    for size in BATCHES:
        found.append((f"batches of {size}", texts[:_COUNT], _in_batches(size)))
    return found


def by_turns(
    systems: dict[str, Language], texts: Sequence[str], run: Run, rounds: int
) -> dict[str, list[float]]:
    """Time each system once a round, in turn, after a round that is not counted.

    Returns:
        The CPU seconds of each round, by system.
    """
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    gc.collect()
    gc.freeze()  # the pipelines are no work for the collector while they are measured
    for number in range(rounds + 1):
        for name, nlp in systems.items():
            gc.collect()
            begin = time.process_time()
            run(nlp, texts)
            if number:
                seconds[name].append(time.process_time() - begin)
    gc.unfreeze()
    return seconds


def _one_by_one(nlp: Language, texts: Sequence[str]) -> None:
    for text in texts:
        nlp(text).ents  # noqa: B018 - reading them makes spans, as users do


def _in_batches(size: int) -> Run:
    def run(nlp: Language, texts: Sequence[str]) -> None:
        for doc in nlp.pipe(texts, batch_size=size):
            doc.ents  # noqa: B018

    return run


if __name__ == "__main__":
    app()
