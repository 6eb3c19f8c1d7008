"""The benchmarks measure what they say, and the systems that they compare do the same work."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import spacy
import srsly
import typer
from spacy.tokens import DocBin
from spacy.vocab import Vocab
from thinc.api import fix_random_seed
from typer.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.accuracy import app as accuracy
from benchmarks.accuracy import read_comparison
from benchmarks.breakdown import SPACY_SHARE, Stopwatch
from benchmarks.litbank import app as litbank
from benchmarks.litbank import read_splits
from benchmarks.measure import alternate, ratio
from benchmarks.outside import app as outside
from benchmarks.outside import read as read_outside
from benchmarks.outside import score as score_outside
from benchmarks.packed import pack
from benchmarks.pipelines import app as pipelines
from benchmarks.systems import floors, rnn_ner, trained
from benchmarks.texts import batches, examples, first_tokens, unannotated
from benchmarks.throughput import app as throughput
from tests.conftest import TRAIN, make_examples
from tests.conftest import trained as trained_on_examples

pytestmark = pytest.mark.slow

BOOK = """\
The\tO\tB-FAC\tO
old\tO\tI-FAC\tO
gate\tO\tI-FAC\tO
of\tO\tI-FAC\tO
Delhi\tB-GPE\tI-FAC\tO

She\tB-PER\tO\tO
left\tO\tO\tO
Delhi\tB-GPE\tO\tO
"""


def write_books(folder, n, text=BOOK):
    for number in range(1, n + 1):
        own = text.replace("left", f"left{number}")
        (folder / f"{number}_book_brat.tsv").write_text(own, encoding="utf8")


def test_litbank_is_read(tmp_path):
    write_books(tmp_path, 20)
    splits = read_splits(tmp_path, Vocab())
    books = {name: [doc[6].text for doc in docs] for name, docs in splits.items()}
    assert books["dev"] == ["left9", "left19"] and books["test"] == ["left10", "left20"]
    assert len(books["train"]) == 16
    doc = splits["train"][0]
    # The longer of two that overlap stays; other labels go.
    assert [(ent.text, ent.label_) for ent in doc.ents] == [
        ("The old gate of Delhi", "FAC"),
        ("Delhi", "GPE"),
    ]
    assert [sentence.start for sentence in doc.sents] == [0, 5]


def test_what_is_not_litbank_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no \*_brat.tsv"):
        read_splits(tmp_path, Vocab())
    write_books(tmp_path, 1, BOOK.replace("B-PER", "S-PER"))
    with pytest.raises(ValueError, match="'S-PER' is not a BIO tag"):
        read_splits(tmp_path, Vocab())


def test_other_counts_than_litbanks_are_refused(tmp_path):
    write_books(tmp_path, 10)
    result = CliRunner().invoke(litbank, ["convert", str(tmp_path), str(tmp_path / "out")])
    assert result.exit_code == 1
    assert not list((tmp_path / "out").iterdir())


def test_litbank_is_converted(tmp_path, monkeypatch):
    write_books(tmp_path, 10)
    counts = {"train": 8, "dev": 1, "test": 1}
    monkeypatch.setattr(
        "benchmarks.litbank.COUNTS",
        {name: {"tokens": 8 * n, "FAC": n, "GPE": n} for name, n in counts.items()},
    )
    result = CliRunner().invoke(litbank, ["convert", str(tmp_path), str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    vocab = Vocab()
    for name, n in counts.items():
        docs = list(DocBin().from_disk(tmp_path / "out" / f"{name}.spacy").get_docs(vocab))
        assert [len(doc.ents) for doc in docs] == [2] * n
    assert (tmp_path / "out" / "FAC.txt").read_text() == "The old gate of Delhi\n"


def test_raw_text_is_of_train_books_alone(tmp_path):
    write_books(tmp_path, 10)
    original = tmp_path / "original"
    original.mkdir()
    for number in range(1, 11):
        paragraphs = [f"book{number} " + "word " * 150 + end for end in ("one", "two", "three")]
        (original / f"{number}_book.txt").write_text("\n\n".join(paragraphs))
    output = tmp_path / "raw.jsonl"
    arguments = ["text", str(original), str(output), "--tsv", str(tmp_path)]
    assert CliRunner().invoke(litbank, arguments).exit_code == 0
    texts = [record["text"] for record in srsly.read_jsonl(output)]
    assert {text.split()[0] for text in texts} == {f"book{number}" for number in range(1, 9)}
    # Two paragraphs make a passage, and what is left over makes another.
    assert sorted(len(text.split()) for text in texts) == [152] * 8 + [304] * 8


class TestAccuracy:
    """The comparison of systems, on a few sentences and steps."""

    @pytest.fixture
    def file(self, tmp_path):
        nlp = spacy.blank("en")
        docs = DocBin(docs=[example.reference for example in make_examples(nlp)] * 4)
        docs.to_disk(tmp_path / "corpus.spacy")
        nlp.add_pipe("rnn_ner", config={"model": {"hidden_width": 8, "tok2vec": {"width": 8}}})
        config = nlp.config
        config["paths"] = dict.fromkeys(("train", "dev", "vectors", "init_tok2vec"))
        config["corpora"] = {
            split: {"@readers": "spacy.Corpus.v1", "path": f"${{paths.{split}}}"}
            for split in ("train", "dev")
        }
        config["training"].update(max_steps=4, eval_frequency=2)
        config.to_disk(tmp_path / "base.cfg")
        splits = "".join(f'{split} = "{tmp_path}/corpus.spacy"\n' for split in ("train", "dev"))
        (tmp_path / "systems.toml").write_text(f"""
