"""A reader of several corpora whose annotators marked different labels."""

import math
import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example, dont_augment
from spacy.training.corpus import FILE_TYPE, walk_corpus

from ..crf.tag_scheme import NO_ENTITY
from ..errors import Errors, check_choice, described
from ..pipeline.label_sets import UNKNOWN, LabelSet, set_label_set
from ..pipeline.soft_annotation import adapt_posteriors

_SETTINGS = ("path", "labels", "rename", "coarse", "weight")

Augmenter = Callable[[Language, Example], Iterable[Example]]


def create_mixed_corpus_v1(
    *,
    corpora: Mapping[str, Mapping[str, Any]],
    gold_preproc: bool = False,
    max_length: int = 0,
    limit: int = 0,
    seed: int = 0,
    augmenter: Augmenter | None = None,
    incorrect_spans_key: str | None = None,
) -> "MixedCorpus":
    """Create a reader of several corpora, for a config's `[corpora.train]`.

    Suppose that your own corpus marks FAC, GPE and PERSON. A news corpus marks persons under
    another name, and all kinds of places with one label. A corpus of tweets marks facilities and
    nothing else. This config trains one component on all three:

    ```ini
    [corpora.train]
    @readers = "spacy_rnn_tagger.MixedCorpus.v1"

    [corpora.train.corpora]

    [corpora.train.corpora.own]
    path = "corpus/own.spacy"
    weight = 2

    [corpora.train.corpora.news]
    path = "corpus/news.spacy"
    labels = ["PERSON", "LOC"]
    rename = {"PER": "PERSON", "MISC": "?"}
    coarse = {"LOC": ["GPE", "FAC"]}

    [corpora.train.corpora.tweets]
    path = "corpus/tweets.spacy"
    labels = ["FAC"]
    rename = {"facility": "FAC"}
    weight = 0.5
    ```

    The component then learns from the news that "Oslo", marked LOC, is a GPE or a FAC, and that a
    word outside all entities is not a PERSON, GPE or FAC. From the tweets it learns that such a
    word is not a FAC, and nothing about persons. If `labels` is left out, as for `own`, a word
    outside is not part of any entity.

    The settings of a corpus:

    - `path`: a `.spacy` file or a folder of them, as for `spacy.Corpus.v1`.
    - `labels`: the labels that its annotators marked, after renaming. A word outside their entities
      may have any other label. Entities with labels that are not listed become missing annotation:
      nothing is learned from their words. The default, null, means all labels.
    - `rename`: new names for labels. "?" turns the entities of a label into missing annotation.
    - `coarse`: for each label that stands for several, after renaming, the list of those labels.
    - `weight`: how often each doc is read per epoch, 1 by default. With a fraction, that share of
      the docs is read, the same ones each time.

    The corpora are interleaved, so that batches mix them even if the data is streamed
    (`max_epochs = -1`).

    Args:
        corpora: The settings of each corpus, under a name of your choice, which messages use.
        gold_preproc: As in `spacy.Corpus.v1`.
        max_length: As in `spacy.Corpus.v1`.
        limit: As in `spacy.Corpus.v1`, for each corpus.
        seed: The seed for choosing the docs that a fractional weight reads.
        augmenter: As in `spacy.Corpus.v1`.
        incorrect_spans_key: The group in `doc.spans` with spans that are known to be incorrect, as
            in the setting of `rnn_ner`; null for none. `labels`, `rename` and `coarse` apply to it
            too. A span that does not have a coarse label has none of the labels that it stands for.
            Spans of labels that are not learned are left out. If several labels get the same new
            name, that name is incorrect for a span only if all of these labels are.

    Returns:
        The reader.

    Raises:
        ValueError: There is no corpus, or a setting is unknown or wrong.
    """
    if not corpora:
        raise ValueError(Errors.RNN305)
    if not isinstance(incorrect_spans_key, str | None):
        raise ValueError(
            Errors.RNN008.format(setting="incorrect_spans_key", received=incorrect_spans_key)
        )
    options = {"gold_preproc": gold_preproc, "max_length": max_length, "limit": limit}
    parts = [_read(name, own, options, seed, incorrect_spans_key) for name, own in corpora.items()]
    return MixedCorpus(parts, augmenter)


