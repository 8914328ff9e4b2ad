"""Jackknife over clusters (speakers, dialogues, videos): what a figure would be without each of them.

Utterances of one speaker resemble each other, so intervals over utterances are too narrow. Here a figure is computed
again without each cluster in turn. How much these values differ from the figure gives its standard error, and
Student's t the interval. docs/statistics.md says how often such intervals hold the truth.

Sources: J. MacKinnon, M. Nielsen, M. Webb, "Fast and reliable jackknife and bootstrap methods for cluster-robust
inference", Journal of Applied Econometrics 38, 2023 (the standard error CV3); G. Imbens, M. Kolesár, "Robust Standard
Errors in Small Samples: Some Practical Advice", Review of Economics and Statistics 98, 2016 (degrees of freedom from
the correlation within clusters); N. Dean, M. Pagano, "Evaluating Confidence Interval Methods for Binomial Proportions
in Clustered Surveys", Journal of Survey Statistics and Methodology 3, 2015 (the logit scale).
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.classification import FloatArray
from sertool.core.metrics.clusters import FEWEST, Clusters

ALIKE = 1e-9  # values that differ by less differ by rounding
LEVEL = 0.95  # of intervals

Range = tuple[float, float]
SHARE: Range = (0.0, 1.0)
ANYWHERE: Range = (-math.inf, math.inf)


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; None where no interval can be given."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Difference:
    """The figure of one model minus that of another, its 95 % interval, and the two-sided p-value of no difference.

    ``low``, ``high`` and ``p`` are None where there are too few clusters to compute them.
    """

    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class Noise:
    """Noise of a figure: chance would move it this much in another set.

    Attributes:
        error: its standard error over clusters.
        degrees: degrees of freedom of that standard error.
        least: least standard error: that over utterances, less the noise that ``error`` has itself.
    """

    error: float
    degrees: float
    least: float

    @property
    def half(self) -> float:
        """Half the width of the 95 % interval."""
        from scipy.special import ndtri, stdtrit  # slow to import, and only needed here

        tail = (1 + LEVEL) / 2
        return max(float(stdtrit(self.degrees, tail)) * self.error, float(ndtri(tail)) * self.least)

    def p(self, value: float) -> float:
        """Return the two-sided p-value of a figure whose true value is 0; below 0.05 if the interval excludes 0."""
        from scipy.special import ndtr, stdtr  # slow to import, and only needed here

        by_t, by_normal = (-abs(value) / error if error else -math.inf for error in (self.error, self.least))
        return 2 * max(float(stdtr(self.degrees, by_t)), float(ndtr(by_normal)))


class Jackknife:
    """Sums over a set of utterances without each of its clusters, and intervals of the figures of these sums.

    Args:
        clusters: the clusters of the utterances, G of them.
        fewest: least number of clusters for an interval; lower only to study what intervals would be.
    """

    def __init__(self, clusters: Clusters, *, fewest: int = FEWEST) -> None:
        self.clusters = clusters
        self.fewest = fewest

    def totals(self, columns: NDArray[Any]) -> NDArray[np.float64]:
        """Sum columns (N, S) without each cluster, then without each utterance: (G + N, S), exact for integers.

        A sum over nothing is NaN: no figure is defined then.

        >>> clusters = Clusters(np.array([0, 0, 1]), 2, "speaker")
        >>> Jackknife(clusters).totals(np.array([[1], [1], [5]])).ravel().tolist()
        [5.0, 2.0, 6.0, 6.0, 2.0]
        """
        columns = np.asarray(columns, np.float64)
        sums = [np.bincount(self.clusters.index, one, self.clusters.number) for one in columns.T]
        left = np.asarray(columns.sum(0) - np.vstack([np.stack(sums, axis=-1), columns]))
        number = self.clusters.number
        for rows, count in ((slice(number), number), (slice(number, None), len(columns))):
            if count == 1:
                left[rows] = math.nan
        return left

    def noise(self, value: float, values: FloatArray, of: NDArray[Any] | None = None) -> Noise | None:
        """Measure how much chance moves a figure; None where nothing tells it.

        Nothing does where the figure is about fewer than five clusters, where it is not defined without one of them
        (NaN), or where it stays the same without any utterance.

        Args:
            value: the figure of all utterances.
            values: (G + N,) the figure without each cluster, then without each utterance, from ``totals``.
            of: (N,) True for the utterances that the figure is about; all by default.
        """
        index, number = self.clusters.index, self.clusters.number
        counts = np.bincount(index if of is None else index[np.asarray(of, bool)], minlength=number)
        sizes = counts[counts > 0].astype(np.float64)
        if len(sizes) < max(self.fewest, 2) or not np.isfinite(values).all():
            return None
        over_clusters, over_utterances = (
            float(((part - value) ** 2).sum()) * (count - 1) / count
            for part, count in ((values[:number], len(sizes)), (values[number:], sizes.sum()))
        )
        if max(over_clusters, over_utterances) <= ALIKE**2:
            return None
        degrees = _degrees(sizes, _correlation(sizes, over_clusters, over_utterances))
        # A standard error with d degrees of freedom deviates by about 1 / sqrt(2 d) of itself.
        share = 1 - 1 / math.sqrt(2 * degrees)
        return Noise(math.sqrt(over_clusters), degrees, share * math.sqrt(over_utterances))

    def estimate(
        self, value: float, values: FloatArray, within: Range = ANYWHERE, of: NDArray[Any] | None = None
    ) -> Estimate:
        """Return a figure with its interval.

        The interval of a figure with a lowest and a highest value is symmetric on the logit scale between these: near
        them chance moves a figure further to the middle than to the end.

        Args:
            value: the figure, as for ``noise``.
            values: the figure without each cluster and utterance, as for ``noise``.
            within: lowest and highest value that the figure can have.
            of: the utterances that the figure is about, as for ``noise``.
        """
        noise = self.noise(value, values, of)
        if noise is None or value in within:
            return Estimate(value)
        if not all(map(math.isfinite, within)):
            return Estimate(value, max(value - noise.half, within[0]), min(value + noise.half, within[1]))
        lowest, width = within[0], within[1] - within[0]
        share = (value - lowest) / width
        factor = math.exp(-noise.half / width / (share * (1 - share)))  # of the odds, at the lower end
        low, high = (share * odds / (1 - share + share * odds) for odds in (factor, 1 / max(factor, 1e-300)))
        return Estimate(value, lowest + width * low, lowest + width * high)

    def difference(
        self,
        value: float,
        values: FloatArray,
        of: NDArray[Any] | None = None,
        *,
        within: Range = (-1.0, 1.0),
    ) -> Difference:
        """Return a difference with its interval and p-value.

        The p-value is below 0.05 exactly where the interval excludes 0. Two models that never differ have difference
        0, interval 0 to 0 and p-value 1.

        Args:
            value: the difference of all utterances.
            values: the difference without each cluster and utterance, as for ``noise``.
            of: the utterances that it is about, as for ``noise``.
            within: lowest and highest value that it can have; by default those of a difference of shares.
        """
        if self.clusters.number >= self.fewest and value == 0 and not values.any():
            return Difference(0.0, 0.0, 0.0, 1.0)
        noise = self.noise(value, values, of)
        if noise is None:
            return Difference(value)
        low, high = max(value - noise.half, within[0]), min(value + noise.half, within[1])
        return Difference(value, low, high, noise.p(value))


def _correlation(sizes: FloatArray, over_clusters: float, over_utterances: float) -> float:
    """Estimate the correlation within clusters from the design effect, ``1 + (n - 1) correlation``.

    n is the mean size of the cluster of an utterance. Source: L. Kish, "Survey Sampling", 1965, section 5.4.
    """
    others = float((sizes**2).sum() / sizes.sum()) - 1
    if others <= 0 or over_utterances <= 0:
        return 0.0
    return min(max((over_clusters / over_utterances - 1) / others, 0.0), 1.0)


def _degrees(sizes: FloatArray, correlation: float) -> float:
    """Return the degrees of freedom of the jackknife variance of a mean over clusters of these sizes, at least 1.

    Satterthwaite's: twice the squared mean of that variance by its variance, for normal values with this correlation
    within clusters. The variance is the sum of ``k_g e_g^2``: e_g is the sum of a cluster's deviations from the mean of
    all N utterances and ``k_g = 1 / (N - n_g)^2``. Clusters of one size n have as many as there are clusters, less 1.

    >>> round(_degrees(np.full(8, 30.0), 0.1), 6), round(_degrees(np.array([10.0, 10, 10, 10, 100]), 0.1), 1)
    (7.0, 1.1)
    """
    total = sizes.sum()
    share, factor = sizes / total, 1 / (total - sizes) ** 2
    variance = sizes * (1 - correlation) + sizes**2 * correlation  # of a cluster's sum
    whole = variance.sum()
    # Covariances of e are D - s v' - v s' + W s s' for shares s, variances v on the diagonal D, and their sum W.
    shared = -2 * share * variance + whole * share**2
    own = variance + shared
    a, b, c = (factor * share**2).sum(), (factor * variance**2).sum(), (factor * share * variance).sum()
    off_diagonal = 2 * a * b + 2 * c**2 + (whole * a) ** 2 - 4 * whole * a * c - (factor**2 * shared**2).sum()
    return max(float((factor * own).sum() ** 2 / (off_diagonal + (factor**2 * own**2).sum())), 1.0)
