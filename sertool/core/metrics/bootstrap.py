"""Paired cluster bootstrap: do two models that predict the same scores differ?

Clusters (speakers) are drawn with replacement, as many as there are, and all utterances of a drawn cluster count as
often as it was drawn, for both models alike. The deviation of the difference over such resamples is its standard error.

Few clusters make that too small by the factor ``sqrt((G - 1) / G)``, and a normal interval too narrow. So the error is
divided by that factor, and the interval and the p-value are Student's t with G - 1 degrees of freedom. Percentiles of
the resamples say 0.05 or less three times too often where there are five speakers: docs/statistics.md has the figures.

Sources: C. Field, A. Welsh, "Bootstrapping Clustered Data", Journal of the Royal Statistical Society B 69, 2007;
B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 6 and 12; T. Hesterberg, "What Teachers
Should Know About the Bootstrap", The American Statistician 69, 2015 (few clusters).
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.classification import FloatArray
from sertool.core.metrics.clusters import FEWEST, Clusters
from sertool.core.metrics.jackknife import ALIKE, LEVEL, Difference
from sertool.core.metrics.moments import terms
from sertool.core.metrics.scores import DIMENSION_METRICS, DimensionMetric, mean_figure

DRAWS = 2000  # resamples: they tell a standard error to 1.6 % of itself
CELLS = 4_000_000  # of the counts that are held at a time, 32 MB
MOST_UNDEFINED = 0.01  # share of resamples without the figure, at which it has no interval

Array = NDArray[np.float64]


def bootstrap_differences(
    targets: FloatArray,
    a: FloatArray,
    b: FloatArray,
    clusters: Clusters,
    seed: int = 1,
    *,
    draws: int = DRAWS,
    fewest: int = FEWEST,
) -> dict[str, Difference]:
    """Return the mean figures of predictions ``b`` minus those of ``a``, tested by paired bootstrap over clusters.

    The p-value is below 0.05 exactly where the interval excludes 0. There is no interval where fewer than five clusters
    have targets, where resamples do not change the difference, or where more than one of a hundred has no such figure.

    Args:
        targets: (N, D) true scores, NaN where one is missing; one column tests the figures of one score.
        a: (N, D) predictions of the first model.
        b: (N, D) predictions of the second model.
        clusters: clusters of the N utterances.
        seed: seed of the resamples; the same one gives the same result.
        draws: number of resamples.
        fewest: least number of clusters for an interval; lower only to study what intervals would be.

    Returns:
        A difference for each key of ``DIMENSION_METRICS``.

    >>> draw = np.random.default_rng(0)
    >>> targets = draw.normal(size=(200, 1))
    >>> a, b = (targets + noise * draw.normal(size=(200, 1)) for noise in (1.0, 0.5))
    >>> found = bootstrap_differences(targets, a, b, Clusters(np.arange(200) % 20, 20, "speaker"))["mae"]
    >>> round(found.value, 2), found.high < 0, found.p < 0.001
    (-0.42, True, True)
    """
    own = [terms(targets, one) for one in (a, b)]
    both = np.stack(own, axis=1)  # (N, 2, D, S)
    index, number = _with_targets(clusters, targets)
    flat = both.reshape(len(both), -1)
    # Utterances without any target add nothing, and may stand in no cluster.
    sums: Array = np.stack([np.bincount(index, one, number + 1)[:number] for one in flat.T], axis=-1).astype(np.float64)
    shape = both.shape[1:]
    whole = sums.sum(0).reshape(shape)
    drawn = [] if number < max(fewest, 2) else [part.reshape(-1, *shape) for part in _resampled(sums, seed, draws)]
    found = {}
    for name, metric in DIMENSION_METRICS.items():
        allowed = metric.allowed(whole[0])  # by the targets alone, so the same for both
        values = [_apart(metric, part, allowed) for part in drawn]
        own_value = float(_apart(metric, whole, allowed))
        found[name] = _tested(own_value, np.concatenate(values) if values else np.empty(0), number)
    return found


def _apart(metric: DimensionMetric, sums: Array, allowed: NDArray[np.bool_]) -> Array:
    """Return (...) the mean figure of the second model minus that of the first, from sums (..., 2, D, S)."""
    values = mean_figure(metric, sums, allowed)
    return np.asarray(values[..., 1] - values[..., 0])


def _with_targets(clusters: Clusters, targets: FloatArray) -> tuple[NDArray[np.integer], int]:
    """Number the clusters that have targets, in their order; the utterances of others get the number behind the last.

    Returns:
        (N,) the cluster of each utterance, and the number of clusters with targets.
    """
    known = np.isfinite(targets).any(1)
    own = np.unique(clusters.index[known])
    place = np.full(clusters.number, len(own))
    place[own] = np.arange(len(own))
    return place[clusters.index], len(own)


def _resampled(sums: Array, seed: int, draws: int) -> Iterator[Array]:
    """Yield sums over resampled clusters, (R, S) at a time, from sums (G, S) of each cluster."""
    random, number = np.random.default_rng(seed), len(sums)
    step = max(1, CELLS // number)
    for begin in range(0, draws, step):
        rows = min(step, draws - begin)
        drawn = random.integers(0, number, (rows, number)) + number * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * number).reshape(rows, number).astype(np.float64) @ sums


def _tested(value: float, values: Array, number: int) -> Difference:
    """Return a difference with its interval and p-value, from its values in resamples of a number of clusters."""
    from scipy.special import stdtr, stdtrit  # slow to import, and only needed here

    defined = values[np.isfinite(values)]
    if len(defined) < 2 or len(defined) < (1 - MOST_UNDEFINED) * len(values):
        return Difference(value)
    if value == 0 and not defined.any():  # two models that never differ
        return Difference(0.0, 0.0, 0.0, 1.0)
    error = float(defined.std(ddof=1)) * math.sqrt(number / (number - 1))
    if error <= ALIKE:
        return Difference(value)
    half = float(stdtrit(number - 1, (1 + LEVEL) / 2)) * error
    return Difference(value, value - half, value + half, 2 * float(stdtr(number - 1, -abs(value) / error)))
