"""Bootstrap over clusters (speakers, dialogues, videos), not over their utterances.

Utterances of one speaker resemble each other, so resampling them as if they were independent gives intervals that
are too narrow. Here whole clusters are resampled at random, with replacement: A. Davison, D. Hinkley, "Bootstrap
Methods and their Application", Cambridge 1997, section 3.8.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.classification import FloatArray
from sertool.core.metrics.clusters import FEWEST, Clusters

LARGEST = 1 << 28  # bytes of the table that counts each cluster in each resample
ALIKE = 1e-9  # values that differ by less differ by rounding
CHUNK = 1 << 18  # bytes of that table that are worked on at once: they stay in the processor's cache

Range = tuple[float, float]
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


class Bootstrap:
    """Resamples of clusters that all figures of a set of utterances share, so that differences are paired.

    Args:
        clusters: the clusters of the utterances.
        resamples: number of resamples, R; fewer for more than 27,000 clusters, so that they take 256 MB at most.
        seed: seed of the random resampling.
    """

    def __init__(self, clusters: Clusters, *, resamples: int = 10_000, seed: int = 1) -> None:
        self.clusters = clusters
        self.resamples = min(resamples, max(LARGEST // max(clusters.number, 1), 1))
        self.seed = seed

    def totals(self, columns: NDArray[Any]) -> NDArray[np.float64]:
        """Sum columns (N, S) over the utterances of each resample: (R, S), exact for integers.

        >>> clusters = Clusters(np.array([0, 0, 1]), 2, "speaker")
        >>> Bootstrap(clusters, resamples=4).totals(np.array([[1], [1], [5]])).ravel().tolist()
        [7.0, 10.0, 10.0, 10.0]
        """
        number = self.clusters.number
        sums = np.stack([np.bincount(self.clusters.index, weights=one, minlength=number) for one in columns.T], axis=-1)
        # Summed within clusters first, so that a resample costs as much as its clusters, not its utterances.
        result = np.empty((self.resamples, columns.shape[1]))
        for rows in self._chunks():
            result[rows] = self._times[rows].astype(np.float64) @ sums
        return result

    def interval(self, values: FloatArray, within: Range = ANYWHERE) -> tuple[float, float] | None:
        """Return the 95 % interval of a figure from its values in the resamples; None where there is none.

        There is none for fewer than five clusters, a value that is not defined (NaN), or values that are all alike.

        It is the expanded percentile interval. Percentiles are too narrow for few clusters, so the quantiles lie
        further out than 2.5 and 97.5 %, as far as Student's t with n - 1 degrees of freedom lies beyond the normal
        distribution, for n clusters.

        Args:
            values: (R,) the figure in each resample.
            within: lowest and highest value that the figure can have.

        Source: T. Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69(4), 2015.
        """
        if self.clusters.number < FEWEST or not np.ptp(values) > ALIKE:
            return None
        from scipy.special import ndtr, stdtrit  # slow to import, and only needed here

        number = self.clusters.number
        t = float(stdtrit(number - 1, 0.975))
        tail = ndtr(-math.sqrt(number / (number - 1)) * t)
        low, high = np.quantile(values, [tail, 1 - tail])
        return float(low), float(high)

    def estimate(self, value: float, values: FloatArray, within: Range = ANYWHERE) -> Estimate:
        """Return a figure with its interval, from its values (R,) in the resamples."""
        return Estimate(value, *(self.interval(values, within) or ()))

    def difference(self, value: float, values: FloatArray, within: Range = ANYWHERE) -> Difference:
        """Return a difference with its interval and p-value, from its values (R,) in the resamples.

        The p-value is that of ``value / standard error`` under Student's t with n - 1 degrees of freedom, for n
        clusters. Two models that never differ have difference 0, interval 0 to 0 and p-value 1.
        """
        if self.clusters.number >= FEWEST and value == 0 and not values.any():
            return Difference(0.0, 0.0, 0.0, 1.0)
        interval = self.interval(values, within)
        if interval is None:
            return Difference(value)
        from scipy.special import stdtr  # slow to import, and only needed here

        p = 2 * float(stdtr(self.clusters.number - 1, -abs(value) / self._error(values)))
        return Difference(value, *interval, p)

    def _error(self, values: FloatArray) -> float:
        """Return the standard error: the deviation of resamples is too small by ``sqrt((n - 1) / n)``, n clusters."""
        number = self.clusters.number
        return float(values.std()) * math.sqrt(number / (number - 1))

    @cached_property
    def _times(self) -> NDArray[np.uint8]:
        """(R, clusters) how often each cluster is in each resample."""
        number, draw = self.clusters.number, np.random.default_rng(self.seed)
        kind = np.uint16 if number <= 1 << 16 else np.uint32
        # A byte is enough: the number is about Poisson with mean 1, so that above 255 never happens.
        times = np.empty((self.resamples, number), np.uint8)
        for rows in self._chunks():
            size = rows.stop - rows.start
            # Each row gets its own range of numbers, so that one bincount counts all rows.
            drawn = draw.integers(0, number, (size, number), kind) + number * np.arange(size)[:, None]
            times[rows] = np.bincount(drawn.ravel(), minlength=size * number).reshape(size, number)
        return times

    def _chunks(self) -> Iterator[slice]:
        step = max(CHUNK // max(self.clusters.number, 1), 1)
        for start in range(0, self.resamples, step):
            yield slice(start, min(start + step, self.resamples))
