"""The paired cluster bootstrap against resamples of whole utterances, and what it says where it can say little."""

import math
import time

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score

from sertool.core.metrics import Clusters, Difference, Jackknife
from sertool.core.metrics import bootstrap as module
from sertool.core.metrics.bootstrap import bootstrap_differences, sentiment_differences
from sertool.core.metrics.scores import DIMENSION_METRICS, score_differences, score_figures
from sertool.core.metrics.sentiment import SENTIMENT_METRICS


def sample(seed, count=240, number=12, dimensions=2, gaps=0.2):
    """Scores with gaps, two models that err alike for a speaker, and the speakers."""
    draw = np.random.default_rng(seed)
    index = draw.integers(0, number, count)
    index[:number] = np.arange(number)
    targets = draw.normal(size=(count, dimensions))
    shared = draw.normal(size=(number, dimensions))[index]
    a, b = (0.6 * targets + 0.4 * shared + noise * draw.normal(size=targets.shape) for noise in (0.6, 0.5))
    targets = np.where(draw.random(targets.shape) < gaps, math.nan, targets)
    return targets, a, b, Clusters(index, number, "speaker")


def test_it_is_the_deviation_over_resamples_of_whole_utterances():
    targets, a, b, clusters = sample(0)
    draws, number = 60, clusters.number
    found = bootstrap_differences(targets, a, b, clusters, seed=7, draws=draws)
    drawn = np.random.default_rng(7).integers(0, number, (draws, number))
    rows = [np.concatenate([np.flatnonzero(clusters.index == one) for one in own]) for own in drawn]
    resampled = [(score_figures(targets[own], a[own]), score_figures(targets[own], b[own])) for own in rows]
    whole = score_figures(targets, a), score_figures(targets, b)
    for name in DIMENSION_METRICS:
        values = np.array([second[name] - first[name] for first, second in resampled])
        value = whole[1][name] - whole[0][name]
        error = values.std(ddof=1) * math.sqrt(number / (number - 1))
        low, high = stats.t.interval(0.95, number - 1, value, error)
        p = 2 * stats.t.sf(abs(value) / error, number - 1)
        assert found[name] == Difference(*(pytest.approx(one) for one in (value, low, high, p))), name


def test_a_seed_gives_one_result_and_the_size_of_a_step_changes_nothing(monkeypatch):
    targets, a, b, clusters = sample(1)
    own = bootstrap_differences(targets, a, b, clusters, seed=3)
    assert bootstrap_differences(targets, a, b, clusters, seed=3) == own
    assert bootstrap_differences(targets, a, b, clusters, seed=4)["ccc"].p != own["ccc"].p
    monkeypatch.setattr(module, "CELLS", 12 * 7)
    parts = bootstrap_differences(targets, a, b, clusters, seed=3)
    assert [one.p for one in parts.values()] == pytest.approx([one.p for one in own.values()])


def test_the_other_way_round_it_is_the_same_with_the_other_sign():
    targets, a, b, clusters = sample(2)
    there, back = (bootstrap_differences(targets, *pair, clusters) for pair in ((a, b), (b, a)))
    for name, one in there.items():
        assert (back[name].value, back[name].low, back[name].p) == pytest.approx((-one.value, -one.high, one.p))


def test_many_speakers_agree_with_the_jackknife():
    targets, a, b, clusters = sample(3, count=4000, number=200)
    found = bootstrap_differences(targets, a, b, clusters)
    other = score_differences(targets, a, b, Jackknife(clusters))
    for name, one in found.items():
        assert one.value == pytest.approx(other[name].value)
        assert one.high - one.low == pytest.approx(other[name].high - other[name].low, rel=0.1)


def test_speakers_without_targets_do_not_count():
    targets, a, b, clusters = sample(4)
    targets[clusters.index > 5] = math.nan
    left = clusters.index <= 5
    fewer = Clusters(clusters.index[left], 6, "speaker")
    found = bootstrap_differences(targets, a, b, clusters)
    for name, one in bootstrap_differences(targets[left], a[left], b[left], fewer).items():
        assert found[name] == Difference(*(pytest.approx(own) for own in (one.value, one.low, one.high, one.p)))
    targets[clusters.index > 3] = math.nan
    few = bootstrap_differences(targets, a, b, clusters)
    assert {(one.low, one.high, one.p) for one in few.values()} == {(None, None, None)}
    assert few["mae"].value == pytest.approx(score_figures(targets, b)["mae"] - score_figures(targets, a)["mae"])


