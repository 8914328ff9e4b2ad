"""Reliability, calibration error, Brier score and risk against coverage: naive loops, planted and degenerate cases."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import brier_score_loss

from sertool.core.metrics import Clusters, Estimate, Jackknife
from sertool.core.metrics.calibration import confidences, expected_calibration_error, probabilities
from sertool.core.metrics.reliability import (
    Bin,
    Point,
    brier,
    brier_estimate,
    ece_estimate,
    ece_expected,
    reliability,
    risk_coverage,
)

KINDS = pytest.mark.parametrize("kind", ["single", "multi"])


def problem(count, classes=4, *, seed=0, scale=1.0, kind="single"):
    """Logits, and targets that are drawn by their probabilities at temperature ``scale``."""
    draw = np.random.default_rng(seed)
    true = draw.normal(0, 1.5, (count, classes))
    shares = probabilities(true, kind)
    if kind == "multi":
        return true * scale, (draw.random((count, classes)) < shares).astype(int)
    return true * scale, np.array([draw.choice(classes, p=row) for row in shares])


def risk_coverage_area(logits, targets, kind, temperature=1.0):
    """Mean share of wrong decisions among the k surest, over all k; ties count as the mean of all orders.

    Y. Geifman, G. Uziel, R. El-Yaniv, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers", ICLR 2019.
    """
    confidence, right = confidences(logits, targets, kind, temperature)
    _, group, size = np.unique(-confidence, return_inverse=True, return_counts=True)
    wrong = np.repeat(np.bincount(group, weights=~right) / size, size)
    return float((np.cumsum(wrong) / np.arange(1, len(wrong) + 1)).mean())


def speakers(count, number):
    return Jackknife(Clusters(np.arange(count) % number, number, "speaker"))


def alone(count):
    return Jackknife(Clusters(np.arange(count), count, "utterance"))


# Reliability


@KINDS
@given(st.integers(1, 60), st.integers(0, 500), st.floats(0.2, 5))
@settings(max_examples=40, deadline=None)
def test_bins_make_the_calibration_error(kind, count, seed, temperature):
    logits, targets = problem(count, seed=seed, kind=kind)
    bins = reliability(logits, targets, kind, temperature)
    number = targets.size
    assert sum(one.count for one in bins) == number
    error = sum(one.count * abs(one.accuracy - one.confidence) for one in bins) / number
    assert error == pytest.approx(expected_calibration_error(logits, targets, kind, temperature))
    assert [one.confidence for one in bins] == sorted(one.confidence for one in bins)
    for one in bins:
        wanted = stats.binomtest(round(one.accuracy * one.count), one.count).proportion_ci(method="wilson")
        assert (one.low, one.high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_bins_by_hand():
    logits = np.log([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    low, high = 0.0945, 0.9055
    assert reliability(logits, np.array([0, 1, 0]), "single") == [
        Bin(pytest.approx(0.6), 1.0, 1, pytest.approx(0.2065, abs=1e-4), 1.0),
        Bin(pytest.approx(0.9), 0.5, 2, pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4)),
    ]


# Calibration error


@KINDS
def test_the_error_of_a_calibrated_model_is_what_chance_gives(kind):
    logits, targets = problem(400, kind=kind, seed=1)
    jackknife = speakers(400, 20)
    found = ece_estimate(logits, targets, kind, 1.0, jackknife)
    expected, p = ece_expected(logits, targets, kind)
    assert found.value == expected_calibration_error(logits, targets, kind)
    assert found.value == pytest.approx(expected, rel=0.5)
    assert p > 0.1
    # The true error is 0, and the figure is all chance: the interval goes far below it.
    assert 0 <= found.low < 0.3 * found.value
    over = ece_estimate(logits * 4, targets, kind, 1.0, jackknife)
    expected, p = ece_expected(logits * 4, targets, kind)
    assert expected < over.low < over.value < over.high
    assert p == 1 / 201
    assert ece_estimate(logits * 4, targets, kind, 4.0, jackknife) == found


def test_the_interval_of_the_error_covers_the_truth_where_there_is_some():
    """Too sure by half; truth from a large sample."""
    truth = expected_calibration_error(*problem(100_000, 3, seed=9, scale=1.5), "single")
    held = 0
    for seed in range(200):
        logits, targets = problem(400, 3, seed=100 + seed, scale=1.5)
        found = ece_estimate(logits, targets, "single", 1.0, speakers(400, 40))
        held += found.low <= truth <= found.high
    assert 0.84 <= held / 200 <= 0.99


def test_p_values_of_calibrated_models_are_spread_evenly():
    values = [ece_expected(*problem(150, 3, seed=seed), "single", draws=100)[1] for seed in range(150)]
    assert np.mean(np.array(values) < 0.1) == pytest.approx(0.1, abs=0.07)
    assert np.mean(values) == pytest.approx(0.5, abs=0.08)


def test_draws_are_the_seeds():
    case = problem(50)
    assert ece_expected(*case, "single") == ece_expected(*case, "single")
    assert ece_expected(*case, "single") != ece_expected(*case, "single", seed=2)


@KINDS
def test_the_error_without_a_speaker_is_that_of_the_other_utterances(kind):
    """Naively, with all decisions of an utterance left out together."""
    logits, targets = problem(60, seed=3, scale=2.0, kind=kind)
    kept = [np.arange(60) % 10 != number for number in range(10)] + [np.arange(60) != row for row in range(60)]
    values = np.array([expected_calibration_error(logits[rows], targets[rows], kind) for rows in kept])
    found, jackknife = ece_estimate(logits, targets, kind, 1.0, speakers(60, 10)), speakers(60, 10)
    wanted = jackknife.estimate(found.value, values, (0.0, math.inf))
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))


# Brier score


@given(st.integers(1, 40), st.integers(0, 500), st.floats(0.2, 5))
@settings(max_examples=40, deadline=None)
def test_the_brier_score_is_scikit_learns(count, seed, temperature):
    logits, targets = problem(count, seed=seed)
    shares = probabilities(logits, "single", temperature)
    wanted = brier_score_loss(targets, shares, labels=list(range(4)), scale_by_half=False)
    assert brier(logits, targets, "single", temperature) == pytest.approx(wanted)


def test_the_brier_score_by_hand():
    assert brier(np.log([[0.8, 0.2]]), np.array([0]), "single") == pytest.approx(0.08)
    assert brier(np.array([[1000.0, 0.0]]), np.array([1]), "single") == 2
    # Yes with 0.5 to three classes, one of which is there.
    assert brier(np.zeros((5, 3)), np.tile([1, 0, 0], (5, 1)), "multi") == 0.75


@KINDS
def test_the_brier_score_has_an_interval(kind):
    case = problem(300, kind=kind)
    found = brier_estimate(*case, kind, 1.0, speakers(300, 15))
    assert found.value == brier(*case, kind)
    assert found.low < found.value < found.high


# Risk against coverage


def test_abstaining_by_hand():
    """Ten decisions of four probabilities; half of the surest four are right, all of the next, none after."""
    shares = np.array([0.9] * 4 + [0.8] * 3 + [0.7] * 2 + [0.6])
    right = np.array([1, 0, 1, 0, 1, 1, 1, 0, 0, 0])
    logits, targets = np.log(np.stack([shares, 1 - shares], -1)), 1 - right
    assert risk_coverage(logits, targets, "single") == [
        Point(0.4, 0.5, pytest.approx(0.9)),
        Point(0.7, pytest.approx(5 / 7), pytest.approx(0.8)),
        Point(0.9, pytest.approx(5 / 9), pytest.approx(0.7)),
        Point(1.0, 0.5, pytest.approx(0.6)),
    ]
    risks = [1 / 2] * 4 + [2 / 5, 2 / 6, 2 / 7, 3 / 8, 4 / 9, 5 / 10]
    assert risk_coverage_area(logits, targets, "single") == pytest.approx(np.mean(risks))
    order = np.random.default_rng(0).permutation(10)
    assert risk_coverage_area(logits[order], targets[order], "single") == pytest.approx(np.mean(risks))


@KINDS
@given(st.integers(1, 80), st.integers(0, 500), st.floats(0.2, 5))
@settings(max_examples=40, deadline=None)
def test_points_are_what_abstaining_at_them_leaves(kind, count, seed, temperature):
    logits, targets = problem(count, seed=seed, kind=kind)
    confidence, right = confidences(logits, targets, kind, temperature)
    points = risk_coverage(logits, targets, kind, temperature)
    assert 1 <= len(points) <= 20
    for point in points:
        left = confidence >= point.threshold
        assert (point.coverage, point.accuracy) == pytest.approx((left.mean(), right[left].mean()))
    coverages = [point.coverage for point in points]
    assert coverages == sorted(set(coverages))
    assert (coverages[-1], points[-1].accuracy) == (1, pytest.approx(right.mean()))
    surest = right[np.argsort(-confidence)]
    naive = np.mean([1 - surest[: k + 1].mean() for k in range(len(surest))])
    assert risk_coverage_area(logits, targets, kind, temperature) == pytest.approx(naive)


def test_a_model_that_knows_when_it_is_wrong_has_less_area():
    logits, targets = problem(2000, seed=5)
    known = risk_coverage_area(logits, targets, "single")
    random = np.random.default_rng(0).permutation(2000)
    right = logits.argmax(-1) == targets
    shuffled = risk_coverage_area(logits[random], np.where(right, logits[random].argmax(-1), -1), "single")
    assert known < 0.75 * shuffled
    assert shuffled == pytest.approx(1 - right.mean(), abs=0.04)


# What could become NaN


@KINDS
@pytest.mark.parametrize("count", [1, 2, 30])
@pytest.mark.parametrize("right", [True, False])
def test_nothing_is_nan_for_one_utterance_or_a_model_that_is_certain(kind, count, right):
    logits = np.tile(np.array([[1e4, -1e4, -1e4]], np.float32), (count, 1))
    yes = np.tile([1, 0, 0] if right else [0, 1, 1], (count, 1))
    targets = yes if kind == "multi" else yes.argmax(-1)
    bins = reliability(logits, targets, kind)
    assert bins == [Bin(1.0, float(right), targets.size, bins[0].low, bins[0].high)]
    assert 0 <= bins[0].low < bins[0].high <= 1
    assert ece_estimate(logits, targets, kind, 1.0, alone(count)) == Estimate(float(not right))
    assert ece_expected(logits, targets, kind) == (0.0, 1.0 if right else 1 / 201)
    worst = 3.0 if kind == "multi" else 2.0
    assert brier_estimate(logits, targets, kind, 1.0, alone(count)) == Estimate(0.0 if right else worst)
    assert risk_coverage(logits, targets, kind) == [Point(1.0, float(right), 1.0)]
    assert risk_coverage_area(logits, targets, kind) == float(not right)


def test_one_utterance_of_doubt_is_finite():
    case = (np.array([[0.3, 0.1, 0.0]]), np.array([1]), "single")
    figures = [brier(*case), risk_coverage_area(*case), *ece_expected(*case), reliability(*case)[0].high]
    assert all(math.isfinite(value) for value in figures)
    assert ece_estimate(*case, 1.0, alone(1)).low is None