[data]
{splits}
[systems.crf]
config = "{tmp_path}/base.cfg"
changes = {{ "training.patience" = 7 }}

[systems.softmax]
like = "crf"
changes = {{ "components.rnn_ner.model.decoder" = "softmax", "corpora.train.gold_preproc" = true }}

[systems.other_rate]
like = "softmax"
changes = {{ "training.optimizer" = {{ "@optimizers" = "SGD.v1", learn_rate = 0.1 }} }}

[systems.slower]
like = "other_rate"
changes = {{ "training.optimizer.learn_rate" = 0.01 }}

[systems.no_scorer]
like = "crf"
changes = {{ "components.rnn_ner.scorer" = "null" }}
""")
        return tmp_path / "systems.toml"

    def test_changes(self, file):
        comparison = read_comparison(file)
        configs = [comparison.config(name, 3) for name in comparison.systems]
        crf, softmax, other, slower, bare = configs
        assert crf["system"]["seed"] == 3 and crf["training"]["patience"] == 7
        assert softmax["training"]["patience"] == 7
        model = softmax["components"]["rnn_ner"]["model"]
        assert model["decoder"] == "softmax" and crf != softmax
        assert other["components"]["rnn_ner"]["model"] == model
        assert other["training"]["optimizer"] == {"@optimizers": "SGD.v1", "learn_rate": 0.1}
        assert slower["training"]["optimizer"] == {"@optimizers": "SGD.v1", "learn_rate": 0.01}
        assert "scorer" not in bare["components"]["rnn_ner"]
        assert "scorer" in crf["components"]["rnn_ner"]

    def test_a_system_like_none(self, file):
        file.write_text(file.read_text().replace('like = "softmax"', 'like = "sofmax"'))
        with pytest.raises(ValueError, match="'other_rate' needs a config"):
            read_comparison(file)

    def test_train_and_evaluate(self, file, tmp_path):
        trained, scores = tmp_path / "trained", tmp_path / "scores.json"
        arguments = [str(file), str(trained), "--system", "crf", "--seeds", "2"]
        assert CliRunner().invoke(accuracy, ["train", *arguments]).exit_code == 0
        folders = [trained / "crf" / str(seed) for seed in (0, 1)]
        times = [(folder / "model-best" / "meta.json").stat().st_mtime_ns for folder in folders]
        assert CliRunner().invoke(accuracy, ["train", *arguments]).exit_code == 0
        again = [(folder / "model-best" / "meta.json").stat().st_mtime_ns for folder in folders]
        assert times == again

        evaluated = CliRunner().invoke(
            accuracy, ["evaluate", *arguments[:2], str(scores), *arguments[2:]]
        )
        assert evaluated.exit_code == 0, evaluated.output
        runs = srsly.read_json(scores)["crf"]
        assert len(runs) == 2 and set(runs[0]) == {"F", "P", "R", "FAC", "GPE"}
        for folder, run in zip(folders, runs, strict=True):
            meta = srsly.read_json(folder / "model-best" / "meta.json")
            assert run["F"] == pytest.approx(meta["performance"]["ents_f"])

    def test_a_training_that_fails_tells_why(self, file, tmp_path):
        file.write_text(file.read_text().replace('decoder" = "softmax"', 'decoder" = "none"'))
        arguments = [str(file), str(tmp_path / "trained"), "--system", "softmax", "--seeds", "1"]
        result = CliRunner().invoke(accuracy, ["train", *arguments])
        assert result.exit_code == 1
        assert "decoder must be" in str(result.exception)
        assert not (tmp_path / "trained" / "softmax" / "0").exists()


@pytest.mark.usefixtures("own_threads")
class TestTrained:
    """Comparisons that are run with a user's own pipelines."""

    @pytest.fixture
    def model(self, tmp_path):
        trained_on_examples(spacy.blank("en")).to_disk(tmp_path / "model")
        return str(tmp_path / "model")

    def test_pipelines(self, model, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)  # short names, of which the table cuts nothing off
        spacy.load(model).to_disk("other")
        corpus = tmp_path / "corpus.spacy"
        DocBin(docs=[eg.reference for eg in make_examples(spacy.blank("en"))]).to_disk(corpus)
        done = CliRunner().invoke(
            pipelines, [str(corpus), "model", "other", "--rounds=1", "--no-tune"]
        )
        assert done.exit_code == 0, done.output
        assert "1.00" in done.output and "of the first" in done.output
        [first] = (line.split("│") for line in done.output.splitlines() if "│ model" in line)
        [second] = (line.split("│") for line in done.output.splitlines() if "│ other" in line)
        rates = [float(row[2].replace(",", "")) for row in (first, second)]
        assert float(second[3]) == pytest.approx(rates[1] / rates[0], abs=0.01)
        assert CliRunner().invoke(pipelines, [str(corpus), "no_model"]).exit_code == 1

    def test_threads_processes_and_engines(self, model, tmp_path):
        (tmp_path / "texts").mkdir()
        text = "\n\n".join(text for text, _ in TRAIN)
        (tmp_path / "texts" / "a.txt").write_text(text)
        arguments = [model, str(tmp_path / "texts"), "--count", "5", "--records", "20", "--no-ray"]
        done = CliRunner().invoke(throughput, [*arguments, "--rounds", "1"])
        assert done.exit_code == 0, done.output
        assert "2 threads" in done.output
        assert "2 processes: the same, byte for byte" in done.output


