"""`select`: by exact measures, nothing twice, and what people answer is what training reads."""

import json
import random
import re

import numpy as np
import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from spacy_rnn_tagger import select
from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.formats import storage
from spacy_rnn_tagger.formats.corpus import read_docs
from spacy_rnn_tagger.formats.label_studio import LabelStudio
from spacy_rnn_tagger.formats.sample import Sample
from spacy_rnn_tagger.review import scanning
from spacy_rnn_tagger.review.uncertainty import MEASURES
from spacy_rnn_tagger.training.converting import convert
from tests.bulk.annotated import with_component

PLACES = ["Red Fort", "Eiffel Tower", "Charles Bridge", "Gol Gumbaz", "Table Rock"]
TOWNS = ["Delhi", "Lima", "Quito", "Accra", "Kyoto"]
COPIED = "We left Accra for Gol Gumbaz and it was a very long way indeed, they said."


def sentences(n, seed=0):
    rng = random.Random(seed)
    forms = ["{0} lies in {1}.", "From {1} to {0} it rained a lot that day.", "So {1} won again."]
    return [
        f"{i}. " + rng.choice(forms).format(rng.choice(PLACES), rng.choice(TOWNS)) for i in range(n)
    ]


def rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def texts_of(path):
    return [row["text"] for row in rows(path)]


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "texts.txt"
    path.write_text("\n".join([*sentences(60), "", *[COPIED] * 50]))
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["select", *map(str, arguments)])


def analysed(pipe, doc, by, per):
    """The measure from all analyses that have a probability worth counting."""
    p = np.array([each.probability for each in pipe.n_best([doc], 3000)[0]])
    n = sum(not token.is_space for token in doc) if per == "token" else 1
    if by == "confidence":
        return 1 - p[0] ** (1 / n)
    found = 1 - (p[0] - p[1]) if by == "margin" else -(p * np.log(p)).sum()
    return found / n


@pytest.mark.parametrize("per", ["token", "doc"])
@pytest.mark.parametrize("by", ["confidence", "margin", "entropy"])
def test_scores_are_those_of_all_analyses(evaluated, tmp_path, by, per):
    lines = sentences(12, seed=5)
    (tmp_path / "in.txt").write_text("\n".join(lines))
    nlp = spacy.load(evaluated / "model")
    pipe = nlp.get_pipe("rnn_ner")
    wanted = {text: analysed(pipe, nlp.make_doc(text), by, per) for text in lines}
    path = tmp_path / "out.jsonl"
    select(
        evaluated / "model", tmp_path / "in.txt", path, n=12, by=by, per=per, diversity=0,
        near_duplicates=False,
    )  # fmt: skip
    found = rows(path)
    for row in found:
        assert row["meta"]["select_score"] == pytest.approx(wanted[row["text"]], abs=2e-3)
    scores = [row["meta"]["select_score"] for row in found]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) > 6
    assert [row["meta"]["select_rank"] for row in found] == list(range(1, 13))


@pytest.mark.parametrize("by", ["confidence", "margin"])
@pytest.mark.parametrize("per", ["token", "doc"])
def test_long_docs(evaluated, tmp_path, by, per):
    """P(best analysis) of one of these is too small for a number; 1 - P of most is rounded to 1."""
    nlp = spacy.load(evaluated / "model")
    nlp.get_pipe("rnn_ner").cfg["temperature"] = 30
    nlp.to_disk(tmp_path / "model")
    lines = [" ".join(sentences(n, seed=n)) for n in (2, 10, 13, 16, 19, 22, 25, 200)]
    (tmp_path / "in.txt").write_text("\n".join(lines))
    path = tmp_path / "out.jsonl"
    select(
        tmp_path / "model", tmp_path / "in.txt", path, n=8, by=by, per=per, diversity=0,
        near_duplicates=False,
    )  # fmt: skip
    found = {row["text"]: row["meta"]["select_score"] for row in rows(path)}
    assert len(found) == 8
    if per == "doc":
        assert list(found) == lines[::-1]
        assert all(found[line] == 1 for line in lines[1:])
    elif by == "confidence":
        assert found[lines[-1]] == pytest.approx(found[lines[0]], abs=0.1)
        assert max(found.values()) < 0.95
    else:
        assert list(found) == lines


