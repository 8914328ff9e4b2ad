"""Ratings as arrays: whole votes, split votes, votes for other classes, and raters who said nothing."""

import doctest
from dataclasses import replace

import numpy as np
import pytest
from builders import CLASSES, make_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.corpora import ratings
from sertool.core.corpora.ratings import each_score, each_vote, shares_of, votes_of

CHOICE = st.sampled_from([*CLASSES, "bored", "odd"])
SAID = CHOICE | st.lists(CHOICE, min_size=1, max_size=3).map(tuple)
RATINGS = st.none() | st.dictionaries(st.sampled_from("abcde"), SAID)


def rated(*own, task="emotion"):
    """A corpus whose first utterances have these ratings."""
    corpus = make_corpus({"train": max(len(own), 1)})
    utterances = [
        replace(one, ratings=None if said is None else {task: said})
        for one, said in zip(corpus.utterances, own, strict=False)
    ]
    return replace(corpus, utterances=tuple(utterances))


def test_the_examples_run():
    assert doctest.testmod(ratings) == (0, 3)


@pytest.mark.parametrize(
    ("said", "shares"),
    [
        ({"a": "sad"}, [0, 0, 1]),
        ({"a": "sad", "b": "sad", "c": "angry", "d": "happy"}, [0.25, 0.25, 0.5]),
        ({"a": ("sad", "angry"), "b": "sad"}, [0.25, 0, 0.75]),  # who chose two splits the vote
        ({"a": ("sad", "bored"), "b": "angry"}, [0.5, 0, 0.5]),  # the whole vote is for the class that counts
        ({"a": "bored", "b": "angry"}, [1, 0, 0]),
        ({"a": ("sad", "sad"), "b": "angry"}, [0.5, 0, 0.5]),  # once is enough
        ({"a": "bored"}, None),
        ({"a": 2.5}, None),  # a score is no class
        ({}, None),
        (None, None),
    ],
)
def test_shares_of_an_utterance(said, shares):
    found = shares_of(said, CLASSES)
    if shares is None:
        assert found is None
    else:
        assert found.dtype == np.float64
        assert found.tolist() == shares
    whole = votes_of(rated(said, {"z": "happy"}), "emotion", CLASSES)
    np.testing.assert_array_equal(whole, [[np.nan] * 3 if shares is None else shares, [0, 1, 0]])


@settings(max_examples=60, deadline=None)
@given(st.lists(RATINGS, min_size=1, max_size=6))
def test_shares_are_those_of_each_utterance_and_sum_to_one(own):
    corpus = rated(*own)
    found = votes_of(corpus, "emotion", CLASSES)
    assert found.shape == (len(corpus.utterances), 3)
    assert found.dtype == np.float64
    for row, said in zip(found, own, strict=True):
        one = shares_of(said, CLASSES)
        if one is None:
            assert np.isnan(row).all()
        else:
            np.testing.assert_allclose(row, one, atol=1e-15)
            assert row.sum() == pytest.approx(1, abs=1e-12)
    of, said = each_vote(corpus, "emotion", CLASSES)
    assert (np.diff(of) >= 0).all()
    np.testing.assert_allclose(said.sum(1), 1)
    counted = [
        sum(bool(set([vote] if isinstance(vote, str) else vote) & set(CLASSES)) for vote in (raters or {}).values())
        for raters in own
    ]
    assert np.bincount(of, minlength=len(own)).tolist() == counted


def test_another_task_and_no_ratings_at_all_are_unknown():
    corpus = rated({"a": "sad"}, {"a": "happy"})
    assert np.isnan(votes_of(corpus, "sentiment", CLASSES)).all()
    plain = make_corpus({"train": 3})
    assert np.isnan(votes_of(plain, "emotion", CLASSES)).all()
    of, said = each_vote(plain, "emotion", CLASSES)
    assert (of.shape, said.shape) == ((0,), (0, 3))


def test_scores_of_raters_keep_their_units_and_order():
    corpus = rated({"a": 2.5, "b": 4}, None, {"a": "sad", "b": -1.0}, task="arousal")
    of, said = each_score(corpus, "arousal")
    assert of.tolist() == [0, 0, 2]
    assert said.tolist() == [2.5, 4.0, -1.0]
    assert said.dtype == np.float64
    assert [part.shape for part in each_score(corpus, "emotion")] == [(0,), (0,)]
