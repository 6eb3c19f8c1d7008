"""Does `spacy rnn audit` find wrong annotation? Errors are planted in a corpus, and looked for.

`python -m benchmarks.audit` plants errors in 3 % of the entities of the project's sentences, audits
them by folds, and prints which share of the planted errors is in the first places of the ranking.
"""

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spacy
import typer
from spacy.tokens import Doc, Span

from spacy_rnn_tagger import audit, init_config, tune_process
from spacy_rnn_tagger.formats.corpus import corpus_files, read_docs

from .report import console, show_rows

# The kinds of planted errors, in turn.
ERRORS = ("deleted", "border", "label", "invented")
SHARES = (0.03, 0.06, 0.1)
_PLACES = 1, 2, 3  # tokens of an invented entity


def plant(docs: Sequence[Doc], share: float, seed: int = 0) -> list[dict[str, Any]]:
    """Plant errors: an equal number of each kind, and one in a doc at most.

    Args:
        docs: Annotated docs, which are changed.
        share: How many errors there are to be for each entity.
        seed: Decides which ones.

    Returns:
        For each error its doc, its kind, and the first token and the one after the last of what was
        changed.
    """
    rng = random.Random(seed)
    labels = sorted({ent.label_ for doc in docs for ent in doc.ents})
    wanted = round(share * sum(len(doc.ents) for doc in docs))
    order = rng.sample(range(len(docs)), len(docs))
    planted: list[dict[str, Any]] = []
    for number in order:
        if len(planted) == wanted:
            break
        kind = ERRORS[len(planted) % len(ERRORS)]
        changed = _plant(docs[number], kind, labels, rng)
        if changed is not None:
            planted.append({"doc": number, "kind": kind, "start": changed[0], "end": changed[1]})
    return planted


def _plant(
    doc: Doc, kind: str, labels: Sequence[str], rng: random.Random
) -> tuple[int, int] | None:
    """Plant an error in a doc; None if there is no place for it."""
    ents = list(doc.ents)
    if kind == "invented":
        free = [
            (start, start + length)
            for length in _PLACES
            for start in range(len(doc) - length + 1)
            if all(not t.ent_type and t.is_alpha for t in doc[start : start + length])
        ]
        if not free:
            return None
        start, end = rng.choice(free)
        doc.set_ents([*ents, Span(doc, start, end, label=rng.choice(labels))])
        return start, end
    if not ents:
        return None
    old = ents.pop(rng.randrange(len(ents)))
    start, end, label = old.start, old.end, old.label_
    if kind == "label":
        others = [each for each in labels if each != label]
        if not others:
            return None
        label = rng.choice(others)
    if kind == "border":
        taken = {i for ent in ents for i in range(ent.start, ent.end)}
        moved = [
            (a, b)
            for a, b in ((start - 1, end), (start + 1, end), (start, end - 1), (start, end + 1))
            if 0 <= a < b <= len(doc) and not taken & set(range(a, b))
            if all(doc[i].is_alpha for i in {*range(a, b)} ^ {*range(start, end)})
        ]
        if not moved:
            return None
        start, end = rng.choice(moved)
    if kind != "deleted":
        ents.append(Span(doc, start, end, label=label))
    doc.set_ents(ents)
    return min(start, old.start), max(end, old.end)


def found_at(
    ranking: Sequence[dict[str, Any]], planted: Sequence[dict[str, Any]]
) -> list[int | None]:
    """Find the rank of each planted error: the first place that touches it.

    Args:
        ranking: As `audit` returns it.
        planted: As `plant` returns it.

    Returns:
        The ranks, from 1; None for an error that is not in the ranking.
    """
    places: dict[int, list[tuple[int, int, int]]] = {}
    for row in ranking:
        for mention in (row["gold"], row["suggestion"]):
            if mention is not None:
                own = (row["rank"], mention["start"], mention["end"])
                places.setdefault(row["doc"], []).append(own)
    return [
        min(
            (
                rank
                for rank, start, end in places.get(each["doc"], ())
                if start < each["end"] and each["start"] < end
            ),
            default=None,
        )
        for each in planted
    ]


def summarise(
    ranking: Sequence[dict[str, Any]], planted: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Say which share of the planted errors is in the first places of a ranking.

    Args:
        ranking: As `audit` returns it.
        planted: As `plant` returns it.

    Returns:
        A row for each share of the ranking, with the share of all errors and of each kind.
    """
    ranks = found_at(ranking, planted)
    total = Counter(each["kind"] for each in planted)
    rows = []
    for share in SHARES:
        last = int(share * len(ranking))
        own = Counter(
            each["kind"]
            for each, rank in zip(planted, ranks, strict=True)
            if rank is not None and rank <= last
        )
        found = {"all": own.total() / max(1, len(planted))}
        found |= {kind: own[kind] / max(1, total[kind]) for kind in ERRORS}
        rows.append(
            {"first": f"{share:.0%}", "places": str(last)}
            | {kind: f"{value:.2f}" for kind, value in found.items()}
        )
    return rows


def main(
    data: Path = typer.Option(Path("assets/sentences/train"), help="Annotated data"),
    n_docs: int = typer.Option(6000, "--docs", help="How many docs to take, at random"),
    share: float = typer.Option(0.03, help="Errors for each entity"),
    folds: int = typer.Option(3, help="Folds"),
    steps: int = typer.Option(500, help="Steps of training for each fold, of 1,000 words"),
    vectors: str = typer.Option(None, help="Word vectors: a pipeline's folder"),
    seed: int = typer.Option(0, help="Decides which docs are taken, and which errors are planted"),
    output: Path = typer.Option(Path("metrics/audit"), help="Folder for the results"),
) -> None:
    """Plant errors in a corpus, audit it, and print how many of them are found."""
    config = init_config("rnn_ner", vectors=vectors)
    config["training"]["batcher"]["size"] = 1000
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    if vectors is not None:
        spacy.training.initialize.load_vectors_into_model(nlp, vectors)
    docs = [doc for doc in read_docs(nlp, corpus_files(data)) if len(doc)]
    docs = random.Random(seed).sample(docs, min(n_docs, len(docs)))
    planted = plant(docs, share, seed)
    found = audit(nlp, docs, output / "audit.html", folds=folds, steps=steps)
    rows = summarise(found["ranking"], planted)
    title = f"{len(planted)} errors in {found['entities']:,} entities of {len(docs):,} docs"
    show_rows(title, rows)
    content = {"planted": planted, "found": rows, "ranks": found_at(found["ranking"], planted)}
    (output / "errors.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    console.print(f"Results are in {output}.")


if __name__ == "__main__":
    tune_process()
    typer.run(main)
