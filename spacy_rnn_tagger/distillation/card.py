"""The student's model card: its `meta.json`, from which `spacy package` writes a README."""

from typing import Any

from spacy.language import Language

from ..errors.wording import counted
from ..evaluation.figures import ALL, Row

_FACTS = (
    "texts",
    "n_docs",
    "n_tokens",
    "trust",
    "min_confidence",
    "rounds",
    "steps",
    "gold",
    "date",
)


def fill_card(student: Language, report: Row) -> None:
    """Fill in the student's meta data from the report on its distillation.

    `spacy package` writes the package's README from it, and `spacy info` shows it. A description,
    license and author that are there are kept. What stood in `performance` is replaced: it was
    measured on the docs that selected the model.

    Args:
        student: The student's pipeline, whose meta data is changed.
        report: The report, as `page.build_report` returns it.
    """
    made, meta = report["made"], student.meta
    names = [_name(teacher) for teacher in made["teachers"]]
    teachers = " and ".join(names)
    meta["description"] = meta.get("description") or (
        f"Recurrent named-entity recognition (rnn_ner), distilled from {teachers}."
    )
    meta["sources"] = _sources(meta.get("sources") or [], made)
    meta["notes"] = _notes(teachers, report)
    meta["performance"] = _performance(report)
    meta["distillation"] = {
        "teacher": names if len(names) > 1 else "".join(names),
        **{key: made[key] for key in _FACTS if key in made},
        "agreement": _agreement(report),
        "versions": made.get("versions", {}),
    }


def _name(teacher: Row) -> str:
    version = teacher.get("version")
    return f"{teacher['name']} {version}" if version else str(teacher["name"])


def _sources(before: list[Any], made: Row) -> list[Row]:
    """List the teachers and the texts in the form in which spaCy lists sources."""
    new: list[Row] = [
        {
            "name": _name(teacher),
            **{key: teacher[key] for key in ("url", "author", "license") if teacher.get(key)},
        }
        for teacher in made["teachers"]
    ]
    new += [{"name": str(name)} for name in (made.get("texts"), *(made.get("gold") or ())) if name]
    known = [source if isinstance(source, dict) else {"name": source} for source in before]
    names = {source["name"] for source in new}
    return [*(source for source in known if source.get("name") not in names), *new]


def _agreement(report: Row) -> Row | None:
    total = report["agreement"]["scores"][0] if report.get("agreement") else None
    return total and {key: total[key] for key in ("p", "r", "f", "f_interval")}


def _performance(report: Row) -> Row:
    """Summarise the scores under spaCy's names, which its README shows as percentages."""
    found: Row = {}
    if report.get("agreement"):
        total, *labels = report["agreement"]["scores"]
        found |= {f"ents_{key}": total[key] for key in "prf"}
        found["ents_per_type"] = {row["label"]: {key: row[key] for key in "prf"} for row in labels}
    own = [gold for gold in report.get("gold") or () if gold["comparison"]]
    for number, gold in enumerate(own, start=1):
        [total] = [row for row in gold["comparison"] if row["label"] == ALL]
        name = "gold" if len(own) == 1 else f"gold_{number}"
        found |= {f"{name}_ents_f": total["ours"], f"{name}_teacher_ents_f": total["theirs"]}
    if report.get("measured"):
        # spaCy's own name for words a second; its README leaves it out.
        found["speed"] = report["measured"]["speed"]["pipeline"]["student"]["median"]
    return found


def _notes(teachers: str, report: Row) -> str:
    """Say in Markdown what the scores are, and what the student was made from."""
    made = report["made"]
    notes = [
        f"This pipeline learned from what {teachers} found in {made.get('texts') or 'texts'}, "
        + (
            "and from the gold annotation named among the sources."
            if made.get("gold")
            else "not from annotation by people."
        )
    ]
    if report.get("agreement"):
        notes.append(
            "`ENTS_P`, `ENTS_R` and `ENTS_F` measure how far it agrees with its teacher on "
            f"held-out texts ({counted(report['agreement']['docs'], 'doc')}), not how often it is "
            "right."
        )
    own = [gold for gold in report.get("gold") or () if gold["comparison"]]
    for number, gold in enumerate(own, start=1):
        name = "GOLD" if len(own) == 1 else f"GOLD_{number}"
        notes.append(
            f"`{name}_ENTS_F` and `{name}_TEACHER_ENTS_F` are the scores of this pipeline and of "
            f"its teacher on {gold['data']}, for the labels that both write: "
            f"{', '.join(gold['labels'])}."
        )
    if made.get("trust"):
        notes.append(f"Only these labels of the teacher were learned: {', '.join(made['trust'])}.")
    measured = report.get("measured")
    if measured:
        ratio = measured["speed"]["part"]["ratio"]["median"]
        notes.append(f"It finds entities {ratio:.1f} times as fast as its teacher.")
    return "\n\n".join(notes)
