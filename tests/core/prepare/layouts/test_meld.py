"""MELD: its tables and clips, and the errors of its archives."""

import pytest
import soundfile
from made_media import write_media
from made_meld import FIXED, make_meld
from trained_recipes import prepare_for, train_small

from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.errors import DataError
from sertool.core.prepare.layouts.meld import LAYOUT
from sertool.core.prepare.layouts.read import read_layout, recognised


@pytest.fixture
def folder(tmp_path):
    return make_meld(tmp_path / "MELD.Raw")


def read(folder, **settings):
    return read_layout(LAYOUT, folder, **settings)


def test_the_folder_is_recognised_also_in_the_form_of_its_mirrors(folder, tmp_path):
    assert recognised(folder) is LAYOUT
    (folder / "train").mkdir()
    for name in ("train_sent_emo.csv", "train_splits"):
        (folder / name).rename(folder / "train" / name)
    for name in ("dev", "test"):
        (folder / f"{name}_sent_emo.csv").rename(folder / "train" / f"{name}_sent_emo.csv")
    assert recognised(folder) is LAYOUT
    assert len(read(folder).rows) == 3 * 8 - 1 + 2 * 8 - 1 + 2 * 8
    assert recognised(tmp_path) is None


def test_utterances_have_labels_texts_groups_and_the_official_splits(folder):
    table = read(folder)
    row = table.rows[2]
    assert (row.id, row.split, row.text) == ("dia0_utt2", "train", "I’m late")
    assert row.labels == {"emotion": "joy", "sentiment": "positive"}
    assert row.groups == {"speaker": "Dr. Fox", "dialogue": "train_dia0"}
    assert table.classes["emotion"][:2] == ("neutral", "surprise")
    assert table.drawn == ""
    assert {row.split for row in table.rows} == {"train", "valid", "test"}


def test_known_errors_are_reported_and_never_fatal(folder):
    table = read(folder)
    assert [(one.id, one.split) for one in table.left_out] == [("dia125_utt3", "train"), ("dia110_utt7", "valid")]
    notes = "\n".join(table.warnings)
    assert "1 recording without labels, not used: dia66_utt9 (dev)" in notes
    assert f"in the place of those of the same number, which hold another utterance: {FIXED}" in notes
    assert "known to be cut at the wrong place, and kept: dia38_utt4 (test)" in notes
    fixed = next(row for row in table.rows if (row.split, row.id) == ("test", FIXED))
    assert fixed.segment.path.name == f"final_videos_test{FIXED}.wav"


def test_a_repaired_clip_is_used(folder):
    (folder / "train_splits" / "dia125_utt3.mp4").write_bytes(b"\0\0\0\x20ftypisom" + b"moov")
    (folder / "dev_splits_complete" / "dia0_utt0.wav").rename(folder / "dev_splits_complete" / "dia110_utt7.wav")
    with pytest.raises(DataError, match=r"no recording \(1\): dia0_utt0"):
        read(folder)
    assert {row.id for row in read(folder, skip_bad=True).rows} >= {"dia125_utt3", "dia110_utt7"}


def test_conversions_in_another_folder_are_taken_before_the_clips(folder):
    clips, converted = folder / "output_repeated_splits_test", folder / "wav" / "test"
    converted.mkdir(parents=True)
    (clips / "dia0_utt0.wav").rename(converted / "dia0_utt0.wav")
    (clips / "dia0_utt0.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    row = next(row for row in read(folder).rows if (row.split, row.id) == ("test", "dia0_utt0"))
    assert row.segment.path == converted / "dia0_utt0.wav"


def test_clips_are_decoded_as_they_are_unpacked(folder, tmp_path, monkeypatch):
    pytest.importorskip("av")
    monkeypatch.chdir(tmp_path)
    for clip in sorted((folder / "dev_splits_complete").glob("*.wav")):
        samples, rate = soundfile.read(clip, dtype="float32")
        write_media(clip.with_suffix(".mp4"), samples, rate=rate, kind="mp4", picture=True)
        clip.unlink()
    prepare_for("meld", folder, "MELD")
    corpus = read_corpus(tmp_path / "data/MELD")
    assert {one.seconds for one in corpus.utterances if one.split == "valid"} == {0.2}


def test_all_problems_are_told_at_once(folder):
    (folder / "train_splits" / "dia0_utt0.wav").write_bytes(b"")
    (folder / "train_splits" / "dia0_utt1.wav").unlink()
    (folder / "dev_sent_emo.csv").unlink()
    with pytest.raises(DataError) as caught:
        read(folder)
    message = str(caught.value)
    assert "recordings of zero bytes (1): dia0_utt0" in message
    assert "no recording (1): dia0_utt1" in message
    assert "a table of utterances is missing (1): dev_sent_emo.csv" in message
    assert "--skip-bad" in caught.value.hint
    table = read(folder, skip_bad=True)
    assert ("dia0_utt0", "recordings of zero bytes") in {(one.id, one.reason) for one in table.left_out}


def test_a_wrong_table_is_refused_with_its_rows(folder):
    path = folder / "train_sent_emo.csv"
    text = path.read_text().replace("Ann,neutral", "Ann,bored", 1)
    path.write_text(text)
    with pytest.raises(DataError, match=r"Emotion is none of MELD's \(1\): train_sent_emo.csv row 2: 'bored'"):
        read(folder)
    path.write_text(text.replace("Dialogue_ID", "Dialogue"))
    with pytest.raises(DataError, match=r"lacks the columns Dialogue_ID; there: Sr No\., Utterance"):
        read(folder)
    path.write_text('Sr No.,"Utterance\n' * 30_000)
    with pytest.raises(DataError, match=r"not valid CSV|lacks the columns"):
        read(folder)


def test_archives_that_are_not_unpacked_are_named(folder):
    (folder / "dev_splits_complete").rename(folder / "elsewhere")
    (folder / "dev.tar.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(DataError, match=r"not unpacked yet \(tar xzf NAME\) \(1\): dev.tar.gz"):
        read(folder)


def test_tables_alone_are_a_corpus_of_texts(tmp_path):
    table = read(make_meld(tmp_path / "MELD", clips=False))
    assert len(table.rows) == 7 * 8
    assert all(row.segment is None for row in table.rows)
    assert "a corpus of texts" in table.warnings[0]
    assert table.left_out == ()


def test_another_folder_holds_no_meld(tmp_path):
    with pytest.raises(DataError, match=r"no utterances of MELD, expected train_sent_emo\.csv"):
        read(tmp_path)


def test_the_papers_recipes_train_on_the_prepared_corpus(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare_for("meld", folder, "MELD")
    corpus = read_corpus(tmp_path / "data/MELD")
    assert (corpus.layout, len(corpus.left_out), corpus.audio.width) == ("meld", 2, 80)
    for recipe in ("meld", "meld-sentiment-honest"):
        train_small(recipe)
