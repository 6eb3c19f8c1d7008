"""Columns: CoNLL-2003 and its relatives, in all schemes of tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_rnn_tagger.formats.record import AnnotationError
from spacy_rnn_tagger.formats.tags import decode, is_iob1, split_tag
from tests.formats.reading import converted, tags_of, write

CONLL_2003 = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O
German JJ B-NP B-MISC
call NN I-NP O
. . O O

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER

-DOCSTART- -X- -X- O

BRUSSELS NNP B-NP B-LOC
1996-08-22 CD I-NP O
"""


def ents(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def test_conll_2003(tmp_path):
    docs, found = converted(write(tmp_path / "eng.train.conll", CONLL_2003))
    assert found.read_as.keys() == {"conll"}
    assert [[token.text for token in doc] for doc in docs] == [
        ["EU", "rejects", "German", "call", "."],
        ["Peter", "Blackburn"],
        ["BRUSSELS", "1996-08-22"],
    ]
    assert list(map(ents, docs)) == [
        [("EU", "ORG"), ("German", "MISC")],
        [("Peter Blackburn", "PER")],
        [("BRUSSELS", "LOC")],
    ]
    assert docs[0].has_unknown_spaces and not found.notices


def test_documents(tmp_path):
    docs, _ = converted(write(tmp_path / "a.txt", CONLL_2003), unit="document")
    assert list(map(len, docs)) == [7, 2]
    assert ents(docs[0])[-1] == ("Peter Blackburn", "PER")


def test_an_entity_ends_with_its_sentence(tmp_path):
    content = "a B-X\n\nb I-X\n"
    [doc], _ = converted(write(tmp_path / "a.conll", content), unit="document")
    assert ents(doc) == [("a", "X"), ("b", "X")]


def test_any_column(tmp_path):
    content = "1\tB-GPE\tDelhi\tNNP\n2\tO\tis\tVBZ\n"
    source = write(tmp_path / "a.tsv", content)
    [doc], _ = converted(source, token_column=3, tag_column=2)
    assert [token.text for token in doc] == ["Delhi", "is"] and ents(doc) == [("Delhi", "GPE")]
    [doc], _ = converted(source, token_column=-2, tag_column=-3)
    assert ents(doc) == [("Delhi", "GPE")]
    with pytest.raises(AnnotationError) as caught:
        converted(source)
    assert (
        "a.tsv, line 1: [RNN137] Column -1 holds 'NNP', which is not a tag such as O, B-GPE"
        in str(caught.value)
    )
    with pytest.raises(AnnotationError, match="line 1: .* There is no column 7 for the tag"):
        converted(source, tag_column=7)
    with pytest.raises(ValueError, match="tag-column must not be 0"):
        converted(source, tag_column=0)


def test_tokens_are_verbatim(tmp_path):
    """Tabs separate columns where there are any; then a token may have spaces."""
    content = "New York\tB-GPE\n\u00a0\tO\n#\tO\n#1\tB-X\n\u3000x\tO\n# a comment\n# text = O\n"
    [doc], _ = converted(write(tmp_path / "a.tsv", content.encode()))
    assert [token.text for token in doc] == ["New York", "\u00a0", "#", "#1", "\u3000x"]
    [doc], _ = converted(write(tmp_path / "b.conll", b"# id = 1\r\nDelhi  \t B-GPE\r\n"))
    assert [token.text for token in doc] == ["Delhi"]


def words(doc):
    return [token.text for token in doc]


@pytest.mark.parametrize("separator", [" ", "\t"])
def test_tokens_that_begin_with_a_hash(tmp_path, separator):
    content = "See O VB\n#Delhi B-GPE NNP\n# O SYM\nnow O RB\n".replace(" ", separator)
    [doc], _ = converted(write(tmp_path / "a.conll", content), tag_column=2)
    assert words(doc) == ["See", "#Delhi", "#", "now"] and ents(doc) == [("#Delhi", "GPE")]
    content = "#love O\n#Delhi B-GPE\n".replace(" ", separator)  # with tabs, this may be BRAT's
    [doc], _ = converted(write(tmp_path / "a.conll", content), format="conll")
    assert words(doc) == ["#love", "#Delhi"] and ents(doc) == [("#Delhi", "GPE")]


@pytest.mark.parametrize(
    "comment,row,settings",
    [
        ("# text = in Delhi", "{n}\t{word}\t{tag}\t-", {"token_column": 2, "tag_column": 3}),
        ("# sent_id = 12", "{word} NNP X {tag}", {}),  # as many columns as a token
        ("# id 5628643f-c3ee\tdomain=train", "{word} _ _ {tag}", {}),
        ("# id 5628643f-c3ee\tdomain=train", "{word}\t{tag}", {}),
        ("# sent_id = 12", "{word} {tag} X NNP", {"tag_column": 2}),
        ("# text = O", "{word} {tag}", {}),
        ("#begin document (nw/wsj_0001); part 000", "{word} NNP {tag}", {}),
        ("#end document", "{word} NNP {tag}", {}),
        ("###MEDLINE:95369245", "{word}\t{tag}", {}),
        ("#", "{word} {tag}", {}),
    ],
)
def test_comments(tmp_path, comment, row, settings):
    rows = [("in", "O"), ("New", "B-GPE"), ("Delhi", "I-GPE"), ("now", "O")]
    rows = "".join(row.format(n=n, word=w, tag=tag) + "\n" for n, (w, tag) in enumerate(rows))
    source = write(tmp_path / "a.conll", f"{comment}\n{rows}\n{comment}\n{rows}")
    docs, found = converted(source, **settings)
    assert [words(doc) for doc in docs] == [["in", "New", "Delhi", "now"]] * 2
    assert ents(docs[0]) == [("New Delhi", "GPE")] and not found.notices


GOOD = "we O\nflew O\nto O\nLima B-GPE\n"


@pytest.mark.parametrize(
    "content,problem",
    [
        (GOOD + "10 000 O\n", "line 5: .RNN156. A line must have 2 columns, .* but has 3"),
        (GOOD + "New York B-GPE\n", "line 5: .RNN156."),
        ("New York\tB-GPE\nis O\nin\tO\nUSA\tB-GPE\n", "line 1: .RNN156."),
        (GOOD.replace(" ", "\t") + "Lima\tB-GPE\t\tNNP\n", "line 5: .RNN156."),
        # Without its tag, the line would have another column's.
        (CONLL_2003.replace("German JJ B-NP B-MISC", "German JJ B-NP"), "line 5: .RNN156."),
        (GOOD + "#Delhi O-GPE\n", "line 5: .RNN137. Column -1 holds 'O-GPE', which is not a tag"),
        (GOOD + "#New Delhi B-GPE\n", "line 5: .RNN156."),
    ],
)
def test_no_token_is_lost_silently(tmp_path, content, problem):
    source = write(tmp_path / "a.conll", content)
    with pytest.raises(AnnotationError, match=problem) as caught:
        converted(source)
    assert len(caught.value.args) == 1


def test_tabs_and_spaces_at_the_end_of_a_line(tmp_path):
    tabs = GOOD.replace(" ", "\t").replace("B-GPE", "B-GPE\t")
    for content in (tabs, GOOD.replace("\n", " \n"), GOOD.replace("flew O", "flew O \t")):
        [doc], _ = converted(write(tmp_path / "a.conll", content))
        assert words(doc) == ["we", "flew", "to", "Lima"] and tags_of(doc) == "OOOB"
    [doc], _ = converted(write(tmp_path / "a.conll", "Lima\tB-GPE\nis\t\nfar\tO\n"))
    assert tags_of(doc) == "B?O"


def test_what_begins_a_document(tmp_path):
    content = f"-DOCSTART- -X- O O\n\n{GOOD}-DOCSTART-s O\n".replace(" O\n", "\tO\n")
    content = content.replace(" B", "\tB").replace("Lima", "New York")
    [doc], _ = converted(write(tmp_path / "a.conll", content), unit="document")
    assert words(doc) == ["we", "flew", "to", "New York", "-DOCSTART-s"]


@pytest.mark.parametrize(
    "tags,expected",
    [
        ("O B-X I-X B-X O", "OBIBO"),  # IOB2
        ("O I-X I-X B-X O", "OBIBO"),  # IOB1: B separates
        ("O B-X E-X S-X O", "OBIBO"),  # BIOES
        ("O B-X L-X U-X O", "OBIBO"),  # BILOU
        ("O I-X I-Y I-Y O", "OBBIO"),  # IO
        ("- B-X I-X _ O", "?BI?O"),
    ],
)
def test_schemes(tmp_path, tags, expected):
    rows = "".join(f"w{i} {tag}\n" for i, tag in enumerate(tags.split()))
    [doc], found = converted(write(tmp_path / "a.conll", rows))
    assert tags_of(doc) == expected
    assert not found.ignored and not found.notices


@pytest.mark.parametrize(
    "tags,expected,repaired",
    [
        ("B-X O I-X O B-X", "BOBOB", 1),  # I after O in IOB2
        ("B-X I-Y I-Y O O", "BBIOO", 1),
        ("B-X O S-X O O", "BOBOO", 1),  # not closed
        ("B-X I-X B-X L-X O", "BIBIO", 1),
        ("O E-X O B-X E-X", "OBOBI", 1),
        ("U-X L-X O B-X E-X", "BBOBI", 1),
    ],
)
def test_sequences_that_no_scheme_allows_are_repaired_and_counted(
    tmp_path, tags, expected, repaired
):
    rows = "".join(f"w{i} {tag}\n" for i, tag in enumerate(tags.split()))
    [doc], found = converted(write(tmp_path / "a.conll", rows))
    assert tags_of(doc) == expected
    assert found.ignored == {"tag that does not fit its neighbours, repaired": repaired}
    assert f"a.conll, line 1: tags that don't fit their neighbours: {repaired}" in found.notices[0]


@st.composite
def tagged(draw):
    """Sentences of labels, with entity borders."""
    n = draw(st.integers(1, 8))
    spans, at = [], 0
    while at < n:
        length = draw(st.integers(1, 3))
        label = draw(st.sampled_from(["", "X", "Y-Z"]))
        if label:
            spans.append((at, min(at + length, n), label))
        at += length
    return n, spans


def encode(n, spans, scheme):
    tags = ["O"] * n
    for start, end, label in spans:
        tags[start:end] = [f"I-{label}"] * (end - start)
        tags[start] = f"B-{label}"
        if scheme != "IOB2":
            last, single = {"BIOES": "ES", "BILOU": "LU"}[scheme]
            tags[end - 1] = f"{last if end - start > 1 else single}-{label}"
    return tags


@given(tagged(), st.sampled_from(["IOB2", "BIOES", "BILOU"]))
def test_what_a_scheme_writes_is_read_back(sentence, scheme):
    n, spans = sentence
    tags = [split_tag(tag) for tag in encode(n, spans, scheme)]
    assert not is_iob1([tags])
    assert decode(tags) == (spans, 0)
