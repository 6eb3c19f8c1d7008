"""Replacing one component of the teacher's pipeline with the student's."""

from collections.abc import Callable, Iterator
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import spacy
from spacy.attrs import NORM
from spacy.language import Language
from spacy.pipe_analysis import validate_attrs
from spacy.ty import ListenedToComponent
from spacy.util import copy_config
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.model import Model
from thinc.util import to_numpy

from ..errors import Errors, Warnings, as_warning
from ..errors.wording import counted
from ..evaluation.inputs import pipeline_name
from ..evaluation.running import find_component, no_component

_NORMS = "lexeme_norm"
_VECTORS = ("static_vectors", "vectors_lookup")  # the layers of spaCy and of this package
_SENTENCES = "in_sentences"
# The attributes of layers that name the lexical attributes they read.
_READ = ("attrs", "attr", "columns", "column")
_LISTENER = "Listener."  # in the names of all architectures that listen
_SHOWN = 3
_Notify = Callable[[str], None]


def replace_component(
    teacher: Language,
    student: Language,
    *,
    name: str,
    component: str | None = None,
    notify: _Notify = as_warning,
) -> Language:
    """Build the teacher's pipeline with one of its components replaced by the student's `rnn_ner`.

    The new component has the position and the name of the old one, so that `disable=["ner"]` means
    the same as before. Everything else is kept: the other components, the tokenizer, the vocab and
    the meta data, except for the scores of the old component. Neither of the two pipelines is
    changed.

    The student finds the same entities as in its own pipeline, under two conditions: the teacher's
    tokenizer splits texts in the same way, and no component before it sets entities or sentence
    starts. `rnn_ner` keeps entities that are already set, as spaCy's `ner` does, and its entities
    don't cross sentence starts.

    Args:
        teacher: The pipeline.
        student: The pipeline with the component `rnn_ner`.
        name: The name of the teacher's component to replace.
        component: The name of the student's component, if it has several `rnn_ner`.
        notify: Called with a note about each side effect or difference: a component that is removed
            because nothing listens to it any more, vectors that are added, a tokenizer or language
            that differs, or sentence starts that the student learned without. By default, each note
            is a `UserWarning`.

    Returns:
        The new pipeline.

    Raises:
        ValueError: The teacher has no component of that name, or it does not find entities; the
            student has no `rnn_ner`; or the student reads word vectors or norms that differ from
            those in the teacher's vocab, so that it would find other entities than on its own.
    """
    check_target(teacher, name)
    own = find_component(student, component)
    if own is None:
        raise ValueError(no_component(student, "The student"))
    student = _standalone(student, own)
    pipe = student.get_pipe(own)
    check_vocab(teacher, student, pipe.model)
    adds_vectors = reads_vectors(pipe.model) and not _has_vectors(teacher.vocab.vectors)
    _note_differences(teacher, student, name, pipe.model, notify)

    orphans = _orphans(teacher, name)
    if orphans:
        removed = ", ".join(f"'{orphan}'" for orphan in orphans)
        notify(Warnings.RNNW04.format(removed=removed, name=name))
    result = _copy_without(teacher, [name, *orphans])
    if adds_vectors:
        notify(Warnings.RNNW05)
        _take_vectors(result, student)
    for string in student.vocab.strings:
        result.vocab.strings.add(string)
    _insert(result, teacher, student, name, own)
    _adapt_meta(result, student, name)
    return result


def blank_like(teacher: Language) -> Language:
    """Create a blank pipeline that reads text as the teacher does, for a student to start from.

    Its tokenizer and its table of norms are the teacher's; it has neither components nor vectors.
    Written to a folder, it is what `tokenizer` and `vocab` of `spacy.copy_from_base_model.v1` in
    `[initialize.before_init]` should name: a student that has learned with other norms can't
    replace a component of the teacher.

    Args:
        teacher: The pipeline.

    Returns:
        The blank pipeline.
    """
    tokenizer = teacher.config["nlp"]["tokenizer"]
    nlp = spacy.blank(teacher.lang, config={"nlp": {"tokenizer": copy_config(tokenizer)}})
    if hasattr(teacher.tokenizer, "to_bytes"):
        nlp.tokenizer.from_bytes(teacher.tokenizer.to_bytes(exclude=["vocab"]))
    if norms := _norms(teacher.vocab):
        nlp.vocab.lookups.add_table(_NORMS, norms)
        nlp.vocab.lookups = nlp.vocab.lookups  # only by being set do they take effect
    return nlp


def reads_vectors(model: Model[Any, Any]) -> bool:
    """Tell whether a model reads the vocab's table of word vectors."""
    return any(
        node.name in _VECTORS or "vectors" in node.attrs.get("inputs", ()) for node in model.walk()
    )


def reads_norms(model: Model[Any, Any]) -> bool:
    """Tell whether a model reads the attribute NORM."""
    for node in model.walk():
        for key in _READ:
            value = node.attrs.get(key)
            values = value if isinstance(value, list | tuple) else [value]
            if any(read in (NORM, "NORM") for read in values if isinstance(read, int | str)):
                return True
    return False


