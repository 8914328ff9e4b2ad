"""Columns under other names, and ids from the names of recordings: told, and never a guess."""

import json

import pytest
from recorded_tables import write

from sertool.core.errors import DataError
from sertool.core.inference.clips import collect
from sertool.core.prepare.table import read_table

NO_IDS = "there is no column 'utterance' or 'id': the ids are the names of the recordings"


def rows(path):
    return {row.id: (row.segment.path.name, row.labels, dict(row.groups), row.text) for row in read_table(path).rows}


@pytest.mark.parametrize("name", ["file", "path", "Filename", "wav", "File Name", "audio_path", "WAV-file"])
def test_a_recording_may_have_another_name(folder, name):
    path = write(folder, f"{name},label\nwav/a.wav,x\nwav/b.wav,y\n")
    table = read_table(path)
    assert {row.id: row.segment.path for row in table.rows} == {
        "a": folder / "wav/a.wav",
        "b": folder / "wav/b.wav",
    }
    assert table.warnings[:2] == (f"column {name.lower()!r} is read as 'audio'", NO_IDS)
    assert [clip.audio for clip in collect([], None, path).clips] == [folder / "wav/a.wav", folder / "wav/b.wav"]


def test_all_columns_that_people_name_otherwise(folder):
    text = (
        "path,Emotions,transcript,Speaker ID,utt_id,Partition\nwav/a.wav,x,hi,s1,u1,train\nwav/b.wav,y,ho,s2,u2,Test\n"
    )
    assert rows(write(folder, text)) == {
        "u1": ("a.wav", {"emotion": "x"}, {"speaker": "s1"}, "hi"),
        "u2": ("b.wav", {"emotion": "y"}, {"speaker": "s2"}, "ho"),
    }
    assert {row.id: row.split for row in read_table(write(folder, text)).rows} == {"u1": "train", "u2": "test"}


def test_the_usual_name_comes_first(folder):
    text = (
        "path,audio,speaker_id,speaker,id,label,class\nnone.wav,wav/a.wav,9,s1,u1,x,z\nnone.wav,wav/b.wav,9,s2,u2,y,z\n"
    )
    assert rows(write(folder, text)) == {
        "u1": ("a.wav", {"emotion": "x"}, {"speaker": "s1"}, ""),
        "u2": ("b.wav", {"emotion": "y"}, {"speaker": "s2"}, ""),
    }


def test_of_two_other_names_one_that_holds_recordings_is_read(folder):
    assert set(rows(write(folder, "path,filename,label\nwav,wav/a.wav,x\nwav,wav/b.wav,y\n"))) == {"a", "b"}
    both = write(folder, "filename,path,label\na.wav,wav/a.wav,x\nb.wav,wav/b.wav,y\n")
    assert set(rows(both)) == {"a", "b"}
    assert "column 'path' is read as 'audio'" in read_table(both).warnings


def test_a_column_that_holds_no_recordings_is_named_but_not_read(folder):
    path = write(folder, "id,file,label\nu1,page 7,x\n")
    with pytest.raises(DataError, match="missing column 'audio', did you mean 'file'"):
        read_table(path)
    # A table of texts may have such a column beside them.
    clips = collect([], None, write(folder, "file,text\npage 7,I am happy\n")).clips
    assert [(clip.audio, clip.text) for clip in clips] == [(None, "I am happy")]


def test_numbers_within_dialogues_and_sets_that_are_no_splits_are_not_read(folder):
    text = "file,label,utterance_id,subset\nwav/a.wav,x,0,blue\nwav/b.wav,y,0,red\n"
    table = read_table(write(folder, text))
    assert {row.id for row in table.rows} == {"a", "b"}
    assert {row.split for row in table.rows} == {"train"}


def test_a_row_may_not_lack_what_it_needs_under_another_name(folder):
    with pytest.raises(DataError, match="row 3: expected 2 fields"):
        read_table(write(folder, "label,path\nx,wav/a.wav\ny\n"))


def test_json_keys_have_other_names_too(folder):
    content = [{"path": "wav/a.wav", "label": "x", "speaker_id": 1, "transcript": ["odd"]}]
    path = write(folder, json.dumps(content), "t.json")
    assert rows(path) == {"a": ("a.wav", {"emotion": "x"}, {"speaker": "1"}, "")}


def test_ids_of_one_name_in_several_folders_and_of_segments(folder):
    (folder / "wav/more").mkdir()
    (folder / "wav/more/a.wav").write_bytes((folder / "wav/b.wav").read_bytes())
    text = "audio,label,start,end\nwav/a.wav,x,,\nwav\\more\\a.wav,y,,\nwav/b.wav,x,,0.2\nwav/b.wav,y,0.2,0.5\n"
    assert {row.id for row in read_table(write(folder, text)).rows} == {
        "wav/a.wav",
        "wav/more/a.wav",
        "b_0-0.2",
        "b_0.2-0.5",
    }
    twice = "audio,label\nwav/a.wav,x\nwav/a.wav,y\n"
    with pytest.raises(DataError, match="rows 2, 3: utterance appears more than once in its split: 'a'"):
        read_table(write(folder, twice))
