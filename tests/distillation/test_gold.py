"""Gold annotation beside what a teacher finds."""

import pytest
import spacy
from spacy.tokens import DocBin, Span

from spacy_rnn_tagger.distillation.gold import TEST, Gold, divide, find_gold
from spacy_rnn_tagger.distillation.texts import DEV, TRAIN

NLP = spacy.blank("en")


def write_gold(path, n=200, labels=("GPE", "ORG")):
    docs = []
    for i in range(n):
        doc = NLP(f"Number {i} went to Delhi with Acme again")
        doc.set_ents([Span(doc, 4, 5, label=labels[0]), Span(doc, 6, 7, label=labels[1])])
        docs.append(doc)
    DocBin(docs=docs).to_disk(path)
    return path


def test_parts_are_always_the_same_and_share_no_text(tmp_path):
    path = write_gold(tmp_path / "g.spacy")
    gold = Gold("g", {"path": str(path)})
    divided, again = divide(gold, NLP), divide(gold, NLP)
    texts = {part: [doc.text for doc in docs] for part, docs in divided.parts.items()}
    assert texts == {part: [doc.text for doc in docs] for part, docs in again.parts.items()}
    assert sum(map(len, texts.values())) == 200
    assert len(set().union(*texts.values())) == 200
    assert 8 <= len(texts[TEST]) <= 35
    assert 8 <= len(texts[DEV]) <= 35
    assert divided.labels == {"GPE", "ORG"}


def test_a_small_corpus_is_learnt_as_a_whole(tmp_path):
    path = write_gold(tmp_path / "g.spacy", n=49)
    assert set(divide(Gold("g", {"path": str(path)}), NLP).parts) == {TRAIN}


def test_weight_balances_gold_with_silver_unless_it_is_given(tmp_path):
    path = str(write_gold(tmp_path / "g.spacy"))
    divided = divide(Gold("g", {"path": path}), NLP)
    silver = 10 * divided.n_words
    assert divided.corpus(TRAIN, path, silver)["weight"] == 5.0
    assert divided.corpus(TRAIN, path, 0)["weight"] == 1.0
    assert divided.corpus(TRAIN, path, 10_000 * divided.n_words)["weight"] == 20.0
    own = divide(Gold("g", {"path": path, "weight": 3}), NLP)
    assert own.corpus(TRAIN, path, silver)["weight"] == 3
    assert "weight" not in own.corpus(DEV, path, silver)


def test_the_test_part_has_the_names_that_are_measured(tmp_path):
    path = str(write_gold(tmp_path / "g.spacy", labels=("LOC", "ORG")))
    settings = {
        "path": path,
        "labels": ["PLACE", "ORG"],
        "rename": {"LOC": "PLACE"},
        "coarse": {"PLACE": ["GPE", "FAC"]},
    }
    divided = divide(Gold("g", settings), NLP)
    assert divided.labels == {"GPE", "FAC", "ORG"}
    for doc in divided.parts[TEST]:
        assert [ent.label_ for ent in doc.ents] == ["ORG"]
        assert doc[4].ent_iob == 0  # which place it is, is not known
        assert doc[0].ent_iob_ == "O"
    assert {ent.label_ for doc in divided.parts[TRAIN] for ent in doc.ents} == {"LOC", "ORG"}


def test_corpora_from_a_path_a_mapping_and_a_config(tmp_path):
    path = write_gold(tmp_path / "g.spacy")
    assert find_gold(None) == ()
    assert find_gold(path) == (Gold("gold", {"path": str(path)}),)
    mapping = {"news": {"path": str(path), "labels": ["GPE"]}}
    assert find_gold(mapping) == (Gold("news", mapping["news"]),)
    config = tmp_path / "gold.cfg"
    config.write_text(f'[corpora]\n[corpora.news]\npath = "{path}"\nlabels = ["GPE"]\n', "utf-8")
    assert find_gold(config) == find_gold(mapping)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[corpora]\n[corpora.news]\npath = "nowhere.spacy"\n', "nowhere.spacy does not exist"),
        ('[corpora]\n[corpora.news]\npath = "."\nlabel = ["A"]\n', "label"),
        ('[gold]\n[gold.news]\npath = "."\n', "must be one of 'corpora'"),
        ("[corpora.news\n", "can't be loaded"),
        ("[corpora]\n", "one corpus or more"),
        ('[corpora]\n[corpora.silver]\npath = "."\n', "can't be called 'silver'"),
    ],
)
def test_a_wrong_config(tmp_path, content, message):
    config = tmp_path / "gold.cfg"
    config.write_text(content, "utf-8")
    with pytest.raises((ValueError, OSError), match=message):
        find_gold(config)


def test_data_without_annotation(tmp_path):
    path = tmp_path / "g.spacy"
    DocBin(docs=[NLP("Nothing here")]).to_disk(path)
    with pytest.raises(ValueError, match="no annotated docs"):
        divide(Gold("g", {"path": str(path)}), NLP)
