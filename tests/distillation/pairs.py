"""Small pipelines made on the spot: teachers of rules, and students that learned a little."""

import spacy
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_rnn_tagger.distillation.page import build_report
from spacy_rnn_tagger.distillation.teachers import Teacher
from tests.conftest import eager

RULES = [
    {"label": "GPE", "pattern": "Delhi"},
    {"label": "GPE", "pattern": "Lima"},
    {"label": "FAC", "pattern": "Red Fort"},
    {"label": "FAC", "pattern": "Old Gate"},
]
TEXTS = [
    "Red Fort is in Delhi.",
    "We left Lima for the Old Gate, and it rained.",
    "Nobody came to Lima.",
    "The colour of Old Gate was aluminium.",
    "From Delhi to Lima it is far, they say.",
    "Nothing at all happened there.",
]
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 8, "upstream": "*"}
TOK2VEC = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 8,
    "depth": 1,
    "embed_size": 50,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": True,
}
SMALL = {"hidden_width": 8, "dropout": 0.0, "tok2vec": {"width": 8, "rows": [50] * 4}}


def rules(*, name="ner", nlp=None):
    """A teacher: rules under the name of spaCy's component."""
    nlp = nlp or spacy.blank("en")
    nlp.add_pipe("entity_ruler", name=name).add_patterns(RULES)
    return nlp


def guessing(nlp=None, **config):
    """A student with random weights, which takes many words for entities."""
    nlp = nlp or spacy.blank("en")
    eager(nlp, **config)
    return nlp


def learned(teacher, texts=TEXTS, steps=30):
    """A student that has learned what a teacher finds in texts."""
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_ner", config={"model": {**SMALL, "tok2vec": {"width": 8, "word_dropout": 0}}})
    gold = list(teacher.pipe(texts))

    def examples():
        return [Example(nlp.make_doc(doc.text), doc) for doc in gold]

    optimizer = nlp.initialize(examples)
    optimizer.learn_rate = 0.02
    for _ in range(steps):
        nlp.update(examples(), sgd=optimizer)
    return nlp


def entities(nlp, texts=TEXTS):
    return [[(e.start, e.end, e.label_) for e in doc.ents] for doc in nlp.pipe(texts)]


def made(teacher, **facts):
    return {
        "teachers": [Teacher.of(teacher, "en_rules", "ner").description],
        "texts": "books",
        "n_docs": 6,
        "n_tokens": 52,
        "trust": None,
        "min_confidence": 0.0,
        "rounds": 1,
        "steps": 30,
        "gold": [],
        "date": "2026-01-05",
        **facts,
    }


def reported(agreement, measured=None, gold=(), teacher=None, **facts):
    teacher = teacher or rules()
    return build_report(
        student="en_student",
        made=made(teacher, **facts),
        agreement=agreement,
        measured=measured,
        gold=gold,
    )
