"""Where the time of tagging goes: each stage by itself, without what it calls of another."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from spacy.tokens import Doc

from spacy_rnn_tagger.crf.posteriors import SpanPosteriors
from spacy_rnn_tagger.modules import rnn
from spacy_rnn_tagger.modules.padding import Padding
from spacy_rnn_tagger.pipeline import inference
from spacy_rnn_tagger.pipeline import rnn_ner as pipeline
from spacy_rnn_tagger.pipeline.constraints import Constraints

from .systems import rnn_ner, trained
from .tagging import BATCH_SIZE
from .texts import Texts, first_tokens, unannotated

SPACY_SHARE = "spaCy"
_REST = "rnn_ner, the rest"


class Stopwatch:
    """Seconds of each stage, without those of the stages within it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._stages = [SPACY_SHARE]
        self._since = time.perf_counter()

    def within(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Let a function's time count for a stage."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._switch()
            self._stages.append(stage)
            try:
                return function(*args, **kwargs)
            finally:
                self._switch()
                self._stages.pop()

        return timed

    def stop(self) -> dict[str, float]:
        """Return the seconds until now."""
        self._switch()
        return dict(self.seconds)

    def _switch(self) -> None:
        now = time.perf_counter()
        self.seconds[self._stages[-1]] += now - self._since
        self._since = now


def measure_breakdown(texts: Texts, n_tokens: int) -> dict[str, dict[str, float]]:
    """Share the time of `nlp.pipe` among the stages, in microseconds a token."""
    nlp = trained(rnn_ner(), next(iter(texts.values())))
    results = {}
    for name, docs in texts.items():
        docs = first_tokens(docs, n_tokens)
        for _ in range(2):  # the first warms up
            fresh = unannotated(nlp, docs)
            with _watched(nlp.get_pipe("rnn_ner")) as stopwatch:
                _consume(nlp.pipe(fresh, batch_size=BATCH_SIZE))
                seconds = stopwatch.stop()
        total = sum(map(len, docs))
        results[name] = {stage: 1e6 * spent / total for stage, spent in seconds.items()}
    return results


@contextmanager
def _watched(pipe: Any) -> Iterator[Stopwatch]:
    stopwatch = Stopwatch()
    model = pipe.model
    stages = [
        (pipe, "predict", _REST),
        (pipe, "set_annotations", "spans to doc.ents"),
        (pipeline, "read_constraints", "presets and words"),
        (inference, "best_paths", "decode"),
        (inference, "log_sums", "confidence"),
        (SpanPosteriors, "of", "confidence"),
        (pipeline, "write_group", "confidence"),
        (Constraints, "find", "tags to spans"),
        (Constraints, "locate", "tags to spans"),
        (model.get_ref("tok2vec"), "_func", "embed"),
        (model.get_ref("tagger").layers[0].layers[1], "_func", "blocks"),
        (Padding, "__init__", "pad"),
        (Padding, "pad", "pad"),
        (Padding, "pad_with_zeros", "pad"),
        (Padding, "unpad", "pad"),
        (rnn, "run_direction", "RNN"),
        (model.get_ref("emissions"), "_func", "output"),
        (model.get_ref("output_layer"), "_func", "output"),
    ]
    with ExitStack() as stack:
        for owner, attribute, stage in stages:
            timed = stopwatch.within(stage, getattr(owner, attribute))
            if isinstance(owner, type):
                timed = _method(timed)
            stack.enter_context(patch.object(owner, attribute, timed))
        yield stopwatch


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: function(self, *args, **kwargs)


def _consume(docs: Iterator[Doc]) -> None:
    for _ in docs:
        pass
