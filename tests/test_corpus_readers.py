"""The published data sets, read from the reference's pickles: order, labels, groups, what is left out, bad input."""

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sertool.core.corpora import load as load_module
from sertool.core.corpora.corpus import Corpus, Frames, LeftOut, Utterance
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.corpora.load import load_corpus, task_for
from sertool.core.corpora.readers import iemocap, meld, vgaf
from sertool.core.corpora.readers.pickles import video_of
from sertool.core.errors import DataError, UsageError

REFERENCE = Path(__file__).parent / "reference"
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
        mels = pickle.loads(
            (folder / "test_mels.p" if reader != "vgaf" else folder / "valid_mels.p").read_bytes()
        )
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


def write_split(folder: Path, **changes) -> Path:
    """A folder of VGAF with a small train split; ``changes`` replace what a file holds."""
    folder.mkdir(exist_ok=True)
    parts = {
        "emotions": {"v_1": "1", "v_2": "3"},
        "sentences": {"v_1": ["a", "b"], "v_2": np.array(["c"])},
        "mels": {"v_1": np.ones((3, 80), np.float32), "v_2": np.zeros((0, 80), np.float64)},
    }
    for name, value in {**parts, **changes}.items():
        path = folder / f"train_{name}.p"
        if value is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, 2))
    return folder


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


BAD_MEL = np.ones((3, 80), np.float32)
BAD_MEL[1, 5] = np.nan


@pytest.mark.parametrize(
    ("changes", "file", "message"),
    [
        (
            {"mels": {"v_1": np.ones(80)}},
            "train_mels.p",
            "utterance 'v_1' is an array of shape (80,), expected frames of shape (any, 80)",
        ),
        (
            {"mels": {"v_1": np.ones((3, 40))}},
            "train_mels.p",
            "utterance 'v_1' is an array of shape (3, 40), expected frames of shape (any, 80)",
        ),
        (
            {"mels": {"v_1": [[1.0]]}},
            "train_mels.p",
            "utterance 'v_1' is of type list, expected frames of shape (any, 80)",
        ),
        (
            {"mels": {"v_1": np.ones((3, 80), int)}},
            "train_mels.p",
            "utterance 'v_1' holds int64, expected floating-point numbers",
        ),
        (
            {"mels": {"v_1": BAD_MEL}},
            "train_mels.p",
            "utterance 'v_1' holds NaN or infinite values in frame 1",
        ),
        (
            {"mels": {"v_1": np.full((1, 80), 1e200)}},
            "train_mels.p",
            "utterance 'v_1' holds NaN or infinite values in frame 0",
        ),
        ({"mels": {1: BAD_MEL}}, "train_mels.p", "utterance key 1 is int, expected text"),
        ({"mels": [BAD_MEL]}, "train_mels.p", "holds list, expected a dict of utterances"),
        ({"mels": b""}, "train_mels.p", "is empty, expected a pickle"),
        ({"mels": b"\x80\x02}q\x00"}, "train_mels.p", "ends too early, it is truncated or not a pickle"),
        (
            {"mels": b"cos\nsystem\n."},
            "train_mels.p",
            "names os.system, which is not allowed in a data file; nothing of it was run",
        ),
        (
            {"sentences": {"v_1": "a b"}},
            "train_sentences.p",
            "utterance 'v_1' is of type str, expected a list of words",
        ),
        (
            {"sentences": {"v_1": ["a", 2]}},
            "train_sentences.p",
            "utterance 'v_1' holds the word 2, expected text",
        ),
        (
            {"sentences": {"v_1": [b"a"]}},
            "train_sentences.p",
            "utterance 'v_1' holds the word b'a', expected text",
        ),
        (
            {"emotions": {"v_1": "4"}},
            "train_emotions.p",
            "utterance 'v_1': label '4' is out of range, expected 1 to 3",
        ),
        (
            {"emotions": {"v_1": "x"}},
            "train_emotions.p",
            "utterance 'v_1': label 'x' is not a class number from 1 to 3",
        ),
        (
            {"emotions": {"v_1": [1]}},
            "train_emotions.p",
            "utterance 'v_1': label [1] is not a class number from 1 to 3",
        ),
        (
            {"emotions": {}},
            "",
            "the train split is empty, no utterance is in all of "
            "train_sentences.p, train_mels.p, train_emotions.p",
        ),
        ({"mels": {"other": BAD_MEL}}, "", "the train split is empty, no utterance is in all of"),
        (
            {"mels": None},
            "",
            "the train split lacks train_mels.p (there: train_sentences.p, train_emotions.p)",
        ),
        (
            {"mels": None, "emotions": None},
            "",
            "the train split lacks train_mels.p and train_emotions.p (there: train_sentences.p)",
        ),
        (
            {"mels": None, "emotions": None, "sentences": None},
            "",
            "no VGAF data there, expected the files of at least one split:\n"
            "  train_sentences.p, train_mels.p, train_emotions.p\n  valid_sentences.p",
        ),
    ],
)
def test_bad_input_is_named_with_file_and_utterance(changes, file, message, tmp_path):
    folder = write_split(tmp_path / "VGAF", **changes)
    with pytest.raises(DataError) as caught:
        load_corpus("vgaf", folder)
    assert str(caught.value).startswith(f"{folder / file}: {message}")
    assert not (folder / "sertool").exists()


