"""Pickles of the published layout that cannot be used are refused with file and utterance."""

import pickle
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pickled_splits import write_split

from sertool.core.corpora.load import load_corpus
from sertool.core.errors import DataError

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
            "the train split is empty, no utterance is in all of train_sentences.p, train_mels.p, train_emotions.p",
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
