"""Figures of predicted scores against audmetric, scikit-learn and a naive jackknife, with ties, constants and gaps."""

import math
import time

import audmetric
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from sertool.core.metrics import Clusters, Difference, Jackknife
from sertool.core.metrics.classification import LABEL_METRICS
from sertool.core.metrics.scores import (
    DIMENSION_METRICS,
    dimension_differences,
    dimension_estimates,
    dimension_figures,
    figures_left,
    mean_estimates,
    score_differences,
    score_figures,
)

# Few different values, so that ties, constants and gaps are frequent.
VALUES = st.integers(2, 8).map(lambda value: value / 2)
PAIRS = st.lists(st.tuples(st.one_of(st.just(math.nan), VALUES), VALUES), min_size=1, max_size=25)


def naive(targets, predictions):
    """The figures of one dimension by audmetric and scikit-learn; NaN where they are not defined."""
    known = ~np.isnan(targets)
    x, y = targets[known], predictions[known]
    if not len(x):
        return dict.fromkeys(DIMENSION_METRICS, math.nan)
    spread = np.ptp(x) > 0
    return {
        "ccc": audmetric.concordance_cc(x, y) if spread else math.nan,
        "pearson": audmetric.pearson_cc(x, y) if spread and np.ptp(y) > 0 else math.nan,
        "mae": mean_absolute_error(x, y),
        "rmse": root_mean_squared_error(x, y),
        "r2": r2_score(x, y) if spread else math.nan,
    }


def naive_means(targets, predictions):
    """Means over the dimensions whose targets allow a figure; Pearson's r of constants is 0 in them."""
    found = [naive(x, y) for x, y in zip(targets.T, predictions.T, strict=True)]
    for one, x in zip(found, targets.T, strict=True):
        if math.isnan(one["pearson"]) and len(np.unique(x[~np.isnan(x)])) > 1:
            one["pearson"] = 0.0
    means = {}
    for name in DIMENSION_METRICS:
        values = [one[name] for one in found if not math.isnan(one[name])]
        means[name] = sum(values) / len(values) if values else math.nan
    return means


def sample(seed, count=120, dimensions=3, gaps=0.2):
    """Scores on scales of their own, with gaps, and the predictions of two models."""
    draw = np.random.default_rng(seed)
    targets = draw.normal(size=(count, dimensions)) * [1, 5, 0.2][:dimensions] + [0, 40, -3][:dimensions]
    a, b = (0.7 * targets + noise * draw.normal(size=targets.shape) for noise in (0.5, 0.4))
    return np.where(draw.random(targets.shape) < gaps, math.nan, targets), a, b


def speakers(count, number=12):
    return Jackknife(Clusters(np.arange(count) % number, number, "speaker"))


def kept(count, number):
    """The rows that are left without each cluster, then without each utterance."""
    return [np.arange(count) % number != one for one in range(number)] + [
        np.arange(count) != row for row in range(count)
    ]


@given(PAIRS)
@settings(deadline=None)
def test_figures_of_one_dimension_are_those_of_others(pairs):
    targets, predictions = np.array(pairs).T
    assert dimension_figures(targets, predictions) == pytest.approx(naive(targets, predictions), abs=1e-9, nan_ok=True)


@given(st.lists(st.tuples(*[st.one_of(st.just(math.nan), VALUES)] * 2, *[VALUES] * 2), min_size=1, max_size=20))
@settings(deadline=None)
def test_mean_figures_are_means_over_the_dimensions_that_allow_them(rows):
    table = np.array(rows)
    targets, predictions = table[:, :2], table[:, 2:]
    wanted = naive_means(targets, predictions)
    assert score_figures(targets, predictions) == pytest.approx(wanted, abs=1e-9, nan_ok=True)
    estimates = mean_estimates(targets, predictions, speakers(len(targets), 2))
    assert {name: one.value for name, one in estimates.items()} == pytest.approx(wanted, abs=1e-9, nan_ok=True)


def test_audmetric_agrees_on_errors():
    targets, a, _ = sample(0, gaps=0)
    found = dimension_figures(targets[:, 0], a[:, 0])
    assert found["mae"] == pytest.approx(audmetric.mean_absolute_error(targets[:, 0], a[:, 0]))
    assert found["rmse"] ** 2 == pytest.approx(audmetric.mean_squared_error(targets[:, 0], a[:, 0]))


def test_large_means_and_small_scales_keep_their_digits():
    x = 1e6 + np.array([1.0, 2.0, 3.0, 5.0])
    y = x + np.array([0.5, -0.5, 0.25, 0.0])
    found, moved = dimension_figures(x, y), dimension_figures(x - 1e6, y - 1e6)
    assert found == pytest.approx(moved, rel=1e-9)
    small = dimension_figures((x - 1e6) * 1e-4, (y - 1e6) * 1e-4)
    assert [small[name] for name in ("ccc", "pearson", "r2")] == pytest.approx(
        [moved[name] for name in ("ccc", "pearson", "r2")]
    )


def test_constant_predictions_have_no_correlation():
    targets, constant = np.array([1.0, 2.0, 4.0]), np.full(3, 0.1)
    found = dimension_figures(targets, constant)
    assert found["ccc"] == 0
    assert math.isnan(found["pearson"])
    means = score_figures(np.stack([targets, targets], 1), np.stack([targets, constant], 1))
    assert (means["ccc"], means["pearson"]) == (0.5, 0.5)


