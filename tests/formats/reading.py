"""What the tests of formats have in common: files as tools write them, and what is read."""

import json

import spacy
from spacy.tokens import DocBin

from spacy_rnn_tagger.training.converting import convert

TEXT = "Red Fort is in Delhi."
SPANS = [(0, 8, "FAC"), (15, 20, "GPE")]


def write(path, content):
    """Write text, bytes, or a value as JSON."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def lines(*values):
    return "".join(json.dumps(value) + "\n" for value in values)


def converted(source, **settings):
    """Convert a file; return its docs and what was found."""
    out = source.parent / "converted.spacy"
    settings = {"allow_empty": True, "notify": lambda note: None} | settings
    found = convert(source, out, **settings)
    return list(DocBin().from_disk(out).get_docs(spacy.blank("en").vocab)), found


def spans_of(doc):
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def tags_of(doc):
    """Write a doc's annotation: B, I, O, or "?" where it is missing."""
    return "".join(token.ent_iob_ or "?" for token in doc)
