"""Recordings and tables that cannot be used."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tones import RATE, predict, refusal, written

from sertool.core.errors import DataError, UsageError
from sertool.core.inference.clips import collect


def test_all_that_is_bad_is_told_before_anything_is_judged(here):
    Path("empty.wav").write_bytes(b"")
    Path("text.wav").write_text("not audio at all")
    soundfile.write("short.wav", np.zeros(10), RATE)
    nan = np.zeros(RATE, np.float32)
    nan[100] = np.nan
    soundfile.write("nan.wav", nan, RATE, subtype="FLOAT")
    bad = ["gone.wav", "empty.wav", "text.wav", "short.wav", "nan.wav"]
    said = refusal("00.wav", *bad, "--json", "p.json", "--csv", "p.csv")
    first, *lines, hint = said.splitlines()
    assert first == "error: 5 of 6 cannot be used"
    assert [line.split(":")[0].strip() for line in lines] == bad
    assert lines[0] == "  gone.wav: no such file"
    assert lines[4].startswith("  nan.wav: holds NaN or infinite samples")
    assert hint == "  try: --skip-bad skips them"
    assert not Path("p.json").exists()
    assert not Path("p.csv").exists()
    result = predict("00.wav", *bad, "--skip-bad", "--json", "p.json")
    assert result.stderr.splitlines()[-6:] == ["left out 5:", *lines]
    table = json.loads(Path("p.json").read_text())
    assert [own["id"] for own in table["predictions"]] == ["00.wav"]
    assert [item["id"] for item in table["left_out"]] == bad
    said = refusal(*bad, "--skip-bad")
    assert said.splitlines() == ["error: 5 of 5 cannot be used", *lines]
    assert refusal("gone.wav") == "error: gone.wav: no such file\n"


def test_silence_is_a_warning(here):
    soundfile.write("silent.wav", np.zeros(RATE), RATE)
    result = predict("silent.wav", "--window", "0.5")
    assert result.stderr.startswith("warning: silent.wav: it contains no sound\n")
    assert [own["silent"] for own in written("silent.wav")] == [True]


def test_a_wrong_ending_is_no_obstacle(here):
    shutil.copy("00.wav", "voice.mp3")
    assert written("voice.mp3")[0]["logits"] == written("00.wav")[0]["logits"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "t.csv: 1 problem\n  it holds no rows\n"),
        ("audio\n", "t.csv: 1 problem\n  it holds no rows\n"),
        ("file\nx\n", "t.csv: 1 problem\n  missing column 'audio' or 'text' (columns: file)\n"),
        ("audio,audio\n00.wav,00.wav\n", "t.csv: 1 problem\n  column 'audio' appears twice\n"),
        ("text,audio\nsky\n", "t.csv: 1 problem\n  row 2: expected 2 fields, as in the header\n"),
        ("audio,text\n00.wav,sky,sea\n", "t.csv: 1 problem\n  row 2: expected 2 fields, as in the header\n"),
        ('id,text,audio\na,"sky,00.wav\nb,sea",00.wav\n', "t.csv: 1 problem\n  row 2: a quote opens here"),
        ("audio\nfile:///tmp/00.wav\n", "t.csv: row 2: file:///tmp/00.wav: an address, expected a path"),
        ("audio\nC:\\voices\\00.wav\n", "t.csv: row 2: C:\\voices\\00.wav: a path on a Windows computer"),
        ("id,text\na,sky\na,sea\n", "t.csv: row 3: 'a' is the id of row 2 already\n"),
        ("audio,start\n00.wav,x\n", "t.csv: row 2: start 'x' is not a number of seconds\n"),
        ("audio,end\n00.wav,-1\n", "t.csv: row 2: end '-1' is not a number of seconds\n"),
        ("audio,end\n00.wav,inf\n", "t.csv: row 2: end 'inf' is not a number of seconds\n"),
        ("audio,start,end\n00.wav,2,1\n", "t.csv: row 2: end is not after start\n"),
        ("audio,start\n00.wav,9\n", "row 2: 00.wav: is 0.4 s long, but the segment's start is at 9 s\n"),
        ("audio,text\n,\n00.wav,sky\n", None),
        ("audio\ngone.wav\n", "row 2: gone.wav: no such file\n"),
        ("audio\n\x00.wav\n", "t.csv: a zero byte in line 2, which no text holds"),
    ],
)  # fmt: skip
def test_tables_that_are_refused(here, content, text):
    Path("t.csv").write_bytes(content.encode())
    if text is None:  # a row without anything is no row
        assert len(written("--table", "t.csv")) == 1
        return
    said = refusal("--table", "t.csv")
    assert text in said
    assert said.startswith("error: ")


def test_a_table_is_told_all_its_bad_rows_at_once(here):
    Path("t.csv").write_text("id,audio,end\na,00.wav,x\nb,gone.wav,\nc,00.wav,\n")
    assert refusal("--table", "t.csv") == (
        "error: 2 of 3 cannot be used\n  t.csv: row 2: end 'x' is not a number of seconds\n"
        "  row 3: gone.wav: no such file\n  try: --skip-bad skips them\n"
    )
    result = predict("--table", "t.csv", "--skip-bad")
    assert result.stderr.splitlines()[-3] == "left out 2:"


def test_tables_of_other_kinds(here):
    assert refusal("--table", "gone.csv") == "error: gone.csv: no such file\n"
    Path("t.ods").write_bytes(b"PK")
    assert "a table is a .csv, .tsv, .xlsx or .jsonl file" in refusal("--table", "t.ods", code=2)
    Path("t.csv").write_bytes("audio,text\n00.wav,schön\n".encode("latin-1"))
    assert refusal("--table", "t.csv").startswith("error: t.csv: not UTF-8 text")
    Path("t.jsonl").write_text('{"text": ["sky"]}\n[1]\nnonsense\n')
    assert refusal("--table", "t.jsonl") == (
        "error: t.jsonl: 3 problems\n  row 1: text is not a text or a number\n  row 2: not a JSON object\n"
        "  row 3: not valid JSON (Expecting value: line 1 column 1 (char 0))\n"
        "  try: correct the table; nothing was predicted yet\n"
    )


def test_missing_cells_of_a_table_are_empty_and_names_plain(here):
    lines = ["id,audio,text,start", "u\u200b1,00.wav,NaN,nan", "#N/A,,sky,-", "u3,00.wav,sea,0.1"]
    Path("t.csv").write_text("\n".join(lines), encoding="utf-8")
    result = predict("--table", "t.csv", "--json", "p.json")
    rows = json.loads(Path("p.json").read_text())["predictions"]
    assert [(own["id"], own["modalities"]) for own in rows] == [
        ("u1", ["audio"]),
        ("row 3", ["text"]),
        ("u3", ["text", "audio"]),
    ]
    assert result.stderr.splitlines()[:2] == [
        "note: t.csv: read 4 cells as empty, for a missing value: text 'NaN' (row 2), start 'nan' (row 2), "
        "id '#N/A' (row 3), start '-' (row 3)",
        "note: t.csv: read 1 cell in the normal form of a name: id 'u\\u200b1' as 'u1' (row 2)",
    ]
    Path("t.csv").write_text("id,audio,text\nu1,None,-\n")
    assert "row 2: has neither audio nor text" in refusal("--table", "t.csv")
    Path("t.csv").write_text("id,text\nu1,sky\nu1\u00ad,sea\n", encoding="utf-8")
    assert "row 3: 'u1' is the id of row 2 already" in refusal("--table", "t.csv")


def test_half_a_character_is_spelled_out(here):
    Path("t.jsonl").write_text('{"id": "a\\ud800b\\u001b[31m", "text": "sky \\ud800"}\n{"audio": "\\ud800.wav"}\n')
    rows = written("--table", "t.jsonl", "--skip-bad")
    assert [own["id"] for own in rows] == ["a\\ud800b\\x1b[31m"]
    assert json.loads(Path("p.json").read_text())["left_out"] == [
        {"id": "\\ud800.wav", "reason": "row 2: \\ud800.wav: no such file"}
    ]


@given(st.binary(max_size=80) | st.text("audio,text;\n\"'.wav0\t{}:[]", max_size=60).map(str.encode))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_table_is_read_or_refused(tmp_path, content):
    for ending in ("csv", "jsonl"):
        path = tmp_path / f"t.{ending}"
        path.write_bytes(content)
        try:
            inputs = collect([], None, path)
        except (DataError, UsageError):
            continue
        assert inputs.clips or inputs.refused
        json.dumps([clip.name + clip.text for clip in inputs.clips], ensure_ascii=False).encode()
