"""Tables that are accepted and refused, and what looks odd in them."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded_tables import write

from sertool.core.errors import DataError, SertoolError, UsageError
from sertool.core.prepare.rows import COLUMNS
from sertool.core.prepare.table import read_table


def refusal(folder, text, name="table.csv"):
    path = write(folder, text, name)
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


def test_all_problems_are_told_at_once(folder):
    text = (
        "utterance,audio,label,split,start,end\n"
        "u1,wav/a.wav,happy,trian,,\n"
        "u1,wav/z.wav,,train,,\n"
        "u2,wav/y.wav,happy,train,soon,1\n"
        ",wav/a.wav,happy,,2,1\n"
        "u3,,happy,train\n"
        "\n"
        "u1,,happy,train,-1,inf\n"
    )
    assert refusal(folder, text) == (
        "11 problems\n"
        "  row 2: unknown split 'trian', did you mean 'train'?\n"
        f"  rows 3, 4: no such audio file in {folder}: wav/z.wav, wav/y.wav\n"
        "  row 3: label is empty\n"
        "  row 4: start 'soon' is not a number of seconds\n"
        "  row 5: the utterance has no id\n"
        "  row 5: split is empty, expected train, valid, test, private\n"
        "  row 5: end is not after start\n"
        "  rows 6, 8: audio is empty\n"
        "  row 8: start '-1' is not a number of seconds\n"
        "  row 8: end 'inf' is not a number of seconds\n"
        "  rows 2, 3, 8: utterance appears more than once in its split: 'u1'\n"
        "  note: row 6: fields are missing at the end, and were read as empty"
    )


def test_what_is_no_channel_is_refused(folder):
    text = "utterance,audio,label,Channel\nu1,wav/a.wav,a,0\nu2,wav/a.wav,b,middle\nu3,wav/a.wav,a,1.5\n"
    told = "is not a channel, expected 1, 2, ... or left or right"
    lines = [f"  row {row}: channel {cell!r} {told}" for row, cell in ((2, "0"), (3, "middle"), (4, "1.5"))]
    assert refusal(folder, text).splitlines()[1:] == lines


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1 problem\n  is empty: expected a header with audio and label"),
        ("id,audio,label\n", "1 problem\n  contains no utterances"),
        (
            "id,file,emotoin\nu1,wav/a,happy\n",
            "2 problems\n"
            "  missing column 'audio', did you mean 'file'? (columns: id, file, emotoin)\n"
            "  missing column 'label', 'emotion', 'sentiment' or 'score', did you mean 'emotoin'? "
            "(columns: id, file, emotoin)",
        ),
        (
            "id,utterance,audio,audio,label,emotion,sentiment,score\nu,u,wav/a.wav,wav/a.wav,x,x,y,1\n",
            "4 problems\n"
            "  column 'audio' appears twice\n"
            "  columns 'utterance' and 'id' are both present: keep the one that identifies the row\n"
            "  columns 'label' and 'emotion' are both present, and both are the task 'emotion'\n"
            "  columns 'sentiment' and 'score' are both present, and both are the task 'sentiment'",
        ),
        (
            'id,audio,label\n"u1,wav/a.wav,x\n',
            "1 problem\n  row 2: not valid CSV (unexpected end of data); close a quoted field in its own row, "
            "and double the quotes inside it",
        ),
    ],
)
def test_bad_tables_are_refused(folder, text, message):
    assert refusal(folder, text) == message


def test_bad_json_lines_are_refused(folder):
    text = '{"id": "u1", "audio": ["a"], "label": "x"}\n[1]\n{"id": \n{"id": "\\ud800", "audio": "wav/a.wav"}\n'
    message = refusal(folder, text, "table.jsonl")
    assert "  row 1: audio is not a text or a number\n" in message
    assert "  row 2: not a JSON object\n" in message
    assert "  row 3: not valid JSON (" in message
    assert "  row 4: contains half a character (a lone surrogate), which is not valid Unicode\n" in message
    assert "  row 4: label is empty" in message


def test_many_problems_are_cut_short(folder):
    rows = "".join(f"u{number},wav/{number}.wav,x,split{number}\n" for number in range(30))
    message = refusal(folder, "id,audio,label,split\n" + rows)
    assert message.startswith("31 problems\n")
    assert message.endswith("\n  ... and 11 more")
    assert "rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 20 more: no such audio file" in message


def test_files_that_are_no_tables(folder):
    with pytest.raises(UsageError) as usage:
        read_table(folder / "table.ods")
    assert str(usage.value) == f"{folder / 'table.ods'}: a table is a .csv, .tsv, .xlsx or .jsonl file"
    with pytest.raises(DataError) as missing:
        read_table(folder / "none.csv")
    assert str(missing.value) == f"{folder / 'none.csv'}: no such file"


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (
            "id,audio,label\na,b,c\nä,b,c\n".encode("cp1252"),
            "not UTF-8 text in line 3 (byte 0xE4; in Windows-1252 'ä,b,c')",
            "iconv -f WINDOWS-1252 -t UTF-8 t.csv > utf8-t.csv, or save it as CSV UTF-8 in the spreadsheet",
        ),
        (
            "id,audio,label\nä,b,c\n".encode() + "ö,b,c\nü,b,c\n".encode("cp1252"),
            "not UTF-8 text in lines 3, 4 (byte 0xF6; in Windows-1252 'ö,b,c')",
            "two encodings are mixed: correct lines 3, 4 in an editor and save all as UTF-8",
        ),
        (
            "id,audio,label\nä,b,c\n".encode("utf-16-be"),
            "UTF-16BE text without a byte order mark",
            "iconv -f UTF-16BE -t UTF-8 t.csv > utf8-t.csv, or save it as CSV UTF-8 in the spreadsheet",
        ),
    ],
)
def test_other_encodings_are_named_with_their_lines(folder, content, message, hint):
    (folder / "t.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_table(folder / "t.csv")
    assert (str(caught.value), caught.value.hint) == (f"{folder / 't.csv'}: {message}", hint)


def test_what_looks_odd_is_a_warning(folder):
    text = (
        "id,audio,label,split,speeker\n"
        "u1,wav/a.wav,Angry,train,x\n"
        "u2,wav/b.wav,angry,train,x\n"
        "u3,wav/c.wav,very-sad,train,x\n"
        "u4,wav/c.wav,Very sad,test,x\n"
        "u5,wav/c.wav,angry,valid,x\n"
    )
    assert read_table(write(folder, text)).warnings == (
        "column 'speeker' is not used, did you mean 'speaker'?",
        "there is no column 'text': utterances have no words (--transcribe creates them)",
        "there is no column 'speaker': the same voice may be in both training and test",
        "emotion: 'Angry' (row 2) and 'angry' (rows 3, 6) count as different classes",
        "emotion: 'Very sad' (row 5) and 'very-sad' (row 4) count as different classes",
        "emotion: class 'Very sad' (row 5) is not in train, only in test",
    )


def test_shared_speakers_empty_texts_and_single_classes_are_warnings(folder):
    text = (
        "id,audio,text,label,split,speaker\n"
        "u1,wav/a.wav,,x,train,ann\n"
        "u2,wav/b.wav,b,x,train,bob\n"
        "u3,wav/c.wav,c,x,test,ann\n"
        "u4,wav/c.wav,c,x,valid,bob\n"
    )
    assert read_table(write(folder, text)).warnings == (
        "row 2: text is empty",
        "emotion: there is only one class, 'x'",
        "speakers in both train and valid: bob (train row 3, valid row 5)",
        "speakers in both train and test: ann (train row 2, test row 4)",
    )
    scores = "id,audio,text,label,speaker\n" + "".join(
        f"u{number},wav/a.wav,t,{number / 10},s\n" for number in range(60)
    )
    warnings = read_table(write(folder, scores)).warnings
    assert (warnings[0], warnings[-1]) == (
        "emotion: 60 classes; each distinct label is a class, even a number "
        "(numbers from -3 to 3 belong in a column 'score')",
        "there is only 1 speaker: splits are not drawn by speaker, so one speaker may be in several splits",
    )


SNIPPETS = st.sampled_from([*COLUMNS, ",", ";", "\t", "\n", '"', "wav/a.wav", "train", "x", "1", "\ufeff", "\0"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.text(), st.lists(SNIPPETS).map("".join)), kind=st.sampled_from(["csv", "jsonl"]))
def test_any_text_is_read_or_refused(folder, text, kind):
    path = folder / f"any.{kind}"
    path.write_bytes(text.encode(errors="surrogatepass"))
    check_read_or_refused(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2),
)
KNOWN_VALUES = st.sampled_from(["wav/a.wav", "train", "private", "x", "\ud800", "a\0b", 0.5, "1e999", "9" * 300])
RECORDS = st.dictionaries(st.sampled_from(COLUMNS) | st.text(), VALUES | KNOWN_VALUES)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(RECORDS, max_size=4))
def test_any_records_are_read_or_refused(folder, records):
    path = folder / "any.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in records))
    check_read_or_refused(path)


def check_read_or_refused(path):
    try:
        table = read_table(path)
    except SertoolError as error:
        str(error).encode()
        return
    assert table.rows
    assert len({(row.split, row.id) for row in table.rows}) == len(table.rows)
    for row in table.rows:
        assert row.segment is None or row.segment.path.is_file()
        assert row.labels or row.split == "private"
        json.dumps([row.id, row.text, row.labels, row.groups], ensure_ascii=False).encode()