def test_systems_take_turns_and_the_first_round_does_not_count():
    turns = []

    def system(name, seconds):
        def prepare():
            turns.append(name)
            return lambda: time.sleep(seconds) or 100

        return prepare

    rates = alternate({"slow": system("slow", 0.02), "fast": system("fast", 0.001)}, rounds=3)
    assert turns == ["slow", "fast"] * 4
    assert [len(each) for each in rates.values()] == [3, 3]
    assert max(rates["slow"]) <= 100 / 0.02


def test_a_ratio_is_taken_round_by_round():
    # In the second round something slowed both down.
    rates = {"ours": [20.0, 2.0, 30.0], "theirs": [10.0, 1.0, 10.0]}
    assert ratio(rates, "ours", "theirs") == 2.0


def test_a_stage_does_not_count_what_it_calls(monkeypatch):
    clock = 0

    def wait(seconds):
        nonlocal clock
        clock += seconds

    monkeypatch.setattr("benchmarks.breakdown.time.perf_counter", lambda: clock)
    stopwatch = Stopwatch()
    inner = stopwatch.within("inner", lambda: wait(50))
    outer = stopwatch.within("outer", lambda: [wait(1), inner(), wait(2)])
    wait(4)
    outer()
    assert stopwatch.stop() == {SPACY_SHARE: 4, "outer": 3, "inner": 50}


def test_the_packed_network_is_the_same_network():
    """Torch's own packing is an independent check of our padding: scores and gradients."""
    gold = [example.y for example in make_examples(spacy.blank("en"))]
    nlp = trained(rnn_ner(dropout=0.0), gold)  # the output layer begins with zeros
    pipe = nlp.get_pipe("rnn_ner")
    docs = unannotated(nlp, [*gold, *gold[:2]])
    results = []
    for change in (lambda model: None, pack):
        change(pipe.model)
        fix_random_seed(0)  # of the words that training hides
        scores, backprop = pipe.model.begin_update(docs)
        backprop(scores)
        rnn = pipe.model.get_ref("rnn")
        gradients = [rnn.get_grad(name).copy() for name in rnn.param_names]
        results.append([pipe.model.predict(docs).emissions, scores.emissions, *gradients])
        for node in pipe.model.walk():
            for name in node.param_names:
                node.set_grad(name, node.get_param(name) * 0)
    assert "rnn_packed" in [node.name for node in pipe.model.walk()]
    for ours, theirs in zip(*results, strict=True):
        assert np.abs(ours).max() > 0
        assert np.allclose(ours, theirs, atol=1e-5)


def test_all_systems_see_the_same_tokens():
    nlp = spacy.blank("en")
    docs = [example.y for example in make_examples(nlp)]
    taken = first_tokens(docs, 3 * sum(map(len, docs)) + 1)
    assert len(taken) == 3 * len(docs) + 1
    data = examples(nlp, taken)
    assert [str(example.y.ents) for example in data] == [str(doc.ents) for doc in taken]
    parts = batches(data, 12)
    assert [example for part in parts for example in part] == data
    assert all(sum(len(example.x) for example in part) >= 12 for part in parts[:-1])
    assert not any(doc.ents for doc in unannotated(nlp, docs))
    # The floor runs over the same lengths, in each of its forms.
    lengths = [len(doc) for doc in taken]
    assert {run() for run in floors(lengths, 2).values()} == {sum(lengths)}
    assert any(
        doc.ents for doc in trained(rnn_ner(), taken, n_steps=40).pipe(unannotated(nlp, docs))
    )


