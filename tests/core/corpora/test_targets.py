"""Targets of utterances with raters, and of scores."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sertool.core.corpora.corpus import Utterance
from sertool.core.corpora.targets import class_counts, classes_in, labels_of, target_of
from sertool.core.corpora.tasks import Task, Votes
from sertool.core.errors import DataError

CLASSES = ("happy", "sad")
SOFT, ANY = Task("emotion", CLASSES, "votes"), Task("emotion", CLASSES, "any")
SCORES = Task("arousal, valence", ("arousal", "valence"), "scores", ((1.0, 5.0), (-1.0, 1.0)))


def said(*votes, label=None):
    """Return an utterance whose raters said this; a tuple is of a rater who chose several classes."""
    ratings = {"emotion": {f"r{number}": vote for number, vote in enumerate(votes)}} if votes else None
    return Utterance("u", "train", "", (), {} if label is None else {"emotion": label}, ratings=ratings)


@pytest.mark.parametrize(
    ("utterance", "soft", "present"),
    [
        (said("happy", "happy", "sad", label="happy"), Votes(0, (2 / 3, 1 / 3)), (1, 1)),
        (said("happy", "sad"), Votes(None, (0.5, 0.5)), (1, 1)),
        (said("happy", ("happy", "sad"), label="happy"), Votes(0, (0.75, 0.25)), (1, 1)),
        (said(label="sad"), Votes(1, (0.0, 1.0)), (0, 1)),
        (said("bored", label="sad"), Votes(1, (0.0, 1.0)), (0, 1)),
        (said("happy", "happy", "bored", label="happy"), Votes(0, (1.0, 0.0)), (1, 0)),
        # Most raters, or as many as any others, chose a class that the task lacks: it is no utterance of the task.
        (said("bored", "bored", "sad"), None, None),
        (said("bored", "sad"), None, None),
        (said("bored"), None, None),
        (said(), None, None),
    ],
)
def test_votes_and_labels_give_the_targets(utterance, soft, present):
    found = target_of(utterance, SOFT)
    assert found == soft or (found.label == soft.label and found.shares == pytest.approx(soft.shares))
    assert target_of(utterance, ANY) == present


def test_a_label_that_is_no_class_of_the_task_is_told():
    with pytest.raises(DataError, match="label 'bored' is not one of happy, sad"):
        target_of(said("happy", label="bored"), SOFT)


def scored(**labels):
    return Utterance("u", "train", "", (), labels)


def test_scores_are_in_the_order_of_the_task_and_nan_where_one_is_missing():
    assert target_of(scored(valence=0.5, arousal=3), SCORES) == (3.0, 0.5)
    arousal, valence = target_of(scored(valence=-1.0), SCORES)
    assert math.isnan(arousal)
    assert valence == -1.0
    assert target_of(scored(sentiment=1.0), SCORES) is None


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"arousal": 5.5}, "arousal 5.5 is out of range, expected 1 to 5"),
        ({"arousal": "high"}, "arousal 'high' is not a finite number"),
        ({"arousal": True}, "arousal True is not a finite number"),
        ({"arousal": 10**400}, "is out of range|is not a finite number"),
    ],
)
def test_a_score_that_cannot_be_is_told(labels, message):
    with pytest.raises(DataError, match=message):
        target_of(scored(**labels), SCORES)


@pytest.mark.parametrize(
    ("task", "name", "said", "message"),
    [
        (SCORES, "valence", 1.25, "rater 'ann': valence 1.25 is out of range, expected -1 to 1"),
        (SCORES, "valence", math.nan, "rater 'ann': valence nan is not a finite number"),
        (Task("sentiment", ("a", "b"), "sign"), "sentiment", -4, "rater 'ann': sentiment -4 is out of range, "),
    ],
)
def test_a_raters_score_that_cannot_be_is_told_as_a_label_is(task, name, said, message):
    utterance = Utterance("u", "train", "", (), {name: 0.5}, ratings={name: {"bob": 0.5, "ann": said}})
    with pytest.raises(DataError, match=f"^{message}"):
        target_of(utterance, task)
    allowed = {name: {"bob": 0.5, "ann": "bored"}, "warmth": {"ann": 900.0}}  # no score, and no score of the task
    assert target_of(replace(utterance, ratings=allowed), task) is not None


def test_counts_and_labels_of_each_kind():
    votes = [Votes(0, (0.75, 0.25)), Votes(None, (0.5, 0.5)), None]
    assert class_counts(SOFT, votes).tolist() == [1.25, 0.75]
    assert [classes_in(target, SOFT) for target in votes[:2]] == [[0], []]
    assert class_counts(ANY, [(1, 1), (0, 1), None]).tolist() == [1, 2]
    assert class_counts(Task("emotion", CLASSES, "name"), [0, 1, 1, None]).tolist() == [1, 2]
    assert classes_in((math.nan, 0.0), SCORES) == [1]
    assert labels_of(votes, [0], "single").tolist() == [0]
    np.testing.assert_array_equal(labels_of([(math.nan, 0.5)], [0], "scores"), [[math.nan, 0.5]])
