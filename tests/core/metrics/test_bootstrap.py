"""The cluster bootstrap against a naive one, and whether its intervals cover the truth."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from sertool.core.metrics import (
    Bootstrap,
    Clusters,
    Difference,
    Estimate,
    Interval,
    class_estimates,
    decision_differences,
    decision_estimates,
    uar_interval,
)
from sertool.core.metrics.classification import METRICS


def speakers(number, each):
    """Clusters of equal size, mixed."""
    return Clusters(np.tile(np.arange(number), each), number, "speaker")


def utterances(count):
    return Clusters(np.arange(count), count, "utterance")


def sample(seed, clusters, number=4, sd=1.0):
    """Targets and predictions of speakers who are recognised more or less well: the logit of being right varies."""
    draw, count = np.random.default_rng(seed), len(clusters.index)
    right = expit(0.8 + sd * draw.standard_normal(clusters.number))[clusters.index]
    targets = draw.integers(0, number, count)
    wrong = (targets + draw.integers(1, number, count)) % number
    return targets, np.where(draw.random(count) < right, targets, wrong)


# Resamples


@pytest.mark.parametrize("clusters", [speakers(7, 4), utterances(90), utterances(1), speakers(1, 5)])
def test_totals_are_sums_over_whole_clusters_the_same_at_every_call(clusters):
    bootstrap = Bootstrap(clusters, resamples=500)
    own = clusters.index[:, None] == np.arange(clusters.number)
    times = bootstrap.totals(own) / own.sum(0)
    np.testing.assert_array_equal(times, np.round(times))
    assert (times.sum(1) == clusters.number).all()
    columns = np.random.default_rng(0).normal(size=(len(own), 3))
    np.testing.assert_allclose(bootstrap.totals(columns), times @ (own.T @ columns), atol=1e-9)
    np.testing.assert_array_equal(bootstrap.totals(columns[:, :1]), bootstrap.totals(columns[:, :1]))


def test_clusters_are_drawn_as_chance_would():
    times = Bootstrap(utterances(50), resamples=20_000).totals(np.eye(50))
    share = stats.binom.pmf(np.arange(6), 50, 1 / 50)
    found = np.bincount(times.astype(int).ravel(), minlength=6)[:6] / times.size
    np.testing.assert_allclose(found, share, atol=0.003)
    np.testing.assert_allclose(times.mean(0), 1, atol=0.05)
    assert np.corrcoef(times[:, 0], times[:, 1])[0, 1] == pytest.approx(-1 / 49, abs=0.03)


def test_resamples_are_the_seeds():
    one, same, other = (Bootstrap(speakers(8, 3), seed=seed).totals(np.eye(24)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_a_huge_set_takes_fewer_resamples_than_memory():
    assert Bootstrap(utterances(26_000)).resamples == 10_000
    assert Bootstrap(utterances(100_000)).resamples == 2684


# Intervals


def test_the_interval_is_the_expanded_percentile_one():
    values = np.random.default_rng(0).gamma(3, size=10_000)
    for number in (5, 8, 20, 1000):
        tail = stats.norm.cdf(math.sqrt(number / (number - 1)) * stats.t.ppf(0.025, number - 1))
        wanted = np.quantile(values, [tail, 1 - tail])
        np.testing.assert_allclose(Bootstrap(speakers(number, 2)).interval(values), wanted)
    assert tail == pytest.approx(0.025, abs=2e-4)


@pytest.mark.parametrize(
    ("clusters", "values"),
    [
        (speakers(1, 5), [0.1, 0.2, 0.3]),
        (speakers(2, 5), [0.1, 0.2, 0.3]),
        (speakers(4, 5), [0.1, 0.2, 0.3]),
        (utterances(4), [0.1, 0.2, 0.3]),
        (speakers(8, 5), [0.1, math.nan, 0.3]),
        (speakers(8, 5), [1.0, 1.0, 1.0]),
    ],
    ids=["one speaker", "two speakers", "four speakers", "four utterances", "not defined", "no spread"],
)
def test_there_is_no_interval_where_nothing_tells_it(clusters, values):
    bootstrap = Bootstrap(clusters)
    assert bootstrap.interval(np.array(values)) is None
    assert bootstrap.estimate(0.5, np.array(values)) == Estimate(0.5)
    assert bootstrap.difference(0.5, np.array(values)) == Difference(0.5)


@pytest.mark.parametrize("clusters", [speakers(6, 12), speakers(12, 5), utterances(40)])
@pytest.mark.parametrize("name", list(METRICS))
def test_resampled_metrics_are_those_of_resampled_utterances(clusters, name):
    """The naive bootstrap: clusters drawn one resample at a time, the metric of their utterances."""
    targets, predictions = sample(1, clusters)
    places = [np.flatnonzero(clusters.index == number) for number in range(clusters.number)]
    draw, values = np.random.default_rng(9), []
    for _ in range(4000):
        drawn = draw.integers(0, clusters.number, clusters.number)
        rows = np.concatenate([places[number] for number in drawn])
        values.append(METRICS[name](targets[rows], predictions[rows], 4))
    bootstrap = Bootstrap(clusters)
    found = decision_estimates(targets, predictions, 4, bootstrap)[name]
    low, high = bootstrap.interval(np.array(values))
    # Far quantiles of few clusters are uncertain themselves.
    assert [found.low, found.high] == pytest.approx([low, high], abs=0.03)
    assert found.value == METRICS[name](targets, predictions, 4)


def test_speakers_that_differ_widen_the_interval():
    clusters = speakers(10, 50)
    targets, predictions = sample(3, clusters, sd=1.5)
    cluster, plain = (
        decision_estimates(targets, predictions, 4, Bootstrap(own)) for own in (clusters, utterances(500))
    )
    for name in METRICS:
        assert cluster[name].high - cluster[name].low > 2 * (plain[name].high - plain[name].low)
        assert cluster[name].low < plain[name].value < cluster[name].high


def test_multi_label_decisions_have_the_same_figures():
    draw = np.random.default_rng(2)
    targets, predictions = draw.integers(0, 2, (2, 60, 5))
    predictions = np.where(draw.random((60, 5)) < 0.6, targets, predictions)
    bootstrap = Bootstrap(speakers(10, 6), resamples=2000)
    found = decision_estimates(targets, predictions, 5, bootstrap)
    for name, metric in METRICS.items():
        assert found[name].value == metric(targets, predictions, 5)
        assert 0 < found[name].low < found[name].value < found[name].high < 1
    each = class_estimates(targets, predictions, 5, bootstrap)
    alone = class_estimates(targets[:, 3], predictions[:, 3], 2, bootstrap)[1]
    assert each[3] == alone


def test_what_is_not_defined_has_no_interval():
    """Class 2 is absent and once predicted, class 3 is neither, class 1 is never predicted."""
    targets, predictions = np.array([0, 0, 1, 1, 0, 0] * 4), np.array([0, 2, 0, 0, 0, 0] * 4)
    each = class_estimates(targets, predictions, 4, Bootstrap(speakers(6, 4), resamples=500))
    none = Estimate(0.0)
    assert each[0]["recall"].low < each[0]["recall"].value == 0.75 < each[0]["recall"].high
    assert each[1] == {"precision": none, "recall": none, "f1": none}
    assert each[2] == {"precision": none, "recall": none, "f1": none}
    assert each[3] == {"precision": none, "recall": none, "f1": none}


def test_one_utterance_has_figures_and_no_interval():
    one, bootstrap = np.array([1]), Bootstrap(utterances(1))
    assert decision_estimates(one, one, 2, bootstrap) == {
        "accuracy": Estimate(1.0), "uar": Estimate(1.0), "f1_macro": Estimate(0.5), "f1_weighted": Estimate(1.0)
    }  # fmt: skip
    assert decision_differences(one, one, 1 - one, 2, bootstrap)["accuracy"] == Difference(-1.0)


# Differences


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_models_that_never_differ_have_no_interval_over_few_speakers_either(number):
    targets, predictions = sample(0, speakers(number, 10))
    found = decision_differences(targets, predictions, predictions, 4, Bootstrap(speakers(number, 10)))
    assert found == dict.fromkeys(METRICS, Difference(0.0))


def test_models_that_never_differ_differ_by_nothing():
    targets, predictions = sample(0, speakers(8, 10))
    found = decision_differences(targets, predictions, predictions, 4, Bootstrap(speakers(8, 10)))
    assert found == dict.fromkeys(METRICS, Difference(0.0, 0.0, 0.0, 1.0))


def test_a_difference_is_that_of_the_second_to_the_first():
    clusters = speakers(10, 30)
    targets, good = sample(4, clusters)
    bad = np.where(np.random.default_rng(5).random(300) < 0.2, (targets + 1) % 4, good)
    bootstrap = Bootstrap(clusters)
    up, down = (decision_differences(targets, a, b, 4, bootstrap) for a, b in ((bad, good), (good, bad)))
    for name, metric in METRICS.items():
        assert up[name].value == metric(targets, good, 4) - metric(targets, bad, 4)
        assert 0 < up[name].low < up[name].value < up[name].high
        assert up[name].p < 0.01
        mirrored = [-down[name].value, -down[name].high, -down[name].low, down[name].p]
        found = [up[name].value, up[name].low, up[name].high, up[name].p]
        assert found == pytest.approx(mirrored, abs=1e-6)
    # Paired: apart, each is far less certain than what they differ by.
    alone = decision_estimates(targets, good, 4, bootstrap)["accuracy"]
    assert alone.high - alone.low > 1.5 * (up["accuracy"].high - up["accuracy"].low)


def test_the_p_value_is_the_paired_t_tests_of_the_clusters():
    """The accuracy's interval, if all speakers have equally many utterances."""
    clusters = speakers(9, 20)
    targets, a = sample(6, clusters)
    b = np.where(np.random.default_rng(7).random(180) < 0.12, targets, a)
    b = np.where(np.random.default_rng(8).random(180) < 0.12, (targets + 2) % 4, b)
    found = decision_differences(targets, a, b, 4, Bootstrap(clusters, resamples=100_000))["accuracy"]
    each = np.bincount(clusters.index, (b == targets) * 1.0 - (a == targets)) / 20
    # The bootstrap's deviation divides by n, its factor n / (n - 1) makes that the t-test's.
    assert found.p == pytest.approx(stats.ttest_1samp(each, 0).pvalue, rel=0.03)


