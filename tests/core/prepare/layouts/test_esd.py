"""ESD: its names, the authors' splits where they are folders, and its texts in many encodings."""

from collections import Counter
from pathlib import Path

import pytest
from made_named import ESD, make_esd

from sertool.core.prepare.layouts.esd import LAYOUT
from sertool.core.prepare.layouts.read import read_layout


def test_names_hold_speaker_and_emotion(tmp_path):
    table = read_layout(LAYOUT, make_esd(tmp_path / "ESD"))
    assert table.drawn == "speaker"
    assert Counter(row.labels["emotion"] for row in table.rows) == {name.lower(): 5 * 3 for name in ESD}
    row = next(row for row in table.rows if row.id == "0011_000351")
    assert row.labels == {"emotion": "angry"}
    assert row.groups == {"speaker": "0011", "gender": "male"}


def test_folders_of_parts_are_the_official_splits(tmp_path):
    table = read_layout(LAYOUT, make_esd(tmp_path / "ESD", parts=True))
    assert Counter(row.split for row in table.rows) == {"train": 25, "valid": 25, "test": 25}
    assert any(note.startswith("speakers in both train and test: 0001") for note in table.warnings)


@pytest.mark.parametrize(
    ("speaker", "text"),
    [
        ("0001", "你好，世界。"),  # GB 2312
        ("0003", "你好，世界。"),  # UTF-16
        ("0011", "He is happy"),  # UTF-8, with spaces in the place of tabulators
        ("0016", "‘Well,’ he is happy"),  # Windows-1252
        ("0017", "‘Well,’ he is happy"),  # English in GB 2312
    ],
)
def test_texts_of_any_encoding(speaker, text, tmp_path):
    table = read_layout(LAYOUT, make_esd(tmp_path / "ESD"))
    texts = {row.text for row in table.rows if row.groups["speaker"] == speaker}
    assert texts == {text, ""}  # one line is missing


def test_missing_texts_are_noted(tmp_path):
    folder = make_esd(tmp_path / "ESD")
    (folder / "0003" / "0003.txt").unlink()
    notes = read_layout(LAYOUT, folder).warnings
    assert "speakers without a file of texts: 0003" in notes
    assert any(note.startswith("4 recordings without a text in its speaker's file: 0001_001403") for note in notes)


def test_the_folder_of_one_speaker_is_enough(tmp_path, monkeypatch):
    monkeypatch.chdir(make_esd(tmp_path / "ESD") / "0011")
    table = read_layout(LAYOUT, Path())
    assert {row.groups["speaker"] for row in table.rows} == {"0011"}
    assert {row.text for row in table.rows} == {"He is happy", ""}
