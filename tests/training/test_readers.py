"""The reader of corpora that disagree, in Python and under `spacy train`."""

import pickle
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from itertools import islice

import pytest
import spacy
from spacy.cli.debug_data import debug_data
from spacy.cli.evaluate import evaluate
from spacy.cli.init_config import fill_config
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from spacy.util import load_config, registry

from spacy_rnn_tagger.formats.corpus import line_to_doc
from spacy_rnn_tagger.pipeline.label_sets import (
    LABEL_SET_KEY,
    LabelSet,
    coarse_spans,
    get_label_set,
    unknown_spans,
)
from spacy_rnn_tagger.training.readers import create_mixed_corpus_v1

OWN = ["[Ada](PERSON) left [Oslo](GPE).", "[Red Fort](FAC) is in [Delhi](GPE)."]
NEWS = ["[Eve](PER) saw [Rome](LOC) and [Ajax](MISC).", "Nothing in [Kyiv](LOC) ."]
TWEETS = ["at [Wembley](facility) with Ada"] * 4


def written(path, lines):
    nlp = spacy.blank("en")
    path.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=[line_to_doc(nlp, line) for line in lines]).to_disk(path)
    return str(path)


@pytest.fixture
def corpora(tmp_path):
    written(tmp_path / "tweets" / "a.spacy", TWEETS[:1])
    written(tmp_path / "tweets" / "deeper" / "b.spacy", TWEETS[1:])
    return {
        "own": {"path": written(tmp_path / "own.spacy", OWN)},
        "news": {
            "path": written(tmp_path / "news.spacy", NEWS),
            "labels": ["PERSON", "LOC"],
            "rename": {"PER": "PERSON", "MISC": "?"},
            "coarse": {"LOC": ["GPE", "FAC"]},
        },
        "tweets": {
            "path": str(tmp_path / "tweets"),
            "labels": ["FAC"],
            "rename": {"facility": "FAC"},
        },
    }


def texts(examples):
    return [example.reference.text for example in examples]


def by_text(examples):
    return {example.reference.text: example.reference for example in examples}


def test_annotation(nlp, corpora):
    examples = list(create_mixed_corpus_v1(corpora=corpora)(nlp))
    assert len(examples) == 8
    assert all(not example.predicted.has_annotation("ENT_IOB") for example in examples)
    docs = by_text(examples)
    own = docs["Ada left Oslo."]
    assert LABEL_SET_KEY not in own.spans
    assert [(ent.text, ent.label_) for ent in own.ents] == [("Ada", "PERSON"), ("Oslo", "GPE")]
    assert own.has_annotation("ENT_IOB", require_complete=True)
    news = docs["Eve saw Rome and Ajax."]
    assert get_label_set(news) == ({"PERSON", "GPE", "FAC"}, {"LOC": ("GPE", "FAC")})
    assert [(ent.text, ent.label_) for ent in news.ents] == [("Eve", "PERSON")]
    assert [(span.text, span.label_) for span in coarse_spans(news)] == [("Rome", "LOC")]
    assert [span.text for span in unknown_spans(news)] == ["Ajax"]
    tweet = docs["at Wembley with Ada"]
    assert get_label_set(tweet) == LabelSet.of(["FAC"])
    assert [(ent.text, ent.label_) for ent in tweet.ents] == [("Wembley", "FAC")]


def test_reads_what_spacys_reader_reads(nlp, tmp_path):
    """Files and folders; tokens of unknown spaces; sentences of docs that are too long."""
    nlp.add_pipe("sentencizer")
    long = nlp("Oslo is cold. Rome is not.")
    bare = Doc(nlp.vocab, words=["a", "b"])
    bare.has_unknown_spaces = True
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    DocBin(docs=[long, Doc(nlp.vocab)]).to_disk(folder / "inner" / "a.spacy")
    DocBin(docs=[bare, long]).to_disk(folder / "b.spacy")
    for options in ({}, {"max_length": 6}, {"limit": 2}, {"gold_preproc": True}):
        for path in (folder, folder / "b.spacy"):
            theirs = list(Corpus(path, **options)(nlp))
            reader = create_mixed_corpus_v1(corpora={"x": {"path": path}}, **options)
            ours = list(reader(nlp))
            assert texts(ours) == texts(theirs)
            for own, other in zip(ours, theirs, strict=True):
                assert [t.text for t in own.predicted] == [t.text for t in other.predicted]


