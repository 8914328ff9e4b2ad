"""MOSI and MOSEI from the sequences of the SDK: keys, labels, words, recordings and official splits."""

import re
import shutil
from collections import Counter

import pytest

pytest.importorskip("h5py")
import numpy as np
from made_cmu import SECONDS, add_clips, add_recordings, make_sequences, videos_of
from made_csd import words, write_csd
from trained_recipes import prepare_for, train_small

from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.errors import DataError
from sertool.core.prepare.layouts.cmu import folds
from sertool.core.prepare.layouts.read import read_layout, recognised
from sertool.core.prepare.layouts.registry import LAYOUTS

MOSI, MOSEI = LAYOUTS["mosi"], LAYOUTS["mosei"]


@pytest.fixture
def mosi(tmp_path):
    return make_sequences(tmp_path / "CMU_MOSI", "MOSI")


@pytest.fixture
def mosei(tmp_path):
    return make_sequences(tmp_path / "CMU_MOSEI", "MOSEI")


def test_the_official_splits_have_the_published_numbers_of_videos():
    assert Counter(folds("MOSI").values()) == {"train": 52, "valid": 10, "test": 31}
    assert Counter(folds("MOSEI").values()) == {"train": 2249, "valid": 300, "test": 678}


def test_each_is_recognised_by_its_labels_also_a_folder_below(mosi, mosei, tmp_path):
    assert recognised(mosi) is MOSI
    assert recognised(mosei) is MOSEI
    assert recognised(tmp_path) is None  # it may be either
    shutil.rmtree(mosei)
    assert recognised(tmp_path) is MOSI


def test_utterances_have_the_keys_of_the_sdk_scores_words_and_splits(mosi):
    table = read_layout(MOSI, mosi)
    row, second = table.rows[:2]
    video = videos_of("MOSI")[0]
    assert (row.id, second.id, row.groups) == (f"{video}[0]", f"{video}[1]", {"video": video})
    assert row.labels == {"sentiment": -2.4}
    assert row.text == "it was fun"
    assert Counter(row.split for row in table.rows) == {"train": 8, "valid": 8, "test": 8}
    assert table.drawn == ""
    assert any("87 videos of the official splits without labels" in note for note in table.warnings)


def test_emotions_are_those_above_zero_in_the_usual_order(mosei):
    table = read_layout(MOSEI, mosei)
    assert table.classes["emotion"] == ("happy", "sad", "angry", "fear", "disgust", "surprise")
    assert [row.labels["emotion"] for row in table.rows[:4]] == [
        ("sad",),
        (),
        ("happy", "surprise"),
        ("happy", "fear"),
    ]
    assert table.rows[4].labels["sentiment"] == 0


def test_whole_recordings_are_cut_at_the_times(mosei):
    add_recordings(mosei, "MOSEI")
    rows = read_layout(MOSEI, mosei).rows
    assert {row.segment.path.parent.name for row in rows} == {"WAV_16000"}
    assert (rows[1].segment.start, rows[1].segment.end) == (SECONDS, 2 * SECONDS)


@pytest.mark.parametrize("name", ["mosi", "mosei"])
def test_clips_are_found_by_their_times_not_their_place(name, tmp_path):
    title = name.upper()
    folder = make_sequences(tmp_path / title, title)
    add_clips(folder, title)
    row = read_layout(LAYOUTS[name], folder).rows[0]
    assert row.segment.path.name == f"{videos_of(title)[0]}_4.wav"
    assert row.segment.start is None


def test_transcripts_serve_where_the_words_are_missing(mosei):
    add_clips(mosei, "MOSEI")
    (mosei / "CMU_MOSEI_TimestampedWords.csd").unlink()
    table = read_layout(MOSEI, mosei)
    assert table.rows[0].text == "It was fun, clip 4."
    assert any("the texts are those of the transcripts" in note for note in table.warnings)


def test_clips_without_their_times_are_refused(mosi):
    add_clips(mosi, "MOSI")
    (mosi / "Raw/Labels/OpinionLevelSentiment.csv").unlink()
    with pytest.raises(DataError, match=r"recordings of clips, but no OpinionLevelSentiment\.csv"):
        read_layout(MOSI, mosi)


def test_recordings_that_lack_or_hold_nothing_are_told_at_once(mosi):
    add_recordings(mosi, "MOSI")
    first, second = (mosi / f"Raw/Audio/Full/WAV_16000/{video}.wav" for video in videos_of("MOSI")[:2])
    first.unlink()
    second.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        read_layout(MOSI, mosi)
    assert re.search(r"no recording \(4\): .*\n.*recordings of zero bytes \(4\)", str(caught.value))
    table = read_layout(MOSI, mosi, skip_bad=True)
    assert (len(table.rows), len(table.left_out)) == (16, 8)


def test_labels_out_of_range_and_videos_of_no_split_are_left_out(mosi):
    good = ([[0, 1]], [[1.0]])
    videos = {videos_of("MOSI")[0]: good, "unknown": good, videos_of("MOSI")[1]: ([[0, 1], [2, 1]], [[4.0], [1.0]])}
    write_csd(mosi / "CMU_MOSI_Opinion_Labels.csd", "Opinion Segment Labels", videos)
    with pytest.raises(DataError, match=r"labels or times out of range \(2\)"):
        read_layout(MOSI, mosi)
    table = read_layout(MOSI, mosi, skip_bad=True)
    assert [row.id for row in table.rows] == [f"{videos_of('MOSI')[0]}[0]"]
    assert ("unknown[0]", "its video is in no official split") in {(one.id, one.reason) for one in table.left_out}


def test_another_corpus_and_another_form_are_refused(mosi):
    path = mosi / "CMU_MOSI_Opinion_Labels.csd"
    write_csd(path, "Opinion Segment Labels", {"unknown": ([[0, 1]], [[1.0]])})
    with pytest.raises(DataError, match="is it of another corpus"):
        read_layout(MOSI, mosi)
    write_csd(path, "x", {videos_of("MOSI")[0]: ([[0, 1]], np.zeros((1, 3)))})
    with pytest.raises(DataError, match="labels have another form"):
        read_layout(MOSI, mosi)
    with pytest.raises(DataError, match="holds MOSI, not MOSEI"):
        read_layout(MOSEI, mosi)


def test_words_that_are_numbers_are_refused(mosi):
    write_csd(mosi / "CMU_MOSI_TimestampedWords.csd", "words", {videos_of("MOSI")[0]: ([[0, 1]], [[1.0]])})
    with pytest.raises(DataError, match=r"CMU_MOSI_TimestampedWords\.csd: holds numbers, expected words"):
        read_layout(MOSI, mosi)


def test_words_with_odd_times_are_in_no_utterance(mosi):
    timed = words((float("nan"), 0.2, "no"), (float("-inf"), float("inf"), "no"), (0.4, 0.5, "yes"))
    write_csd(mosi / "CMU_MOSI_TimestampedWords.csd", "words", {videos_of("MOSI")[0]: timed})
    assert [row.text for row in read_layout(MOSI, mosi).rows[:2]] == ["yes", ""]


def test_the_papers_recipes_train_on_the_prepared_corpora(mosi, mosei, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    add_recordings(mosi, "MOSI")
    prepare_for("mosi", mosi, "MOSI")
    corpus = read_corpus(tmp_path / "data/MOSI")
    assert (corpus.counts(), corpus.audio.width) == ({"train": 16, "test": 8}, 80)
    add_recordings(mosei, "MOSEI")
    prepare_for("mosei-2", mosei, "MOSEI")
    for recipe in ("mosi", "mosei-7", "mosei-emotion-honest"):
        train_small(recipe)
