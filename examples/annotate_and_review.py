"""Annotate texts with confidences, and choose what a person should look at.

    python examples/annotate_and_review.py [MODEL] [TEXTS]

MODEL is a pipeline with a component `rnn_ner`; without it, the script trains a small one on a part
of the project's corpus. TEXTS is a text file with a text per line, a folder, or JSONL; by default,
other sentences of the corpus. Everything is written to training/examples/review:

- `annotated/`: every text with its entities and their confidences;
- `sure.jsonl`, `doubtful.jsonl`: the texts whose entities are all above 0.9, and the others;
- `next.jsonl`: the texts that the pipeline can learn most from, to annotate next.
"""

import json
import random
import shutil
import sys
from pathlib import Path

import spacy
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import minibatch

from spacy_rnn_tagger import annotate, convert, select

SENTENCES = Path(__file__).parents[1] / "assets" / "sentences"
OUTPUT = Path("training/examples/review")
LABELS = ["FAC", "GPE"]
N_DOCS, EPOCHS, BATCH, N_NEXT, SURE = 1500, 6, 32, 5, 0.9


def read(split: str) -> list[str]:
    """Read the sentences of a split, and write them to a `.spacy` file with their annotation."""
    path = OUTPUT / f"{split}.spacy"
    convert(SENTENCES / split, path, labels=LABELS)
    return [doc.text for doc in DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)]


def make_model(path: Path) -> None:
    """Train a small pipeline on a part of the corpus."""
    nlp = spacy.blank("en")
    nlp.add_pipe("rnn_ner")
    read("train")
    docs = DocBin().from_disk(OUTPUT / "train.spacy").get_docs(nlp.vocab)
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in docs]
    random.Random(0).shuffle(examples)
    examples = examples[:N_DOCS]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(EPOCHS):
        for batch in minibatch(examples, BATCH):
            nlp.update(batch, sgd=optimizer)
    nlp.to_disk(path)


def is_sure(record: dict) -> bool:
    """Check that no entity of a record is doubtful."""
    return all(entity["confidence"] >= SURE for entity in record["entities"])


def main(model: str | None, texts: str | None) -> None:
    """Annotate, divide by confidence, and select."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    if model is None:
        model = str(OUTPUT / "model")
        make_model(Path(model))
    if texts is None:
        texts = str(OUTPUT / "texts.txt")
        Path(texts).write_text("\n".join(read("test")), encoding="utf-8")

    folder = OUTPUT / "annotated"
    shutil.rmtree(folder, ignore_errors=True)  # it would resume, and refuse another pipeline
    done = annotate(model, texts, folder)
    print(f"{done.docs:,} texts annotated, {done.entities:,} entities")

    parts = {"sure": [], "doubtful": []}
    for shard in sorted(folder.glob("part-*.jsonl")):
        for line in shard.read_text(encoding="utf-8").splitlines():
            parts["sure" if is_sure(json.loads(line)) else "doubtful"].append(line)
    for name, lines in parts.items():
        (OUTPUT / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        print(f"{len(lines):,} {name}: {OUTPUT / name}.jsonl")

    chosen = OUTPUT / "next.jsonl"
    select(model, texts, chosen, n=N_NEXT, near_duplicates=False)
    print(f"To annotate next, in {chosen}:")
    for line in chosen.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        print(f"  {record['meta']['select_score']:.4f}  {record['text']}")
    print(f"Correct {chosen}, then: python -m spacy rnn convert {chosen} corpus/more.spacy")


if __name__ == "__main__":
    main(*[*sys.argv[1:3], None, None][:2])
