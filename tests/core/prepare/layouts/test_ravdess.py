"""RAVDESS: the facts in its names, the published counts, songs and videos."""

from collections import Counter

import pytest
from made_named import make_ravdess, ravdess_names

from sertool.core.errors import DataError
from sertool.core.prepare.layouts.ravdess import LAYOUT
from sertool.core.prepare.layouts.read import read_layout


def written(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"RIFF")
    return folder


def test_a_name_holds_emotion_statement_and_actor(tmp_path):
    table = read_layout(LAYOUT, make_ravdess(tmp_path / "RAVDESS"))
    row = next(row for row in table.rows if row.id == "03-01-06-01-01-01-02")
    assert row.labels == {"emotion": "fear"}
    assert row.groups == {"speaker": "02", "gender": "female"}
    assert row.text == "Kids are talking by the door."
    assert row.segment.path.is_file()
    assert table.drawn == "speaker"
    assert table.classes["emotion"][:2] == ("neutral", "calm")
    assert "1 recording not used: sound of song" in table.warnings


def test_the_published_counts(tmp_path):
    """1,440 recordings of 24 actors: 96 neutral, and 192 of each other emotion (Livingstone and Russo, 2018)."""
    rows = read_layout(LAYOUT, written(tmp_path, ravdess_names())).rows
    assert len(rows) == 1440
    assert Counter(row.labels["emotion"] for row in rows) == {
        name: 96 if name == "neutral" else 192 for name in LAYOUT.classes["emotion"]
    }
    assert Counter(row.groups["gender"] for row in rows) == {"female": 720, "male": 720}
    assert len({row.groups["speaker"] for row in rows}) == 24


def test_songs_alone_are_used(tmp_path):
    names = ravdess_names(channel="02")
    rows = read_layout(LAYOUT, written(tmp_path, [name for name in names if "Actor_18" not in name])).rows
    assert len(rows) == 1012


def test_videos_are_used_without_recordings_of_sound_and_silent_ones_never(tmp_path):
    written(tmp_path, ["Actor_01/01-01-03-01-01-01-01.mp4", "Actor_01/02-01-03-01-01-01-01.mp4"])
    table = read_layout(LAYOUT, tmp_path)
    assert [row.id for row in table.rows] == ["01-01-03-01-01-01-01"]
    assert "1 recording not used: silent video of speech" in table.warnings
    (tmp_path / "Actor_01/01-01-03-01-01-01-01.mp4").unlink()
    with pytest.raises(DataError, match="no utterances of RAVDESS"):
        read_layout(LAYOUT, tmp_path)
