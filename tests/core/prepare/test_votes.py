"""The column ``votes``: each cell is read or refused with one reason, and becomes raters without a name."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_tables import write

from sertool.core.corpora.names import is_missing, normal
from sertool.core.errors import DataError
from sertool.core.prepare.choices import parse_choices
from sertool.core.prepare.table import read_table
from sertool.core.prepare.votes import MOST_RATERS, parse_votes

LIST = "votes is not a list of class:number such as angry:3|neutral:2"
WHOLE = "votes has a number that is not whole: expected the number of raters who chose the class"


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("angry", LIST),
        ("angry:", LIST),
        (":3", LIST),
        ("nan:3", LIST),
        ("angry:3|", LIST),
        ("angry:3||sad:1", LIST),
        ("angry:3,sad:2", LIST),
        ("angry:three", LIST),
        ("angry:1_0", LIST),
        ("angry:٣", LIST),
        ("angry:.", LIST),
        ("angry:e5", LIST),
        ("angry:inf", LIST),
        ("angry:0.6|sad:0.4", WHOLE),
        ("angry:0,6|sad:0,4", WHOLE),
        ("angry:1e1", WHOLE),
        ("angry:-1", "votes has a negative number"),
        ("angry:0|sad:0", "votes is 0 for every class"),
        ("angry:2|angry:1", "votes names a class twice"),
        ("very sad:2|very  sad:1", "votes names a class twice"),
        (f"angry:{MOST_RATERS + 1}", "votes has more than 1,000 raters"),
        ("angry:999|sad:2", "votes has more than 1,000 raters"),
        ("angry:" + "9" * 100_000, "votes has more than 1,000 raters"),
    ],
)
def test_cells_that_are_refused(cell, problem):
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        parse_votes(cell)


def test_spaces_leading_zeros_and_colons_in_names_are_read():
    assert parse_votes(" angry : 03 | a:b:2.0|sad:0") == {"angry": 3, "a:b": 2, "sad": 0}
    assert parse_votes(f"angry:{MOST_RATERS}") == {"angry": 1000}


NAMES = st.text(min_size=1, max_size=8).filter(
    lambda name: normal(name) == name and "|" not in name and not is_missing(name)
)
VOTES = st.dictionaries(NAMES, st.integers(0, 9), min_size=1, max_size=5).filter(lambda votes: any(votes.values()))


@given(VOTES)
def test_a_cell_is_read_as_it_is_written(votes):
    assert parse_votes("|".join(f"{name}:{number}" for name, number in votes.items())) == votes


@given(st.text(alphabet="ab:|.,-+e0139 \0é٣", max_size=20) | st.text(max_size=20))
def test_any_cell_is_read_or_refused(cell):
    try:
        votes = parse_votes(cell)
    except ValueError:
        return
    assert 0 < sum(votes.values()) <= MOST_RATERS
    assert all(number >= 0 and normal(name) == name and name for name, number in votes.items())


def table_of(folder, *rows, header="id,text,votes", **options):
    text = "\n".join([header, *(f"u{number},word {number},{row}" for number, row in enumerate(rows, start=1))])
    return read_table(write(folder, text + "\n"), **options)


def labels(table):
    return {row.id: row.labels.get("emotion") for row in table.rows}


def test_the_class_with_most_votes_is_the_label_and_ties_are_told(folder):
    table = table_of(folder, "angry:3|neutral:2", "neutral:2|angry:2", "sad:1|angry:0|neutral:3", "Angry:0|sad:1")
    assert labels(table) == {"u1": "angry", "u2": None, "u3": "neutral", "u4": "sad"}
    rows = {row.id: row for row in table.rows}
    assert rows["u1"].ratings == {"emotion": {"1": "angry", "2": "angry", "3": "angry", "4": "neutral", "5": "neutral"}}
    assert table.classes == {"emotion": ("angry", "neutral", "sad")}
    assert (
        "the raters tie on 1 of 4 utterances (row 3): it has no majority label; "
        "--recipe custom-votes trains on its votes" in table.warnings
    )


def test_a_class_that_never_wins_is_a_class(folder):
    table = table_of(folder, "angry:3|fear:1", "sad:2|fear:1", "sad:2")
    assert table.classes == {"emotion": ("angry", "fear", "sad")}
    assert set(labels(table).values()) == {"angry", "sad"}


def test_a_column_of_labels_stands(folder):
    table = table_of(folder, "angry:1|sad:2,angry", "sad:3,sad", "sad:1,", header="id,text,votes,label")
    assert labels(table) == {"u1": "angry", "u2": "sad", "u3": None}
    assert table.classes == {}  # as of any table of labels
    assert "row 4: label is empty, and only scores or raters' votes are there" in table.warnings
    assert not any("raters tie" in line for line in table.warnings)


def test_a_class_that_no_label_has_is_a_slip_or_told(folder):
    header = "id,text,votes,label"
    table = table_of(folder, "angry:2|bored:1,angry", "sad:2|bored:2,sad", header=header)
    assert "emotion: raters chose 'bored' (rows 2, 3), which no label has: votes for it do not count" in table.warnings
    with pytest.raises(DataError) as caught:
        table_of(folder, "angry:2|neutrl:1,angry", "sad:2|Angry:2,sad", "neutral:1,neutral", header=header)
    assert str(caught.value).splitlines()[1:] == [
        "  row 3: raters chose 'Angry', which no label has, did you mean 'angry'?",
        "  row 2: raters chose 'neutrl', which no label has, did you mean 'neutral'?",
    ]


def test_spellings_among_votes_alone_are_told(folder):
    table = table_of(folder, "angry:2|neutrl:1", "neutral:2|Angry:1", "sad:1")
    told = [line for line in table.warnings if "count as different" in line]
    assert told == [
        "emotion: 'Angry' (row 3) and 'angry' (row 2) count as different classes",
        "emotion: 'neutral' (row 3) and 'neutrl' (row 2) count as different classes",
    ]


def test_numbers_as_classes_are_told(folder):
    table = table_of(folder, "1:2|2:1", "2:2|3:1")
    assert (
        "emotion: raters chose numbers as classes (1, 2, 3); scores of raters belong in columns such as "
        "arousal_rater_1" in table.warnings
    )


def test_classes_of_votes_are_renamed(folder):
    choices = parse_choices(None, "hap=happy,exc=happy,fru=angry|sad", None)
    table = table_of(folder, "hap:1|exc:1|sad:1", "fru:1", "sad:2|fru:1", choices=choices)
    assert labels(table) == {"u1": "happy", "u2": None, "u3": "sad"}
    rows = {row.id: row.ratings["emotion"] for row in table.rows}
    assert rows["u1"] == {"1": "happy", "2": "happy", "3": "sad"}
    assert rows["u2"] == {"1": ("angry", "sad")}
    assert table.classes == {"emotion": ("angry", "happy", "sad")}
    told = "classes renamed by --map-labels: 'hap' as 'happy' (row 2), 'exc' as 'happy' (row 2), 'fru' as 'angry|sad'"
    assert any(line.startswith(told) for line in table.warnings)


def test_the_number_of_raters_is_compared(folder):
    header = "id,text,votes,raters"
    assert table_of(folder, "a:2|b:1,3", "b:1,1.0", "a:1,", header=header).rows
    with pytest.raises(DataError) as caught:
        table_of(folder, "a:2|b:1,4", "b:1,2", "a:1,one", "b:1," + "0" * 20 + "1" + "0" * 20, header=header)
    assert str(caught.value).splitlines()[1:] == [
        "  rows 2, 3, 5: votes do not add up to raters: 3 of 4, 1 of 2, 1 of 00000000000000000000100000000000000000000",
        "  row 4: raters is not a whole number: 'one'",
    ]


def test_problems_of_votes_come_with_their_rows_and_all_others(folder):
    with pytest.raises(DataError) as caught:
        table_of(folder, "angry:1", "angry", "sad:-1", "", "sad", header="id,text,votes")
    assert str(caught.value).splitlines()[1:] == [
        f"  rows 3, 6: {LIST}: 'angry', 'sad'",
        "  row 4: votes has a negative number: 'sad:-1'",
        "  row 5: has no label, score or vote",
    ]


def test_raters_beside_votes_are_refused(folder):
    with pytest.raises(DataError, match="columns 'votes' and 'rater_1' are both present"):
        table_of(folder, "angry:1,angry", header="id,text,votes,rater_1")
