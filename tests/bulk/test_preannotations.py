"""Suggestions for annotation tools: what `annotate` writes, and that `convert` reads it back."""

import json
import xml.etree.ElementTree as ET

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import DocBin, Span

from spacy_rnn_tagger.bulk.annotating import annotate
from spacy_rnn_tagger.formats import storage
from spacy_rnn_tagger.formats.base import Reading, Role, Writing
from spacy_rnn_tagger.formats.docs import make_doc
from spacy_rnn_tagger.formats.record import Record
from spacy_rnn_tagger.formats.registry import by_name
from spacy_rnn_tagger.training.converting import convert
from tests.bulk.annotated import annotate as command
from tests.bulk.annotated import contents, rows
from tests.conftest import eager

TOOLS = ["label-studio", "doccano", "prodigy"]
TEXTS = ["We saw 🎉 Red Fort in Paris .", "Lima and London", ""]


def submitted(content):
    """Do what Label Studio does when an annotator submits each task as suggested."""
    tasks = json.loads(content)
    for number, task in enumerate(tasks, start=1):
        [prediction] = task.pop("predictions")
        task |= {"id": number, "predictions": []}
        task["annotations"] = [{"id": number, "completed_by": 1, "result": prediction["result"]}]
    return json.dumps(tasks)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    nlp = spacy.blank("en")
    eager(nlp, ("GPE", "FAC"))
    nlp.meta.update(name="places", version="1.2.3")
    path = tmp_path_factory.mktemp("model")
    nlp.to_disk(path)
    return path


@pytest.fixture
def texts(tmp_path):
    lines = [json.dumps({"text": text, "id": i}) for i, text in enumerate(TEXTS)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    return tmp_path / "in.jsonl"


def entities_in(folder):
    return {
        row["text"]: [tuple(entity.values()) for entity in row["entities"]] for row in rows(folder)
    }


def as_written(nlp, row):
    """Add up the probabilities of all analyses that have exactly the entities of a row."""
    wanted = {(e["start"], e["end"], e["label"]) for e in row["entities"]}
    [analyses] = nlp.get_pipe("rnn_ner").n_best([nlp.make_doc(row["text"])], 10_000)
    return sum(
        each.probability
        for each in analyses
        if {(ent.start_char, ent.end_char, ent.label_) for ent in each.ents} == wanted
    )


@pytest.mark.parametrize("tool", TOOLS)
def test_round_trip(model, texts, tmp_path, tool):
    annotate(model, texts, tmp_path / "plain")
    expected = entities_in(tmp_path / "plain")
    assert any(expected.values())
    found = annotate(model, texts, tmp_path / "out", format=tool)
    assert (found.docs, found.failed) == (3, 0)
    [shard] = (tmp_path / "out").glob("part-*")
    if tool == "label-studio":
        shard.write_text(submitted(shard.read_text()))
    nlp = spacy.blank("en")
    convert(shard, tmp_path / "out.spacy", format=tool, notify=lambda note: None)
    docs = list(DocBin().from_disk(tmp_path / "out.spacy").get_docs(nlp.vocab))
    assert [doc.text for doc in docs] == TEXTS
    for doc in docs:
        read = [(e.start_char, e.end_char, e.label_, e.text) for e in doc.ents]
        assert read == [entity[:4] for entity in expected[doc.text]]
    again = convert(shard, tmp_path / "out.spacy", notify=lambda note: None)  # recognised
    assert again.docs == 3 and again.read_as.keys() <= {tool, "jsonl"}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_same_again(model, texts, tmp_path, tool):
    for name in ("one", "two"):
        done = command(model, texts, tmp_path / name, "--format", tool, "--shard-size", 2)
        assert done.exit_code == 0, done.output
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    (tmp_path / "one" / next(p.name for p in (tmp_path / "one").glob("part-*"))).unlink()
    assert annotate(model, texts, tmp_path / "one", format=tool, shard_size=2).before == 1
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_label_studio_has_confidences_and_a_configuration(model, texts, tmp_path):
    annotate(model, texts, tmp_path / "plain")
    options = {"from_name": "ner", "to_name": 'the "text"'}
    annotate(model, texts, tmp_path / "out", format="label-studio", **options)
    [shard] = (tmp_path / "out").glob("part-*.json")
    ids, nlp = set(), spacy.load(model)
    for task, plain in zip(json.loads(shard.read_text()), rows(tmp_path / "plain"), strict=True):
        assert task["data"] == {key: plain[key] for key in ("text", "source", "record", "meta")}
        [prediction] = task["predictions"]
        assert prediction["model_version"] == "en_places-1.2.3"
        assert prediction["score"] == pytest.approx(as_written(nlp, plain), abs=2e-6)
        for region, entity in zip(prediction["result"], plain["entities"], strict=True):
            ids.add(region.pop("id"))
            assert region == {
                "from_name": "ner",
                "to_name": 'the "text"',
                "type": "labels",
                "value": {
                    "start": entity["start"],
                    "end": entity["end"],
                    "text": entity["text"],
                    "labels": [entity["label"]],
                },
                "score": entity["confidence"],
            }
    assert len(ids) == sum(len(row["entities"]) for row in rows(tmp_path / "plain"))
    view = ET.parse(tmp_path / "out" / "label-studio.xml").getroot()
    [labels], [text] = view.findall("Labels"), view.findall("Text")
    assert labels.attrib == {"name": "ner", "toName": 'the "text"'}
    assert [label.get("value") for label in labels] == ["FAC", "GPE"]
    assert text.attrib == {"name": 'the "text"', "value": "$text"}
    with pytest.raises(ValueError, match="from name"):
        annotate(model, texts, tmp_path / "out", format="label-studio")


def offered(folder):
    view = ET.parse(folder / "label-studio.xml").getroot()
    return [label.get("value") for label in view.iter("Label")]


def test_only_labels_that_are_written_are_offered(model, texts, tmp_path):
    """Those of any component: a label that one keeps silent may be written by another."""
    nlp = spacy.load(model)
    nlp.get_pipe("rnn_ner").output_labels = ["GPE"]
    nlp.to_disk(tmp_path / "one")
    ruler = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "FAC", "pattern": "Red Fort"}])
    ruler.add_patterns([{"label": "ORG", "pattern": "Lima"}])
    nlp.to_disk(tmp_path / "two")
    for name, labels in (("one", ["GPE"]), ("two", ["FAC", "GPE", "ORG"])):
        annotate(tmp_path / name, texts, tmp_path / f"{name}-out", format="label-studio")
        assert offered(tmp_path / f"{name}-out") == labels


