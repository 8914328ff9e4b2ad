"""Figures of each speaker: shares of time, changes, and what is unsure."""

import pytest
from hypothesis import given
from timelines import line_of, predicted, scored, timelines

from sertool.core.inference.timeline.contents import Stretch
from sertool.core.inference.timeline.summary import summarise, summary_columns

ANGRY, HAPPY, SAD = ((0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8))
WEAK = (0.4, 0.3, 0.3)


def test_shares_are_of_time_and_changes_pass_over_what_is_unsure():
    said = [(0, 2, HAPPY, 1), (1, 2, SAD, 2), (3, 4, WEAK, 1), (5, 6, HAPPY, 1), (6, 10, ANGRY, 1)]
    own = [Stretch(start, end, predicted(p), f"channel {c}", c) for start, end, p, c in said]
    timeline = line_of(*own, abstain=0.5)
    first, second = summarise(timeline)
    assert (first.speaker, first.segments, first.seconds) == ("channel 1", 4, 8)
    assert first.shares == pytest.approx({"angry": 4 / 8, "happy": 3 / 8, "sad": 0})
    assert first.unsure == pytest.approx(1 / 8)
    assert first.changes == 1  # happy, unsure, happy, angry
    assert (second.changes, second.shares["sad"]) == (0, 1)
    assert summary_columns(timeline, [first, second]) == [
        ["speaker", "segments", "minutes", "angry %", "happy %", "sad %", "unsure %", "changes"],
        ["channel 1", "4", "0.1", "50.0", "37.5", "0.0", "12.5", "1"],
        ["channel 2", "1", "0.0", "0.0", "0.0", "100.0", "0.0", "0"],
    ]


def test_several_labels_may_be_present_at_once_or_none():
    own = [Stretch(0, 1, predicted(labels=("happy", "sad"))), Stretch(1, 4, predicted(labels=()))]
    [summary] = summarise(line_of(*own))
    assert summary.shares == {"angry": 0, "happy": 0.25, "sad": 0.25, "none": 0.75}
    assert summary.changes == 1


def test_scores_have_means_over_the_time_that_is_not_unsure():
    own = [Stretch(0, 1, scored(2.0)), Stretch(1, 4, scored(4.0)), Stretch(4, 8, scored(None))]
    timeline = line_of(*own)
    [summary] = summarise(timeline)
    assert summary.means == pytest.approx({"valence": (2 + 3 * 4) / 4})
    assert summary.unsure == 0.5
    assert summary_columns(timeline, [summary]) == [
        ["segments", "minutes", "mean valence", "unsure %"],
        ["3", "0.1", "3.50", "50.0"],
    ]
    [silent] = summarise(line_of(Stretch(0, 1, scored(None))))
    assert (silent.means, silent.unsure) == ({}, 1)


@given(timelines())
def test_shares_and_what_is_unsure_sum_to_one(timeline):
    for own in summarise(timeline):
        whole = sum(own.shares.values()) + own.unsure
        assert whole == pytest.approx(1) or own.seconds == 0
        assert 0 <= own.changes < max(own.segments, 1)
        assert list(own.table) == ["speaker", "segments", "seconds", "unsure", "changes", "shares", "means"]