def check_vocab(teacher: Language, student: Language, model: Model[Any, Any]) -> None:
    """Check whether the teacher's vocab says of words what the student's model has learned.

    Args:
        teacher: The pipeline that the student is to be put into.
        student: The student, trained or about to be.
        model: The model of its component.

    Raises:
        ValueError: The model reads norms or word vectors that differ in the teacher's vocab.
    """
    if reads_norms(model):
        _check_norms(teacher.vocab, student.vocab)
    if reads_vectors(model) and _has_vectors(teacher.vocab.vectors):
        _check_vectors(teacher, student)


def check_target(teacher: Language, name: str) -> None:
    """Check whether a component of the teacher can be replaced.

    Args:
        teacher: The pipeline.
        name: The name of the component, which may be disabled.

    Raises:
        ValueError: There is no such component, or it sets neither entities nor spans.
    """
    if name not in teacher.component_names:
        names = ", ".join(teacher.component_names) or "none"
        raise ValueError(Errors.RNN607.format(name=name, components=names))
    assigned = set(teacher.get_pipe_meta(name).assigns)
    # Many components don't declare what they assign.
    if assigned and assigned.isdisjoint({"doc.ents", "doc.spans"}):
        raise ValueError(Errors.RNN608.format(name=name, assigned=", ".join(sorted(assigned))))


def _standalone(student: Language, own: str) -> Language:
    """Return the student with a component that listens to nothing; a copy if it listened."""
    upstream = [name for name in student.component_names if own in _listeners(student, name)]
    if not upstream:
        return student
    copy = _copy_without(student, [])
    for name in (*upstream, own):
        copy.enable_pipe(name)  # spaCy sees no others
    copy._link_components()
    listeners = list(_listener_paths(copy.get_pipe_config(own)))
    for name in upstream:
        copy.replace_listeners(name, own, listeners)
    return copy


def _listeners(nlp: Language, name: str) -> list[str]:
    """List the components that listen to a component, disabled ones included."""
    upstream = nlp.get_pipe(name)
    if not isinstance(upstream, ListenedToComponent):
        return []
    after = nlp.component_names[nlp.component_names.index(name) + 1 :]
    return [other for other in after if _listens(nlp.get_pipe(other), other, upstream)]


def _listens(pipe: Any, name: str, upstream: ListenedToComponent) -> bool:
    """Ask a component whether another listens to it; each kind of transformer has its own way."""
    if name in upstream.listening_components:
        return True
    # spaCy links no component that is disabled.
    upstream.find_listeners(pipe)
    found = list(upstream.listener_map.get(name, ()))
    for listener in found:
        upstream.remove_listener(listener, name)
    return bool(found)


def _listener_paths(config: dict[str, Any], path: str = "") -> Iterator[str]:
    """Find the places in a component's config where an architecture listens."""
    for key, value in config.items():
        if isinstance(value, dict):
            own = f"{path}.{key}" if path else key
            if _LISTENER in str(value.get("@architectures", "")):
                yield own
            else:
                yield from _listener_paths(value, own)


def _orphans(teacher: Language, name: str) -> list[str]:
    return [other for other in teacher.component_names if _listeners(teacher, other) == [name]]


def _copy_without(nlp: Language, names: list[str]) -> Language:
    """Copy a pipeline without some of its components, which may be slow to load."""
    with TemporaryDirectory() as folder:
        nlp.to_disk(folder, exclude=names)
        copy = spacy.load(folder, exclude=names)
    for block in ("frozen_components", "annotating_components"):
        kept = copy.config["training"].get(block)
        if kept:
            copy.config["training"][block] = [name for name in kept if name not in names]
    for name in names:
        copy.config["initialize"]["components"].pop(name, None)
    return copy


def _insert(result: Language, teacher: Language, student: Language, name: str, own: str) -> None:
    """Add the student's component to a pipeline, where the teacher had the old one."""
    factory = student.get_pipe_meta(own).factory
    config = copy_config(student.config.interpolate()["components"][own])
    config.pop("factory", None)
    config.pop("source", None)
    names = teacher.component_names
    following = [
        other for other in names[names.index(name) + 1 :] if other in result.component_names
    ]
    add = partial(result.add_pipe, factory, name=name, config=config)
    pipe = add(before=following[0]) if following else add(last=True)
    # Made anew, and not sourced, so that its vocab is that of the pipeline.
    data = student.get_pipe(own).to_bytes(exclude=["vocab"])
    pipe.from_bytes(data, exclude=["vocab"])
    if name in teacher.disabled:
        result.disable_pipe(name)
    settings = student.config.interpolate()["initialize"]["components"].get(own)
    if settings:
        result.config["initialize"]["components"][name] = copy_config(settings)
    frozen = teacher.config["training"].get("frozen_components") or []
    if name in frozen and name not in result.config["training"]["frozen_components"]:
        result.config["training"]["frozen_components"].append(name)


def _has_vectors(vectors: Vectors) -> bool:
    return bool(vectors.shape[0] and vectors.shape[1])


