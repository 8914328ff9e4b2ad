"""Figures of sentiment scores against audmetric, naive loops and figures worked out by hand."""

import math

import audmetric
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from sertool.core.corpora.tasks import SEVEN, SIGN
from sertool.core.metrics import Clusters, Estimate, Jackknife
from sertool.core.metrics.calibration import probabilities
from sertool.core.metrics.moments import ccc, pearson
from sertool.core.metrics.sentiment import (
    SENTIMENT_METRICS,
    score_estimates,
    score_of,
    sentiment_estimates,
    sentiment_figures,
)

ALL = ["acc2_with_zeros", "acc2_without_zeros", "acc7", "mae", "pearson", "ccc"]
HALVES = st.integers(-6, 6).map(lambda value: value / 2)


def over(count, clusters=None):
    number = clusters or count
    unit = "speaker" if clusters else "utterance"
    return Jackknife(Clusters(np.arange(count) % number, number, unit))


def seven(*shares):
    """Logits of seven classes by the probabilities of the scores that are named."""
    rows = [[row.get(value, 0) for value in range(-3, 4)] for row in shares]
    return np.log(np.maximum(rows, 1e-30))


def sample(seed, count, noise=1.0):
    """Scores in halves, and the logits of a model that knows them more or less."""
    draw = np.random.default_rng(seed)
    scores = (draw.integers(-6, 7, count) / 2).astype(float)
    away = np.abs((scores + noise * draw.standard_normal(count))[:, None] - np.arange(-3, 4))
    return scores, -(away**2)


def test_a_score_is_the_mean_by_the_probabilities():
    logits = seven({-3: 0.5, 3: 0.5}, {0: 0.25, 1: 0.75}, {2: 1})
    np.testing.assert_allclose(score_of(logits, SEVEN), [0, 0.75, 2], atol=1e-9)
    assert score_of(logits * 1e-6, SEVEN, temperature=1e6) == pytest.approx([0, 0, 0], abs=1e-3)
    assert score_of(np.zeros((3, 2)), SIGN) is None


@given(st.lists(st.tuples(HALVES, HALVES), min_size=1, max_size=30))
@settings(deadline=None)
def test_correlations_are_audmetrics(pairs):
    x, y = np.array(pairs).T
    assert pearson(x, y) == pytest.approx(naive_pearson(x, y), abs=1e-9, nan_ok=True)
    if np.ptp(x) or np.ptp(y):
        assert ccc(x, y) == pytest.approx(audmetric.concordance_cc(x, y), abs=1e-9)
    else:
        assert math.isnan(ccc(x, y))


def naive_pearson(x, y):
    """audmetric's; numpy warns where the truth never varies."""
    return audmetric.pearson_cc(x, y) if np.ptp(x) and np.ptp(y) else math.nan


@given(st.floats(-3, 3), st.floats(0.01, 3))
def test_a_prediction_that_never_varies_agrees_with_nothing(constant, spread):
    x, y = np.array([-spread, 0.1, spread]), np.full(3, constant)
    assert math.isnan(pearson(x, y))
    assert ccc(x, y) == 0


def test_the_smallest_spread_is_no_rounding():
    x = np.array([1.0, 2.0, 3.0])
    assert pearson(x, 2 + 1e-6 * x) == pytest.approx(1)
    assert ccc(x, 2 + 1e-6 * x) == pytest.approx(2e-6, rel=1e-3)


def test_ccc_by_hand():
    """x = 1, 2, 3 and y = 2, 3, 4: variances and covariance 2/3, means 1 apart."""
    assert ccc(np.array([1, 2, 3]), np.array([2, 3, 4])) == pytest.approx((4 / 3) / (4 / 3 + 1))
    assert pearson(np.array([1, 2, 3]), np.array([2, 3, 4])) == 1


