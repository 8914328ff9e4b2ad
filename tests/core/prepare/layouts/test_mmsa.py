"""MMSA's pickles: texts, frames without padding, scores and splits; and pickles that are none of MMSA's."""

import pickle
import re
import shutil
import subprocess
import sys
from collections import Counter
from contextlib import suppress

import pytest

pytest.importorskip("h5py")  # the maker of MOSI's folders needs it
import numpy as np
import pandas
from commands_run import run
from made_cmu import make_sequences, videos_of
from made_mmsa import FRAMES, mmsa_split, write_clips, write_mmsa
from peak_memory import PEAK
from trained_recipes import prepare_for, train_small

from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.errors import DataError
from sertool.core.prepare.layouts.read import read_layout, recognised
from sertool.core.prepare.layouts.registry import LAYOUTS

MOSI, MOSEI = LAYOUTS["mosi"], LAYOUTS["mosei"]


@pytest.mark.parametrize(("name", "found"), [("MOSI", MOSI), ("CMU-MOSEI", MOSEI), ("mosi_raw", MOSI), ("data", None)])
def test_a_pickle_is_recognised_in_a_folder_with_the_name_of_the_corpus(name, found, tmp_path):
    write_mmsa(tmp_path / name / "Processed", "MOSI")
    assert recognised(tmp_path / name) is found
    assert recognised(tmp_path / name / "Processed") is found


@pytest.mark.parametrize("name", ["aligned_50.pkl", "unaligned_50.pkl"])
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_utterances_have_texts_scores_splits_and_frames_without_padding(name, protocol, tmp_path):
    folder = write_mmsa(tmp_path / "MOSI", "MOSI", name, protocol)
    table = read_layout(MOSI, folder)
    row = table.rows[0]
    video = videos_of("MOSI")[0]
    assert (row.id, row.text, row.groups) == (f"{video}_1", "it was fun number 0", {"video": video})
    assert row.labels == {"sentiment": -2.4}
    assert Counter(row.split for row in table.rows) == {"train": 8, "valid": 8, "test": 8}
    frames = mmsa_split([video], aligned=False)
    assert [len(row.frames) for row in table.rows[:4]] == frames["audio_lengths"][:4]
    assert (row.frames.dtype, row.frames[1, 2]) == (np.float32, 0)  # the file has minus infinity there
    assert not any("column 'audio'" in warning for warning in table.warnings)


def test_the_aligned_file_is_read_before_the_other(tmp_path):
    folder = write_mmsa(tmp_path / "MOSI", "MOSI", "unaligned_50.pkl")
    write_mmsa(folder, "MOSI", raw_text=["aligned"] * 8)
    table = read_layout(MOSI, folder)
    assert table.rows[0].text == "aligned"
    assert "aligned_50.pkl is read; for unaligned_50.pkl, give a folder without aligned_50.pkl" in table.warnings
    make_sequences(folder, "MOSI")
    assert any("not read: CMU_MOSI_Opinion_Labels.csd is there" in note for note in read_layout(MOSI, folder).warnings)


def test_clips_and_their_table_are_read_before_a_pickle(tmp_path):
    folder = write_clips(write_mmsa(tmp_path / "MOSI", "MOSI"), "MOSI")
    assert recognised(folder) is MOSI
    table = read_layout(MOSI, folder)
    video = videos_of("MOSI")[0]
    row = table.rows[0]
    assert (row.id, row.text, row.labels) == (f"{video}_1", "It was fun, number 1", {"sentiment": 0})
    assert row.segment.path == folder / "Raw" / video / "1.wav"
    assert Counter(row.split for row in table.rows) == {"train": 8, "valid": 8, "test": 8}
    assert "label.csv is read; for aligned_50.pkl, give a folder without label.csv" in table.warnings
    row.segment.path.unlink()
    with pytest.raises(DataError, match=rf"no recording \(1\): {re.escape(row.id)}"):
        read_layout(MOSI, folder)
    shutil.rmtree(folder / "Raw")
    assert read_layout(MOSI, folder).rows[0].frames is not None
    (folder / "aligned_50.pkl").unlink()
    assert "a corpus of texts" in read_layout(MOSI, folder).warnings[0]


