"""The normal form of a name, and the cells that stand for a missing value."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sertool.core.corpora.names import is_missing, likely_spellings, normal, text_of, visible

UNSEEN = "\u00ad\u034f\u061c\u115f\u200b\u200e\u200f\u202a\u202e\u2060\u2066\u2069\u3164\ufe0f\ufeff\U000e0041"


@pytest.mark.parametrize("sign", UNSEEN)
def test_a_sign_that_shows_nothing_is_no_part_of_a_name(sign):
    for name in (sign + "happy", "ha" + sign + "ppy", "happy" + sign, sign * 3 + "happy "):
        assert normal(name) == "happy"
    assert normal(sign) == ""


@pytest.mark.parametrize("space", "\u00a0\u1680\u2002\u2007\u2009\u202f\u205f\u2800\u3000\t\n\x85")
def test_every_space_is_a_plain_one(space):
    assert normal(f"{space}very{space}{space} sad{space}") == "very sad"


@pytest.mark.parametrize("name", ["böse", "Jörg", "Çağla", "여성", "Ångström", "Nguyễn", "が"])
def test_a_name_is_composed_in_one_way(name):
    assert normal(unicodedata.normalize("NFD", name)) == name
    assert normal("\u200b".join(unicodedata.normalize("NFD", name))) == name


@pytest.mark.parametrize(
    "name",
    [
        "می\u200cخواهم",  # Persian: the joiner keeps two letters apart
        "क्\u200dष",  # Hindi: half a letter
        "👩🏽\u200d🔬",  # one emoji of two
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # the flag of England
        "ᠠ\u180b",  # another shape of a Mongolian letter
    ],
)
def test_a_joiner_that_shows_stays(name):
    assert normal(name) == name


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d", "\u200d\u200d"])
def test_a_joiner_that_shows_nothing_goes(joiner):
    for name in (joiner + "happy", "hap" + joiner + "py", "happy" + joiner, "happy" + joiner + " "):
        assert normal(name) == "happy"
    assert normal("می" + joiner) == "می"


def test_names_that_look_different_stay_so():
    names = ["Angry", "angry", "ANGRY", "bose", "böse", "а", "a", "0", "0.0", "very-sad", "very sad"]
    assert [normal(name) for name in names] == names


@pytest.mark.parametrize(
    ("a", "b"),
    [
        *(("neutral", "neutrl"), ("neutral", "nuetral"), ("neutral", "neutrall"), ("neutral", "neutrat")),
        *(("Angry", "angry "), ("very sad", "Very-Sad"), ("very sad", "verysad"), ("surprise", "surprised")),
        *(("very angry", "very angri"), ("happy", "h\u0430ppy"), ("Freude", "Fraude")),
    ],
)
def test_likely_spellings_of_a_class(a, b):
    assert likely_spellings([a, "disgust", b], classes=True) == [sorted([a, b])]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        *(("sad", "mad"), ("anger", "angry"), ("level1", "level2"), ("type a", "type b"), ("1", "2"), ("+", "-")),
        *(("sad angry", "mad angri"), ("calm", "clamp"), ("fear", "joy"), ("sadness", "sad"), ("", "f")),
    ],
)
def test_classes_that_are_different(a, b):
    assert likely_spellings([a, b], classes=True) == []


def test_speakers_may_differ_by_a_letter():
    names = ["Anna", "Hanna", "S_01", "s 01", "s01"]
    assert likely_spellings(names, classes=False) == [["S_01", "s 01"]]


@given(st.lists(st.text(st.sampled_from("ab cé_1"), max_size=6), unique=True), st.booleans())
def test_no_name_is_in_two_groups_and_each_group_has_two(names, classes):
    groups = likely_spellings(names, classes=classes)
    assert all(len(group) > 1 for group in groups)
    listed = [name for group in groups for name in group]
    assert len(set(listed)) == len(listed)
    assert set(listed) <= set(names)
    assert sorted(map(sorted, groups)) == sorted(map(sorted, likely_spellings(reversed(names), classes=classes)))


def test_ten_thousand_texts_in_a_column_of_labels_take_no_time():
    names = [f"text number {n}" for n in range(10_000)]
    assert likely_spellings([*names, "Text number 7"], classes=True) == [["Text number 7", "text number 7"]]


PIECES = st.sampled_from([*UNSEEN, "\u200c", "\u200d", "\u0308", "o", "क", "्", "م", "❤", "🔥", " ", "\u00a0", "ᄒ", "ᅡ"])


@given(st.text() | st.lists(PIECES).map("".join))
def test_the_normal_form_of_a_normal_form_is_itself(name):
    once = normal(name)
    assert normal(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert once == once.strip()
    assert visible(name).isprintable()


@pytest.mark.parametrize(
    "cell",
    ["", " ", "nan", "NaN", "NAN", "None", "NULL", "null", "N/A", "n/a", "NA", "#N/A", "<NA>", "NaT", "-", "?", "—"],
)
def test_what_stands_for_a_missing_value(cell):
    assert is_missing(cell)
    assert is_missing(f"\u00a0{cell}\u200b")


@pytest.mark.parametrize("cell", ["none", "no", "No", "na", "Na", "Null", "None.", "0", "!", "?!", "Nan", "x" * 10**6])
def test_words_are_not_missing(cell):
    assert not is_missing(cell)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        *((0, "0"), (0.0, "0"), ("0", "0"), (-0.0, "0"), (1e3, "1000"), (1.5, "1.5"), (" a ", "a"), (None, "")),
        *((True, "True"), (float("nan"), "nan"), (float("inf"), "inf"), (1e300, "1e+300"), ("1.0", "1.0")),
    ],
)
def test_values_of_json_as_cells(value, cell):
    assert text_of(value) == cell