def test_weights(nlp, tmp_path):
    corpora = {
        name: {"path": written(tmp_path / f"{name}.spacy", [f"{name} {i}" for i in range(200)])}
        for name in "abc"
    }
    corpora["b"]["weight"] = 3
    corpora["c"]["weight"] = 1.25
    reader = create_mixed_corpus_v1(corpora=corpora)
    examples = list(reader(nlp))
    counts = Counter(texts(examples))
    assert {counts[f"a {i}"] for i in range(200)} == {1}
    assert {counts[f"b {i}"] for i in range(200)} == {3}
    of_c = [counts[f"c {i}"] for i in range(200)]
    assert set(of_c) == {1, 2} and 225 < sum(of_c) < 275
    # Predictions and annotation are never shared.
    assert len({id(doc) for eg in examples for doc in (eg.x, eg.y)}) == 2 * len(examples)
    assert texts(reader(nlp)) == texts(examples)
    assert texts(create_mixed_corpus_v1(corpora=corpora, seed=1)(nlp)) != texts(examples)
    few = {"c": {**corpora["c"], "weight": 0.1}}
    assert 8 < len(list(create_mixed_corpus_v1(corpora=few)(nlp))) < 35


def test_corpora_are_interleaved(nlp, tmp_path):
    """Whatever reads a stream from its beginning meets all of them, in proportion."""
    corpora = {
        name: {"path": written(tmp_path / f"{name}.spacy", [f"{name} {i}" for i in range(size)])}
        for name, size in (("a", 300), ("b", 30), ("c", 10))
    }
    corpora["c"]["weight"] = 3
    reader = create_mixed_corpus_v1(corpora=corpora)
    names = [text[0] for text in texts(reader(nlp))]
    for start in range(0, 360, 60):
        counts = Counter(names[start : start + 60])
        assert (counts["a"], counts["b"], counts["c"]) == pytest.approx((50, 5, 5), abs=2)


def test_augmenter_and_pickle(nlp, corpora):
    def twice(nlp, example):
        yield from (example, example)

    assert len(list(create_mixed_corpus_v1(corpora=corpora, augmenter=twice)(nlp))) == 16
    reader = pickle.loads(pickle.dumps(create_mixed_corpus_v1(corpora=corpora)))
    assert len(list(reader(nlp))) == 8


def test_a_doc_without_annotation_has_no_label_set(nlp, corpora, tmp_path):
    DocBin(docs=[nlp("Ada left Oslo.")]).to_disk(tmp_path / "news.spacy")
    corpora = {"news": corpora["news"]}
    [example] = create_mixed_corpus_v1(corpora=corpora)(nlp)
    assert example.get_aligned_ner() == [None] * 4
    assert LABEL_SET_KEY not in example.reference.spans