def test_the_command_says_where_the_configuration_is(model, texts, tmp_path):
    done = command(model, texts, tmp_path / "out", "--format", "label-studio", "--to-name", "body")
    assert "label-studio.xml as the labelling interface" in " ".join(done.output.split())
    assert 'name="body" value="$text"' in (tmp_path / "out" / "label-studio.xml").read_text()


def test_a_killed_run_leaves_the_configuration_to_the_next_one(model, texts, tmp_path, monkeypatch):
    write = storage.write

    def killed(name, content):
        if name.endswith(".xml"):
            raise KeyboardInterrupt
        write(name, content)

    with monkeypatch.context() as patched:
        patched.setattr(storage, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            annotate(model, texts, tmp_path / "out", format="label-studio")
    annotate(model, texts, tmp_path / "out", format="label-studio")
    assert offered(tmp_path / "out") == ["FAC", "GPE"]
    own = "<View>edited</View>"
    (tmp_path / "out" / "label-studio.xml").write_text(own)
    annotate(model, texts, tmp_path / "out", format="label-studio")
    assert (tmp_path / "out" / "label-studio.xml").read_text() == own


def test_prodigy_has_scores(model, texts, tmp_path):
    annotate(model, texts, tmp_path / "plain")
    annotate(model, texts, tmp_path / "out", format="prodigy")
    for task, plain in zip(rows(tmp_path / "out"), rows(tmp_path / "plain"), strict=True):
        scores = [entity["confidence"] for entity in plain["entities"]]
        assert [span["score"] for span in task["spans"]] == scores
        assert task["meta"].get("score") == (min(scores) if scores else None)
        assert task["meta"]["id"] == plain["meta"]["id"]


def test_doccano_keeps_confidences_in_metadata_and_counts_as_javascript_does(
    model, texts, tmp_path
):
    annotate(model, texts, tmp_path / "plain")
    annotate(model, texts, tmp_path / "out", format="doccano")
    for example, plain in zip(rows(tmp_path / "out"), rows(tmp_path / "plain"), strict=True):
        utf16 = plain["text"].encode("utf-16-le")
        for (start, end, label), entity in zip(example["label"], plain["entities"], strict=True):
            assert utf16[2 * start : 2 * end].decode("utf-16-le") == entity["text"]
            assert label == entity["label"]
        assert example["confidences"] == [e["confidence"] for e in plain["entities"]]


def test_entities_without_confidence(tmp_path):
    """Another component's entities have no score, rather than a made-up one."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "GPE", "pattern": "Lima"}])
    doc = nlp("in Lima")
    for tool in TOOLS:
        form = by_name(tool, Role.OUTPUT)
        content = form.pack([form.row(Record("a", 1, doc.text), doc)]).decode()
        assert "score" not in content and '"GPE"' in content


ENGLISH = spacy.blank("en")


@st.composite
def annotated_texts(draw):
    text = draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
    doc = ENGLISH.make_doc(text)
    spans, at = [], 0
    while at < len(doc):
        end = draw(st.integers(at + 1, len(doc)))
        label = draw(st.sampled_from([None, "GPE", "a label", "é\"<&'"]))
        if label and not doc[at].is_space and not doc[end - 1].is_space:
            spans.append(Span(doc, at, end, label=label))
        at = end
    doc.set_ents(spans, default="outside")
    return doc


@pytest.mark.parametrize("tool", TOOLS)
def test_any_text_with_any_entities_is_read_back(tool, tmp_path):
    form = by_name(tool, Role.OUTPUT).configured(Writing("m"))

    @settings(deadline=None, max_examples=60)
    @given(st.lists(annotated_texts(), min_size=1, max_size=3))
    def round_trip(docs):
        records = [Record("a.txt", i, doc.text, {"x": [1]}) for i, doc in enumerate(docs)]
        packed = form.pack([form.row(*each) for each in zip(records, docs, strict=True)])
        path = tmp_path / f"a{form.suffixes[0]}"
        path.write_bytes(submitted(packed).encode() if tool == "label-studio" else packed)
        read = list(form.read(str(path), Reading(annotated=True)))
        assert [record.error for record in read] == [None] * len(docs)
        for doc, record in zip(docs, read, strict=True):
            found = make_doc(ENGLISH, record.text, record.annotation.entities)
            assert found.text == doc.text
            assert [(e.start, e.end, e.label_) for e in found.ents] == [
                (e.start, e.end, e.label_) for e in doc.ents
            ]

    round_trip()
