"""A report in plain language: what a reader without statistics should take away."""

from typing import Any

# As in `figures`, which can't be imported without the extra `evaluation`.
_ALL = "all"


def summarise(model: str, figures: dict[str, Any]) -> str:
    """Say in a few sentences what a pipeline does with annotated docs.

    Args:
        model: The pipeline's name.
        figures: What `figures.measure` returns.

    Returns:
        The sentences.
    """
    total, *rows = figures["scores"]
    gold, predicted, correct = (total[key] for key in ("gold", "predicted", "correct"))
    found = f"{model} finds {_counted(correct, gold, 'annotated entity', 'annotated entities')}"
    if predicted:
        right = "it is" if correct == predicted == 1 else f"{correct:,} of them are"
        noun = "entity" if predicted == 1 else "entities"
        found += f"; it writes {predicted:,} {noun}, and {right} right"
    else:
        found += "; it writes none at all"
    sentences = [f"{found}."]
    rows = [row for row in rows if row["gold"]]
    if len(rows) > 1:
        best, worst = (pick(rows, key=lambda row: row["f"]) for pick in (max, min))
        if f"{best['f']:.2f}" != f"{worst['f']:.2f}":
            sentences.append(
                f"It does best with {best['label']} (F {best['f']:.2f}) and worst with "
                f"{worst['label']} (F {worst['f']:.2f})."
            )
    for row in figures["coverage"] or ():
        if row["label"] == _ALL and figures["candidates"]:
            sentences.append(
                f"Its candidates include {_share(row['coverage'])} of the true entities, with "
                f"{row['per_entity']:.1f} candidates per entity."
            )
    for row in figures["operating_points"] or ():
        if (row["label"], row["precision"]) == (_ALL, 0.95) and row["threshold"] is not None:
            sentences.append(
                "If its most confident entities are accepted without a check, so that 95 % of them "
                f"are right, a person has to check {_share(row['checked_entities'])} of what it "
                "finds."
            )
    return " ".join(sentences)


def _counted(part: int, whole: int, one: str, many: str) -> str:
    return f"{part:,} of {whole:,} {one if whole == 1 else many}"


def _share(value: float) -> str:
    """Write a share in per cent, and never one as 0 or 100 that is not."""
    rounded = round(100 * value)
    if rounded in (0, 100) and 0 < value < 1:
        return "more than 99 %" if rounded else "less than 1 %"
    return f"{rounded} %"