class TestIncorrectSpans:
    """What the reader makes of (start, end, label) in the group "bad" of one doc."""

    def read(self, nlp, tmp_path, bad, ents=(), **settings):
        doc = nlp.make_doc("Ada met Lima today")
        if ents:
            doc.set_ents([Span(doc, *ent) for ent in ents])
        doc.spans["bad"] = [Span(doc, *span) for span in bad]
        DocBin(docs=[doc]).to_disk(tmp_path / "a.spacy")
        corpora = {"a": {"path": str(tmp_path / "a.spacy"), **settings}}
        reader = create_mixed_corpus_v1(corpora=corpora, incorrect_spans_key="bad")
        [example] = reader(nlp)
        group = example.reference.spans["bad"]
        return example, [(span.start, span.end, span.label_) for span in group]

    @pytest.mark.parametrize(
        "settings,bad,expected",
        [
            ({}, ["PER", "?"], ["PER", "?"]),
            ({"rename": {"PER": "PERSON"}}, ["PER", "GPE"], ["GPE", "PERSON"]),
            ({"rename": {"PER": "LOC", "LOC": "PER"}}, ["PER"], ["LOC"]),
            ({"rename": {"MISC": "?"}}, ["MISC", "GPE", "?"], ["GPE"]),
            # Entities of labels that are not listed become missing annotation, too.
            ({"labels": ["GPE"]}, ["PER", "GPE"], ["GPE"]),
            ({"labels": ["GPE"], "rename": {"LOC": "GPE"}}, ["PER", "LOC"], ["GPE"]),
            # What is no place is neither a GPE nor a FAC.
            ({"coarse": {"LOC": ["GPE", "FAC"]}}, ["LOC", "PER"], ["FAC", "GPE", "PER"]),
            ({"labels": ["LOC"], "coarse": {"LOC": ["GPE"]}}, ["LOC", "PER"], ["GPE"]),
            # What is no country may be a city.
            ({"rename": {"CITY": "GPE", "COUNTRY": "GPE"}}, ["COUNTRY"], []),
            ({"rename": {"CITY": "GPE", "COUNTRY": "GPE"}}, ["COUNTRY", "CITY"], ["GPE"]),
            # What is not outside may be an entity that is not learned.
            ({"rename": {"PER": "PERSON"}}, ["O"], ["O"]),
            ({"rename": {"MISC": "?"}}, ["O"], []),
            ({"labels": ["GPE"]}, ["O"], []),
        ],
    )
    def test_labels(self, nlp, tmp_path, settings, bad, expected):
        places = [(2, 3, label) for label in bad]
        example, found = self.read(nlp, tmp_path, places, **settings)
        assert found == [(2, 3, label) for label in expected]
        assert not example.reference.has_annotation("ENT_IOB")
        # Beside entities that are annotated, it is the same.
        example, found = self.read(nlp, tmp_path, places, [(0, 1, "GPE")], **settings)
        assert found == [(2, 3, label) for label in expected]

    def test_a_label_of_one_span_says_nothing_about_another(self, nlp, tmp_path):
        rename = {"CITY": "GPE", "COUNTRY": "GPE"}
        bad = [(2, 3, "CITY"), (2, 4, "COUNTRY"), (0, 1, "CITY"), (0, 1, "COUNTRY")]
        assert self.read(nlp, tmp_path, bad, rename=rename)[1] == [(0, 1, "GPE")]

    def test_an_entity_of_the_new_label(self, nlp, tmp_path):
        """It is none of the old one; spaCy's E868 stays for annotation that contradicts itself."""
        pipe = nlp.add_pipe("rnn_ner", config={"incorrect_spans_key": "bad"})
        pipe.add_label("GPE")
        nlp.initialize()
        settings = {"rename": {"CITY": "GPE"}, "ents": [(2, 3, "GPE")]}
        example, found = self.read(nlp, tmp_path, [(2, 3, "CITY")], **settings)
        assert found == []
        nlp.update([example])
        settings["ents"] = [(2, 3, "CITY")]
        example, found = self.read(nlp, tmp_path, [(2, 3, "CITY")], **settings)
        assert found == [(2, 3, "GPE")]
        with pytest.raises(ValueError, match="E868"):
            nlp.update([example])

    def test_without_the_setting_and_without_the_group(self, nlp, tmp_path):
        settings = {"path": str(tmp_path / "a.spacy"), "rename": {"PER": "PERSON"}}
        self.read(nlp, tmp_path, [(0, 1, "PER")])
        [example] = create_mixed_corpus_v1(corpora={"a": settings})(nlp)
        assert [span.label_ for span in example.reference.spans["bad"]] == ["PER"]
        reader = create_mixed_corpus_v1(corpora={"a": settings}, incorrect_spans_key="worse")
        [example] = reader(nlp)
        assert [*example.reference.spans] == ["bad"]
        with pytest.raises(ValueError, match="incorrect_spans_key must be the name of a span g"):
            create_mixed_corpus_v1(corpora={"a": settings}, incorrect_spans_key=True)


