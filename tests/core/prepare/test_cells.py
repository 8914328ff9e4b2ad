"""Cells of tables: names that look alike are one, and what stands for a missing value is none; both are said."""

import csv
import io
import json
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded_tables import write

from sertool.core.errors import DataError
from sertool.core.prepare.table import read_table


def table_of(folder, *rows, header="utterance,audio,text,label,speaker"):
    return read_table(write(folder, "\n".join([header, *rows]) + "\n"))


def test_labels_speakers_ids_and_splits_that_look_alike_are_one(folder):
    table = table_of(
        folder,
        "u1,wav/a.wav,a,bo\u0308se,Jo\u0308rg,train",
        "u2\u200b,wav/b.wav,b,böse,Jörg,tra\u00adin",
        "u3,wav/c.wav,c,sehr\u00a0böse\u200f,Ann,\u202atest",
        "u4,wav/c.wav,c,sehr böse,Ann,valid",
        header="utterance,audio,text,label,speaker,split",
    )
    assert [(row.id, row.split, row.labels["emotion"], row.groups["speaker"]) for row in table.rows] == [
        ("u1", "train", "böse", "Jörg"),
        ("u2", "train", "böse", "Jörg"),
        ("u4", "valid", "sehr böse", "Ann"),
        ("u3", "test", "sehr böse", "Ann"),
    ]
    assert table.warnings[0] == (
        "read 6 cells in the normal form of a name: label 'bo\\u0308se' as 'böse' (row 2), "
        "speaker 'Jo\\u0308rg' as 'Jörg' (row 2), utterance 'u2\\u200b' as 'u2' (row 3), "
        "split 'tra\\xadin' as 'train' (row 3), label 'sehr\\xa0böse\\u200f' as 'sehr böse' (row 4) and 1 more"
    )


def test_a_text_is_kept_as_it_was_written(folder):
    text = "می\u200cخواهم \u200bbo\u0308se"
    table = table_of(folder, f"u1,wav/a.wav,{text},x,s")
    assert table.rows[0].text == text
    assert not [warning for warning in table.warnings if "normal form" in warning]


def test_ids_that_look_alike_are_refused_as_one(folder):
    with pytest.raises(DataError) as caught:
        table_of(folder, "u1,wav/a.wav,a,x,s", "u1\u200b,wav/b.wav,b,y,s")
    assert str(caught.value).endswith(
        ": 1 problem\n"
        "  rows 2, 3: utterance appears more than once in its split: 'u1'\n"
        "  note: read 1 cell in the normal form of a name: utterance 'u1\\u200b' as 'u1' (row 3)"
    )


@pytest.mark.parametrize("cell", ["nan", "NaN", "None", "NULL", "N/A", "NA", "#N/A", "<NA>", "-", "?", "null"])
def test_a_missing_label_is_no_class(folder, cell):
    with pytest.raises(DataError) as caught:
        table_of(folder, f"u1,wav/a.wav,a,{cell},s", "u2,wav/b.wav,b,happy,s")
    problem = "1 problem\n  row 2: label is empty"
    note = f"note: read 1 cell as empty, for a missing value: label '{cell}' (row 2)"
    assert str(caught.value) == f"{folder / 'table.csv'}: {problem}\n  {note}"


def test_missing_texts_speakers_and_times_are_empty_and_said(folder):
    table = table_of(
        folder,
        "u1,wav/a.wav,NaN,happy,NA,nan,-",
        "u2,wav/b.wav,none,sad,?,0.1,None",
        "u3,wav/c.wav,No.,sad,s,,0.4",
        header="utterance,audio,text,label,speaker,start,end",
    )
    rows = {row.id: row for row in table.rows}
    assert [(row.text, row.groups, row.segment.start, row.segment.end) for _, row in sorted(rows.items())] == [
        ("", {}, None, None),
        ("none", {}, 0.1, None),
        ("No.", {"speaker": "s"}, None, 0.4),
    ]
    assert table.warnings[0] == (
        "read 6 cells as empty, for a missing value: speaker 'NA' (row 2), text 'NaN' (row 2), start 'nan' (row 2), "
        "end '-' (row 2), speaker '?' (row 3) and 1 more"
    )
    assert "row 2: text is empty" in table.warnings


def test_missing_speakers_are_told_where_the_table_has_splits(folder):
    header = "utterance,audio,text,label,speaker,split"
    rows = [
        *("u1,wav/a.wav,a,x,NA,train", "u2,wav/b.wav,b,y,s,train"),
        *("u3,wav/c.wav,c,x,,valid", "u4,wav/c.wav,c,x,t,test"),
    ]
    warnings = table_of(folder, *rows, header=header).warnings
    assert "rows 2, 4: speaker is empty, so a voice may be in both training and test" in warnings


def test_likely_spellings_of_one_name_are_told(folder):
    rows = ["u1,wav/a.wav,a,happy,S_01", "u2,wav/b.wav,b,h\u0430ppy,s 01", "u3,wav/c.wav,c,\uff48appy,S_02"]
    warnings = table_of(folder, *rows).warnings
    assert "speaker: 'S_01' (row 2) and 's 01' (row 3) count as different speakers" in warnings
    shown = "emotion: 'happy' (row 2) and 'h\\u0430ppy' (row 3) and '\\uff48appy' (row 4) count as different classes"
    assert shown in warnings


