"""Baselines against scikit-learn's dummies, and metrics of several labels against scikit-learn's."""

import numpy as np
import pytest
import sklearn.metrics as sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.dummy import DummyClassifier, DummyRegressor

from sertool.core.metrics.baselines import (
    baseline_metrics,
    baseline_name,
    baseline_of_scores,
    baseline_scores,
    constant_decisions,
)
from sertool.core.metrics.classification import LABEL_METRICS, METRICS, metrics_of

CLASSES = arrays.arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 4))
LABELS = arrays.arrays(np.int64, st.tuples(st.integers(1, 40), st.integers(1, 5)), elements=st.integers(0, 1))


@settings(deadline=None)
@given(CLASSES)
def test_the_most_frequent_class_is_scikit_learns(targets):
    nothing = np.zeros((len(targets), 1))
    dummy = DummyClassifier(strategy="most_frequent").fit(nothing, targets).predict(nothing)
    np.testing.assert_array_equal(constant_decisions(targets, 5), dummy)
    found = baseline_metrics(targets, 5)
    assert found.keys() == METRICS.keys()
    assert found["accuracy"] == pytest.approx(sklearn.accuracy_score(targets, dummy))
    assert found["uar"] == pytest.approx(1 / len(np.unique(targets)))


@settings(deadline=None)
@given(LABELS, st.integers(0, 2**32 - 1))
def test_metrics_of_several_labels_are_scikit_learns(targets, seed):
    predictions = np.random.default_rng(seed).integers(0, 2, targets.shape)
    number = targets.shape[1]
    wanted = {
        "accuracy": sklearn.accuracy_score(targets.ravel(), predictions.ravel()),
        # A single column is not taken as several labels.
        "exact_match": float((targets == predictions).all(1).mean()),
        "hamming": 1 - sklearn.accuracy_score(targets.ravel(), predictions.ravel()),
        "f1_micro": sklearn.f1_score(targets.ravel(), predictions.ravel(), zero_division=0),
    }
    if number > 1:
        assert wanted["exact_match"] == pytest.approx(sklearn.accuracy_score(targets, predictions))
        assert wanted["hamming"] == pytest.approx(sklearn.hamming_loss(targets, predictions))
        assert wanted["f1_micro"] == pytest.approx(
            sklearn.f1_score(targets, predictions, average="micro", zero_division=0)
        )
    for name, value in wanted.items():
        assert LABEL_METRICS[name](targets, predictions, number) == pytest.approx(value), name


def test_no_label_at_all_is_a_high_accuracy_and_nothing_else():
    """Four of five labels are absent: an accuracy of 80 % without any knowledge."""
    targets = np.eye(5, dtype=np.int64)
    found = baseline_metrics(targets, 5)
    assert (found["accuracy"], found["hamming"]) == pytest.approx((0.8, 0.2))
    assert [found[name] for name in ("exact_match", "f1_macro", "f1_micro", "f1_weighted")] == [0, 0, 0, 0]
    assert found["uar"] == 0.5
    assert baseline_name(targets, list("abcde")) == "no label at all"


def test_the_mean_score_is_scikit_learns():
    scores = np.random.default_rng(1).normal(0.4, 1.2, 200).clip(-3, 3)
    nothing = np.zeros((200, 1))
    always = DummyRegressor(strategy="mean").fit(nothing, scores).predict(nothing)
    found = baseline_scores(scores, 7)
    assert found["mae"] == pytest.approx(sklearn.mean_absolute_error(scores, always))
    assert found["acc2_with_zeros"] == pytest.approx((scores >= 0).mean())
    assert found["acc7"] == pytest.approx((np.round(scores) == 0).mean())
    assert np.isnan(found["pearson"])
    assert found["ccc"] == 0
    assert baseline_scores(np.array([-1.0, 2.0, 3.0, 0.0]), 2) == {
        "acc2_with_zeros": 0.75,
        "acc2_without_zeros": pytest.approx(2 / 3),
    }


def test_the_mean_of_training_is_scikit_learns():
    draw = np.random.default_rng(2)
    trained, targets = (draw.normal([3, -10], [1, 4], (size, 2)) for size in (300, 80))
    dummy = DummyRegressor(strategy="mean").fit(trained, trained)
    always = dummy.predict(targets)
    found = baseline_of_scores(targets, trained.mean(0))
    assert found.name == "always the mean"
    assert found.metrics["mae"] == pytest.approx(sklearn.mean_absolute_error(targets, always))
    assert found.metrics["rmse"] == pytest.approx(sklearn.root_mean_squared_error(targets, always))
    assert found.metrics["r2"] == pytest.approx(sklearn.r2_score(targets, always))
    assert (found.metrics["ccc"], found.metrics["pearson"]) == (0, 0)
    missing = np.full((3, 1), np.nan)
    assert baseline_of_scores(missing, np.zeros(1)) == baseline_of_scores(missing, np.zeros(1))


def test_each_kind_of_task_has_its_names():
    assert metrics_of("single")["accuracy"].title == "accuracy"
    assert metrics_of("multi")["accuracy"].title == "label accuracy"
    assert [name for name, metric in LABEL_METRICS.items() if not metric.higher_is_better] == ["hamming"]
