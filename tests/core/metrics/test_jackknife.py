"""The jackknife over clusters against a naive one, and whether its intervals cover the truth."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from sertool.core.metrics import (
    Clusters,
    Difference,
    Estimate,
    Interval,
    Jackknife,
    class_estimates,
    decision_differences,
    decision_estimates,
    uar_interval,
)
from sertool.core.metrics.classification import METRICS, counts_of, indicators
from sertool.core.metrics.jackknife import _degrees


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


# Sums and standard errors


@pytest.mark.parametrize("clusters", [speakers(7, 4), utterances(90), utterances(1), speakers(1, 5)])
def test_totals_are_sums_without_each_cluster_and_without_each_utterance(clusters):
    count, columns = len(clusters.index), np.random.default_rng(0).normal(size=(len(clusters.index), 3))
    left = [clusters.index != number for number in range(clusters.number)]
    left += [np.arange(count) != number for number in range(count)]
    wanted = [columns[rows].sum(0) if rows.any() else [math.nan] * 3 for rows in left]
    np.testing.assert_allclose(Jackknife(clusters).totals(columns), wanted, atol=1e-9)
    whole = np.random.default_rng(1).integers(0, 2, (count, 3))
    wanted = [whole[rows].sum(0) if rows.any() else [math.nan] * 3 for rows in left]
    np.testing.assert_array_equal(Jackknife(clusters).totals(whole), wanted)


def noise_of(values, clusters):
    """The noise of the mean of values."""
    jackknife = Jackknife(clusters)
    left = jackknife.totals(np.stack([values, np.ones_like(values)], -1))
    return jackknife.noise(values.mean(), left[:, 0] / left[:, 1])


def test_the_mean_of_clusters_of_one_size_has_the_t_tests_interval():
    """The jackknife of a mean over equal clusters is the standard error of the clusters' means."""
    clusters, draw = speakers(9, 20), np.random.default_rng(0)
    values = draw.normal(size=180) + draw.normal(size=9)[clusters.index]
    means = np.bincount(clusters.index, values) / 20
    found = noise_of(values, clusters)
    assert (found.error, found.degrees) == pytest.approx((stats.sem(means), 8))
    wanted = stats.ttest_1samp(means, 0.0)
    low, high = wanted.confidence_interval()
    assert (values.mean() - found.half, values.mean() + found.half) == pytest.approx((low, high))
    assert found.p(values.mean()) == pytest.approx(wanted.pvalue)


def test_degrees_of_freedom_are_those_of_simulated_variances():
    """Satterthwaite's: 2 mean^2 / variance of the squared standard error, here of normal values."""
    sizes, correlation = np.array([5, 10, 10, 20, 60, 80]), 0.1
    clusters = Clusters(np.repeat(np.arange(6), sizes), 6, "speaker")
    draw, found = np.random.default_rng(1), []
    for _ in range(4000):
        own = math.sqrt(correlation) * draw.normal(size=6)[clusters.index]
        found.append(noise_of(own + math.sqrt(1 - correlation) * draw.normal(size=185), clusters).error ** 2)
    assert _degrees(sizes.astype(float), correlation) == pytest.approx(2 * np.mean(found) ** 2 / np.var(found), rel=0.1)
    assert _degrees(sizes.astype(float), 1.0) < _degrees(sizes.astype(float), 0.0) < 5


@pytest.mark.parametrize("seed", range(5))
def test_clusters_that_happen_to_be_alike_do_not_make_the_interval_narrow(seed):
    """The interval is narrower than over utterances by its own noise at most: by 1 / sqrt(2 degrees of freedom)."""
    draw, clusters = np.random.default_rng(seed), speakers(6, 50)
    right = np.zeros(300, int)
    for number in range(6):  # all as often right, to one utterance
        right[draw.permutation(np.flatnonzero(clusters.index == number))[: 30 + number % 2]] = 1
    over_clusters, over_utterances = (
        decision_estimates(np.zeros(300, int), 1 - right, 2, Jackknife(own))["accuracy"]
        for own in (clusters, utterances(300))
    )
    width, wanted = (one.high - one.low for one in (over_clusters, over_utterances))
    assert (1 - 1 / math.sqrt(2 * 5)) * wanted * 0.98 < width < wanted
    # Where clusters differ as chance makes them, or more, the interval is the wider one.
    mixed = Clusters(draw.permutation(clusters.index), 6, "speaker")
    noise = noise_of(right.astype(float), mixed)
    assert noise.half >= max(noise.error, noise.least)


# Intervals


