"""Distillation as a whole, with teachers made on the spot."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_rnn_tagger import distill
from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.distillation import steps
from tests.distillation.pairs import guessing, rules
from tests.distillation.test_replacing import with_vectors

pytestmark = pytest.mark.slow

STEPS = 120
PLACES = ["Delhi", "Lima", "Red Fort", "Old Gate", "the sea", "home", "nowhere", "a field"]
FORMS = [
    "We left {} for {} on day {}.",
    "Nobody came to {}, but {} was full on day {}.",
    "From {} to {} it takes {} hours.",
    "{} is older than {} by {} years.",
]


def sentences(n):
    return [
        FORMS[i % 4].format(PLACES[i % 8], PLACES[(i // 4 + i // 8 + 1) % 8], i) for i in range(n)
    ]


def network_folder(path, **config):
    guessing(**config).to_disk(path)
    return path


def gold_file(path, n=20):
    path.write_text("\n".join(f"[Fair {i}](EVENT) is in [Delhi](GPE) ." for i in range(n)), "utf-8")
    return path


def config_of(output, monkeypatch, *arguments, **settings):
    """Distil until the student is trained, and return its config."""
    with monkeypatch.context() as patch:
        patch.setattr(steps, "train", dying)
        with pytest.raises(KeyboardInterrupt):
            distill(*arguments, output, near_duplicates=False, **settings)
    return spacy.util.load_config(output / "config.cfg")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    path = tmp_path_factory.mktemp("teacher") / "rules"
    nlp = rules()
    nlp.add_pipe("sentencizer")
    nlp.to_disk(path)
    return path


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_text("\n".join(sentences(300)), "utf-8")
    return path


@pytest.fixture(autouse=True)
def measured_once(monkeypatch):
    """Measure once and in this process, but for `done`, which was made before."""
    quick = partial(steps.measure, turns=1, processes=False)
    monkeypatch.setattr(steps, "measure", quick)


@pytest.fixture(scope="module")
def done(teacher, texts, tmp_path_factory):
    output = tmp_path_factory.mktemp("done") / "out"
    report = distill(
        teacher, texts, output, steps=STEPS, near_duplicates=False, replace="ner", n_docs=250
    )
    return output, report


def test_the_student_finds_what_the_rules_find(done, teacher):
    output, report = done
    total = report["agreement"]["scores"][0]
    assert total["f"] > 0.9
    student, rule = spacy.load(output / "training" / "model-best"), spacy.load(teacher)
    text = "We left Lima for the Old Gate, and it rained."
    found = [(ent.text, ent.label_) for ent in student(text).ents]
    assert found == [(ent.text, ent.label_) for ent in rule(text).ents]
    assert report["measured"]["speed"]["part"]["ratio"]["median"] > 0


def test_what_is_written(done):
    output, report = done
    assert {path.name for path in output.iterdir()} == {
        "distill.json",
        "base",
        "rounds",
        "corpus",
        "config.cfg",
        "training",
        "training.log",
        "report.json",
        "report.html",
        "pipeline",
    }
    assert json.loads((output / "report.json").read_text("utf-8")) == report
    sizes = [
        len(DocBin().from_disk(output / "corpus" / f"{part}.spacy"))
        for part in ("heldout", "dev", "train")
    ]
    assert sizes == [25, 12, 213]
    meta = json.loads((output / "training" / "model-best" / "meta.json").read_text("utf-8"))
    assert meta["distillation"]["n_docs"] == 250


def test_held_out_texts_are_not_learnt(done):
    output, _ = done
    vocab = spacy.blank("en").vocab
    heldout, dev, train = (
        {
            doc.text
            for doc in DocBin().from_disk(output / "corpus" / f"{part}.spacy").get_docs(vocab)
        }
        for part in ("heldout", "dev", "train")
    )
    assert not train & (heldout | dev)


def test_the_config_repeats_the_training(done, tmp_path):
    output, _ = done
    subprocess.run(
        [sys.executable, "-m", "spacy", "train", str(output / "config.cfg")]
        + ["--output", str(tmp_path / "again")],
        check=True,
        capture_output=True,
    )
    for name in ("rnn_ner/model", "rnn_ner/cfg"):
        own, again = (
            folder / "model-best" / name for folder in (output / "training", tmp_path / "again")
        )
        assert own.read_bytes() == again.read_bytes()


def test_the_teachers_pipeline_has_the_student_in_it(done, teacher):
    output, _ = done
    nlp = spacy.load(output / "pipeline")
    assert nlp.pipe_names == spacy.load(teacher).pipe_names
    assert nlp.get_pipe_meta("ner").factory == "rnn_ner"
    student = spacy.load(output / "training" / "model-best")
    text = "Nobody came to Lima. The colour of Old Gate was aluminium."
    found, own = nlp(text), student(text)
    assert [(e.start, e.end, e.label_) for e in found.ents] == [
        (e.start, e.end, e.label_) for e in own.ents
    ]
    assert len(list(found.sents)) == 2


def test_a_second_run_does_nothing(done, teacher, texts):
    output, report = done
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
    again = distill(
        teacher, texts, output, steps=STEPS, near_duplicates=False, replace="ner", n_docs=250
    )
    assert again == report
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()} == before


def test_other_settings_are_another_distillation(done, teacher, texts):
    output, _ = done
    same = {"near_duplicates": False, "replace": "ner", "steps": STEPS, "n_docs": 250}
    with pytest.raises(ValueError, match="n_docs: 250 before, 200 now\nName another folder"):
        distill(teacher, texts, output, **{**same, "n_docs": 200})
    with pytest.raises(
        ValueError, match="steps: 120 before, 9 now\n.* delete pipeline, report.htm"
    ):
        distill(teacher, texts, output, **{**same, "steps": 9})


def test_what_annotation_depends_on_is_compared_before_anything_else(done, teacher, texts):
    output, _ = done
    before = (output / "distill.json").read_bytes()
    same = {"near_duplicates": False, "replace": "ner", "steps": 9, "n_docs": 250}
    with pytest.raises(ValueError, match="batch_size: null before, 7 now\nName another folder"):
        distill(teacher, texts, output, batch_size=7, **same)
    assert (output / "distill.json").read_bytes() == before


def test_the_pipeline_may_be_asked_for_after_the_training(teacher, texts, tmp_path, monkeypatch):
    output = tmp_path / "out"
    same = {"near_duplicates": False, "steps": 9}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(steps, "measure", dying)
        distill(teacher, texts, output, replace="ner", **same)
    trained = (output / "config.cfg").stat().st_mtime_ns
    distill(teacher, texts, output, **same)
    assert not (output / "pipeline").exists()
    with pytest.raises(
        ValueError, match='replace: null before, "ner" now\n.* delete report.html, report.json in'
    ):
        distill(teacher, texts, output, replace="ner", **same)
    for name in ("report.html", "report.json"):
        (output / name).unlink()
    with monkeypatch.context() as patch:
        patch.setattr("spacy_rnn_tagger.training.processes.subprocess.run", dying)
        distill(teacher, texts, output, replace="ner", **same)
    assert spacy.load(output / "pipeline").get_pipe_meta("ner").factory == "rnn_ner"
    assert (output / "config.cfg").stat().st_mtime_ns == trained


def test_what_is_learnt_may_change_before_it_is_learnt(teacher, texts, tmp_path):
    output = tmp_path / "out"
    with pytest.raises(ValueError, match="no entity: PERSON"):
        distill(teacher, texts, output, trust=["PERSON"], steps=9)
    shards = {path: path.stat().st_mtime_ns for path in output.rglob("part-*.spacy")}
    assert shards
    distill(teacher, texts, output, trust=["GPE"], steps=9)
    assert shards == {path: path.stat().st_mtime_ns for path in output.rglob("part-*.spacy")}


def test_a_killed_run_continues_and_annotates_nothing_twice(teacher, texts, tmp_path):
    output = tmp_path / "out"
    options = ["--steps", "20", "--shard-size", "10", "--exact-duplicates"]
    command = [sys.executable, "-m", "spacy", "rnn", "distill", str(teacher), str(texts)]
    command += [str(output), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shards = output / "rounds" / "00" / "teacher-0"
    while not list(shards.glob("part-*.spacy")):
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = {path.name: path.stat().st_mtime_ns for path in shards.glob("part-*.spacy")}
    assert 0 < len(before) < 30
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    after = {path.name: path.stat().st_mtime_ns for path in shards.glob("part-*.spacy")}
    assert len(after) == 30
    assert before.items() <= after.items()
    assert "report.html" in result.stdout


def test_a_resumed_run_reports_what_the_first_one_left_out(teacher, texts, tmp_path, monkeypatch):
    content = texts.read_text("utf-8")
    twice = tmp_path / "twice.txt"
    twice.write_text(content + "\n" + content.splitlines()[0], "utf-8")

    def distilled(name, rounds=1):
        return distill(
            teacher,
            twice,
            tmp_path / name,
            steps=9,
            n_docs=400,
            rounds=rounds,
            near_duplicates=False,
        )

    notes = ["Left out: 1 duplicate text", "Only 300 different texts found"]
    with monkeypatch.context() as patch, pytest.warns(UserWarning, match=notes[0]):
        patch.setattr(steps, "train", dying)
        with pytest.raises(KeyboardInterrupt):
            distilled("out")
    with pytest.warns(UserWarning, match=notes[0]):
        resumed = distilled("out")
    with pytest.warns(UserWarning, match=notes[0]):
        in_rounds = distilled("rounds", rounds=2)
    for report in (resumed, in_rounds):
        for note in notes:
            assert sum(found.startswith(note) for found in report["notes"]) == 1


def dying(*args, **kwargs):
    raise KeyboardInterrupt


def test_the_teacher_fails_on_some_texts(texts, tmp_path):
    nlp = rules()
    nlp.add_pipe("test_distilling_fails")
    nlp.to_disk(tmp_path / "teacher")
    with pytest.warns(UserWarning, match=r"failed on \d+ texts, now left out; see .*errors"):
        report = distill(tmp_path / "teacher", texts, tmp_path / "out", steps=20)
    assert report["made"]["n_docs"] < 300
    assert any("failed on" in note for note in report["notes"])


@spacy.Language.component("test_distilling_fails")
def fail(doc):
    if "Lima" in doc.text and len(doc) % 2:
        raise ValueError("not this one")
    return doc


def test_a_teacher_with_code_of_its_own(texts, tmp_path):
    code = tmp_path / "code.py"
    code.write_text(
        "from spacy import Language\n"
        "@Language.component('test_distilling_code')\n"
        "def component(doc):\n"
        "    return doc\n",
        "utf-8",
    )
    script = (
        "import spacy; from spacy.util import import_file; from tests.distillation.pairs import "
        f"rules; import_file('c', {str(code)!r}); nlp = rules(); "
        f"nlp.add_pipe('test_distilling_code'); nlp.to_disk({str(tmp_path / 'teacher')!r})"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    arguments = ["distill", str(tmp_path / "teacher"), str(texts), str(tmp_path / "out")]
    missing = CliRunner().invoke(app, arguments)
    assert missing.exit_code == 1
    options = ["--code", str(code), "--trust", "NOPE", "--exact-duplicates"]
    result = CliRunner().invoke(app, [*arguments, *options])
    assert "NOPE" in result.stderr  # the teacher was loaded and has run


def test_a_network_teaches_its_posteriors(texts, tmp_path):
    teacher = network_folder(tmp_path / "teacher")
    report = distill(teacher, texts, tmp_path / "out", steps=30, near_duplicates=False)
    assert report["made"]["soft"]
    docs = DocBin().from_disk(tmp_path / "out" / "corpus" / "train.spacy")
    doc = next(docs.get_docs(spacy.blank("en").vocab))
    assert "spacy_rnn_tagger.posteriors" in doc.spans
    hard = distill(teacher, texts, tmp_path / "hard", steps=30, soft=False)
    assert not hard["made"]["soft"]


def test_posteriors_and_decisions_are_learned_from_the_same_annotation(
    texts, tmp_path, monkeypatch
):
    teacher, output = network_folder(tmp_path / "teacher"), tmp_path / "out"
    gold = gold_file(tmp_path / "gold.txt")
    other = [{"soft": False}, {"min_confidence": 0.2}, {"trust": ["GPE"]}, {"gold": gold}]
    config_of(output, monkeypatch, teacher, texts)
    shards = {path: path.stat().st_mtime_ns for path in output.rglob("part-*.spacy")}
    for settings in other:
        config_of(output, monkeypatch, teacher, texts, **settings)
        docs = DocBin().from_disk(output / "corpus" / "train.spacy")
        assert not any(doc.spans for doc in docs.get_docs(spacy.blank("en").vocab))
    assert shards == {path: path.stat().st_mtime_ns for path in output.rglob("part-*.spacy")}
    before = (output / "distill.json").read_bytes()
    with pytest.raises(ValueError, match="posteriors: true before, false now\nName another"):
        distill(teacher, texts, output, near_duplicates=False, spans_key="rnn_ner")
    assert (output / "distill.json").read_bytes() == before


def test_posteriors_teach_labels_that_are_never_found(texts, tmp_path, monkeypatch):
    nlp = guessing(labels=("FAC", "GPE", "EVENT"))
    emissions = nlp.get_pipe("rnn_ner").model.get_ref("emissions")
    bias = emissions.get_param("b").copy()
    bias[-2:] -= 1000  # the tags of EVENT
    emissions.set_param("b", bias)
    nlp.to_disk(tmp_path / "teacher")
    gold = gold_file(tmp_path / "gold.txt")
    data = tmp_path / "teacher", texts
    config = config_of(tmp_path / "out", monkeypatch, *data, gold=gold, soft=True)
    assert config["initialize"]["components"]["rnn_ner"]["labels"] == ["EVENT", "FAC", "GPE"]
    # Otherwise the docs would be taught by their entities.
    assert config["corpora"]["train"]["corpora"]["silver"]["labels"] is None


def test_labels_that_the_teacher_learned_but_does_not_write(texts, tmp_path, monkeypatch):
    labels = {"labels": ("FAC", "GPE", "EVENT"), "output_labels": ["FAC", "GPE"]}
    teacher = network_folder(tmp_path / "teacher", **labels)
    gold = gold_file(tmp_path / "gold.txt")
    config = config_of(tmp_path / "out", monkeypatch, teacher, texts, gold=gold)
    assert config["corpora"]["train"]["corpora"]["silver"]["labels"] == ["FAC", "GPE"]
    docs = DocBin().from_disk(tmp_path / "out" / "corpus" / "train.spacy")
    assert not any(doc.spans for doc in docs.get_docs(spacy.blank("en").vocab))  # openly hard
    with pytest.raises(ValueError, match="gold has labels .* does not write: EVENT"):
        distill(teacher, texts, tmp_path / "soft", gold=gold, soft=True)
    trusted = {"trust": ["FAC", "GPE"], "soft": True}
    config_of(tmp_path / "trusted", monkeypatch, teacher, texts, **trusted)


def test_the_student_has_the_teachers_threshold(texts, tmp_path):
    threshold = {"FAC": 0.7, "GPE": 0.4}
    teacher = network_folder(tmp_path / "teacher", threshold=threshold)
    output = tmp_path / "out"
    with pytest.warns(UserWarning, match=r"the teacher's threshold \(FAC 0.7, GPE 0.4\)"):
        report = distill(teacher, texts, output, steps=20, near_duplicates=False, replace="rnn_ner")
    assert report["made"]["soft"]
    for folder in (output / "training" / "model-best", output / "pipeline"):
        assert spacy.load(folder).get_pipe("rnn_ner").threshold == threshold
    nlp = spacy.load(teacher)
    for doc in DocBin().from_disk(output / "corpus" / "heldout.spacy").get_docs(nlp.vocab):
        found = [(ent.start, ent.end, ent.label_) for ent in nlp(doc.text).ents]
        assert [(ent.start, ent.end, ent.label_) for ent in doc.ents] == found


def test_decisions_are_learned_without_a_threshold(texts, tmp_path, monkeypatch):
    teacher = network_folder(tmp_path / "teacher", threshold=0.7)
    config = config_of(tmp_path / "out", monkeypatch, teacher, texts, soft=False)
    assert config["components"]["rnn_ner"]["threshold"] == 0.0


def test_a_group_is_what_gold_is_compared_with(texts, tmp_path):
    nlp = rules()
    nlp.add_pipe("test_distilling_moves")
    nlp.to_disk(tmp_path / "teacher")
    gold = tmp_path / "gold.txt"
    gold.write_text("\n".join(f"[Red Fort](FAC) has {i} rooms ." for i in range(80)), "utf-8")
    settings = {"spans_key": "sc", "gold": gold, "steps": 20, "near_duplicates": False}
    report = distill(tmp_path / "teacher", texts, tmp_path / "out", **settings)
    assert report["gold"][0]["teacher"][0]["f"] == 1.0


@spacy.Language.component("test_distilling_moves")
def move(doc):
    doc.spans["sc"] = [*doc.ents, *doc.ents]  # twice
    doc.set_ents([])
    return doc


def test_rounds_choose_what_the_student_is_least_sure_of(teacher, texts, tmp_path):
    output = tmp_path / "out"
    distill(teacher, texts, output, steps=30, n_docs=60, rounds=3, near_duplicates=False)
    rounds = [
        [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for path in sorted(output.glob("rounds/*/texts.jsonl"))
    ]
    orders = [row["order"] for rows in rounds for row in rows]
    assert len(orders) == len(set(orders)) == 60
    assert [len(rows) for rows in rounds] == [6 + 3 + 17, 17, 17]
    assert {row["part"] for rows in rounds[1:] for row in rows} == {"train"}


def test_gold_with_labels_that_the_teacher_lacks(teacher, texts, tmp_path):
    gold = tmp_path / "gold.txt"
    lines = [f"[Red Fort](FAC) has {i} rooms, says [Ada](PERSON) ." for i in range(80)]
    gold.write_text("\n".join(lines), "utf-8")
    report = distill(teacher, texts, tmp_path / "out", gold=gold, steps=150)
    student = spacy.load(tmp_path / "out" / "training" / "model-best")
    assert student.get_pipe("rnn_ner").labels == ("FAC", "GPE", "PERSON")
    found = student("Red Fort has 7 rooms, says Ada .").ents
    assert [(ent.text, ent.label_) for ent in found] == [("Red Fort", "FAC"), ("Ada", "PERSON")]
    config = spacy.util.load_config(tmp_path / "out" / "config.cfg")
    # Of persons the teacher says nothing, so its texts must not say that there are none.
    assert config["corpora"]["train"]["corpora"]["silver"]["labels"] == ["FAC", "GPE"]
    assert set(report["agreement"]["labels"]) <= {"FAC", "GPE"}
    assert [own["labels"] for own in report["gold"]] == [["FAC"]]
    assert report["gold"][0]["left_out"] == {"PERSON": report["gold"][0]["docs"]}


def test_annotated_data_as_teacher(tmp_path):
    data = tmp_path / "data.txt"
    lines = [f"[Red Fort](FAC) has {i} rooms in [Delhi](GPE) ." for i in range(60)]
    data.write_text("\n".join(lines), "utf-8")
    report = distill(data, None, tmp_path / "out", steps=60)
    assert report["measured"] is None
    assert report["agreement"]["scores"][0]["f"] > 0.9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"component": "nerr"}, "no component 'nerr'; its components are ner, sentencizer"),
        ({"replace": "tagger"}, "no component 'tagger'"),
        ({"rounds": 2}, "n_docs is not given"),
        ({"n_docs": 5}, "n_docs must be a whole number of 10 or more"),
        ({"min_confidence": 1.5}, "min_confidence must be at least 0 and below 1"),
        ({"min_confidence": 0.5}, "entities have no confidence"),
        ({"trust": ["PERSON"]}, "trust names labels of which the teacher found no entity: PERSON"),
        ({"soft": True}, "are not those of a component rnn_ner"),
        ({"spans_key": "sc"}, "no span group 'sc'"),
        ({"gold": "nowhere.jsonl"}, "nowhere.jsonl does not exist"),
        ({"config": "nothing"}, "config must be one of"),
        ({"engine": "cloud"}, "engine must be one of"),
        ({"hidden_width": 0}, "width must be a whole number of 1 or more"),
    ],
)
def test_wrong_use_says_why(teacher, texts, tmp_path, settings, message):
    with pytest.raises((ValueError, OSError), match=message):
        distill(teacher, texts, tmp_path / "out", near_duplicates=False, **settings)


def test_several_teachers_must_be_networks(teacher, texts, tmp_path):
    with pytest.raises(ValueError, match="averaged by their posteriors, but the entities of"):
        distill([teacher, teacher], texts, tmp_path / "out")


def test_several_teachers_must_write_the_same_labels(texts, tmp_path):
    teachers = [
        network_folder(tmp_path / name, output_labels=labels)
        for name, labels in (("a", ["FAC"]), ("b", ["FAC", "GPE"]))
    ]
    with pytest.raises(ValueError, match="labels are not written by all of them: GPE"):
        distill(teachers, texts, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_texts_without_any_entity(teacher, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(f"Nothing happened on day {i}." for i in range(30)), "utf-8")
    with pytest.raises(ValueError, match="found no entity in 30 docs"):
        distill(teacher, path, tmp_path / "out", near_duplicates=False)


def test_a_folder_with_other_things_is_refused(teacher, texts, tmp_path):
    (tmp_path / "own.txt").write_text("mine", "utf-8")
    with pytest.raises(ValueError, match="holds no output of this command"):
        distill(teacher, texts, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"own.txt"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"component": "nerr"}, "no component"),
        ({"replace": "sentencizer"}, "'sentencizer' does not find entities"),
        ({"vectors": "nowhere"}, "nowhere"),
        ({"vectors": "words", "config": "rnn_ner_trf"}, "no embedding layer"),
        ({"vectors": "words", "replace": "ner"}, "not those of the teacher"),
    ],
)
def test_wrong_use_leaves_nothing_that_a_second_run_stumbles_over(
    texts, tmp_path, settings, message
):
    nlp = with_vectors(rules())
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "teacher")
    if settings.get("vectors") == "words":
        with_vectors(spacy.blank("en"), seed=1).to_disk(tmp_path / "words")
        settings = {**settings, "vectors": str(tmp_path / "words")}
    with pytest.raises((ValueError, OSError), match=message):
        distill(tmp_path / "teacher", texts, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


SPLITTER = """
from pathlib import Path

