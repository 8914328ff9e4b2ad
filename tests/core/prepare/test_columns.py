"""Columns of a table: MELD's own header, repeated columns, JSON, paths from other systems, wide tables."""

import json
import unicodedata

import pytest
from recorded_tables import write

from sertool.core.errors import DataError
from sertool.core.inference.clips import collect
from sertool.core.prepare.audio_paths import find_audio
from sertool.core.prepare.table import read_table

MELD = """Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,StartTime,EndTime,audio
1,"Where did you put it?",Ann,angry,neutral,0,0,1,"00:00:00,100","00:00:01,000",wav/a.wav
2,Okay.,Ann,happy,neutral,0,1,1,"00:00:01,100","00:00:02,000",wav/b.wav
3,Okay.,Bob,sad,neutral,1,0,1,"00:00:02,100","00:00:03,000",wav/c.wav
"""


def refusal(path):
    with pytest.raises(DataError) as caught:
        read_table(path)
    return str(caught.value)


def test_the_header_of_meld_is_understood(folder):
    path = write(folder, MELD)
    table = read_table(path)
    rows = sorted(table.rows, key=lambda row: row.number)
    assert [(row.id, row.text) for row in rows] == [
        ("dia0_utt0", "Where did you put it?"),
        ("dia0_utt1", "Okay."),
        ("dia1_utt0", "Okay."),
    ]
    assert [row.groups for row in rows] == [
        {"speaker": "Ann", "dialogue": "0"},
        {"speaker": "Ann", "dialogue": "0"},
        {"speaker": "Bob", "dialogue": "1"},
    ]
    assert (rows[0].segment.start, rows[0].segment.end) == (None, None)  # times of the episode
    said = "column 'utterance' is read as the text, and 'dialogue_id' and 'utterance_id' as the id"
    assert table.warnings[0].startswith(said)
    clips = collect([], None, path).clips
    assert [(clip.name, clip.text) for clip in clips] == [(row.id, row.text) for row in rows]
    broken = refusal(write(folder, MELD.replace("Ann,happy,neutral,0,1", "Ann,happy,neutral,,1")))
    assert "row 3: the utterance has no id" in broken


@pytest.mark.parametrize("header", ["Utterance", "UTTERANCE "])
def test_transcripts_in_the_place_of_ids_are_told(folder, header):
    text = f"{header},audio,label\nWhere did you put it?,wav/a.wav,x\nOkay.,wav/b.wav,y\n"
    table = read_table(write(folder, text))
    assert [(row.id, row.text) for row in table.rows] == [("a", "Where did you put it?"), ("b", "Okay.")]
    assert table.warnings[:2] == (
        "column 'utterance' holds texts and is read as 'text'",
        "there is no column 'utterance' or 'id': the ids are the names of the recordings",
    )
    assert [clip.text for clip in collect([], None, write(folder, text)).clips] == ["Where did you put it?", "Okay."]
    table = read_table(write(folder, text.replace(header, "id")))
    assert {row.id for row in table.rows} == {"Where did you put it?", "Okay."}


def test_an_id_beside_such_transcripts_is_the_id(folder):
    table = read_table(write(folder, "id,utterance,audio,label\nu1,Where did you put it?,wav/a.wav,x\n"))
    assert [(row.id, row.text) for row in table.rows] == [("u1", "Where did you put it?")]
    assert table.warnings[0] == "column 'utterance' holds texts and is read as 'text'"


def test_repeated_columns_are_refused_only_if_they_are_read(folder):
    text = "id,audio,text,label,speaker,rater,Rater,,\nu1,wav/a.wav,hi,x,s0,1,2,,\nu2,wav/b.wav,ho,y,s1,3,4,,\n"
    assert [row.id for row in read_table(write(folder, text)).rows] == ["u1", "u2"]
    assert "column 'speaker' appears twice" in refusal(write(folder, text.replace("Rater", "Speaker")))
    repeated = '{"id": "u1", "audio": "wav/a.wav", "label": "x", "Label": "y", "n": 1, "n": 2}\n'
    assert "column 'label' appears twice" in refusal(write(folder, repeated, "t.jsonl"))


def test_short_rows_are_said_also_by_predict(folder):
    path = write(folder, "id,audio,text,label,speaker\nu1,wav/a.wav,hi,x\nu2,wav/b.wav,ho,y,s1\n")
    note = "row 2: fields are missing at the end, and were read as empty"
    assert note in read_table(path).warnings
    assert collect([], None, path).notes == [f"{path}: {note}"]