@pytest.mark.parametrize(
    ("reader", "name", "label", "message"),
    [
        ("iemocap", "traindev_emotions", 4, "label 4 is out of range, expected 0 to 3"),
        ("iemocap", "traindev_emotions", 1.5, "label 1.5 is not a class number"),
        ("meld", "train_emotion", np.int64(-1), "label -1 is out of range, expected 0 to 6"),
        ("mosi", "trainval_sentiment", 3.5, "label 3.5 is out of range, expected -3 to 3"),
        ("mosi", "trainval_sentiment", float("nan"), "label nan is not a finite number"),
        ("mosei", "train_emotion", np.ones(5), "label [1.0, 1.0, 1.0, 1.0, 1.0] is not a list of 6 numbers"),
        ("mosei", "train_emotion", np.ones((6, 1)), "label [1.0] is not a finite number"),
    ],
)
def test_labels_are_checked_by_each_data_sets_rule(reader, name, label, message, tmp_path):
    prefix = name.split("_")[0]
    for kind, value in {"sentences": ["a"], "mels": np.ones((1, 80))}.items():
        (tmp_path / f"{prefix}_{kind}.p").write_bytes(pickle.dumps({"k_1": value}))
    (tmp_path / f"{name}.p").write_bytes(pickle.dumps({"k_1": label}))
    with pytest.raises(DataError) as caught:
        load_corpus(reader, tmp_path)
    assert str(caught.value) == f"{tmp_path / name}.p: utterance 'k_1': {message}"


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