def _check_vectors(teacher: Language, student: Language) -> None:
    """Raise ValueError unless two pipelines have the same word vectors."""
    ours, theirs = student.vocab.vectors, teacher.vocab.vectors
    if ours is theirs or (
        ours.shape == theirs.shape
        and type(ours) is type(theirs)
        and getattr(ours, "mode", None) == getattr(theirs, "mode", None)
        and getattr(ours, "key2row", None) == getattr(theirs, "key2row", None)
        and np.array_equal(to_numpy(ours.data), to_numpy(theirs.data))
    ):
        return
    shapes = [f"{rows:,} of {width} dimensions" for rows, width in (ours.shape, theirs.shape)]
    raise ValueError(
        Errors.RNN620.format(student=shapes[0], teacher=shapes[1], pipeline=pipeline_name(teacher))
    )


def _take_vectors(result: Language, student: Language) -> None:
    copy = Vectors(strings=result.vocab.strings)
    copy.from_bytes(student.vocab.vectors.to_bytes(exclude=["strings"]))
    copy.name = student.vocab.vectors.name
    result.vocab.vectors = copy
    result.config["nlp"]["vectors"] = copy_config(student.config["nlp"]["vectors"])
    result.config["initialize"]["vectors"] = student.config.interpolate()["initialize"]["vectors"]


def _norms(vocab: Vocab) -> dict[int, str]:
    return dict(vocab.lookups.get_table(_NORMS, {}))


def _check_norms(teacher: Vocab, student: Vocab) -> None:
    """Raise ValueError if a word has another norm in the teacher's vocab than in the student's.

    Norms are computed from a table in the vocab, which all components share. A student that
    learned that the norm of "colour" is "colour" reads another row where it is "color".
    """
    theirs, ours = _norms(teacher), _norms(student)
    if ours == theirs:
        return
    blank = spacy.blank(student.lang or "xx").vocab
    differing = []
    for key in theirs.keys() | ours.keys():
        word = next((vocab.strings[key] for vocab in (teacher, student) if _has(vocab, key)), None)
        default = blank[word].norm_ if word else None
        # Without the word, its default is not known; a table has entries that differ from that.
        mine, its = ours.get(key, default), theirs.get(key, default)
        if mine != its:
            differing.append((word or "", mine, its))
    if not differing:
        return
    named = sorted(found for found in differing if found[0])[:_SHOWN]
    examples = "; ".join(
        f"'{word}' is '{mine}' to the student and '{its}' to the teacher"
        for word, mine, its in named
    )
    raise ValueError(
        Errors.RNN621.format(
            words=counted(len(differing), "word"), examples=f" ({examples})" if examples else ""
        )
    )


def _has(vocab: Any, key: int) -> bool:
    return key in vocab.strings  # spaCy's types know of strings only


def _note_differences(
    teacher: Language, student: Language, name: str, model: Model[Any, Any], notify: _Notify
) -> None:
    """Note what makes the student find other entities in the teacher's pipeline than in its own."""
    if teacher.lang != student.lang:
        notify(Warnings.RNNW06.format(student=student.lang, teacher=teacher.lang))
    elif _tokenizer(teacher) != _tokenizer(student):
        notify(Warnings.RNNW07)
    if any(node.name == _SENTENCES for node in model.walk()):
        before = teacher.component_names[: teacher.component_names.index(name)]
        setting = [other for other in before if _sets_sentences(teacher, other)]
        if setting and not any(_sets_sentences(student, other) for other in student.pipe_names):
            notify(Warnings.RNNW08.format(setter=setting[0]))


def _sets_sentences(nlp: Language, name: str) -> bool:
    assigned = validate_attrs(nlp.get_pipe_meta(name).assigns)
    return bool({"token.is_sent_start", "doc.sents"}.intersection(assigned))


def _tokenizer(nlp: Language) -> object:
    """Return something that is equal for tokenizers that split alike, as far as can be seen."""
    tokenizer = nlp.tokenizer
    # By its name, for code that runs twice makes two classes.
    kind = type(tokenizer).__module__, type(tokenizer).__qualname__
    if hasattr(tokenizer, "to_bytes"):
        return kind, tokenizer.to_bytes(exclude=["vocab"])
    return kind


def _adapt_meta(result: Language, student: Language, name: str) -> None:
    """Remove the old component's scores, and say where the new one comes from."""
    meta = result.meta
    scores = meta.get("performance") or {}
    # Those of all entities: the scores of spaCy's `ner` have no name of their own.
    stale = ("ents_", f"{name}_")
    meta["performance"] = {
        key: value for key, value in scores.items() if key != "speed" and not key.startswith(stale)
    }
    about = student.meta.get("distillation")
    if about:
        meta["distillation"] = {"component": name, **about}
    sources = [own if isinstance(own, dict) else {"name": own} for own in meta.get("sources") or []]
    known = {source.get("name") for source in sources}
    for source in student.meta.get("sources") or []:
        if source.get("name") not in known and source.get("name") != pipeline_name(result):
            sources.append(dict(source))
    if sources:
        meta["sources"] = sources
    note = f"The component `{name}` was replaced by a recurrent network that learned from it."
    meta["notes"] = "\n\n".join(filter(None, [meta.get("notes"), note]))