@pytest.mark.parametrize("by", MEASURES)
def test_no_copies(evaluated, texts, tmp_path, by):
    path = tmp_path / "out.jsonl"
    found = select(evaluated / "model", texts, path, n=10, by=by)
    chosen = texts_of(path)
    assert len(set(chosen)) == len(chosen) == 10 and found.selected == 10
    assert found.duplicates >= 49 and found.read == 110 and found.failed == 0
    assert found.tokens == sum(len(spacy.blank("en")(text)) for text in chosen)
    found = rows(path)
    assert any("confidence" in entity for row in found for entity in row["entities"])
    assert all(re.search(r"'.+' (FAC|GPE) 0\.\d\d", row["meta"]["select_why"]) for row in found)


def test_near_copies(evaluated, tmp_path):
    long = f"{COPIED} They had come by train and by boat. " + " ".join(
        f"on day {i} a {word} was seen near the gate."
        for i, word in enumerate(["fox", "dog", "cat", "cow", "hen", "pig", "bee", "owl"])
    )
    lines = [f"{long} Number {i}." for i in range(30)] + sentences(5)
    (tmp_path / "in.txt").write_text("\n".join(lines))
    counts = []
    for near in (True, False):
        path = tmp_path / "out.jsonl"
        select(evaluated / "model", tmp_path / "in.txt", path, n=20, near_duplicates=near)
        counts.append(sum("Number" in text for text in texts_of(path)))
    assert counts[0] == 1 and counts[1] >= 15


def test_diversity_spreads_over_names(evaluated, texts, tmp_path):
    model, path = evaluated / "model", tmp_path / "out.jsonl"
    names = []
    for diversity in (0.0, 0.9):
        select(model, texts, path, n=12, diversity=diversity, per="doc", by="entropy")
        names.append({name for text in texts_of(path) for name in PLACES + TOWNS if name in text})
    assert len(names[1]) > len(names[0])


def test_the_same_twice_and_in_any_shards(evaluated, texts, tmp_path):
    contents = set()
    for number, size in enumerate((500, 500, 7)):
        path = tmp_path / f"{number}.jsonl"
        done = run(evaluated / "model", texts, path, "--n", 5, "--shard-size", size)
        assert done.exit_code == 0, done.output
        assert "5 texts" in done.output
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_memory_is_bounded(evaluated, texts, tmp_path, monkeypatch):
    monkeypatch.setattr(scanning, "_LEAST", 8)
    monkeypatch.setattr(scanning, "_CHOICE", 2)
    sizes = []
    add = scanning.Pool.add

    def watched(pool, candidate, words):
        add(pool, candidate, words)
        sizes.append(len(pool._kept))

    monkeypatch.setattr(scanning.Pool, "add", watched)
    path = tmp_path / "out.jsonl"
    select(evaluated / "model", texts, path, n=4)
    assert max(sizes) == 8 and len(sizes) == 110
    few = set(texts_of(path))
    monkeypatch.undo()
    select(evaluated / "model", texts, path, n=8, diversity=0)
    assert few <= set(texts_of(path))