@pytest.mark.parametrize(
    ("clusters", "values"),
    [
        (speakers(1, 5), [0.1, 0.2, 0.3]),
        (speakers(2, 5), [0.1, 0.2, 0.3]),
        (speakers(4, 5), [0.1, 0.2, 0.3]),
        (utterances(4), [0.1, 0.2, 0.3]),
        (speakers(8, 5), [0.1, math.nan, 0.3]),
        (speakers(8, 5), [0.5, 0.5, 0.5]),
    ],
    ids=["one speaker", "two speakers", "four speakers", "four utterances", "not defined", "no spread"],
)
def test_there_is_no_interval_where_nothing_tells_it(clusters, values):
    jackknife, each = Jackknife(clusters), np.resize(values, clusters.number + len(clusters.index))
    assert jackknife.noise(0.5, each) is None
    assert jackknife.estimate(0.5, each) == Estimate(0.5)
    assert jackknife.difference(0.5, each) == Difference(0.5)


@pytest.mark.parametrize("clusters", [speakers(6, 12), speakers(12, 5), utterances(40)])
@pytest.mark.parametrize("name", list(METRICS))
def test_metrics_without_a_cluster_are_those_of_the_other_utterances(clusters, name):
    """The naive jackknife: the metric computed anew without each cluster in turn."""
    targets, predictions = sample(1, clusters)
    value, number = METRICS[name](targets, predictions, 4), clusters.number
    kept = [clusters.index != one for one in range(number)]
    left = np.array([METRICS[name](targets[rows], predictions[rows], 4) for rows in kept])
    error = math.sqrt((number - 1) / number * ((left - value) ** 2).sum())
    jackknife = Jackknife(clusters)
    found = decision_estimates(targets, predictions, 4, jackknife)[name]
    assert found.value == value
    sums = jackknife.totals(indicators(targets, predictions, 4))
    noise = jackknife.noise(value, METRICS[name].of_counts(counts_of(sums, multi=False)))
    assert noise.error == pytest.approx(error)
    # Symmetric on the logit scale, where a small step is ``1 / (p (1 - p))`` as long.
    assert [logit(found.low), logit(found.high)] == pytest.approx(
        [logit(value) - noise.half / (value * (1 - value)), logit(value) + noise.half / (value * (1 - value))]
    )


def test_an_interval_is_about_the_clusters_that_a_figure_is_about():
    """The recall of a class that three of ten speakers show says nothing about others."""
    clusters = speakers(10, 12)
    targets, predictions = sample(2, clusters)
    targets[(targets == 3) & (clusters.index > 2)] = 0
    each = class_estimates(targets, predictions, 4, Jackknife(clusters))
    assert each[3]["recall"] == Estimate(each[3]["recall"].value)
    assert each[0]["recall"].low < each[0]["recall"].value < each[0]["recall"].high


def test_speakers_that_differ_widen_the_interval():
    clusters = speakers(10, 50)
    targets, predictions = sample(3, clusters, sd=1.5)
    cluster, plain = (
        decision_estimates(targets, predictions, 4, Jackknife(own)) for own in (clusters, utterances(500))
    )
    for name in METRICS:
        assert cluster[name].high - cluster[name].low > 2 * (plain[name].high - plain[name].low)
        assert cluster[name].low < plain[name].value < cluster[name].high


def test_multi_label_decisions_have_the_same_figures():
    draw = np.random.default_rng(2)
    targets, predictions = draw.integers(0, 2, (2, 60, 5))
    predictions = np.where(draw.random((60, 5)) < 0.6, targets, predictions)
    jackknife = Jackknife(speakers(10, 6))
    found = decision_estimates(targets, predictions, 5, jackknife)
    for name, metric in METRICS.items():
        assert found[name].value == metric(targets, predictions, 5)
        assert 0 < found[name].low < found[name].value < found[name].high < 1
    each = class_estimates(targets, predictions, 5, jackknife)
    alone = class_estimates(targets[:, 3], predictions[:, 3], 2, jackknife)[1]
    assert each[3] == alone


def test_what_is_not_defined_has_no_interval():
    """Class 2 is absent and once predicted, class 3 is neither, class 1 is never predicted."""
    targets, predictions = np.array([0, 0, 1, 1, 0, 0] * 4), np.array([0, 2, 0, 0, 0, 0] * 4)
    each = class_estimates(targets, predictions, 4, Jackknife(speakers(8, 3)))
    none = Estimate(0.0)
    assert each[0]["recall"].low < each[0]["recall"].value == 0.75 < each[0]["recall"].high
    assert each[1] == {"precision": none, "recall": none, "f1": none}
    assert each[2] == {"precision": none, "recall": none, "f1": none}
    assert each[3] == {"precision": none, "recall": none, "f1": none}


