"""`spacy rnn report`: a page on what a pipeline does with annotated data."""

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING, Any

import typer
from spacy.language import Language
from spacy.training import Example
from wasabi import msg

from ..io import check_file, write_whole
from . import app
from .evaluating import CODE, COMPONENT, DATA, GPU, MODEL, load, warn
from .failures import failures

if TYPE_CHECKING:
    from ..evaluation.outcomes import DocOutcome


@app.command("report")
def report_cli(
    model: str = MODEL,
    data: Path = DATA,
    output: Path = typer.Argument(..., help="The HTML page to write"),
    compare: str = typer.Option(None, "--compare", help="Another pipeline, to be compared with"),
    train: Path = typer.Option(
        None, "--train", help="Training data, for seen names; that of the config if not given"
    ),
    n_docs: int = typer.Option(20, "--docs", min=0, help="Docs with errors that are shown"),
    as_json: bool = typer.Option(False, "--json", help="Print the figures as JSON as well"),
    component: str = COMPONENT,
    code: Path = CODE,
    gpu: int = GPU,
) -> None:
    """Write a page with scores, errors, confidence and examples; it needs no network.

    Any pipeline that sets doc.ents can be looked at; confidence is that of a component rnn_ner.
    """
    with failures("No report"):
        figures = report(
            model,
            data,
            output,
            compare=compare,
            train=train,
            n_docs=n_docs,
            component=component,
            code=code,
            gpu=gpu,
        )
    for note in figures["notes"]:
        warn(note)
    if as_json:
        typer.echo(json.dumps(figures, indent=2, ensure_ascii=False))
    else:
        total = figures["scores"][0]
        msg.good(f"F {total['f']:.3f}, P {total['p']:.3f}, R {total['r']:.3f}: {output}")


def report(
    model: str,
    data: Path,
    output: Path,
    *,
    compare: str | None = None,
    train: Path | None = None,
    n_docs: int = 20,
    component: str | None = None,
    code: Path | None = None,
    gpu: int = -1,
) -> dict[str, Any]:
    """Write the page of a pipeline on data, whole or not at all.

    RETURNS: the figures, as `evaluation.figures` describes them, with `model`, `data`, `notes` and
        `versions`, and the costliest `docs_with_errors`.

    RAISES ValueError, OSError: something can't be read, or does not serve.
    """
    from ..evaluation import figures as fig
    from ..evaluation.data import read_examples
    from ..evaluation.page import render_page
    from ..evaluation.running import find_component, find_outcomes

    check_file(output)
    nlp = load(model, code, gpu)
    name = find_component(nlp, component)
    examples = read_examples(nlp, data)
    seen, notes = _beside_training(nlp, examples, train)
    labels: tuple[str, ...] = nlp.get_pipe(name).labels if name else ()
    notes += _unknown_labels(examples, labels)
    docs = find_outcomes(nlp, name, examples)
    threshold = nlp.get_pipe(name).cfg["threshold"] if name else 0.0
    figures = fig.measure(docs, labels, threshold, seen)
    figures["comparison"] = None
    if compare is not None:
        other = load(compare, code, gpu)
        theirs = find_outcomes(other, find_component(other), read_examples(other, data))
        rows = fig.compare(docs, theirs, figures["labels"])
        figures["comparison"] = {"model": compare, "scores": rows}
    versions = {package: version(package) for package in ("spacy-rnn-tagger", "spacy", "thinc")}
    versions["python"] = python_version()
    about: dict[str, Any] = {"model": model, "data": str(data), "notes": notes}
    about["versions"] = versions
    costliest = fig.costliest(docs, n_docs)
    page = render_page(**about, figures=figures, docs=docs, costliest=costliest)
    write_whole(output, page.encode("utf-8"))
    shown = [_as_data(number, spent, docs[number]) for number, spent in costliest]
    return {**about, **figures, "docs_with_errors": shown}


def _beside_training(
    nlp: Language, examples: list[Example], train: Path | None
) -> tuple[set[tuple[str, str]] | None, list[str]]:
    """Find the names that training has seen, and what to say of data that it has seen."""
    from ..evaluation.data import read_examples, shared_texts, training_corpora
    from ..evaluation.figures import names_of

    known = training_corpora(nlp)
    docs = known.train
    if train is not None:
        docs = [example.reference for example in read_examples(nlp, train)]
    notes = []
    for others, did in ((docs, "trained"), (known.dev, "selected")):
        shared = shared_texts(examples, others or ())
        if shared:
            notes.append(
                f"{shared} of the {len(examples)} docs are among those that {did} the model: the "
                "figures are better than on new text."
            )
    return None if docs is None else names_of(docs), notes


def _unknown_labels(examples: list[Example], labels: tuple[str, ...]) -> list[str]:
    found = {ent.label_ for example in examples for ent in example.reference.ents}
    unknown = sorted(found.difference(labels)) if labels else []
    if not unknown:
        return []
    return [f"The model does not know {', '.join(unknown)}: all entities of it count as missed."]


def _as_data(number: int, spent: float, doc: "DocOutcome") -> dict[str, Any]:
    from ..evaluation.figures import cost

    rows = []
    for error in doc.errors:
        sides = {
            side: None if mention is None else asdict(mention)
            for side, mention in zip(("gold", "predicted"), error[1:], strict=True)
        }
        rows.append({"kind": error.kind, "cost": cost(error), **sides})
    return {"doc": number, "cost": spent, "errors": rows}
