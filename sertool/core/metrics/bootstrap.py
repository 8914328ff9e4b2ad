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

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.classification import FloatArray
from sertool.core.metrics.clusters import FEWEST, Clusters
from sertool.core.metrics.jackknife import ALIKE, LEVEL, Difference
from sertool.core.metrics.moments import terms
from sertool.core.metrics.scores import DIMENSION_METRICS, DimensionMetric, mean_figure
from sertool.core.metrics.sentiment import Figure, sentiment_parts

DRAWS = 2000  # resamples: they tell a standard error to 1.6 % of itself
CELLS = 4_000_000  # of the counts that are held at a time, 32 MB
MOST_UNDEFINED = 0.01  # share of resamples without the figure, at which it has no interval

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


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
    both = np.stack([terms(targets, one) for one in (a, b)], axis=1)  # (N, 2, D, S)
    shape, known = both.shape[1:], np.asarray(np.isfinite(targets).any(1))
    whole, drawn, number = _resampled(both.reshape(len(both), -1), known, clusters, seed, draws, fewest)
    sums, resamples = whole.reshape(shape), drawn.reshape(-1, *shape)
    found = {}
    for name, metric in DIMENSION_METRICS.items():
        allowed = metric.allowed(sums[0])  # by the targets alone, so the same for both
        found[name] = _tested(_apart(metric, sums, allowed), _apart(metric, resamples, allowed), number)
    return found


def sentiment_differences(
    scores: FloatArray,
    a: FloatArray,
    b: FloatArray,
    clusters: Clusters,
    seed: int = 1,
    *,
    draws: int = DRAWS,
    fewest: int = FEWEST,
) -> dict[str, Difference]:
    """Return the field's metrics of predictions ``b`` minus those of ``a``, by the bootstrap of the module.

    A metric is about the clusters that have a score which counts in it: without zeros, a score other than 0.

    Args:
        scores: (N,) true scores, -3 to 3; NaN where one is missing.
        a: (N,) predicted scores of the first model.
        b: (N,) predicted scores of the second model.
        clusters: clusters of the N utterances.
        seed: seed of the resamples, which are those of :func:`bootstrap_differences` for the same seed and clusters.
        draws: number of resamples.
        fewest: least number of clusters for an interval.

    Returns:
        A difference, in shares, for each key of ``SENTIMENT_METRICS`` that is defined for these scores.

    >>> scores = np.tile([-1.0, 1.0, 2.0], 20)
    >>> a = np.where(np.arange(60) < 15, -scores, scores)
    >>> found = sentiment_differences(scores, a, scores, Clusters(np.arange(60) % 10, 10, "speaker"))
    >>> found["acc2_without_zeros"].value, found["acc2_without_zeros"].low > 0
    (0.25, True)
    """
    of_a, of_b = (sentiment_parts(scores, one) for one in (a, b))
    alike: dict[bytes, list[str]] = {}  # metrics that count the same utterances have the same resamples
    for name, one in of_a.items():
        alike.setdefault(one.of.tobytes(), []).append(name)
    found = {}
    for names in alike.values():
        both = [np.hstack([own[name].columns for own in (of_a, of_b)]) for name in names]  # (N, 2S) each
        whole, drawn, number = _resampled(np.hstack(both), of_a[names[0]].of, clusters, seed, draws, fewest)
        ends = np.cumsum([one.shape[1] for one in both])[:-1]
        for name, sums, resamples in zip(names, np.split(whole, ends), np.split(drawn, ends, axis=-1), strict=True):
            found[name] = _tested(_gained(of_a[name], sums), _gained(of_a[name], resamples), number)
    return {name: found[name] for name in of_a}


def _apart(metric: DimensionMetric, sums: Array, allowed: Mask) -> Array:
    """Return (...) the mean figure of the second model minus that of the first, from sums (..., 2, D, S)."""
    values = mean_figure(metric, sums, allowed)
    return np.asarray(values[..., 1] - values[..., 0])


def _gained(metric: Figure, sums: Array) -> Array:
    """Return (...) the figure of the second model minus that of the first, from sums (..., 2S)."""
    first, second = np.split(sums, 2, axis=-1)
    return np.asarray(metric.of_sums(second) - metric.of_sums(first))


def _resampled(
    columns: Array, of: Mask, clusters: Clusters, seed: int, draws: int, fewest: int
) -> tuple[Array, Array, int]:
    """Sum columns over all utterances, and over those of resampled clusters.

    Args:
        columns: (N, S) what each utterance adds; 0 where it does not count.
        of: (N,) True for the utterances that count.
        clusters: clusters of the N utterances; only those with an utterance that counts are drawn.
        seed: seed of the resamples.
        draws: number of resamples.
        fewest: least number of clusters.

    Returns:
        (S,) and (R, S) sums, and the number of clusters; R is 0 where these are too few.
    """
    own = np.unique(clusters.index[of])
    number = len(own)
    # Utterances that do not count may stand in no cluster: these get the number behind the last.
    place = np.full(clusters.number, number)
    place[own] = np.arange(number)
    index = place[clusters.index]
    sums = np.stack([np.bincount(index, one, number + 1)[:number] for one in columns.T], axis=-1).astype(np.float64)
    if number < max(fewest, 2):
        return sums.sum(0), np.empty((0, sums.shape[1])), number
    random = np.random.default_rng(seed)
    step, parts = max(1, CELLS // number), []
    for begin in range(0, draws, step):
        rows = min(step, draws - begin)
        drawn = random.integers(0, number, (rows, number)) + number * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * number).reshape(rows, number)
        parts.append(times.astype(np.float64) @ sums)
    return sums.sum(0), np.concatenate(parts), number


def _tested(whole: Array, values: Array, number: int) -> Difference:
    """Return a difference () with its interval and p-value, from its values (R,) in resamples of some clusters."""
    from scipy.special import stdtr, stdtrit  # slow to import, and only needed here

    value = float(whole)
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
