"""Temperature and calibration error against naive computations, and when a temperature is used."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from sertool.core.metrics.calibration import (
    BOUNDS,
    NEAR,
    PRIOR,
    calibrate,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    probabilities,
)
from sertool.core.metrics.classification import decide
from sertool.core.metrics.clusters import Clusters, choose_clusters


def problem(count: int, classes: int, *, seed: int = 0, scale: float = 1.0, kind: str = "single"):
    """Logits of a model that is right about probabilities at temperature ``scale``, and targets drawn by them."""
    random = np.random.default_rng(seed)
    true = random.normal(0, 1.5, (count, classes))
    shares = probabilities(true, kind)
    if kind == "multi":
        targets = (random.random((count, classes)) < shares).astype(np.int64)
    else:
        targets = np.array([random.choice(classes, p=row) for row in shares])
    return (true * scale).astype(np.float32), targets


def naive_error(logits, targets, kind: str, temperature: float) -> float:
    """The formula as it stands in the paper, one decision at a time, one bin at a time."""
    decisions = []
    for row, target in zip(logits.astype(np.float64) / temperature, targets, strict=True):
        if kind == "multi":
            for logit, wanted in zip(row, target, strict=True):
                yes = 1 / (1 + math.exp(-logit))
                decisions.append((max(yes, 1 - yes), (logit > 0) == bool(wanted)))
        else:
            powers = [math.exp(value - max(row)) for value in row]
            decisions.append((max(powers) / sum(powers), list(row).index(max(row)) == target))
    error = 0.0
    for number in range(15):
        inside = [
            (confidence, right) for confidence, right in decisions if number / 15 < confidence <= (number + 1) / 15
        ]
        if inside:
            accuracy = sum(right for _, right in inside) / len(inside)
            confidence = sum(confidence for confidence, _ in inside) / len(inside)
            error += len(inside) / len(decisions) * abs(accuracy - confidence)
    return error


@pytest.mark.parametrize("kind", ["single", "multi"])
@given(
    count=st.integers(1, 40),
    classes=st.integers(2, 6),
    seed=st.integers(0, 99),
    scale=st.floats(0.2, 5),
    temperature=st.floats(0.2, 5),
)
@settings(max_examples=40, deadline=None)
def test_the_calibration_error_is_the_naive_one(kind, count, classes, seed, scale, temperature):
    logits, targets = problem(count, classes, seed=seed, scale=scale, kind=kind)
    mine = expected_calibration_error(logits, targets, kind, temperature)
    assert mine == pytest.approx(naive_error(logits, targets, kind, temperature), abs=1e-9)


def test_a_confidence_of_one_is_in_the_last_bin():
    """If it fell out of the bins, a model that is always certain and half right would look perfect."""
    logits = np.array([[1000.0, 0.0], [1000.0, 0.0]])
    assert expected_calibration_error(logits, np.array([0, 1]), "single") == 0.5


def test_the_calibration_error_by_hand():
    logits = np.log([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    # 0.9: one of two right, a gap of 0.4; 0.6: two of two right, a gap of 0.4.
    targets = np.array([0, 1, 0, 1])
    assert expected_calibration_error(logits, targets, "single") == pytest.approx(0.4)
    assert expected_calibration_error(np.zeros((3, 2)), np.zeros((3, 2), int), "multi") == 0.5


@pytest.mark.parametrize("kind", ["single", "multi"])
@given(
    logits=arrays(np.float32, (5, 4), elements=st.floats(-30, 30, width=32)),
    temperature=st.floats(*BOUNDS),
)
@settings(max_examples=60, deadline=None)
def test_a_temperature_never_changes_a_decision(kind, logits, temperature):
    shares = probabilities(logits, kind, temperature)
    assert np.isfinite(shares).all()
    assert ((shares >= 0) & (shares <= 1)).all()
    if kind == "multi":
        assert (decide(logits, kind) == (logits > 0)).all()
        assert (shares[logits > 0] >= 0.5).all()
        assert (shares[logits <= 0] <= 0.5).all()
    else:
        assert shares.sum(-1) == pytest.approx(1)
        # The one that is decided for has the highest probability, also where rounding makes others equal.
        best = shares[np.arange(5), decide(logits, kind)]
        assert (best == shares.max(-1)).all()


def each_alone(count: int) -> Clusters:
    """Every utterance its own cluster."""
    return Clusters(np.arange(count), count, "utterance")


def by_speaker(count: int, speakers: int) -> Clusters:
    return Clusters(np.arange(count) % speakers, speakers, "speaker")


@pytest.mark.parametrize("kind", ["single", "multi"])
@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_the_fit_finds_the_temperature_that_was_planted(kind, scale):
    logits, targets = problem(4000, 4, scale=scale, kind=kind)
    fit = fit_temperature(logits, targets, kind, each_alone(4000))
    assert fit.temperature == pytest.approx(scale, rel=0.06)
    assert fit.low < scale < fit.high
    assert fit.high / fit.low < 1.15


@pytest.mark.parametrize("kind", ["single", "multi"])
@given(count=st.integers(2, 60), seed=st.integers(0, 500), scale=st.floats(0.1, 10))
@settings(max_examples=40, deadline=None)
def test_no_temperature_of_a_grid_is_more_probable(kind, count, seed, scale):
    logits, targets = problem(count, 3, seed=seed, scale=scale, kind=kind)
    fit = fit_temperature(logits, targets, kind, each_alone(count))
    assert BOUNDS[0] <= fit.low <= fit.temperature <= fit.high <= BOUNDS[1]
    if (decide(logits, kind) == targets).all():  # smoothed
        return
    decisions = targets.size

    def loss(temperature: float) -> float:
        own = decisions * negative_log_likelihood(logits, targets, kind, temperature)
        return own + math.log(temperature) ** 2 / (2 * PRIOR**2)

    assert loss(fit.temperature) <= min(map(loss, np.geomspace(*BOUNDS, 200))) + 1e-6


def test_the_standard_error_is_the_sandwich_over_clusters():
    """By numerical derivatives of the loss, one speaker at a time."""
    logits, targets = problem(120, 3, seed=3, scale=2.0)
    clusters = by_speaker(120, 6)
    targets[clusters.index == 0] = 0  # one speaker unlike the others
    fit = fit_temperature(logits, targets, "single", clusters)
    step, middle = 1e-4, math.log(fit.temperature)

    def total(place: float, rows) -> float:
        own = negative_log_likelihood(logits[rows], targets[rows], "single", math.exp(place))
        return own * np.count_nonzero(rows)

    rows = [clusters.index == number for number in range(6)]
    slopes = [(total(middle + step, one) - total(middle - step, one)) / (2 * step) for one in rows]
    scaled = logits / fit.temperature
    shares = probabilities(scaled, "single")
    curvature = ((shares * scaled**2).sum(-1) - (shares * scaled).sum(-1) ** 2).sum() + PRIOR**-2
    error = math.sqrt(np.var(slopes, ddof=1) * 6) / curvature
    assert math.log(fit.high / fit.low) == pytest.approx(2 * stats.t.ppf(0.975, 5) * error, rel=1e-3)


@pytest.mark.parametrize("count", [1, 5, 100, 10_000])
@pytest.mark.parametrize("kind", ["single", "multi"])
def test_all_right_gives_no_certainty(kind, count):
    """No number of right answers proves that the next one is certain to be right."""
    logits = np.tile(np.array([[2.0, -1.0, -1.0]], np.float32), (count + 1, 1))
    targets = np.zeros(count + 1, int) if kind == "single" else np.tile([[1, 0, 0]], (count + 1, 1))
    temperature = fit_temperature(logits, targets, kind, each_alone(count + 1)).temperature
    assert BOUNDS[0] < temperature < 1.2
    if kind == "single" and count >= 100:
        # What the rule of succession allows, less what the prior takes.
        assert probabilities(logits[:1], kind, temperature)[0, 0] < 1 - 0.5 / (count + 1)


def test_huge_logits_overflow_nowhere():
    logits = np.array([[3e38, -3e38], [-3e38, 3e38], [3e38, 0]], np.float32)
    fit = fit_temperature(logits, np.array([0, 1, 1]), "single", each_alone(3))
    assert BOUNDS[0] <= fit.low <= fit.temperature <= fit.high <= BOUNDS[1] * 1.001


# The rule


def test_calibrate_measures_before_and_after():
    logits, targets = problem(500, 3, scale=3.0)
    made = calibrate(logits, targets, "single", members=["run-2", "run-1"], clusters=by_speaker(500, 10))
    assert (made.members, made.set, made.utterances) == (("run-2", "run-1"), "valid", 500)
    assert (made.calibrated, made.reason) == (True, "")
    assert made.ece_before == expected_calibration_error(logits, targets, "single")
    assert made.ece_after == expected_calibration_error(logits, targets, "single", made.temperature)
    assert made.ece_after < made.ece_before / 3
    assert made.nll_after < made.nll_before
    assert made.nll_after == negative_log_likelihood(logits, targets, "single", made.temperature)
    assert 1 < made.low < made.temperature < made.high


CROSS = "; cross-validate with --set splits.scheme=folds"


@pytest.mark.parametrize(
    ("count", "clusters", "reason"),
    [
        (500, by_speaker(500, 2), f"2 validation speakers: too few for an interval (5 are needed){CROSS}"),
        (40, by_speaker(40, 1), f"1 validation speaker: too few for an interval (5 are needed){CROSS}"),
        (29, each_alone(29), "29 validation utterances: too few (30 are needed)"),
        (1, each_alone(1), "1 validation utterance: too few (30 are needed)"),
    ],
)
@pytest.mark.parametrize("kind", ["single", "multi"])
def test_too_little_validation_leaves_the_temperature_at_1(kind, count, clusters, reason):
    logits, targets = problem(count, 3, scale=3.0, kind=kind)
    made = calibrate(logits, targets, kind, members=["run-1"], clusters=clusters)
    assert (made.calibrated, made.temperature, made.reason, made.low) == (False, 1.0, reason, None)
    assert (made.ece_after, made.nll_after) == (made.ece_before, made.nll_before)


def test_few_speakers_with_dialogues_are_told():
    """Ten dialogues of two speakers can tell a temperature, and nothing about others."""
    logits, targets = problem(500, 3, scale=3.0)
    speakers, dialogues = [f"s{row % 2}" for row in range(500)], [f"d{row % 10}" for row in range(500)]
    clusters = choose_clusters({"speaker": speakers, "dialogue": dialogues}, 500)
    made = calibrate(logits, targets, "single", members=["a"], clusters=clusters)
    assert made.calibrated
    assert made.note == clusters.note
    assert "only 2 speakers" in made.note


def test_no_advice_to_cross_validate_what_is_cross_validated():
    logits, targets = problem(90, 3)
    made = calibrate(logits, targets, "single", members=["a"], clusters=by_speaker(90, 3), advise=False)
    assert made.reason == "3 validation speakers: too few for an interval (5 are needed)"


@pytest.mark.parametrize("kind", ["single", "multi"])
def test_one_class_or_equal_logits_tell_nothing(kind):
    logits, _ = problem(60, 3, kind=kind)
    one_class = np.zeros(60, int) if kind == "single" else np.tile([[1, 0, 0]], (60, 1))
    made = calibrate(logits, one_class, kind, members=["run-1"], clusters=each_alone(60))
    assert (made.temperature, made.reason) == (1.0, "all validation utterances have the same label")
    _, targets = problem(60, 3, kind=kind)
    made = calibrate(np.zeros((60, 3)), targets, kind, members=["run-1"], clusters=each_alone(60))
    assert (made.temperature, made.calibrated) == (1.0, False)
    assert made.reason.startswith(
        "60 validation utterances cannot tell the temperature from 1: its 95 % interval is 0."
    )


def test_a_class_that_validation_lacks_does_not_keep_it_from_calibrating():
    logits, targets = problem(600, 4, scale=3.0)
    kept = targets != 2
    made = calibrate(logits[kept], targets[kept], "single", members=["a"], clusters=by_speaker(int(kept.sum()), 8))
    assert made.calibrated
    assert made.temperature > 1


def test_a_temperature_that_may_be_1_is_not_used_unless_it_must_be_near_1():
    """Little data cannot tell; much data can tell that nothing needs to be corrected."""
    few, many = problem(60, 4), problem(6000, 4)
    made = calibrate(*few, "single", members=["a"], clusters=by_speaker(60, 6))
    assert (made.calibrated, made.temperature) == (False, 1.0)
    assert made.low < 1 < made.high
    assert f"its 95 % interval is {made.low:.2f} to {made.high:.2f}" in made.reason
    made = calibrate(*many, "single", members=["a"], clusters=by_speaker(6000, 60))
    assert made.calibrated
    assert 1 / NEAR < made.low < 1 < made.high < NEAR
