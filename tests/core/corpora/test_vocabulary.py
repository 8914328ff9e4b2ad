"""Words are cleaned and numbered as the reference does it, on its own nine cases and beyond."""

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import REFERENCE

from sertool.core.corpora.vocabulary import Vocabulary
from sertool.core.corpora.words import clean_words
from sertool.core.errors import DataError

CASES = sorted(REFERENCE.glob("*/expected.json"))
words = st.lists(st.text(max_size=6), max_size=12)


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        (
            ["Hello,", "WORLD!", "it's", '"quoted"', "(laughs)", "*#:;."],
            ("hello", "world", "its", "quoted", "laughs"),
        ),
        (["well-known", "and/or", "--", "-"], ("well known", "and or", "  ", " ")),
        (["...", "", "?!", "don't"], ("dont",)),
        (["a b", " c"], ("a b", " c")),
        ([], ()),
    ],
)
def test_words_are_cleaned_one_by_one(given, cleaned):
    assert clean_words(given) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("I don't know, do you?", ("i", "dont", "know", "do", "you")),
        ("  a\tb\n c  ", ("a", "b", "c")),
        ("I don\u2019t \u201cknow\u201d\u2026", ("i", "dont", "know")),
        # MELD's Windows-1252 bytes, read as Latin-1.
        ("It\u0092s me \u0097 you\u0085 know", ("its", "me", "you", "know")),
        ("wait\u2014what well-known", ("wait", "what", "well known")),
        ("cafe\u0301", ("caf\u00e9",)),
        ("", ()),
        ("?!", ()),
    ],
)
def test_a_sentence_is_split_and_its_typography_made_plain(text, cleaned):
    assert clean_words(text) == cleaned


@given(words)
def test_cleaned_words_hold_nothing_that_is_removed_and_stay_as_they_are(given):
    cleaned = clean_words(given)
    assert not set("".join(cleaned)) & set(".,'!?\"()*#:;-/")
    assert all(cleaned)
    assert clean_words(cleaned) == cleaned


def sentences_of(case: Path) -> tuple[dict, list, dict]:
    expected = json.loads(case.read_text())
    folder = next((case.parent / "data").iterdir())
    split = {"IEMOCAP": "traindev", "MOSI": "trainval"}.get(expected["dataset"], "train")
    sentences = pickle.loads((folder / f"{split}_sentences.p").read_bytes(), encoding="latin1")
    cache = pickle.loads((folder / "token_to_ix.pkl").read_bytes())
    return expected, [list(value) for value in sentences.values()], cache


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.parent.name)
def test_the_vocabulary_of_all_training_sentences_is_the_references(case):
    expected, sentences, cache = sentences_of(case)
    vocabulary = Vocabulary.build(clean_words(sentence) for sentence in sentences)
    assert list(vocabulary.index.items()) == list(cache.items())
    assert list(vocabulary.index.items())[:6] == list(expected["first_tokens"].items())
    assert vocabulary.rows == len(vocabulary.index) == expected["vocabulary_size"]


def test_there_are_nine_cases():
    assert len(CASES) == 9


def test_the_first_word_shares_row_one_with_unk():
    vocabulary = Vocabulary.build([("so", "it"), ("it", "is", "so")])
    assert vocabulary.index == {"UNK": 1, "so": 1, "it": 2, "is": 3}
    assert vocabulary.rows == 4
    assert vocabulary.words_by_row() == ["UNK", "so", "it", "is"]
    assert vocabulary.encode(["is", "what", "so", "it"], 6) == [3, 1, 1, 2, 0, 0]
    assert vocabulary.encode(["is", "what", "so", "it"], 2) == [3, 1]
    assert vocabulary.unknown(["what", "is", "UNK", "what"]) == ["what", "what"]


def test_without_words_the_row_of_the_unknown_is_still_there():
    vocabulary = Vocabulary.build([])
    assert vocabulary.rows == 2
    assert max(vocabulary.encode(["any"], 1)) < vocabulary.rows
    assert vocabulary.words_by_row() == ["UNK", "UNK"]


@given(st.lists(words, max_size=6), words, st.integers(1, 20))
def test_every_index_has_a_row_and_every_row_its_word(sentences, other, length):
    vocabulary = Vocabulary.build(sentences)
    rows = vocabulary.encode(other, length)
    assert len(rows) == length
    assert all(0 <= row < vocabulary.rows for row in rows)
    by_row = vocabulary.words_by_row()
    for word, row in vocabulary.index.items():
        assert word == "UNK" or by_row[row] == word
    again = Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json())), "vocabulary.json")
    assert again == vocabulary


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "v.json: not a vocabulary, expected the keys rows and index"),
        ({"rows": 3}, "v.json: not a vocabulary, expected the keys rows and index"),
        ({"rows": 3, "index": []}, "v.json: not a vocabulary, expected the keys rows and index"),
        ({"rows": 1, "index": {}}, "v.json: rows is 1, expected a number of at least 2"),
        ({"rows": True, "index": {}}, "v.json: rows is True, expected a number of at least 2"),
        ({"rows": 3, "index": {"a": 3}}, "v.json: 'a' has row 3, expected 1 to 2"),
        ({"rows": 3, "index": {"a": 0}}, "v.json: 'a' has row 0, expected 1 to 2"),
        ({"rows": 3, "index": {"a": 1.5}}, "v.json: 'a' has row 1.5, expected 1 to 2"),
    ],
)
def test_damaged_vocabularies_are_refused(content, message):
    with pytest.raises(DataError) as caught:
        Vocabulary.from_json(content, "v.json")
    assert str(caught.value) == message
