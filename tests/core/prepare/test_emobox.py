"""EmoBox's fold files become splits and folds; recordings are known by the ends of their paths."""

import json
from pathlib import Path

import pytest
from fake_layout import LABELS, made, register
from recorded_tables import SETTINGS, run

from sertool.core.corpora.corpus_files import read_corpus
from sertool.core.errors import DataError, UsageError
from sertool.core.prepare.draw_splits import Draw
from sertool.core.prepare.emobox import FoldFiles, Place, parse_splits, read_folds

FOLDS = 3


def fold_files(folder, folds, key="wav"):
    """Write files in EmoBox's form; ``folds`` has the recordings by fold and split."""
    for name, splits in folds.items():
        for split, recordings in splits.items():
            path = folder / name / f"fake_{split}_{name}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = [{"key": f"fake-{Path(one).stem}", "dataset": "fake", key: one, "emo": "x"} for one in recordings]
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def three(folder):
    """Write three folds over the six recordings of the fake corpus; fold N tests recordings N - 1 and N + 2."""
    every = [f"downloads/fake/u{number}.wav" for number in range(len(LABELS))]
    tests = {f"fold_{n + 1}": every[n::FOLDS] for n in range(FOLDS)}
    rest = {name: [one for one in every if one not in test] for name, test in tests.items()}
    return fold_files(folder, {name: {"train": rest[name], "test": test} for name, test in tests.items()})


def test_folds_give_each_recording_its_place(tmp_path):
    found = parse_splits(f"emobox:{three(tmp_path)}", 3)
    assert found.draw == Draw(seed=3)
    places, notes = found.places([Path("my/copy/u1.wav"), Path("u0.flac"), None, Path("u9.wav")])
    assert places == [Place("train", "fold_2"), Place("test", "fold_1"), None, None]
    assert notes == [
        "splits are those of EmoBox's fold_1; all 3 folds: --set splits.scheme=folds --set splits.group=fold, where "
        "the next fold validates",
        "4 recordings of EmoBox's folds not here: downloads/fake/u2.wav, downloads/fake/u3.wav, downloads/fake/u4.wav, "
        "downloads/fake/u5.wav",
    ]
    one = parse_splits(f"emobox:{tmp_path / 'fold_2'}", 3)
    assert one.places([Path("u1.wav")])[0] == [Place("test", None)]


@pytest.mark.parametrize(
    ("named", "mine", "is_it"),
    [
        ("downloads/savee/KL_su02.wav", "AudioData/KL/su02.wav", True),
        ("downloads/savee/KL_su02.wav", "AudioData/DC/su02.wav", False),
        ("downloads/meld/train/train_splits/dia0_utt0.mp4", "MELD.Raw/train_splits/dia0_utt0.wav", True),
        ("downloads/meld/train/train_splits/dia0_utt0.mp4", "MELD.Raw/dev_splits_complete/dia0_utt0.mp4", False),
        ("downloads/ravdess/Actor_18/03-01-05-01-02-01-18.wav", "Actor_18/03-01-05-01-02-01-18.wav", True),
        ("downloads/ravdess/Actor_18/03-01-05-01-02-01-18.wav", "speech/02-01-18.wav", True),
        ("downloads/ravdess/Actor_18/03-01-05-01-02-01-18.wav", "1001_DFA_ANG_18.wav", False),
        ("downloads/oreau/Ore\u0301au_02/29a13Ja.wav", "Or\u00e9au_02/29a13Ja.wav", True),
        ("downloads/emovdb/sam_Amused/amused_1-28_0001.wav", "EmoV-DB/sam/Amused/amused_1-28_0001.wav", True),
    ],
)
def test_recordings_are_known_by_the_ends_of_their_paths(named, mine, is_it):
    others = ["downloads/savee/DC_su02.wav", "downloads/meld/dev_splits_complete/dia0_utt0.mp4", "x/jenie/amused_9.wav"]
    splits = {named: "train", **dict.fromkeys(others, "test")}
    folds = FoldFiles(Path("x"), {"fold_1": splits}, Draw())
    [place, _] = folds.places([Path(mine), Path("x/jenie/amused_9.wav")])[0]
    assert (place == Place("train", None)) == is_it


