"""The folder of a published corpus as a table: splits, problems, what is left out, and the corpus it becomes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sertool.core.corpora.corpus import LeftOut
from sertool.core.corpora.corpus_files import read_corpus, write_corpus
from sertool.core.corpora.load import task_for
from sertool.core.errors import DataError, UsageError
from sertool.core.features.audio import Segment
from sertool.core.prepare.assemble import assemble, decode
from sertool.core.prepare.draw_splits import Draw
from sertool.core.prepare.layouts import read as reading
from sertool.core.prepare.layouts.corpus_layout import CorpusLayout, Found
from sertool.core.prepare.layouts.files import with_recording
from sertool.core.prepare.layouts.read import read_layout, recognised
from sertool.core.prepare.rows import Row
from sertool.core.recipe.frontends import Frontend

CLASSES = {"emotion": ("neutral", "happy", "sad", "angry")}


def row(number: int, split: str = "", **changes) -> Row:
    given = {
        "labels": {"emotion": CLASSES["emotion"][number % 4], "valence": 1.0 + number % 5},
        "groups": {"speaker": f"s{number % 7}", "session": f"Ses0{number % 5 + 1}"},
        "ratings": {"emotion": {"r1": "sad", "r2": ("sad", "angry")}, "valence": {"r1": 2.0}},
        **changes,
    }
    return Row(None, f"u{number}", split, "well then", segment=None, **given)


def layout(*rows: Row, tell=lambda found: None, name: str = "iemocap", there: str = "here") -> CorpusLayout:
    def read(folder: Path, found: Found):
        tell(found)
        return iter(rows)

    return CorpusLayout(
        name, name.upper(), "files", lambda folder: (folder / there).exists(), read, CLASSES, {"valence": (1.0, 5.0)}
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "here").touch()
    return tmp_path / "raw"


@pytest.fixture
def official():
    return [row(number, ("train", "valid", "test")[number % 3]) for number in range(12)]


def test_splits_are_drawn_by_speaker_where_there_are_none(folder):
    table = read_layout(layout(*map(row, range(28))), folder, Draw(seed=3))
    assert table.drawn == "speaker"
    speakers = {split: {r.groups["speaker"] for r in table.rows if r.split == split} for split in ("train", "test")}
    assert speakers["train"]
    assert speakers["test"]
    assert not speakers["train"] & speakers["test"]


def test_official_splits_stay(folder, official):
    table = read_layout(layout(*official), folder)
    assert table.drawn == ""
    assert {(r.id, r.split) for r in table.rows} == {(r.id, r.split) for r in official}


def test_validation_joins_training_where_the_papers_files_have_none(folder, official):
    table = read_layout(layout(*official), folder, reader="iemocap")
    assert {r.split for r in table.rows} == {"train", "test"}
    assert "4 validation utterances joined training, as in the paper's files" in table.warnings
    kept = read_layout(layout(*official, name="meld"), folder, reader="meld")
    assert {r.split for r in kept.rows} == {"train", "valid", "test"}


def test_a_recipe_of_another_data_set_is_refused(folder, official):
    with pytest.raises(UsageError, match="holds IEMOCAP, and the recipe is for MELD"):
        read_layout(layout(*official), folder, reader="meld")


def test_problems_are_reported_at_once(folder, official):
    def tell(found: Found) -> None:
        for number in range(30):
            found.lacks("no recording", f"a{number}", "test")
        found.lacks_part("the session is missing", "Session3")

    with pytest.raises(DataError) as caught:
        read_layout(layout(*official, tell=tell), folder)
    assert str(caught.value) == (
        f"{folder}: 2 problems\n  the session is missing (1): Session3\n"
        "  no recording (30): a0, a1, a2, a3, a4 and 25 more"
    )
    assert caught.value.hint == "--skip-bad leaves out what is missing or broken"
    table = read_layout(layout(*official, tell=tell), folder, skip_bad=True)
    assert len(table.rows) == len(official)
    assert LeftOut("a0", "test", "no recording") in table.left_out
    assert len(table.left_out) == 30
    assert "left out: the session is missing (1): Session3" in table.warnings


def test_what_is_wrong_is_refused_also_with_skip_bad(folder, official):
    wrong = layout(*official, tell=lambda found: found.wrong("labels that IEMOCAP does not have", "glad"))
    with pytest.raises(DataError, match=r"labels that IEMOCAP does not have \(1\): glad"):
        read_layout(wrong, folder, skip_bad=True)
    with pytest.raises(DataError, match=r"utterances that are there twice \(1\): u0"):
        read_layout(layout(row(0), row(0)), folder, skip_bad=True)
    with pytest.raises(DataError, match="no utterances of IEMOCAP, expected files"):
        read_layout(layout(), folder)


def test_known_faults_are_left_out_and_never_fatal(folder, official):
    table = read_layout(layout(*official, tell=lambda f: f.leave_out("dia0_utt0", "train", "broken")), folder)
    assert table.left_out == (LeftOut("dia0_utt0", "train", "broken"),)


def test_a_folder_that_two_layouts_may_be_is_not_recognised(folder, monkeypatch):
    one, two = layout(name="one"), layout(name="two")
    monkeypatch.setattr(reading, "LAYOUTS", {"one": one})
    assert recognised(folder) is one
    monkeypatch.setattr(reading, "LAYOUTS", {"one": one, "two": two})
    assert recognised(folder) is None


def prepared(table, folder: Path):
    """The corpus of a table, written and read again."""
    write_corpus(assemble(table, decode(table, Frontend()), Frontend(), "MINE").corpus, folder)
    return read_corpus(folder)


def test_the_corpus_keeps_layout_ranges_ratings_and_the_order_of_classes(folder, official, tmp_path):
    corpus = prepared(read_layout(layout(*official), folder), tmp_path / "corpus")
    assert corpus.layout == "iemocap"
    assert corpus.ranges == {"valence": (1.0, 5.0)}
    assert corpus.classes == CLASSES
    assert corpus.utterances[0].ratings == {
        "emotion": {"r1": "sad", "r2": ("sad", "angry")},
        "valence": {"r1": 2.0},
    }
    assert task_for("iemocap", "emotion", None, corpus).target("angry") == 3
    with pytest.raises(UsageError, match=r"valence is a score from 1 to 5, the recipe predicts classes"):
        task_for("corpus", "valence", 7, corpus)


def test_frames_that_came_with_the_corpus_are_kept(folder, tmp_path):
    frames = np.arange(10, dtype=np.float32).reshape(2, 5)
    rows = [row(number, "train", frames=frames + number) for number in range(3)]
    corpus = prepared(read_layout(layout(*rows, name="mosi"), folder, None, reader="mosi"), tmp_path / "corpus")
    assert corpus.audio.width == 5
    np.testing.assert_array_equal(corpus.audio[2], frames + 2)
    assert not corpus.texts_alone
    assert corpus.frontend is None


def test_files_that_hold_nothing_are_told_by_kind(tmp_path):
    """The same for all layouts: a link that leads nowhere must not end the command before the others are named."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    (tmp_path / "empty.wav").touch()
    (tmp_path / "pointer.wav").write_text(pointer)
    (tmp_path / "link.wav").symlink_to(tmp_path / "away.wav")
    (tmp_path / "sound.wav").write_bytes(b"RIFF")
    found = Found()
    kept = [
        one
        for name in ("empty", "pointer", "link", "sound")
        for one in with_recording(replace(row(1), id=name), Segment(tmp_path / f"{name}.wav"), found)
    ]
    assert [one.id for one in kept] == ["sound"]
    assert found.lacking == [
        "recordings of zero bytes (1): empty",
        "Git LFS pointers in the place of recordings ('git lfs pull' gets them) (1): pointer",
        "links that lead to no recording (1): link",
    ]
