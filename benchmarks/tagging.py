"""Tagging, from docs to entities through `nlp.pipe`."""

from collections.abc import Callable, Sequence
from functools import partial

from spacy.language import Language
from spacy.tokens import Doc

from .measure import Rates, alternate
from .systems import TRAINED, floors, rnn_ner, trained
from .texts import Texts, first_tokens, unannotated

BATCH_SIZE = 1000  # docs, spaCy's default
FLOOR = "bare LSTM"


def measure_tagging(texts: Texts, n_tokens: int, rounds: int) -> dict[str, Rates]:
    """Measure all systems on all texts; of the bare LSTM's forms the fastest counts."""
    makers = {**TRAINED, "rnn_ner, bfloat16": rnn_ner(mixed_precision=True)}
    systems = {name: trained(make, next(iter(texts.values()))) for name, make in makers.items()}
    results = {}
    for name, docs in texts.items():
        docs = first_tokens(docs, n_tokens)
        work: dict[str, Callable[[], Callable[[], int]]] = {
            system: tagging(nlp, docs) for system, nlp in systems.items()
        }
        forms = floors([len(doc) for doc in docs], BATCH_SIZE)
        work.update({form: partial(lambda run: run, run) for form, run in forms.items()})
        rates = alternate(work, rounds)
        fastest = [max(each) for each in zip(*(rates.pop(form) for form in forms), strict=True)]
        results[name] = {**rates, FLOOR: fastest}
    return results


def tagging(nlp: Language, docs: Sequence[Doc]) -> Callable[[], Callable[[], int]]:
    """Make what prepares a round of tagging: docs without annotation."""

    def prepare() -> Callable[[], int]:
        fresh = unannotated(nlp, docs)
        return lambda: sum(len(doc) for doc in nlp.pipe(fresh, batch_size=BATCH_SIZE))

    return prepare