def test_dimensions_without_spread_are_left_out_of_correlations_only():
    targets = np.array([[1.0, 3.0, 7.0, math.nan], [2.0, 3.0, math.nan, math.nan], [3.0, 3.0, math.nan, math.nan]])
    predictions = np.array([[1.0, 4.0, 5.0, 0.0], [2.0, 5.0, 0.0, 0.0], [3.0, 6.0, 0.0, 0.0]])
    found = score_figures(targets, predictions)
    assert (found["ccc"], found["pearson"], found["r2"]) == pytest.approx((1, 1, 1))
    assert found["mae"] == pytest.approx((0 + 2 + 2) / 3)
    assert math.isnan(dimension_figures(targets[:, 1], predictions[:, 1])["ccc"])


def test_nothing_to_judge_and_a_model_that_failed():
    nothing = score_figures(np.full((3, 2), math.nan), np.ones((3, 2)))
    assert all(math.isnan(value) for value in nothing.values())
    failed = score_figures(np.arange(6.0).reshape(3, 2), np.full((3, 2), math.nan))
    assert all(math.isnan(value) for value in failed.values())
    ignored = score_figures(np.array([[1.0], [math.nan], [2.0]]), np.array([[1.0], [math.nan], [2.0]]))
    assert ignored == pytest.approx({"ccc": 1, "pearson": 1, "mae": 0, "rmse": 0, "r2": 1})


def test_intervals_of_a_dimension_are_the_naive_jackknifes():
    targets, a, _ = sample(1)
    jackknife, x, y = speakers(120), targets[:, 0], a[:, 0]
    found, known = dimension_estimates(x, y, jackknife), ~np.isnan(x)
    left = [naive(x[rows], y[rows]) for rows in kept(120, 12)]
    for name, value in naive(x, y).items():
        values = np.array([one[name] for one in left])
        wanted = jackknife.estimate(value, values, DIMENSION_METRICS[name].within, known)
        assert (found[name].low, found[name].high) == pytest.approx((wanted.low, wanted.high), abs=1e-9), name
        assert wanted.low < value < wanted.high


def test_intervals_of_means_and_differences_are_the_naive_jackknifes():
    targets, a, b = sample(2)
    jackknife, known = speakers(120), ~np.isnan(targets).all(1)
    found, both = mean_estimates(targets, a, jackknife), score_differences(targets, a, b, jackknife)
    of_a, of_b = ([naive_means(targets[rows], one[rows]) for rows in kept(120, 12)] for one in (a, b))
    left = figures_left(targets, a, jackknife)
    for name, value in naive_means(targets, a).items():
        values, others = (np.array([one[name] for one in own]) for own in (of_a, of_b))
        np.testing.assert_allclose(left[name], values, atol=1e-9)
        wanted = jackknife.estimate(value, values, DIMENSION_METRICS[name].within, known)
        assert (found[name].low, found[name].high) == pytest.approx((wanted.low, wanted.high), abs=1e-9), name
        apart = naive_means(targets, b)[name] - value
        noise = jackknife.noise(apart, others - values, known)
        assert (both[name].value, both[name].p) == pytest.approx((apart, noise.p(apart)), abs=1e-9)
        assert both[name].low == pytest.approx(apart - noise.half)
        assert both[name].high == pytest.approx(apart + noise.half)


def test_a_difference_of_errors_may_exceed_one():
    targets, a, _ = sample(3, gaps=0)
    worse = a + np.random.default_rng(0).normal(size=a.shape) * [30, 30, 30]
    found = score_differences(targets, a, worse, speakers(120))["mae"]
    assert 1 < found.low < found.value < found.high
    assert found.p < 0.001


def test_the_same_model_twice_and_one_dimension_of_several():
    targets, a, b = sample(4)
    assert set(score_differences(targets, a, a, speakers(120)).values()) == {Difference(0.0, 0.0, 0.0, 1.0)}
    one = dimension_differences(targets[:, 1], a[:, 1], b[:, 1], speakers(120))
    assert one == score_differences(targets[:, 1:2], a[:, 1:2], b[:, 1:2], speakers(120))
    alone = dimension_estimates(targets[:, 1], a[:, 1], speakers(120))
    assert mean_estimates(targets[:, 1:2], a[:, 1:2], speakers(120)) == alone


def test_few_speakers_or_few_with_targets_have_no_interval():
    targets, a, b = sample(5, gaps=0)
    few = speakers(120, 4)
    assert {one.low for one in mean_estimates(targets, a, few).values()} == {None}
    assert {one.p for one in score_differences(targets, a, b, few).values()} == {None}
    targets[np.arange(120) % 12 > 2, 0] = math.nan  # three speakers have the first score
    assert {one.low for one in dimension_estimates(targets[:, 0], a[:, 0], speakers(120)).values()} == {None}
    assert mean_estimates(targets, a, speakers(120))["mae"].low is not None


def test_a_dimension_that_varies_in_one_speaker_only_leaves_no_interval_of_correlations():
    targets, a, _ = sample(6, dimensions=2, gaps=0)
    targets[1:, 0] = 1.0  # without the first utterance, the first score is constant
    found = mean_estimates(targets, a, speakers(120))
    assert found["ccc"].low is None
    assert not math.isnan(found["ccc"].value)
    assert found["mae"].low < found["mae"].value < found["mae"].high


def test_errors_are_better_when_lower_and_none_is_a_share():
    assert list(DIMENSION_METRICS) == ["ccc", "pearson", "mae", "rmse", "r2"]
    assert [name for name, metric in DIMENSION_METRICS.items() if not metric.higher_is_better] == ["mae", "rmse"]
    assert not any(metric.is_share for metric in DIMENSION_METRICS.values())
    assert all(metric.is_share for metric in LABEL_METRICS.values())


def test_figures_for_selection_are_fast():
    """Ten thousand utterances of three scores, as after an epoch: a few hundredths of a second at most."""
    targets, a, _ = sample(7, count=10_000)
    score_figures(targets, a)
    begun = time.process_time()
    for _ in range(5):
        score_figures(targets, a)
    assert (time.process_time() - begun) / 5 < 0.1