class TestConversion:
    def test_the_second_reading_needs_no_pickles(self, tmp_path, monkeypatch):
        first = load_corpus("vgaf", write_split(tmp_path))
        monkeypatch.setattr(load_module, "read", None)
        second = load_corpus("vgaf", tmp_path)
        assert second.utterances == first.utterances
        np.testing.assert_array_equal(second.audio.flat, first.audio.flat)
        assert (second.name, second.source, second.numbering) == (first.name, first.source, first.numbering)

    def test_a_changed_file_is_read_again(self, tmp_path):
        load_corpus("vgaf", write_split(tmp_path))
        changed = write_split(tmp_path, emotions={"v_1": "1", "v_2": "2"})
        os.utime(changed / "train_emotions.p", ns=(0, 0))
        assert load_corpus("vgaf", tmp_path).utterances[1].labels == {"emotion": "2"}

    def test_a_new_file_is_read(self, tmp_path):
        load_corpus("vgaf", write_split(tmp_path))
        for name in ("emotions", "sentences", "mels"):
            shutil.copy(tmp_path / f"train_{name}.p", tmp_path / f"valid_{name}.p")
        assert load_corpus("vgaf", tmp_path).counts() == {"train": 2, "valid": 2}

    def test_another_version_of_the_readers_reads_again(self, tmp_path, monkeypatch):
        load_corpus("vgaf", write_split(tmp_path))
        monkeypatch.setattr(load_module, "READER_VERSION", -1)
        monkeypatch.setattr(load_module, "read", lambda *_: pytest.skip("read again"))
        with pytest.raises(pytest.skip.Exception, match="read again"):
            load_corpus("vgaf", tmp_path)

    @pytest.mark.parametrize(
        "name", ["corpus.json", "utterances.jsonl", "audio.safetensors", "fingerprint.json"]
    )
    @pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"])
    def test_a_damaged_conversion_is_made_anew(self, name, content, tmp_path):
        first = load_corpus("vgaf", write_split(tmp_path))
        path = tmp_path / "sertool" / name
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        assert load_corpus("vgaf", tmp_path).utterances == first.utterances
        assert load_corpus("vgaf", tmp_path).utterances == first.utterances

    def test_a_folder_that_cannot_be_written_is_read_all_the_same(self, tmp_path):
        folder = write_split(tmp_path / "VGAF")
        folder.chmod(0o555)
        try:
            assert load_corpus("vgaf", folder).counts() == {"train": 2}
            assert not (folder / "sertool").exists()
        finally:
            folder.chmod(0o755)

    def test_a_full_disk_costs_only_the_conversion(self, tmp_path, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("sertool.core.files.artifacts.os.fsync", full)
        assert load_corpus("vgaf", write_split(tmp_path)).counts() == {"train": 2}
        monkeypatch.undo()
        assert not (tmp_path / "sertool" / "corpus.json").exists()
        assert load_corpus("vgaf", tmp_path).counts() == {"train": 2}


def own_corpus(**changes) -> Corpus:
    utterance = Utterance("u", "train", "a", ("a",), {"mood": "glad", "score": 1.5})
    classes = {"mood": ("glad", "sad")}
    return Corpus("mine", (utterance,), Frames.join([np.ones((1, 80), np.float32)], 80), classes, **changes)


class TestLoad:
    @pytest.mark.parametrize("reader", ["corpus", "mosi"])
    def test_the_projects_own_format(self, reader, tmp_path):
        write_corpus(own_corpus(), tmp_path)
        assert load_corpus(reader, tmp_path).name == "mine"

    def test_a_missing_folder(self, tmp_path):
        with pytest.raises(DataError) as caught:
            load_corpus("mosi", tmp_path / "MOSI")
        assert str(caught.value) == f"{tmp_path / 'MOSI'}: no such folder"

    def test_a_folder_without_a_corpus(self, tmp_path):
        with pytest.raises(DataError) as caught:
            load_corpus("corpus", tmp_path)
        assert str(caught.value) == f"{tmp_path}: no corpus there (it lacks corpus.json)"

    def test_an_unknown_reader(self, tmp_path):
        with pytest.raises(UsageError, match="no reader 'mosy'"):
            load_corpus("mosy", tmp_path)


class TestTask:
    @pytest.mark.parametrize(
        ("reader", "task", "number", "classes", "rule"),
        [
            ("iemocap", "emotion", None, ("neutral", "happy", "sad", "angry"), "index"),
            ("mosi", "sentiment", 2, ("negative", "positive"), "sign-without-zero"),
            ("mosi", "sentiment", 7, ("-3", "-2", "-1", "0", "1", "2", "3"), "seven"),
            ("mosei", "sentiment", 2, ("negative", "positive"), "sign"),
            ("mosei", "sentiment", 7, ("-3", "-2", "-1", "0", "1", "2", "3"), "seven"),
            ("mosei", "emotion", None, ("happy", "sad", "angry", "fear", "disgust", "surprise"), "present"),
            (
                "meld",
                "emotion",
                None,
                ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"),
                "index",
            ),
            ("meld", "sentiment", None, ("neutral", "positive", "negative"), "index"),
            ("vgaf", "emotion", None, ("positive", "neutral", "negative"), "index-from-one"),
            ("corpus", "mood", None, ("glad", "sad"), "name"),
            ("corpus", "score", 2, ("negative", "positive"), "sign"),
            ("corpus", "score", 7, ("-3", "-2", "-1", "0", "1", "2", "3"), "seven"),
        ],
    )
    def test_tasks(self, reader, task, number, classes, rule):
        found = task_for(reader, task, number, own_corpus())
        assert (found.name, found.classes, found.rule) == (task, classes, rule)
        assert found.kind == ("multi" if rule == "present" else "single")

    @pytest.mark.parametrize(
        ("reader", "task", "number", "message", "hint"),
        [
            ("iemocap", "mood", None, "dataset.task: mine has no task 'mood'", "its tasks: emotion"),
            ("mosei", "mood", None, "dataset.task: mine has no task 'mood'", "its tasks: sentiment, emotion"),
            ("corpus", "emotion", None, "dataset.task: mine has no task 'emotion'", "its tasks: mood, score"),
            ("mosi", "sentiment", None, "dataset.num_classes: mine's sentiment needs it", "give 2 or 7"),
            ("corpus", "score", None, "dataset.num_classes: mine's score needs it", "give 2 or 7"),
            (
                "meld",
                "sentiment",
                2,
                "dataset.num_classes: mine's sentiment leaves no choice of it",
                "leave it out",
            ),
        ],
    )
    def test_tasks_that_are_not_there(self, reader, task, number, message, hint):
        with pytest.raises(UsageError) as caught:
            task_for(reader, task, number, own_corpus())
        assert (str(caught.value), caught.value.hint) == (message, hint)


values = st.none() | st.integers() | st.text(max_size=3) | st.lists(st.text(max_size=3), max_size=3)
arrays = st.sampled_from(
    [
        np.ones((2, 80), np.float32),
        np.zeros((0, 80)),
        np.ones((2, 3)),
        np.ones(80),
        np.array(["a"]),
        np.array(None),
    ]
)
tables = st.dictionaries(st.sampled_from(["v_1", "v_2", "v_3"]), values | arrays, max_size=3)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sentences=tables | values, mels=tables | values, emotions=tables | values)
def test_whatever_the_files_hold_they_are_read_or_refused(sentences, mels, emotions, tmp_path):
    folder = tmp_path / "VGAF"
    write_split(folder)
    for name, value in {"sentences": sentences, "mels": mels, "emotions": emotions}.items():
        (folder / f"train_{name}.p").write_bytes(pickle.dumps(value))
    shutil.rmtree(folder / "sertool", ignore_errors=True)
    try:
        corpus = load_corpus("vgaf", folder)
    except DataError as error:
        assert_right = str(error).startswith(str(folder))
    else:
        assert_right = len(corpus.utterances) == len(corpus.audio) > 0
    assert assert_right
