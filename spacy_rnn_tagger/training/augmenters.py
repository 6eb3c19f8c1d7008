"""Augmentation: mentions of entities are replaced with other names of the same label."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..errors import Errors
from ..io import read_lines
from ..pipeline.label_sets import LABEL_SET_KEY, move_label_set
from ..pipeline.soft_annotation import POSTERIORS_KEY, move_posteriors

Augmenter = Callable[[Language, Example], Iterator[Example]]

_MISSING, _BLOCKED = 0, 3  # spaCy's codes of ENT_IOB in tokens without a label


def create_entity_swap_v1(
    names: dict[str, str], level: float = 0.5, per_entity: float = 0.5
) -> Augmenter:
    """Create the augmenter `spacy_rnn_tagger.entity_swap.v1`.

    A new name is written in capitals or in lower case, as the mention was. A changed doc keeps its
    entities, its sentence starts, the record of what its annotators marked, its soft annotation,
    and the spans of its other span groups, except for spans that begin or end within a mention that
    was replaced. Entities and spans whose text stays keep their `kb_id` and `id`. Entities with
    coarse labels keep their mentions.

    Args:
        names: For each label, the path of a text file with one name per line. Labels without a file
            keep their mentions.
        level: The share of docs to change, in [0, 1].
        per_entity: The share of mentions to replace in such a doc, in [0, 1].

    Returns:
        The augmenter.

    Raises:
        ValueError: A share is outside [0, 1], or a file has no names.
        FileNotFoundError: A file is missing.
    """
    for setting, share in (("level", level), ("per_entity", per_entity)):
        if not 0 <= share <= 1:
            raise ValueError(Errors.RNN005.format(setting=setting, received=share))
    lists = {label: _read_names(label, Path(path)) for label, path in names.items()}

    def entity_swap(nlp: Language, example: Example) -> Iterator[Example]:
        if random.random() >= level:
            yield example
            return
        swaps = {
            ent.start: (ent, random.choice(lists[ent.label_]))
            for ent in example.reference.ents
            if ent.label_ in lists and random.random() < per_entity
        }
        if not swaps:
            yield example
            return
        yield _swapped(nlp, example.reference, swaps)

    return entity_swap


def _read_names(label: str, path: Path) -> list[str]:
    if not path.is_file():
        raise FileNotFoundError(Errors.RNN302.format(path=path, label=label))
    names = [line.strip() for line in read_lines(path) if line.strip()]
    if not names:
        raise ValueError(Errors.RNN303.format(path=path, label=label))
    return names


def _swapped(nlp: Language, doc: Doc, swaps: dict[int, tuple[Span, str]]) -> Example:
    """Rebuild a doc word by word, with other names."""
    words: list[str] = []
    spaces: list[bool] = []
    new_start: dict[int, int] = {}  # from a token of the old doc to its place in the new one
    sent_starts: list[bool | None] = []
    # Of a single token, spaCy takes its sentence for annotated.
    is_known = len(doc) > 1 and doc.has_annotation("SENT_START", require_complete=True)
    within = False if is_known else None
    i = 0
    while i < len(doc):
        new_start[i] = len(words)
        sent_starts.append(doc[i].is_sent_start)
        if i in swaps:
            ent, name = swaps[i]
            tokens = nlp.make_doc(_written_like(ent.text, name))
            words += [token.text for token in tokens]
            spaces += [bool(token.whitespace_) for token in tokens]
            sent_starts += [within] * (len(tokens) - 1)
            spaces[-1] = bool(doc[ent.end - 1].whitespace_)
            i = ent.end
        else:
            words.append(doc[i].text)
            spaces.append(bool(doc[i].whitespace_))
            i += 1
    new_start[len(doc)] = len(words)
    reference = Doc(nlp.vocab, words=words, spaces=spaces, sent_starts=sent_starts)
    # Entities don't overlap, so none starts or ends inside a name that was swapped.
    ents = [_moved(ent, reference, new_start) for ent in doc.ents]
    missing, blocked = (_tokens(doc, reference, new_start, iob) for iob in (_MISSING, _BLOCKED))
    reference.set_ents(ents, missing=missing, blocked=blocked)
    move_label_set(doc, reference, new_start)
    move_posteriors(doc, reference, new_start)
    for key, group in doc.spans.items():
        if key not in (LABEL_SET_KEY, POSTERIORS_KEY):
            # Its attributes, such as scores, are about the old text.
            reference.spans[key] = [
                _moved(span, reference, new_start)
                for span in group
                if span.start in new_start and span.end in new_start
            ]
    return Example(nlp.make_doc(reference.text), reference)


def _tokens(doc: Doc, reference: Doc, new_start: dict[int, int], iob: int) -> list[Span]:
    """Find the tokens outside of entities that are missing, or blocked; they stay so."""
    places = [new_start[t.i] for t in doc if not t.ent_type and t.ent_iob == iob]
    return [reference[at : at + 1] for at in places]


def _moved(span: Span, reference: Doc, new_start: dict[int, int]) -> Span:
    """Find a span in the new doc. If its text has changed, it names something else."""
    start, end = new_start[span.start], new_start[span.end]
    moved = Span(reference, start, end, label=span.label_)
    if moved.text == span.text:
        moved.kb_id_, moved.id_ = span.kb_id_, span.id_
    return moved


def _written_like(mention: str, name: str) -> str:
    if mention.isupper() and len(mention) > 3:  # "US" says nothing about the writing around it
        return name.upper()
    return name.lower() if mention.islower() else name