def test_what_cannot_be_told_is_not_told():
    targets, a, b, clusters = sample(5, gaps=0)
    assert set(bootstrap_differences(targets, a, a, clusters).values()) == {Difference(0.0, 0.0, 0.0, 1.0)}
    # Always one apart: no resample changes the difference of the errors.
    apart = bootstrap_differences(targets, targets, targets + 1, clusters)["mae"]
    assert apart == Difference(pytest.approx(1.0))
    # All but one speaker have one score: many resamples have nothing to correlate with.
    targets[clusters.index > 0] = 1.0
    found = bootstrap_differences(targets, a, b, clusters)
    assert found["ccc"].low is None
    assert found["mae"].low is not None
    nothing = bootstrap_differences(np.full((20, 1), math.nan), np.ones((20, 1)), np.ones((20, 1)), sample(0, 20)[3])
    assert all(math.isnan(one.value) and one.p is None for one in nothing.values())


def of_sentiment(targets, values) -> dict[str, float]:
    """The field's metrics of predicted scores, as scikit-learn computes them."""
    known = np.isfinite(targets)
    other = known & (targets != 0)
    with_zeros, without = targets[known] >= 0, targets[other] > 0
    said, decided = values[known] >= 0, values[other] > 0
    return {
        "acc2_with_zeros": accuracy_score(with_zeros, said),
        "acc2_without_zeros": accuracy_score(without, decided),
        "f1_with_zeros": f1_score(with_zeros, said, average="weighted"),
        "f1_without_zeros": f1_score(without, decided, average="weighted"),
        "acc7": np.mean(np.round(targets[known].clip(-3, 3)) == np.round(values[known].clip(-3, 3))),
        "acc5": np.mean(np.round(targets[known].clip(-2, 2)) == np.round(values[known].clip(-2, 2))),
    }


def sentiment_sample(seed, **options):
    """Scores of one dimension from -3 to 3, of which many are 0, two models, and the speakers."""
    targets, a, b, clusters = sample(seed, dimensions=1, **options)
    return np.round(2 * targets[:, 0].clip(-1.5, 1.5)), 2 * a[:, 0], 2 * b[:, 0], clusters


def test_accuracies_and_f1_are_tested_by_the_deviation_over_resamples_of_whole_utterances():
    targets, a, b, clusters = sentiment_sample(0)
    targets[clusters.index == 3] = 0  # this speaker has no score that counts without zeros
    draws, whole = 40, [of_sentiment(targets, one) for one in (a, b)]
    found = sentiment_differences(targets, a, b, clusters, seed=7, draws=draws)
    assert list(found) == list(SENTIMENT_METRICS)
    for names, own in (
        ([name for name in found if "without" not in name], np.arange(12)),
        ([name for name in found if "without" in name], np.delete(np.arange(12), 3)),
    ):
        drawn = np.random.default_rng(7).integers(0, len(own), (draws, len(own)))
        rows = [np.concatenate([np.flatnonzero(clusters.index == one) for one in own[places]]) for places in drawn]
        resampled = [[of_sentiment(targets[part], one[part]) for one in (a, b)] for part in rows]
        for name in names:
            values = np.array([second[name] - first[name] for first, second in resampled])
            value = whole[1][name] - whole[0][name]
            error = values.std(ddof=1) * math.sqrt(len(own) / (len(own) - 1))
            low, high = stats.t.interval(0.95, len(own) - 1, value, error)
            p = 2 * stats.t.sf(abs(value) / error, len(own) - 1)
            assert found[name] == Difference(*(pytest.approx(one) for one in (value, low, high, p))), name


def test_accuracies_have_no_interval_where_few_speakers_count():
    targets, a, b, clusters = sentiment_sample(1, gaps=0)
    targets[clusters.index > 3] = 0
    found = sentiment_differences(targets, a, b, clusters)
    few = {name for name, one in found.items() if one.p is None}
    assert few == {"acc2_without_zeros", "f1_without_zeros"}
    assert found["acc2_without_zeros"].low is None
    assert set(sentiment_differences(targets, a, a, clusters).values()) >= {Difference(0.0, 0.0, 0.0, 1.0)}
    assert list(sentiment_differences(np.zeros(240), a, b, clusters)) == [
        *("acc2_with_zeros", "f1_with_zeros", "acc7", "acc5")
    ]


def test_five_thousand_utterances_take_less_than_a_second():
    targets, a, b, clusters = sample(6, count=5000, number=100, dimensions=3)
    begun = time.process_time()
    bootstrap_differences(targets, a, b, clusters)
    assert time.process_time() - begun < 1