class TestQuestions:
    @pytest.fixture
    def asked(self, evaluated, texts, tmp_path):
        path = tmp_path / "asked.jsonl"
        done = run(evaluated / "model", texts, path, "--n", 6, "--spans", "--format", "prodigy")
        assert done.exit_code == 0 and "6 questions" in done.output, done.output
        return path

    def test_each_is_one_doubtful_span(self, evaluated, asked):
        nlp = spacy.load(evaluated / "model")
        pipe = nlp.get_pipe("rnn_ner")
        seen = set()
        for task in rows(asked):
            [span] = task["spans"]
            doc = nlp.make_doc(task["text"])
            found = doc.char_span(span["start"], span["end"], label=span["label"])
            place = (found.start, found.end, found.label_)
            [[p]] = pipe.infer([doc]).posteriors_of([[place]])
            assert span["score"] == pytest.approx(p, abs=1e-5)
            assert 0.02 < p < 0.98
            seen.add((task["text"], place))
        assert len(seen) == 6

    def test_answers_are_what_training_reads(self, asked, tmp_path):
        tasks = rows(asked)
        for task, answer in zip(tasks, ["accept", "reject", "accept", "reject"], strict=False):
            task["answer"] = answer  # two are left as they are
        answered = tmp_path / "answered.jsonl"
        answered.write_text("".join(json.dumps(task) + "\n" for task in tasks))
        found = convert(answered, tmp_path / "out.spacy", incorrect_spans_key="no")
        assert found.left_out == {"ignore": 2}
        nlp = spacy.blank("en")
        docs = list(DocBin().from_disk(tmp_path / "out.spacy").get_docs(nlp.vocab))
        for doc, task in zip(docs, tasks, strict=False):
            [span] = task["spans"]
            is_accepted = task["answer"] == "accept"
            own = list(doc.ents) if is_accepted else list(doc.spans["no"])
            assert [(s.start_char, s.end_char, s.label_) for s in own] == [
                (span["start"], span["end"], span["label"])
            ]
            inside = {token.i for ent in doc.ents for token in ent}
            assert all(token.ent_iob == 0 for token in doc if token.i not in inside)
        assert len(docs) == 4

    def test_unanswered_ones_are_no_annotation(self, asked, tmp_path):
        with pytest.raises(ValueError, match="6|no docs|nothing|ignore"):
            convert(asked, tmp_path / "out.spacy")
        assert not (tmp_path / "out.spacy").exists()

    def test_none_overlaps_another_of_its_text(self, evaluated, texts, tmp_path):
        path = tmp_path / "all.jsonl"
        select(
            evaluated / "model", texts, path, n=500, spans=True, near_duplicates=False, diversity=0
        )
        taken = {}
        for task in rows(path):
            [span] = task["spans"]
            own = taken.setdefault((task["meta"]["record"]), [])
            assert not any(s < span["end"] and span["start"] < e for s, e in own)
            own.append((span["start"], span["end"]))
        assert any(len(own) > 1 for own in taken.values())


class TestRawText:
    def test_new_names_come_first(self, tmp_path):
        lines = [f"The cat sat on the mat, number {i}, and slept." for i in range(40)]
        named = ["Today the Kaiser Bridge was shut.", "Then we saw Quito and Lima.", "In Oslo"]
        (tmp_path / "in.txt").write_text("\n".join([*lines, *named, named[1]]))
        path = tmp_path / "out.jsonl"
        done = run("-", tmp_path / "in.txt", path, "--n", 3)
        assert done.exit_code == 0, done.output
        assert set(texts_of(path)) == set(named)
        assert all(row["entities"] == [] for row in rows(path))
        assert any("kaiser bridge" in row["meta"]["select_why"] for row in rows(path))

    def test_there_is_no_prediction(self, texts, tmp_path):
        """A task without a model has none, rather than one that finds nothing."""
        path = tmp_path / "out.json"
        select("-", texts, path, n=3, format="label-studio")
        tasks = json.loads(path.read_text("utf-8"))
        assert [task["predictions"] for task in tasks] == [[]] * 3
        assert "score" not in path.read_text().replace("select_score", "")
        assert LabelStudio().recognises(Sample.of(str(path)))

    def test_covered_names_count_less(self, tmp_path):
        lines = [f"{i} times we went to Quito and Lima." for i in range(20)]
        lines += ["4 times we went to Oslo.", "5 times we went to Kyoto."]
        (tmp_path / "in.txt").write_text("\n".join(lines))
        select("-", tmp_path / "in.txt", tmp_path / "out.jsonl", n=3, near_duplicates=False)
        together = " ".join(texts_of(tmp_path / "out.jsonl"))
        assert all(name in together for name in ("Quito", "Oslo", "Kyoto"))

    def test_text_without_capitals(self, tmp_path):
        lines = ["one two three four five"] * 3 + [f"{w} three four" for w in ("zebra", "one")]
        (tmp_path / "in.txt").write_text("\n".join(lines))
        select(None, tmp_path / "in.txt", tmp_path / "out.jsonl", n=1)
        assert texts_of(tmp_path / "out.jsonl") == ["zebra three four"]


