"""Metrics against scikit-learn and audmetric, classes that are absent included."""

import audmetric
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from sertool.core.metrics import classification as metrics


@st.composite
def decisions(draw):
    """Targets and predictions of some utterances, and how many classes there are: some may never occur."""
    number = draw(st.integers(2, 7))
    classes = st.integers(0, number - 1)
    pairs = draw(st.lists(st.tuples(classes, classes), min_size=1, max_size=40))
    targets, predictions = np.array(pairs).T
    return targets, predictions, number


@st.composite
def yes_and_no(draw):
    """0/1 targets and predictions (N, C)."""
    number, classes = draw(st.integers(1, 12)), draw(st.integers(2, 6))
    bits = st.lists(st.integers(0, 1), min_size=number * classes, max_size=number * classes)
    return tuple(np.array(draw(bits)).reshape(number, classes) for _ in range(2))


@settings(deadline=None)
@given(decisions())
def test_single_label_metrics_are_scikit_learns(case):
    targets, predictions, number = case
    labels = list(range(number))
    several = {"labels": labels, "zero_division": 0}
    np.testing.assert_array_equal(
        metrics.confusion(*case), sklearn.confusion_matrix(targets, predictions, labels=labels)
    )
    assert metrics.METRICS["accuracy"](*case) == pytest.approx(sklearn.accuracy_score(targets, predictions))
    for name in ("macro", "weighted"):
        wanted = sklearn.f1_score(targets, predictions, average=name, **several)
        assert metrics.METRICS[f"f1_{name}"](*case) == pytest.approx(wanted)
    wanted = sklearn.f1_score(targets, predictions, average=None, **several)
    np.testing.assert_allclose(metrics.f1_of(metrics.count(*case)), wanted)
    precision, recall, *_ = sklearn.precision_recall_fscore_support(targets, predictions, **several)
    counts = metrics.count(*case)
    np.testing.assert_allclose((metrics.precision_of(counts), metrics.recall_of(counts)), (precision, recall))


@settings(deadline=None)
@given(decisions())
def test_uar_is_the_recall_of_the_classes_that_occur(case):
    targets, predictions, _ = case
    wanted = sklearn.recall_score(targets, predictions, average="macro", labels=np.unique(targets))
    assert metrics.METRICS["uar"](*case) == pytest.approx(wanted)


@settings(deadline=None)
@given(decisions())
def test_figures_of_classes_are_audmetrics(case):
    """With classes that are absent; audmetric counts nothing of nothing as 0, too."""
    targets, predictions, number = case
    options = {"labels": list(range(number)), "zero_division": 0}
    counts = metrics.count(*case)
    precision, recall = metrics.precision_of(counts), metrics.recall_of(counts)
    for found, name in (
        (precision, "precision"),
        (recall, "recall"),
        (metrics.f1_of(counts), "fscore"),
    ):
        wanted = getattr(audmetric, f"{name}_per_class")(targets, predictions, **options)
        np.testing.assert_allclose(found, list(wanted.values()))
    assert metrics.METRICS["f1_macro"](*case) == pytest.approx(
        audmetric.unweighted_average_fscore(targets, predictions, **options)
    )


@settings(deadline=None)
@given(decisions())
def test_single_label_metrics_are_audmetrics(case):
    """Every class must occur, because audmetric counts an absent class as recall 0."""
    targets, predictions, number = case
    targets, predictions = (np.concatenate([part, np.arange(number)]) for part in (targets, predictions))
    labels = list(range(number))
    found = {name: metric(targets, predictions, number) for name, metric in metrics.METRICS.items()}
    assert found["accuracy"] == pytest.approx(audmetric.accuracy(targets, predictions, labels=labels))
    uar = audmetric.unweighted_average_recall(targets, predictions, labels=labels)
    assert found["uar"] == pytest.approx(uar)
    f1 = audmetric.unweighted_average_fscore(targets, predictions, labels=labels)
    assert found["f1_macro"] == pytest.approx(f1)