def test_a_table_of_labels_with_other_values_is_refused(tmp_path):
    path = write_clips(tmp_path / "MOSI", "MOSI") / "label.csv"
    text = path.read_text()
    path.write_text(text.replace(",train", ",dev", 1).replace(",3.0,", ",many,", 1))
    with pytest.raises(DataError) as caught:
        read_layout(MOSI, path.parent)
    assert "modes that are none of train, valid and test (1): label.csv row 2: 'dev'" in str(caught.value)
    assert "scores that are none from -3 to 3 (1)" in str(caught.value)


def test_objects_of_other_packages_are_refused_by_name(tmp_path):
    folder = write_mmsa(tmp_path / "MOSI", "MOSI", annotations=pandas.Series(["a"]))
    with pytest.raises(DataError, match=r"names pandas\..*, which is not allowed in a data file"):
        read_layout(MOSI, folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"raw_text": ["a"]}, "train has 8 arrays of audio, and not as many texts"),
        ({"audio": np.zeros((8, 3))}, r"audio of train is no array of shape \(N, T, D\)"),
        ({"regression_labels": [9.0] * 8}, r"scores that are none from -3 to 3 \(8\)"),
        ({"id": ["a"] * 8}, r"ids that are not video\$_\$clip \(8\): a"),
        ({"id": ["a$_$1"] * 8}, r"utterances that are there twice \(1\): a_1"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read_layout(MOSI, write_mmsa(tmp_path / "MOSI", "MOSI", **changes))


OF_ANY_KIND = (
    *(None, 7, "abc", [1, 2], ["x"] * 8, [None] * 8, [float("nan")] * 8, [-3, 99, 1.5, 2, 3, 4, 5, 6], [["l"], {}] * 4),
    *(np.array(3), np.zeros(8), np.zeros((8, 1)), np.zeros((8, 3, FRAMES)), np.full((8, 3, FRAMES), "a")),
    *(np.full((8, FRAMES, 5), 1e300), np.full((8, FRAMES, 5), np.inf), np.zeros((8, 0, 5)), np.zeros((8, FRAMES, 7))),
)


@pytest.mark.parametrize("part", ["raw_text", "audio", "id", "regression_labels", "text_bert", "audio_lengths"])
def test_parts_of_any_kind_are_read_or_refused(part, tmp_path):
    for content in OF_ANY_KIND:
        folder = write_mmsa(tmp_path / "MOSI", "MOSI", **{part: content})
        with suppress(DataError):
            table = read_layout(MOSI, folder)
            assert {row.frames.shape[1] for row in table.rows} == {5}
            assert all(np.isfinite(row.frames).all() and len(row.frames) for row in table.rows)


def test_files_of_others_are_refused(tmp_path):
    folder = write_mmsa(tmp_path / "data", "MOSI")
    with pytest.raises(DataError, match="no video of MOSEI's official splits"):
        read_layout(MOSEI, folder)
    path = folder / "aligned_50.pkl"
    path.write_bytes(pickle.dumps({"dev": 1}))
    with pytest.raises(DataError, match="not one of MMSA's pickles, expected train, valid, test; it holds dev"):
        read_layout(MOSI, folder)
    path.write_bytes(pickle.dumps({"train": {"id": []}}))
    with pytest.raises(DataError, match=r"the split train lacks parts \(1\): raw_text, audio, regression_labels"):
        read_layout(MOSI, folder)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="ends too early"):
        read_layout(MOSI, folder)


def test_what_is_not_used_takes_no_memory(tmp_path):
    folder = write_mmsa(tmp_path / "MOSI", "MOSI", vision=np.ones((8, FRAMES, 3 * 10**4), np.float32))
    script = PEAK + (
        "import sys\n"
        "from sertool.core.prepare.layouts.registry import LAYOUTS\n"
        "from sertool.core.prepare.layouts.read import read_layout\n"
        "before = peak()\n"
        "table = read_layout(LAYOUTS['mosi'], Path(sys.argv[1]))\n"
        "print(len(table.rows), peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=True)
    rows, grown = map(int, done.stdout.split())
    assert rows == 24
    assert grown < 20_000  # kilobytes; the array has 48 megabytes


def test_the_papers_recipe_trains_on_the_frames_of_the_pickle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare_for("mosi", write_mmsa(tmp_path / "MOSI", "MOSI"), "MOSI")
    corpus = read_corpus(tmp_path / "data/MOSI")
    assert (corpus.counts(), corpus.audio.width, corpus.frontend) == ({"train": 16, "test": 8}, 5, None)
    for recipe in ("mosi", "mosi-7-honest"):
        train_small(recipe)
    assert "expected 80" not in run("doctor", "--recipe", "mosi").output  # values of a frame
