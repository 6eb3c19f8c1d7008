"""The config that is written, and plain `spacy train` on it."""

from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.util import DummyTokenizer
from thinc.api import Config

from spacy_rnn_tagger.distillation.replacing import blank_like
from spacy_rnn_tagger.distillation.students import Base, Student, start
from spacy_rnn_tagger.training.configs import init_config
from spacy_rnn_tagger.training.processes import train, write_config


def config_of(student=None, **settings):
    arguments = {
        "lang": "en",
        "base": None,
        "train": {"silver": {"path": "train.spacy", "labels": None}},
        "dev": {"silver": {"path": "dev.spacy", "labels": ["GPE"]}},
        "labels": ["FAC", "GPE"],
        "n_words": 1_000_000,
        **settings,
    }
    return (student or Student()).make_config(**arguments)


def test_the_config_is_complete_and_can_be_read_back(tmp_path):
    config = config_of()
    path = tmp_path / "config.cfg"
    write_config(config, path)
    assert Config().from_disk(path, interpolate=False).to_str() == config.to_str()
    nlp = spacy.util.load_model_from_config(config, auto_fill=False)
    assert nlp.pipe_names == ["rnn_ner"]
    assert config["corpora"]["train"]["@readers"] == "spacy_rnn_tagger.MixedCorpus.v1"
    assert config["corpora"]["dev"]["corpora"]["silver"]["labels"] == ["GPE"]
    assert config["initialize"]["components"]["rnn_ner"]["labels"] == ["FAC", "GPE"]


def test_a_config_that_is_there_stays_as_it_is(tmp_path):
    path = tmp_path / "config.cfg"
    write_config(config_of(), path)
    before = path.stat().st_mtime_ns
    write_config(config_of(), path)
    assert path.stat().st_mtime_ns == before
    write_config(config_of(Student(steps=7)), path)
    assert Config().from_disk(path)["training"]["max_steps"] == 7


def test_steps_grow_with_the_words_within_bounds():
    assert Student().steps_for(1_000_000) == 6000
    assert Student().steps_for(300_000) == 4000
    assert Student().steps_for(100_000) == 2000
    assert Student().steps_for(1000) == 1000
    assert Student().steps_for(10**9) == 40_000
    assert Student(steps=12).steps_for(10**9) == 12


@pytest.mark.parametrize("steps", [1, 100, 5000])
def test_the_schedule_ends_with_the_training(steps):
    training = config_of(Student(steps=steps))["training"]
    rate = training["optimizer"]["learn_rate"]
    assert training["max_steps"] == rate["total_steps"] == steps
    assert rate["warmup_steps"] <= steps / 10
    assert 1 <= training["eval_frequency"] <= steps


def test_much_text_is_streamed():
    assert config_of()["training"]["max_epochs"] == 0
    assert config_of(n_words=10_000_000)["training"]["max_epochs"] == -1


def test_dropout_goes_with_plenty_of_text():
    shipped = init_config("rnn_ner")
    expected = {199_999: None, 200_000: (0.0, 0.2, 0.1), 1_000_000: (0.0, 0.1, 0.05)}
    for n_words, rates in expected.items():
        config = config_of(n_words=n_words)
        model = config["components"]["rnn_ner"]["model"]
        own = shipped["components"]["rnn_ner"]["model"]
        found = config["training"]["dropout"], model["dropout"], model["tok2vec"]["word_dropout"]
        default = shipped["training"]["dropout"], own["dropout"], own["tok2vec"]["word_dropout"]
        assert found == (rates or default)


def test_many_labels_have_fewer_tags():
    few = config_of(labels=[f"L{i}" for i in range(8)])
    many = config_of(labels=[f"L{i}" for i in range(9)])
    schemes = [config["components"]["rnn_ner"]["scheme"] for config in (few, many)]
    assert schemes == ["BILUO", "BIO"]


def test_width_seed_and_base():
    base = Base(Path("folder"), spacy.blank("en"))
    config = config_of(Student(hidden_width=77, seed=5), base=base)
    assert config["components"]["rnn_ner"]["model"]["hidden_width"] == 77
    assert config["system"]["seed"] == 5
    before = config["initialize"]["before_init"]
    assert before["@callbacks"] == "spacy.copy_from_base_model.v1"
    assert before["tokenizer"] == before["vocab"] == "folder"
    assert config["initialize"]["after_init"] is None


