"""Texts with their entities marked, as pages show them, cut to what surrounds the errors."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape
from spacy import displacy

from .outcomes import Mention

# How many characters to show on each side of an error.
_AROUND = 160
GAP = " […] "
_MENTION = (
    '<mark class="entity" style="background: {bg}">{text}'
    '<span class="label">{label} {confidence}</span></mark>'
)


def find_windows(
    text: str, wrong: Sequence[Mention], every: Sequence[Mention]
) -> list[tuple[int, int]]:
    """Find the surroundings of errors in a text, cut between words; those that touch are joined.

    Args:
        text: The text.
        wrong: The mentions with errors.
        every: Mentions that must not be cut in two.

    Returns:
        The first character and the one after the last, for each window.
    """
    windows: list[tuple[int, int]] = []
    for mention in sorted(wrong, key=lambda mention: mention.start_char):
        first = text.rfind(" ", 0, max(0, mention.start_char - _AROUND)) + 1
        last = text.find(" ", mention.end_char + _AROUND)
        last = len(text) if last < 0 else last
        first = min([first, *(m.start_char for m in every if m.start_char < first < m.end_char)])
        last = max([last, *(m.end_char for m in every if m.start_char < last < m.end_char)])
        if windows and first <= windows[-1][1]:
            windows[-1] = windows[-1][0], max(last, windows[-1][1])
        else:
            windows.append((first, last))
    return windows


def mark_windows(
    text: str, mentions: Sequence[Mention], windows: Sequence[tuple[int, int]]
) -> Markup:
    """Mark the mentions in the windows of a text.

    Args:
        text: The text.
        mentions: The mentions; those that are not inside of a window are not shown.
        windows: The windows, as `find_windows` returns them.

    Returns:
        The HTML, with "[…]" for what was cut.
    """
    parts = []
    for begin, stop in windows:
        inside = [m for m in mentions if begin <= m.start_char and m.end_char <= stop]
        places = [(m.start_char - begin, m.end_char - begin, m.label, m.confidence) for m in inside]
        parts.append(mark(text[begin:stop], places))
    gaps = [windows[0][0] > 0, windows[-1][1] < len(text)] if windows else [False, False]
    joined = Markup(GAP).join(parts)
    return (GAP if gaps[0] else "") + joined + (GAP if gaps[1] else "")


def mark(text: str, places: Iterable[tuple[int, int, str, float | None]]) -> Markup:
    """Mark entities in a text, in displaCy's colours.

    Args:
        text: The text.
        places: The first character of each, the one after its last, its label, and its confidence.

    Returns:
        The HTML.
    """
    ents = [
        {
            "start": start,
            "end": end,
            "label": label,
            # displaCy does not escape a label.
            "params": {
                "label": escape(label),
                "confidence": "" if confidence is None else f"{confidence:.2f}",
            },
        }
        for start, end, label, confidence in sorted(places, key=lambda place: place[0])
    ]
    html = displacy.render(
        {"text": text, "ents": ents},
        style="ent",
        manual=True,
        jupyter=False,
        options={"template": _MENTION},
    )
    return Markup(html)
