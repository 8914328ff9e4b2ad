"""Bootstrap over clusters (speakers, dialogues, videos), not over their utterances.

Utterances of one speaker resemble each other, so resampling them as if they were independent gives intervals that
are too narrow. Here whole clusters are resampled at random, with replacement: A. Davison, D. Hinkley, "Bootstrap
Methods and their Application", Cambridge 1997, section 3.8.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sertool.core.metrics.classification import FloatArray, IntArray

UNITS = ("speaker", "dialogue", "video", "session")  # kinds of cluster, the preferred one first
ENOUGH = 5  # clusters; fewer give too few different resamples: 10 of three clusters, 35 of four
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


@dataclass(frozen=True)
class Clusters:
    """The clusters that a set of utterances falls into.

    Attributes:
        index: (N,) the cluster of each utterance, 0 to ``number`` - 1.
        number: number of clusters.
        unit: the kind of cluster: one of ``UNITS``, or ``utterance``.
        note: one sentence on the limits of the intervals; empty where there are none.
    """

    index: IntArray
    number: int
    unit: str
    note: str = ""


def choose_clusters(groups: Mapping[str, Sequence[str | None]], count: int) -> Clusters:
    """Choose the unit to resample: speakers if there are five, else dialogues, videos or sessions, else utterances.

    A unit is a candidate if it is known for all utterances. The first with at least five clusters is taken; if none
    has as many, the one with most clusters; if none has two, utterances are resampled.

    Args:
        groups: (N,) names for each of ``UNITS``, None where unknown; a unit may be missing.
        count: number of utterances, N.

    >>> choose_clusters({"speaker": ["ann", "bob", "cas", "dan", "eve", "ann"]}, 6).index.tolist()
    [0, 1, 2, 3, 4, 0]
    >>> choose_clusters({"speaker": ["ann", "bob"] * 3}, 6).note
    'only 2 speakers: the interval is rough'
    """
    known = {
        unit: np.unique(np.array(groups[unit], str), return_inverse=True)
        for unit in UNITS
        if count and all(groups.get(unit, [None]))
    }
    sizes = {unit: len(names) for unit, (names, _) in known.items()}
    enough = [unit for unit, size in sizes.items() if size >= ENOUGH]
    unit = enough[0] if enough else max(sizes, key=lambda one: sizes[one], default="utterance")
    if sizes.get(unit, 0) < 2:
        return Clusters(np.arange(count), count, "utterance", _note(groups, sizes, "utterance", count))
    return Clusters(known[unit][1], sizes[unit], unit, _note(groups, sizes, unit, count))


def _note(groups: Mapping[str, Sequence[str | None]], sizes: Mapping[str, int], unit: str, count: int) -> str:
    """Explain why the intervals are rough, or over another unit than speakers; empty if they are neither."""
    if unit == "utterance" and count < 2:
        return "one utterance only: no interval can be given"
    missing = sum(not name for name in groups.get("speaker", []))
    if unit != "speaker" and 0 < missing < count:
        return f"over {unit}s: the speaker of {missing} of {count} utterances is unknown"
    if not sizes:
        return "over utterances: nothing is known about speakers, dialogues or videos"
    first = next(iter(sizes))
    few = f"one {first} only" if sizes[first] == 1 else f"only {sizes[first]} {first}s"
    rough = sizes.get(unit, ENOUGH) < ENOUGH
    if first == unit:
        return f"{few}: the interval is rough" if rough else ""
    over = "utterances" if unit == "utterance" else f"{sizes[unit]} {unit}s"
    middle = f"rough, over {over}" if rough else f"over {over}"
    return f"{few}: the interval is {middle}, and says nothing about other {first}s"


def clusters_of(utterances: Sequence[object]) -> Clusters:
    """Apply :func:`choose_clusters` to objects that have the attributes ``UNITS``, None where unknown."""
    return choose_clusters({unit: [getattr(one, unit) for one in utterances] for unit in UNITS}, len(utterances))


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

        There is none for a single cluster, a value that is not defined (NaN), or values that are all alike.

        It is the expanded percentile interval. Percentiles are too narrow for few clusters, so the quantiles lie
        further out than 2.5 and 97.5 %, as far as Student's t with n - 1 degrees of freedom lies beyond the normal
        distribution, for n clusters. Below five clusters even the extremes of all resamples span too little (those of
        two clusters hold the truth half the time): there it is the resamples' mean plus or minus t standard errors.

        Args:
            values: (R,) the figure in each resample.
            within: lowest and highest value that the figure can have.

        Source: T. Hesterberg, "What Teachers Should Know About the Bootstrap", The American Statistician 69(4), 2015.
        """
        if self.clusters.number < 2 or not np.ptp(values) > ALIKE:
            return None
        from scipy.special import ndtr, stdtrit  # slow to import, and only needed here

        number = self.clusters.number
        t = float(stdtrit(number - 1, 0.975))
        if number < ENOUGH:
            middle, half = float(values.mean()), t * self._error(values)
            return max(middle - half, within[0]), min(middle + half, within[1])
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
        if self.clusters.number > 1 and value == 0 and not values.any():
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