@settings(deadline=None)
@given(yes_and_no())
def test_multi_label_metrics_are_scikit_learns(case):
    targets, predictions = case
    number = targets.shape[1]
    wanted = sklearn.accuracy_score(targets.ravel(), predictions.ravel())
    assert metrics.METRICS["accuracy"](targets, predictions, number) == pytest.approx(wanted)
    for name in ("macro", "weighted"):
        wanted = sklearn.f1_score(targets, predictions, average=name, zero_division=0)
        assert metrics.METRICS[f"f1_{name}"](targets, predictions, number) == pytest.approx(wanted)
    precision, recall, f1, _ = sklearn.precision_recall_fscore_support(targets, predictions, zero_division=0)
    counts = metrics.count(targets, predictions, number)
    np.testing.assert_allclose((metrics.precision_of(counts), metrics.recall_of(counts)), (precision, recall))
    np.testing.assert_allclose(metrics.f1_of(counts), f1)
    each = [
        sklearn.recall_score(t, p, average="macro", labels=np.unique(t))
        for t, p in zip(targets.T, predictions.T, strict=True)
    ]
    assert metrics.METRICS["uar"](targets, predictions, number) == pytest.approx(np.mean(each))


def test_a_class_without_targets_changes_no_uar_but_the_mean_f1():
    targets, predictions = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    assert metrics.METRICS["uar"](targets, predictions, 3) == metrics.METRICS["uar"](targets, predictions, 2) == 0.75
    two, three = (metrics.METRICS["f1_macro"](targets, predictions, number) for number in (2, 3))
    assert three == pytest.approx(two * 2 / 3)


@pytest.mark.parametrize("shape", [(5, 30), (5, 30, 4)], ids=["single", "multi"])
@pytest.mark.parametrize("name", list(metrics.METRICS))
def test_metrics_of_many_counts_at_once(shape, name):
    targets, predictions = np.random.default_rng(0).integers(0, 4 if len(shape) == 2 else 2, (2, *shape))
    pairs = list(zip(targets, predictions, strict=True))
    sums = np.stack([metrics.indicators(*pair, 4).sum(0) for pair in pairs])
    found = metrics.METRICS[name].of_counts(metrics.counts_of(sums, multi=len(shape) == 3))
    np.testing.assert_allclose(found, [metrics.METRICS[name](*pair, 4) for pair in pairs])


@pytest.mark.parametrize("name", list(metrics.METRICS))
def test_metrics_of_nothing_are_nothing(name):
    """A set without one of its clusters may hold none of the utterances that count."""
    nothing = metrics.counts_of(np.zeros((2, 11)), multi=False)
    np.testing.assert_array_equal(metrics.METRICS[name].of_counts(nothing), [0, 0])


def test_decisions():
    logits = np.array([[0.1, 0.3, -1.0], [0.0, -2.0, -0.1]])
    np.testing.assert_array_equal(metrics.decide(logits, "single"), [1, 0])
    np.testing.assert_array_equal(metrics.decide(logits, "multi"), [[1, 1, 0], [0, 0, 0]])


def test_reports_name_the_classes_that_never_occur():
    targets, predictions = np.array([0, 0, 2]), np.array([0, 2, 2])
    table = metrics.report_table(targets, predictions, ["angry", "happy", "sad"])
    assert table["happy"] == {"precision": 0.0, "recall": 0.0, "f1-score": 0.0, "support": 0.0}
    assert table["sad"]["precision"] == 0.5
    named = metrics.report_text(targets, predictions, ["angry", "happy", "sad"])
    assert [line.split()[0] for line in named.splitlines()[2:5]] == ["angry", "happy", "sad"]
    numbered = metrics.report_text(targets, predictions)
    assert numbered == sklearn.classification_report(targets, predictions, zero_division=0)
