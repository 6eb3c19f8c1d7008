"""A small pipeline with data that it was trained on, selected by, and never saw."""

import random
import re

import spacy
from spacy.tokens import DocBin, Span
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_rnn_tagger.evaluation.data import read_examples

PLACES = ["Red Fort", "Eiffel Tower", "Tower Bridge", "Hill House", "Old Gate", "Port Arthur"]
TOWNS = ["Delhi", "Paris", "Lima", "Oslo", "New York", "Port Louis", "Old Goa", "Hill Town"]
FORMS = ["{0} is in {1}.", "We left {1} for {0}, and {0} was far.", "From {1} to {0} it rained."]

# Labels that a page has to escape, to wrap or to shorten.
STRANGE = [r"US$\frac{$", "_hidden <b>$x^2$ & co</b>", "name_without_a_space_" * 4, "A name " * 12]


def texts(n, seed, wrong=0.0):
    """Sentences with places; some of the annotation is wrong, so that no model can be right."""
    rng = random.Random(seed)
    for number in range(n):
        place, town = rng.choice(PLACES), rng.choice(TOWNS)
        text = f"{seed}-{number}: " + rng.choice(FORMS).format(place, town)
        entities = []
        for name, label in ((place, "FAC"), (town, "GPE")):
            if rng.random() >= wrong:
                entities += [(m.start(), m.end(), label) for m in re.finditer(name, text)]
        yield text, entities


def write(path, nlp, data):
    docs = []
    for text, entities in data:
        docs.append(Example.from_dict(nlp.make_doc(text), {"entities": entities}).reference)
    DocBin(docs=docs).to_disk(path)


def make_folder(folder):
    """Write a pipeline, its train and dev data, held-out data, and one that learned less."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    write(folder / "train.spacy", nlp, texts(60, 1, 0.1))
    write(folder / "dev.spacy", nlp, texts(60, 2, 0.25))
    write(folder / "test.spacy", nlp, texts(80, 3, 0.25))
    for name, steps in (("model", 12), ("worse", 5)):
        nlp = spacy.blank("en")
        nlp.add_pipe("rnn_ner")
        for split in ("train", "dev"):
            nlp.config["paths"][split] = str(folder / f"{split}.spacy")
            nlp.config["corpora"][split]["path"] = f"${{paths.{split}}}"
        examples = read_examples(nlp, folder / "train.spacy")
        optimizer = nlp.initialize(lambda examples=examples: examples)
        optimizer.learn_rate = 0.01
        for _ in range(steps):
            nlp.update(read_examples(nlp, folder / "train.spacy"), sgd=optimizer)
        nlp.to_disk(folder / name)
    return folder


def load_strange(model):
    """Load the model, whose labels have strange names."""
    nlp = spacy.load(model)
    dict.__setitem__(nlp.get_pipe("rnn_ner").cfg, "labels", STRANGE[:2])
    for label in STRANGE:
        nlp.vocab.strings.add(label)
    return nlp


def strangely_named(doc, ents, number):
    """Make spans of a doc at the places of entities, with strange labels: now and then unknown."""
    numbers = {"FAC": 0, "GPE": 1}
    names = [STRANGE[(numbers[ent.label_] + 2 * (number % 9 == 0)) % 4] for ent in ents]
    return [Span(doc, ent.start, ent.end, name) for ent, name in zip(ents, names, strict=True)]
