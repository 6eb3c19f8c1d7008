"""Texts to annotate: sentences of the project's test split, and some that are awkward."""

import json
from pathlib import Path

from spacy_rnn_tagger.formats.inline import parse_line

from .checking import command
from .people import Span

_FOLDER = Path(__file__).parents[2] / "assets" / "sentences" / "test"
_KINDS = ("news", "letters", "posts", "travel")
_EACH = 8
AWKWARD = (
    # Characters beyond U+FFFF, which JavaScript counts twice, before, between and behind names.
    "\N{PARTY POPPER}\N{PARTY POPPER} We are in Lima, and tomorrow in Kuala Lumpur "
    "\N{PARTY POPPER} with the fire brigade.",
    "Dear all,\n\nSee you at the Brandenburg Gate in Berlin.\nBring   bread\tand salt.\n",
    'नमस्ते from Old Delhi: café "É" <b>& Agra</b>, and back to Paris, he said.',
)


def write_texts(path: Path) -> list[str]:
    """Write the texts, an object a line with metadata of its own; return them."""
    texts = [
        parse_line(line)[0]
        for kind in _KINDS
        for line in (_FOLDER / f"{kind}.txt").read_text(encoding="utf-8").splitlines()[:_EACH]
    ]
    texts += AWKWARD
    lines = [json.dumps({"text": text, "id": i}) for i, text in enumerate(texts)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return texts


def suggest(model: str, folder: Path, format: str) -> tuple[Path, list[tuple[str, list[Span]]]]:
    """Annotate the texts for a tool.

    Args:
        model: A trained pipeline.
        folder: Where everything is written.
        format: The tool's format.

    Returns:
        The folder for the tool; and the texts with their spans, in characters.
    """
    texts = write_texts(folder / "texts.jsonl")
    found: dict[str, list[Span]] = {}
    for name in ("jsonl", format):
        status, _ = command(
            "annotate", model, folder / "texts.jsonl", folder / name, "--format", name
        )
        if status:
            raise RuntimeError("The texts were not annotated.")
    [shard] = (folder / "jsonl").glob("part-*.jsonl")
    for line in shard.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        spans = [(each["start"], each["end"], each["label"]) for each in row["entities"]]
        found[row["text"]] = spans
    return folder / format, [(text, found[text]) for text in texts]
