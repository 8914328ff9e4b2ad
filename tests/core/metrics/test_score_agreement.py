"""Agreement on scores against the package krippendorff, audmetric, and loops over raters."""

import itertools
import math

import audmetric
import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from sertool.core.metrics import Clusters, Jackknife
from sertool.core.metrics.agreement import alpha_by
from sertool.core.metrics.score_agreement import (
    Ratings,
    alpha_columns,
    expected_of,
    interval_alpha,
    score_ceilings,
    spread,
)
from sertool.core.metrics.scores import DIMENSION_METRICS
from tests.core.metrics.test_agreement import GAPS

NAN = math.nan
SCORE = st.integers(2, 10).map(lambda number: number / 2) | st.just(NAN)


def tables():
    """Tables (R, N) of scores in halves with gaps: ties, constants, one rater, and nothing at all among them."""
    return st.tuples(st.integers(1, 5), st.integers(1, 8)).flatmap(
        lambda size: st.lists(
            st.lists(SCORE, min_size=size[1], max_size=size[1]), min_size=size[0], max_size=size[0]
        ).map(np.array)
    )


def random_table(seed, raters=4, number=60, noise=1.0, missing=0.3):
    draw = np.random.default_rng(seed)
    table = 4 + draw.standard_normal(number) + noise * draw.standard_normal((raters, number))
    return np.where(draw.random((raters, number)) < missing, NAN, table)


def over(number, clusters):
    return Jackknife(Clusters(np.arange(number) % clusters, clusters, "speaker"))


def alpha_of_package(table):
    """Alpha by the package, which refuses what has no alpha."""
    pairable = table[:, np.isfinite(table).sum(0) > 1]
    if len(np.unique(pairable[np.isfinite(pairable)])) < 2:
        return NAN
    return krippendorff.alpha(reliability_data=pairable, level_of_measurement="interval")