def test_one_utterance_has_figures_and_no_interval():
    one, jackknife = np.array([1]), Jackknife(utterances(1))
    assert decision_estimates(one, one, 2, jackknife) == {
        "accuracy": Estimate(1.0), "uar": Estimate(1.0), "f1_macro": Estimate(0.5), "f1_weighted": Estimate(1.0)
    }  # fmt: skip
    assert decision_differences(one, one, 1 - one, 2, jackknife)["accuracy"] == Difference(-1.0)


# Differences


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_models_that_never_differ_have_no_interval_over_few_speakers_either(number):
    targets, predictions = sample(0, speakers(number, 10))
    found = decision_differences(targets, predictions, predictions, 4, Jackknife(speakers(number, 10)))
    assert found == dict.fromkeys(METRICS, Difference(0.0))


def test_models_that_never_differ_differ_by_nothing():
    targets, predictions = sample(0, speakers(8, 10))
    found = decision_differences(targets, predictions, predictions, 4, Jackknife(speakers(8, 10)))
    assert found == dict.fromkeys(METRICS, Difference(0.0, 0.0, 0.0, 1.0))


def test_a_difference_is_that_of_the_second_to_the_first():
    clusters = speakers(10, 30)
    targets, good = sample(4, clusters)
    bad = np.where(np.random.default_rng(5).random(300) < 0.2, (targets + 1) % 4, good)
    jackknife = Jackknife(clusters)
    up, down = (decision_differences(targets, a, b, 4, jackknife) for a, b in ((bad, good), (good, bad)))
    for name, metric in METRICS.items():
        assert up[name].value == metric(targets, good, 4) - metric(targets, bad, 4)
        assert 0 < up[name].low < up[name].value < up[name].high
        assert up[name].p < 0.01
        mirrored = [-down[name].value, -down[name].high, -down[name].low, down[name].p]
        found = [up[name].value, up[name].low, up[name].high, up[name].p]
        assert found == pytest.approx(mirrored, abs=1e-6)
    # Paired: apart, each is far less certain than what they differ by.
    alone = decision_estimates(targets, good, 4, jackknife)["accuracy"]
    assert alone.high - alone.low > 1.5 * (up["accuracy"].high - up["accuracy"].low)


def test_p_values_and_intervals_agree():
    """p is below 0.05 exactly where the interval excludes 0."""
    excluded = []
    for seed in range(60):
        clusters = speakers(5 + seed % 12, 20)
        targets, a = sample(seed, clusters)
        b = np.where(np.random.default_rng(seed).random(len(a)) < 0.1, targets, a)
        for one in decision_differences(targets, a, b, 4, Jackknife(clusters)).values():
            assert (one.p < 0.05) == (one.low > 0 or one.high < 0)
            excluded.append(one.p < 0.05)
    assert 0 < sum(excluded) < len(excluded)


# The UAR's interval alone


def test_the_uars_interval_by_names():
    clusters = speakers(8, 20)
    targets, predictions = sample(1, clusters)
    names = [f"speaker{number}" for number in clusters.index]
    wanted = decision_estimates(targets, predictions, 4, Jackknife(clusters))["uar"]
    assert uar_interval(targets, predictions, 4, names) == Interval(wanted.low, wanted.high, "speaker", 8)
    assert uar_interval(targets, predictions, 4, names, unit="voice").unit == "voice"
    plain = uar_interval(targets, predictions, 4, None)
    assert (plain.unit, plain.clusters) == ("utterance", 160)
    assert uar_interval(targets, predictions, 4, ["a"] * 160) == Interval(None, None, "speaker", 1)


# Coverage: the truth is the figure of endlessly many such speakers


def true_accuracy():
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    return float((weights * expit(0.8 + nodes)).sum() / weights.sum())


def coverage(name, clusters, over, trials=400):
    """Measure how often a metric's interval holds the truth when the clusters are taken to be ``over``.

    Errors fall on all classes alike and classes are as frequent, so the truth of UAR and F1 is the accuracy's.
    tools/interval_coverage.py measures more of it.
    """
    truth, held = true_accuracy(), 0
    for seed in range(trials):
        found = decision_estimates(*sample(1000 + seed, clusters), 4, Jackknife(over))[name]
        held += found.low <= truth <= found.high
    return held / trials


@pytest.mark.parametrize(
    ("name", "number", "each"), [("accuracy", 20, 25), ("uar", 8, 40), ("f1_weighted", 8, 40), ("accuracy", 5, 40)]
)
def test_intervals_over_speakers_cover_the_truth(name, number, each):
    clusters = speakers(number, each)
    assert 0.93 <= coverage(name, clusters, clusters) <= 0.98


def test_intervals_over_utterances_do_not_cover_it():
    assert coverage("accuracy", speakers(20, 25), utterances(500)) < 0.75


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
        p = decision_differences(targets, a, b, 4, Jackknife(clusters))["accuracy"].p
        small += p < 0.05
    assert 0.02 <= small / 400 <= 0.09