class MixedCorpus:
    """A reader of several corpora, interleaved in proportion to their sizes.

    Args:
        corpora: The corpora.
        augmenter: Turns an example into several; None for no augmentation.
    """

    def __init__(self, corpora: "list[_Part]", augmenter: Augmenter | None) -> None:
        self._corpora = corpora
        self._augmenter: Augmenter = augmenter or dont_augment

    def __call__(self, nlp: Language) -> Iterator[Example]:
        """Read all corpora once, and each doc as often as the weight of its corpus says.

        Args:
            nlp: The pipeline whose tokenizer makes the predicted docs.

        Yields:
            The examples.

        Raises:
            FileNotFoundError: A corpus doesn't exist, or has no file in spaCy's format.
            ValueError: A corpus can't be read.
        """
        streams = [corpus.examples(nlp) for corpus in self._corpora]
        for _, example in merge(*streams, key=itemgetter(0)):
            yield from self._augmenter(nlp, example)


class _Part:
    """One of the corpora.

    Args:
        name: The corpus's name in messages.
        corpus: spaCy's reader of its files.
        rename: New names for labels.
        label_set: The labels that its annotators marked; None for all labels.
        weight: How often each doc is read per epoch.
        seed: The seed for choosing the docs that a fractional weight reads.
        incorrect_spans_key: The span group with spans that are known to be incorrect; None for no
            such group.
    """

    def __init__(
        self,
        name: str,
        corpus: Corpus,
        *,
        rename: Mapping[str, str],
        label_set: LabelSet | None,
        weight: float,
        seed: int,
        incorrect_spans_key: str | None,
    ) -> None:
        self._name = name
        self._corpus = corpus
        self._rename = rename
        self._label_set = label_set
        self._weight = weight
        self._seed = seed
        self._incorrect_spans_key = incorrect_spans_key
        self._size: int | None = None

    def examples(self, nlp: Language) -> Iterator[tuple[float, Example]]:
        """Read the corpus, several times if its weight is above 1.

        Args:
            nlp: The pipeline whose tokenizer makes the predicted docs.

        Yields:
            Examples, each with its place in the epoch, from 0 to 1, at about equal distances.
        """
        if self._size is None:
            self._size = self._count()
        rng = random.Random(f"{self._seed} {self._name}")
        for done in range(math.ceil(self._weight)):
            share = min(self._weight - done, 1.0)
            for number, example in enumerate(self._read(nlp)):
                if share == 1.0 or rng.random() < share:
                    place = (done + share * number / self._size) / self._weight
                    yield place, self._annotated(example)

    def _count(self) -> int:
        """Count the docs. It is an estimate of the examples, whose number `max_length` may change.

        Raises:
            FileNotFoundError: There is no file.
            ValueError: A file can't be read.
        """
        path = self._corpus.path
        if not path.exists():
            raise FileNotFoundError(Errors.RNN315.format(name=self._name, path=path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a folder without files is an error here
            files = walk_corpus(path, FILE_TYPE)
        if not files:
            raise FileNotFoundError(
                Errors.RNN316.format(name=self._name, suffix=FILE_TYPE, path=path)
            )
        try:
            size = sum(len(DocBin().from_disk(file)) for file in files)
        except Exception as error:  # decompression and msgpack raise many kinds
            raise self._unreadable(error) from error
        return max(min(size, self._corpus.limit or size), 1)

    def _read(self, nlp: Language) -> Iterator[Example]:
        try:
            yield from self._corpus(nlp)
        except Exception as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> ValueError:
        return ValueError(
            Errors.RNN317.format(name=self._name, path=self._corpus.path, reason=described(error))
        )

    def _annotated(self, example: Example) -> Example:
        """Rename labels, and note what was marked."""
        doc = example.reference
        is_adapted = bool(self._rename) or self._label_set is not None
        key = self._incorrect_spans_key
        if is_adapted and key is not None and key in doc.spans:
            self._adapt_incorrect(doc, key)
        names = {ent.label_: self._rename.get(ent.label_, ent.label_) for ent in doc.ents}
        if any(label == UNKNOWN or label != own for own, label in names.items()):
            doc.set_ents(
                [_renamed(ent, names) for ent in doc.ents if names[ent.label_] != UNKNOWN],
                missing=[ent for ent in doc.ents if names[ent.label_] == UNKNOWN],
                default="unmodified",
            )
        if self._label_set is not None and doc.has_annotation("ENT_IOB"):
            set_label_set(doc, self._label_set)
        if is_adapted:
            adapt_posteriors(doc, self._rename, self._label_set)
        return example

    def _adapt_incorrect(self, doc: Doc, key: str) -> None:
        """Give spans that are known to be incorrect the labels that are learned.

        A label is ruled out only if all labels that become it are: once CITY and COUNTRY are both
        GPE, a city that is no COUNTRY is a GPE.

        Args:
            doc: The doc, with the entities of its corpus. Its group is replaced.
            key: The group.
        """
        incorrect: dict[tuple[int, int], set[str]] = {}
        for span in doc.spans[key]:
            incorrect.setdefault((span.start, span.end), set()).add(span.label_)
        correct = {(ent.start, ent.end): ent.label_ for ent in doc.ents}
        spans = []
        for place, labels in incorrect.items():
            possible = {*self._rename, correct.get(place, UNKNOWN)} - labels
            names = self._learned(labels) - self._learned(possible)
            if UNKNOWN in self._rename.values():
                # What is not outside may be an entity that is not learned.
                names.discard(NO_ENTITY)
            spans += [Span(doc, *place, label=name) for name in sorted(names)]
        doc.spans[key] = spans

    def _learned(self, labels: Iterable[str]) -> set[str]:
        """Translate labels of the corpus into those that are learned."""
        label_set = self._label_set or LabelSet.of(None)
        found: set[str] = set()
        for label in labels:
            name = self._rename.get(label, label)
            if name in label_set.coarse:
                found.update(label_set.coarse[name])
            elif name != UNKNOWN and label_set.marks(name):
                found.add(name)
        return found


def _renamed(ent: Span, names: Mapping[str, str]) -> Span:
    label = names[ent.label_]
    return Span(ent.doc, ent.start, ent.end, label=label, kb_id=ent.kb_id, span_id=ent.id)


def _read(
    name: str,
    settings: Any,
    options: Mapping[str, Any],
    seed: int,
    incorrect_spans_key: str | None,
) -> _Part:
    """Check the settings of a corpus.

    Raises:
        ValueError: A setting is unknown or wrong, or two of them contradict each other.
    """
    if not isinstance(settings, Mapping):
        raise ValueError(Errors.RNN306.format(name=name, received=settings))
    for setting in settings:
        check_choice(f"A setting of the corpus '{name}'", setting, _SETTINGS)
    path = settings.get("path")
    if not path or not isinstance(path, str | Path):
        raise ValueError(Errors.RNN307.format(name=name, suffix=FILE_TYPE, received=path))
    labels, weight = settings.get("labels"), settings.get("weight", 1)
    rename, coarse = settings.get("rename") or {}, settings.get("coarse") or {}
    if labels is not None and not _is_list_of_labels(labels):
        raise ValueError(Errors.RNN308.format(name=name, received=labels))
    if not isinstance(rename, Mapping) or not all(map(_is_label, rename.values())):
        raise ValueError(Errors.RNN309.format(name=name, received=rename))
    if not isinstance(coarse, Mapping) or not all(map(_is_list_of_labels, coarse.values())):
        raise ValueError(Errors.RNN310.format(name=name, received=coarse))
    is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not is_number or not 0 < weight < math.inf:
        raise ValueError(Errors.RNN311.format(name=name, received=weight))
    _check_names(name, labels, rename, coarse)
    return _Part(
        name,
        Corpus(Path(path), **options),
        rename=dict(rename),
        label_set=LabelSet.of(labels, coarse) if labels is not None or coarse else None,
        weight=weight,
        seed=seed,
        incorrect_spans_key=incorrect_spans_key,
    )


def _check_names(
    name: str,
    labels: Iterable[str] | None,
    rename: Mapping[str, str],
    coarse: Mapping[str, Iterable[str]],
) -> None:
    """Check that the labels of all settings agree.

    Raises:
        ValueError: A setting names a label that is renamed or not listed.
    """
    kept = set(rename.values())
    for setting, own in (("labels", labels or ()), ("coarse", coarse)):
        for label in own:
            if label == UNKNOWN:
                raise ValueError(
                    Errors.RNN312.format(
                        name=name, setting=setting, label=UNKNOWN, received=list(own)
                    )
                )
            if label in rename and rename[label] != label and label not in kept:
                raise ValueError(
                    Errors.RNN313.format(
                        name=name, setting=setting, label=label, renamed=rename[label]
                    )
                )
    for label in coarse:
        if UNKNOWN in coarse[label]:
            raise ValueError(
                Errors.RNN312.format(
                    name=name, setting="coarse", label=UNKNOWN, received=list(coarse[label])
                )
            )
    if labels is None:
        return
    for setting, needed in (("coarse", set(coarse)), ("rename", kept - {UNKNOWN})):
        unlisted = sorted(needed.difference(labels))
        if unlisted:
            raise ValueError(Errors.RNN314.format(name=name, setting=setting, label=unlisted[0]))


def _is_label(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_list_of_labels(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(map(_is_label, value))