class Splitter(DummyTokenizer):
    """A tokenizer with a setting, and with a state that initialisation replaces."""

    def __init__(self, vocab, marks):
        self.vocab, self.marks, self.state = vocab, marks, ""

    def __call__(self, text):
        for mark in self.marks + self.state:
            text = text.replace(mark, f" {mark} ")
        return Doc(self.vocab, words=text.split())

    def initialize(self, get_examples, *, nlp=None, state):
        self.state = state

    def to_bytes(self, **kwargs):
        return self.state.encode()

    def from_bytes(self, data, **kwargs):
        self.state = data.decode()

    def to_disk(self, path, **kwargs):
        Path(path).write_bytes(self.to_bytes())

    def from_disk(self, path, **kwargs):
        self.from_bytes(Path(path).read_bytes())


@spacy.registry.tokenizers("test_students_splitter")
def make_splitter(marks: str):
    return lambda nlp: Splitter(nlp.vocab, marks)


def base_of(teacher, path):
    blank_like(teacher).to_disk(path)
    return Base(path, teacher)


def test_a_student_reads_with_the_teachers_tokenizer(tmp_path):
    own = {"@tokenizers": "test_students_splitter", "marks": "-"}
    initial = {"tokenizer": {"state": "!"}}
    teacher = spacy.blank("en", config={"nlp": {"tokenizer": own}, "initialize": initial})
    teacher.initialize()
    teacher.tokenizer.state = "+"  # by hand
    text = "a-b+c!d"
    assert len(teacher.make_doc(text)) == 5
    student = start(config_of(base=base_of(teacher, tmp_path / "base")))
    assert student.pipe_names == ["rnn_ner"]
    assert [token.text for token in student.make_doc(text)] == ["a", "-", "b", "+", "c!d"]
    assert student.config["nlp"]["tokenizer"] == teacher.config["nlp"]["tokenizer"]


def test_a_model_of_the_teachers_tokenizer_is_not_downloaded(tmp_path):
    teacher = spacy.blank("zh", config={"nlp": {"tokenizer": {"segmenter": "pkuseg"}}})
    (tmp_path / "tokenizer" / "pkuseg_model").mkdir(parents=True)
    config = config_of(lang="zh", base=Base(tmp_path, teacher))
    assert config["nlp"]["tokenizer"]["segmenter"] == "pkuseg"
    model = config["initialize"]["tokenizer"]["pkuseg_model"]
    assert model == str(tmp_path / "tokenizer" / "pkuseg_model")
    assert config["initialize"]["after_init"]["tokenizer"] == str(tmp_path)


def test_training_that_could_not_begin_is_found_before(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        start(config_of(Student(vectors=str(tmp_path / "nowhere"))))
    base = base_of(spacy.blank("en"), tmp_path / "base")
    config = config_of(base=base)
    config["nlp"]["tokenizer"] = {"@tokenizers": "test_students_splitter", "marks": "-"}
    with pytest.raises(ValueError, match=r"student's config can't be loaded: \[E872\]"):
        start(config)


def test_settings_of_labels_that_the_student_lacks_are_left_out():
    pipe = config_of(Student(config="places"), labels=["GPE", "ORG"])["components"]["rnn_ner"]
    assert (pipe["threshold"], pipe["output_labels"]) == ({"GPE": 0.4}, ["GPE"])
    pipe = config_of(Student(config="places"), labels=["ORG"])["components"]["rnn_ner"]
    assert (pipe["threshold"], pipe["output_labels"]) == (0.0, None)


def test_training_that_fails_says_why_and_leaves_no_output(tmp_path):
    path = tmp_path / "config.cfg"
    write_config(config_of(), path)
    with pytest.raises(RuntimeError, match=r"(?s)ended with status 1\. .*train\.spacy"):
        train(path, tmp_path / "training")
    assert not (tmp_path / "training").exists()


def test_what_is_trained_is_kept(tmp_path):
    (tmp_path / "training").mkdir()
    assert train(tmp_path / "nothing.cfg", tmp_path / "training").name == "model-best"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps must"),
        ({"hidden_width": 0}, "width must"),
        ({"config": "x"}, "config"),
        ({"config": "rnn_pos"}, "config must be one of 'places', 'rnn_ner', "),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        Student(**settings)


def test_streamed_training_learns_labels_that_come_late(tmp_path):
    nlp = spacy.blank("en")
    docs = []
    for i in range(150):
        doc = nlp("Delhi is far")
        label = "LATE" if i > 120 else "GPE"
        doc.set_ents([spacy.tokens.Span(doc, 0, 1, label=label)])
        docs.append(doc)
    DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    corpora = {"silver": {"path": str(tmp_path / "train.spacy"), "labels": None}}
    config = config_of(
        Student(steps=2), train=corpora, dev=corpora, labels=["GPE", "LATE"], n_words=10**8
    )
    write_config(config, tmp_path / "config.cfg")
    best = train(tmp_path / "config.cfg", tmp_path / "training")
    assert spacy.load(best).get_pipe("rnn_ner").labels == ("GPE", "LATE")