def as_export(text, tool):
    """A text as it is in annotated data: the content of a file of that tool."""
    entity = {"start": 0, "end": len(text), "label": "FAC"}
    task = {"id": 1, "data": {"text": text}}
    result = [{"type": "labels", "to_name": "text", "value": {"start": 0, "end": 1, "labels": []}}]
    if tool == "label-studio.json":
        return json.dumps([task | {"annotations": [{"completed_by": 1, "result": result}]}])
    if tool == "doccano.jsonl":
        return json.dumps({"text": text, "label": [[0, 1, "FAC"], [0, 2, "GPE"]]})  # they overlap
    if tool == "conll.conll":
        return "".join(f"{token.text} O\n" for token in spacy.blank("en")(text))
    if tool == "inline.txt":
        return text
    answer = "reject" if tool == "no.jsonl" else "accept"
    return json.dumps({"text": text, "spans": [entity], "answer": answer, "_is_binary": True})


class TestExcluded:
    """Texts that are annotated already, and what is selected besides them."""

    @pytest.mark.parametrize(
        "tool",
        ["label-studio.json", "doccano.jsonl", "prodigy.jsonl", "no.jsonl", "conll.conll",
         "inline.txt"],
    )  # fmt: skip
    @pytest.mark.parametrize("raw", [True, False])
    def test_exports_of_any_tool(self, evaluated, texts, tmp_path, tool, raw):
        source, path = tmp_path / tool, tmp_path / "out.jsonl"
        source.write_text(as_export(COPIED, tool))
        model = "-" if raw else evaluated / "model"
        found = select(model, texts, path, n=200, exclude=source)
        assert found.excluded == 50 and found.read == 110
        assert COPIED not in texts_of(path)
        assert select(model, texts, path, n=200).excluded == 0
        assert COPIED in texts_of(path)

    def test_folders_and_urls(self, evaluated, texts, tmp_path, memory):
        """The output of the last run is in the folder, but is no annotated data."""
        known = texts.read_text().splitlines()[:2]
        (tmp_path / "one.txt").write_text(known[0])
        storage.write("memory://known/two.txt", known[1].encode())
        path = tmp_path / "out.jsonl"
        for _ in range(2):
            found = select(
                evaluated / "model", texts, path, spans=True, near_duplicates=False,
                exclude=(each for each in (tmp_path, "memory://known")),
            )  # fmt: skip
            assert found.excluded == 2 and not set(known) & set(texts_of(path))
        (tmp_path / "notes.pdf").write_text("")
        with pytest.warns(UserWarning, match="notes.pdf"):
            select(evaluated / "model", texts, path, n=1, exclude=tmp_path)

    def test_a_folder_of_corpora(self, evaluated, texts, tmp_path):
        """As `convert` and `spacy train` have it, in any depth, with the texts beside it."""
        nlp = spacy.blank("en")
        folder = tmp_path / "corpus"
        (folder / "train").mkdir(parents=True)
        known = texts.read_text().splitlines()[:2]
        DocBin(docs=map(nlp, known)).to_disk(folder / "train" / "round.spacy")
        path = tmp_path / "out.jsonl"
        found = select(evaluated / "model", texts, path, near_duplicates=False, exclude=str(folder))
        assert found.excluded == 2 and not set(known) & set(texts_of(path))

    def test_rounds_have_nothing_in_common(self, evaluated, texts, tmp_path):
        """Three rounds, the first two of which are excluded, one converted and one as it was."""
        chosen, options = [], []
        for number in range(3):
            path = tmp_path / f"{number}.jsonl"
            arguments = (evaluated / "model", texts, path, "--n", 8, "--exact-duplicates")
            done = run(*arguments, *options)
            assert done.exit_code == 0, done.output
            lines = texts.read_text().splitlines()
            known = sum(line in chosen for line in lines)
            said = re.findall(r", (\d+) of them annotated already", " ".join(done.output.split()))
            assert said == ([str(known)] if options else []), done.output
            chosen += texts_of(path)
            if not number:
                convert(path, path.with_suffix(".spacy"), allow_empty=True)
                path = path.with_suffix(".spacy")
            options += ["--exclude", path]
        assert len(set(chosen)) == len(chosen) == 24

    def test_the_same_but_for_case_punctuation_and_space(self, evaluated, tmp_path):
        lines = [COPIED, "Don't go  to Lima", "¿¡ 👍", "?! 👎", "We saw Lima"]
        (tmp_path / "in.txt").write_text("\n".join(lines))
        known = [f" {COPIED.upper()}\n", "Do n't go to Lima!", "¿¡  👍"]
        rows = (json.dumps({"text": text, "entities": []}) + "\n" for text in known)
        (tmp_path / "known.jsonl").write_text("".join(rows))
        path = tmp_path / "out.jsonl"
        found = select(
            evaluated / "model", tmp_path / "in.txt", path, exclude=tmp_path / "known.jsonl"
        )
        assert sorted(texts_of(path)) == ["?! 👎", "We saw Lima"] and found.excluded == 3

    def test_near_copies(self, evaluated, tmp_path):
        long = " ".join(f"On day {i} they had {i} letters from Lima or Quito." for i in range(9))
        (tmp_path / "in.txt").write_text(f"{long} Amen.\n" + "\n".join(sentences(4)))
        (tmp_path / "known.jsonl").write_text(json.dumps({"text": long, "entities": []}))
        for near, excluded in ((True, 1), (False, 0)):
            path = tmp_path / "out.jsonl"
            found = select(
                evaluated / "model", tmp_path / "in.txt", path, near_duplicates=near,
                exclude=[tmp_path / "known.jsonl"],
            )  # fmt: skip
            assert found.excluded == excluded and found.selected == 5 - excluded

    def test_names_that_were_covered_count_less(self, tmp_path):
        lines = ["Off they went to Quito at last.", "Off they went to Kyoto at last."]
        (tmp_path / "in.txt").write_text("\n".join(lines))
        path = tmp_path / "out.jsonl"
        for town, other in (("Quito", "Kyoto"), ("Kyoto", "Quito")):
            row = {"text": f"The king of {town} wrote.", "entities": []}
            (tmp_path / "known.jsonl").write_text(json.dumps(row))
            select("-", tmp_path / "in.txt", path, n=1, exclude=str(tmp_path / "known.jsonl"))
            assert other in texts_of(path)[0]

    def test_texts_that_are_too_long_for_the_pipeline(self, evaluated, texts, tmp_path):
        row = {"text": "A long text. " * 30, "entities": []}
        (tmp_path / "known.jsonl").write_text(json.dumps(row))
        path = tmp_path / "out.jsonl"
        found = select(
            evaluated / "model", texts, path, max_length=100, exclude=tmp_path / "known.jsonl"
        )
        assert found.excluded == found.failed == 0 and found.selected

    def test_wrong_data(self, evaluated, texts, tmp_path, monkeypatch):
        monkeypatch.setattr(scanning.Scan, "run", lambda *_, **__: pytest.fail("it read the texts"))
        task = {"data": {"text": "Lima"}, "predictions": []}
        files = {
            "cut.jsonl": '{"text": "Delhi',
            "tasks.json": json.dumps([task] * 3),
            "beyond.jsonl": '{"text": "Delhi", "entities": [[0, 50, "GPE"]]}',
            "cut.spacy": "\x78cut",
            "what.doc": "Delhi",
            "out.jsonl": '{"text": "Delhi", "entities": []}',
        }
        for name, content in files.items():
            (tmp_path / name).write_text(content)
        (tmp_path / "bytes.jsonl").write_bytes(b'{"text": "\xff", "entities": []}')
        (tmp_path / "folder").mkdir()
        out = tmp_path / "out.jsonl"
        cases = {
            "cut.jsonl": "cut.jsonl, line 1",
            "tasks.json": "has no annotated text to leave out (records left out: not annotated 3)",
            "beyond.jsonl": "beyond.jsonl, line 1",
            "cut.spacy": "cut.spacy",
            "what.doc": "what.doc",
            "out.jsonl": "is both the annotated data to leave out and the output",
            "bytes.jsonl": "bytes.jsonl, line 1",
            "folder": "folder",
            "absent.jsonl": "absent.jsonl does not exist",
        }
        before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        for name, message in cases.items():
            done = run(evaluated / "model", texts, out, "--exclude", tmp_path / name)
            assert done.exit_code == 1 and message in " ".join(done.output.split()), done.output
            assert "Nothing was selected" in done.output
            assert before == {p: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}

    def test_nothing_is_left(self, evaluated, tmp_path):
        (tmp_path / "in.txt").write_text("\n".join(sentences(4)))
        select(evaluated / "model", tmp_path / "in.txt", tmp_path / "one.jsonl")
        done = run(
            evaluated / "model", tmp_path / "in.txt", tmp_path / "two.jsonl",
            "--exclude", tmp_path / "one.jsonl",
        )  # fmt: skip
        assert done.exit_code == 1 and "annotated already: 4;" in " ".join(done.output.split())
        assert not (tmp_path / "two.jsonl").exists()


