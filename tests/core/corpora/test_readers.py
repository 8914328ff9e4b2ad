"""The readers of the published sets: what they read, and what they leave out and why."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from pickled_splits import write_split
from places import REFERENCE

from sertool.core.corpora.corpus import LeftOut, Utterance
from sertool.core.corpora.load import load_corpus, task_for
from sertool.core.corpora.readers import iemocap, meld, vgaf
from sertool.core.corpora.readers.pickles import video_of
from sertool.core.errors import DataError

CASES = sorted(path.parent.name for path in REFERENCE.glob("*/expected.json"))
# Where the reference validates or tests on another split's files.
SAME_FILES = {"IEMOCAP": {"valid": "test"}, "MOSI": {"valid": "test"}, "VGAF": {"test": "valid"}}


def copied(case: str, tmp_path: Path) -> tuple[str, Path, dict]:
    expected = json.loads((REFERENCE / case / "expected.json").read_text())
    folder = shutil.copytree(REFERENCE / case / "data" / expected["dataset"], tmp_path / "data")
    shutil.rmtree(folder / "sertool", ignore_errors=True)
    return expected["dataset"].lower(), folder, expected


def num_classes(case: str) -> int | None:
    return {"mosi": 2, "mosei2": 2, "mosei7": 7}.get(case.split("-")[0])


@pytest.mark.parametrize("case", CASES)
def test_utterances_labels_and_vocabulary_are_the_references(case, tmp_path):
    reader, folder, expected = copied(case, tmp_path)
    for corpus in (load_corpus(reader, folder), load_corpus(reader, folder)):
        task = task_for(reader, expected["task"], num_classes(case), corpus)

        def kept(split, corpus=corpus, task=task):
            of_split = [utterance for utterance in corpus.utterances if utterance.split == split]
            targets = [task.target(utterance.labels[task.name]) for utterance in of_split if utterance.labels]
            pairs = zip(of_split, targets or [()] * len(of_split), strict=True)
            return [(utterance.id, target) for utterance, target in pairs if target is not None]

        assert [key for key, _ in kept("train")] == expected["training"]["training_keys"]
        for name, found in expected["sets"].items():
            pairs = kept(SAME_FILES.get(expected["dataset"], {}).get(name, name))
            assert [key for key, _ in pairs] == found["keys"]
            if "labels" in found:
                labels = [tuple(label) if isinstance(label, list) else label for label in found["labels"]]
                assert [target for _, target in pairs] == labels
        cache = pickle.loads((folder / "token_to_ix.pkl").read_bytes())
        assert corpus.vocabulary.index == cache
        assert corpus.numbering == cache
        np.testing.assert_array_equal(corpus.vocabulary.vectors, np.load(folder / "train_glove.npy"))
        mels = pickle.loads((folder / "test_mels.p" if reader != "vgaf" else folder / "valid_mels.p").read_bytes())
        split = "valid" if reader == "vgaf" else "test"
        for index, utterance in enumerate(corpus.utterances):
            if utterance.split == split:
                np.testing.assert_array_equal(corpus.audio[index], mels[utterance.id])


def test_there_are_nine_cases():
    assert len(CASES) == 9


def test_what_is_left_out_is_told(tmp_path):
    reader, folder, _ = copied("iemocap-mat", tmp_path)
    assert load_corpus(reader, folder).left_out == (
        LeftOut("Ses02F_traindev_011", "train", "no audio in traindev_mels.p"),
        LeftOut("Ses02F_test_011", "test", "no audio in test_mels.p"),
    )


def test_left_out_for_each_reason(tmp_path):
    mel = np.zeros((2, 80), np.float32)
    parts = {
        "train_emotion": {"a": 1, "b": 2, "c": 3},
        "train_sentiment": {"a": 0, "d": 1},
        "train_sentences": {"a": ["x"], "b": ["y"], "d": ["z"], "e": ["w"]},
        "train_mels": {"a": mel, "c": mel, "d": mel, "e": mel, "f": mel},
    }
    for name, table in parts.items():
        (tmp_path / f"{name}.p").write_bytes(pickle.dumps(table))
    corpus = load_corpus("meld", tmp_path)
    assert [(utterance.id, dict(utterance.labels)) for utterance in corpus.utterances] == [
        ("a", {"emotion": 1, "sentiment": 0}),
        ("d", {"sentiment": 1}),
    ]
    no_label = "no label in train_emotion.p or train_sentiment.p"
    assert [(item.id, item.reason) for item in corpus.left_out] == [
        ("b", "no audio in train_mels.p"),
        ("c", "no words in train_sentences.p"),
        ("e", no_label),
        ("f", f"no words in train_sentences.p, {no_label}"),
    ]
    # Every training sentence is numbered, as the reference does it.
    assert corpus.numbering == {"UNK": 1, "x": 1, "y": 2, "z": 3, "w": 4}


@pytest.mark.parametrize(
    ("groups", "key", "expected"),
    [
        (iemocap.groups, "Ses01F_impro01_M003", ("Ses01", "Ses01M", "Ses01F_impro01", None)),
        (iemocap.groups, "Ses05M_script03_2_F012", ("Ses05", "Ses05F", "Ses05M_script03_2", None)),
        (iemocap.groups, "Ses03M_test_002", ("Ses03", "Ses03M", "Ses03M_test", None)),
        (iemocap.groups, "Ses01F_impro01_FXX3", ("Ses01", "Ses01F", "Ses01F_impro01", None)),
        (iemocap.groups, "other", (None, None, None, None)),
        (video_of, "2iD-tVS8NPw[3]", (None, None, None, "2iD-tVS8NPw")),
        (video_of, "_a_1_b_12", (None, None, None, "_a_1_b")),
        (video_of, "-3g5yACwYnA[10]", (None, None, None, "-3g5yACwYnA")),
        (video_of, "video", (None, None, None, "video")),
        (meld.groups, "dia12_utt3", (None, None, "train_dia12", None)),
        (meld.groups, "other", (None, None, None, None)),
        (vgaf.groups, "123_4_5", (None, None, None, "123_4")),
        (vgaf.groups, "123", (None, None, None, None)),
    ],
)
def test_keys_tell_the_groups(groups, key, expected):
    found = groups(key, "train")
    assert tuple(found.get(name) for name in ("session", "speaker", "dialogue", "video")) == expected


def test_a_small_split(tmp_path):
    corpus = load_corpus("vgaf", write_split(tmp_path))
    assert corpus.utterances == (
        Utterance("v_1", "train", "a b", ("a", "b"), {"emotion": "1"}, video="v"),
        Utterance("v_2", "train", "c", ("c",), {"emotion": "3"}, video="v"),
    )
    assert corpus.audio.flat.dtype == np.float32
    assert corpus.audio.offsets.tolist() == [0, 3, 3]
    assert corpus.vocabulary is None
    task = task_for("vgaf", "emotion", None, corpus)
    assert [task.target(utterance.labels["emotion"]) for utterance in corpus.utterances] == [0, 2]


def test_labels_become_plain_numbers(tmp_path):
    _, folder, _ = copied("mosei6-mat", tmp_path)
    corpus = load_corpus("mosei", folder)
    labels = corpus.utterances[0].labels
    assert type(labels["sentiment"]) is float
    assert [type(value) for value in labels["emotion"]] == [float] * 6
    assert all(not utterance.labels for utterance in corpus.utterances if utterance.split == "private")


class TestCachedVocabulary:
    def write(self, folder, index, vectors):
        write_split(folder)
        (folder / "token_to_ix.pkl").write_bytes(pickle.dumps(index))
        np.save(folder / "train_glove.npy", vectors)
        return folder

    def test_one_file_alone_is_not_used(self, tmp_path):
        self.write(tmp_path, {"UNK": 1}, np.ones((2, 4)))
        (tmp_path / "train_glove.npy").unlink()
        assert load_corpus("vgaf", tmp_path).vocabulary is None

    @pytest.mark.parametrize(
        ("index", "vectors", "message"),
        [
            ({"UNK": 1, "a": 2}, np.ones((2, 4)), "'a' has index 2, but there are 2 vectors"),
            ({"UNK": 0}, np.ones((2, 4)), "'UNK' has index 0, but there are 2 vectors"),
            ({"UNK": "1"}, np.ones((2, 4)), "\"UNK\" has index '1', expected a number"),
            ({}, np.ones((2, 4)), "not a table of words"),
            ({"UNK": 1}, np.ones(4), "its word vectors are not a finite table of rank 2"),
            ({"UNK": 1}, np.full((2, 4), np.inf), "its word vectors are not a finite table of rank 2"),
        ],
    )
    def test_a_cache_that_does_not_fit_is_refused(self, index, vectors, message, tmp_path):
        with pytest.raises(DataError) as caught:
            load_corpus("vgaf", self.write(tmp_path, index, vectors))
        assert str(caught.value) == f"{tmp_path / 'token_to_ix.pkl'}: {message}"

    @pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01", b"hello", pickle.dumps(np.array([{}]))])
    def test_damaged_vectors_are_refused(self, content, tmp_path):
        self.write(tmp_path, {"UNK": 1}, np.ones((2, 4)))
        (tmp_path / "train_glove.npy").write_bytes(content)
        with pytest.raises(DataError, match=r"train_glove\.npy: not a readable array \("):
            load_corpus("vgaf", tmp_path)

    def test_vectors_that_would_run_code_are_refused(self, tmp_path):
        folder = self.write(tmp_path, {"UNK": 1}, np.array([[{}]], object))
        with pytest.raises(
            DataError,
            match=r"train_glove\.npy: not a readable array \(Array can't be memory-mapped: Python objects",
        ):
            load_corpus("vgaf", folder)