def test_a_recording_outside_the_folds_takes_no_ones_place(tmp_path):
    folds = FoldFiles(Path("x"), {"fold_1": {"train_splits/dia7_utt0.mp4": "train"}}, Draw())
    mine = [Path("MELD/train_splits/dia7_utt0.mp4"), Path("MELD/dev_splits_complete/dia7_utt0.mp4")]
    assert folds.places(mine)[0] == [Place("train", None), None]


@pytest.mark.parametrize(
    ("folds", "error", "message"),
    [
        ({}, UsageError, "holds no folders fold_1, fold_2, ..."),
        ({"fold_1": {"train": ["a.wav"]}}, DataError, "0 files for test, expected one, CORPUS_test_fold_1.jsonl"),
        ({"fold_1": {"train": ["a.wav"], "test": []}}, DataError, "fake_test_fold_1.jsonl: names no recordings"),
        ({"fold_1": {"train": ["a.wav"], "test": ["a.wav"]}}, DataError, "1 recording in two splits: a.wav"),
        (
            {name: {"train": ["b.wav"], "test": ["a.wav"]} for name in ("fold_1", "fold_2")},
            DataError,
            "1 recording tested by several folds: a.wav",
        ),
    ],
)
def test_files_that_are_no_folds_are_refused(tmp_path, folds, error, message):
    with pytest.raises(error) as caught:
        read_folds(fold_files(tmp_path, folds), Draw())
    assert message in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UsageError) as caught:
        read_folds(tmp_path / "away", Draw())
    assert str(caught.value) == f"--splits emobox:{tmp_path / 'away'}: there is no such folder"
    assert "git clone" in str(caught.value.hint)


@pytest.mark.parametrize("line", ["{", "[1]", '{"key": "x"}', '{"wav": 3}', "3"])
def test_a_line_that_names_no_recording(tmp_path, line):
    path = three(tmp_path) / "fold_1" / "fake_train_fold_1.jsonl"
    path.write_text(path.read_text() + line)
    with pytest.raises(DataError, match="line 5 names no recording"):
        read_folds(tmp_path, Draw())


def test_older_files_name_the_recording_audio(tmp_path):
    folder = fold_files(tmp_path, {"fold_1": {"train": ["a.wav"], "test": ["b.wav"], "valid": ["c.wav"]}}, "audio")
    assert read_folds(folder, Draw()).folds == {"fold_1": {"a.wav": "train", "b.wav": "test", "c.wav": "valid"}}


def test_folds_of_another_corpus_and_no_folder(tmp_path):
    folds = read_folds(three(tmp_path), Draw())
    with pytest.raises(DataError, match="none of the recordings is in these folds, such as downloads"):
        folds.places([Path("v1.wav")])
    with pytest.raises(UsageError, match=r"--splits emobox:gone: there is no such folder"):
        parse_splits("emobox:gone", 1)
    with pytest.raises(UsageError) as caught:
        parse_splits("emobx:x", 1)
    assert "emobox:FOLDER" in caught.value.hint


def test_the_command_cross_validates_by_the_folds(tmp_path, monkeypatch):
    register(monkeypatch)
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "in", more="u6 s0 happy 1\n")
    (tmp_path / "in" / "u6.wav").write_bytes((tmp_path / "in" / "u0.wav").read_bytes())
    folds = f"emobox:{three(tmp_path / 'EmoBox')}"
    result = run("in", "--out", "data/OUT", *SETTINGS, "--workers", "1", "--splits", folds)
    assert result.exit_code == 0, result.output
    corpus = read_corpus(tmp_path / "data/OUT")
    assert {u.id: u.fold for u in corpus.utterances} == {f"u{n}": f"fold_{n % 3 + 1}" for n in range(6)}
    assert {u.id for u in corpus.utterances if u.split == "test"} == {"u0", "u3"}
    assert corpus.counts() == {"train": 3, "valid": 1, "test": 2}
    assert [(one.id, one.reason) for one in corpus.left_out] == [("u6", "not in EmoBox's folds")]
    assert corpus.choices == {"splits": "emobox:EmoBox/fold_1, fold_2, fold_3"}
    assert "splits drawn by" not in result.stdout
    assert "there is no split valid: drawn from train by speaker" in result.stderr
    assert "splits.scheme=folds --set splits.group=fold" in result.stdout
    refused = run("in", "--out", "data/PAPER", "--recipe", "iemocap", "--splits", folds)
    assert refused.exit_code != 0