def test_figures_by_hand():
    scores = np.array([-1.0, 0.0, 0.0, 2.5, 1.5, -0.5])
    logits = seven({-1: 1}, {-1: 1}, {0: 0.6, 1: 0.4}, {2: 1}, {2: 0.5, -3: 0.3, 0: 0.2}, {0: 0.9, 1: 0.1})
    # Said: -1, -1, 0.4, 2, 0.1, 0.1; rounded half to even, the scores are -1, 0, 0, 2, 2, 0.
    found = score_estimates(scores, logits, SEVEN, over(6))
    assert list(found) == ALL
    assert found["acc2_with_zeros"].value == pytest.approx(4 / 6)
    assert found["acc2_without_zeros"].value == pytest.approx(3 / 4)
    assert found["acc7"].value == pytest.approx(5 / 6)
    assert found["mae"].value == pytest.approx((0 + 1 + 0.4 + 0.5 + 1.4 + 0.6) / 6)
    said = np.array([-1, -1, 0.4, 2, 0.1, 0.1])
    assert found["mae"].value == pytest.approx(audmetric.mean_absolute_error(scores, said))
    assert found["pearson"].value == pytest.approx(audmetric.pearson_cc(scores, said))
    assert found["ccc"].value == pytest.approx(audmetric.concordance_cc(scores, said))


def test_two_classes_have_a_sign_only():
    """Decided: positive, negative, positive, negative."""
    logits = np.array([[0, 1], [1, 0], [0, 1], [1, 0]])
    found = score_estimates(np.array([2.0, -1.0, 0.0, 0.4]), logits, SIGN, over(4))
    assert list(found) == ["acc2_with_zeros", "acc2_without_zeros"]
    assert [one.value for one in found.values()] == pytest.approx([3 / 4, 2 / 3])
    without = score_estimates(np.array([2.0, -1.0, -3.0, 0.4]), logits, SIGN, over(4))
    assert list(without) == ["acc2_without_zeros"]
    assert without["acc2_without_zeros"].value == 0.5
    zeros = score_estimates(np.zeros(4), logits, SIGN, over(4))
    assert list(zeros) == ["acc2_with_zeros"]
    assert zeros["acc2_with_zeros"].value == 0.5


def test_intervals_are_the_naive_jackknifes():
    """With audmetric's figures without each cluster."""
    scores, logits = sample(0, 120)
    jackknife = over(120, clusters=12)
    found = score_estimates(scores, logits, SEVEN, jackknife)
    said, index = score_of(logits, SEVEN), np.arange(120) % 12
    figures = {
        "mae": (audmetric.mean_absolute_error, (0, 6)),
        "pearson": (audmetric.pearson_cc, (-1, 1)),
        "ccc": (audmetric.concordance_cc, (-1, 1)),
        "acc2_without_zeros": (lambda x, y: ((x > 0) == (y > 0))[x != 0].mean(), (0, 1)),
        "acc2_with_zeros": (lambda x, y: ((x >= 0) == (y >= 0)).mean(), (0, 1)),
    }
    kept = [index != number for number in range(12)] + [np.arange(120) != row for row in range(120)]
    for name, (figure, within) in figures.items():
        values = np.array([figure(scores[rows], said[rows]) for rows in kept])
        of = scores != 0 if name == "acc2_without_zeros" else None
        wanted = jackknife.estimate(figure(scores, said), values, within, of)
        assert (found[name].low, found[name].high) == pytest.approx((wanted.low, wanted.high), abs=1e-6), name
        assert wanted.low < found[name].value < wanted.high
    assert 0 < found["acc7"].low < found["acc7"].value < found["acc7"].high < 1


def test_one_utterance_and_a_model_that_says_one_thing():
    one = score_estimates(np.array([1.0]), seven({1: 0.5, 2: 0.5}), SEVEN, over(1))
    assert one["mae"] == Estimate(pytest.approx(0.5))
    assert one["acc2_without_zeros"] == Estimate(1.0)
    assert math.isnan(one["pearson"].value)
    assert math.isnan(one["ccc"].value)
    scores, logits = sample(1, 40)
    same = score_estimates(scores, np.tile(logits[:1], (40, 1)), SEVEN, over(40))
    assert math.isnan(same["pearson"].value)
    assert same["pearson"].low is None
    assert same["ccc"].value == 0
    assert same["mae"].low < same["mae"].value < same["mae"].high


@given(st.integers(0, 1000), st.integers(1, 25), st.floats(0.1, 10))
@settings(max_examples=40, deadline=None)
def test_intervals_lie_within_what_can_be(seed, count, temperature):
    scores, logits = sample(seed, count)
    found = score_estimates(scores, logits, SEVEN, over(count), temperature=temperature)
    for name, one in found.items():
        lowest, highest = {"mae": (0, 6), "pearson": (-1, 1), "ccc": (-1, 1)}.get(name, (0, 1))
        assert math.isnan(one.value) or lowest <= one.value <= highest
        assert one.low is None or lowest <= one.low <= one.high <= highest
    said = probabilities(logits, "single", temperature) @ np.arange(-3.0, 4)
    assert found["mae"].value == pytest.approx(np.abs(said - scores).mean())