@pytest.mark.parametrize(
    "changes,message",
    [
        ({"pth": "x"}, "A setting of the corpus 'news' must be one of 'path', 'labels'.*'pth'"),
        ({"path": None}, "'news': path must be .* but got None"),
        ({"path": ""}, "'news': path must be"),
        ({"weight": 0}, "'news': weight must be a number above 0, but got 0"),
        ({"weight": -1.5}, "weight must be"),
        ({"weight": True}, "weight must be"),
        ({"weight": "2"}, "weight must be a number above 0, but got '2'"),
        ({"weight": float("nan")}, "weight must be"),
        ({"weight": float("inf")}, "weight must be"),
        ({"labels": "LOC"}, "'news': labels must be a list of one label or more, or null"),
        ({"labels": []}, "labels must be a list of one label or more"),
        ({"labels": ["LOC", 3]}, "labels must be a list"),
        ({"labels": ["PERSON", "LOC", "?"]}, "labels must not contain '?'"),
        ({"rename": ["PER"]}, "'news': rename must map labels to labels"),
        ({"rename": {"PER": ""}}, "rename must map labels to labels"),
        ({"coarse": {"LOC": "GPE"}}, "'news': coarse must map labels to lists.*'GPE'"),
        ({"coarse": {"LOC": []}}, "coarse must map labels to lists of one label or more"),
        ({"coarse": {"LOC": ["GPE", "?"]}}, "coarse must not contain '?'"),
        ({"rename": {"LOC": "PERSON"}}, "'news': labels names 'LOC', but rename turns it into"),
        (
            {"rename": {"LOC": "PERSON"}, "labels": None},
            "'news': coarse names 'LOC', but rename turns it into 'PERSON'.*after renaming",
        ),
        ({"labels": ["PERSON"]}, "'news': coarse names 'LOC', which is not in labels"),
        ({"labels": ["LOC"]}, "'news': rename names 'PERSON', which is not in labels"),
    ],
)
def test_wrong_settings_are_errors(corpora, changes, message):
    corpora["news"].update(changes)
    with pytest.raises(ValueError, match=message):
        create_mixed_corpus_v1(corpora=corpora)


def test_labels_may_change_places(corpora):
    corpora["news"].update(rename={"LOC": "PERSON", "PER": "LOC"})
    create_mixed_corpus_v1(corpora=corpora)


def test_no_corpus_and_no_settings():
    with pytest.raises(ValueError, match="must name one corpus or more, but got none"):
        create_mixed_corpus_v1(corpora={})
    with pytest.raises(ValueError, match="'news': its settings must be a mapping .*'a.spacy'"):
        create_mixed_corpus_v1(corpora={"news": "a.spacy"})


def test_files_that_cannot_be_read(nlp, corpora, tmp_path):
    def read(path):
        corpora["news"]["path"] = str(path)
        list(create_mixed_corpus_v1(corpora=corpora)(nlp))

    with pytest.raises(FileNotFoundError, match="'news': there is no file or folder .*none.spacy"):
        read(tmp_path / "none.spacy")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="The corpus 'news' must be a .spacy file or"):
        read(tmp_path / "empty")
    (tmp_path / "text.txt").write_text("Oslo")
    with pytest.raises(FileNotFoundError, match="The corpus 'news' must be a .spacy file or"):
        read(tmp_path / "text.txt")
    (tmp_path / "broken.spacy").write_bytes(b"Oslo")
    with pytest.raises(ValueError, match=r"The corpus 'news' \(.*broken.spacy\) can't be read"):
        read(tmp_path / "broken.spacy")


CONFIG = """
[paths]
news = null

[nlp]
lang = "en"
pipeline = ["COMPONENT"]

[components]

[components.COMPONENT]
factory = "COMPONENT"

[corpora]

[corpora.train]
@readers = "spacy_rnn_tagger.MixedCorpus.v1"

[corpora.train.corpora]

[corpora.train.corpora.own]
path = "OWN"

[corpora.train.corpora.news]
path = ${paths.news}
labels = ["PERSON", "LOC"]
rename = {"PER": "PERSON", "MISC": "?"}
coarse = {"LOC": ["GPE", "FAC"]}
weight = 2

[corpora.dev]
@readers = "spacy_rnn_tagger.MixedCorpus.v1"
corpora = ${corpora.train.corpora}

[training]
max_steps = 6
eval_frequency = 3
max_epochs = 0

[training.batcher]
@batchers = "spacy_rnn_tagger.batch_by_tokens.v1"
size = 8
"""


@pytest.fixture
def config_for(corpora, tmp_path):
    def write(component="rnn_ner"):
        path = tmp_path / f"{component}.cfg"
        own = CONFIG.replace("COMPONENT", component).replace("OWN", corpora["own"]["path"])
        path.write_text(own)
        fill_config(path, path, silent=True)
        return path, {"paths.news": corpora["news"]["path"]}

    return write


