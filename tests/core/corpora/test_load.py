"""A corpus by the name of its reader: conversion, copies, errors, and the task that a recipe asks for."""

import os
import shutil

import numpy as np
import pytest
from pickled_splits import write_split

from sertool.core.corpora import load as load_module
from sertool.core.corpora.corpus import Corpus, Frames, Utterance
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.corpora.load import load_corpus, task_for
from sertool.core.errors import DataError, UsageError


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

    @pytest.mark.parametrize("name", ["corpus.json", "utterances.jsonl", "audio.safetensors", "fingerprint.json"])
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
            ("mosei", "sentiment", 2, ("negative", "not negative"), "sign"),
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
            ("corpus", "score", 2, ("negative", "not negative"), "sign"),
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
                "dataset.num_classes: mine's sentiment has a fixed number of classes",
                "leave it out",
            ),
        ],
    )
    def test_tasks_that_are_not_there(self, reader, task, number, message, hint):
        with pytest.raises(UsageError) as caught:
            task_for(reader, task, number, own_corpus())
        assert (str(caught.value), caught.value.hint) == (message, hint)