import spacy
from spacy.tokens import Doc
from spacy.util import DummyTokenizer


class Splitter(DummyTokenizer):
    def __init__(self, vocab, mark):
        self.vocab, self.mark = vocab, mark

    def __call__(self, text):
        return Doc(self.vocab, words=text.replace(self.mark, f" {self.mark} ").split())


@spacy.registry.tokenizers("test_distilling_splitter")
def make_splitter(mark: str = "-"):
    return lambda nlp: Splitter(nlp.vocab, mark)
"""


def test_a_teacher_with_a_tokenizer_of_its_own(texts, tmp_path):
    code = tmp_path / "code.py"
    code.write_text(SPLITTER, "utf-8")
    spacy.util.import_file("test_distilling_code", code)
    tokenizer = {"@tokenizers": "test_distilling_splitter", "mark": "."}
    rules(nlp=spacy.blank("en", config={"nlp": {"tokenizer": tokenizer}})).to_disk(
        tmp_path / "teacher"
    )
    output = tmp_path / "out"
    settings = {"steps": 9, "near_duplicates": False, "replace": "ner"}
    notes = []
    distill(tmp_path / "teacher", texts, output, code=code, notify=notes.append, **settings)
    assert notes == []
    for folder in (output / "training" / "model-best", output / "pipeline"):
        words = [token.text for token in spacy.load(folder).make_doc("Lima.Delhi isn't far")]
        assert words == ["Lima", ".", "Delhi", "isn't", "far"]


def test_command_line(teacher, texts, tmp_path):
    run = CliRunner().invoke
    arguments = ["distill", str(teacher), str(texts), str(tmp_path / "out")]
    result = run(app, [*arguments, "--trust", "FAC, NOPE", "--exact-duplicates"])
    assert result.exit_code == 1
    assert "NOPE" in result.stderr
    missing = run(app, ["distill", "no_such_pipeline", str(texts), str(tmp_path / "b")])
    assert missing.exit_code == 1
    assert not Path(tmp_path / "b").exists()
