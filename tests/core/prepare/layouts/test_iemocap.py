"""The layout iemocap on generated releases: labels, votes, texts, groups, and what may be wrong with a folder."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from made_iemocap import MAC, PUBLISHED, TINY, make_iemocap

from sertool.core.errors import DataError, UsageError
from sertool.core.prepare.layouts import iemocap
from sertool.core.prepare.layouts.read import read_layout, recognised
from sertool.core.prepare.rows import Table

FOUR = ("neutral", "happy", "sad", "angry")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_iemocap(tmp_path_factory.mktemp("made"))


@pytest.fixture
def release(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(made, tmp_path / made.name))


def read(folder: Path, **settings: object) -> Table:
    return read_layout(iemocap.LAYOUT, folder, **{"reader": "iemocap", **settings})


def refusal(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(folder)
    return str(caught.value)


def labels_file(release: Path, dialogue: str = "Ses01F_impro01") -> Path:
    return release / f"Session{dialogue[4]}" / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_release_is_recognised_also_in_the_folder_it_was_unpacked_in(made):
    assert recognised(made) is iemocap.LAYOUT
    assert recognised(made.parent) is iemocap.LAYOUT
    assert len(read(made.parent).rows) == len(read(made).rows) == 5 * sum(TINY[0].values())


def test_the_rows_of_a_small_release(made):
    table = read(made)
    assert not table.warnings
    assert not table.left_out
    assert Counter(row.split for row in table.rows) == {"test": 14, "train": 56}
    assert {row.groups["session"] for row in table.rows if row.split == "test"} == {"Ses01"}
    row = next(row for row in table.rows if row.id == "Ses05M_script01_1b_F000")
    assert row.text == "Open it, open it! [LAUGHTER]"
    assert row.labels == {
        **{"emotion": "happy", "emotion-6": "excited", "emotion-all": "excited"},
        **{"valence": 2.0, "arousal": 2.5, "dominance": 3.0},
    }
    assert row.groups == {
        **{"speaker": "Ses05F", "session": "Ses05", "dialogue": "Ses05M_script01_1b", "gender": "female"}
    }
    assert row.segment is not None
    assert row.segment.path == made / "Session5/sentences/wav/Ses05M_script01_1b/Ses05M_script01_1b_F000.wav"
    assert row.ratings == {
        "emotion-all": {"E2": "excited", "E3": "excited", "E4": ("sad", "excited"), "F5": "excited"},
        "emotion-6": {"E2": "excited", "E3": "excited", "E4": ("sad", "excited"), "F5": "excited"},
        "emotion": {"E2": "happy", "E3": "happy", "E4": ("sad", "happy"), "F5": "happy"},
        "valence": {"E3": 1.0, "E4": 3.0, "F5": 3.0},
        "arousal": {"E3": 2.0, "E4": 3.0, "F5": 2.0},
        "dominance": {"E3": 3.0, "F5": 3.0},
    }
    assert table.classes["emotion"] == FOUR
    assert table.ranges == dict.fromkeys(("valence", "arousal", "dominance"), (1.0, 5.0))


def test_without_agreement_there_are_scores_and_no_class(made):
    row = next(row for row in read(made).rows if row.text.startswith("Well,"))
    assert set(row.labels) == {"valence", "arousal", "dominance"}


def test_a_class_beyond_the_four_is_a_label_of_the_other_tasks_only(made):
    rows = read(made).rows
    surprise = [row.labels for row in rows if row.labels.get("emotion-all") == "surprise"]
    frustrated = [row.labels for row in rows if row.labels.get("emotion-6") == "frustrated"]
    assert len(surprise) == len(frustrated) == 5
    assert not any({"emotion", "emotion-6"} & labels.keys() for labels in surprise)
    assert not any("emotion" in labels for labels in frustrated)


def test_for_another_recipe_validation_is_drawn_from_training_by_speaker(made):
    table = read(made, reader="corpus")
    speakers = {
        split: {row.groups["speaker"] for row in table.rows if row.split == split} for split in ("train", "valid")
    }
    assert table.drawn == "speaker"
    assert {row.groups["session"] for row in table.rows if row.split == "test"} == {"Ses01"}
    assert speakers["valid"]
    assert not speakers["train"] & speakers["valid"]
    with pytest.raises(UsageError, match="holds IEMOCAP, and the recipe is for MELD"):
        read(made, reader="meld")


def test_missing_sessions_and_recordings_are_named_at_once(release):
    shutil.rmtree(release / "Session3")
    shutil.rmtree(release / "Session4/sentences")
    shutil.rmtree(release / "Session5/dialog/EmoEvaluation")
    wav = release / "Session2/sentences/wav/Ses02F_impro01"
    (wav / "Ses02F_impro01_F000.wav").unlink()
    (wav / "Ses02F_impro01_M000.wav").write_bytes(b"")
    message = refusal(release)
    assert f"{release}: 5 problems" in message
    assert "the session is missing (1): Session3" in message
    assert "no recordings (sentences/wav) (1): Session4" in message
    assert "no labels (dialog/EmoEvaluation) (1): Session5" in message
    assert "no recording (1): Ses02F_impro01_F000" in message
    assert "recordings of zero bytes (1): Ses02F_impro01_M000" in message
    table = read(release, skip_bad=True)
    assert {row.groups["session"] for row in table.rows} == {"Ses01", "Ses02"}
    assert {item.id for item in table.left_out} == {"Ses02F_impro01_F000", "Ses02F_impro01_M000"}
    assert "left out: the session is missing (1): Session3" in table.warnings


def test_recordings_without_a_label_are_a_note(release):
    labels_file(release, "Ses02F_impro01").unlink()
    notes = [warning for warning in read(release).warnings if "without a label" in warning]
    assert notes == ["recordings without a label (3): Ses02F_impro01_F000, Ses02F_impro01_F001, Ses02F_impro01_M000"]


def test_labels_and_transcriptions_alone_are_a_corpus_of_texts(release):
    for session in release.iterdir():
        shutil.rmtree(session / "sentences")
    table = read(release)
    assert all(row.segment is None and row.text for row in table.rows)
    assert "no session has recordings (sentences/wav): a corpus of texts" in table.warnings


def test_dialogues_without_a_transcription_are_named(release):
    shutil.rmtree(release / "Session4/dialog/transcriptions")
    (release / "Session5/dialog/transcriptions/Ses05M_script01_1b.txt").unlink()
    notes = [warning for warning in read(release).warnings if warning.startswith("dialogues")]
    assert notes == [
        "dialogues without a transcription, and so without texts (7): "
        "Ses04F_impro01, Ses04F_script01_1, Ses04F_script01_3, Ses04M_impro01, Ses04M_script01_1 and 2 more"
    ]


def test_awkward_lines_of_labels(release):
    path = labels_file(release)
    replaced(path, "C-E2:\tNeutral;\t()", "C-E2:\tNeutral state;Puzzled;\t(a (b); c)")
    replaced(path, "A-E3:\tval 1; act 2; dom  3;", "A-E3:\tval ; act 2.5; dom")
    replaced(path, "[2.0000, 2.5000, 3.0000]", "[5.5000, 2.5000, 3.0000]")
    replaced(path, "A-E4:\tval 3; act 3;", "A-E4:\tval 9; act 0.5;")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n").replace(b"(calm)", b"(\x93calm\x94)"))
    table = read(release)
    row = next(row for row in table.rows if row.id == "Ses01F_impro01_F000")
    assert row.ratings is not None
    assert row.ratings["emotion-all"]["E2"] == "neutral"
    assert row.ratings["arousal"]["E3"] == 2.5
    assert "E3" not in row.ratings["valence"]
    assert "valence" not in row.labels
    assert not any("E4" in own for task, own in row.ratings.items() if task in ("valence", "arousal"))
    left_out = "valence 9 by E4 (Ses01F_impro01_F000), arousal 0.5 by E4 (Ses01F_impro01_F000)"
    assert f"raters' scores out of range, left out (2): {left_out}" in table.warnings
    assert "scores that are not from 1 to 5, left out (1): valence 5.5 (Ses01F_impro01_F000)" in table.warnings


def test_lines_that_are_no_label_and_foreign_emotions_are_refused(release):
    replaced(labels_file(release), "\tneu\t[2.0000, 2.5000, 3.0000]", "\tneu\t[2.0000, 2.5000")
    replaced(labels_file(release, "Ses02F_impro01"), "\tneu\t", "\tbored\t")
    message = refusal(release)
    assert "lines of labels that cannot be read (1): Ses01F_impro01.txt line 3" in message
    assert "emotions that IEMOCAP does not have (1): bored (Ses02F_impro01_F000)" in message


def test_a_turn_that_is_labelled_twice_is_refused(release):
    shutil.copy(labels_file(release), labels_file(release, "Ses01F_impro01").with_name("Ses01F_impro01 copy.txt"))
    assert "utterances that are there twice (3): Ses01F_impro01_F000" in refusal(release)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "Session1").mkdir()
    (tmp_path / "Session1" / "a.wav").write_bytes(MAC)
    assert recognised(tmp_path) is None
    assert refusal(tmp_path).startswith(f"{tmp_path}: no utterances of IEMOCAP, expected Session1 to Session5")


def test_a_full_size_release_has_the_published_counts(tmp_path):
    """The counts that papers on the corpus state: 10,039 turns, 7,532 with agreement, 5,531 of four classes."""
    rows = read(make_iemocap(tmp_path, PUBLISHED, seconds=0)).rows
    counts = Counter((row.split, row.labels.get("emotion")) for row in rows)
    assert len(rows) == 10_039
    assert sum("emotion-all" in row.labels for row in rows) == 7_532
    assert [counts["test", name] for name in FOUR] == [384, 278, 194, 229]
    assert [counts["train", name] for name in FOUR] == [1324, 1358, 890, 874]
    rare = Counter(row.labels.get("emotion-all") for row in rows)
    assert [rare[name] for name in ("surprise", "fear", "disgust", "other")] == [107, 40, 2, 3]
    assert Counter(row.groups["session"] for row in rows) == dict(
        zip(("Ses01", "Ses02", "Ses03", "Ses04", "Ses05"), (1819, 1811, 2136, 2103, 2170), strict=True)
    )
