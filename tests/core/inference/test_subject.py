"""Tests of the utterances that answers from elsewhere are judged on, and of runs without training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import CLASSES, make_corpus
from pickled_splits import write_split

from sertool.core.corpora.corpus import Corpus
from sertool.core.corpora.corpus_files import write_corpus
from sertool.core.corpora.label_maps import load_label_map
from sertool.core.errors import DataError, UsageError
from sertool.core.inference.imported import check_free, logits_of_labels, logits_of_probabilities, store_imported
from sertool.core.inference.subject import open_judged, open_subject, subject_of
from sertool.core.metrics.calibration import probabilities
from sertool.core.runs.imported import Imported, read_imported, refuse_imported
from sertool.core.runs.prediction_files import read_set

THEIRS = Imported("predictions", "theirs.csv", training="an SVM", licence="MIT", trained_on=("X",))


def written(folder: Path, corpus: Corpus | None = None) -> Path:
    write_corpus(corpus or make_corpus(), folder)
    return folder


def relabelled(corpus: Corpus, **changes: object) -> Corpus:
    return replace(corpus, utterances=tuple(replace(one, **changes) for one in corpus.utterances))


def test_the_test_split_is_judged_where_there_is_one(tmp_path):
    subject = open_subject(written(tmp_path / "A"))
    assert subject.split == subject.set == "test"
    assert subject.ids == tuple(f"test{number}" for number in range(12))
    assert subject.task.classes == CLASSES


def test_all_are_judged_where_there_is_no_test_split(tmp_path):
    subject = open_subject(written(tmp_path / "A", make_corpus({"train": 9, "valid": 3})))
    assert (subject.split, subject.set, len(subject.rows)) == ("all", "test", 12)


@pytest.mark.parametrize(
    ("split", "number", "stored"), [("train", 24, "test"), ("valid", 12, "valid"), ("all", 48, "test")]
)
def test_a_split_can_be_named(tmp_path, split, number, stored):
    subject = open_subject(written(tmp_path / "A"), split=split)
    assert (len(subject.rows), subject.set) == (number, stored)


def test_labels_are_sealed_until_somebody_reads_them(tmp_path):
    subject = open_subject(written(tmp_path / "A"))
    assert all(subject.targets[row] is None for row in subject.rows)
    assert all(not subject.corpus.utterances[row].labels for row in subject.rows)
    opened = subject.unsealed("a test", "to see them")
    assert all(opened.targets[row] is not None for row in subject.rows)
    [entry] = subject.seal.reads
    assert (entry["by"], entry["use"], entry["utterances"]) == ("a test", "decisions", 12)


def test_the_hash_is_about_labels_and_not_about_what_is_judged(tmp_path):
    folder = written(tmp_path / "A")
    assert open_subject(folder).data_hash == open_subject(folder, split="all").data_hash
    other = written(tmp_path / "B", relabelled(make_corpus(), labels={"emotion": "sad"}))
    assert open_subject(other).data_hash != open_subject(folder).data_hash


def test_scores_and_their_divisions_are_tasks_too(tmp_path):
    corpus = make_corpus()
    corpus = relabelled(replace(corpus, classes={}), labels={"sentiment": 1.5})
    folder = written(tmp_path / "A", corpus)
    assert open_subject(folder).task.ranges == ((-3.0, 3.0),)
    assert open_subject(folder, task="sentiment, 7 classes").task.classes[-1] == "3"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "emotio"}, "--task emotio: TINY has no such task, did you mean 'emotion'?"),
        ({"split": "tests"}, "--split tests: expected one of train, valid, test, all"),
        ({"split": "private"}, "--split private: expected one of"),
    ],
)
def test_wrong_names_are_one_message(tmp_path, options, message):
    with pytest.raises(UsageError) as told:
        open_subject(written(tmp_path / "A"), **options)
    assert message in str(told.value)


def test_a_corpus_of_several_tasks_asks_which(tmp_path):
    classes = {"style": ("a", "b"), "mood": ("c", "d")}
    corpus = relabelled(replace(make_corpus(), classes=classes), labels={"style": "a", "mood": "d"})
    with pytest.raises(UsageError, match="which task is not clear: it has style, mood"):
        open_subject(written(tmp_path / "A", corpus))


def test_a_corpus_without_labels_is_refused(tmp_path):
    with pytest.raises(DataError, match="no utterance has a label for emotion"):
        open_subject(written(tmp_path / "A", relabelled(make_corpus(), labels={})), task="emotion")


def test_probabilities_come_back_from_their_logits():
    given = np.array([[0.2, 0.8, 0.0], [1.0, 0.0, 0.0], [0.25, 0.25, 0.5]])
    assert np.allclose(probabilities(logits_of_probabilities(given), "single"), given, atol=1e-6)
    assert np.allclose(probabilities(logits_of_probabilities(given, "multi"), "multi"), given, atol=1e-6)
    assert logits_of_labels(np.array([2, 0]), 3).argmax(1).tolist() == [2, 0]


def test_a_run_without_training_is_stored_and_its_read_is_logged(tmp_path):
    subject = open_subject(written(tmp_path / "A"))
    shares = np.random.default_rng(0).dirichlet(np.ones(3), len(subject.rows))
    stored = store_imported(tmp_path / "ckpt" / "theirs", subject, logits_of_probabilities(shares), THEIRS)
    read = read_set(tmp_path / "ckpt" / "theirs", "test")
    assert read.origin == stored.origin
    assert read.origin.imported == THEIRS
    assert read.predictions.ids == subject.ids
    assert (read.predictions.decisions(1) == shares.argmax(1)).all()
    assert '"by": "sertool import"' in (tmp_path / "ckpt" / "theirs" / "log.jsonl").read_text()
    assert read_imported(tmp_path / "ckpt" / "theirs") == THEIRS


def test_a_run_without_training_says_what_it_is_where_members_are_needed(tmp_path):
    subject = open_subject(written(tmp_path / "A"))
    store_imported(tmp_path / "theirs", subject, np.zeros((12, 3), np.float32), THEIRS)
    with pytest.raises(UsageError, match=r"holds predictions imported from theirs\.csv, and no trained members"):
        refuse_imported(tmp_path / "theirs")
    refuse_imported(tmp_path / "A")


def test_a_trained_run_is_never_replaced(tmp_path):
    trained = tmp_path / "mine"
    trained.mkdir()
    check_free(trained)
    (trained / "recipe.yaml").write_text("name: mine")
    subject = open_subject(written(tmp_path / "A"))
    with pytest.raises(UsageError, match="holds a run that was trained, which is not replaced"):
        store_imported(trained, subject, np.zeros((12, 3), np.float32), THEIRS)
    assert [path.name for path in trained.iterdir()] == ["recipe.yaml"]


def test_labels_are_judged_through_a_map(tmp_path):
    folder = written(tmp_path / "A")
    subject = open_subject(folder, label_map=load_label_map("polarity"), answers=["pos", "negative"])
    assert subject.task.classes == ("positive", "negative")
    assert subject.map_note is not None
    assert subject.map_note.utterances == 48
    stored = store_imported(tmp_path / "theirs", subject, np.zeros((len(subject.rows), 2), np.float32), THEIRS)
    assert read_set(tmp_path / "theirs", "test").origin.imported == stored.origin.imported
    assert stored.origin.imported.map["classes"] == ["positive", "negative"]


def test_a_damaged_run_without_training_can_be_imported_again(tmp_path):
    subject = open_subject(written(tmp_path / "A"))
    logits = np.zeros((12, 3), np.float32)
    store_imported(tmp_path / "theirs", subject, logits, THEIRS)
    (tmp_path / "theirs" / "imported.json").write_text("{")
    with pytest.raises(DataError, match=r"imported\.json"):
        read_imported(tmp_path / "theirs")
    store_imported(tmp_path / "theirs", subject, logits, THEIRS)
    assert read_imported(tmp_path / "theirs") == THEIRS
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files, which is not replaced"):
        check_free(tmp_path / "other")


@pytest.mark.parametrize("name", ["VGAF", "somewhere"])
def test_pickles_of_a_published_data_set_are_judged(tmp_path, name):
    judged = open_judged(write_split(tmp_path / name))
    assert (judged.reader, judged.class_tasks, judged.scores) == ("vgaf", ["emotion"], [])
    subject = subject_of(judged)
    assert subject.task.classes == ("positive", "neutral", "negative")
    assert (subject.split, subject.ids) == ("all", ("v_1", "v_2"))
    stored = store_imported(tmp_path / "theirs", subject, np.eye(3, dtype=np.float32)[:2], THEIRS)
    assert stored.predictions.targets.tolist() == [0, 2]