@settings(max_examples=150, deadline=None)
@given(tables())
def test_alpha_is_that_of_the_package(table):
    found = interval_alpha(Ratings.of_table(table)).value
    assert found == pytest.approx(alpha_of_package(table), abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("offset", [0, 1000])
def test_alpha_of_larger_tables_is_that_of_the_package(offset):
    table = random_table(1) + offset
    assert interval_alpha(Ratings.of_table(table)).value == pytest.approx(alpha_of_package(table), abs=1e-9)


def test_alpha_of_the_published_example():
    table = np.where(GAPS > 0, GAPS, NAN)
    assert interval_alpha(Ratings.of_table(table)).value == pytest.approx(0.849, abs=5e-4)


@pytest.mark.parametrize(
    "table",
    [[[1.0, 2, 3]], [[NAN, NAN]] * 2, [[0.1, 0.1, 0.1]] * 3, [[1.0, NAN], [NAN, 2.0]]],
    ids=["one rater", "nobody", "always the same", "never two on one"],
)
def test_what_cannot_be_compared_has_no_figures(table):
    ratings = Ratings.of_table(np.array(table))
    jackknife = over(ratings.number, ratings.number)
    alike = np.array(table).min() == 0.1
    assert math.isnan(interval_alpha(ratings, jackknife).value)
    assert spread(ratings, jackknife).value == pytest.approx(0 if alike else NAN, nan_ok=True)
    ceilings = score_ceilings(ratings, jackknife)
    assert math.isnan(ceilings["ccc"].value)
    assert ceilings["mae"].value == pytest.approx(0 if alike else NAN, abs=1e-12, nan_ok=True)


def test_no_utterance_has_no_figures():
    ratings = Ratings(np.zeros(0, int), np.zeros(0), 0)
    assert math.isnan(interval_alpha(ratings).value)
    assert all(math.isnan(one.value) for one in score_ceilings(ratings).values())


def pairs_of(table):
    """The mean of the others, the rater's own score, and the weight of each rating, in a loop."""
    found = []
    for column in table.T:
        own = column[np.isfinite(column)]
        if len(own) > 1:
            found += [(np.delete(own, place).mean(), score, 1 / len(own)) for place, score in enumerate(own)]
    return np.array(found).reshape(-1, 3).T


def test_ceilings_by_a_loop_over_raters():
    table = random_table(3)
    others, own, weights = pairs_of(table)
    found = {name: one.value for name, one in score_ceilings(Ratings.of_table(table)).items()}
    assert list(found) == list(DIMENSION_METRICS)
    mean = {name: np.average(one, weights=weights) for name, one in (("x", others), ("y", own))}
    away = {"x": others - mean["x"], "y": own - mean["y"]}
    of_x, of_y, both = (np.average(away[a] * away[b], weights=weights) for a, b in (("x", "x"), ("y", "y"), ("x", "y")))
    apart = own - others
    wanted = {
        "ccc": 2 * both / (of_x + of_y + (mean["x"] - mean["y"]) ** 2),
        "pearson": both / math.sqrt(of_x * of_y),
        "mae": np.average(np.abs(apart), weights=weights),
        "rmse": math.sqrt(np.average(apart**2, weights=weights)),
        "r2": 1 - np.average(apart**2, weights=weights) / of_x,
    }
    assert found == pytest.approx(wanted, abs=1e-10)


def test_with_the_same_number_of_raters_the_ceiling_is_audmetrics():
    table = random_table(4, missing=0)
    others, own, _ = pairs_of(table)
    found = score_ceilings(Ratings.of_table(table))
    assert found["ccc"].value == pytest.approx(audmetric.concordance_cc(others, own), abs=1e-10)
    assert found["pearson"].value == pytest.approx(audmetric.pearson_cc(others, own), abs=1e-10)
    assert found["mae"].value == pytest.approx(audmetric.mean_absolute_error(others, own), abs=1e-10)


def test_the_spread_pools_the_variances_of_utterances():
    table = random_table(5)
    own = [column[np.isfinite(column)] for column in table.T]
    own = [scores for scores in own if len(scores) > 1]
    wanted = sum(scores.var() * len(scores) for scores in own) / sum(len(scores) - 1 for scores in own)
    assert spread(Ratings.of_table(table)).value == pytest.approx(math.sqrt(wanted), abs=1e-12)


def test_alphas_of_parts_have_the_alpha_of_the_whole_as_their_mean():
    ratings = Ratings.of_table(random_table(6))
    columns = alpha_columns(ratings)
    expected = float(expected_of(columns.sum(0)))
    parts = np.stack([columns[np.arange(60) % 4 == part].sum(0) for part in range(4)])
    found = alpha_by(parts, expected)
    assert np.average(found, weights=parts[:, 1]) == pytest.approx(interval_alpha(ratings).value, abs=1e-12)
    first = random_table(6)[:, np.arange(60) % 4 == 0]
    pairs = [
        ((a - b) ** 2, len(own) - 1)
        for own in (column[np.isfinite(column)] for column in first.T)
        for a, b in itertools.permutations(own, 2)
    ]
    observed = sum(apart / less for apart, less in pairs) / parts[0, 1]
    assert found[0] == pytest.approx(1 - observed / expected, abs=1e-12)


def figures(table, jackknife=None, of=None):
    ratings = Ratings.of_table(table)
    found = {"alpha": interval_alpha(ratings, jackknife, of), "spread": spread(ratings, jackknife, of)}
    return {**found, **score_ceilings(ratings, jackknife, of)}


def test_only_some_utterances_are_those_alone():
    table, some = random_table(7), np.arange(60) % 3 > 0
    alone = {name: one.value for name, one in figures(table[:, some]).items()}
    assert {name: one.value for name, one in figures(table, of=some).items()} == pytest.approx(alone, abs=1e-10)


def test_the_interval_is_the_jackknife_of_the_figure_itself():
    table, jackknife = random_table(8, number=48), over(48, 8)
    left = [figures(table[:, np.arange(48) % 8 != number]) for number in range(8)]
    left += [figures(np.delete(table, row, 1)) for row in range(48)]
    compared = Ratings.of_table(table).compared
    within = {name: metric.within for name, metric in DIMENSION_METRICS.items()}
    within |= {"alpha": (-1, 1), "spread": (0, math.inf)}
    for name, found in figures(table, jackknife).items():
        values = np.array([one[name].value for one in left])
        wanted = jackknife.estimate(found.value, values, within[name], compared)
        assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-8), name
        assert found.low < found.value < found.high


@pytest.mark.parametrize(("raters", "noise"), [(2, 1.0), (5, 0.7)])
def test_intervals_hold_the_figures_that_the_noise_implies(raters, noise):
    """Raters are the true score, of variance 1, and noise of their own."""
    draw, sets, each = np.random.default_rng(raters), 200, 15
    of_mean = noise**2 / (raters - 1)  # variance of the noise of the others' mean
    truths = {
        "alpha": 1 / (1 + noise**2),
        "ccc": 2 / (2 + noise**2 + of_mean),
        "mae": math.sqrt(2 / math.pi * (noise**2 + of_mean)),
        "spread": noise,
    }
    held = dict.fromkeys(truths, 0)
    for _ in range(sets):
        table = 4 + draw.standard_normal(16 * each) + noise * draw.standard_normal((raters, 16 * each))
        found = figures(table, over(16 * each, 16))
        for name, truth in truths.items():
            held[name] += found[name].low <= truth <= found[name].high
    assert min(held.values()) >= binom.ppf(0.0005, sets, 0.95), held