@spacy.Language.component("select_fails_on_kyoto")
def fails_on_kyoto(doc):
    if "Kyoto" in doc.text:
        raise ValueError("no Kyoto, please")
    return doc


@pytest.mark.parametrize("where", ["first", "last"])
def test_texts_that_fail_are_reported(evaluated, texts, tmp_path, where):
    """Before our component, where they have no score, and after it, where they may be selected."""
    if where == "first":
        nlp = spacy.load(evaluated / "model")
        nlp.add_pipe("select_fails_on_kyoto", first=True)
        nlp.to_disk(tmp_path / "model")
    else:
        with_component(evaluated / "model", "select_fails_on_kyoto", tmp_path / "model")
    path = tmp_path / "out.jsonl"
    found = select(tmp_path / "model", texts, path, n=20)
    assert found.selected == len(rows(path)) == 20
    assert not any("Kyoto" in text for text in texts_of(path))
    failed = rows(tmp_path / "out.jsonl.errors.jsonl")
    assert len(failed) == found.failed > 0
    assert all("no Kyoto" in row["error"] and "Kyoto" in row["text"] for row in failed)
    if where == "first":
        assert found.failed == sum("Kyoto" in line for line in texts.read_text().splitlines())
    select(evaluated / "model", texts, path, n=20)
    assert not (tmp_path / "out.jsonl.errors.jsonl").exists()


