"""Metrics of predicted probabilities against the votes of raters: cross-entropy and Jensen-Shannon divergence.

Raters who disagree give a distribution over classes, not a class. These metrics compare it with the model's.

Arguments that the functions share:
    votes: (N, C) the share of an utterance's raters that chose each class, which sum to 1; a row of NaN where there are
        no votes: such utterances are left out.
    shares: (N, C) the model's probabilities.
    jackknife: jackknife over these utterances.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.classification import FloatArray, Metric
from sertool.core.metrics.jackknife import ANYWHERE, SHARE, Difference, Estimate, Jackknife, Range
from sertool.core.metrics.moments import mean_of

LEAST = float(np.finfo(np.float64).tiny)  # a probability of 0 counts as this one, so that a cross-entropy is finite

Array = NDArray[np.float64]

# The metrics of distributions, in the order of every table.
DISTRIBUTION_METRICS: dict[str, Metric] = {
    "cross_entropy": Metric("cross-entropy", is_share=False, higher_is_better=False),
    "jsd": Metric("Jensen-Shannon divergence", is_share=False, higher_is_better=False),
}
_WITHIN: dict[str, Range] = {"cross_entropy": (0.0, math.inf), "jsd": SHARE}


def cross_entropy(votes: FloatArray, shares: FloatArray) -> Array:
    """Return (N,) the cross-entropy of each utterance in nats, ``-sum(v_c log p_c)`` over classes c; NaN without votes.

    It is at least the entropy of the votes, which a model reaches whose probabilities are the votes.

    >>> cross_entropy(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[0.5, 0.5], [0.25, 0.75]])).round(4).tolist()
    [0.6931, 1.3863]

    Source: C. Shannon, "A Mathematical Theory of Communication", Bell System Technical Journal 27, 1948.
    """
    votes = np.asarray(votes, np.float64)
    return np.asarray(-(votes * np.log(np.maximum(shares, LEAST))).sum(-1))


def jsd(votes: FloatArray, shares: FloatArray) -> Array:
    """Return (N,) the Jensen-Shannon divergence of each utterance, from 0 to 1; NaN without votes.

    ``(KL(v, m) + KL(p, m)) / 2`` with ``m = (v + p) / 2`` and logarithms to base 2: 0 where both distributions are the
    same, 1 where they share no class. It is symmetric and finite.

    >>> jsd(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.0, 1.0], [0.5, 0.5]])).tolist()
    [1.0, 0.0]

    Source: J. Lin, "Divergence Measures Based on the Shannon Entropy", IEEE Transactions on Information Theory 37,
    1991.
    """
    v, p = np.asarray(votes, np.float64), np.asarray(shares, np.float64)
    # Rounding may leave -1e-17 where both are the same.
    return np.asarray((_entropy((v + p) / 2) - (_entropy(v) + _entropy(p)) / 2).clip(0, 1))


def distribution_figures(votes: FloatArray, shares: FloatArray) -> dict[str, float]:
    """Return the mean over utterances of every metric of ``DISTRIBUTION_METRICS``, by key; NaN without any votes.

    >>> found = distribution_figures(np.array([[0.5, 0.5], [np.nan, np.nan]]), np.array([[0.5, 0.5], [1.0, 0.0]]))
    >>> round(found["cross_entropy"], 4), found["jsd"]
    (0.6931, 0.0)
    """
    return {name: float(mean_of(columns.sum(0))) for name, columns in _columns(votes, shares).items()}


def distribution_estimates(votes: FloatArray, shares: FloatArray, jackknife: Jackknife) -> dict[str, Estimate]:
    """Return the mean over utterances of every metric with its interval, by key."""
    known = _known(votes)
    return {
        name: jackknife.estimate(
            float(mean_of(columns.sum(0))), mean_of(jackknife.totals(columns)), _WITHIN[name], known
        )
        for name, columns in _columns(votes, shares).items()
    }


def distribution_differences(
    votes: FloatArray, a: FloatArray, b: FloatArray, jackknife: Jackknife
) -> dict[str, Difference]:
    """Return every metric of probabilities ``b`` minus that of ``a``, paired by utterance, by its key.

    Args:
        votes: (N, C).
        a: (N, C) probabilities of the first model.
        b: (N, C) probabilities of the second model.
        jackknife: jackknife over the N utterances.
    """
    known, of_a, of_b = _known(votes), _columns(votes, a), _columns(votes, b)
    found = {}
    for name in DISTRIBUTION_METRICS:
        own = [one[name] for one in (of_a, of_b)]
        first, second = (float(mean_of(one.sum(0))) for one in own)
        first_left, second_left = (mean_of(jackknife.totals(one)) for one in own)
        found[name] = jackknife.difference(second - first, second_left - first_left, known, within=ANYWHERE)
    return found


def _columns(votes: FloatArray, shares: FloatArray) -> dict[str, Array]:
    """Return (N, 2) of each metric: its value, and 1; zeros for an utterance without votes."""
    known = _known(votes)
    return {
        name: np.stack([np.where(known, one, 0.0), known], axis=-1)
        for name, one in (("cross_entropy", cross_entropy(votes, shares)), ("jsd", jsd(votes, shares)))
    }


def _known(votes: FloatArray) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(votes).all(-1))


def _entropy(shares: NDArray[Any]) -> Array:
    """Return (N,) the entropy of (N, C) in bits."""
    each: Array = shares * np.log2(np.maximum(shares, LEAST))
    return np.asarray(-each.sum(-1))
