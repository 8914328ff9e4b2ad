"""Split conformal intervals against the quantile written out, and how often they hold the truth."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sertool.core.metrics import Clusters, Jackknife
from sertool.core.metrics.conformal import (
    LEVEL,
    Intervals,
    coverage_estimates,
    fewest_for,
    fit_half_widths,
    fit_intervals,
    why_no_interval,
)


def utterances(count):
    return Clusters(np.arange(count), count, "utterance")


def speakers(count, number):
    names = tuple(f"s{one}" for one in range(number))
    return Clusters(np.arange(count) % number, number, "speaker", names)


def naive(residuals, level):
    """The smallest residual that at least ``(n + 1) level`` of the residuals do not exceed; level is in percent."""
    for one in sorted(residuals):
        if 100 * sum(other <= one for other in residuals) >= (len(residuals) + 1) * level:
            return one
    return None


@given(st.lists(st.integers(0, 6), min_size=0, max_size=60), st.sampled_from([50, 80, 90, 95]))
@settings(deadline=None)
def test_half_widths_are_the_quantile_written_out(residuals, level):
    """Whole residuals, so that ties are frequent; every second one has the other sign."""
    signs = np.where(np.arange(len(residuals)) % 2, -1, 1)
    found = fit_half_widths(np.zeros((len(residuals), 1)), (signs * residuals)[:, None], level / 100)
    assert found == (naive(residuals, level),)


@pytest.mark.parametrize(("count", "rank"), [(9, 9), (10, 10), (19, 18), (109, 99), (999, 900)])
def test_the_rank_does_not_depend_on_rounding(count, rank):
    residuals = np.arange(1.0, count + 1)[:, None]
    assert fit_half_widths(np.zeros((count, 1)), residuals) == (float(rank),)
    assert fewest_for(LEVEL) == 9


def test_each_score_has_its_own_width_and_gaps_are_left_out():
    draw = np.random.default_rng(0)
    targets = draw.normal(size=(200, 3)) * [1, 10, 1]
    targets[5:, 2] = math.nan
    predictions = np.zeros((200, 3))
    found = fit_half_widths(targets, predictions)
    assert found[0] == np.sort(np.abs(targets[:, 0]))[180]
    assert found[1] == pytest.approx(16.4, rel=0.2)
    assert found[2] is None
    predictions[0, 0] = math.nan
    assert fit_half_widths(targets, predictions)[0] is None


def test_intervals_say_what_they_were_fitted_for_and_why_some_are_missing():
    targets = np.zeros((40, 3))
    targets[1:, 1] = math.nan
    predictions = np.linspace(-1, 1, 40)[:, None] * [1, 1, 1]
    predictions[3, 2] = math.nan
    names = ("arousal", "valence", "dominance")
    own = fit_intervals(targets, predictions, members=["b", "a"], names=names, clusters=speakers(40, 8))
    assert own == Intervals(
        level=0.9,
        half=(pytest.approx(0.949, abs=1e-3), None, None),
        set="valid",
        utterances=40,
        members=("b", "a"),
        names=names,
        reasons=(
            "",
            "1 validation utterance has this score: intervals of 90 % need 9",
            "some predictions for validation are not finite",
        ),
    )
    assert own.fits(["b", "a"])
    assert not own.fits(["a", "b"])
    few = fit_intervals(targets, predictions, members=["a"], names=names, clusters=speakers(40, 3))
    assert few.half == own.half
    assert few.note.startswith("from 3 speakers of validation")
    assert why_no_interval(30, 0.99) == "30 validation utterances have this score: intervals of 99 % need 99"


def test_coverage_by_hand():
    """Half a width of 1: apart by 0, 1, 2 and a gap; the predictions of 3 and -3 are cut by the range."""
    targets = np.array([[3.0], [-2.0], [2.0], [math.nan]])
    predictions = np.array([[3.0], [-3.0], [0.0], [0.5]])
    jackknife = Jackknife(utterances(4))
    plain, nothing = coverage_estimates(np.tile(targets, 2), np.tile(predictions, 2), (1.0, None), jackknife)
    assert nothing is None
    assert plain.covered.value == pytest.approx(2 / 3)
    assert plain.width == 2
    cut = coverage_estimates(targets, predictions, (1.0,), jackknife, [(-3, 3)])[0]
    assert cut.covered == plain.covered
    assert cut.width == pytest.approx((1 + 1 + 2 + 2) / 4)


def test_coverage_has_the_interval_of_a_share():
    draw = np.random.default_rng(1)
    targets, predictions = draw.normal(size=(300, 1)), np.zeros((300, 1))
    jackknife = Jackknife(speakers(300, 15))
    own = coverage_estimates(targets, predictions, (1.6,), jackknife)[0].covered
    assert own.low < own.value < own.high < 1
    held = np.abs(targets[:, 0]) <= 1.6
    left = jackknife.totals(np.stack([held, np.ones(300)], -1))
    wanted = jackknife.estimate(held.mean(), left[:, 0] / left[:, 1], (0.0, 1.0))
    assert (own.low, own.high) == pytest.approx((wanted.low, wanted.high))
    assert coverage_estimates(targets, predictions, (9.0,), jackknife)[0].covered.low is None  # always held


@pytest.mark.parametrize("count", [9, 30, 200])
def test_intervals_of_exchangeable_utterances_hold_the_truth(count):
    """The mean coverage over validation sets is ``ceil((n + 1) level) / (n + 1)``, whatever the distribution."""
    draw = np.random.default_rng(count)
    held = []
    for _ in range(400):
        valid, test = (draw.standard_t(3, size=(size, 1)) for size in (count, 500))
        half = fit_half_widths(valid, np.zeros((count, 1)))[0]
        held.append(np.mean(np.abs(test) <= half))
    wanted = math.ceil((count + 1) * 0.9) / (count + 1)
    assert np.mean(held) == pytest.approx(wanted, abs=4 * np.std(held) / math.sqrt(400))
    assert np.std(held) < 4 * math.sqrt(wanted * (1 - wanted) / count + 0.1 / 500)
