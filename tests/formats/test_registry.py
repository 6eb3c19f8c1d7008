"""Formats: what is registered, and that a new one is a class and a line."""

import gzip
import inspect
import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from typer.main import get_command
from typer.testing import CliRunner

from spacy_rnn_tagger.bulk.annotating import Annotated, annotate
from spacy_rnn_tagger.cli import app
from spacy_rnn_tagger.evaluation.data import read_examples
from spacy_rnn_tagger.formats import registry, storage
from spacy_rnn_tagger.formats.base import Format, Reading, Role
from spacy_rnn_tagger.formats.corpus import corpus_files, read_docs
from spacy_rnn_tagger.formats.docs import entities_of
from spacy_rnn_tagger.formats.lines import LineFormat
from spacy_rnn_tagger.formats.record import Annotation, AnnotationError, Record
from spacy_rnn_tagger.training.converting import convert
from tests.bulk.annotated import rows
from tests.conftest import eager

TEXT = "Red Fort is in Delhi."
ENTITIES = [(0, 8, "FAC"), (15, 20, "GPE")]


def ents_of(docs):
    return [[(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents] for doc in docs]


class TestRegistry:
    @pytest.mark.parametrize("each", registry.FORMATS, ids=lambda each: each.name)
    def test_a_format_has_what_its_roles_need(self, each):
        def has(*names):
            return any(
                name in vars(base)
                for name in names
                for base in type(each).__mro__[:-1]
                if base not in (Format, LineFormat)
            )

        assert has("records", "parse") == (not each.roles.isdisjoint({Role.TEXTS, Role.ANNOTATED}))
        assert has("docs") == (Role.CORPUS in each.roles)
        assert has("row") == has("pack") == (Role.OUTPUT in each.roles)
        assert each.roles and all(suffix.startswith(".") for suffix in each.suffixes)
        assert registry.by_name(each.name, next(iter(each.roles))) is each

    def test_a_suffix_means_another_format_in_another_role(self):
        def name(file, *roles):
            found = registry.by_suffix(file, *roles)
            return found and found.name

        assert name("a.TXT.gz", Role.TEXTS) == "text"
        assert name("a.TXT.gz", Role.ANNOTATED) == "inline"
        assert name("https://x.org/a.jsonl?b=.txt", Role.TEXTS) == "jsonl"
        assert name("a.SPACY", Role.ANNOTATED, Role.CORPUS) == "docbin"
        for file in ("a.parquet.gz", "a.spacy.gz", "a", "a.gz", "a.csv"):
            assert name(file, *Role) is None

    def test_messages_follow_from_it(self):
        assert registry.known_suffixes(Role.TEXTS) == ".txt, .jsonl (or these and .gz), .parquet"
        assert registry.known_suffixes(Role.CORPUS) == ".spacy"
        names = "'jsonl', 'parquet', 'docbin', 'label-studio', 'doccano', 'prodigy'"
        with pytest.raises(ValueError, match=f"one of {names}, but got 'text'"):
            registry.by_name("text", Role.OUTPUT)


class Array(Format):
    """A JSON array of [text, entities]: a file that is read as a whole."""

    name = "array"
    suffixes = (".json",)
    roles = frozenset({Role.TEXTS, Role.ANNOTATED, Role.OUTPUT})

    def records(self, source, reading):
        for number, (text, spans) in enumerate(json.loads(storage.read(source)), start=1):
            annotation = Annotation([tuple(span) for span in spans], [])
            yield Record(source, number, text, annotation=annotation if reading.annotated else None)

    def row(self, record, doc):
        return doc.text, [(e["start"], e["end"], e["label"]) for e in entities_of(doc)]

    def pack(self, rows):
        return json.dumps(rows).encode()


class Pair(Format):
    """As in BRAT: a text in one file, its annotation in another, which names the pair."""

    name = "pair"
    suffixes = (".ann",)
    roles = frozenset({Role.ANNOTATED, Role.OUTPUT})

    def records(self, source, reading):
        lines = storage.read(source).decode().splitlines()
        spans = [(int(start), int(end), label) for label, start, end in map(str.split, lines)]
        text = storage.read(source.removesuffix(".ann") + ".raw").decode()
        yield Record(source, 1, text, annotation=Annotation(spans, []))

    def row(self, record, doc):
        return doc

    def files(self, name, rows):
        files = {}
        for number, doc in enumerate(rows):
            spans = (f"{ent.label_} {ent.start_char} {ent.end_char}\n" for ent in doc.ents)
            files[f"{name}/{number}.raw"] = doc.text.encode()
            files[f"{name}/{number}.ann"] = "".join(spans).encode()
        return {**files, self.file_name(name): b""}

    def file_name(self, name):
        return f"{name}/done"


class TestANewOne:
    """One class and one line: all commands read and write it."""

    @pytest.fixture(autouse=True)
    def registered(self, monkeypatch):
        monkeypatch.setattr(registry, "FORMATS", (*registry.FORMATS, Array(), Pair()))

    @pytest.fixture
    def model(self, tmp_path):
        nlp = spacy.blank("en")
        ruler = nlp.add_pipe("entity_ruler")
        ruler.add_patterns([{"label": label, "pattern": TEXT[a:b]} for a, b, label in ENTITIES])
        nlp.to_disk(tmp_path / "model")
        return tmp_path / "model"

    def test_a_file_that_is_read_as_a_whole(self, nlp, model, tmp_path):
        source = tmp_path / "in.json"
        source.write_text(json.dumps([[TEXT, ENTITIES], ["Nobody came.", []]]))
        assert convert(source, tmp_path / "out.spacy").entities == {"FAC": 1, "GPE": 1}
        assert ents_of(example.reference for example in read_examples(nlp, source)) == [
            ENTITIES,
            [],
        ]
        assert annotate(model, source, tmp_path / "out", format="array").docs == 2
        [file] = (tmp_path / "out").glob("part-*.json")
        assert json.loads(file.read_text()) == json.loads(source.read_text())
        assert annotate(model, source, tmp_path / "out", format="array").before == 2
        source.write_text(json.dumps([[TEXT, ENTITIES], [TEXT, [[1, 3, "X"]]]]))
        with pytest.raises(AnnotationError, match=r"in\.json, record 2: .* 'ed' .* does not align"):
            convert(source, tmp_path / "out.spacy")

    def test_one_of_several_files_in_a_folder(self, nlp, model, tmp_path):
        (tmp_path / "in.txt").write_text(f"{TEXT}\nNobody came.\n" * 2)
        arguments = model, tmp_path / "in.txt", tmp_path / "out"
        assert annotate(*arguments, format="pair", shard_size=2).docs == 4
        folder = tmp_path / "out" / "part-00000-00001"
        names = ["0.ann", "0.raw", "1.ann", "1.raw", "done"]
        assert sorted(path.name for path in folder.iterdir()) == names
        (folder / "done").unlink()  # as if it had been killed
        again = annotate(*arguments, format="pair", shard_size=2)
        assert (again.docs, again.before) == (2, 2)
        notes = []
        found = convert(folder, tmp_path / "out.spacy", notify=notes.append)
        assert (found.docs, found.entities) == (2, {"FAC": 1, "GPE": 1})
        assert "0.raw, 1.raw, done" in notes[0] and ".ann" in notes[0]
        assert ents_of(read_docs(nlp, corpus_files(folder))) == [ENTITIES, []]


class TestConvert:
    def test_from_and_to_urls(self, memory):
        line = "[Red Fort](FAC) is in [Delhi](GPE).\n"
        memory.pipe_file("/in/a.txt", line.encode())
        memory.pipe_file("/in/b.txt.gz", gzip.compress(line.encode()))
        memory.pipe_file("/in/notes.md", b"?")
        memory.pipe_file("/in/deep.txt/c.txt", b"[")  # folders in it are not read
        with pytest.warns(
            UserWarning, match="Not read in memory://in: deep.txt/, notes.md"
        ) as caught:
            found = convert("memory://in", "memory://out/train.spacy")
        assert caught[0].filename == __file__
        assert (found.docs, found.entities) == (2, {"FAC": 2, "GPE": 2})
        nlp = spacy.blank("en")
        for source in ("memory://out/train.spacy", "memory://out"):
            docs = [example.reference for example in read_examples(nlp, source)]
            assert ents_of(docs) == [ENTITIES, ENTITIES]
        with pytest.raises(FileNotFoundError, match="memory://nothing does not exist"):
            convert("memory://nothing", "memory://out/train.spacy")
        memory.pipe_file("/in/b.txt", b"[")
        with pytest.raises(AnnotationError, match=r"^memory:/+in/b\.txt, line 1: .* Column 1: "):
            convert("memory://in/b.txt", "memory://out/train.spacy")

    def test_it_reads_what_annotate_wrote(self, tmp_path):
        nlp = spacy.blank("en")
        eager(nlp, ("GPE",))
        nlp.to_disk(tmp_path / "model")
        (tmp_path / "in.txt").write_text("We saw Red Fort in Paris .\nLima and London\n")
        found = annotate(tmp_path / "model", tmp_path / "in.txt", tmp_path / "out")
        [shard] = (tmp_path / "out").glob("part-*.jsonl")
        converted = convert(shard, tmp_path / "out.spacy")
        assert found.entities == converted.entities["GPE"] > 0

    def test_each_line_in_another_encoding_is_a_problem(self, tmp_path):
        (tmp_path / "a.txt").write_bytes(b"caf\xe9\n\xe3\x80\x80\n[Lima](GPE)\ncaf\xe9\r[\n")
        with pytest.raises(AnnotationError) as caught:
            convert(tmp_path / "a.txt", tmp_path / "out.spacy")
        where = [
            problem.removeprefix(str(tmp_path)).split(": ")[:2] for problem in caught.value.args
        ]
        assert where == [
            ["/a.txt, line 1", "[RNN202] This text"],
            ["/a.txt, line 4", "[RNN202] This text"],
            ["/a.txt, line 5", "[RNN125] Column 1"],
        ]

    @pytest.mark.parametrize("suffix", ["txt", "jsonl"])
    def test_lines_with_nothing_but_whitespace_are_left_out(self, nlp, tmp_path, suffix):
        path = tmp_path / f"a.{suffix}"
        path.write_text("\u3000\n \t\u2028\n\x85\r\n")
        assert list(read_docs(nlp, [path])) == []

    def test_it_prints_nothing(self, tmp_path, capfd):
        (tmp_path / "a.txt").write_text("[Lima](GPE)\n")
        assert str(convert(tmp_path / "a.txt", tmp_path / "a.spacy")).endswith("entities: GPE 1")
        assert capfd.readouterr() == ("", "")


class TestAnnotate:
    def test_it_does_what_the_command_does(self, tmp_path):
        folder = tmp_path / "in"
        folder.mkdir()
        (folder / "a.jsonl").write_text('{"body": "one", "n": 1}\n{"text": "two"}\n')
        (folder / "b.csv").write_text("?")
        with pytest.warns(UserWarning, match="Skipped 1 file .*b.csv") as caught:
            found = annotate("blank:en", folder, tmp_path / "out", text_column="body", shard_size=1)
        assert caught[0].filename == __file__
        errors = [str(tmp_path / "out" / "errors" / "part-00000-00001.jsonl")]
        assert found == Annotated(1, 1, 0, failed=1, before=0, failed_before=0, error_files=errors)
        [row] = rows(tmp_path / "out")
        assert (row["text"], row["meta"]) == ("one", {"n": 1})
        command = ["annotate", "blank:en", str(folder), str(tmp_path / "out"), "-t", "body"]
        done = CliRunner().invoke(app, [*command, "--shard-size", "1"])
        assert "2 records were done before; 1 of them failed" in " ".join(done.output.split())
        notes = []
        settings = {"text_column": "body", "shard_size": 1, "notify": notes.append}
        assert annotate("blank:en", folder, tmp_path / "out", **settings).before == 2
        assert len(notes) == 1

    def test_a_damaged_pipeline_is_named(self, tmp_path):
        spacy.blank("en").to_disk(tmp_path / "model")
        (tmp_path / "model" / "meta.json").write_text("{")
        (tmp_path / "in.txt").write_text("one\n")
        with pytest.raises(ValueError, match=rf"^.RNN004. {tmp_path / 'model'} can't be loaded: "):
            annotate(tmp_path / "model", tmp_path / "in.txt", tmp_path / "out")


@pytest.mark.parametrize(
    "function,command,own",
    [(annotate, "annotate", {"strict"}), (convert, "convert", set())],
)
def test_arguments_have_the_names_of_options(function, command, own):
    parameters = inspect.signature(function).parameters
    options = get_command(app).commands[command].params
    named = [
        option.opts[0].lstrip("-").replace("-", "_") for option in options if option.name != "help"
    ]
    assert set(parameters) == set(named) - own | {"progress", "notify"}
    for option, name in zip(options, named, strict=True):
        if name in parameters and not option.required:
            assert option.default == parameters[name].default, name


class TestDataToEvaluate:
    def test_a_folder_with_binary_files_is_read_as_training_reads_it(self, nlp, tmp_path):
        (tmp_path / "a.txt").write_text("[Lima](GPE)\n")
        convert(tmp_path / "a.txt", tmp_path / "deep" / "a.spacy")
        convert(tmp_path / "a.txt", tmp_path / ".hidden" / "a.spacy")
        (tmp_path / "B.SPACY").write_bytes((tmp_path / "deep" / "a.spacy").read_bytes())
        assert len(read_examples(nlp, tmp_path)) == 2
        assert len(read_examples(nlp, str(tmp_path / "B.SPACY"))) == 1
        assert len(read_examples(nlp, tmp_path / "a.txt")) == 1

    def test_docs_keep_their_tokens(self, nlp, tmp_path):
        doc = spacy.tokens.Doc(nlp.vocab, words=["De", "lhi"], spaces=[False, False])
        doc.ents = [spacy.tokens.Span(doc, 0, 1, "GPE")]
        DocBin(docs=[doc]).to_disk(tmp_path / "a.spacy")
        [example] = read_examples(nlp, tmp_path / "a.spacy")
        assert [token.text for token in example.reference] == ["De", "lhi"]
        assert [token.text for token in example.predicted] == ["Delhi"]

    def test_a_damaged_file_is_named(self, nlp, tmp_path):
        (tmp_path / "a.spacy").write_bytes(b"?")
        with pytest.raises(OSError, match=r"a\.spacy can't be read as spaCy's binary format"):
            read_examples(nlp, Path(tmp_path))


def test_records_of_annotated_files_are_metered(tmp_path):
    path = tmp_path / "a.jsonl"
    line = json.dumps({"text": TEXT, "entities": ENTITIES})
    path.write_text(f"{line}\n\n{line}\r{line}\n{{")
    [*good, bad] = registry.by_suffix(str(path), Role.ANNOTATED).read(
        str(path), Reading(annotated=True)
    )
    assert [record.number for record in good] == [1, 3, 4]
    assert all(record.annotation == Annotation(ENTITIES, []) for record in good)
    assert bad.annotation is None and "Not JSON" in bad.error and bad.raw == b"{"
    assert sum(record.n_bytes for record in (*good, bad)) == path.stat().st_size