# The UAR's interval alone


def test_the_uars_interval_by_names():
    clusters = speakers(8, 20)
    targets, predictions = sample(1, clusters)
    names = [f"speaker{number}" for number in clusters.index]
    wanted = decision_estimates(targets, predictions, 4, Bootstrap(clusters))["uar"]
    assert uar_interval(targets, predictions, 4, names) == Interval(wanted.low, wanted.high, "speaker", 8)
    assert uar_interval(targets, predictions, 4, names, unit="voice").unit == "voice"
    plain = uar_interval(targets, predictions, 4, None)
    assert (plain.unit, plain.clusters) == ("utterance", 160)
    assert uar_interval(targets, predictions, 4, ["a"] * 160) == Interval(None, None, "speaker", 1)


# Coverage: the truth is the figure of endlessly many such speakers


def true_accuracy():
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    return float((weights * expit(0.8 + nodes)).sum() / weights.sum())


def coverage(name, clusters, resampled, trials=1000):
    """Measure how often a metric's interval, if there is one, holds the truth when ``resampled`` are drawn.

    Errors fall on all classes alike and classes are as frequent, so the truth of UAR and F1 is the accuracy's.
    """
    truth, held = true_accuracy(), []
    for seed in range(trials):
        bootstrap = Bootstrap(resampled, resamples=1000, seed=seed)
        found = decision_estimates(*sample(1000 + seed, clusters), 4, bootstrap)[name]
        if found.low is not None:
            held.append(found.low <= truth <= found.high)
    assert len(held) > 0.85 * trials
    return sum(held) / len(held)


@pytest.mark.parametrize(("name", "number", "each"), [("accuracy", 20, 25), ("uar", 8, 40), ("f1_weighted", 8, 40)])
def test_intervals_over_speakers_cover_the_truth(name, number, each):
    clusters = speakers(number, each)
    assert 0.92 <= coverage(name, clusters, clusters) <= 0.97


def test_intervals_over_utterances_do_not_cover_it():
    assert coverage("accuracy", speakers(20, 25), utterances(500), trials=400) < 0.75


def test_p_values_of_models_that_are_as_good_are_small_as_rarely_as_they_say():
    clusters, small = speakers(10, 25), 0
    for seed in range(400):
        targets, a = sample(seed, clusters)
        b = sample(seed, clusters)[1]
        draw = np.random.default_rng(seed)
        for model in (a, b):
            # A third of each one's decisions is wrong in its own way, and more so for some speakers.
            share = expit(-0.7 + draw.standard_normal(10))[clusters.index]
            model[draw.random(250) < share] = 0
        p = decision_differences(targets, a, b, 4, Bootstrap(clusters, resamples=400))["accuracy"].p
        small += p < 0.05
    assert 0.02 <= small / 400 <= 0.09