# Regressed scores

PREDICTED = st.integers(-14, 14).map(lambda value: value / 4)


def written_out(scores, predictions):
    """The metrics as published code computes them, with scikit-learn."""
    found = {
        "acc2_with_zeros": accuracy_score(scores >= 0, predictions >= 0),
        "f1_with_zeros": f1_score(scores >= 0, predictions >= 0, average="weighted", zero_division=0),
    }
    for name, limit in (("acc7", 3), ("acc5", 2)):
        found[name] = np.mean(np.round(np.clip(scores, -limit, limit)) == np.round(np.clip(predictions, -limit, limit)))
    x, y = scores[scores != 0], predictions[scores != 0]
    if len(x):
        found["acc2_without_zeros"] = accuracy_score(x > 0, y > 0)
        found["f1_without_zeros"] = f1_score(x > 0, y > 0, average="weighted", zero_division=0)
    return found


@given(st.lists(st.tuples(HALVES, PREDICTED), min_size=1, max_size=30))
@settings(deadline=None)
def test_regressed_scores_have_the_metrics_of_published_code(pairs):
    scores, predictions = np.array(pairs).T
    assert sentiment_figures(scores, predictions) == pytest.approx(written_out(scores, predictions))


def test_regressed_scores_by_hand():
    """Halves go to the even number; 3.4 counts as 3; a prediction of 0 is not negative, and not positive either."""
    scores = np.array([3.0, -2.5, 1.5, 0.0, 0.0, 0.5, -0.4, math.nan])
    predictions = np.array([3.4, -2.0, 2.5, -0.4, 0.0, 0.0, 0.0, 1.0])
    found = sentiment_figures(scores, predictions)
    assert list(found) == list(SENTIMENT_METRICS)
    assert found["acc7"] == 1
    assert found["acc5"] == 1
    assert found["acc2_with_zeros"] == pytest.approx(5 / 7)  # wrong: 0 said -0.4, -0.4 said 0
    assert found["acc2_without_zeros"] == pytest.approx(4 / 5)  # wrong: 0.5 said 0
    assert found["f1_with_zeros"] == pytest.approx((5 * 0.8 + 2 * 0.5) / 7)
    assert found["f1_without_zeros"] == pytest.approx((3 * 0.8 + 2 * 0.8) / 5)


def test_figures_that_need_scores_other_than_zero_are_left_out_without_any():
    found = sentiment_figures(np.array([0.0, 0.0]), np.array([-1.0, 1.0]))
    assert found == {"acc2_with_zeros": 0.5, "f1_with_zeros": pytest.approx(2 / 3), "acc7": 0, "acc5": 0}
    assert sentiment_figures(np.array([math.nan]), np.array([1.0])) == {}


def test_a_model_of_classes_that_says_its_score_has_the_same_accuracies():
    scores, logits = sample(2, 90)
    of_classes = score_estimates(scores, logits, SEVEN, over(90, clusters=9))
    of_scores = sentiment_estimates(scores, score_of(logits, SEVEN), over(90, clusters=9))
    assert of_scores["acc2_with_zeros"] == of_classes["acc2_with_zeros"]
    assert of_scores["acc2_without_zeros"] == of_classes["acc2_without_zeros"]
    decided = logits.argmax(1) - 3.0
    assert sentiment_estimates(scores, decided, over(90, clusters=9))["acc7"] == of_classes["acc7"]


def test_intervals_of_regressed_scores_are_the_naive_jackknifes():
    draw = np.random.default_rng(3)
    scores = (draw.integers(-6, 7, 120) / 2).astype(float)
    predictions = 0.8 * scores + draw.normal(size=120)
    jackknife = over(120, clusters=12)
    found = sentiment_estimates(scores, predictions, jackknife)
    kept = [np.arange(120) % 12 != one for one in range(12)] + [np.arange(120) != row for row in range(120)]
    left = [written_out(scores[rows], predictions[rows]) for rows in kept]
    for name, value in written_out(scores, predictions).items():
        of = scores != 0 if "without" in name else None
        wanted = jackknife.estimate(value, np.array([one[name] for one in left]), (0.0, 1.0), of)
        assert (found[name].low, found[name].high) == pytest.approx((wanted.low, wanted.high)), name
        assert wanted.low < value < wanted.high
