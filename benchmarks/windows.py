"""How near the scores of a long doc are, read in windows, to those of the doc read as a whole.

`python -m benchmarks.windows MODEL TEXTS`; TEXTS is a folder of `*.txt`.
"""

from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import spacy
import typer
from spacy.tokens import Doc

from spacy_rnn_tagger import tune_process
from spacy_rnn_tagger.crf.forward_backward import forward_backward

from .report import show_rows
from .soak import paragraphs

app = typer.Typer(help=__doc__)
_SETTINGS = ((512, 64), (1024, 128), (4096, 64), (4096, 256), (4096, 1024))


@app.command()
def main(
    model: str = typer.Argument(..., help="A trained pipeline"),
    texts: Path = typer.Argument(..., help="A folder of text files", exists=True),
    tokens: int = typer.Option(100_000, help="Tokens of the doc"),
) -> None:
    """Compare the probabilities of all tags, and the entities."""
    nlp = spacy.load(model)
    words = list(islice(chain.from_iterable(map(nlp.make_doc, paragraphs(texts))), tokens))
    doc = [token.text for token in words]
    whole, entities = _read(model, doc, 0, 0)
    rows = []
    for max_length, overlap in _SETTINGS:
        p, found = _read(model, doc, max_length, overlap)
        difference = np.abs(p - whole).max(axis=1)
        rows.append(
            {
                "max_length": max_length,
                "overlap": overlap,
                "P differs by at most": f"{difference.max():.4f}",
                "99.9 % by": f"{np.quantile(difference, 0.999):.5f}",
                "in the mean": f"{difference.mean():.1e}",
                "entities": len(found),
                "others": len(found ^ entities),
            }
        )
    show_rows(f"{len(entities)} entities in a doc of {tokens:,} tokens", rows)


def _read(
    model: str, words: list[str], max_length: int, overlap: int
) -> tuple[Any, set[tuple[int, int, str]]]:
    settings = {"rnn_ner": {"model": {"max_length": max_length, "overlap": overlap}}}
    nlp = spacy.load(model, config={"components": settings})
    pipe: Any = nlp.get_pipe("rnn_ner")
    found = pipe.infer([Doc(nlp.vocab, words=words)])
    p = forward_backward(found.lattice, found.order).tags
    [entities] = found.locate(found.entities())
    return p, set(entities)


if __name__ == "__main__":
    tune_process()
    app()