ROWS = [{"id": f"u{number}", "audio": f"wav/{number}.wav", "text": "a\n\u2028b", "label": "x"} for number in "abc"]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS, indent=1),
        json.dumps(ROWS, ensure_ascii=False),
        "\ufeff" + json.dumps(ROWS),
        "".join(json.dumps(row) + "\r\n" for row in ROWS),
        "".join(json.dumps(row, ensure_ascii=False) + "\r" for row in ROWS),
        "\n".join(["", *map(json.dumps, ROWS)]),
    ],
)
@pytest.mark.parametrize("suffix", ["json", "jsonl", "ndjson"])
def test_json_is_an_array_or_an_object_a_line(folder, text, suffix):
    table = read_table(write(folder, text, f"t.{suffix}"))
    assert [(row.id, row.text) for row in table.rows] == [(row["id"], row["text"]) for row in ROWS]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps({"rows": ROWS}, indent=1), "one JSON object on many lines, expected an array of objects or one"),
        ("[1, 2]", "rows 1, 2: not a JSON object"),
        ('[{"id": 1},', "not a JSON array (Expecting value"),
        ("[" * 100_000, "not a JSON array ("),
        ('{"id": ' + "9" * 5000 + "}\n", "row 1: not valid JSON ("),
    ],
)
def test_other_json_is_named(folder, text, said):
    assert said in refusal(write(folder, text, "t.json"))


def test_json_in_a_file_named_csv_is_told(folder):
    for text in (json.dumps(ROWS), json.dumps(ROWS[0])):
        assert "holds JSON, expected a header with column names" in refusal(write(folder, text))


@pytest.mark.parametrize("given", ["wav\\a.wav", ".\\wav\\a.wav", "wav/a.wav"])
def test_paths_of_windows_are_found(folder, given):
    path = write(folder, f"id,audio,label\nu1,{given},x\n")
    assert read_table(path).rows[0].segment.path == folder / "wav" / "a.wav"
    assert collect([], None, path).clips[0].audio == folder / "wav" / "a.wav"


def test_paths_of_a_mac_are_found_and_a_backslash_in_a_name_is_kept(folder):
    (folder / "wav" / unicodedata.normalize("NFD", "schön.wav")).write_bytes(b"")
    (folder / "wav" / "a\\b.wav").write_bytes(b"")
    assert find_audio(folder, unicodedata.normalize("NFC", "wav\\schön.wav")).name == "scho\u0308n.wav"
    assert find_audio(folder, "wav/a\\b.wav").name == "a\\b.wav"
    assert find_audio(folder, "wav/\0") is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("C:\\wav\\a.wav", "a path on a Windows computer"),
        ("c:/wav/a.wav", "a path on a Windows computer"),
        ("\\\\server\\wav\\a.wav", "a path on a Windows computer"),
        ("file:///data/a.wav", "an address, expected a path"),
        ("https://example.org/a.wav", "an address, expected a path"),
        ("wav/my%20voice.wav", "a path with signs spelled as in an address (%20 is a space)"),
        ("wav/none.wav", "no such audio file in "),
    ],
)
def test_paths_that_cannot_be_found_are_explained(folder, given, said):
    assert f"row 2: {said}" in refusal(write(folder, f"id,audio,label\nu1,{given},x\n"))


@pytest.mark.parametrize(
    ("value", "hint"),
    [("0,5", ", did you mean 0.5?"), ("1_000", ""), ("00:00:01", ""), ("-1", ""), ("inf", ""), ("1,000,000", "")],
)
def test_times_are_numbers_of_seconds(folder, value, hint):
    path = write(folder, f"id;audio;label;start\nu1;wav/a.wav;x;{value}\n")
    assert f"row 2: start '{value}' is not a number of seconds{hint}" in refusal(path)
    assert f"row 2: start '{value}' is not a number of seconds{hint}" in collect([], None, path).refused[0].reason


@pytest.mark.slow
def test_wide_tables_and_long_names_are_told_in_short(folder):
    wide = ",".join(f"speaker{number}" for number in range(200_000))
    message = refusal(write(folder, f"utterance,audio,label,{wide}\n\n"))
    assert message.endswith("contains no utterances")
    message = refusal(write(folder, f"utterance,{wide},{'x' * 1_000_000}\n"))
    assert len(message) < 3000
    one = f"utterance,audio,label,{','.join(f'speaker{n}' for n in range(100))}\nu1,wav/a.wav,x{',' * 100}\n"
    warnings = read_table(write(folder, one)).warnings
    assert sum("is not used, did you mean" in line for line in warnings) == 20
    assert "... and 80 more" in warnings


def test_a_long_cell_is_cut_in_a_message(folder):
    assert len(refusal(write(folder, f"id,audio,label,split\nu1,wav/a.wav,x,{'y' * 100_000}\n"))) < 1500