def test_the_command_writes_tables_json_and_a_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    app = typer.Typer()
    app.command()(main)
    write_books(tmp_path, 10)
    options = ["breakdown", "--tokens", "1000", "--litbank", str(tmp_path)]
    result = CliRunner().invoke(app, [*options, "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf8"))
    assert found["machine"]["spacy"] == spacy.__version__
    for stages in found["breakdown"].values():
        assert {"embed", "pad", "RNN", "output", "decode", "spaCy"} <= set(stages)
        assert all(spent > 0 for spent in stages.values())
    assert "<svg" in (tmp_path / "out" / "breakdown.svg").read_text(encoding="utf8")


def test_an_exported_pipeline_is_compared(nlp, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    from benchmarks import exported
    from tests.conftest import trained as trained_pipeline

    monkeypatch.setattr(exported, "_start", lambda path, hide: 1.0 if hide else 2.0)
    monkeypatch.setattr(exported, "show_rows", lambda title, rows: shown.extend(rows))
    shown = []
    trained_pipeline(nlp).to_disk(tmp_path / "model")
    docs = [example.reference for example in make_examples(nlp)]
    DocBin(docs=docs).to_disk(tmp_path / "corpus.spacy")
    arguments = [str(tmp_path / "model"), str(tmp_path / "corpus.spacy"), "--rounds", "1"]
    done = CliRunner().invoke(exported.app, arguments)
    assert done.exit_code == 0, done.output
    assert [row["pipeline"] for row in shown] == ["torch", "fp32", "int8"]
    assert [row["start, s"] for row in shown] == [2.0, 1.0, 1.0]
    assert float(shown[0]["scores differ by"]) == 0
    assert float(shown[1]["scores differ by"]) < 1e-4 < float(shown[2]["scores differ by"])
    assert shown[1]["the same"] == shown[1]["entities"] == 8
    assert shown[1]["F"] == "1.000"


def test_windows_are_compared_with_the_whole(nlp, tmp_path, monkeypatch):
    from benchmarks import windows
    from tests.conftest import trained as trained_pipeline

    shown = []
    monkeypatch.setattr(windows, "show_rows", lambda title, rows: shown.extend(rows))
    monkeypatch.setattr(windows, "_SETTINGS", ((40, 0), (4096, 256)))
    trained_pipeline(nlp).to_disk(tmp_path / "model")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("Red Fort is in Delhi. Nobody came. " * 20)
    arguments = [str(tmp_path / "model"), str(tmp_path / "texts"), "--tokens", "300"]
    done = CliRunner().invoke(windows.app, arguments)
    assert done.exit_code == 0, done.output
    assert [float(row["P differs by at most"]) > 0 for row in shown] == [True, False]
    assert shown[1]["others"] == 0 < shown[1]["entities"]


def test_text_from_elsewhere_is_scored_by_its_own_tokens(nlp, tmp_path):
    """Counted by hand: LOC counts as GPE, other labels not at all; articles and 's are cut."""
    rows = [
        {"words": ["The", "Nile", "'s", "banks"], "entities": [[1, 2, "GPE"]]},
        {"words": ["Red", "Fort", "in", "Delhi"], "entities": [[0, 2, "FAC"], [3, 4, "GPE"]]},
        {"words": ["Paris", "came"], "entities": []},
        {"words": [], "entities": []},
    ]
    file = tmp_path / "text.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    patterns = [
        {"label": "LOC", "pattern": "The Nile 's"},
        {"label": "PERSON", "pattern": "Red Fort"},
        {"label": "GPE", "pattern": "Delhi"},
        {"label": "GPE", "pattern": "Paris"},
    ]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)
    sentences = list(read_outside(file))
    assert len(sentences) == 3
    found = score_outside(nlp, sentences)
    assert found["GPE P"] == pytest.approx(2 / 3) and found["GPE R"] == 1
    assert found["FAC F"] == 0 and found["both R"] == pytest.approx(2 / 3)
    trained_on_examples(spacy.blank("en"), steps=2).to_disk(tmp_path / "model")
    output = tmp_path / "results.json"
    arguments = [str(file), str(tmp_path / "model"), "--rounds", "1", "--output", str(output)]
    done = CliRunner().invoke(outside, arguments)
    assert done.exit_code == 0, done.exception
    results = json.loads(output.read_text())["text"]
    assert results["scores"][0]["pipeline"] == str(tmp_path / "model")
    assert results["tokens a second"][str(tmp_path / "model")][0] > 0
