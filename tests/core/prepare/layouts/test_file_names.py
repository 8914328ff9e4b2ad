"""Recordings whose names hold the facts: found, noted, and told when they are empty."""

import pytest
from made_named import (
    make_crema_d,
    make_emodb,
    make_emov_db,
    make_esd,
    make_nemo,
    make_ravdess,
    make_savee,
    make_tess,
    write_recordings,
)

from sertool.core.errors import DataError
from sertool.core.prepare.layouts.read import read_layout, recognised
from sertool.core.prepare.layouts.registry import LAYOUTS

MAKERS = {
    "crema-d": make_crema_d,
    "emodb": make_emodb,
    "emov-db": make_emov_db,
    "esd": make_esd,
    "nemo": make_nemo,
    "ravdess": make_ravdess,
    "savee": make_savee,
    "tess": make_tess,
}
RAVDESS = LAYOUTS["ravdess"]


def read(folder, name="ravdess", **settings):
    return read_layout(LAYOUTS[name], folder, **settings)


@pytest.fixture
def folder(tmp_path):
    return make_ravdess(tmp_path / "RAVDESS")


@pytest.mark.parametrize("name", MAKERS)
def test_each_folder_is_recognised_as_itself_alone(name, tmp_path):
    folder = MAKERS[name](tmp_path / "corpus")
    assert recognised(folder) is LAYOUTS[name]
    assert [layout.name for layout in LAYOUTS.values() if layout.is_there(folder)] == [name]
    assert recognised(tmp_path) is LAYOUTS[name]


def test_a_folder_of_two_corpora_or_of_none_is_not_recognised(folder, tmp_path):
    make_emodb(tmp_path / "EMO-DB")
    assert recognised(tmp_path) is None
    assert recognised(write_recordings(tmp_path / "own", ["happy/u1.wav", "sad/u2.wav"])) is None
    (tmp_path / "empty").mkdir()
    assert recognised(tmp_path / "empty") is None


def test_a_folder_that_its_user_divided_is_read_as_divided(tmp_path):
    for name in ("train", "test"):
        make_ravdess(tmp_path / "own" / name)
    assert recognised(tmp_path / "own") is None


def test_a_stray_recording_among_many_is_noted(folder):
    write_recordings(folder, ["silence.wav"])
    assert recognised(folder) is RAVDESS
    assert "1 recording not named as in RAVDESS, not used: silence.wav" in read(folder).warnings
    write_recordings(folder, [f"own/{number}.wav" for number in range(9)])
    assert recognised(folder) is None


def test_a_recording_that_is_there_twice_is_used_once(folder):
    assert any("15 recordings there twice, used once: audio_speech" in note for note in read(folder).warnings)
    write_recordings(folder, ["copy/03-01-01-01-01-01-01.wav"], seconds=0.5)
    with pytest.raises(DataError, match=r"that differ; keep one of each \(1\): Actor_01/03\S+ and copy/03\S+\.wav"):
        read(folder)


def test_a_compressed_copy_gives_way_to_the_wav(folder):
    write_recordings(folder, ["flac/03-01-01-01-01-01-01.flac"])
    rows = {row.id: row for row in read(folder).rows}
    assert rows["03-01-01-01-01-01-01"].segment.path.suffix == ".wav"


def test_empty_recordings_and_pointers_are_refused_and_left_out_on_demand(folder):
    names = [f"Actor_02/03-01-{emotion}-01-01-01-02.wav" for emotion in ("01", "02", "03")]
    (folder / names[0]).write_bytes(b"")
    (folder / names[1]).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    (folder / names[2]).unlink()
    (folder / names[2]).symlink_to("annex/of/git")
    with pytest.raises(DataError) as caught:
        read(folder)
    assert "recordings of zero bytes (1): 03-01-01-01-01-01-02" in str(caught.value)
    assert "Git LFS pointers in the place of recordings ('git lfs pull' gets them) (1): 03-01-02" in str(caught.value)
    assert "links that lead to no recording (1): 03-01-03-01-01-01-02" in str(caught.value)
    assert "--skip-bad" in caught.value.hint
    assert {one.id for one in read(folder, skip_bad=True).left_out} == {name[9:-4] for name in names}


def test_files_of_the_system_are_passed_over(folder):
    (folder / "Actor_01" / "._03-01-01-01-01-01-01.wav").write_bytes(b"\0\5\x16\7")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "03-01-01-01-01-01-01.wav").write_bytes(b"x")
    assert len(read(folder).rows) == 3 * 15


def test_links_that_lead_in_a_circle_end(folder):
    (folder / "Actor_01" / "again").symlink_to(folder, target_is_directory=True)
    assert recognised(folder) is RAVDESS


def test_another_corpus_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds EMO-DB, not RAVDESS, which has names like Actor_12/03-01"):
        read(make_emodb(tmp_path / "EMO-DB"))


def test_a_folder_that_holds_more_is_read_on_demand(folder):
    write_recordings(folder, [f"own/{number}.wav" for number in range(9)])
    table = read(folder)
    assert len(table.rows) == 3 * 15
    assert any(note.startswith("9 recordings not named as in RAVDESS, not used: own/0.wav") for note in table.warnings)