def test_records_keep_what_they_have(evaluated, tmp_path):
    (tmp_path / "in.jsonl").write_text(json.dumps({"body": COPIED, "id": 7}) + "\n{\n")
    path = tmp_path / "out.jsonl"
    found = select(evaluated / "model", tmp_path, path, text_column="body")
    assert rows(path)[0]["meta"]["id"] == 7
    assert found.failed == 1 and found.read == 2
    again = select(evaluated / "model", tmp_path, path, text_column="body")
    assert again == found  # the output is in the folder of the texts, and not read


class TestOutput:
    def test_it_may_be_a_url(self, evaluated, texts, tmp_path, memory):
        """The same as at a path; what an annotation tool needs is beside it, whatever its depth."""
        storage.write("memory://in/a.txt", texts.read_bytes())
        local = tmp_path / "out.json"
        select(evaluated / "model", texts, local, n=3, format="label-studio")
        for url in ("memory://out.json", "memory://deep/er/out.json"):
            done = run(
                evaluated / "model", "memory://in", url, "--n", 3, "--format", "label-studio"
            )
            assert done.exit_code == 0 and url in done.output, done.output
            tasks = [json.loads(read) for read in (storage.read(url), local.read_bytes())]
            assert [[task["data"]["text"] for task in own] for own in tasks][0] == [
                task["data"]["text"] for task in tasks[1]
            ]
            folder = url.removesuffix("out.json")
            config = local.with_name("label-studio.xml").read_bytes()
            assert storage.read(f"{folder}label-studio.xml") == config
        assert sorted(path.name for path in tmp_path.iterdir()) == ["label-studio.xml", "out.json"]

    def test_it_is_no_input_at_a_url_either(self, evaluated, tmp_path, memory):
        storage.write("memory://in/a.jsonl", f'{{"text": "{COPIED}"}}\n{{\n'.encode())
        url = "memory://in/out.jsonl"
        found = [select(evaluated / "model", "memory://in", url) for _ in range(2)]
        assert found[0] == found[1] and (found[0].read, found[0].failed) == (2, 1)
        assert storage.is_file(f"{url}.errors.jsonl")

    def test_alone_it_is_no_input(self, evaluated, tmp_path):
        path = tmp_path / "out.jsonl"
        path.write_text(json.dumps({"text": COPIED}) + "\n")
        before = path.read_bytes()
        for source in (tmp_path, path):
            done = run(evaluated / "model", source, path)
            assert done.exit_code == 1
            assert "no texts other than this command's own output" in " ".join(done.output.split())
        assert path.read_bytes() == before

    @pytest.mark.parametrize(
        "url,message",
        [
            ("https://host/out.jsonl", "web servers are only read"),
            ("nowhere://x/out.jsonl", "nowhere"),
            ("memory://folder.jsonl", "is a folder"),
        ],
    )
    def test_what_can_not_be_written_is_refused_first(
        self, evaluated, texts, memory, monkeypatch, url, message
    ):
        storage.write("memory://folder.jsonl/a.txt", b"one")
        monkeypatch.setattr(scanning.Scan, "run", lambda *_, **__: pytest.fail("it read the texts"))
        done = run(evaluated / "model", texts, url)
        assert done.exit_code == 1 and message in " ".join(done.output.split()), done.output