def test_a_minus_is_a_class_beside_a_plus(folder):
    table = table_of(folder, "u1,wav/a.wav,a,+,s", "u2,wav/b.wav,b,-,s")
    assert {row.labels["emotion"] for row in table.rows} == {"+", "-"}


def test_missing_classes_of_a_list_are_left_out(folder):
    table = table_of(folder, "u1,wav/a.wav,a,sad|nan,s", "u2,wav/b.wav,b,|,s", "u3,wav/c.wav,c,sad|happy\u200b,s")
    assert [row.labels["emotion"] for row in sorted(table.rows, key=lambda row: row.id)] == [
        ("sad",),
        (),
        ("happy", "sad"),
    ]
    with pytest.raises(DataError, match="label is empty"):
        table_of(folder, "u1,wav/a.wav,a,nan|None,s", "u2,wav/b.wav,b,happy|sad,s")


def json_table(folder, *records):
    lines = [json.dumps({"audio": "wav/a.wav", "text": "a", "label": "x", **record}) for record in records]
    return read_table(write(folder, "\n".join(lines), "table.jsonl"))


def test_numbers_of_json_are_one_name_with_and_without_a_fraction(folder):
    table = json_table(folder, {"id": 1, "speaker": 0}, {"id": "2", "speaker": 0.0}, {"id": 3.0, "speaker": "0"})
    assert {row.id: row.groups["speaker"] for row in table.rows} == {"1": "0", "2": "0", "3": "0"}
    with pytest.raises(DataError, match="rows 1, 2, 3: utterance appears more than once in its split: '1'"):
        json_table(folder, {"id": 1}, {"id": 1.0}, {"id": "1"})


def test_missing_values_of_json(folder):
    table = json_table(
        folder,
        {"id": "u1", "text": float("nan"), "speaker": None, "start": float("nan")},
        {"id": "u2", "text": None, "speaker": float("nan")},
    )
    assert [(row.text, row.groups, row.segment.start) for row in table.rows] == [("", {}, None)] * 2
    assert table.warnings[0] == (
        "read 3 cells as empty, for a missing value: text 'nan' (row 1), start 'nan' (row 1), speaker 'nan' (row 2)"
    )
    with pytest.raises(DataError, match="row 1: label is empty"):
        json_table(folder, {"id": "u1", "label": float("nan")})
    with pytest.raises(DataError, match="row 1: label is not a text or a number"):
        json_table(folder, {"id": "u1", "label": float("inf")})


def test_whole_numbers_of_a_column_are_written_in_one_way(folder):
    table = table_of(folder, "u1,wav/a.wav,a,1.0,0.0", "u2,wav/b.wav,b,2.0,0", "u3,wav/c.wav,c,2.0,1.0")
    assert {(row.labels["emotion"], row.groups["speaker"]) for row in table.rows} == {
        ("1.0", "0"),
        ("2.0", "0"),
        ("2.0", "1"),
    }


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["Training", "DEV", "Testing"], ["train", "valid", "test"]),
        (["train", "devel", "eval"], ["train", "valid", "test"]),
        (["train", "eval", "test"], ["train", "valid", "test"]),
        (["train", "validation", "private"], ["train", "valid", "private"]),
    ],
)
def test_names_of_splits(folder, names, splits):
    rows = [f"u{number},wav/a.wav,a,x,s{number},{name}" for number, name in enumerate(names)]
    header = "utterance,audio,text,label,speaker,split"
    assert {row.id: row.split for row in table_of(folder, *rows, header=header).rows}.items() >= {
        (f"u{number}", split) for number, split in enumerate(splits) if split != "train"
    }


def test_a_split_that_may_be_two_is_refused(folder):
    header = "utterance,audio,text,label,speaker,split"
    rows = [f"u{number},wav/a.wav,a,x,s,{name}" for number, name in enumerate(["train", "dev", "test", "eval"])]
    with pytest.raises(DataError, match="row 5: split 'eval' may be valid or test, and both are there"):
        table_of(folder, *rows, header=header)


LABELS = ["happy", "sad", "böse"]
SPEAKERS = ["Ann", "Jörg", "0"]
ALIKE = st.sampled_from(["", "\u200b", "\u00ad", "\u202e", " \u00a0", "\ufeff"])
CELLS = st.tuples(st.sampled_from(LABELS), st.sampled_from(SPEAKERS), ALIKE, ALIKE, st.booleans())
NO_VALUE = st.sampled_from([None, "NaN", "N/A", "-", "#N/A", "None", ""])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(CELLS, NO_VALUE), min_size=1, max_size=12))
def test_rows_come_out_with_the_names_that_went_in(folder, rows):
    """Names written in any form that looks alike, and speakers that are missing in any way."""
    content = io.StringIO()
    writer = csv.writer(content)
    writer.writerow(["id", "audio", "label", "speaker"])
    expected = {}
    for number, ((label, speaker, before, after, apart), missing) in enumerate(rows):
        form = "NFD" if apart else "NFC"
        cells = [unicodedata.normalize(form, before + name + after) for name in (label, speaker)]
        writer.writerow([f"{before}u{number}{after}", "wav/a.wav", cells[0], cells[1] if missing is None else missing])
        expected[f"u{number}"] = (label, {"speaker": speaker} if missing is None else {})
    table = read_table(write(folder, content.getvalue()))
    assert {row.id: (row.labels["emotion"], row.groups) for row in table.rows} == expected
