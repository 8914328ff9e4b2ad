"""The layout msp-podcast on generated releases: labels, votes, splits, and what may be wrong with a folder."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from made_msp_podcast import DETAILS, make_msp_podcast

from sertool.core.errors import DataError
from sertool.core.prepare.layouts import msp_podcast
from sertool.core.prepare.layouts.read import read_layout, recognised
from sertool.core.prepare.rows import Row, Table


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_msp_podcast(tmp_path_factory.mktemp("made"))


@pytest.fixture
def release(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(made, tmp_path / made.name))


def read(folder: Path, *, skip_bad: bool = False) -> Table:
    return read_layout(msp_podcast.LAYOUT, folder, skip_bad=skip_bad)


def row_of(table: Table, id_: str) -> Row:
    return next(row for row in table.rows if row.id == id_)


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_rows_of_a_small_release(made):
    assert recognised(made) is msp_podcast.LAYOUT
    table = read(made)
    assert Counter(row.split for row in table.rows) == {"train": 30, "valid": 10, "test": 10, "private": 12}
    row = row_of(table, "MSP-PODCAST_0002_0004")
    assert row.text == "I say angry things."
    assert row.labels == {
        **dict.fromkeys(("emotion", "emotion-4", "emotion-all"), "angry"),
        **{"arousal": 3.0, "valence": 4.0, "dominance": 3.6},
    }
    assert row.groups == {"speaker": "12", "session": "MSP-PODCAST_0002", "gender": "male"}
    assert row.segment is not None
    assert row.segment.path == made / "Audios/MSP-PODCAST_0002_0004.wav"
    assert table.ranges == dict.fromkeys(("valence", "arousal", "dominance"), (1.0, 7.0))
    assert table.classes["emotion"] == ("neutral", "happy", "sad", "angry", "surprise", "fear", "disgust", "contempt")


@pytest.mark.parametrize("form", DETAILS)
def test_the_votes_of_both_forms(form, tmp_path):
    row = row_of(read(make_msp_podcast(tmp_path, form)), "MSP-PODCAST_0005_0009")
    workers = [f"WORKER0000000{number}" for number in (1, 2, 3)]
    votes = dict(zip(workers, ("other", "other", "neutral"), strict=True))
    assert row.ratings == {
        **dict.fromkeys(("emotion", "emotion-4", "emotion-all"), votes),
        "valence": dict(zip(workers, (1.0, 2.0, 3.0), strict=True)),
        "arousal": dict.fromkeys(workers, 2.0),
        "dominance": dict.fromkeys(workers, 4.0),
    }
    assert "emotion" not in row.labels
    assert row.labels["emotion-all"] == "other"


def test_without_agreement_there_are_scores_and_no_class(made):
    assert set(row_of(read(made), "MSP-PODCAST_0001_0010").labels) == {"valence", "arousal", "dominance"}


def test_test2_and_test3_are_private_without_labels(made):
    table = read(made)
    private = [row for row in table.rows if row.split == "private"]
    assert {row.id.split("_")[1] for row in private} == {"0006", "test3"}
    assert not any(row.labels or row.ratings for row in private)
    assert "12 recordings of Test2 and Test3 are the split private, without labels" in table.warnings


def test_an_unknown_speaker_is_none(made):
    table = read(made)
    assert row_of(table, "MSP-PODCAST_0003_0001").groups == {"session": "MSP-PODCAST_0003"}
    assert any("speaker is empty" in warning for warning in table.warnings)


def test_problems_are_named_at_once(release):
    labels = release / "Labels" / "labels_consensus.csv"
    replaced(labels, "0001_0001.wav,N,1.5", "0001_0001.wav,Q,high")
    replaced(labels, "Development\n", "Dev set\n")
    replaced(labels, "MSP-PODCAST_0001_0005.wav", "")
    (release / "Audios/MSP-PODCAST_0001_0002.wav").write_bytes(b"")
    (release / "Audios/MSP-PODCAST_0001_0003.wav").unlink()
    with pytest.raises(DataError) as caught:
        read(release)
    message = str(caught.value)
    assert "classes that MSP-Podcast does not have (1): Q (labels_consensus.csv row 2)" in message
    assert "scores that are no number (1): EmoAct 'high' (labels_consensus.csv row 2)" in message
    assert "splits that MSP-Podcast does not have (1): Dev set (labels_consensus.csv row 32)" in message
    assert "rows without a FileName (1): labels_consensus.csv row 6" in message
    assert "recordings of zero bytes (1): MSP-PODCAST_0001_0002" in message
    assert "no recording (1): MSP-PODCAST_0001_0003" in message


def test_missing_recordings_can_be_left_out(release):
    (release / "Audios/MSP-PODCAST_0001_0003.wav").unlink()
    table = read(release, skip_bad=True)
    assert [item.id for item in table.left_out] == ["MSP-PODCAST_0001_0003"]
    assert len(table.rows) == 61


def test_archives_that_are_not_unpacked_are_named(release):
    shutil.rmtree(release / "Audios")
    shutil.rmtree(release / "Transcripts")
    (release / "Audios.tar.gz").touch()
    (release / "Transcripts.zip").touch()
    with pytest.raises(DataError, match=r"archives that are not unpacked yet \(2\): Audios.tar.gz, Transcripts.zip"):
        read(release)


def test_labels_and_transcripts_alone_are_a_corpus_of_texts(release):
    shutil.rmtree(release / "Audios")
    table = read(release)
    assert len(table.rows) == 60  # not Test3, of which there is nothing but recordings
    assert all(row.segment is None and row.text for row in table.rows)


def test_the_older_name_of_the_table_and_no_votes(release):
    labels = release / "Labels"
    (labels / "labels_consensus.csv").rename(labels / "labels_concensus.csv")
    (labels / "labels_detailed.csv").unlink()
    table = read(release)
    assert recognised(release) is msp_podcast.LAYOUT
    assert not any(row.ratings for row in table.rows)
    assert "no Labels/labels_detailed.csv: what each worker said is unknown" in table.warnings


def test_what_is_odd_is_noted(release):
    labels = release / "Labels"
    replaced(labels / "labels_consensus.csv", "0001_0001.wav,N,1.5", "0001_0001.wav,N,0.5")
    replaced(labels / "labels_consensus.csv", "0001_0002.wav,H,2.0,4.0", "0001_0002.wav,H,2.0,")
    replaced(labels / "labels_detailed.csv", "WORKER00000001; Neutral;", "")
    with (labels / "labels_detailed.csv").open("a") as file:
        file.write("MSP-PODCAST_0001_0001.wav\n")
    shutil.copy(release / "Audios/MSP-PODCAST_0001_0001.wav", release / "Audios/MSP-PODCAST_9999_0001.wav")
    table = read(release)
    assert "arousal" not in row_of(table, "MSP-PODCAST_0001_0001").labels
    assert "valence" not in row_of(table, "MSP-PODCAST_0001_0002").labels
    assert "scores that are not from 1 to 7, left out (1): arousal 0.5 (MSP-PODCAST_0001_0001)" in table.warnings
    assert "2 votes of labels_detailed.csv cannot be read: row 2, row 182" in table.warnings
    assert "recordings without a label (1): MSP-PODCAST_9999_0001" in table.warnings


def test_a_table_without_the_columns_is_refused(release):
    (release / "Labels" / "labels_consensus.csv").write_text("file,label\na.wav,happy\n")
    with pytest.raises(DataError, match="lacks the columns FileName, EmoClass"):
        read(release)


def test_a_folder_of_something_else_is_refused(tmp_path):
    assert recognised(tmp_path) is None
    with pytest.raises(DataError, match=r"no utterances of MSP-Podcast, expected Labels/labels_consensus.csv"):
        read(tmp_path)