@pytest.mark.parametrize(
    "format,suffix",
    [("label-studio", ".json"), ("doccano", ".jsonl"), ("prodigy", ".jsonl"), ("docbin", ".spacy")],
)
def test_formats(evaluated, texts, tmp_path, format, suffix):
    path = tmp_path / "new" / f"out{suffix}"
    select(evaluated / "model", texts, path, n=3, format=format)
    if format == "docbin":
        docs = list(DocBin().from_disk(path).get_docs(spacy.blank("en").vocab))
        assert [doc.user_data["annotate"]["meta"]["select_rank"] for doc in docs] == [1, 2, 3]
    elif format == "label-studio":
        tasks = json.loads(path.read_text("utf-8"))
        assert [task["data"]["meta"]["select_rank"] for task in tasks] == [1, 2, 3]
        assert 'value="FAC"' in (path.parent / "label-studio.xml").read_text("utf-8")
    else:
        assert [row["meta"]["select_rank"] for row in rows(path)] == [1, 2, 3]
        assert list(read_docs(spacy.blank("en"), [path]))


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["--n", "0"], "n must be a whole number of 1 or more"),
        (["--by", "luck"], "by must be one of 'confidence', 'margin', 'entropy', 'errors'"),
        (["--per", "line"], "per must be one of 'token', 'doc'"),
        (["--diversity", "1"], "diversity must be at least 0 and below 1"),
        (["--format", "xml"], "format must be one of"),
        (["--format", "docbin"], "must end in .spacy"),
        (["--spans", "--format", "doccano"], "Use jsonl or prodigy"),
        (["--component", "ner"], "'ner' is not a component rnn_ner"),
    ],
)
def test_wrong_settings(evaluated, texts, tmp_path, arguments, message):
    done = run(evaluated / "model", texts, tmp_path / "out.jsonl", *arguments)
    assert done.exit_code == 1 and message in " ".join(done.output.split()), done.output
    assert not list(tmp_path.iterdir())


def test_wrong_inputs(evaluated, texts, tmp_path):
    model, out = evaluated / "model", tmp_path / "out.jsonl"
    blank = spacy.blank("en")
    blank.to_disk(tmp_path / "blank")
    blank.add_pipe("rnn_ner")
    blank.initialize()
    blank.to_disk(tmp_path / "untrained")
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "cut.jsonl").write_text('{"text": "Delhi')
    cases = [
        ((tmp_path / "absent", texts), "absent"),
        ((tmp_path / "blank", texts), "has no component rnn_ner"),
        ((tmp_path / "untrained", texts), "has learned no label yet"),
        ((model, tmp_path / "no.txt"), "matches no file to read"),
        ((model, tmp_path / "empty.txt"), "There is nothing to select"),
        ((model, tmp_path / "cut.jsonl"), "failed: 1."),
        (("-", texts, "--by", "margin"), "by is 'margin', which only a pipeline can measure"),
        (("-", texts, "--spans"), "spans needs a pipeline"),
        (("-", texts, "--lang", "xx-no"), "xx-no"),
    ]
    before = sorted(tmp_path.iterdir())
    for (first, second, *more), message in cases:
        done = run(first, second, out, *more)
        assert done.exit_code == 1 and message in " ".join(done.output.split()), (message, done)
        assert sorted(tmp_path.iterdir()) == before
    done = run(model, texts, tmp_path)
    assert done.exit_code == 1 and sorted(tmp_path.iterdir()) == before
