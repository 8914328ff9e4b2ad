"""Cross-entropy and Jensen-Shannon divergence against SciPy and scikit-learn, with gaps, zeros and intervals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy
from sklearn.metrics import log_loss

from sertool.core.metrics import Clusters, Difference, Jackknife
from sertool.core.metrics.distributions import (
    DISTRIBUTION_METRICS,
    cross_entropy,
    distribution_differences,
    distribution_estimates,
    distribution_figures,
    jsd,
)


def sample(seed, count=120, classes=4, gaps=0.2):
    """Votes of three to seven raters, and the probabilities of two models, the second closer to the votes."""
    draw = np.random.default_rng(seed)
    true = draw.dirichlet(np.full(classes, 0.7), count)
    votes = np.stack([draw.multinomial(draw.integers(3, 8), one) for one in true]).astype(float)
    votes /= votes.sum(1, keepdims=True)
    a, b = (own * true + (1 - own) * draw.dirichlet(np.ones(classes), count) for own in (0.3, 0.8))
    votes[draw.random(count) < gaps] = math.nan
    return votes, a, b


def speakers(count, number=12):
    return Jackknife(Clusters(np.arange(count) % number, number, "speaker"))


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 6), min_size=1, max_size=15))
@settings(deadline=None)
def test_figures_are_those_of_scipy(rows):
    """Zeros on both sides are frequent; where a probability is 0 that raters chose, the cross-entropy is finite."""
    table = np.array(rows, float) + np.tile([1e-9, 0, 0], 2)
    votes, shares = (one / one.sum(1, keepdims=True) for one in (table[:, :3], table[:, 3:]))
    wanted = [jensenshannon(v, p, base=2) ** 2 for v, p in zip(votes, shares, strict=True)]
    np.testing.assert_allclose(jsd(votes, shares), wanted, atol=1e-7)
    found = cross_entropy(votes, shares)
    assert np.isfinite(found).all()
    full = ((shares > 0) | (votes == 0)).all(1)
    naive = [entropy(v) + entropy(v, p) for v, p in zip(votes[full], shares[full], strict=True)]
    np.testing.assert_allclose(found[full], naive, atol=1e-9)


def test_votes_that_agree_give_scikit_learns_log_loss():
    _, shares, _ = sample(0)
    targets = np.arange(120) % 4
    found = distribution_figures(np.eye(4)[targets], shares)
    assert found["cross_entropy"] == pytest.approx(log_loss(targets, shares, labels=range(4)))


def test_a_model_that_gives_the_votes_has_their_entropy_and_no_divergence():
    votes, _, _ = sample(1, gaps=0)
    found = distribution_figures(votes, votes)
    assert found["cross_entropy"] == pytest.approx(np.mean([entropy(one) for one in votes]))
    assert found["jsd"] == pytest.approx(0, abs=1e-12)
    assert distribution_figures(np.eye(4)[[0, 1]], np.eye(4)[[2, 3]])["jsd"] == 1


def test_utterances_without_votes_are_left_out():
    votes, a, _ = sample(2)
    known = ~np.isnan(votes).any(1)
    assert 0 < known.sum() < 120
    assert distribution_figures(votes, a) == pytest.approx(distribution_figures(votes[known], a[known]))
    nothing = distribution_estimates(np.full((9, 2), math.nan), np.full((9, 2), 0.5), speakers(9, 9))
    assert all(math.isnan(one.value) and one.low is None for one in nothing.values())


def test_intervals_and_differences_are_the_naive_jackknifes():
    votes, a, b = sample(3)
    jackknife, known = speakers(120), ~np.isnan(votes).any(1)
    found, both = distribution_estimates(votes, a, jackknife), distribution_differences(votes, a, b, jackknife)
    kept = [np.arange(120) % 12 != one for one in range(12)] + [np.arange(120) != row for row in range(120)]
    of_a, of_b = ([distribution_figures(votes[rows], one[rows]) for rows in kept] for one in (a, b))
    for name, within in (("cross_entropy", (0, math.inf)), ("jsd", (0, 1))):
        value = distribution_figures(votes, a)[name]
        values, others = (np.array([one[name] for one in own]) for own in (of_a, of_b))
        wanted = jackknife.estimate(value, values, within, known)
        assert (found[name].low, found[name].high) == pytest.approx((wanted.low, wanted.high))
        apart = distribution_figures(votes, b)[name] - value
        assert both[name].value == pytest.approx(apart)
        assert both[name].p == pytest.approx(jackknife.noise(apart, others - values, known).p(apart))
        assert both[name].low < apart < both[name].high < 0  # the second is better, and the interval says so


def test_the_same_model_twice_and_few_speakers():
    votes, a, b = sample(4)
    assert set(distribution_differences(votes, a, a, speakers(120)).values()) == {Difference(0.0, 0.0, 0.0, 1.0)}
    few = distribution_differences(votes, a, b, speakers(120, 4))
    assert all(one.value < 0 and one.p is None for one in few.values())


def test_both_are_better_when_lower():
    assert list(DISTRIBUTION_METRICS) == ["cross_entropy", "jsd"]
    assert not any(metric.higher_is_better or metric.is_share for metric in DISTRIBUTION_METRICS.values())