def test_a_config_is_filled(config_for):
    path, overrides = config_for()
    config = load_config(path, overrides=overrides, interpolate=True)
    settings = config["corpora"]["train"]
    assert settings["corpora"]["news"]["coarse"] == {"LOC": ["GPE", "FAC"]}
    assert settings["corpora"]["news"]["rename"] == {"PER": "PERSON", "MISC": "?"}
    assert settings["max_length"] == settings["limit"] == settings["seed"] == 0
    assert settings["augmenter"] is None and settings["incorrect_spans_key"] is None
    reader = registry.resolve(config["corpora"])["dev"]
    assert len(list(reader(spacy.blank("en")))) == 6


@pytest.mark.parametrize("max_epochs", [-1, 0, 2])
def test_training(config_for, tmp_path, max_epochs):
    path, overrides = config_for()
    overrides["training.max_epochs"] = max_epochs
    nlp = init_nlp(load_config(path, overrides=overrides))
    pipe = nlp.get_pipe("rnn_ner")
    # Neither LOC, which is coarse only, nor what is renamed.
    assert pipe.labels == ("FAC", "GPE", "PERSON")
    (tmp_path / "out").mkdir()
    train(nlp, tmp_path / "out")
    loaded = spacy.load(tmp_path / "out" / "model-last")
    assert loaded.get_pipe("rnn_ner").labels == ("FAC", "GPE", "PERSON")
    performance = loaded.meta["performance"]
    assert 0 <= performance["ents_f"] <= 1 and performance["ents_loss"] > 0


def test_spacys_ner_trains_too(config_for, tmp_path):
    path, overrides = config_for("ner")
    nlp = init_nlp(load_config(path, overrides=overrides))
    assert set(nlp.get_pipe("ner").labels) == {"FAC", "GPE", "PERSON"}
    (tmp_path / "out").mkdir()
    train(nlp, tmp_path / "out")


@pytest.mark.parametrize("component", ["rnn_ner", "ner"])
def test_debug_data(config_for, component, capsys):
    path, overrides = config_for(component)
    with suppress(SystemExit):  # it finds too few examples
        debug_data(path, config_overrides=overrides, verbose=True, silent=False)
    out = capsys.readouterr().out
    assert "6 training docs" in out
    if component == "ner":
        assert "3 label(s)" in out and "LOC" not in out


def test_evaluate_of_docs_with_label_sets(nlp, corpora, tmp_path):
    """What the reader made can be kept in a file, and scores of it count what was marked."""
    docs = [example.reference for example in create_mixed_corpus_v1(corpora=corpora)(nlp)]
    DocBin(docs=docs).to_disk(tmp_path / "mixed.spacy")
    ruler = spacy.blank("en")
    component = ruler.add_pipe("rnn_ner")
    component.initialize(lambda: [Example(doc.copy(), doc) for doc in docs], nlp=ruler)
    ruler.add_pipe("entity_ruler", first=True).add_patterns(
        [{"label": "PERSON", "pattern": name} for name in ("Ada", "Eve", "Ajax")]
        + [{"label": "GPE", "pattern": name} for name in ("Oslo", "Rome", "Nothing")]
    )
    ruler.to_disk(tmp_path / "model")
    scores = evaluate(str(tmp_path / "model"), tmp_path / "mixed.spacy")
    # Right are Ada and Oslo of the own doc, Eve and Rome of the news. "Nothing" is wrong. Nobody
    # knows what Ajax is, nor whether Ada, in the tweets, is anything but no facility.
    # Missed are Red Fort, Delhi, Kyiv and four times Wembley.
    assert scores["ents_p"] == pytest.approx(4 / 5)
    assert scores["ents_r"] == pytest.approx(4 / 11)


def test_the_first_docs_of_a_stream(nlp, corpora):
    reader = create_mixed_corpus_v1(corpora=corpora)
    first = texts(islice(reader(nlp), 3))
    assert first == ["Ada left Oslo.", "Eve saw Rome and Ajax.", "at Wembley with Ada"]


def test_importing_is_cheap():
    code = "import spacy_rnn_tagger, spacy_rnn_tagger.training.readers, sys; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = [name for name in found.stdout.split() if name.startswith("spacy_rnn_tagger.")]
    assert not any(name.split(".")[1] in ("layers", "modules", "cli") for name in ours)
